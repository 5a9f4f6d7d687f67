"""When a professional or a team reads, how long an answer takes by their own word, when they are away: what a patient
sees before writing.

Hours are local (Europe/Paris), a week that repeats; a holiday is an absence like another. They promise nothing: nobody
is turned away outside them, and this is no way to be helped in an emergency.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from server import reading
from server.errors import Invalid, NotAllowed
from server.settings import PLACE
from storage import absences, accounts, teams
from storage import hours as rows
from storage.database import Tx
from storage.hours import Hours
from storage.vault import CannotOpen

if TYPE_CHECKING:
    from server.app import App
    from server.drafts import Actor

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
RANGES = 3  # a day
ANSWERS = (0, 4, 24, 48, 72, 168)  # hours one may promise an answer in; 0: nothing is said
_TIME = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d")

Week = dict[str, list[tuple[time, time]]]


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of somebody one writes to. `open`: reading now; None when they say no hours. `changes`: when that
    changes next. `away_until`, `away`: of the absence in force, and its note.
    """

    account_id: str
    name: str
    week: Week
    open: bool | None
    changes: datetime | None
    answers_hours: int
    away_until: datetime | None
    away: str


def week_of(text: str) -> Week:
    """A week as it is stored. Raises `Invalid`."""
    try:
        found = {day: [(time.fromisoformat(a), time.fromisoformat(b)) for a, b in ranges]
                 for day, ranges in (json.loads(text) if text else {}).items()}  # fmt: skip
    except (ValueError, TypeError, AttributeError) as error:
        raise Invalid("bad_hours", "Ces horaires ne sont pas compris.") from error
    return checked(found)


def checked(week: Week) -> Week:
    """The same week, each day in order. Raises `Invalid`, saying which day is wrong."""
    out: Week = {}
    for day, ranges in week.items():
        if day not in DAYS or len(ranges) > RANGES:
            raise Invalid("bad_hours", f"Il y a {RANGES} plages au plus par jour.")
        ordered = sorted(ranges)
        if any(start >= end for start, end in ordered):
            raise Invalid("bad_hours", "Une plage finit avant de commencer.")
        if any(before[1] > after[0] for before, after in pairwise(ordered)):
            raise Invalid("bad_hours", "Deux plages d’un même jour se chevauchent.")
        if ordered:
            out[day] = ordered
    return {day: out[day] for day in DAYS if day in out}


def parse(text: str) -> list[tuple[time, time]]:
    """The ranges of a day as one types them: `9:00-12:00, 14 h - 17 h 30`; '' is closed. Raises `Invalid`."""
    found = []
    for part in filter(None, (part.strip() for part in re.split(r"[,;]| et ", text))):
        ends = [_clock(end) for end in re.split(r"\s*(?:-|–|—|à)\s*", part)]
        if len(ends) != 2:
            raise Invalid("bad_hours", f"« {part[:40]} » : écrivez par exemple 9:00-12:00.")
        found.append((ends[0], ends[1]))
    return found


def _clock(text: str) -> time:
    match = re.fullmatch(r"(\d{1,2})(?:\s*[:h.]\s*(\d{2})?)?", text.strip().lower())
    said = f"{int(match[1]):02}:{match[2] or '00'}" if match else ""
    if not _TIME.fullmatch(said):
        raise Invalid("bad_hours", f"« {text[:40]} » n’est pas une heure : écrivez par exemple 9:00.")
    return time.fromisoformat(said)


def stored(week: Week) -> str:
    """A week as `week_of` reads it; '' for no hours."""
    told = {day: [[f"{a:%H:%M}", f"{b:%H:%M}"] for a, b in ranges] for day, ranges in checked(week).items()}
    return json.dumps(told) if told else ""


def state(week: Week, now: datetime) -> tuple[bool, datetime | None]:
    """Whether somebody reads now, and when that changes (aware, within eight days)."""
    local = now.astimezone(PLACE)
    edges: list[tuple[datetime, bool]] = []
    for ahead in range(-1, 9):
        day = local.date() + timedelta(days=ahead)
        for start, end in week.get(DAYS[day.weekday()], ()):
            edges += [(_at(day, start), True), (_at(day, end), False)]
    edges.sort(key=lambda edge: edge[0])
    before = [opens for at, opens in edges if at <= now]
    after = next((at for at, opens in edges if at > now), None)
    return bool(before and before[-1]), after


def _at(day: date, clock: time) -> datetime:
    return datetime.combine(day, clock, PLACE).astimezone(UTC)


async def say(app: App, actor: Actor, account_id: str, week: Week, answers_hours: int) -> None:
    """Somebody says when they read; a team's manager says it for the team. Raises `Invalid`, `NotAllowed`."""
    if answers_hours not in ANSWERS:
        raise Invalid("bad_answers", "Choisissez un délai de réponse de la liste.")
    hours = Hours(stored(week), answers_hours)

    def write(tx: Tx) -> None:
        may_settle(tx, actor, account_id)
        rows.say(tx, account_id, hours, actor.account_id)

    await app.db.write(write)


def may_settle(tx: Tx, actor: Actor, account_id: str) -> None:
    """Raises `NotAllowed` unless it is the actor's own account, or a team they manage."""
    if account_id == actor.account_id and actor.kind in {"professional", "team"}:
        return
    if teams.role(tx, account_id, actor.account_id) != "manager":
        raise NotAllowed("not_manager", "Seul un responsable de l’équipe règle cela.")


async def of_account(app: App, account_id: str) -> Hours:
    """What somebody says."""
    return await app.db.read(rows.of, account_id) or Hours("", 0)


async def told(app: App, members: Sequence[str], now: datetime) -> list[Told]:
    """What the professionals and teams among these members say; those who say nothing are left out."""

    def pull(tx: Tx) -> list[Told]:
        found = [_told(app, tx, member, now) for member in members]
        return [item for item in found if item is not None]

    return await app.db.read(pull)


def _told(app: App, tx: Tx, member: str, now: datetime) -> Told | None:
    hours, absence = rows.of(tx, member), absences.in_force(tx, member)
    account = accounts.by_id(tx, member) if hours or absence else None
    if account is None or account.kind not in {"professional", "team"}:
        return None
    week = week_of(hours.week) if hours else {}
    opened, changes = state(week, now) if week else (None, None)
    until, note = None, ""
    if absence is not None:
        until = datetime.fromtimestamp(absence.until_at / 1000, UTC)
        try:
            keys = reading.space_keys(app, tx, absence.space_id)
            note = keys.open("absence", absence.id, absence.text).decode()
        except CannotOpen:
            app.metrics.unopened()
    return Told(member, account.name, week, opened, changes, hours.answers_hours if hours else 0, until, note)
