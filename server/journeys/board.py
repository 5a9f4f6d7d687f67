"""Who is ready for a day: the patients an office expects, and what each of them read, understood, did, or has not yet.

    storage.organised  →  the appointments of the day  →  where each patient stands (`standing`)  →  Board

Promises: who has to be called comes first, then who is waited for; nothing is kept beside what the patients did, so the
board is never out of date. Does not: show what a patient wrote in a form.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from server import access, people, reading
from server.agenda import book
from server.errors import Refused
from server.journeys import Readiness, StepView, planning, standing
from server.settings import PLACE
from storage import appointments, calls, messages
from storage.appointments import Organised
from storage.database import Tx
from storage.vault import CannotOpen, SpaceKeys

if TYPE_CHECKING:
    from server.app import App
    from server.handles import MailboxHandle

MOST: Final = 500  # appointments of a day that a board shows
STATES: Final = ("to_call", "waiting", "unknown", "ready")  # in this order
OFF: Final = frozenset({"cancelled", "declined", "removed"})  # appointments that will not be


class Expected(msgspec.Struct, frozen=True):
    """A patient expected that day. `start`: as the agenda has it (ISO 8601). `answer`: the state of the appointment
    (proposed, accepted, asked …). `state`: of `STATES`; unknown when nothing was asked of the patient. `missing`: the
    steps that wait for them. `call`: the id of a call to make, "" for none.
    """

    appointment: str
    conversation: str
    patient: str
    sex: str
    born: str
    start: str
    all_day: bool
    title: str
    place: str
    answer: str
    state: str
    read: bool
    understood: bool
    done: bool
    missing: tuple[StepView, ...] = ()
    call: str = ""


class Board(msgspec.Struct, frozen=True):
    """`expected`: by state, then by hour. `full`: there are more than it shows."""

    day: str
    expected: tuple[Expected, ...]
    full: bool = False

    def count(self, state: str) -> int:
        return sum(one.state == state for one in self.expected)


async def of_day(app: App, box: MailboxHandle, day: date) -> Board:
    """The board of an office. Raises `Refused` for a mailbox that is no office's."""

    def look(tx: Tx) -> Board:
        access.office_keys(app, tx, box)
        return seen(tx, app, box.mailbox_id, day)

    return await app.db.read(look)


def tomorrow(now: datetime) -> date:
    """The day after, in Paris."""
    return now.astimezone(PLACE).date() + timedelta(days=1)


def seen(tx: Tx, app: App, mailbox_id: str, day: date) -> Board:
    """As `of_day`, for who may."""
    since, until = bounds(day)
    found = appointments.organised(tx, mailbox_id, since, until, MOST + 1)
    known: dict[str, SpaceKeys] = {}
    expected = [_expected(tx, app, mailbox_id, one, known) for one in found[:MOST] if one.state not in OFF]
    shown = sorted((one for one in expected if one is not None), key=lambda one: (STATES.index(one.state), one.start))
    return Board(day.isoformat(), tuple(shown), len(found) > MOST)


def bounds(day: date) -> tuple[int, int]:
    """The instants (ms) between which a day lies in Paris: 23 or 25 hours when the clocks change."""
    first, last = (datetime.combine(one, time(), PLACE).astimezone(UTC) for one in (day, day + timedelta(days=1)))
    return int(first.timestamp() * 1000), int(last.timestamp() * 1000)


def _expected(
    tx: Tx, app: App, mailbox_id: str, one: Organised, known: dict[str, SpaceKeys]
) -> Expected | None:  # fmt: skip
    """None for whoever's space is gone, or whose appointment is not to be read."""
    row = appointments.find(tx, one.space_id, one.appointment_id)
    try:
        keys = reading.keys_of(app, tx, one.space_id, known)
        facts = book.facts_in(keys, row) if row is not None else {}
    except (Refused, CannotOpen):
        return None
    traits = people.traits(app, tx, one.space_id)
    if row is None or traits is None:
        return None
    message = messages.find(tx, one.space_id, row.message_id)
    place, call = message.conversation_id if message is not None else "", ""
    ready = Readiness(read=False, understood=False, done=False, missing=(), state="unknown")
    for bound in planning.running(tx, keys, row.id):
        if bound.journey.mailbox_id == mailbox_id:
            ready, place = standing.standing(tx, keys, bound), bound.journey.conversation_id or place
            waits = [each for each in calls.of_journey(tx, mailbox_id, bound.journey.id) if each.settled_at is None]
            call = waits[0].id if waits and ready.state == "to_call" else ""
    return Expected(
        row.id, place, traits.name, traits.sex, traits.birth_date, str(facts.get("start") or ""),
        bool(facts.get("all_day")), str(facts.get("title") or ""), str(facts.get("location") or ""), row.state,
        ready.state, ready.read, ready.understood, ready.done, ready.missing, call,
    )  # fmt: skip
