"""What a patient notes in their agenda alone, by forms: a new one, another moment, other words, no more of it.

Promises: says plainly that nothing is booked; what was typed comes back when it cannot be noted.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final

from aiohttp import web
from babel import dates

from server import access
from server.actions import own_appointments as acts
from server.agenda import own
from server.agenda.days import Known
from server.agenda.own import Entry
from server.errors import Conflict, Invalid, NotAllowed, Refused
from webchat.agenda_one import asked
from webchat.forms import Form, read_fields
from webchat.security import told
from webchat.visit import Visit, nonce, route

if TYPE_CHECKING:
    from server.app import App

_BLANK: Final = {
    "kind": "appointment", "title": "", "date": "", "time": "", "end_date": "", "end_time": "", "who": "", "place": "",
    "note": "", "repeats": "", "until": "", "zone": own.PARIS,
}  # fmt: skip


def add_routes(app: App, site: web.Application) -> None:
    """Before `/agenda/{appointment}`: the first that fits is taken."""
    route(app, site, "GET", "/agenda/new", show_new, ("agenda",))
    route(app, site, "POST", "/agenda/new", note, ("agenda",))
    route(app, site, "GET", "/agenda/{appointment}/change", show_change, ("agenda",))
    route(app, site, "POST", "/agenda/{appointment}/change", change, ("agenda",))


async def show_new(visit: Visit) -> web.StreamResponse:
    """An empty form, or one that an address fills in (`?title=…&date=…`)."""
    await access.dossier(visit.app, visit.box, "agenda")  # an office has none
    given = {name: visit.request.query[name][:200] for name in _BLANK if name in visit.request.query}
    return _page(visit, _BLANK | given)


async def note(visit: Visit) -> web.StreamResponse:
    """What was typed is noted."""
    form = await read_fields(visit.request)
    try:
        await acts.record(visit.app, visit.box, _entry(form), form["client_key"])
    except (Invalid, NotAllowed) as error:
        return _page(visit, _BLANK | form.fields, told(visit.words, error), error.status)
    day = form["date"] or visit.desk.today.isoformat()
    raise web.HTTPSeeOther(f"{visit.desk.base}/agenda?view=week&at={day[:10]}")


async def show_change(visit: Visit) -> web.StreamResponse:
    """What was noted, to be said otherwise."""
    _, known = await asked(visit)
    return _page(visit, _fields(known), known=_own(known))


async def change(visit: Visit) -> web.StreamResponse:
    """Another moment, other words; or it is removed."""
    _, known = await asked(visit)
    form = await read_fields(visit.request)
    entry = None if form["do"] == "remove" else _entry(form)
    try:
        await acts.amend(visit.app, visit.box, _own(known).row.id, entry, form["client_key"])
    except (Conflict, Invalid, NotAllowed) as error:
        return _page(visit, _BLANK | form.fields, told(visit.words, error), error.status, known)
    raise web.HTTPSeeOther(f"{visit.desk.base}/agenda" + (f"/{known.row.id}" if entry else ""))


def _own(known: Known) -> Known:
    """Only what one noted alone is changed here. Raises `Refused`."""
    if known.row.state != "own":
        raise Refused
    return known


def _page(
    visit: Visit, fields: dict[str, str], error: str = "", status: int = 200, known: Known | None = None
) -> web.Response:
    locale = visit.words.locale
    places = [(one, dates.get_timezone_location(one, locale=locale, return_city=True)) for one in own.ZONES]
    return visit.page(
        "agenda_own.html",
        "agenda",
        status=status,
        form={name: fields.get(name, "") for name in _BLANK},
        error=error,
        known=known,
        zones=places,
        repeats=own.REPEATS,
        most_title=own.MAX_TITLE,
        most_note=own.MAX_NOTE,
        nonce=nonce(),
    )


def _entry(form: Form) -> Entry:
    """What was typed, not yet checked. An end without its day is on the first day."""
    start = form["date"] + (f"T{form['time']}" if form["date"] and form["time"] else "")
    end = ""
    if form["end_time"] and form["time"]:
        end = f"{form['end_date'] or form['date']}T{form['end_time']}"
    elif form["end_date"]:
        end = form["end_date"] + (f"T{form['time']}" if form["time"] else "")
    kind, zone = form["kind"] or "appointment", form["zone"] or own.PARIS
    return Entry(
        form["title"], start, end, form["who"], form["place"], form["note"], form["repeats"], form["until"], kind, zone
    )


def _fields(known: Known) -> dict[str, str]:
    entry = own.entry_of(known.facts)
    start, end = own.moment(entry.start, entry.zone), own.moment(entry.end, entry.zone) if entry.end else None
    timed = len(entry.start) > len("2026-12-01")
    said = {
        "kind": entry.kind, "title": entry.title, "who": entry.who, "place": entry.place, "note": entry.note,
        "repeats": entry.repeats, "until": entry.until, "zone": entry.zone,
        "date": f"{start:%Y-%m-%d}" if start else "", "time": f"{start:%H:%M}" if start and timed else "",
    }  # fmt: skip
    if end is not None and start is not None:
        same = date(end.year, end.month, end.day) == date(start.year, start.month, start.day)
        said |= {"end_time": f"{end:%H:%M}" if timed else "", "end_date": "" if same else f"{end:%Y-%m-%d}"}
    return _BLANK | said
