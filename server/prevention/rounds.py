"""When a household is written to, and of what: pure, from the rules' standings and what was already said.

    standings + what was said  →  to_write(): the most urgent few  →  next_look(): the day to look again
    an instant                 →  opening(): the same one, or the next at which reminders may be written

Promises: a rule is spoken of once, and again only at the rhythm of `data/rounds.json`; never once it is answered.
Hours are those of clocks where the household lives, on working days, whatever becomes of the clocks.

Does not: decide what is due (`server.prevention.engine`), or write.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from server.prevention.spans import Span, plus
from server.settings import PLACE

if TYPE_CHECKING:
    from server.prevention.engine import Standing

DUE = frozenset({"due", "late"})
WEEKEND = 5  # from this day of the week on (Monday is 0)
DAY = timedelta(days=1)


@lru_cache
def data() -> dict[str, Any]:
    """The rhythm, the holidays and the zones."""
    found: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "rounds.json").read_text())
    return found


@dataclass(frozen=True, slots=True)
class Spoken:
    """The newest record of a rule: its state and day. Of a reminder: how many times of this same thing it was, the day
    of the first, and since when the thing was due. `until`: of « later ».
    """

    state: str
    at: date
    time: int = 1
    first: date | None = None
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """A reminder to write: the time it is, and the day of the first."""

    standing: Standing
    time: int
    first: date


# ---- what is written ----


def to_write(
    standings: Sequence[Standing], spoken: Mapping[str, Spoken], today: date, *, any_level: bool = False
) -> list[Planned]:
    """Everything that may be said today, the most urgent first. `any_level`: also what is only possible."""
    found = []
    for standing in standings:
        if standing.state in DUE and (any_level or _level(standing) is not None):
            planned = _plan(standing, spoken.get(standing.rule.id), today)
            if planned is not None:
                found.append(planned)
    return sorted(found, key=lambda one: _urgency(one.standing))


def few(planned: Sequence[Planned], written: Sequence[date], today: date, most: int) -> list[Planned]:
    """Of what may be said, what is said today: at most so many a day. What was kept for later at the last round waits
    some weeks; what became due since does not. `written`: the days of the last reminders.
    """
    waits = data()["next_few_days"] * DAY
    last = max((day for day in written if day < today), default=None)
    if last is not None and today < last + waits:
        planned = [one for one in planned if one.time > 1 or (one.standing.since or date.min) > last]
    return list(planned[: max(0, most - sum(day == today for day in written))])


def _level(standing: Standing) -> int | None:
    levels = data()["levels"]
    return levels.index(standing.rule.level) if standing.rule.level in levels else None


def _urgency(standing: Standing) -> tuple[bool, int, date, date, str]:
    """Late first, then what is obligatory, then what closes soonest, then what has waited longest."""
    since, until = standing.since or date.min, standing.until or date.max
    return standing.state != "late", _level(standing) or 0, until, since, standing.rule.id


def _plan(standing: Standing, said: Spoken | None, today: date) -> Planned | None:
    if said is None:
        return Planned(standing, 1, today)
    if said.state == "later":  # the promised reminder is owed on its own; this is in case it was lost
        over = (said.until or said.at) + data()["later_grace_days"] * DAY
        return Planned(standing, 1, today) if today >= over else None
    if today < said.at + data()["between_same_days"] * DAY:
        return None
    if said.state not in {"sent", "no_answer"} or _is_new(standing, said):
        return Planned(standing, 1, today)
    again = _again(standing, said)
    return Planned(standing, said.time + 1, said.first or said.at) if again and today >= again else None


def _is_new(standing: Standing, said: Spoken) -> bool:
    """What is due now became due after what was spoken of."""
    return standing.since is not None and standing.since > max(said.since or said.at, said.at)


def _again(standing: Standing, said: Spoken) -> date | None:
    """The day of the next reminder of the same thing; None when it was said often enough."""
    rhythm = standing.rule.rhythm or tuple(Span(months, "m") for months in data()["again_months"])
    return plus(said.first or said.at, rhythm[said.time - 1]) if said.time <= len(rhythm) else None


def next_look(standings: Sequence[Standing], spoken: Mapping[str, Spoken], today: date, *, left: bool) -> date:
    """The first day on which there may be something to say. `left`: something due was kept for the next few."""
    days: list[date] = [today + data()["look_again_days"] * DAY]
    if left:
        days.append(today + data()["next_few_days"] * DAY)
    for standing in standings:
        if standing.state == "upcoming" and standing.since is not None:
            days.append(standing.since)
        said = spoken.get(standing.rule.id)
        if said is None or standing.state not in {*DUE, "later"}:
            continue
        if said.state == "later":
            days.append((said.until or said.at) + data()["later_grace_days"] * DAY)
        elif (again := _again(standing, said)) is not None:
            days.append(again)
    furthest: date = today + data()["look_again_days"] * DAY
    return min((day for day in days if day > today), default=furthest)


# ---- the hour ----


def hours(text: str) -> tuple[int, int]:
    """« 10-18 »: from ten to before eighteen. Raises `ValueError`."""
    first, _, last = text.partition("-")
    start, end = int(first), int(last)
    if not 0 <= start < end <= 24:
        raise ValueError(text)
    return start, end


def zone_of(situations: Collection[str]) -> ZoneInfo:
    """Whose clocks are looked at: those of where they live overseas, when they said so; else those of Paris."""
    zones = data()["zones"]
    name = next((zones[one] for one in sorted(situations) if one in zones), "")
    return ZoneInfo(name) if name else PLACE


def opening(at: int, allowed: tuple[int, int], zone: ZoneInfo, *, any_day: bool = False) -> int:
    """`at`, or the next instant (ms) when clocks there stand within the hours, on a working day (or `any_day`)."""
    start, end = allowed
    moment = datetime.fromtimestamp(at / 1000, UTC).astimezone(zone)
    if start <= moment.hour < end and (any_day or is_working(moment.date())):
        return at
    day = moment.date() if moment.hour < start else moment.date() + DAY
    while not (any_day or is_working(day)):
        day += DAY
    return int(datetime.combine(day, time(start), zone).timestamp() * 1000)


def is_working(day: date) -> bool:
    """Neither a weekend nor a public holiday."""
    told = data()["holidays"]
    if day.weekday() >= WEEKEND or f"{day:%m-%d}" in told["days"]:
        return False
    from dateutil.easter import easter  # three days a year hang on it

    return (day - easter(day.year)).days not in told["after_easter"]


def at_opening(day: date, allowed: tuple[int, int], zone: ZoneInfo, spread: float, *, any_day: bool = False) -> int:
    """An instant (ms) of that day, or of the next working one, within the hours; `spread` (0 to 1) says how far in:
    not everybody at the first minute.
    """
    first = opening(
        int(datetime.combine(day, time(allowed[0]), zone).timestamp() * 1000), allowed, zone, any_day=any_day
    )
    return first + int(spread * (allowed[1] - allowed[0]) * 3_600_000 * 0.9)
