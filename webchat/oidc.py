"""Coming in by Pro Santé Connect or FranceConnect, and going out of there too.

    /sign-in/{provider}        leaves for it, with a secret in a cookie of this browser
    /sign-in/{provider}/back   comes back from it: a session, or a plain sentence and a way to try again
    /sign-out/{provider}       ends the session there, from the page one sees after signing out here

Promises: only the browser that left comes back (login CSRF, RFC 9700 § 4.7): its cookie is `__Host-`, lasts ten minutes
and serves once; whoever comes back gets a session with a new secret, and the one this browser had ends; no address
leads anybody out of here; the provider's own words are never shown.

FranceConnect wants its id_token back at the end, which names nobody: the browser keeps it for the way out only
(`Path=/sign-out`; `__Host-` would send it with every page). Pro Santé Connect's holds a name, which no address should:
there, our `client_id` says who asks.

Does not: verify anything (`server.oidc`), or know whose account it is (`server.oidc_people`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlencode

from aiohttp import web

from server import oidc_claims, oidc_people, sessions
from server.errors import Unauthorised
from server.oidc import LASTS_MS, Identified, RelyingParty
from server.oidc_claims import Professional
from server.oidc_provider import REFUSALS, refused
from server.safe_settings import PROVIDERS, ways_in
from webchat import security
from webchat.present import page as render
from webchat.words import words

if TYPE_CHECKING:
    from server.app import App

MOST_KEPT = 3_000  # characters of a cookie that browsers surely keep


@dataclass(frozen=True, slots=True)
class Shown:
    """What the sign-in page says of providers. `ways`: those one may leave for. `still`: one where a session may
    remain. `error`: why one came back without a session.
    """

    ways: tuple[str, ...]
    still: str
    error: str


def offered(app: App) -> tuple[str, ...]:
    """The providers that are chosen and set, patients' first."""
    ways = ways_in(app.settings, "patient") + ways_in(app.settings, "professional")
    return tuple(way for way in ways if way in PROVIDERS)


def shown(app: App, request: web.Request) -> Shown:
    """For `sign_in_providers.html`."""
    code, out = request.query.get("said", ""), request.query.get("out", "")
    said = words(security.language_of(request))
    error = security.told(said, Unauthorised(code, REFUSALS[code])) if code in REFUSALS else ""
    return Shown(offered(app), out if out in offered(app) else "", error)


def way_out(app: App, request: web.Request) -> str:
    """The provider this browser came in by, for the page after signing out (`/sign-in?out=…`); or ''."""
    name = request.cookies.get(_out_name(app), "").partition(".")[0]
    return name if name in PROVIDERS else ""


async def anew(app: App, request: web.Request, back: str) -> tuple[str, str]:
    """(provider, address) where somebody whose session began at a provider proves again who they are, and then goes on
    to `back`; ('', '') for the others.
    """
    how = (await app.db.read(lambda tx: sessions.session(app, tx, security.session_secret(app, request)))).how
    return (how, f"/sign-in/{how}?{urlencode({'anew': '1', 'back': back})}") if how in offered(app) else ("", "")


def add_routes(app: App, site: web.Application) -> None:
    """For each provider; one that is not offered leads to the door."""
    parties = {name: RelyingParty(app, name) for name in PROVIDERS}
    for name, party in parties.items():
        door = _Door(app, name, party)
        site.router.add_get(f"/sign-in/{name}", door.leave, allow_head=False)
        site.router.add_get(f"/sign-in/{name}/back", door.come_back, allow_head=False)
        site.router.add_get(f"/sign-out/{name}", door.leave_there, allow_head=False)


@dataclass(frozen=True, slots=True)
class _Door:
    """The pages of one provider."""

    app: App
    name: str
    party: RelyingParty

    async def leave(self, request: web.Request) -> web.Response:
        """`?anew`: whoever comes back proves who they are even if they did so today, and goes on to `back` (before a
        dangerous act).
        """
        self._must_be_offered()
        anew = "anew" in request.query
        after = security.own_path(request.query.get("back", "/")) if anew else "/"
        try:
            secret, place = await self.party.leave(anew=anew, after=after)
        except Unauthorised as error:
            self._back_to_the_door(error.code)
        away = web.HTTPSeeOther(place)
        secure = self.app.settings.secure
        away.set_cookie(
            self._cookie, secret, path="/", secure=secure, httponly=True, samesite="Lax", max_age=LASTS_MS // 1000
        )
        raise away

    async def come_back(self, request: web.Request) -> web.Response:
        self._must_be_offered()
        said = dict(request.query)
        if len(said) != len(request.query):
            self._back_to_the_door("oidc_stale")
        try:
            who = await self.party.come_back(request.cookies.get(self._cookie, ""), said)
            account_id, page = await self._recognise(request, who)
        except Unauthorised as error:
            self._back_to_the_door(error.code)
        if account_id is None:
            return page
        raise await self._welcome(request, account_id, who)

    async def leave_there(self, request: web.Request) -> web.Response:
        self._must_be_offered()
        kept, _, id_token = request.cookies.get(_out_name(self.app), "").partition(".")
        try:
            place = await self.party.farewell(id_token if kept == self.name else "")
        except Unauthorised as error:
            self._back_to_the_door(error.code)
        away = web.HTTPSeeOther(place)
        away.del_cookie(_out_name(self.app), path="/sign-out", secure=self.app.settings.secure, httponly=True)
        raise away

    async def _recognise(self, request: web.Request, who: Identified) -> tuple[str | None, web.Response]:
        """The account, or the page for somebody who has none."""
        issuer, professional = self.party.provider.issuer, None
        if self.name == "psc":
            professional = oidc_claims.professional(who.claims)
            if professional is None:
                raise refused("oidc_failed", self.name, "no_number")
            account_id = await oidc_people.professional(self.app, issuer, professional)
        else:
            account_id = await oidc_people.holder(self.app, issuer, who)
        return account_id, self._unknown(request, professional)

    def _unknown(self, request: web.Request, professional: Professional | None) -> web.Response:
        text = render(
            "sign_in_unknown.html",
            words=words(security.language_of(request)),
            here="/sign-in",
            who=professional,
            helpline=self.app.settings.helpline,
            password="password" in ways_in(self.app.settings, "patient"),
        )
        response = web.Response(text=text, content_type="text/html", status=403)
        self._forget(response)
        return response

    async def _welcome(self, request: web.Request, account_id: str, who: Identified) -> web.HTTPSeeOther:
        app, home = self.app, web.HTTPSeeOther(who.after)
        await security.begin_session(app, request, home, account_id, self.name, strong=who.fresh)
        self._forget(home)
        hint = who.id_token if self.name == "franceconnect" and len(who.id_token) < MOST_KEPT else ""
        home.set_cookie(
            _out_name(app), f"{self.name}.{hint}", path="/sign-out", secure=app.settings.secure, httponly=True,
            samesite="Lax",
        )  # fmt: skip
        return home

    def _must_be_offered(self) -> None:
        if self.name not in offered(self.app):
            raise web.HTTPSeeOther("/sign-in")

    def _back_to_the_door(self, code: str) -> NoReturn:
        """With the sentence of a code, and without what the provider put in the address."""
        door = web.HTTPSeeOther(f"/sign-in?said={code}")
        if code != "oidc_stale":  # somebody else's link must not end a sign-in under way here
            self._forget(door)
        raise door

    @property
    def _cookie(self) -> str:
        return f"{'__Host-' if self.app.settings.secure else ''}pli-{self.name}"

    def _forget(self, response: web.StreamResponse) -> None:
        response.del_cookie(self._cookie, path="/", secure=self.app.settings.secure, httponly=True, samesite="Lax")


def _out_name(app: App) -> str:
    return "__Secure-pli-out" if app.settings.secure else "pli-out"
