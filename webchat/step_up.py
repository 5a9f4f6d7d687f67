"""« C’est bien vous ? »: before a dangerous act, a second factor again; then back to where one came from."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from aiohttp import web

from server import factors, passkeys, step_up
from server.errors import PliError, StepUp, Unauthorised
from webchat import oidc, security
from webchat.forms import read_fields
from webchat.visit import Visit, route

if TYPE_CHECKING:
    from server.app import App

KINDS = ("passkey", "totp", "sms", "recovery")


def add_routes(app: App, site: web.Application) -> None:
    """The page, the giving of a factor, and what two of them need first."""
    route(app, site, "GET", "/step-up", show, closed=True)
    route(app, site, "POST", "/step-up", give, closed=True)
    route(app, site, "POST", "/step-up/options", options, closed=True)
    route(app, site, "POST", "/step-up/code", send_code, closed=True)


async def show(visit: Visit) -> web.Response:
    """The factors this person has. Nothing is asked of somebody who gave one just now."""
    back = security.own_path(visit.request.query.get("back", "/"))
    try:
        await step_up.require(visit.app, security.session_secret(visit.app, visit.request))
    except StepUp:
        return await _page(visit, back, sent="sent" in visit.request.query)
    raise web.HTTPSeeOther(back)


async def give(visit: Visit) -> web.StreamResponse:
    """A factor is given: the session goes on under another secret."""
    form = await read_fields(visit.request)
    back, kind = security.own_path(form["back"]), form["kind"]
    secret = security.session_secret(visit.app, visit.request)
    try:
        renewed = await step_up.give(visit.app, secret, kind if kind in KINDS else "", form["given"])
    except Unauthorised:
        raise
    except PliError as error:
        said = security.told(visit.words, error)
        return await _page(visit, back, sent=kind == "sms", error=said, status=error.status)
    response = web.HTTPSeeOther(back)
    security.set_session_cookie(visit.app, response, renewed)
    raise response


async def options(visit: Visit) -> web.Response:
    """What `navigator.credentials.get` takes, for one's own passkeys."""
    text = await passkeys.options_to_step_up(visit.app, visit.actor.account_id)
    return web.Response(text=text, content_type="application/json")


async def send_code(visit: Visit) -> web.StreamResponse:
    """A code by SMS, to one's own telephone."""
    form = await read_fields(visit.request)
    back = security.own_path(form["back"])
    secret = security.session_secret(visit.app, visit.request)
    try:
        await factors.send_code(visit.app, visit.actor.account_id, secret)
    except PliError as error:
        return await _page(visit, back, error=security.told(visit.words, error), status=error.status)
    raise web.HTTPSeeOther(f"/step-up?{urlencode({'back': back, 'sent': '1'})}")


async def _page(visit: Visit, back: str, *, sent: bool = False, error: str = "", status: int = 200) -> web.Response:
    ways = await factors.ways(visit.app, visit.actor.account_id)
    provider, anew = await oidc.anew(visit.app, visit.request, back)
    return visit.page(
        "step_up.html", "account", back=back, ways=ways, provider=provider, anew=anew, sent=sent, error=error,
        status=status,
    )  # fmt: skip
