"""« Qui a lu mon dossier »: the log of a space on a page, beside a document, and as a file.

Everything of it is worked out by `server.journal`, for the person who looks; here are only addresses and forms.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from aiohttp import web

from server import access, journal, spreadsheets
from server.journal import Asked, Visit
from server.settings import PLACE
from webchat.visit import Visit as Looking
from webchat.visit import number, route
from webchat.words import instant

if TYPE_CHECKING:
    from server.app import App
    from server.journal_words import Said

MOST_PAGES = 400


def add_routes(app: App, site: web.Application) -> None:
    """The log, its file, and who read one document."""
    route(app, site, "GET", "/journal", show, ("dossier",))
    route(app, site, "GET", "/journal/file", give, ("dossier",))
    route(app, site, "GET", "/documents/{document}/readers", of_document, ("dossier",))


async def show(visit: Looking) -> web.Response:
    """Others first, then oneself; by person and by period; fifty visits a page."""
    query, page = visit.request.query, _page(visit)
    handle = await access.dossier(visit.app, visit.box)
    asked = _asked(visit)
    found = await journal.log(visit.app, handle, asked, page)
    kept = {name: query[name] for name in ("person", "from", "until") if query.get(name)}
    return visit.page(
        "journal.html",
        "documents",
        log=found,
        mine=asked.mine,
        person=asked.person,
        since=query.get("from", "") if asked.since else "",
        until=query.get("until", "") if asked.until else "",
        filtered=bool(asked.person or asked.since or asked.until),
        page=page,
        years=journal.YEARS,
        address=lambda **changes: _address(visit, kept | ({"who": "me"} if asked.mine else {}), changes),
        said=_said(visit),
    )


async def of_document(visit: Looking) -> web.Response:
    """Who opened, received or changed one document, oneself included."""
    document, page = visit.request.match_info["document"], _page(visit)
    handle = await access.dossier(visit.app, visit.box)
    others = await journal.log(visit.app, handle, Asked(about=document), page)
    mine = await journal.log(visit.app, handle, Asked(mine=True, about=document), page)
    done = (one for log in (others, mine) for found in log.visits for one in found.done)
    return visit.page(
        "journal_document.html",
        "documents",
        others=others,
        mine=mine,
        document=document,
        name=next((one.title for one in done if one.title[0]), None),
        page=page,
        years=journal.YEARS,
        said=_said(visit),
    )


async def give(visit: Looking) -> web.Response:
    """Everything the same question finds, one line a thing done."""
    handle = await access.dossier(visit.app, visit.box)
    asked, words, said = _asked(visit), visit.words, _said(visit)
    columns = ("when", "until", "name", "role", "place", "why", "what", "title", "times")
    rows: list[list[object]] = [[words(f"journal.file.{name}") for name in columns]]
    for page in range(1, MOST_PAGES):
        found = await journal.log(visit.app, handle, asked, page)
        for one in found.visits:
            rows += _rows(one, said)
        if not found.more:
            break
    headers = {"Content-Disposition": 'attachment; filename="journal.csv"', "Cache-Control": "no-store"}
    return web.Response(body=spreadsheets.written(rows), headers=headers, content_type="text/csv", charset="utf-8")


def _rows(visit: Visit, said: Any) -> list[list[object]]:
    person = visit.person
    why = ", ".join(said(one) for one in visit.why)
    who = [said(person.name), said(person.role), person.place, why]
    return [[one.at, visit.until, *who, said(one.what), said(one.title), one.times] for one in visit.done]


def _said(visit: Looking) -> Any:
    place = 1 if visit.words.language == "en" else 0

    def said(both: Said) -> str:
        return both[place]

    return said


def _asked(visit: Looking) -> Asked:
    """What the page asks for; a date nobody understands asks for nothing."""
    query = visit.request.query
    first, last = _day(query.get("from", "")), _day(query.get("until", ""))
    mine = query.get("who") == "me"
    return Asked(
        mine=mine,
        person="" if mine else query.get("person", "")[:64],
        since=_ms(first) if first else 0,
        until=_ms(last + timedelta(days=1)) if last else 0,
    )


def _day(text: str) -> date | None:
    at = instant(text[:10]) if len(text) == 10 else None
    return at.astimezone(PLACE).date() if at is not None and 1970 < at.year < 9000 else None


def _ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=PLACE).timestamp() * 1000)


def _page(visit: Looking) -> int:
    return min(max(number(visit, "page") or 1, 1), MOST_PAGES)


def _address(visit: Looking, kept: dict[str, str], changes: dict[str, object]) -> str:
    """The same question, changed: `None` leaves a part of it out. `file`: of the file."""
    at = "/journal/file" if changes.pop("file", None) else "/journal"
    asked = {name: value for name, value in (kept | changes).items() if value not in (None, "")}
    return f"{visit.desk.base}{at}" + (f"?{urlencode(asked)}" if asked else "")
