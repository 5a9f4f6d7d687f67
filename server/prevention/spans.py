"""Spans of time as rules write them (`15d`, `8w`, `11m`, `65y`), and exact arithmetic of months. Pure.

Promises: a day that does not exist is the first of the next month (whoever was born on 29 February is a year older on
1 March; a month after 31 January has passed on 1 March), so that twelve months are a year and whoever is born later is
never older. Does not: know any clock.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta
from typing import Final

FOREVER: Final = date.max
_DAYS: Final = {"d": 1, "w": 7}
_MONTHS: Final = {"m": 1, "y": 12}
_NAMES: Final = {
    "d": ("jour", "jours", "day", "days"),
    "w": ("semaine", "semaines", "week", "weeks"),
    "m": ("mois", "mois", "month", "months"),
    "y": ("an", "ans", "year", "years"),
}


class Span:
    """`n` days, weeks, months or years (d, w, m, y). Never changed; a plain class, so that JSON reads it from text."""

    __slots__ = ("n", "unit")

    def __init__(self, n: int, unit: str) -> None:
        self.n, self.unit = n, unit

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Span) and (self.n, self.unit) == (other.n, other.unit)

    def __hash__(self) -> int:
        return hash((self.n, self.unit))

    def __repr__(self) -> str:
        return f"{self.n}{self.unit}"

    def said(self, language: str = "fr") -> str:
        names = _NAMES[self.unit][2:] if language == "en" else _NAMES[self.unit][:2]
        return f"{self.n} {names[self.n > 1]}"

    @property
    def months(self) -> int:
        """Of a span of months or years. Raises `KeyError` for another."""
        return self.n * _MONTHS[self.unit]

    @property
    def about(self) -> int:
        """In days, roughly: to compare two spans, never to add one to a date."""
        return self.n * _DAYS[self.unit] if self.unit in _DAYS else self.months * 3044 // 100


def span(text: str) -> Span:
    """Raises `ValueError`: not a whole number and d, w, m or y."""
    if not text[:-1].isdecimal() or text[-1] not in _NAMES or len(text) > 5:
        raise ValueError(f"« {text} » is not a span: a whole number and d, w, m or y")
    return Span(int(text[:-1]), text[-1])


def plus(day: date, by: Span) -> date:
    """The day so long after; one that does not exist is the first of the next month. Never beyond `FOREVER`."""
    if by.unit in _DAYS:
        days = by.n * _DAYS[by.unit]
        return day + timedelta(days) if day.toordinal() + days < FOREVER.toordinal() else FOREVER
    year, month = divmod(day.year * 12 + day.month - 1 + by.n * _MONTHS[by.unit], 12)
    if year > FOREVER.year:
        return FOREVER
    if day.day > 28 and day.day > monthrange(year, month + 1)[1]:
        return date(year, month + 2, 1)  # never December, which has 31 days
    return date(year, month + 1, day.day)


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
