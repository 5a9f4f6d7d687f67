"""Who reads a conversation besides oneself, and how soon they usually answer: in plain facts, before one writes.

Promises: a team is told as the people who work there by role, not by name; a usual time is the median of the last
answers of that mailbox to patients, in days on which they open, and only when there are enough; a time that they
declare themselves (`server.hours`) stands instead. Nothing is read but times.

Does not: promise an answer, count what was never answered, or know when somebody elsewhere reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median_low
from typing import TYPE_CHECKING

from server.errors import Invalid
from server.hours import DAYS, week_of
from server.reading import Contact
from server.settings import PLACE
from storage import accounts, replies, teams
from storage import hours as rows
from storage.database import Tx

if TYPE_CHECKING:
    from server.app import App

ANSWERS = 20  # the last ones are looked at
ENOUGH = 3
WORKING = frozenset(DAYS[:5])  # for who declares no hours
FAR = 60  # days; an answer that took longer counts as this long


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who reads it. `roles`: of the people of a team, each once. `days`: opening days an answer usually
    takes, 0 the same day; None when that is not known, or they say it themselves.
    """

    member_id: str
    kind: str
    name: str
    roles: tuple[str, ...]
    days: int | None


async def readers(app: App, others: Sequence[Contact]) -> list[Reader]:
    """Those of a conversation, but for bots, who read nothing."""

    def pull(tx: Tx) -> list[Reader]:
        return [_reader(tx, person) for person in others if person.kind not in {"bot", "operator"}]

    return await app.db.read(pull)


def _reader(tx: Tx, person: Contact) -> Reader:
    roles: tuple[str, ...] = ()
    if person.kind == "team":
        staff = [accounts.by_id(tx, member.account_id) for member in teams.members(tx, person.member_id)]
        roles = tuple(dict.fromkeys(one.role for one in staff if one is not None and one.role))
    days = _days(tx, person.member_id) if person.kind in {"professional", "team"} else None
    return Reader(person.member_id, person.kind, person.name, roles, days)


def _days(tx: Tx, member_id: str) -> int | None:
    account = accounts.by_id(tx, member_id)
    said = rows.of(tx, member_id)
    if account is None or not account.mailbox_id or (said is not None and said.answers_hours):
        return None
    try:
        opens = frozenset(week_of(said.week)) if said else WORKING
    except Invalid:
        opens = WORKING
    found = replies.delays(tx, account.mailbox_id, ANSWERS)
    return usual([(_day(asked), _day(answered)) for asked, answered in found], opens or WORKING)


def _day(ms: int) -> date:
    return datetime.fromtimestamp(ms / 1000, PLACE).date()


def usual(answers: Sequence[tuple[date, date]], opens: frozenset[str]) -> int | None:
    """The median of (asked, answered) in opening days; None when there are fewer than `ENOUGH`."""
    return median_low([opening_days(*answer, opens) for answer in answers]) if len(answers) >= ENOUGH else None


def opening_days(asked: date, answered: date, opens: frozenset[str]) -> int:
    """Opening days between the first one on which it could be read and the answer: 0 when that is the same day."""
    last = min(answered, asked + timedelta(days=FAR))
    open_days = sum(
        DAYS[(asked + timedelta(days=ahead)).weekday()] in opens for ahead in range((last - asked).days + 1)
    )
    return max(open_days - 1, 0)
