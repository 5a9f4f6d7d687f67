"""The agenda by month, by week and as a list; each view has its address (`?view=month&at=2026-12-01`).

Promises: works by links alone; today is said in words, and so is what is cancelled or declined; what is at the same
time is said to whoever may see both. Days are those of Paris; an appointment elsewhere says its hour there too.

Does not: show one (`agenda_one`), or take what a patient notes (`agenda_own`).
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from babel import dates

from server import access
from server.agenda import days, notices
from server.agenda.days import Item
from server.scopes import WRITE
from webchat import agenda_words
from webchat.forms import read_fields
from webchat.visit import Visit, route

if TYPE_CHECKING:
    from server.app import App
    from webchat.words import Words

VIEWS: Final = ("list", "week", "month")
MOST_PAST: Final = 50
_FIRST, _LAST = date(1970, 1, 1), date(2200, 1, 1)


def add_routes(app: App, site: web.Application) -> None:
    """The views, and whether one is told the day before."""
    route(app, site, "GET", "/agenda", show, ("agenda",))
    route(app, site, "POST", "/agenda/notices", choose, ("agenda",))


@dataclass(frozen=True, slots=True)
class Day:
    """One day of a view. `inside`: of the month that is looked at."""

    date: date
    items: list[Item]
    inside: bool = True


@dataclass(frozen=True, slots=True)
class Turn:
    """Where the arrows lead: (view, day), with what they are called."""

    before: date
    after: date
    title: str
    title_before: str
    title_after: str


async def show(visit: Visit) -> web.StreamResponse:
    """The view that is asked for; the list when none is."""
    handle = await access.dossier(visit.app, visit.box, "agenda")
    view = visit.request.query.get("view", "")
    view = view if view in VIEWS else "list"
    at = _asked(visit.request.query.get("at", ""), visit.desk.today)
    told = await notices.told_of(visit.app, handle)
    more: dict[str, Any] = {
        "view": view, "at": at, "may_write": visit.box.may(WRITE), "told": told, "say": agenda_words,
        "may_feed": visit.box.ground in {"self", "representative"},
    }  # fmt: skip
    if view == "list":
        coming, past = await days.listed(visit.app, handle, visit.desk.now)
        return visit.page("agenda.html", "agenda", coming=coming, past=past[:MOST_PAST], **more)
    first, last = _ends(view, at)
    found = spread(await days.between(visit.app, handle, first, last), first, last)
    if view == "week":
        return visit.page("agenda_week.html", "agenda", days=found, turn=_week(visit.words, first), **more)
    for_month = [Day(one.date, one.items, one.date.month == at.month) for one in found]
    weeks = [for_month[n : n + 7] for n in range(0, len(for_month), 7)]
    heads = [dates.format_date(one.date, "EEEE", locale=visit.words.locale) for one in weeks[0]]
    return visit.page("agenda_month.html", "agenda", weeks=weeks, heads=heads, turn=_month(visit.words, at), **more)


def _asked(text: str, today: date) -> date:
    try:
        return min(max(date.fromisoformat(text), _FIRST), _LAST)
    except ValueError:
        return today


def _ends(view: str, at: date) -> tuple[date, date]:
    """The first and the last day on screen: whole weeks, from Monday."""
    if view == "week":
        monday = at - timedelta(days=at.weekday())
        return monday, monday + timedelta(days=6)
    weeks = calendar.Calendar().monthdatescalendar(at.year, at.month)
    return weeks[0][0], weeks[-1][-1]


def spread(items: list[Item], first: date, last: date) -> list[Day]:
    """Each day from one to another with what touches it."""
    found = [Day(first + timedelta(days=n), []) for n in range((last - first).days + 1)]
    by_date = {one.date: one for one in found}
    for item in items:
        for day in item.days:
            if day in by_date:
                by_date[day].items.append(item)
    for one in found:
        one.items.sort(key=lambda item: (not item.all_day, item.begins))
    return found


def _week(words: Words, monday: date) -> Turn:
    def called(day: date) -> str:
        return words("agenda.week_of", first=words.date(day), last=words.date(day + timedelta(days=6)))

    before, after = monday - timedelta(days=7), monday + timedelta(days=7)
    return Turn(before, after, called(monday), called(before), called(after))


def _month(words: Words, at: date) -> Turn:
    def called(day: date) -> str:
        return str(dates.format_date(day, "LLLL y", locale=words.locale))

    first = at.replace(day=1)
    before, after = (first - timedelta(days=1)).replace(day=1), (first + timedelta(days=31)).replace(day=1)
    return Turn(before, after, called(first), called(before), called(after))


async def choose(visit: Visit) -> web.StreamResponse:
    """To be told the day before, or not."""
    form = await read_fields(visit.request)
    handle = await access.dossier(visit.app, visit.box, "agenda")
    await notices.choose(visit.app, visit.box, handle, on=form["on"] == "1")
    raise web.HTTPSeeOther(f"{visit.desk.base}/agenda#told")
