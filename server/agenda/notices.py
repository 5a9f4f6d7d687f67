"""The day before an appointment, a line in « Votre espace »; at the hour of a reminder of one's own, another.

    book.put → following.changed → owe(): a delivery of channel `appointment`, for the next date
    the channel looks at the agenda as it is then: moved, cancelled or declined meanwhile, nothing is said

Promises: one line a day, whatever there is of appointments; at ten in the morning of the day before, in Paris, on both
sides of a change of clocks; the line is written in a transaction that finds the agenda as it says. Who does not wish it
is told nothing, by a record with its author and date. Outside the house only « un message vous attend » leaves.

Does not: tell what is only proposed, or what an office wants done before (`server.journeys`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from server import access, audit, people, space_news
from server.agenda import book, days, own, recurrence
from server.audit import Act
from server.delivery import Parcel, Temporary
from server.errors import Refused
from server.scopes import WRITE
from server.settings import PLACE
from storage import accounts, deliveries, lifecycle, messages, visibilities
from storage import appointments as rows
from storage.appointments import Appointment
from storage.ids import now_ms

if TYPE_CHECKING:
    from server.app import App
    from server.handles import DossierHandle, MailboxHandle
    from server.posting import Doing
    from storage.database import Tx
    from storage.vault import SpaceKeys

CHANNEL: Final = "appointment"
CHOICE: Final = "appointment_notice"  # of `choices`
EVE_HOUR, DAY_HOUR = time(10), time(9)
EXPECTED: Final = frozenset({"accepted", "added", "own"})
LATE: Final = timedelta(days=1)  # a reminder that could not be told within a day says nothing new
AHEAD: Final = timedelta(days=3700)
AGAIN: Final = 4  # looks at an agenda that changes under our eyes


class Owed(msgspec.Struct, frozen=True):
    """What is to be looked at: the appointments of a `day` (ISO 8601), or the `reminder` of that id at that instant."""

    day: str = ""
    reminder: str = ""
    at: str = ""


class Told(msgspec.Struct, frozen=True):
    """Whether one is told the day before, since when (ms, 0: always) and by whom that was chosen."""

    on: bool
    since: int = 0
    by: str = ""


class _Changed(Exception):
    """The agenda is not what the line says any more."""


# ---- what is owed ----------------------------------------------------------------------------------------------------


def owe(doing: Doing, one: Appointment, facts: Mapping[str, Any]) -> None:
    """In the transaction that changes an appointment: its next date is looked at when the time comes."""
    if one.state in EXPECTED and facts.get("listed", True):
        _owe_next(doing.tx, doing.to.keys, one, facts, datetime.fromtimestamp(doing.at / 1000, UTC))


def _owe_next(tx: Tx, keys: SpaceKeys, one: Appointment, facts: Mapping[str, Any], after: datetime) -> None:
    """The first date that is still to be told after that instant."""
    for found in recurrence.occurrences(facts, after, after + AHEAD, 3):
        due, target = _due(one, facts, found)
        if due > after:
            at = int(due.timestamp() * 1000)
            deliveries.insert(tx, keys, one.message_id, CHANNEL, at, msgspec.to_builtins(target))
            return


def _due(one: Appointment, facts: Mapping[str, Any], found: recurrence.Occurrence) -> tuple[datetime, Owed]:
    day = days.day_of(found.start)
    if facts.get("own") == "reminder":
        whole = not isinstance(found.start, datetime)
        due = datetime.combine(day, DAY_HOUR, PLACE) if whole else found.begins
        return due.astimezone(UTC), Owed(reminder=one.id, at=found.begins.isoformat())
    eve = datetime.combine(day - timedelta(days=1), EVE_HOUR, PLACE)
    return eve.astimezone(UTC), Owed(day=day.isoformat())


# ---- when its time comes ---------------------------------------------------------------------------------------------


class AppointmentNotices:
    """The channel named `appointment`."""

    name = CHANNEL

    def __init__(self, app: App) -> None:
        self._app = app

    async def send(self, parcel: Parcel) -> None:
        """Raises `Temporary` when the agenda does not stand still."""
        app, space_id, owed = self._app, parcel.delivery.space_id, msgspec.convert(parcel.target, Owed)
        await app.db.write(_go_on, parcel.keys, owed)
        for _ in range(AGAIN):
            said = await app.db.read(_said, parcel.keys, owed)
            if said is None:
                return
            try:
                await space_news.tell(app, space_id, *said, partial(_still, owed, said), retry_key=_key(owed))
            except _Changed:
                continue
            except Refused:  # the space is no more: nobody is told
                pass
            return
        raise Temporary("agenda_changes")


def _key(owed: Owed) -> str:
    return f"appointment:{owed.day}" if owed.day else f"reminder:{owed.reminder}:{owed.at}"


def _still(owed: Owed, said: tuple[str, str], doing: Doing) -> None:
    if _said(doing.tx, doing.to.keys, owed) != said:
        raise _Changed


def _go_on(tx: Tx, keys: SpaceKeys, owed: Owed) -> None:
    """What repeats is owed again for its next date, once, whether or not anything is told of this one."""
    if messages.claim_retry_key(tx, keys.space_id, f"next:{_key(owed)}", "", "") is not None:
        return
    for one, facts, found in _there(tx, keys, owed):
        if recurrence.repeats(facts):
            due, _ = _due(one, facts, found)
            _owe_next(tx, keys, one, facts, max(due, datetime.now(UTC)))


def _there(tx: Tx, keys: SpaceKeys, owed: Owed) -> list[tuple[Appointment, dict[str, Any], recurrence.Occurrence]]:
    """What somebody is expected at that day, in order; or the reminder of that instant."""
    first = datetime.fromisoformat(owed.at) if owed.at else days.instant(date.fromisoformat(owed.day))
    last = first + timedelta(seconds=1) if owed.at else days.instant(days.day_of(first) + timedelta(days=1))
    found = []
    for row in rows.of_space(tx, keys.space_id):
        if row.state not in EXPECTED or (owed.reminder and row.id != owed.reminder):
            continue
        facts = book.facts_in(keys, row)
        if facts.get("listed", True) and (facts.get("own") == "reminder") == bool(owed.reminder):
            dates = recurrence.occurrences(facts, first, last)
            found += [(row, facts, one) for one in dates if first <= one.begins < last]
    return sorted(found, key=lambda each: (isinstance(each[2].start, datetime), each[2].begins))


def _said(tx: Tx, keys: SpaceKeys, owed: Owed) -> tuple[str, str] | None:
    """The line in both languages; None when there is nothing to say, or not any more, or nobody wishes it."""
    there, now = _there(tx, keys, owed), datetime.now(UTC)
    if not there or not lifecycle.is_open(tx, keys.space_id):
        return None
    if owed.reminder:
        row, facts, found = there[0]
        due, _ = _due(row, facts, found)
        note = f"\n{facts['note']}" if facts.get("note") else ""
        return (
            None if now > due + LATE else (f"Rappel\u00a0: {facts['title']}{note}", f"Reminder: {facts['title']}{note}")
        )
    day = date.fromisoformat(owed.day)
    if now.astimezone(PLACE).date() >= day or not _chosen(tx, keys.space_id).on:
        return None
    return _tomorrow(day, there, "fr"), _tomorrow(day, there, "en")


def _tomorrow(day: date, there: list[tuple[Appointment, dict[str, Any], recurrence.Occurrence]], language: str) -> str:
    english = language == "en"
    head = f"Tomorrow, {own.when(day, 'en')}:" if english else f"Demain, {own.when(day)}\u00a0:"
    lines = []
    for _, facts, found in there:
        hour = own.hour(found.start.astimezone(PLACE), language) if isinstance(found.start, datetime) else ""
        told = [hour, str(facts["title"]), str(facts.get("location") or "")]
        lines.append(", ".join(part for part in told if part))
    return f"{head} {lines[0]}." if len(lines) == 1 else "\n".join([head, *(f"– {line}" for line in lines)])


# ---- whether one wishes it -------------------------------------------------------------------------------------------


def _chosen(tx: Tx, space_id: str) -> Told:
    state, since, by = visibilities.chosen(tx, space_id).get(CHOICE, ("on", 0, ""))
    return Told(state == "on", since, by)


async def told_of(app: App, handle: DossierHandle) -> Told:
    """Whether the people of this space are told; `by` as a name."""

    def pull(tx: Tx) -> Told:
        found = _chosen(tx, handle.space_id)
        who = accounts.by_id(tx, found.by) if found.by else None
        return msgspec.structs.replace(found, by=people.actor_in(app, tx, who).name if who else "")

    return await app.db.read(pull)


async def choose(app: App, box: MailboxHandle, handle: DossierHandle, *, on: bool) -> None:
    """To be told the day before, or not. What stands so already is nothing new. Raises `NotAllowed`, `Refused`."""
    if await app.db.read(lambda tx: _chosen(tx, handle.space_id).on) == on:
        return

    def effect(doing: Doing) -> None:
        access.confirm_record(doing.tx, handle, "agenda", WRITE)
        visibilities.choose(doing.tx, handle.space_id, CHOICE, "on" if on else "off", handle.actor.account_id)
        audit.record(
            doing.tx, Act.CHOICE_CHANGED, handle.actor, handle.space_id, handle.ground, CHOICE, "on" if on else "off"
        )

    fr = "Les rendez-vous sont rappelés la veille." if on else "Les rendez-vous ne sont plus rappelés la veille."
    en = "You are reminded of appointments the day before." if on else "Appointments are no longer reminded of."
    await space_news.note(app, box, fr, en, effect, action="agenda.notice", retry_key=f"notice:{now_ms()}")
