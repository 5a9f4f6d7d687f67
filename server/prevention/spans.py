"""Spans of time as rules write them (`15d`, `8w`, `11m`, `65y`), and exact arithmetic of months. Pure.

Promises: whoever was born on 29 February is a year older on 1 March of a common year (the day has passed), and a month
after 31 January ends with February; a later birth never has an earlier anniversary. Does not: know any clock.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta
from typing import Final

import msgspec

FOREVER: Final = date.max
_DAYS: Final = {"d": 1, "w": 7}
_MONTHS: Final = {"m": 1, "y": 12}
_NAMES: Final = {
    "d": ("jour", "jours", "day", "days"),
    "w": ("semaine", "semaines", "week", "weeks"),
    "m": ("mois", "mois", "month", "months"),
    "y": ("an", "ans", "year", "years"),
}


class Span(msgspec.Struct, frozen=True):
    """`n` days, weeks, months or years (d, w, m, y)."""

    n: int
    unit: str

    def __str__(self) -> str:
        return f"{self.n}{self.unit}"

    def said(self, language: str = "fr") -> str:
        names = _NAMES[self.unit][2:] if language == "en" else _NAMES[self.unit][:2]
        return f"{self.n} {names[self.n > 1]}"

    @property
    def about(self) -> int:
        """In days, roughly: to compare two spans, never to add one to a date."""
        return self.n * _DAYS[self.unit] if self.unit in _DAYS else self.n * _MONTHS[self.unit] * 3044 // 100


def span(text: str) -> Span:
    """Raises `ValueError`: not a whole number and d, w, m or y."""
    if not text[:-1].isdecimal() or text[-1] not in _NAMES or len(text) > 5:
        raise ValueError(f"« {text} » is not a span: a whole number and d, w, m or y")
    return Span(int(text[:-1]), text[-1])


def plus(day: date, by: Span) -> date:
    """The day so long after; 29 February of a common year is 1 March, any other missing day the last of its month."""
    if by.unit in _DAYS:
        return day + timedelta(by.n * _DAYS[by.unit])
    months = day.year * 12 + day.month - 1 + by.n * _MONTHS[by.unit]
    year, month = divmod(months, 12)
    month += 1
    if day.day <= 28:
        return date(year, month, day.day)
    last = monthrange(year, month)[1]
    if day.day <= last:
        return date(year, month, day.day)
    if by.unit == "y":  # Code civil, art. 2229 and administrative use: the year of age is complete when the day passed
        return date(year, 3, 1)
    return date(year, month, last)


def minus(day: date, by: Span) -> date:
    """The day so long before; what does not exist is the last day of its month."""
    if by.unit in _DAYS:
        return day - timedelta(by.n * _DAYS[by.unit])
    year, month = divmod(day.year * 12 + day.month - 1 - by.n * _MONTHS[by.unit], 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def months_old(birth: date, today: date) -> int:
    """Whole months; -1 before birth."""
    if today < birth:
        return -1
    months = (today.year - birth.year) * 12 + today.month - birth.month
    return months if today >= plus(birth, Span(months, "m")) else months - 1
