"""One appointment: all that is known of it, what happened to it, what to prepare, and what may be answered; as a file
for another calendar too.

Promises: the page names whom to write to: nothing is booked or moved here without a person.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from aiohttp import web

from server import access
from server.agenda import days, ics, preparing
from server.agenda.days import Known
from server.errors import Refused
from server.scopes import MESSAGES, WRITE
from webchat import agenda_words
from webchat.visit import Visit, nonce, route

if TYPE_CHECKING:
    from server.app import App
    from server.handles import DossierHandle


def add_routes(app: App, site: web.Application) -> None:
    """The page, and its file."""
    route(app, site, "GET", "/agenda/{appointment}", show, ("agenda",))
    route(app, site, "GET", "/agenda/{appointment}/rendez-vous.ics", as_file, ("agenda",))


async def asked(visit: Visit) -> tuple[DossierHandle, Known]:
    """The appointment of the address. Raises `Refused`."""
    handle = await access.dossier(visit.app, visit.box, "agenda")
    return handle, await days.one(visit.app, handle, visit.request.match_info["appointment"][:40])


async def show(visit: Visit) -> web.StreamResponse:
    """The page; the address of its card leads to it too."""
    handle, known = await asked(visit)
    if known.row.id != visit.request.match_info["appointment"]:
        raise web.HTTPSeeOther(f"{visit.desk.base}/agenda/{known.row.id}")
    item = days.on_day(known, _day(visit.request.query.get("on", "")))
    if item.start is not None and not item.over:
        around = await days.between(visit.app, handle, item.day, item.days[-1])
        item = next((one for one in around if (one.id, one.instance) == (item.id, item.instance)), item)
    return visit.page(
        "agenda_one.html",
        "agenda",
        item=item,
        say=agenda_words,
        history=agenda_words.history(visit.words, known.history),
        preparation=await preparing.of(visit.app, visit.box, item),
        may_write=visit.box.may(WRITE),
        may_answer=visit.box.may(MESSAGES, WRITE),
        nonce=nonce(),
    )


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


async def as_file(visit: Visit) -> web.StreamResponse:
    """The appointment as iCalendar, for another program: all that its page says of it, and that is said there first."""
    _, known = await asked(visit)
    if known.item.start is None:
        raise Refused
    body = ics.calendar(visit.app, visit.box.space_id, [(known.row, known.facts)], ics.ALL, visit.desk.now)
    headers = {"Content-Disposition": 'attachment; filename="rendez-vous.ics"'}
    return web.Response(body=body, content_type="text/calendar", charset="utf-8", headers=headers)
