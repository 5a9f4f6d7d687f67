"""Pro Santé Connect and FranceConnect, played by npm oidc-provider: who signs in there, and the lies they tell, are set
by the test. Both over TLS, with certificates of the test's own authority.
"""

from __future__ import annotations

import json
import shutil
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import aiohttp
from joserfc.jwk import RSAKey

from server.certificates import Authority
from tests.support.programs import missing, running

ROOT = Path(__file__).parents[2]
SECRET = "un secret: long & autre/=+%"
OUR_NAME = "pli.of-the-tests"  # in our client certificate


@dataclass(frozen=True)
class Providers:
    """What runs, and the settings that lead there. `url`: where people reach us."""

    ports: dict[str, int]
    settings: dict[str, Any]
    url: str
    ca: Path

    def issuer(self, name: str) -> str:
        return f"https://localhost:{self.ports[name]}"

    async def tell(self, name: str, **state: Any) -> dict[str, Any]:
        """Change what a provider does from now on: account, claims, acr, error, fault. Returns all of it."""
        async with self.browser() as browser:
            async with browser.session.post(f"{self.issuer(name)}/control", json=state) as answer:
                return dict(await answer.json(content_type=None))

    @asynccontextmanager
    async def browser(self) -> AsyncIterator[Browser]:
        context = ssl.create_default_context(cafile=str(self.ca))
        connector = aiohttp.TCPConnector(ssl=context)
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(connector=connector, cookie_jar=jar) as session:
            yield Browser(self, session)


@dataclass(frozen=True)
class Page:
    """Where somebody stands: the address, and what stands there or where it leads."""

    url: str
    status: int
    text: str
    place: str
    cookies: list[str]


@dataclass(frozen=True)
class Browser:
    """Somebody's browser: it follows where it is led, and keeps cookies."""

    providers: Providers
    session: aiohttp.ClientSession

    async def get(self, url: str) -> Page:
        """One request. `url`: ours when it begins with a slash."""
        url = urljoin(self.providers.url, url)
        async with self.session.get(url, allow_redirects=False) as answer:
            place = urljoin(url, answer.headers["Location"]) if "Location" in answer.headers else ""
            said = answer.headers.getall("Set-Cookie", [])
            return Page(url, answer.status, await answer.text(), place, said)

    async def leave(self, name: str, place: str = "") -> str:
        """To the provider (at `place`) and through it: the address it sends this browser back to, not opened yet."""
        page = await self.get(place or f"/sign-in/{name}")
        back = f"{self.providers.url}/sign-in/{name}/back?"
        while page.place and not page.place.startswith(back):
            page = await self.get(page.place)
        assert page.place, page.text[-1500:]
        return page.place

    async def sign_in(self, name: str) -> Page:
        """The whole way; the answer of our own page to who comes back."""
        return await self.get(await self.leave(name))


@contextmanager
def providers(folder: Path, port: int) -> Iterator[Providers]:
    """Both, while the block lasts, for a Pli at `http://127.0.0.1:{port}`."""
    node = shutil.which("node") or missing("node, of Debian's nodejs")
    if not (ROOT / "node_modules" / "oidc-provider").exists():
        missing("oidc-provider, by `npm ci`")
    authority = Authority.at(folder)
    certificate, key = authority.issue("provider", ["localhost"], server=True)
    ours, our_key = authority.issue("ours", [OUR_NAME])
    url = f"http://127.0.0.1:{port}"
    signing = RSAKey.generate_key(2048, auto_kid=True)
    (folder / "signing.pem").write_bytes(signing.as_pem(private=True))
    (folder / "secret").write_text(f"{SECRET}\n", encoding="utf-8")
    told = {
        "certificate": str(certificate), "key": str(key), "ca": str(authority.certificate),
        "clients": {"psc": _psc(url, signing), "franceconnect": [_franceconnect(url, signing)]},
    }  # fmt: skip
    (folder / "told.json").write_text(json.dumps(told))
    command = [node, str(ROOT / "tests" / "support" / "oidc_provider.mjs"), str(folder / "told.json")]
    with running(command, ready="open {") as process:
        line = next(line for line in process.lines if line.startswith("open {"))
        ports = json.loads(line.removeprefix("open "))
        settings = {
            "public_url": url, "http_port": port, "oidc_private": True,
            "psc_issuer": f"https://localhost:{ports['psc']}", "psc_client_id": "pli-tls", "psc_client_auth": "tls",
            "psc_client_certificate": str(ours), "psc_client_key": str(our_key), "psc_ca": str(authority.certificate),
            "psc_client_secret_file": str(folder / "secret"),
            "franceconnect_issuer": f"https://localhost:{ports['franceconnect']}",
            "franceconnect_client_id": "pli", "franceconnect_client_auth": "private_key_jwt",
            "franceconnect_client_key": str(folder / "signing.pem"), "franceconnect_ca": str(authority.certificate),
        }  # fmt: skip
        yield Providers(ports, settings, url, authority.certificate)


def _psc(url: str, signing: RSAKey) -> list[dict[str, Any]]:
    """We, known in each of the four ways; by default as Pro Santé Connect asks: a client certificate."""
    common = {
        "redirect_uris": [f"{url}/sign-in/psc/back"], "post_logout_redirect_uris": [f"{url}/sign-in"],
        "grant_types": ["authorization_code"], "response_types": ["code"], "scope": "openid scope_all",
    }  # fmt: skip
    secret: dict[str, Any] = {"client_secret": SECRET}
    jwks: dict[str, Any] = {"jwks": {"keys": [signing.as_dict(private=False)]}}
    named: dict[str, dict[str, Any]] = {
        "tls": {"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": OUR_NAME},
        "basic": {"token_endpoint_auth_method": "client_secret_basic", **secret},
        "post": {"token_endpoint_auth_method": "client_secret_post", **secret},
        "private_key_jwt": {"token_endpoint_auth_method": "private_key_jwt", **jwks},
    }
    return [{"client_id": f"pli-{way}", **common, **more} for way, more in named.items()]


def _franceconnect(url: str, signing: RSAKey) -> dict[str, Any]:
    """As FranceConnect+ has it: signed with ES256 and encrypted for us, the userinfo too."""
    return {
        "client_id": "pli", "redirect_uris": [f"{url}/sign-in/franceconnect/back"],
        "post_logout_redirect_uris": [f"{url}/sign-in"], "grant_types": ["authorization_code"],
        "response_types": ["code"], "token_endpoint_auth_method": "private_key_jwt",
        "id_token_signed_response_alg": "ES256", "userinfo_signed_response_alg": "ES256",
        "id_token_encrypted_response_alg": "RSA-OAEP", "id_token_encrypted_response_enc": "A256GCM",
        "userinfo_encrypted_response_alg": "RSA-OAEP", "userinfo_encrypted_response_enc": "A256GCM",
        "scope": "openid given_name family_name birthdate gender birthplace birthcountry",
        "jwks": {"keys": [signing.as_dict(private=False)]},
    }  # fmt: skip
