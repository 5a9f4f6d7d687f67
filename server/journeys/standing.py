"""Where a patient is before an appointment: what was sent, read, answered, and what is missing.

Read from what is there already: the read mark of the patient's mailbox (whoever read it there for them), the answers to
cards, what was filled in. Nothing is kept beside it, so it is never out of date. A call that reached the patient
stands for their reading and their understanding, never for a form they did not fill in.
"""

from __future__ import annotations

from typing import Final

from server.journeys import Readiness, Step, StepView, planning
from server.journeys.planning import Bound
from storage import accounts, calls, entries, fillings, messages
from storage.database import Tx
from storage.entries import SEEN
from storage.journeys import StepRow
from storage.vault import SpaceKeys

_FORMS: Final = frozenset({"questionnaire", "checklist"})
_UNDERSTOOD: Final = frozenset({"confirm.understood", "confirm.done"})
_COMPLETE: Final = frozenset({"completed", "corrected"})


def standing(tx: Tx, keys: SpaceKeys, bound: Bound) -> Readiness:
    """By the essential steps that were to be sent until now."""
    steps = [one for one in views(tx, keys, bound) if one.essential]
    asked = [one for one in steps if one.state == "sent" or one.told == "call"]
    missing = tuple(one for one in asked if not one.fulfilled)
    waits = {one.number for one in _calls(tx, bound) if one.settled_at is None}
    if bound.journey.state == "cancelled" or not asked:
        state = "unknown"
    elif not missing:
        state = "ready"
    else:
        state = "to_call" if any(one.number in waits for one in missing) else "waiting"
    return Readiness(
        read=bool(asked) and all(one.read for one in asked),
        understood=all(one.fulfilled for one in asked if one.kind == "confirmation"),
        done=all(one.fulfilled for one in asked if one.kind in _FORMS),
        missing=missing,
        state=state,  # type: ignore[arg-type]
    )


def steps_of(tx: Tx, keys: SpaceKeys, appointment_id: str) -> list[tuple[Bound, list[StepView]]]:
    """The journeys of an appointment with each step as it is now, for a page."""
    return [(one, views(tx, keys, one)) for one in planning.of_appointment(tx, keys, appointment_id)]


def views(tx: Tx, keys: SpaceKeys, bound: Bound) -> list[StepView]:
    """Each step as it is now, in order."""
    holder = accounts.holder_of(tx, keys.space_id)
    mailbox = holder.mailbox_id if holder is not None else ""
    called = {one.number: one.at for one in _calls(tx, bound) if one.outcome == "reached"}
    reached = {
        row.number for row in bound.steps if called.get(row.number, -1) >= row.changed_at
    }  # not of an older plan
    prepared = {step.number: step for step in bound.facts.sequence.steps}
    return [_view(tx, keys, mailbox, prepared[row.number], row, row.number in reached) for row in bound.steps]


def _view(tx: Tx, keys: SpaceKeys, mailbox: str, step: Step, row: StepRow, reached: bool) -> StepView:
    sent = row.state == "sent"
    read = sent and is_read(tx, mailbox, row.message_id)
    answered = sent and is_answered(tx, keys, row)
    if row.kind in _FORMS:
        fulfilled = answered
    else:
        fulfilled = reached or (answered if row.kind == "confirmation" else read)
    return StepView(
        row.number, row.kind, step.title, step.title_en or step.title, row.state, row.due_at, step.essential,
        read or reached, answered, fulfilled, row.told, row.message_id,
    )  # fmt: skip


def is_read(tx: Tx, mailbox_id: str, message_id: str) -> bool:
    """Whether the message was read in that mailbox."""
    entry = entries.of_message(tx, mailbox_id, message_id)
    return entry is not None and bool(entry.flags & SEEN)


def is_answered(tx: Tx, keys: SpaceKeys, row: StepRow) -> bool:
    """Whether what a sent step asks for was given; False for words, which ask for nothing."""
    if row.kind == "confirmation":
        return any(one.action in _UNDERSTOOD for one in messages.answers(tx, keys.space_id, row.message_id))
    if row.kind in _FORMS:
        found = fillings.find(tx, keys.space_id, row.message_id)
        return found is not None and found.state in _COMPLETE
    return False


def _calls(tx: Tx, bound: Bound) -> list[calls.Call]:
    return calls.of_journey(tx, bound.journey.mailbox_id, bound.journey.id)
