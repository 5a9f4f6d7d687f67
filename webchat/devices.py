"""« Appareils et connexions »: one's passkeys, where one is signed in, the devices one trusts, and every way to end it.

It is about the person who looks, in whoever's space they are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aiohttp import web

from server import devices, passkeys, sessions
from webchat import security
from webchat.forms import Form, read_fields
from webchat.visit import Visit, route

if TYPE_CHECKING:
    from server.app import App

PAGE = "/account/devices"
DONE = ("ended", "others", "forgotten", "passkey", "renamed", "revoked")


def add_routes(app: App, site: web.Application) -> None:
    """The page and its buttons."""
    route(app, site, "GET", PAGE, show)
    for name, do in (("end", _end), ("others", _others), ("forget", _forget)):
        route(app, site, "POST", f"{PAGE}/{name}", _button(do))
    route(app, site, "POST", f"{PAGE}/everywhere", everywhere)


async def show(visit: Visit) -> web.Response:
    """Everything that may open this person's space."""
    if visit.box.ground != "self":
        raise web.HTTPSeeOther(PAGE)
    app, me = visit.app, visit.actor.account_id
    ways = await sessions.ways(app, me, security.session_secret(app, visit.request))
    done = visit.request.query.get("done", "")
    return visit.page(
        "devices.html",
        "account",
        done=done if done in DONE else "",
        passkeys=await passkeys.of_account(app, me),
        trusted=await devices.of_account(app, me),
        sessions=[way for way in ways if way.kind == "session"],
        clients=[way for way in ways if way.kind in ("mail", "mail_token")],
        tokens=[way for way in ways if way.kind == "bearer"],
        at=lambda ms: datetime.fromtimestamp(ms / 1000, UTC),
        now=datetime.now(UTC),
    )


def _button(do: Callable[[Visit, Form], Awaitable[str]]) -> Callable[[Visit], Awaitable[web.StreamResponse]]:
    async def press(visit: Visit) -> web.StreamResponse:
        done = await do(visit, await read_fields(visit.request))
        raise web.HTTPSeeOther(f"{PAGE}?done={done}")

    return press


async def _end(visit: Visit, form: Form) -> str:
    await sessions.end_way(visit.app, visit.actor.account_id, form["id"])
    return "ended"


async def _others(visit: Visit, form: Form) -> str:
    secret = security.session_secret(visit.app, visit.request)
    await sessions.end_other_sessions(visit.app, visit.actor.account_id, secret)
    return "others"


async def _forget(visit: Visit, form: Form) -> str:
    await devices.forget(visit.app, visit.actor.account_id, form["id"])
    return "forgotten"


async def everywhere(visit: Visit) -> web.StreamResponse:
    """« Se déconnecter partout », here too."""
    await sessions.sign_out_everywhere(visit.app, visit.actor.account_id)
    raise security.goodbye(visit.app)
