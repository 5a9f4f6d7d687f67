"""The sequences an office prepares (« parcours »), those bound to a patient's appointments: pages that work by forms.

One step is edited at a time, so that a page stays short; what is wrong is said beside what was typed, which stays.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from server import access
from server.errors import Invalid, PliError, Refused
from server.journeys import Sequence, Silence, Step, binding, planning, questionnaires, sequences, standing
from server.journeys.sequences import Prepared
from server.settings import PLACE
from storage.database import Tx
from webchat.forms import Form, read_form
from webchat.security import told
from webchat.thread import patient_of
from webchat.visit import Visit, nonce, route

if TYPE_CHECKING:
    from server.app import App

_EMPTY = Step(0, "instructions", "", -7)


def add_routes(app: App, site: web.Application) -> None:
    """The list, one sequence, one step of it; the appointments of a conversation."""
    route(app, site, "GET", "/sequences", show_all)
    route(app, site, "POST", "/sequences", change_all)
    route(app, site, "GET", "/sequences/{sequence}", show_one)
    route(app, site, "POST", "/sequences/{sequence}", change_one)
    route(app, site, "GET", "/sequences/{sequence}/steps/{step}", show_step)
    route(app, site, "POST", "/sequences/{sequence}/steps/{step}", change_step)
    route(app, site, "GET", "/bound/{thread}", show_bound)
    route(app, site, "POST", "/bound/{thread}", change_bound)


# ---- the list --------------------------------------------------------------------------------------------------------


async def show_all(visit: Visit, *, error: str = "", status: int = 200, name: str = "") -> web.Response:
    """What the office keeps, then the examples to copy."""
    found = await sequences.of_office(visit.app, visit.box)
    taken = {sequences.folded(one.sequence.name) for one in found}
    examples = [(slug, one, sequences.folded(one.name) in taken) for slug, one in sequences.shipped().items()]
    return visit.page(
        "sequences.html", "templates", status=status, error=error, found=found, examples=examples, name=name,
        english=visit.words.language == "en", moment_of=moment_of,
    )  # fmt: skip


def moment_of(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


async def change_all(visit: Visit) -> web.StreamResponse:
    """An example is copied, an empty one begun."""
    form = await read_form(visit.request)
    try:
        if form["do"] == "copy":
            example = sequences.shipped().get(form["example"])
            if example is None:
                raise Refused
            made = await sequences.save(visit.app, visit.box, example)
        else:
            made = await sequences.save(visit.app, visit.box, Sequence(form["name"], "", ()))
    except PliError as error:
        return await show_all(visit, error=told(visit.words, error), status=error.status, name=form["name"])
    raise web.HTTPSeeOther(f"{visit.desk.base}/sequences/{made}")


# ---- one sequence ----------------------------------------------------------------------------------------------------


async def show_one(visit: Visit, *, error: str = "", status: int = 200, form: Form | None = None) -> web.Response:
    """Its steps with the dates they would have for an appointment on that day."""
    found = await _one(visit)
    day, wrong = _preview(visit)
    kept = {name: form[name] if form else getattr(found.sequence, name) for name in ("name", "about")}
    error = error or (visit.words("error.code.bad_day") if wrong else "")
    return visit.page(
        "sequence.html", "templates", status=422 if wrong else status, error=error, one=found, kept=kept, day=day,
        steps=[(step, *_dates(step, day)) for step in found.sequence.steps], english=visit.words.language == "en",
        full=len(found.sequence.steps) >= sequences.MAX_STEPS,
    )  # fmt: skip


async def change_one(visit: Visit) -> web.StreamResponse:
    """Its name and what it is for are changed, or it is withdrawn."""
    form, found = await read_form(visit.request), await _one(visit)
    try:
        if form["do"] == "withdraw":
            await sequences.withdraw(visit.app, visit.box, found.id)
            raise web.HTTPSeeOther(f"{visit.desk.base}/sequences")
        renamed = msgspec.structs.replace(found.sequence, name=form["name"], about=form["about"])
        await sequences.save(visit.app, visit.box, renamed, found.id, _number(form["version"]))
    except PliError as error:
        return await show_one(visit, error=told(visit.words, error), status=error.status, form=form)
    raise web.HTTPSeeOther(f"{visit.desk.base}/sequences/{found.id}")


async def _one(visit: Visit) -> Prepared:
    return await sequences.one(visit.app, visit.box, visit.request.match_info["sequence"])


def _preview(visit: Visit) -> tuple[date, bool]:
    """The day an appointment is imagined on; whether what was asked is no day."""
    asked, today = visit.request.query.get("day", ""), datetime.now(UTC).astimezone(PLACE).date()
    try:
        return (date.fromisoformat(asked) if asked else today + timedelta(days=30)), False
    except ValueError:
        return today + timedelta(days=30), True


def _dates(step: Step, day: date) -> tuple[datetime, datetime | None, bool]:
    """(when it is sent, when silence is looked at, whether that is over already)."""
    sent = planning.moment(day, step.days, step.hour)
    silent = planning.silent_at(step, day, sent)
    return moment_of(sent), moment_of(silent) if silent is not None else None, moment_of(sent) < datetime.now(UTC)


# ---- one step --------------------------------------------------------------------------------------------------------


async def show_step(visit: Visit, *, error: str = "", status: int = 200, form: Form | None = None) -> web.Response:
    """A step to change, or a new one. Raises `Refused` when there is none of that number."""
    found = await _one(visit)
    step = _step_of(visit, found)
    return visit.page(
        "sequence_step.html", "templates", status=status, error=error, one=found, step=step,
        kept=(dict.fromkeys(typed(_EMPTY), "") | form.fields) if form else typed(step), kinds=sequences.KINDS,
        ways=sequences.WAYS,
        forms=await questionnaires.choices(visit.app, visit.box, visit.words.language), most=sequences.MAX_TEXT,
    )  # fmt: skip


async def change_step(visit: Visit) -> web.StreamResponse:
    """A step is added, changed or removed: the sequence has its next version."""
    form, found = await read_form(visit.request), await _one(visit)
    step = _step_of(visit, found)
    others = [one for one in found.sequence.steps if one.number != step.number]
    try:
        steps = others if form["do"] == "remove" else [*others, read_step(form)]
        changed = msgspec.structs.replace(found.sequence, steps=tuple(steps))
        await sequences.save(visit.app, visit.box, changed, found.id, _number(form["version"]))
    except PliError as error:
        return await show_step(visit, error=told(visit.words, error), status=error.status, form=form)
    raise web.HTTPSeeOther(f"{visit.desk.base}/sequences/{found.id}")


def _step_of(visit: Visit, found: Prepared) -> Step:
    number = visit.request.match_info["step"]
    if number == "new":
        return _EMPTY
    known = next((one for one in found.sequence.steps if str(one.number) == number), None)
    if known is None:
        raise Refused
    return known


def typed(step: Step) -> dict[str, str]:
    """A step as the fields of its form."""
    silence = step.silence
    fields = {
        "kind": step.kind, "title": step.title, "title_en": step.title_en, "text": step.text, "text_en": step.text_en,
        "days": str(abs(step.days)), "side": "after" if step.days > 0 else "before", "hour": step.hour,
        "items": "\n".join(step.items), "items_en": "\n".join(step.items_en), "questionnaire": step.questionnaire,
        "essential": "1" if step.essential else "", "at_once": "1" if step.at_once else "",
        "silence": "1" if silence else "", "by": str(abs(silence.by_days)) if silence else "2",
        "by_side": "after" if silence and silence.by_days > 0 else "before",
        "by_hour": silence.hour if silence else "10:00", "gap": str(silence.gap_hours) if silence else "3",
    }  # fmt: skip
    return fields | {f"way.{way}": "1" for way in (silence.ways if silence else sequences.WAYS)}


def read_step(form: Form) -> Step:
    """The step of a form. Raises `Invalid`."""
    silence = None
    if form["silence"] == "1":
        ways: Any = tuple(way for way in sequences.WAYS if form[f"way.{way}"] == "1")
        by = _days(form["by"], form["by_side"])
        silence = Silence(by, form["by_hour"], ways, _number(form["gap"], 0))
    kind: Any = form["kind"]
    return Step(
        0, kind, form["title"], _days(form["days"], form["side"]), form["hour"], _lines(form["text"]),
        " ".join(form["title_en"].split()), _lines(form["text_en"]), _listed(form["items"]), _listed(form["items_en"]),
        form["questionnaire"], silence, form["essential"] == "1", form["at_once"] == "1",
    )  # fmt: skip


def _days(count: str, side: str) -> int:
    number = _number(count, -1)
    if not 0 <= number <= sequences.FURTHEST:
        raise Invalid("step_days_count", f"Écrivez un nombre de jours de 0 à {sequences.FURTHEST}.")
    return number if side == "after" else -number


def _number(text: str, otherwise: int = 0) -> int:
    return int(text) if text.isdecimal() and len(text) < 10 else otherwise


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def _listed(text: str) -> tuple[str, ...]:
    return tuple(" ".join(line.split()) for line in text.splitlines() if line.strip())


# ---- the appointments of a conversation ------------------------------------------------------------------------------


async def show_bound(visit: Visit, *, error: str = "", status: int = 200) -> web.Response:
    """The appointments of this patient that the office follows, and what is bound to each."""
    usable = await sequences.usable(visit.app, visit.box)  # no page of a patient's
    to = await access.conversation(visit.app, visit.box, visit.request.match_info["thread"])
    found = await binding.of_conversation(visit.app, visit.box, to)

    def steps(tx: Tx) -> list[tuple[dict[str, Any], Any, list[tuple[Any, Any]]]]:
        return [(facts, one, [(bound, standing.views(tx, to.keys, bound)) for bound in journeys])
                for one, facts, journeys in found]  # fmt: skip

    return visit.page(
        "sequence_bound.html", "messages", status=status, error=error, thread=to.conversation_id, subject=to.subject,
        found=await visit.app.db.read(steps), usable=usable, patient=await patient_of(visit, to.space_id),
        english=visit.words.language == "en", nonce=nonce(), moment_of=moment_of,
        now=datetime.now(UTC).timestamp() * 1000,
    )  # fmt: skip


async def change_bound(visit: Visit) -> web.StreamResponse:
    """A sequence is bound, or stopped."""
    form, thread = await read_form(visit.request), visit.request.match_info["thread"]
    key = f"bound:{visit.actor.account_id}:{form['client_key'][:200]}" if form["client_key"] else ""
    try:
        if form["do"] == "stop":
            await binding.stop(visit.app, visit.box, thread, form["journey"], key)
        else:
            await binding.attach(visit.app, visit.box, thread, form["appointment"], form["sequence"], key)
    except PliError as error:
        if isinstance(error, Refused):
            raise
        return await show_bound(visit, error=told(visit.words, error), status=error.status)
    raise web.HTTPSeeOther(f"{visit.desk.base}/bound/{thread}")
