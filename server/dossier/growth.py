"""Growth curves of children: the published tables of the World Health Organization (`data/growth.json`), and where a
value stands in them. Pure.

Promises: percentiles by the LMS method of Cole and Green (Statistics in Medicine 11, 1992), from the published values
and no others: `Z = ((X/M)^L − 1) / (L·S)`. Does not: judge a child, or stand in for the curves of the health booklet.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from datetime import date
from pathlib import Path
from statistics import NormalDist
from typing import Final

import msgspec

PERCENTILES: Final = (3, 15, 50, 85, 97)  # as the WHO prints them
OLDEST_DAYS: Final = 6940  # 19 years
STEPS: Final = 60  # points of a curve


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: str
    source: str
    unverified: str
    columns: tuple[str, ...]
    tables: dict[str, dict[str, tuple[tuple[int, float, float, float], ...]]]


TABLE: Final = msgspec.json.decode((Path(__file__).parent / "data" / "growth.json").read_bytes(), type=_Table)
_NORMAL: Final = NormalDist()
_SEXES: Final = {"F": "female", "M": "male"}


def has(slug: str, sex: str, days: float) -> bool:
    """Whether there is a curve of this measure at this age."""
    rows = TABLE.tables.get(slug, {}).get(_SEXES.get(sex, ""), ())
    return bool(rows) and 0 <= days <= rows[-1][0]


def age(born: date, on: date) -> int:
    """In days."""
    return (on - born).days


def percentile(slug: str, sex: str, days: float, value: float) -> float | None:
    """Of 0 to 100; None when there is no curve there."""
    if not has(slug, sex, days) or value <= 0:
        return None
    power, median, spread = _lms(slug, sex, days)
    z = math.log(value / median) / spread if power == 0 else ((value / median) ** power - 1) / (power * spread)
    return _NORMAL.cdf(z) * 100


def value_at(slug: str, sex: str, days: float, percent: float) -> float | None:
    """The value that so many in a hundred are below."""
    if not has(slug, sex, days):
        return None
    power, median, spread = _lms(slug, sex, days)
    z = _NORMAL.inv_cdf(percent / 100)
    return median * math.exp(spread * z) if power == 0 else median * (1 + power * spread * z) ** (1 / power)


def curve(slug: str, sex: str, first: float, last: float, percent: float) -> list[tuple[float, float]]:
    """(days, value) along a curve, between two ages."""
    rows = TABLE.tables.get(slug, {}).get(_SEXES.get(sex, ""), ())
    if not rows or first > rows[-1][0]:
        return []
    last = min(last, rows[-1][0])
    ages = [first + (last - first) * step / STEPS for step in range(STEPS + 1)]
    return [(days, value) for days in ages if (value := value_at(slug, sex, days, percent)) is not None]


def _lms(slug: str, sex: str, days: float) -> tuple[float, float, float]:
    """Between two published ages, on the straight line."""
    rows = TABLE.tables[slug][_SEXES[sex]]
    after = bisect_right(rows, days, key=lambda row: row[0])
    before, then = rows[after - 1], rows[min(after, len(rows) - 1)]
    share = (days - before[0]) / (then[0] - before[0]) if then[0] > before[0] else 0.0
    power, median, spread = (a + (b - a) * share for a, b in zip(before[1:], then[1:], strict=True))
    return power, median, spread
