"""Closing a space, and what may still be done with one that is closed: open it again, ask for its deletion, take that
back.

Promises: before it is done the page says what will be out of reach, and that a copy can be had first; closing and
deletion ask for a second factor; the page of a closed space shows nothing of what is in it.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

from aiohttp import web

from server import step_up
from server.dossier.delays import DELAYS
from server.enrolment import lifecycle
from server.enrolment.lifecycle import MAX_REASON
from server.errors import Invalid, Refused
from server.settings import PLACE
from webchat import present, security
from webchat.forms import read_fields
from webchat.visit import Visit, route

if TYPE_CHECKING:
    from server.app import App


def add_routes(app: App, site: web.Application) -> None:
    """The page of closing, and that of a closed space."""
    route(app, site, "GET", "/closing", show, ())
    route(app, site, "POST", "/closing", close, ())
    route(app, site, "GET", "/closed", show_closed, (), closed=True)
    route(app, site, "POST", "/closed", change, (), closed=True)


async def show(visit: Visit) -> web.Response:
    """What closing means."""
    if visit.box.owner_kind != "holder" or visit.box.ground == "helper":
        raise Refused
    years, days = DELAYS.kept_after_closing_days // 365, DELAYS.deletion_after_days
    return visit.page("closing.html", "account", years=years, days=days, longest=MAX_REASON)


async def close(visit: Visit) -> web.StreamResponse:
    """Close it; one's own sessions end with it, so the answer is the last page."""
    form = await read_fields(visit.request)
    await step_up.require(visit.app, security.session_secret(visit.app, visit.request))
    if form["sure"] != "yes":
        raise Invalid("not_sure", "Cochez la case pour confirmer que vous voulez fermer cet espace.")
    await lifecycle.close(visit.app, visit.box, form["reason"], delete=form["delete"] == "yes")
    if visit.box.ground != "self":
        raise web.HTTPSeeOther(f"{visit.desk.base}/closed")
    text = present.page("closing_done.html", words=visit.words, here="/")
    return web.Response(text=text, content_type="text/html")


async def show_closed(visit: Visit) -> web.Response:
    """Since when, until when, and what may be done."""
    box, life = await lifecycle.of_closed(visit.app, visit.actor, visit.request.match_info.get("mailbox", ""))
    if life.state == "open":
        raise web.HTTPSeeOther(f"{visit.desk.base}/")
    return visit.page(
        "closed.html", "closed", life=life, theirs=box.ground == "helper", since=_day(life.since),
        until=_day(life.destroyed_on), asked=_day(life.asked_at), days=DELAYS.deletion_after_days,
    )  # fmt: skip


async def change(visit: Visit) -> web.StreamResponse:
    """One of the three buttons."""
    form = await read_fields(visit.request)
    if form["do"] == "open":
        await lifecycle.reopen(visit.app, visit.box)
        raise web.HTTPSeeOther(f"{visit.desk.base}/")
    if form["do"] == "delete":
        await step_up.require(visit.app, security.session_secret(visit.app, visit.request))
        await lifecycle.ask_deletion(visit.app, visit.box)
    elif form["do"] == "keep":
        await lifecycle.keep_after_all(visit.app, visit.box)
    else:
        raise Invalid
    raise web.HTTPSeeOther(f"{visit.desk.base}/closed")


def _day(ms: int | None) -> date:
    return datetime.fromtimestamp((ms or 0) / 1000, PLACE).date()
