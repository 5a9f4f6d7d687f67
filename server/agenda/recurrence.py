"""The dates of an appointment that repeats: RFC 5545 § 3.3.10, inside a window.

Promises: pure; linear in the window, and capped whatever a stranger's rule says (security item 30): one that is not
followed (`rule`) repeats nothing, and the appointment stays the one date it begins on. The local hour is kept across
both clock changes; an hour that does not exist, or exists twice, is read as § 3.3.5 says (the offset before the gap;
the first of the two). Fetches nothing, changes nothing.

Facts: `start`, `end` (ISO 8601), `all_day`, and of what repeats `rrule` (the value of RRULE), `rdates`, `exdates`
(ISO 8601), `zone` (IANA's name of it), `moved` ({"instance", "start", "end"} of those that are at another moment).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import islice
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from server.agenda.rule import Rule, read_rule
from server.settings import PLACE

MOST: Final = 366  # dates of one appointment that are shown
LONGEST: Final = timedelta(days=3653)  # of a series without an end
MOST_NAMED: Final = 400  # dates of RDATE, of EXDATE, and of those that moved


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One date of an appointment. `start`, `end`: aware, or days when it is for whole days (the end then being the day
    after). `instance`: which of the series, as an instant in UTC or a day; "" for what does not repeat.
    """

    start: datetime | date
    end: datetime | date
    instance: str = ""

    @property
    def begins(self) -> datetime:
        return _instant(self.start)

    @property
    def ends(self) -> datetime:
        return _instant(self.end)


def occurrences(facts: Mapping[str, Any], since: datetime, until: datetime, most: int = MOST) -> list[Occurrence]:
    """Those of the appointment that touch [since, until), in order of time, `most` at most. `since`, `until`: aware.
    None of what has no readable date. Never raises for what facts hold.
    """
    first, last = _moment(facts.get("start")), _moment(facts.get("end"))
    if first is None:
        return []
    length = _length(first, last)
    if not repeats(facts):
        return [one for one in [_made(first, length, "")] if _touches(one, since, until)][:most]
    moved, gone = _moved(facts), _named(facts, "exdates", _zone(facts, first))
    found: dict[str, Occurrence] = {}
    for start in _starts(facts, first, length, since, until):
        one = _made(start, length, _instance(start))
        if one.instance not in gone and one.instance not in moved and _touches(one, since, until):
            found[one.instance] = one
            if len(found) >= most + 2 * MOST_NAMED:  # those of RDATE come first, in no order
                break
    found |= {one.instance: one for one in moved.values() if _touches(one, since, until)}
    return sorted(found.values(), key=lambda one: one.begins)[:most]


def repeats(facts: Mapping[str, Any]) -> bool:
    """Whether it says more than one date."""
    return bool(facts.get("rrule") or facts.get("rdates"))


def last(facts: Mapping[str, Any]) -> int | None:
    """When the last date of a series begins (ms), ten years from the first at most; None of what has one date."""
    first = _moment(facts.get("start"))
    if first is None or not repeats(facts):
        return None
    ends = _instant(first) + LONGEST
    found = occurrences(facts, _instant(first), ends, MOST)
    at = ends if len(found) >= MOST or not found else found[-1].begins
    return int(at.timestamp() * 1000)


def understood(rrule: str, start: str) -> bool:
    """Whether a rule can be followed from that beginning."""
    first = _moment(start)
    return first is not None and _read(rrule, first, _zone({}, first)) is not None


# ---- moments ---------------------------------------------------------------------------------------------------------


def _starts(
    facts: Mapping[str, Any], first: datetime | date, length: timedelta, since: datetime, until: datetime
) -> Iterator[datetime | date]:
    """Each beginning in or before the window, from the rule and by name; not in order, some perhaps twice."""
    zone = _zone(facts, first)
    yield first
    for text in islice(_texts(facts.get("rdates")), MOST_NAMED):
        at = _moment(text)
        if at is not None and isinstance(at, datetime) == isinstance(first, datetime):
            yield at
    rule = _read(str(facts.get("rrule") or ""), first, zone)
    if rule is None:
        return
    margin = length + timedelta(days=1)
    for day in rule.days(_day(since, zone, -margin), _day(until, zone, timedelta(days=1))):
        yield _on(day, first, zone)


def _read(text: str, first: datetime | date, zone: tzinfo) -> Rule | None:
    return read_rule(text, first.astimezone(zone) if isinstance(first, datetime) else first)


def _on(day: date, first: datetime | date, zone: tzinfo) -> datetime | date:
    """The appointment on another day, at its local hour."""
    if not isinstance(first, datetime):
        return day
    local = datetime.combine(day, first.astimezone(zone).time().replace(fold=0), zone)  # § 3.3.5, both
    return local.astimezone(UTC).astimezone(zone)


def _moment(value: Any) -> datetime | date | None:
    """An aware moment (Paris when nothing says), or a day; None for what is neither."""
    text = str(value or "")
    try:
        if len(text) == 10:
            return date.fromisoformat(text)
        at = datetime.fromisoformat(text)
        at = at if at.tzinfo else at.replace(tzinfo=PLACE)
        return at if 1900 <= at.astimezone(UTC).year <= 9990 else None
    except (ValueError, OverflowError):
        return None


def _zone(facts: Mapping[str, Any], first: datetime | date) -> tzinfo:
    """Where its hours are told: the zone it names; for a UTC beginning UTC; Paris when its offset is that of Paris."""
    name = str(facts.get("zone") or "")
    if name:
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass  # a name nobody else knows: the offset says
    if not isinstance(first, datetime) or first.utcoffset() == first.astimezone(PLACE).utcoffset():
        return PLACE
    return first.tzinfo or PLACE


def _length(first: datetime | date, last: datetime | date | None) -> timedelta:
    """Exact time between its beginning and its end (§ 3.8.5.3); a whole day has one at least."""
    if last is not None and isinstance(first, datetime) == isinstance(last, datetime):
        length = _instant(last) - _instant(first) if isinstance(first, datetime) else last - first
        if length > timedelta(0):
            return length
    return timedelta(0) if isinstance(first, datetime) else timedelta(days=1)


def _made(start: datetime | date, length: timedelta, instance: str) -> Occurrence:
    try:
        if isinstance(start, datetime):
            return Occurrence(start, (start.astimezone(UTC) + length).astimezone(start.tzinfo), instance)
        return Occurrence(start, start + length, instance)
    except OverflowError:
        return Occurrence(start, start, instance)


def _touches(one: Occurrence, since: datetime, until: datetime) -> bool:
    return one.begins < until and (one.ends > since or one.begins >= since)


def _instant(at: datetime | date) -> datetime:
    """A day begins at midnight in Paris."""
    return (at if isinstance(at, datetime) else datetime.combine(at, time(), PLACE)).astimezone(UTC)


def _instance(start: datetime | date) -> str:
    return (start.astimezone(UTC) if isinstance(start, datetime) else start).isoformat()


def _day(at: datetime, zone: tzinfo, shift: timedelta) -> date:
    try:
        return (at + shift).astimezone(zone).date()
    except OverflowError:
        return date.max if shift > timedelta(0) else date.min


def _named(facts: Mapping[str, Any], name: str, zone: tzinfo) -> set[str]:
    """The instances named in a list; a day alone names the one of that day."""
    moments = (_moment(text) for text in islice(_texts(facts.get(name)), MOST_NAMED))
    named = {_instance(at) for at in moments if at is not None}
    first = _moment(facts.get("start"))
    if isinstance(first, datetime):
        days = [date.fromisoformat(one) for one in named if len(one) == 10]
        named |= {_instance(_on(day, first, zone)) for day in days}
    return named


def _moved(facts: Mapping[str, Any]) -> dict[str, Occurrence]:
    found = {}
    for one in islice(facts.get("moved") or (), MOST_NAMED):
        start = _moment(one.get("start")) if isinstance(one, Mapping) else None
        if start is not None:
            instance = str(one.get("instance") or "")
            found[instance] = _made(start, _length(start, _moment(one.get("end"))), instance)
    return found


def _texts(values: Any) -> Iterator[str]:
    return (str(one) for one in values) if isinstance(values, list | tuple) else iter(())
