"""A journey starts, moves and ends with its appointment, in the transaction that changes the appointment.

    an office binds a sequence    →  start()   →  a row a step, with its instant; a delivery row for each instant
    the appointment moves         →  follow()  →  every step that still matters has a new instant, under a new plan
    cancelled, declined           →  follow()  →  what was not sent never will be

Promises: a delivery row of an older plan finds a newer one and does nothing, so nothing has to be called back. Instants
are local: so many days from the day of the appointment in Paris, at that hour, on both sides of a change of clocks.
What begins does not wait for the patient to accept: the date is the office's, and many never tap; what is declined or
cancelled stops, and goes on if it is accepted after all. Another moment asked for stops nothing: the planned one stands
until the office moves it. A step whose time is over when the journey starts is `passed`, unless it is to be sent at
once. When an appointment moves, what was sent and would come again is planned again (not a questionnaire: what was
answered still holds), and one message says which words no longer hold.

Does not: send (`sending`), or look at silence (`silence`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from server import audit
from server.agenda import book
from server.audit import Act
from server.errors import Invalid
from server.journeys import Sequence, Step
from server.settings import PLACE
from storage import appointments, deliveries
from storage import journeys as rows
from storage.appointments import Organised
from storage.database import Tx
from storage.ids import new_id
from storage.journeys import Journey, StepRow
from storage.vault import Sealed, SpaceKeys

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from server.journeys.sequences import Prepared
    from server.posting import Doing
    from storage.appointments import Appointment

CHANNEL, SILENCE = "journey", "journey_silence"
STOPS: Final = frozenset({"cancelled", "declined"})  # states of an appointment


class Facts(msgspec.Struct, frozen=True):
    """What is sealed of a journey: the sequence as it was that day, whose it is, the appointment it follows.
    `start`: as the agenda has it. `moved`: what was sent for another date, by number of step.
    """

    sequence: Sequence
    blueprint: str
    version: int
    start: str
    title: str
    location: str = ""
    all_day: bool = False
    moved: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Bound:
    """A journey with its facts and steps open."""

    journey: Journey
    facts: Facts
    steps: tuple[StepRow, ...]


# ---- instants --------------------------------------------------------------------------------------------------------


def local_day(start: str) -> date | None:
    """The day of an appointment in Paris; None when it has none."""
    at = book.instant(start)
    return at.astimezone(PLACE).date() if at is not None else None


def moment(day: date, days: int, hour: str) -> int:
    """So many days from a day, at a local hour (ms). An hour that the clocks jump over is the one after."""
    local = datetime.combine(day + timedelta(days=days), time.fromisoformat(hour), PLACE)
    return int(local.timestamp() * 1000)


def dates(sequence: Sequence, start: str) -> dict[int, int]:
    """When each step would be sent (ms), by its number; empty without a date."""
    day = local_day(start)
    return {one.number: moment(day, one.days, one.hour) for one in sequence.steps} if day is not None else {}


def silent_at(step: Step, day: date, sent_at: int) -> int | None:
    """When silence on a step is looked at first; None when it never is."""
    if step.silence is None:
        return None
    gap = step.silence.gap_hours * 3_600_000
    return max(moment(day, step.silence.by_days, step.silence.hour), sent_at + gap)


# ---- what happens to one ---------------------------------------------------------------------------------------------


def start(doing: Doing, appointment: Appointment, prepared: Prepared, *, told_apart: bool = False) -> str:
    """Bind a prepared sequence to an appointment; the journey's id. The same one twice is one; another of the same
    office takes its place. `told_apart`: the message of this transaction tells of it. Raises `Invalid` for an
    appointment that is over, off, or has no date.
    """
    tx, keys, at = doing.tx, doing.to.keys, doing.at
    appointment = appointments.hold_one(tx, keys.space_id, appointment.id) or appointment  # it does not move meanwhile
    known = book.facts_in(keys, appointment)
    day = local_day(str(known.get("start") or ""))
    if appointment.state in STOPS or day is None:
        raise Invalid("journey_without_date", "Ce rendez-vous n’a pas de date, ou n’aura pas lieu.")
    if appointment.starts_at is not None and appointment.starts_at < at:
        raise Invalid("journey_over", "Ce rendez-vous est passé.")
    for other in running(tx, keys, appointment.id):
        if other.journey.mailbox_id == prepared.mailbox_id and other.facts.blueprint == prepared.id:
            return other.journey.id
        if other.journey.mailbox_id == prepared.mailbox_id:
            _stop(doing, other)
    told = Facts(prepared.sequence, prepared.id, prepared.version, str(known["start"]), str(known.get("title") or ""),
                 str(known.get("location") or ""), bool(known.get("all_day")))  # fmt: skip
    by = doing.actor.account_id
    one = Journey(new_id(), appointment.id, prepared.mailbox_id, "", "running", 1, b"", by, at, at)
    rows.add(tx, keys.space_id, one, _sealed(keys, one.id, told))
    for step in prepared.sequence.steps:
        rows.put_step(tx, keys.space_id, one.id, _planned(step, day, at))
    _owe(doing, one, "" if told_apart else "started")
    if appointment.starts_at is not None:  # the office that runs it follows the appointment
        row_of = Organised(keys.space_id, appointment.id, appointment.starts_at, appointment.state)
        appointments.put_organised(tx, prepared.mailbox_id, row_of)
    audit.record(tx, Act.JOURNEY_STARTED, doing.actor, keys.space_id, doing.to.ground, one.id)
    return one.id


def follow(doing: Doing, appointment: Appointment, facts: Mapping[str, Any]) -> None:
    """An appointment changed: so do the journeys bound to it."""
    start = str(facts.get("start") or "")
    for found in rows.of_appointment(doing.tx, doing.to.space_id, appointment.id):
        bound = held(doing.tx, doing.to.keys, found.id)
        if bound is None or bound.journey.state == "ended":
            continue
        if appointment.state in STOPS:
            if bound.journey.state == "running":
                _stop(doing, bound)
        elif bound.journey.state == "cancelled" or book.instant(start) != book.instant(bound.facts.start):
            _move(doing, bound, facts)
        else:
            told = _told(bound.facts, facts)
            if told != bound.facts:
                keep(doing.tx, doing.to.keys, bound.journey, told)


def _told(before: Facts, facts: Mapping[str, Any]) -> Facts:
    """What the agenda says now."""
    title, location = str(facts.get("title") or ""), str(facts.get("location") or "")
    start, all_day = str(facts.get("start") or ""), bool(facts.get("all_day"))
    return msgspec.structs.replace(before, start=start, title=title, location=location, all_day=all_day)


def stop(doing: Doing, journey_id: str) -> None:
    """An office ends a journey; what was not sent never will be. The message of this transaction tells of it."""
    bound = held(doing.tx, doing.to.keys, journey_id)
    if bound is not None and bound.journey.state == "running":
        _stop(doing, bound, "ended")


def _stop(doing: Doing, bound: Bound, state: str = "cancelled") -> None:
    tx, keys, at = doing.tx, doing.to.keys, doing.at
    one = replace(bound.journey, state=state, plan=bound.journey.plan + 1, changed_at=at)
    keep(tx, keys, one, bound.facts)
    ahead = [step for step in bound.steps if step.state == "planned"]
    for step in ahead:
        rows.put_step(tx, keys.space_id, one.id, replace(step, state="cancelled", changed_at=at))
    if ahead and state == "cancelled":
        _say(doing, one, "stopped")
    audit.record(tx, Act.JOURNEY_STOPPED, doing.actor, keys.space_id, doing.to.ground, one.id)


def _move(doing: Doing, bound: Bound, facts: Mapping[str, Any]) -> None:
    """Every step has its new instant; what was sent for the old one is said to hold no longer, once."""
    tx, keys, at = doing.tx, doing.to.keys, doing.at
    start = str(facts.get("start") or "")
    day = local_day(start)
    if day is None:
        return
    one = replace(bound.journey, state="running", plan=bound.journey.plan + 1, changed_at=at)
    prepared, moved = {step.number: step for step in bound.facts.sequence.steps}, set(bound.facts.moved)
    same = book.instant(start) == book.instant(bound.facts.start)  # declined, then accepted after all
    for row in bound.steps:
        step = prepared[row.number]
        due = moment(day, step.days, step.hour)
        if row.state == "sent" and not same and row.kind != "questionnaire":
            moved.add(row.number)
        put = row if row.state == "sent" and (due <= at or row.kind == "questionnaire" or same) else None
        if put is not None:
            silent = silent_at(step, day, row.changed_at) if row.silent_at is not None else None
            put = replace(put, silent_at=silent, told="" if silent is not None else row.told)
        else:
            put = _planned(step, day, at)
        rows.put_step(tx, keys.space_id, one.id, put)
    told = msgspec.structs.replace(_told(bound.facts, facts), moved=tuple(sorted(moved)))
    keep(tx, keys, one, told)
    _owe(doing, one, "moved" if moved else "")


def _planned(step: Step, day: date, at: int) -> StepRow:
    """A step that was not sent, seen from that instant."""
    due = moment(day, step.days, step.hour)
    return StepRow(
        step.number, step.kind, "passed" if too_late(step, due, at) else "planned", max(due, at), None, "", "", at
    )


def too_late(step: Step, due: int, at: int) -> bool:
    """Whether a step that was due then is not sent any more."""
    return due < at and not (step.at_once and step.days <= 0)


# ---- what is owed ----------------------------------------------------------------------------------------------------


def _owe(doing: Doing, one: Journey, say: str) -> None:
    """What this plan owes: a word now, after which comes what is due already; each instant at which something is sent,
    each at which silence is looked at.
    """
    tx, keys = doing.tx, doing.to.keys
    if say:
        _say(doing, one, say)
    steps = rows.steps(tx, keys.space_id, one.id)
    for due in sorted({row.due_at for row in steps if row.state == "planned" and not (say and row.due_at <= doing.at)}):
        deliveries.insert(tx, keys, "", CHANNEL, due, {"journey": one.id, "plan": one.plan})
    for row in steps:
        if row.state == "sent" and row.silent_at is not None:
            target = {"journey": one.id, "plan": one.plan, "number": row.number}
            deliveries.insert(tx, keys, "", SILENCE, row.silent_at, target)


def _say(doing: Doing, one: Journey, say: str) -> None:
    target = {"journey": one.id, "plan": one.plan, "say": say}
    deliveries.insert(doing.tx, doing.to.keys, "", CHANNEL, doing.at, target)


# ---- reading ---------------------------------------------------------------------------------------------------------


def running(tx: Tx, keys: SpaceKeys, appointment_id: str) -> list[Bound]:
    """The journeys of an appointment that go on."""
    return [one for one in of_appointment(tx, keys, appointment_id) if one.journey.state == "running"]


def of_appointment(tx: Tx, keys: SpaceKeys, appointment_id: str) -> list[Bound]:
    """Every journey that was bound to it, the oldest first."""
    found = rows.of_appointment(tx, keys.space_id, appointment_id)
    return [opened(tx, keys, one) for one in found]


def held(tx: Tx, keys: SpaceKeys, journey_id: str) -> Bound | None:
    """A journey with its row locked: nothing is sent while the appointment moves, nor the other way round."""
    found = rows.hold(tx, keys.space_id, journey_id)
    return opened(tx, keys, found) if found is not None else None


def opened(tx: Tx, keys: SpaceKeys, found: Journey) -> Bound:
    facts = msgspec.json.decode(keys.open("journey", found.id, found.facts), type=Facts)
    return Bound(found, facts, tuple(rows.steps(tx, keys.space_id, found.id)))


def due_now(steps: Iterable[StepRow], at: int) -> list[StepRow]:
    """What is to be sent at that instant, in order."""
    return [row for row in steps if row.state == "planned" and row.due_at <= at]


def keep(tx: Tx, keys: SpaceKeys, one: Journey, facts: Facts) -> None:
    """Write a held journey back."""
    rows.change(tx, keys.space_id, one, _sealed(keys, one.id, facts))


def _sealed(keys: SpaceKeys, journey_id: str, facts: Facts) -> Sealed:
    return keys.seal("journey", journey_id, msgspec.json.encode(facts))
