"""One identity provider, as we reach it: what it says of itself, its keys, its tokens.

Promises: it describes itself over TLS, at the issuer that the settings name, and its word is kept an hour; keys we do
not know are asked for at most once a minute; calls time out, follow no redirection, and go to no address of this
network unless `oidc_private` says so (security item 44). Nothing of what it says is shown or logged: a refusal is a
code of `REFUSALS`. OpenID Connect Discovery 1.0; RFC 6749 § 2.3, RFC 7523, RFC 8705.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
import structlog
from joserfc.jwk import Key

from server import oidc_tokens
from server.errors import Unauthorised
from server.gateways import http_session
from server.oidc_tokens import Claims, Expected, NotVerified, UnknownKey
from server.settings import Settings

log = structlog.get_logger()

PATIENCE_S = 10.0
DESCRIBED_S = 3600.0
AGAIN_S = 5.0
KEYS_EVERY_S = 60.0
MOST = 1 << 20  # octets of an answer
_BY_CERTIFICATE = ("token_endpoint", "userinfo_endpoint", "introspection_endpoint")  # RFC 8705 § 5
REFUSALS = {
    "oidc_denied": "Vous avez arrêté avant la fin. Rien n’a été ouvert. Vous pouvez recommencer.",
    "oidc_again": "Le service de connexion demande que vous vous identifiiez de nouveau. Recommencez.",
    "oidc_down": "Le service de connexion ne répond pas pour le moment. Réessayez dans quelques minutes.",
    "oidc_stale": "Cette demande n’est plus valable : elle a déjà servi, elle a trop attendu, ou elle vient d’un autre"
    " navigateur. Recommencez.",
    "oidc_level": "Ce moyen de connexion n’est pas assez sûr pour un service de santé. Choisissez-en un autre.",
    "oidc_failed": "Votre identité n’a pas pu être vérifiée. Rien n’a été ouvert. Recommencez ; si cela se répète,"
    " prévenez l’accueil qui vous a donné votre accès.",
}


@dataclass(frozen=True, slots=True)
class Provider:
    """The settings of one provider, without their beginning (`psc_`, `franceconnect_`)."""

    name: str
    issuer: str
    discovery: str
    client_id: str
    client_auth: str
    client_secret_file: str
    client_certificate: str
    client_key: str
    scope: str
    acr: str
    ca: str


@dataclass(frozen=True, slots=True)
class Described:
    """What a provider says of itself (Discovery § 3), as far as we use it."""

    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str
    jwks_uri: str
    end_session_endpoint: str
    introspection_endpoint: str
    says_issuer: bool  # RFC 9207


def provider_of(settings: Settings, name: str) -> Provider:
    """`name`: psc, franceconnect."""
    named = {item.name: getattr(settings, f"{name}_{item.name}") for item in fields(Provider) if item.name != "name"}
    return Provider(name=name, **named)


def refused(code: str, provider: str, why: str) -> Unauthorised:
    """A refusal of `REFUSALS`; why goes to the log."""
    log.warning("sign_in.refused", provider=provider, code=code, why=why)
    return Unauthorised(code, REFUSALS[code])


class Remote:
    """One provider, with what it last said of itself."""

    def __init__(self, settings: Settings, name: str) -> None:
        self.provider = provider_of(settings, name)
        self._settings = settings
        self._lock = asyncio.Lock()
        self._context: ssl.SSLContext | None = None
        self._described: Described | None = None
        self._described_at = 0.0
        self._failed_at = 0.0
        self._keys: list[Key] = []
        self._keys_at = 0.0
        self._asked_at = 0.0

    @property
    def back(self) -> str:
        """Where the provider sends people back: registered there, to the letter."""
        return f"{self._settings.public_url.rstrip('/')}/sign-in/{self.provider.name}/back"

    async def describe(self) -> Described:
        """What it says of itself, an hour old at most. Raises `Unauthorised`: at once when it just failed, so that
        nobody waits behind somebody else's wait.
        """
        async with self._lock:
            now = time.time()
            if self._described is None or now - self._described_at >= DESCRIBED_S:
                if now - self._failed_at < AGAIN_S:
                    raise refused("oidc_down", self.provider.name, "just_failed")
                try:
                    self._described, self._described_at = await self._ask(), now
                except Unauthorised:
                    self._failed_at = time.time()
                    raise
            return self._described

    async def _ask(self) -> Described:
        issuer, where = self.provider.issuer, self.provider.discovery
        status, _, body = await self._call("GET", where if "://" in where else issuer.rstrip("/") + where)
        if status != 200:
            raise refused("oidc_down", self.provider.name, f"discovery_http_{status}")
        try:
            said = _json(body)
            if said.get("issuer") != issuer:  # Discovery § 4.3
                raise NotVerified("discovery_issuer")
            return self._read(said)
        except NotVerified as error:
            raise refused("oidc_failed", self.provider.name, error.code) from None

    async def redeem(self, described: Described, code: str, verifier: str) -> Mapping[str, Any]:
        """The tokens of a code (RFC 6749 § 4.1.3). Raises `NotVerified`, `Unauthorised`."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.back, "code_verifier": verifier}
        status, _, body = await self._asked(described.token_endpoint, described, form)
        if status != 200:
            raise NotVerified(f"token_http_{status}")
        return _json(body)

    async def told_of(self, token: str, clients: Collection[str]) -> Claims:
        """What the provider says of whom gave this access token (RFC 7662, then userinfo), while it is good and was
        given to one of these `clients`: a token that some other program got is no sign-in here. Raises as `redeem`.
        """
        if not token or len(token) > MOST or not token.isascii() or not token.isprintable() or " " in token:
            raise NotVerified("token_form")
        described = await self.describe()
        if not described.introspection_endpoint:
            raise NotVerified("no_introspection")
        form = {"token": token, "token_type_hint": "access_token"}
        status, _, body = await self._asked(described.introspection_endpoint, described, form)
        said = _json(body) if status == 200 else {}
        if said.get("active") is not True:
            raise NotVerified("token_inactive")
        client = said.get("client_id", said.get("azp"))
        if not isinstance(client, str) or client not in clients:
            raise NotVerified("token_client")
        if self.provider.acr and said.get("acr", self.provider.acr) != self.provider.acr:
            raise NotVerified("acr")
        expected = Expected(self.provider.issuer, client, "", token, self.provider.acr)
        told = await self.userinfo(described, expected)
        if "sub" in said and told.get("sub") != said["sub"]:
            raise NotVerified("userinfo_sub")
        return told

    async def _asked(self, url: str, described: Described, form: dict[str, str]) -> tuple[int, str, bytes]:
        """A form sent as the client we are there, proved as the settings say. Raises `NotVerified`, `Unauthorised`."""
        provider, headers = self.provider, dict[str, str]()
        if provider.client_auth == "basic":  # RFC 6749 § 2.3.1: each is encoded before they are joined
            pair = f"{quote(provider.client_id, safe='')}:{quote(await self._secret(), safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        elif provider.client_auth == "post":
            form |= {"client_id": provider.client_id, "client_secret": await self._secret()}
        elif provider.client_auth == "private_key_jwt":
            key = await asyncio.to_thread(self._key)
            if key is None:
                raise NotVerified("client_key")
            signed = oidc_tokens.assertion(key, provider.client_id, described.token_endpoint, time.time())
            kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            form |= {"client_id": provider.client_id, "client_assertion_type": kind, "client_assertion": signed}
        else:  # tls: the certificate speaks (RFC 8705)
            form["client_id"] = provider.client_id
        return await self._call("POST", url, data=form, headers=headers)

    async def userinfo(self, described: Described, expected: Expected) -> Claims:
        """The claims of an access token, signed or not (OpenID Connect Core § 5.3). Raises as `redeem`."""
        headers = {"Authorization": f"Bearer {expected.access_token}"}
        status, kind, body = await self._call("GET", described.userinfo_endpoint, headers=headers)
        if status != 200:
            raise NotVerified(f"userinfo_http_{status}")
        if kind != "application/jwt":
            return _json(body)
        _, claims = await self.verified(described, await self.opened(body.decode("ascii", "replace").strip()))
        oidc_tokens.check_meant_for_us(claims, expected)
        return claims

    async def opened(self, token: str) -> str:
        """The signed token, out of its envelope when it was encrypted for us. Raises `NotVerified`."""
        return oidc_tokens.opened(token, await asyncio.to_thread(self._key) if token.count(".") == 4 else None)

    async def verified(self, described: Described, signed: str) -> tuple[str, Claims]:
        """(algorithm, claims) of a token that this provider signed. Raises as `redeem`."""
        try:
            return oidc_tokens.verified(signed, await self._known_keys(described))
        except UnknownKey:
            return oidc_tokens.verified(signed, await self._known_keys(described, older_than=KEYS_EVERY_S))

    async def _known_keys(self, described: Described, older_than: float = DESCRIBED_S) -> list[Key]:
        """The provider's keys; asked for again when they are older than that. A failure, too, waits its minute: a
        token that names a key of its own must not make us ask at every try.
        """
        async with self._lock:
            now = time.time()
            if now - self._keys_at >= older_than and now - self._asked_at >= KEYS_EVERY_S:
                self._asked_at = now
                _, _, body = await self._call("GET", described.jwks_uri)
                self._keys, self._keys_at = oidc_tokens.read_keys(_json(body)), now
            return self._keys

    def _read(self, said: Mapping[str, Any]) -> Described:
        aliases = said.get("mtls_endpoint_aliases")  # RFC 8705 § 5
        if self.provider.client_auth == "tls" and isinstance(aliases, dict):
            said = {**said, **{name: aliases[name] for name in _BY_CERTIFICATE if name in aliases}}
        places = {
            name: self._place(said.get(name, ""))
            for name in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
        }
        for name in ("end_session_endpoint", "introspection_endpoint"):
            places[name] = self._place(said[name]) if said.get(name) else ""
        return Described(**places, says_issuer=said.get("authorization_response_iss_parameter_supported") is True)

    def _place(self, url: Any) -> str:
        """An address of the provider: https, but in a demonstration. Raises `NotVerified`."""
        if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url:
            raise NotVerified("endpoint")
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise NotVerified("endpoint") from error
        schemes = {"https", "http"} if self._settings.demo else {"https"}
        if parts.scheme not in schemes or not parts.hostname or parts.username is not None or parts.fragment:
            raise NotVerified("endpoint")
        return url

    async def _call(self, method: str, url: str, **more: Any) -> tuple[int, str, bytes]:
        """(status, type, body). Raises `Unauthorised` (`oidc_down`) when nothing comes of it."""
        try:
            if self._context is None:
                self._context = await asyncio.to_thread(self._tls)
            session = http_session(PATIENCE_S, private=self._settings.oidc_private)
            async with (
                session,
                session.request(method, url, ssl=self._context, allow_redirects=False, **more) as answer,
            ):
                body = bytearray()
                async for piece in answer.content.iter_chunked(1 << 16):
                    body += piece
                    if len(body) > MOST:
                        raise refused("oidc_down", self.provider.name, "too_large")
                status, kind = answer.status, answer.content_type
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise refused("oidc_down", self.provider.name, type(error).__name__) from None
        if status >= 500:
            raise refused("oidc_down", self.provider.name, f"http_{status}")
        return status, kind, bytes(body)

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.provider.ca or None)
        if self.provider.client_auth == "tls":
            context.load_cert_chain(self.provider.client_certificate, self.provider.client_key)
        return context

    def _key(self) -> Key | None:
        path = self.provider.client_key
        return oidc_tokens.private_key(Path(path).read_bytes()) if path else None

    async def _secret(self) -> str:
        """Read each time: it can be changed while we run."""
        path = Path(self.provider.client_secret_file)
        return (await asyncio.to_thread(path.read_text, encoding="utf-8")).strip()


def _json(body: bytes) -> Claims:
    try:
        said = json.loads(body)
    except ValueError as error:
        raise NotVerified("json") from error
    if not isinstance(said, dict):
        raise NotVerified("json")
    return said
