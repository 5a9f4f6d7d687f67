"""Who is ready for a day: the board of an office that expects patients, a ring to look at and a list to act upon."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from aiohttp import web
from markupsafe import Markup, escape

from server.errors import Invalid
from server.journeys import board, silence
from server.journeys.board import Board
from webchat.forms import read_form
from webchat.visit import Visit, route
from webchat.words import Words

if TYPE_CHECKING:
    from server.app import App

ROUND: Final = 2 * math.pi * 42  # the length of the ring, in its own units
FURTHEST: Final = timedelta(days=400)


def add_routes(app: App, site: web.Application) -> None:
    """The board of a day, and what came of a call."""
    route(app, site, "GET", "/ready", show_ready)
    route(app, site, "POST", "/ready/calls/{call}", settle_call)


async def show_ready(visit: Visit) -> web.Response:
    """Tomorrow, or the day that is asked for."""
    today = board.tomorrow(datetime.now(UTC)) - timedelta(days=1)
    day = _day(visit.request.query.get("day", ""), today)
    shown = await board.of_day(visit.app, visit.box, day)
    groups = [(state, [one for one in shown.expected if one.state == state]) for state in board.STATES]
    return visit.page(
        "ready.html", "ready", day=day, today=today, groups=[group for group in groups if group[1]], shown=shown,
        picture=ring(visit.words, shown), most=board.MOST, outcomes=silence.OUTCOMES,
        before=day - timedelta(days=1), after=day + timedelta(days=1),
    )  # fmt: skip


async def settle_call(visit: Visit) -> web.StreamResponse:
    """Somebody of the office called, and says what came of it."""
    form = await read_form(visit.request)
    await silence.settle(visit.app, visit.box, visit.request.match_info["call"], form["outcome"])
    day = _day(form["day"], date.today())  # noqa: DTZ011 - where the page goes back to, nothing more
    raise web.HTTPSeeOther(f"{visit.desk.base}/ready?day={day.isoformat()}")


def _day(told: str, today: date) -> date:
    """The day of an address; tomorrow when it says none. Raises `Invalid`."""
    if not told:
        return today + timedelta(days=1)
    try:
        day = date.fromisoformat(told)
    except ValueError as error:
        raise Invalid("bad_day", "Le jour doit être de la forme AAAA-MM-JJ.") from error
    if abs(day - today) > FURTHEST:
        raise Invalid("day_out_of_range", "Ce jour est trop loin : un an avant ou après aujourd’hui au plus.")
    return day


def ring(words: Words, shown: Board) -> Markup:
    """How many are ready, of all: the picture; the list says the same. States differ by dash too (WCAG 1.4.1)."""
    total = len(shown.expected)
    if not total:
        return Markup("")
    ready = shown.count("ready")
    said = escape(words("ready.ring", ready=ready, total=total))
    arcs, start = [], 0.0
    for state in ("ready", "unknown", "waiting", "to_call"):
        length = ROUND * shown.count(state) / total
        if length:
            arcs.append(
                f'<circle class="arc is-{state}" cx="50" cy="50" r="42"'
                f' stroke-dasharray="{length:.2f} {ROUND - length:.2f}"'
                f' stroke-dashoffset="{-start:.2f}" transform="rotate(-90 50 50)"/>'
            )
        start += length
    return Markup(  # noqa: S704 - numbers of ours, and words that were escaped
        f'<svg class="ring" viewBox="0 0 100 100" role="img" aria-label="{said}">{"".join(arcs)}'
        f'<text x="50" y="47" text-anchor="middle" class="large">{ready}</text>'
        f'<text x="50" y="64" text-anchor="middle" class="small">/ {total}</text></svg>'
    )
