"""The days of an office: the appointments that it organises or follows, of all its patients.

    storage.organised  →  what each says, whose it is, what the patient answered  →  Planned, in order of time

Promises: nothing of a patient's agenda but what the office put there or follows; the identity stands beside every
appointment (référentiel INS); what the office double-booked is said, and blocks nothing. Does not change anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from server import people, reading
from server.agenda import book, conflicts, organising, recurrence
from server.agenda.recurrence import Occurrence
from server.errors import Refused
from storage import appointments as rows
from storage import conversations, messages
from storage.appointments import Appointment
from storage.database import Tx
from storage.vault import CannotOpen, SpaceKeys

if TYPE_CHECKING:
    from server.app import App
    from server.handles import MailboxHandle

MOST: Final = 500  # appointments of one look
FREE: Final = frozenset({"cancelled", "declined", "removed"})  # states that take no time of the office


class Planned(msgspec.Struct, frozen=True):
    """`start`, `end`: ISO 8601. `state`: proposed, accepted, asked, declined, cancelled, added, removed, own. `mine`:
    this office may change it; `conversation`: "" when it is not in this mailbox. `wish`, `wished`: the other moment
    that the patient asked for, in words and as a moment. `moments`: how many there are to choose from. `clashes`: the
    patients and titles it is at the same time with.
    """

    space: str
    id: str
    patient: str
    sex: str
    born: str
    title: str
    start: str
    end: str
    all_day: bool
    location: str
    state: str
    sequence: int
    mine: bool
    conversation: str = ""
    message: str = ""
    uid: str = ""
    agreed: str = ""
    rrule: str = ""
    moments: int = 0
    wish: str = ""
    wished: str = ""
    changed: int = 0
    clashes: tuple[str, ...] = ()


async def planning(app: App, box: MailboxHandle, since: datetime, until: datetime) -> list[Planned]:
    """Those that begin from `since` until before `until` (aware); `MOST` at most. Raises `Refused`."""
    organising.office(box)
    known: dict[str, SpaceKeys] = {}

    def pull(tx: Tx) -> list[tuple[Occurrence, Planned]]:
        found = []
        there = rows.organised(tx, box.mailbox_id, _ms(since), _ms(until), MOST)
        for one in [*there, *rows.series(tx, box.mailbox_id, _ms(since), MOST)]:
            row = rows.find(tx, one.space_id, one.appointment_id)
            view = _view(app, tx, box, one.space_id, row, known) if row is not None else None
            if row is not None and view is not None:
                facts = _apart(tx, known[one.space_id], row)
                found += [(when, _on(view, when)) for when in recurrence.occurrences(facts, since, until)]
        return sorted(found, key=lambda pair: (pair[0].begins, pair[1].id))[:MOST]

    found = await app.db.read(pull)
    busy = [(when, place) for place, (when, one) in enumerate(found) if one.state not in FREE]
    clashes: dict[int, list[str]] = {}
    for one, other in conflicts.among(busy):
        clashes.setdefault(one, []).append(f"{found[other][1].patient}, {found[other][1].title}")
        clashes.setdefault(other, []).append(f"{found[one][1].patient}, {found[one][1].title}")
    return [msgspec.structs.replace(one, clashes=tuple(clashes.get(place, ()))) for place, (_, one) in enumerate(found)]


def _on(view: Planned, when: Occurrence) -> Planned:
    """One date of a series; what has one date as it was said."""
    if not when.instance:
        return view
    return msgspec.structs.replace(view, start=when.start.isoformat(), end=when.end.isoformat())


def _apart(tx: Tx, keys: SpaceKeys, row: Appointment) -> dict[str, Any]:
    """The facts of an appointment; of a series without the dates that have one of their own."""
    facts = book.facts_in(keys, row)
    if not recurrence.repeats(facts):
        return facts
    own = []
    for other in rows.of_space(tx, keys.space_id):
        said_of = book.facts_in(keys, other)
        series, instance = said_of.get("series"), said_of.get("instance")
        whole = rows.by_uid(tx, keys.space_id, series) if series and instance else None
        own += [instance] if whole is not None and whole.id == row.id else []
    return facts | {"exdates": [*facts.get("exdates", ()), *own]}


async def of_patient(app: App, box: MailboxHandle, space_id: str) -> list[Planned]:
    """Those of one patient that this office organises."""
    organising.office(box)

    def pull(tx: Tx) -> list[Planned]:
        held = [row for row in rows.of_space(tx, space_id) if row.organiser_id == box.owner]
        views = [_view(app, tx, box, space_id, row, {}) for row in held]
        return [view for view in views if view is not None]

    return await app.db.read(pull)


async def one(app: App, box: MailboxHandle, space_id: str, appointment_id: str) -> Planned:
    """One that this office organises. Raises `Refused`."""
    organising.office(box)

    def pull(tx: Tx) -> Planned | None:
        row = rows.find(tx, space_id, appointment_id)
        mine = row is not None and row.organiser_id == box.owner
        return _view(app, tx, box, space_id, row, {}) if row is not None and mine else None

    found = await app.db.read(pull)
    if found is None:
        raise Refused
    return found


def _view(
    app: App, tx: Tx, box: MailboxHandle, space_id: str, row: Appointment, known: dict[str, SpaceKeys]
) -> Planned | None:
    """None of a space that was destroyed, or what is damaged."""
    try:
        keys = reading.keys_of(app, tx, space_id, known)
        facts = book.facts_in(keys, row)
    except (CannotOpen, Refused):
        return None
    traits = people.traits(app, tx, space_id)
    message = messages.find(tx, space_id, row.message_id)
    conversation = message.conversation_id if message is not None else ""
    there = conversation and conversations.find_in_mailbox(tx, box.mailbox_id, conversation) == space_id
    mine = row.organiser_id == box.owner
    wish, wished = organising.wish_in(tx, keys, row) if mine else ("", "")
    return msgspec.structs.replace(
        said(space_id, row, facts),
        patient=traits.name if traits else "",
        sex=traits.sex if traits else "",
        born=traits.birth_date if traits else "",
        mine=mine,
        conversation=conversation if there else "",
        wish=wish,
        wished=wished,
    )


def said(space_id: str, row: Appointment, facts: Mapping[str, Any]) -> Planned:
    """What an appointment says of itself."""
    return Planned(
        space=space_id,
        id=row.id,
        patient="",
        sex="",
        born="",
        title=str(facts.get("title", "")),
        start=str(facts.get("start", "")),
        end=str(facts.get("end", "")),
        all_day=bool(facts.get("all_day")),
        location=str(facts.get("location", "")),
        state=row.state,
        sequence=row.sequence,
        mine=False,
        message=row.message_id,
        uid=str(facts.get("uid") or ""),
        agreed=str(facts.get("agreed") or ""),
        rrule=str(facts.get("rrule") or ""),
        moments=len(facts.get("moments") or ()) if row.state == "proposed" else 0,
        changed=row.changed_at,
    )


def _ms(at: datetime) -> int:
    return int(at.astimezone(UTC).timestamp() * 1000)
