"""Measures of health on pages: all of them, one with its curve and its table, what is added, corrected, aimed at, sent.

A measure is named in the address by its slug (`/measures/weight`): the generic name of a thing that everybody has, no
content of anybody's. Ids, values and dates stand in forms.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from server import access, measure_sending
from server.actions import measures as acts
from server.dossier import growth, measures
from server.dossier import measure_kinds as kinds
from server.dossier.measure_kinds import Entry, Kind
from server.dossier.measures import Gathered, MeasureView
from server.errors import Conflict, Invalid, NotAllowed, PliError, Refused
from server.scopes import MESSAGES, WRITE
from server.settings import PLACE
from webchat import measure_charts
from webchat.charts import table
from webchat.forms import Form, read_fields
from webchat.security import told
from webchat.visit import Visit, nonce, route

if TYPE_CHECKING:
    from server.app import App

PERIODS: Final = {"month": 31, "quarter": 92, "year": 366, "all": 0}  # days
MOST_ROWS: Final = 300
_UNIT_CHOICES: Final = {"glucose": ("g/L", "mg/dL", "mmol/L"), "interstitial-glucose": ("g/L", "mg/dL", "mmol/L")}


def add_routes(app: App, site: web.Application) -> None:
    """All under « Mesures »."""
    route(app, site, "GET", "/measures", show_all, ("dossier",))
    route(app, site, "POST", "/measures", say, ("dossier", MESSAGES))
    route(app, site, "GET", "/measures/{slug}", show_one, ("dossier",))
    route(app, site, "POST", "/measures/{slug}", add, ("dossier",))
    route(app, site, "POST", "/measures/{slug}/correct", correct, ("dossier",))
    route(app, site, "POST", "/measures/{slug}/target", aim, ("dossier",))
    route(app, site, "POST", "/measures/{slug}/send", send, ("dossier", MESSAGES))


async def show_all(visit: Visit) -> web.StreamResponse:
    """Each measure that has values, the last one large; and what else may be noted."""
    return await _all(visit)


async def _all(visit: Visit, said: str = "", error: str = "", status: int = 200) -> web.Response:
    words = visit.words
    gathered = await measures.gather(visit.app, await access.dossier(visit.app, visit.box))
    known = [(kinds.KINDS[slug], gathered.series[slug]) for slug in kinds.LISTED if gathered.series.get(slug)]
    return visit.page(
        "measures.html",
        "health",
        status=status,
        known=[(of, of.name(words.language), measure_charts.small(words, of, views)) for of, views in known],
        others=[
            (slug, kinds.KINDS[slug].name(words.language))
            for slug in kinds.LISTED
            if not gathered.series.get(slug) and not kinds.KINDS[slug].computed
        ],
        said=said,
        error=error,
        may_write=visit.box.may(WRITE),
        may_say=visit.box.may(MESSAGES, WRITE),
        nonce=nonce(),
    )


async def say(visit: Visit) -> web.StreamResponse:
    """A measure in words: a card asks whether it is right, in « Votre espace »."""
    form = await read_fields(visit.request)
    try:
        receipt = await acts.offer(visit.app, visit.box, form["text"], form["client_key"])
    except (Invalid, NotAllowed) as error:
        return await _all(visit, form["text"][:200], told(visit.words, error), error.status)
    raise web.HTTPSeeOther(f"{visit.desk.base}/c/{receipt.conversation}#m-{receipt.message}")


# ---- one measure -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Typed:
    """A form that came back: what was typed, what is wrong with it, whether it is only doubtful. `part`: which form."""

    part: str = ""
    fields: dict[str, str] | None = None
    error: str = ""
    doubt: str = ""
    status: int = 200


def _kind(visit: Visit) -> Kind:
    try:
        return kinds.kind(visit.request.match_info["slug"])
    except Invalid as error:
        raise Refused from error


async def show_one(visit: Visit) -> web.StreamResponse:
    """Its curve, its table, what can be done."""
    return await _one(visit, _kind(visit))


async def _one(visit: Visit, of: Kind, typed: _Typed = _Typed()) -> web.Response:
    words, box, query = visit.words, visit.box, visit.request.query
    gathered = await measures.gather(visit.app, await access.dossier(visit.app, box))
    every = gathered.series.get(of.slug, [])
    period = query.get("period", "all") if query.get("period") in PERIODS else "all"
    since = (visit.desk.today - timedelta(days=PERIODS[period])).isoformat() if PERIODS[period] else ""
    views = measures.between(every, since, "")
    changed = _changed(visit, gathered, of, typed)
    aimed = gathered.targets.get(of.slug)
    may_send = box.may(MESSAGES, WRITE) and bool(every)
    return visit.page(
        "measure.html",
        "health",
        status=typed.status,
        of=of,
        name=of.name(words.language),
        unit=kinds.shown_unit(of, words.language),
        chart=measure_charts.large(words, of, views, aimed, gathered.traits),
        curves=bool(measure_charts.growth_curves(words, of, views, gathered.traits)),
        curves_source=growth.TABLE.version,
        table=_table(visit, of, views, gathered) if views else "",
        hidden=max(0, len(views) - MOST_ROWS),
        anything=bool(every),
        ended=[_history(visit, of, view) for view in reversed(gathered.ended.get(of.slug, []))],
        periods=[(name, name == period) for name in PERIODS],
        may_write=box.may(WRITE),
        units=_UNIT_CHOICES.get(of.slug, ()) or _choices(of),
        unit_label=kinds.unit_label,
        moments=[(one, kinds.MOMENTS[one][words.language == "en"]) for one in of.moments],
        changed=changed,
        target=aimed,
        target_said=acts.target(of, aimed.low, aimed.high, words.language) if aimed else "",
        aim_low=_typed_target(of, typed, "low", aimed.low if aimed else ""),
        aim_high=_typed_target(of, typed, "high", aimed.high if aimed else ""),
        takers=await measure_sending.takers(visit.app, box) if may_send else [],
        first=every[0].moment_of.astimezone(PLACE).date().isoformat() if every else "",
        typed=typed,
        form=_fields(visit, of, typed, changed),
        nonce=nonce(),
    )


def _choices(of: Kind) -> tuple[str, ...]:
    """Units that people choose among: a blood pressure says by its size which one it is in."""
    return () if of.parts else tuple(unit for unit in of.units if unit and "{" not in unit and unit != "/d")


def _changed(visit: Visit, gathered: Gathered, of: Kind, typed: _Typed) -> MeasureView | None:
    """The entry that is being corrected, when it may be."""
    wanted = (typed.fields or {}).get("id", "") if typed.part == "change" else visit.request.query.get("change", "")
    return next((view for view in gathered.series.get(of.slug, []) if wanted and view.id == wanted and view.mine), None)


def _fields(visit: Visit, of: Kind, typed: _Typed, changed: MeasureView | None) -> dict[str, str]:
    """What stands in the form: what came back, what is corrected, else today."""
    now = visit.desk.now.astimezone(PLACE)
    blank = {
        "value": "", "second": "", "heart_rate": "", "unit": "", "moment": "", "note": "",
        "date": now.date().isoformat(), "time": f"{now:%H:%M}",
    }  # fmt: skip
    if typed.part in {"add", "change"} and typed.fields:
        return blank | {name: typed.fields.get(name, "") for name in blank}
    if changed is None:
        return blank
    moment = changed.moment_of.astimezone(PLACE)
    values = [kinds.written(kinds.display(of, Decimal(value))) if value else "" for value in changed.values]
    return blank | {
        "value": values[0],
        "second": values[1] if len(values) > 1 else "",
        "unit": of.shown.unit if of.shown else of.unit,
        "moment": changed.moment,
        "note": changed.note,
        "date": moment.date().isoformat(),
        "time": f"{moment:%H:%M}" if len(changed.at) > len("2026-11-23") else "",
    }


def _table(visit: Visit, of: Kind, views: list[MeasureView], gathered: Gathered) -> Any:
    words = visit.words
    grows = any(measure_charts.percentile(of, view, gathered.traits) is not None for view in views)
    head = [words("measures.table.when"), words("measures.table.value"), words("measures.table.beside")]
    head += [words("measures.table.percentile")] if grows else []
    head += [words("measures.table.source")]
    rows = []
    for view in reversed(views[-MOST_ROWS:]):
        beside = [kinds.MOMENTS.get(view.moment, ("", ""))[words.language == "en"], view.note]
        if view.reported:
            beside.append(words("measures.reported", value=view.reported))
        cells = [measure_charts.when(words, view.at), measure_charts.value(words, of, view)]
        cells.append(" · ".join(part for part in beside if part))
        if grows:
            found = measure_charts.percentile(of, view, gathered.traits)
            cells.append(words("measures.percentile", count=found) if found is not None else "")
        cells.append(_source(visit, of, view))
        rows.append(cells)
    return table(words("measures.table", name=of.name(words.language)), head, rows)


def _source(visit: Visit, of: Kind, view: MeasureView) -> Any:
    """Where it comes from: a link to its document, or to its correction when it is one's own."""
    from markupsafe import Markup

    words, base = visit.words, visit.desk.base
    said = measure_charts.source(words, view)
    if view.document:
        return Markup('{}<br><a href="{}/documents/{}/view">{}</a>').format(said, base, view.document, view.title)
    if view.mine and visit.box.may(WRITE):
        label = words("measures.change.of", value=measure_charts.value(words, of, view))
        return Markup('{} <a class="see" href="{}/measures/{}?change={}#form" aria-label="{}">{}</a>').format(
            said, base, of.slug, view.id, label, words("measures.change")
        )
    return said


def _history(visit: Visit, of: Kind, view: MeasureView) -> str:
    words = visit.words
    return words(
        f"measures.ended.{view.state}",
        value=measure_charts.value(words, of, view),
        at=measure_charts.when(words, view.at),
        when=measure_charts.when(words, view.ended),
        name=view.ended_by,
    )


# ---- what is done ----------------------------------------------------------------------------------------------------


async def add(visit: Visit) -> web.StreamResponse:
    """One more value."""
    of, form = _kind(visit), await read_fields(visit.request)
    return await _kept(visit, of, form, "add")


async def correct(visit: Visit) -> web.StreamResponse:
    """Another value in the place of what was entered, or none."""
    of, form = _kind(visit), await read_fields(visit.request)
    if form["do"] == "withdraw":
        try:
            await acts.amend(visit.app, visit.box, form["id"][:40], None, of.slug, form["client_key"])
        except (Conflict, NotAllowed) as error:
            return await _one(visit, of, _Typed("change", form.fields, told(visit.words, error), "", error.status))
        raise web.HTTPSeeOther(f"{visit.desk.base}/measures/{of.slug}")
    return await _kept(visit, of, form, "change")


async def _kept(visit: Visit, of: Kind, form: Form, part: str) -> web.StreamResponse:
    """Keep what the form says; when it is not sure, ask; when it cannot be, say so. What was typed is not lost."""
    try:
        handle = await access.dossier(visit.app, visit.box)
        entry = await measures.checked(visit.app, handle, _entry(of, form))
        doubts = " ".join(doubt.said(visit.words.language) for doubt in kinds.doubts(entry))
        if doubts and form["sure"] != "1":
            return await _one(visit, of, _Typed(part, form.fields, "", doubts, 422))
        if part == "change":
            await acts.amend(visit.app, visit.box, form["id"][:40], entry, of.slug, form["client_key"])
        else:
            await acts.record(visit.app, visit.box, [entry], form["client_key"])
    except (Conflict, Invalid, NotAllowed) as error:
        return await _one(visit, of, _Typed(part, form.fields, told(visit.words, error), "", error.status))
    raise web.HTTPSeeOther(f"{visit.desk.base}/measures/{of.slug}")


def _entry(of: Kind, form: Form) -> Entry:
    values = (form["value"], form["second"]) if of.parts else (form["value"],)
    unit = form["unit"]
    if of.parts:  # nobody's blood pressure is 13 mmHg: it is said in centimetres
        small = all(kinds.number(value) <= 30 for value in values)
        unit = "cm[Hg]" if small else "mm[Hg]"
    at = form["date"] + (f"T{form['time']}" if form["date"] and form["time"] else "")
    return Entry(of.slug, values, unit, at, form["moment"], form["note"], form["heart_rate"])


async def aim(visit: Visit) -> web.StreamResponse:
    """A personal target, or none any more."""
    of, form = _kind(visit), await read_fields(visit.request)
    try:
        ends = [_end(of, form[name]) if form["do"] != "remove" else "" for name in ("low", "high")]
        await acts.aim(visit.app, visit.box, of.slug, ends[0], ends[1], form["client_key"])
    except (Invalid, NotAllowed) as error:
        return await _one(visit, of, _Typed("target", form.fields, told(visit.words, error), "", error.status))
    raise web.HTTPSeeOther(f"{visit.desk.base}/measures/{of.slug}")


def _end(of: Kind, typed: str) -> str:
    """An end of the target as it is kept, in the canonical unit; it was typed in the unit that is shown."""
    if not typed.strip():
        return ""
    values = [kinds.number(part) for part in typed.split("/")]
    if len(values) != (len(of.parts) or 1):
        raise Invalid("two_numbers", "Pour la tension, écrivez les deux nombres, par exemple 13/8.")
    if of.parts and max(values) <= 30:
        values = [value * 10 for value in values]
    return "/".join(kinds.plain(value / of.shown.factor if of.shown else value) for value in values)


def _typed_target(of: Kind, typed: _Typed, name: str, kept: str) -> str:
    if typed.part == "target" and typed.fields:
        return typed.fields.get(name, "")
    return "/".join(kinds.written(kinds.display(of, value)) for value in kinds.pair(kept)) if kept else ""


async def send(visit: Visit) -> web.StreamResponse:
    """The measures of a period, as a letter to somebody one may write to."""
    of, form = _kind(visit), await read_fields(visit.request)
    try:
        days = [_given_day(form[name]) for name in ("since", "until")]
        receipt = await measure_sending.send(
            visit.app, visit.box, form["to"][:40], of.slug, days[0], days[1], form["client_key"]
        )
    except Refused:
        raise
    except PliError as error:
        return await _one(visit, of, _Typed("send", form.fields, told(visit.words, error), "", error.status))
    raise web.HTTPSeeOther(f"{visit.desk.base}/c/{receipt.conversation}#m-{receipt.message}")


def _given_day(typed: str) -> str:
    try:
        return date.fromisoformat(typed).isoformat() if typed else ""
    except ValueError as error:
        raise Invalid("bad_date", "La date doit être de la forme AAAA-MM-JJ.") from error
