"""« Mots de passe de mes appareils »: one for each mail program that reads one's mailbox here.

    GET  /account/mail        the devices, where to connect, and who was refused lately
    POST /account/mail        a new password, shown in the answer and never again
    POST /account/mail/end    one of them is worth nothing from now on

Promises: it is for professionals and teams, about the person who looks, in whoever's space they are; making one asks
for a second factor given just now (`server.step_up`), because it lets in for long.

Does not: decide anything (`server.mail_passwords`), or tell how to set up a program (`webchat.mail_setup`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web

from server import mail_passwords, mail_servers, mail_sign_in, step_up
from server.errors import Invalid, Refused
from server.settings import PLACE
from webchat.forms import read_fields
from webchat.security import session_secret, told
from webchat.visit import Visit, route

if TYPE_CHECKING:
    from server.app import App

PAGE = "/account/mail"


def add_routes(app: App, site: web.Application) -> None:
    """The page and its two forms."""
    route(app, site, "GET", PAGE, show)
    route(app, site, "POST", PAGE, make)
    route(app, site, "POST", f"{PAGE}/end", end)


async def show(visit: Visit) -> web.Response:
    """What there is."""
    return await _page(visit)


async def make(visit: Visit) -> web.Response:
    """A new password. The page that shows it can be loaded again: that makes another, which is listed."""
    _for_offices(visit)
    await step_up.require(visit.app, session_secret(visit.app, visit.request))
    form = await read_fields(visit.request)
    try:
        made = await mail_passwords.make(visit.app, visit.actor, form["name"])
    except Invalid as error:
        return await _page(visit, error=told(visit.words, error), name=form["name"], status=error.status)
    return await _page(visit, made=made, name=form["name"])


async def end(visit: Visit) -> web.StreamResponse:
    """No more, at once."""
    _for_offices(visit)
    form = await read_fields(visit.request)
    await mail_passwords.end(visit.app, visit.actor, form["id"][:100])
    raise web.HTTPSeeOther(f"{PAGE}?done=ended")


async def refused(visit: Visit) -> dict[str, list[tuple[str, Any]]]:
    """What the piece about refused sign-ins shows: `tries` (day, how many), `relays` (day, maker). Of who has no mail
    client here, nothing.
    """
    app, me = visit.app, visit.actor
    if me.kind not in mail_sign_in.KINDS:
        return {"tries": [], "relays": []}
    tries, relays = await mail_sign_in.refusals(app, me), await mail_sign_in.relays_seen(app, me)
    return {
        "tries": [(_day(visit, at), many) for at, many in tries],
        "relays": [(_day(visit, at), maker) for at, maker in relays],
    }


def _day(visit: Visit, ms: int) -> str:
    then, today = datetime.fromtimestamp(ms / 1000, PLACE).date(), datetime.now(PLACE).date()
    return visit.words.near_day(then, today) or visit.words.date(then)


def _for_offices(visit: Visit) -> None:
    if visit.actor.kind not in mail_sign_in.KINDS:
        raise Refused


async def _page(visit: Visit, *, made: str = "", error: str = "", name: str = "", status: int = 200) -> web.Response:
    _for_offices(visit)
    app, servers = visit.app, mail_servers.servers(visit.app.settings, visit.app.ports)
    return visit.page(
        "mail_access.html",
        "account",
        status=status,
        devices=await mail_passwords.listed(app, visit.actor.account_id),
        refused=await refused(visit),
        main_password=app.settings.mail_main_password,
        reading=servers.reading[0],
        writing=servers.writing[0],
        help=mail_servers.HELP,
        address=visit.actor.address,
        made=made,
        error=error,
        name=name,
        done=visit.request.query.get("done") == "ended",
        most=mail_passwords.MOST,
        most_name=mail_passwords.MAX_NAME,
        at=lambda ms: datetime.fromtimestamp(ms / 1000, UTC),
        now=datetime.now(UTC),
    )
