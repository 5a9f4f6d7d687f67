"""The days of an office, and what it does in them: propose an appointment, move it, call it off, answer a wish.

Works by forms. Nothing here books: what is sent is a card that the patient answers, or the note of what was agreed with
them. A form that fails comes back with what was written in it; pressed twice, it does its thing once.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final, NoReturn

import msgspec
from aiohttp import web

from server import access, writing_rules
from server.agenda import organising, own, planned, proposals
from server.agenda.organising import Mine
from server.agenda.planned import Planned
from server.agenda.proposals import Moment, Proposal
from server.drafts import Receipt
from server.errors import Invalid, PliError, Refused
from server.journeys import binding, sequences
from server.settings import PLACE
from webchat.forms import Form, read_form
from webchat.security import told
from webchat.thread import patient_of
from webchat.visit import Visit, nonce, route
from webchat.words import instant

if TYPE_CHECKING:
    from server.app import App

VIEWS: Final = {"day": 1, "week": 7}
MINUTES: Final = (15, 20, 30, 45, 60, 90, 120, 240)
USUAL: Final = 30
REPEATS: Final = ("daily", "weekly", "monthly")
MOST_TIMES: Final = 60
FIELDS: Final = (
    "title", "location", "text", "minutes", "repeats", "times", "agreed", "ins", "birth",
    *(f"{name}.{number}" for number in (1, 2, 3) for name in ("date", "time")),
)  # fmt: skip


def add_routes(app: App, site: web.Application) -> None:
    """The days, the forms."""
    route(app, site, "GET", "/planning", show)
    route(app, site, "GET", "/planning/new", propose_to_patient)
    route(app, site, "POST", "/planning/new", propose_to_patient)
    route(app, site, "GET", "/planning/conversation/{thread}", propose_in_thread)
    route(app, site, "POST", "/planning/conversation/{thread}", propose_in_thread)
    route(app, site, "GET", "/planning/{record}/{appointment}", show_one)
    route(app, site, "POST", "/planning/{record}/{appointment}", change)


# ---- the days --------------------------------------------------------------------------------------------------------


async def show(visit: Visit) -> web.Response:
    """A day, or a week from its Monday."""
    _office(visit)
    query, today = visit.request.query, visit.desk.today
    view = query.get("view", "day") if query.get("view", "day") in VIEWS else "day"
    day = _day(query.get("day", ""), today)
    first = day if view == "day" else day - timedelta(days=day.weekday())
    length = timedelta(days=VIEWS[view])
    found = await planned.planning(visit.app, visit.box, _midnight(first), _midnight(first + length))
    days = [(first + timedelta(days=n), [one for one in found if _on(one) == first + timedelta(days=n)])
            for n in range(VIEWS[view])]  # fmt: skip
    return visit.page(
        "planning.html", "planning", view=view, day=day, days=days, before=first - length, after=first + length,
        waiting=sum(one.state == "asked" for one in found), most=planned.MOST, full=len(found) >= planned.MOST,
    )  # fmt: skip


def _office(visit: Visit) -> None:
    """These pages are for people: a service has the API."""
    if visit.box.owner_kind not in {"professional", "team"}:
        raise Refused


def _day(text: str, today: date) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return today
    return day if 2000 <= day.year <= 2100 else today


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), PLACE)


def _on(one: Planned) -> date:
    at = instant(one.start)
    return at.astimezone(PLACE).date() if at else date.min


# ---- proposing -------------------------------------------------------------------------------------------------------


async def propose_in_thread(visit: Visit) -> web.StreamResponse:
    """In a conversation of this mailbox."""
    _office(visit)
    to = await access.conversation(visit.app, visit.box, visit.request.match_info["thread"])
    form, error, status = Form(), "", 200
    if visit.request.method == "POST":
        form = await read_form(visit.request)
        try:
            sent = await organising.propose(visit.app, visit.box, to, _wanted(form), _key(visit, form))
            await _with_sequence(visit, form, sent)
            _led(visit, sent)
        except PliError as problem:
            error, status = told(visit.words, problem), problem.status
    patient = await patient_of(visit, to.space_id)
    return await _form_page(visit, form, error, status, patient=patient, back=f"/c/{to.conversation_id}")


async def propose_to_patient(visit: Visit) -> web.StreamResponse:
    """To a patient named by INS and birth date, both in the body: in a new conversation."""
    _office(visit)
    form, error, status = Form(), "", 200
    if visit.request.method == "POST":
        form = await read_form(visit.request)
        try:
            space = await writing_rules.patient(visit.app, visit.actor, visit.box, form["ins"], form["birth"])
            sent = await organising.propose(visit.app, visit.box, space, _wanted(form), _key(visit, form))
            await _with_sequence(visit, form, sent)
            _led(visit, sent)
        except PliError as problem:
            error, status = told(visit.words, problem), problem.status
    return await _form_page(visit, form, error, status, patient=None, back="/planning")


async def _with_sequence(visit: Visit, form: Form, receipt: Receipt) -> None:
    """The sequence that was chosen begins; where one is chosen again, when that one cannot."""
    key = f"{_key(visit, form)}.sequence" if form["client_key"] else ""
    try:
        if form["sequence"]:
            await binding.attach_to_card(visit.app, visit.box, receipt, form["sequence"], key)
    except PliError:
        raise web.HTTPSeeOther(f"{visit.desk.base}/bound/{receipt.conversation}") from None


def _led(visit: Visit, receipt: Receipt) -> NoReturn:
    """To the card that was sent."""
    raise web.HTTPSeeOther(f"{visit.desk.base}/c/{receipt.conversation}#m-{receipt.message}")


async def _form_page(
    visit: Visit, form: Form, error: str, status: int, *, patient: dict[str, Any] | None, back: str
) -> web.Response:
    return visit.page(
        "planning_new.html", "planning", status=status, patient=patient, error=error, back=back, kept=_kept(form),
        usable=await sequences.usable(visit.app, visit.box),
        sequence=form["sequence"], **_limits(),
    )  # fmt: skip


def _limits() -> dict[str, Any]:
    return {
        "nonce": nonce(), "lengths": MINUTES, "repeats": REPEATS, "most_times": MOST_TIMES,
        "most_title": proposals.MAX_TITLE, "most_place": proposals.MAX_PLACE, "most_text": proposals.MAX_TEXT,
    }  # fmt: skip


def _kept(form: Form) -> dict[str, str]:
    """What a form shows: what was written, or nothing yet."""
    return {name: form[name] for name in FIELDS} | {"minutes": form["minutes"] or str(USUAL)}


def _wanted(form: Form) -> Proposal:
    """What a form asks for; `proposals.checked` says what is wrong with it."""
    moments = tuple(_moment(form, number) for number in (1, 2, 3) if form[f"date.{number}"] or form[f"time.{number}"])
    rule = ""
    if form["repeats"] in REPEATS:
        times = int(form["times"]) if form["times"].isdecimal() and len(form["times"]) < 4 else 0
        if not 2 <= times <= MOST_TIMES:
            raise Invalid("bad_times", f"Dites combien de fois : de 2 à {MOST_TIMES}.")
        rule = f"FREQ={form['repeats'].upper()};COUNT={times}"
    return Proposal(
        form["title"], moments, form["location"], form["text"].replace("\r\n", "\n"), agreed=form["agreed"] == "1",
        rrule=rule,
    )  # fmt: skip


def _moment(form: Form, number: int) -> Moment:
    """A day, or an hour of it with how long it takes."""
    day, hour = form[f"date.{number}"], form[f"time.{number}"]
    start = own.moment(f"{day}T{hour}") if hour else None
    if not isinstance(start, datetime):
        return Moment(f"{day}T{hour}" if hour else day)
    minutes = int(form["minutes"]) if form["minutes"].isdecimal() and len(form["minutes"]) < 4 else 0
    end = start.astimezone(UTC) + timedelta(minutes=minutes)  # exact time, also across a change of clocks
    return Moment(start.isoformat(), end.isoformat() if minutes else "")


def _key(visit: Visit, form: Form) -> str:
    return f"planning:{visit.actor.account_id}:{form['client_key'][:200]}" if form["client_key"] else ""


# ---- one appointment -------------------------------------------------------------------------------------------------


async def show_one(visit: Visit, *, error: str = "", form: Form | None = None, status: int = 200) -> web.Response:
    """An appointment of this office, and what can be done with it."""
    _office(visit)
    match = visit.request.match_info
    found = await planned.one(visit.app, visit.box, match["record"], match["appointment"])
    mine = await organising.mine(visit.app, visit.box, match["record"], match["appointment"])
    kept = _kept(form) if form is not None and form["do"] == "move" else _as_planned(mine)
    return visit.page(
        "planning_one.html", "planning", status=status, one=found, error=error, kept=kept,
        did=form["do"] if form is not None else "", reason=form["reason"] if form is not None else "",
        patient=await patient_of(visit, match["record"]), **_limits(),
    )  # fmt: skip


def _as_planned(mine: Mine) -> dict[str, str]:
    """A form that begins with what is planned."""
    proposal = organising.proposal_of(mine)
    (one,) = proposal.moments
    start, end = instant(one.start), instant(one.end)
    local = start.astimezone(PLACE) if start else None
    minutes = int((end - start).total_seconds() // 60) if start and end and end > start else USUAL
    hour = f"{local:%H:%M}" if local and len(one.start) > len("2026-12-01") else ""
    said = {"title": proposal.title, "location": proposal.location, "text": proposal.text, "minutes": str(minutes)}
    return dict.fromkeys(FIELDS, "") | said | {"date.1": f"{local:%Y-%m-%d}" if local else "", "time.1": hour}


async def change(visit: Visit) -> web.StreamResponse:
    """Moved, called off; a wish granted, or not."""
    _office(visit)
    app, box, match = visit.app, visit.box, visit.request.match_info
    form = await read_form(visit.request)
    mine = await organising.mine(app, box, match["record"], match["appointment"])
    key = _key(visit, form)
    try:
        match form["do"]:
            case "move":
                receipt = await organising.move(app, box, mine, _again(mine, _wanted(form)), key)
            case "cancel":
                receipt = await organising.cancel(app, box, mine, form["reason"], key)
            case "grant":
                receipt = await organising.grant(app, box, mine, key)
            case "keep":
                receipt = await organising.keep(app, box, mine, form["reason"], key)
            case _:
                raise Invalid
    except PliError as problem:
        if isinstance(problem, Refused):
            raise
        return await show_one(visit, error=told(visit.words, problem), form=form, status=problem.status)
    _led(visit, receipt)


def _again(mine: Mine, wanted: Proposal) -> Proposal:
    """A series that is moved repeats as it did."""
    return msgspec.structs.replace(wanted, rrule=str(mine.facts.get("rrule") or ""))
