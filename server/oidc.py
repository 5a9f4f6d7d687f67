"""Our OpenID Connect relying party: Pro Santé Connect for professionals, FranceConnect for patients.

    leave     a secret for the browser, a row for us, the provider's address to go to
    come_back the browser's secret + what the provider sent it back with → code → tokens → claims, all verified

Promises: authorization code with PKCE S256, `state` and `nonce`, each of 256 bits, drawn from the browser's secret, of
which we keep a hash: who reads our tables, or has somebody else's code, comes in nowhere. A secret serves once, within
`LASTS_MS`, in the browser it was given to. The provider describes itself and its keys over TLS, at the issuer that the
settings name; unknown keys are asked for at most once a minute. Calls time out, follow no redirection, and go to no
address of this network unless `oidc_private` says so. Nothing of what a provider says is shown or logged: a refusal is
a code of `REFUSALS`.

Does not: know an account (`server.oidc_people`), or set a cookie (`webchat.oidc`).
OpenID Connect Core 1.0, Discovery 1.0, RP-Initiated Logout 1.0; RFC 7636, 8705, 9207, 9700.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from server import oidc_tokens
from server.oidc_provider import Described, Remote, refused
from server.oidc_tokens import Claims, Expected, NotVerified
from storage import proofs
from storage.database import Tx
from storage.ids import now_ms

if TYPE_CHECKING:
    from server.app import App

KIND = "oidc"  # of `proofs`
LASTS_MS = 600_000
_SAID = {  # OpenID Connect Core § 3.1.2.6, RFC 6749 § 4.1.2.1
    "access_denied": "oidc_denied",
    "login_required": "oidc_again",
    "interaction_required": "oidc_again",
    "account_selection_required": "oidc_again",
    "consent_required": "oidc_again",
    "server_error": "oidc_down",
    "temporarily_unavailable": "oidc_down",
    "unmet_authentication_requirements": "oidc_level",
}


@dataclass(frozen=True, slots=True)
class Identified:
    """Somebody a provider vouches for. `subject`: its `sub`. `claims`: of its userinfo. `fresh`: whether they proved
    it just now, and not hours ago at another site. `id_token`: as it was signed, for the way out
    (Core § 3.1.2.1). `after`: the page of ours to go on to.
    """

    subject: str
    claims: Claims
    fresh: bool
    id_token: str
    after: str = "/"


class RelyingParty:
    """We, at one provider."""

    def __init__(self, app: App, name: str) -> None:
        self._app = app
        self._remote = Remote(app.settings, name)
        self.provider = self._remote.provider

    async def leave(self, *, anew: bool = False, after: str = "/") -> tuple[str, str]:
        """(secret for the browser's cookie, address to go to). `anew`: they must prove who they are even if they did
        so today, elsewhere. `after`: the page of ours to go on to. Raises `Unauthorised`.
        """
        described, secret = await self._remote.describe(), secrets.token_urlsafe(32)
        provider = self.provider
        await self._app.db.write(_begin, _hash(secret), f"{provider.name} {after}")
        challenge = hashlib.sha256(_drawn(secret, "verifier").encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": provider.client_id,
            "redirect_uri": self._remote.back,
            "scope": provider.scope,
            "acr_values": provider.acr,
            "state": _drawn(secret, "state"),
            "nonce": _drawn(secret, "nonce"),
            "code_challenge": _base64(challenge),
            "code_challenge_method": "S256",
        }
        return secret, _with(described.authorization_endpoint, asked | ({"prompt": "login"} if anew else {}))

    async def come_back(self, secret: str, said: Mapping[str, str]) -> Identified:
        """`said`: the query the provider sent the browser back with. Raises `Unauthorised`."""
        name = self.provider.name
        if not secret or not hmac.compare_digest(said.get("state", "").encode(), _drawn(secret, "state").encode()):
            raise refused("oidc_stale", name, "state")  # another browser's, or a code somebody wants us to use
        after = await self._app.db.write(_take, _hash(secret), name)
        if after is None:
            raise refused("oidc_stale", name, "used")
        described = await self._remote.describe()
        if said.get("iss", "" if described.says_issuer else self.provider.issuer) != self.provider.issuer:
            raise refused("oidc_failed", name, "mixed_up")
        if "error" in said:
            code = _SAID.get(said["error"], "oidc_failed")
            raise refused(code, name, "error_of_provider")
        try:
            return await self._identify(described, secret, said.get("code", ""), after)
        except NotVerified as error:
            raise refused("oidc_level" if error.code == "acr" else "oidc_failed", name, error.code) from None

    async def farewell(self, id_token: str = "") -> str:
        """Where the session at the provider ends, and leads back here. Raises `Unauthorised`."""
        described = await self._remote.describe()
        if not described.end_session_endpoint:
            raise refused("oidc_failed", self.provider.name, "no_end_session")
        after = f"{self._app.settings.public_url.rstrip('/')}/sign-in"
        asked = {"client_id": self.provider.client_id, "post_logout_redirect_uri": after}
        asked |= {"id_token_hint": id_token, "state": secrets.token_urlsafe(16)} if id_token else {}
        return _with(described.end_session_endpoint, asked)

    async def _identify(self, described: Described, secret: str, code: str, after: str) -> Identified:
        tokens = await self._remote.redeem(described, code, _drawn(secret, "verifier"))
        id_token, access = tokens.get("id_token"), tokens.get("access_token")
        if not isinstance(id_token, str) or not isinstance(access, str) or not access.isprintable():
            raise NotVerified("no_token")
        if str(tokens.get("token_type")).lower() != "bearer":  # § 3.1.3.3
            raise NotVerified("token_type")
        provider = self.provider
        expected = Expected(provider.issuer, provider.client_id, _drawn(secret, "nonce"), access, provider.acr)
        signed = await self._remote.opened(id_token)
        algorithm, claims = await self._remote.verified(described, signed)
        oidc_tokens.check_id_token(algorithm, claims, expected, time.time())
        userinfo = await self._remote.userinfo(described, expected)
        if userinfo.get("sub") != claims["sub"]:  # § 5.3.2: a token of somebody else was put in
            raise NotVerified("userinfo_sub")
        proved = claims.get("auth_time")
        recent = time.time() - 60 * self._app.settings.step_up_minutes
        return Identified(claims["sub"], userinfo, not isinstance(proved, int) or proved >= recent, signed, after)


def _begin(tx: Tx, hashed: str, detail: str) -> None:
    proofs.forget_old(tx)  # what others left and never came back from
    proofs.insert(tx, hashed, KIND, "", detail, now_ms() + LASTS_MS)


def _take(tx: Tx, hashed: str, provider: str) -> str | None:
    """The page to go on to: once, in time, for the provider they left for."""
    proof = proofs.find(tx, hashed, KIND)
    if proof is None:
        return None
    name, _, after = proof.detail.partition(" ")
    return after if name == provider and proofs.done(tx, hashed) else None


def _drawn(secret: str, what: str) -> str:
    """The `state`, the `nonce`, the PKCE verifier: 256 bits each, none of which tells another."""
    return _base64(hmac.digest(secret.encode(), what.encode(), "sha256"))


def _base64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _with(place: str, asked: Mapping[str, str]) -> str:
    return f"{place}{'&' if '?' in place else '?'}{urlencode(asked)}"
