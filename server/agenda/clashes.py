"""What a patient already has at the time of an appointment that they are asked about: for their own eyes.

Promises: told to the patient and to who may see their agenda, never to who organises; nothing is refused for it. Reads
the agenda only when a card waits for an answer.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from server import access
from server.agenda import book, conflicts, recurrence
from server.agenda.recurrence import Occurrence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.app import App
    from server.handles import MailboxHandle
    from server.views import Entry
    from storage.database import Tx

AHEAD: Final = timedelta(days=2 * 366)
DATES: Final = 60  # of one card
TOLD: Final = 3  # that one card says
UNSAID: Final = timedelta(minutes=30)  # what has no end takes so long


async def tell(app: App, box: MailboxHandle, entries: Sequence[Entry]) -> None:
    """Put `clashes`, [{"title", "start"}], on each card among these that asks the patient about an hour."""
    waiting = [entry for entry in entries if _asks(entry.message.card)]
    if not waiting or box.owner_kind != "holder" or not box.may("agenda"):
        return
    now = datetime.now(UTC)
    times = {entry.message.id: _times(entry.message.card or {}, now) for entry in waiting}
    every = [when for found in times.values() for when in found]
    if not every:
        return
    since, until = min(when.begins for when in every), max(when.ends for when in every)
    handle = await access.dossier(app, box, "agenda")

    def pull(tx: Tx) -> list[tuple[Occurrence, tuple[str, str, str]]]:
        return [
            (_long_enough(when), (str(facts.get("title", "")), when.start.isoformat(), _name(facts) or one.message_id))
            for one, facts in book.listed(tx, handle.keys)
            if one.state in conflicts.TAKES and facts.get("own") != "reminder"
            for when in recurrence.occurrences(facts, since - UNSAID, until)
        ]

    busy = await app.db.read(pull)
    for entry in waiting:
        card = entry.message.card
        assert card is not None  # noqa: S101 - it asks
        own = {_name(card), entry.message.id} - {""}
        others = [(when, said) for when, said in busy if said[2] not in own]
        shown = times[entry.message.id]
        found = {said[:2]: None for when in shown for said in conflicts.with_one(when, others)}
        if found:
            card["clashes"] = [{"title": title, "start": start} for title, start in list(found)[:TOLD]]


def _asks(card: dict[str, Any] | None) -> bool:
    return card is not None and card.get("type") in {"appointment", "moments"} and bool(card.get("choices"))


def _times(card: dict[str, Any], now: datetime) -> list[Occurrence]:
    moments = card.get("moments") or [card]
    return [
        _long_enough(when)
        for one in moments
        for when in recurrence.occurrences(card | {"start": one["start"], "end": one["end"]}, now, now + AHEAD, DATES)
    ]


def _long_enough(when: Occurrence) -> Occurrence:
    """One without an end takes half an hour."""
    if isinstance(when.start, datetime) and when.ends <= when.begins:
        return Occurrence(when.start, when.begins + UNSAID, when.instance)
    return when


def _name(said: dict[str, Any]) -> str:
    """The same appointment, whatever its version."""
    return str(said.get("uid") or "")
