"""The private addresses of an agenda: made, listed, ended by its holder; read by a calendar program, without a session.

Promises: the secret is on screen once, in the answer to the form that made it; a secret that is wrong, ended or
somebody else's is a page that is not there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from server import access, brakes, notices, step_up
from server.agenda import feeds, ics
from server.errors import Conflict, Invalid
from webchat.forms import read_fields
from webchat.security import session_secret, told
from webchat.visit import Visit, nonce, route

if TYPE_CHECKING:
    from server.app import App

KEPT_S = 900  # how long a program may keep what it read


def add_routes(app: App, site: web.Application) -> None:
    """The holder's page and forms; the address itself."""
    route(app, site, "GET", "/agenda/feeds", show, ("agenda",))
    route(app, site, "POST", "/agenda/feeds", make, ("agenda",))
    route(app, site, "POST", "/agenda/feeds/end", end, ("agenda",))

    async def serve(request: web.Request) -> web.Response:
        body = await feeds.read(app, request.match_info["secret"][:100], brakes.source_of(app, request))
        headers = {
            "Cache-Control": f"private, max-age={KEPT_S}",
            "Content-Disposition": 'inline; filename="pli.ics"',
            "Content-Security-Policy": "default-src 'none'; sandbox",
        }
        return web.Response(body=body, content_type="text/calendar", charset="utf-8", headers=headers)

    site.router.add_get("/feeds/{secret}.ics", serve)


async def show(visit: Visit) -> web.StreamResponse:
    """The addresses there are, and how to make one."""
    return await _page(visit)


async def _page(
    visit: Visit, made: str = "", error: str = "", status: int = 200, fields: dict[str, str] | None = None
) -> web.Response:
    handle = await access.dossier(visit.app, visit.box, "agenda")
    return visit.page(
        "agenda_feeds.html",
        "agenda",
        status=status,
        found=await feeds.listed(visit.app, visit.box, handle),
        created=feeds.created,
        used=feeds.used,
        levels=ics.LEVELS,
        made=f"{notices.home_of(visit.app)}feeds/{made}.ics" if made else "",
        error=error,
        form={"name": "", "says": ics.BUSY} | (fields or {}),
        most_name=feeds.MAX_NAME,
        nonce=nonce(),
    )


async def make(visit: Visit) -> web.StreamResponse:
    """A new address, shown in this answer and never again: a way out that lasts, so a second factor is asked for."""
    await step_up.require(visit.app, session_secret(visit.app, visit.request))
    form = await read_fields(visit.request)
    handle = await access.dossier(visit.app, visit.box, "agenda")
    try:
        secret = await feeds.make(visit.app, visit.box, handle, form["name"], form["says"], form["client_key"])
    except (Conflict, Invalid) as error:
        return await _page(visit, "", told(visit.words, error), error.status, form.fields)
    return await _page(visit, secret)


async def end(visit: Visit) -> web.StreamResponse:
    """No more, at once."""
    form = await read_fields(visit.request)
    await feeds.end(visit.app, visit.box, form["feed"][:40])
    raise web.HTTPSeeOther(f"{visit.desk.base}/agenda/feeds")
