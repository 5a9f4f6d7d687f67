"""What hangs on an appointment, and moves with it: the office's list of days, the sequence bound to it.

Runs in the transaction that changes the appointment, after its row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server.agenda import recurrence
from storage import accounts
from storage import appointments as rows
from storage.appointments import Appointment, Organised

if TYPE_CHECKING:
    from server.posting import Doing


def changed(doing: Doing, one: Appointment, facts: dict[str, Any]) -> None:
    """An appointment was made, moved, answered or cancelled. `facts`: as `book.facts_of`."""
    tx, space_id = doing.tx, doing.to.space_id
    organiser = accounts.by_id(tx, one.organiser_id) if one.organiser_id else None
    offices = {*rows.offices(tx, space_id, one.id), *([organiser.mailbox_id] if organiser else [])}
    if one.starts_at is not None:
        for mailbox_id in sorted(offices):
            organised = Organised(space_id, one.id, one.starts_at, one.state, recurrence.last(facts))
            rows.put_organised(tx, mailbox_id, organised)
    from server.agenda import notices  # they read the book, which calls us
    from server.journeys import planning

    notices.owe(doing, one, facts)
    planning.follow(doing, one, facts)
