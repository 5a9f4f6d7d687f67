"""The agenda as it is looked at: each date of each appointment between two days, the next one of each, one alone.

Promises: reads, changes nothing; a series is one row and many dates, made for the days asked for and never kept
(`recurrence`); what is only known of (never answered, removed) is not shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

from server.agenda import book, conflicts, recurrence
from server.agenda.recurrence import Occurrence
from server.errors import Refused
from server.settings import PLACE
from storage import appointments as rows
from storage import messages
from storage.appointments import Appointment
from storage.database import Tx

if TYPE_CHECKING:
    from server.app import App
    from server.handles import DossierHandle, SpaceHandle

OVER: Final = frozenset({"cancelled", "declined"})  # nobody is expected there
AHEAD: Final = timedelta(days=2 * 366)  # how far the next date of a series is looked for
_EVER: Final = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
MOST_ACROSS: Final = 62  # days on which one date that lasts long is shown


@dataclass(frozen=True, slots=True)
class Item:
    """One date of an appointment. `start`, `end`: aware, or days (the end then being the day after the last); None when
    it has no readable one. `instance`: which of a series. `clashes`: titles of what is at the same time.
    """

    id: str
    title: str
    start: datetime | date | None
    end: datetime | date | None
    location: str
    organizer: str
    state: str
    own: str
    note: str
    rrule: str
    zone: str
    author: str
    message: str
    conversation: str
    told: str  # its beginning as it came
    instance: str = ""
    clashes: tuple[str, ...] = ()

    @property
    def all_day(self) -> bool:
        return not isinstance(self.start, datetime)

    @property
    def day(self) -> date:
        """In Paris."""
        return day_of(self.start) if self.start is not None else date.min

    @property
    def days(self) -> list[date]:
        """Each day that it touches, in Paris."""
        first, last = self.day, self.day
        if isinstance(self.end, datetime):
            last = day_of(self.end - timedelta(seconds=1)) if self.end > self.begins else first
        elif self.end is not None:
            last = max(first, self.end - timedelta(days=1))
        return [first + timedelta(days=n) for n in range(min((last - first).days, MOST_ACROSS) + 1)]

    @property
    def begins(self) -> datetime:
        return instant(self.start)

    @property
    def over(self) -> bool:
        return self.state in OVER


def day_of(at: datetime | date) -> date:
    """The day in Paris."""
    return at.astimezone(PLACE).date() if isinstance(at, datetime) else at


def instant(at: datetime | date | None) -> datetime:
    """A day begins at midnight in Paris; what has no date is before everything."""
    if at is None:
        return datetime.min.replace(tzinfo=UTC)
    return at.astimezone(UTC) if isinstance(at, datetime) else datetime.combine(at, time(), PLACE).astimezone(UTC)


async def between(app: App, handle: DossierHandle, first: date, last: date) -> list[Item]:
    """Every date from one day to another (both included, Paris), in order; whole days before hours."""
    since, until = instant(first), instant(last + timedelta(days=1))

    def pull(tx: Tx) -> list[Item]:
        return [
            dated(item, one)
            for item, known in _listed(tx, handle)
            for one in recurrence.occurrences(known, since, until)
        ]

    return clashing(ordered(await app.db.read(pull)))


async def listed(app: App, handle: DossierHandle, now: datetime) -> tuple[list[Item], list[Item]]:
    """(to come, past): the next date of each; of what is over the last one there was, the latest first."""
    today = instant(day_of(now))

    def pull(tx: Tx) -> tuple[list[Item], list[Item]]:
        coming, past = [], []
        for item, known in _listed(tx, handle):
            found = recurrence.occurrences(known, today, today + AHEAD, 1) or recurrence.occurrences(
                known, max(today, item.begins), max(today, item.begins) + AHEAD, 1
            )
            if found:
                coming.append(dated(item, found[0]))
            else:
                past.append(item)
        return coming, past

    coming, past = await app.db.read(pull)
    return clashing(ordered(coming)), ordered(past)[::-1]


def ordered(items: list[Item]) -> list[Item]:
    return sorted(items, key=lambda item: (item.day, not item.all_day, item.begins, item.title))


def clashing(items: list[Item]) -> list[Item]:
    """The same, each with what is at the same time, of what one means to go to; said of what is only proposed too."""
    busy = [(_span(item), item) for item in items if item.state in conflicts.TAKES and _takes_time(item)]
    found = []
    for item in items:
        others = conflicts.with_one(_span(item), busy) if _takes_time(item) else []
        titles = [one.title for one in others if (one.id, one.instance) != (item.id, item.instance)]
        found.append(replace(item, clashes=tuple(dict.fromkeys(titles))))
    return found


def _takes_time(item: Item) -> bool:
    return isinstance(item.start, datetime) and not item.over and item.own != "reminder"


def _span(item: Item) -> Occurrence:
    start = item.start or date.min
    return Occurrence(start, item.end or start, item.instance)


# ---- one -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Known:
    """One appointment with all that is kept of it. `history`: what happened to it, the oldest first."""

    row: Appointment
    facts: dict[str, Any]
    item: Item

    @property
    def history(self) -> list[dict[str, Any]]:
        return list(self.facts.get("history") or ())


async def one(app: App, handle: DossierHandle, named: str) -> Known:
    """The appointment of that id, or of the message that is its card. Raises `Refused`: absent, or removed."""

    def find(tx: Tx) -> Known:
        row = rows.find(tx, handle.space_id, named) or rows.of_message(tx, handle.space_id, named)
        if row is None or row.state == "removed":
            raise Refused
        known = book.facts_in(handle.keys, row)
        if known.get("only_cancelled"):
            raise Refused
        return Known(row, known, _item(tx, handle, row, known))

    return await app.db.read(find)


async def planned(app: App, to: SpaceHandle, message_ids: Iterable[str]) -> frozenset[str]:
    """Which of these cards stand for an appointment that has its page."""

    def find(tx: Tx) -> frozenset[str]:
        found = {name: rows.of_message(tx, to.space_id, name) for name in message_ids}
        return frozenset(name for name, row in found.items() if row is not None and row.state != "removed")

    return await app.db.read(find)


def on_day(known: Known, day: date | None) -> Item:
    """Its date of that day when it repeats, else the one there is."""
    if day is None:
        return known.item
    found = recurrence.occurrences(known.facts, instant(day), instant(day + timedelta(days=1)), 1)
    return dated(known.item, found[0]) if found else known.item


def _listed(tx: Tx, handle: DossierHandle) -> list[tuple[Item, dict[str, Any]]]:
    return [(_item(tx, handle, row, known), known) for row, known in book.listed(tx, handle.keys)]


def _item(tx: Tx, handle: DossierHandle, row: Appointment, known: Mapping[str, Any]) -> Item:
    message = messages.find(tx, handle.space_id, row.message_id)
    plain = {name: known.get(name) for name in ("start", "end", "zone")}
    dates = recurrence.occurrences(plain, *_EVER)
    first = dates[0] if dates else None
    text = {name: str(known.get(name) or "") for name in (
        "title", "location", "organizer", "own", "note", "rrule", "zone", "author", "start",
    )}  # fmt: skip
    return Item(
        row.id, text["title"], first.start if first else None, first.end if first else None, text["location"],
        text["organizer"], row.state, text["own"], text["note"], text["rrule"], text["zone"], text["author"],
        row.message_id, message.conversation_id if message else "", text["start"],
    )  # fmt: skip


def dated(item: Item, one: Occurrence) -> Item:
    return replace(item, start=one.start, end=one.end, instance=one.instance)
