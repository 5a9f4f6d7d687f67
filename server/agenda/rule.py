"""A rule of repetition by days (RFC 5545 § 3.3.10): read, and walked.

Promises: pure; a rule by the second, the minute or the hour, or that names hours, is not followed (None); what has to
be counted from its beginning is looked at for so many days and no more, so that a rule that never comes true ends too.
The periods are walked here and not by dateutil, our oracle in the tests, which nothing stops in such a rule.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

LOOKED_AT: Final = 10_000  # days, of one rule: what has a COUNT is counted from its beginning
LONGEST: Final = 500  # characters of a rule

_DAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_BY: Final = {"BYDAY", "BYMONTH", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYSETPOS"}
_PARTS: Final = frozenset({"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", *_BY})


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule by days. Each BY… part is a condition on the days of a period, as the table of § 3.3.10 comes to."""

    first: date
    freq: str
    interval: int
    count: int | None
    until: date | None
    week_start: int
    by_day: tuple[tuple[int, int], ...]  # (which, 0 for every; weekday)
    by_month: frozenset[int]
    by_month_day: frozenset[int]
    by_year_day: frozenset[int]
    by_week: frozenset[int]
    by_position: tuple[int, ...]

    def days(self, since: date, until: date) -> Iterator[date]:
        """Its days from `since` until `until`, in order."""
        last = min(until, self.until) if self.until is not None else until
        counted, looked = 0, 0
        for days in self._periods(since):
            looked += len(days)
            if days[0] > last or looked > LOOKED_AT:
                return
            for day in self._chosen(days):
                if day < self.first:
                    continue
                counted += 1
                if day > last or (self.count is not None and counted > self.count):
                    return
                if day >= since:
                    yield day

    def _periods(self, since: date) -> Iterator[list[date]]:
        """The days of each period of the rule, from the one that `since` is in when nothing has to be counted."""
        skipped = 0
        if self.count is None and since > self.first:
            skipped = self._between(since) // self.interval * self.interval
        while True:
            try:
                days = self._period(skipped)
            except (ValueError, OverflowError):
                return  # the end of the calendar
            yield days
            skipped += self.interval

    def _between(self, since: date) -> int:
        """Whole periods from the first to that of a day, one less where that might be one too many."""
        if self.freq in ("DAILY", "WEEKLY"):
            return max(0, (since - self.first).days // (1 if self.freq == "DAILY" else 7) - 1)
        years = since.year - self.first.year
        return years if self.freq == "YEARLY" else max(0, years * 12 + since.month - self.first.month)

    def _period(self, number: int) -> list[date]:
        if self.freq == "DAILY":
            return [self.first + timedelta(days=number)]
        if self.freq == "WEEKLY":
            monday = self.first - timedelta(days=(self.first.weekday() - self.week_start) % 7)
            return [monday + timedelta(days=7 * number + day) for day in range(7)]
        if self.freq == "MONTHLY":
            year, month = divmod(self.first.year * 12 + self.first.month - 1 + number, 12)
            return [date(year, month + 1, 1) + timedelta(days=day) for day in range(_month_length(year, month + 1))]
        year, months = self.first.year + number, sorted(self.by_month) or range(1, 13)
        return [date(year, m, 1) + timedelta(days=day) for m in months for day in range(_month_length(year, m))]

    def _chosen(self, days: list[date]) -> list[date]:
        found = [day for day in days if self._fits(day)]
        if not self.by_position:
            return found
        size = len(found)
        places = {at - 1 if at > 0 else size + at for at in self.by_position}
        return [found[at] for at in sorted(places) if 0 <= at < size]

    def _fits(self, day: date) -> bool:
        if self.by_month and day.month not in self.by_month:
            return False
        if self.by_month_day and not self.by_month_day & {day.day, day.day - _month_length(day.year, day.month) - 1}:
            return False
        if self.by_year_day:
            at = day.timetuple().tm_yday
            if not self.by_year_day & {at, at - 366 - calendar.isleap(day.year)}:
                return False
        return (not self.by_week or self._week_fits(day)) and (not self.by_day or self._day_fits(day))

    def _day_fits(self, day: date) -> bool:
        weekday = day.weekday()
        return any(weekday == wanted and (not which or which in self._places(day)) for which, wanted in self.by_day)

    def _places(self, day: date) -> tuple[int, int]:
        """Which of its weekday it is in the month, or in the year when the year is what is divided: from both ends."""
        if self.freq == "YEARLY" and not self.by_month:
            at, length = day.timetuple().tm_yday, 365 + calendar.isleap(day.year)
        else:
            at, length = day.day, _month_length(day.year, day.month)
        return (at - 1) // 7 + 1, -((length - at) // 7 + 1)

    def _week_fits(self, day: date) -> bool:
        year = day.year + 1 if day >= _first_week(day.year + 1, self.week_start) else day.year
        begins = _first_week(year, self.week_start)
        if day < begins:
            year, begins = year - 1, _first_week(year - 1, self.week_start)
        weeks = (_first_week(year + 1, self.week_start) - begins).days // 7
        number = (day - begins).days // 7 + 1
        return bool(self.by_week & {number, number - weeks - 1})


def read_rule(text: str, first: datetime | date) -> Rule | None:
    """The rule of an RRULE; None for what is none, or names seconds, minutes or hours. `first`: the beginning, in the
    zone its hours are told in.
    """
    if not text or len(text) > LONGEST:
        return None
    pairs = [part.partition("=") for part in text.strip().upper().rstrip(";").split(";")]
    parts = {name.strip(): value.strip() for name, _, value in pairs}
    freq, day = parts.get("FREQ", ""), first.date() if isinstance(first, datetime) else first
    if len(parts) != len(pairs) or not parts.keys() <= _PARTS or ("COUNT" in parts and "UNTIL" in parts):
        return None
    if freq not in ("DAILY", "WEEKLY", "MONTHLY", "YEARLY") or ("BYWEEKNO" in parts and freq != "YEARLY"):
        return None
    try:
        by_day = tuple(_weekday(one) for one in parts["BYDAY"].split(",")) if "BYDAY" in parts else ()
        by_month_day, by_month = _numbers(parts, "BYMONTHDAY", 31), _numbers(parts, "BYMONTH", 12)
        by_year_day, by_week = _numbers(parts, "BYYEARDAY", 366), _numbers(parts, "BYWEEKNO", 53)
        if not (by_day or by_month_day or by_year_day or by_week):  # what DTSTART says is what repeats
            by_day = ((0, day.weekday()),) if freq == "WEEKLY" else ()
            by_month_day = frozenset({day.day}) if freq in ("MONTHLY", "YEARLY") else frozenset()
            by_month = by_month or (frozenset({day.month}) if freq == "YEARLY" else frozenset())
        if by_week and not by_day:
            by_day = ((0, day.weekday()),)
        return Rule(
            first=day,
            freq=freq,
            interval=_number(parts.get("INTERVAL", "1"), 1, 1000),
            count=_number(parts["COUNT"], 1, 100_000) if "COUNT" in parts else None,
            until=_until(parts["UNTIL"], first) if "UNTIL" in parts else None,
            week_start=_DAYS.index(parts.get("WKST", "MO")),
            by_day=by_day if freq in ("MONTHLY", "YEARLY") else tuple({(0, weekday) for _, weekday in by_day}),
            by_month=by_month,
            by_month_day=by_month_day,
            by_year_day=by_year_day,
            by_week=by_week,
            by_position=tuple(_numbers(parts, "BYSETPOS", 366)),
        )
    except (ValueError, OverflowError):
        return None


def _until(value: str, first: datetime | date) -> date:
    """The last day it may be on: the end is told in UTC where hours are (§ 3.3.10), as a day by some."""
    if len(value) == 8:
        return datetime.strptime(value, "%Y%m%d").date()  # noqa: DTZ007  # a day
    at = datetime.strptime(value.removesuffix("Z"), "%Y%m%dT%H%M%S")  # noqa: DTZ007  # made aware below
    if not isinstance(first, datetime):
        return at.date()
    last = at.replace(tzinfo=UTC if value.endswith("Z") else first.tzinfo).astimezone(first.tzinfo)
    return last.date() if first.time() <= last.time() else last.date() - timedelta(days=1)


def _weekday(text: str) -> tuple[int, int]:
    which = int(text[:-2] or "0")
    if abs(which) > 53:
        raise ValueError
    return which, _DAYS.index(text[-2:])


def _numbers(parts: Mapping[str, str], name: str, most: int) -> frozenset[int]:
    """Raises ValueError for what is none of -most … -1, 1 … most."""
    found = frozenset(int(one) for one in parts[name].split(",")) if name in parts else frozenset()
    if any(not 1 <= abs(one) <= most for one in found) or (name == "BYMONTH" and any(one < 0 for one in found)):
        raise ValueError(name)
    return found


def _number(text: str, least: int, most: int) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < least:
        raise ValueError(text)
    return min(int(text), most)


def _month_length(year: int, month: int) -> int:
    return calendar.monthrange(year, month)[1]


def _first_week(year: int, week_start: int) -> date:
    """When week 1 begins: the first with four days in the year (ISO 8601)."""
    fourth = date(year, 1, 4)
    return fourth - timedelta(days=(fourth.weekday() - week_start) % 7)
