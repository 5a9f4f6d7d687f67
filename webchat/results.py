"""Results of laboratories: by analyte, by document, and one analyte over time.

    /health/results         by analyte; ?by=document as each document groups them
    /health/results/{key}   one analyte: the last value, its curve, every value as it was reported, with both units

`key` is a keyed hash: no address says what was measured. A result has its range and what the laboratory says of it, in
words, and a way to ask who sent it; never a flag.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web
from markupsafe import Markup

from server import access
from server.dossier import findings, results
from server.dossier.results import Analyte, Reported, Trend
from server.dossier.sources import Sources
from server.errors import Refused
from server.handles import DossierHandle
from server.scopes import MESSAGES
from storage import messages
from storage.database import Tx
from webchat import charts, saying
from webchat.health import SECTION, at
from webchat.visit import Visit, route
from webchat.words import instant

if TYPE_CHECKING:
    from server.app import App

WAYS = ("analyte", "document")


def add_routes(app: App, site: web.Application) -> None:
    """For the holder, and a delegate with the scope dossier."""
    route(app, site, "GET", "/health/results", show_results, ("dossier",))
    route(app, site, "GET", "/health/results/{key}", show_trend, ("dossier",))


async def show_results(visit: Visit) -> web.Response:
    """All results, in the order one asks for."""
    by = visit.request.query.get("by", "")
    by = by if by in WAYS else WAYS[0]
    handle = await access.dossier(visit.app, visit.box)

    def read(tx: Tx) -> tuple[list[Analyte], list[results.Panel]]:
        held, sources = findings.held(tx, handle, ("result",)), Sources(visit.app, tx, handle)
        if by == "document":
            return [], results.panels(visit.app.vault, sources, held)
        return results.analytes(visit.app.vault, sources, held), []

    analytes, panels = await visit.app.db.read(read)
    return visit.page("results.html", SECTION, by=by, ways=WAYS, analytes=analytes, panels=panels, at=at(visit))


@dataclass(frozen=True, slots=True)
class _Seen:
    """`asks`: by the message a result came in, the conversation where one may ask."""

    analyte: Analyte
    asks: dict[str, str]


async def show_trend(visit: Visit) -> web.Response:
    """One analyte. Raises `Refused`: nothing of it may be seen here."""
    handle = await access.dossier(visit.app, visit.box)
    key = visit.request.match_info["key"]
    seen = await visit.app.db.read(lambda tx: _seen(visit, tx, handle, key))
    drawn = results.trend(seen.analyte)
    last = seen.analyte.last
    return visit.page(
        "results_trend.html",
        SECTION,
        analyte=seen.analyte,
        last=last,
        trend=drawn,
        chart=_chart(visit, seen.analyte, drawn) if drawn else "",
        table=_table(visit, seen.analyte),
        ask=next((seen.asks[source.message] for source in last.sources if source.message in seen.asks), ""),
        may_ask=visit.box.may(MESSAGES),
        at=at(visit),
    )


def _seen(visit: Visit, tx: Tx, handle: DossierHandle, key: str) -> _Seen:
    held, sources = findings.held(tx, handle, ("result",)), Sources(visit.app, tx, handle)
    found = next((one for one in results.analytes(visit.app.vault, sources, held) if key in one.keys), None)
    if found is None:
        raise Refused
    wanted = {source.message for one in found.reported for source in one.sources} - {""}
    known = {message: messages.find(tx, handle.space_id, message) for message in wanted}
    return _Seen(found, {message: row.conversation_id for message, row in known.items() if row})


def _chart(visit: Visit, analyte: Analyte, drawn: Trend) -> Markup:
    words, last = visit.words, analyte.last
    dated = [(when, charts.number_of(value), instant(when)) for when, value in drawn.points]
    points = [
        (when, charts.Point(at_.timestamp(), number)) for when, number, at_ in dated if at_ and number is not None
    ]
    if not points:
        return Markup()
    low, high = charts.number_of(drawn.low), charts.number_of(drawn.high)
    ends = [saying.say_date(words, when) for when, _ in (points[0], points[-1])]
    return charts.line_chart(
        [charts.Series(analyte.label, [point for _, point in points])],
        charts.Band(low, high, words("results.band")) if low is not None or high is not None else None,
        title=words("results.chart.title", name=analyte.label),
        desc=words("results.chart.desc", count=len(points), first=ends[0], last=ends[1]),
        key=f"chart-{analyte.key}",
        last=saying.say_quantity(words, last.value),
        last_when=saying.say_date(words, last.at),
        ends=(ends[0], ends[1]) if len(points) > 1 else ("", ends[1]),
        comma=words.language == "fr",
    )


def _table(visit: Visit, analyte: Analyte) -> Markup:
    words = visit.words
    heads = [words(f"results.head.{name}") for name in ("date", "value", "range", "said", "source")]
    rows = [
        (
            saying.say_date(words, one.at) or words("results.undated"),
            _value(visit, one),
            saying.say_range(words, one.low, one.high, one.range_text, one.value.unit),
            _said(visit, one),
            Markup(", ").join(_source(visit, one)),
        )
        for one in analyte.reported
    ]
    return charts.table(words("results.table", name=analyte.label), heads, rows)


def _value(visit: Visit, one: Reported) -> Markup:
    """The value as reported, and in the other unit where the document gives both."""
    told = Markup('<strong dir="auto">{}</strong>').format(saying.say_quantity(visit.words, one.value))
    if one.same_as is None:
        return told
    return told + Markup('<br><span class="soft">{}</span>').format(saying.say_quantity(visit.words, one.same_as))


def _said(visit: Visit, one: Reported) -> str:
    """What the laboratory says of it, and by which method and of what, when it says so."""
    words, code = visit.words, one.interpretation
    key = f"health.interpretation.{code}"
    told = words(key) if words.has(key) else words("health.interpretation.other", code=code) if code else ""
    parts = (told, one.note, one.specimen, one.method)
    return " ".join(part if part.endswith(".") else f"{part}." for part in parts if part)


def _source(visit: Visit, one: Reported) -> list[Markup]:
    base = visit.desk.base
    return [
        Markup('<a href="{}/documents/{}/view" dir="auto">{}</a>').format(
            base, source.document, source.title or visit.words("health.document")
        )
        if source.document
        else Markup('<span dir="auto">{}</span>').format(source.author)
        for source in one.sources
    ]
