"""A measure as a picture and as a table: its curves, the target, a child's growth curves. Pure.

The picture and the table are `charts`'; what each value is and where it comes from is `server.dossier.measures`'.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Final

from markupsafe import Markup

from server.dossier import growth
from server.dossier import measure_kinds as kinds
from server.dossier.measure_kinds import Kind
from server.dossier.measures import MeasureView, Target
from server.people import Traits
from server.settings import PLACE
from webchat.charts import Level, Point, Series, line_chart
from webchat.words import Words

FEW: Final = 30  # values of a small curve
MONTH_DAYS: Final = 30.4375


def value(words: Words, of: Kind, view: MeasureView) -> str:
    """« 130/80 mmHg »."""
    return kinds.said(of, view.decimals, words.language)


def when(words: Words, at: str) -> str:
    """« 23 novembre 2026 à 14 h 05 »; a day alone when nothing more is known."""
    moment = kinds.moment_of(at)
    if moment is None:
        return at
    if len(at) > len("2026-11-23"):
        return words.moment(moment)
    return words.date(moment.date()) if len(at) == len("2026-11-23") else at


def source(words: Words, view: MeasureView) -> str:
    """Where a value comes from, in words."""
    return words(f"measures.source.{view.source}", name=view.by or words("measures.source.somebody"))


def small(words: Words, of: Kind, views: Sequence[MeasureView]) -> Markup:
    """The last value large, its date, and the curve of the latest ones."""
    last = views[-1]
    return line_chart(
        [one for one in _series(words, of, views[-FEW:]) if len(one.points) > 1],
        title=words("measures.chart", name=of.name(words.language)),
        desc=words("measures.chart.last", value=value(words, of, last), when=when(words, last.at)),
        key=f"small-{of.slug}",
        last=value(words, of, last).replace("\u00a0", " "),
        last_when=when(words, last.at),
        comma=words.language == "fr",
    )


def large(words: Words, of: Kind, views: Sequence[MeasureView], target: Target | None, traits: Traits | None) -> Markup:
    """The whole picture, with the target and, for a child, the growth curves."""
    if not views:
        return Markup()
    first, last = views[0], views[-1]
    curves = growth_curves(words, of, views, traits)
    series = _series(words, of, views, traits if curves else None)
    return line_chart(
        [*series, *curves],
        title=words("measures.chart", name=of.name(words.language)),
        desc=words("measures.chart.last", value=value(words, of, last), when=when(words, last.at)),
        key=f"chart-{of.slug}",
        last=value(words, of, last).replace("\u00a0", " "),
        last_when=when(words, last.at),
        ends=_ends(words, first, last, traits if curves else None),
        levels=_levels(words, of, target),
        comma=words.language == "fr",
    )


def growth_curves(words: Words, of: Kind, views: Sequence[MeasureView], traits: Traits | None) -> list[Series]:
    """The percentiles around the ages of these values, in months; none for who is grown."""
    if traits is None or not views:
        return []
    ages = [_months(view, traits) * MONTH_DAYS for view in views]
    first, last = min(ages), max(ages)
    if not growth.has(of.slug, traits.sex, last):
        return []
    if last - first < MONTH_DAYS:  # around one value: a few months on each side
        first, last = max(first - 6 * MONTH_DAYS, 0), last + 6 * MONTH_DAYS
    return [
        Series(
            words("measures.percentile", count=percent),
            [
                Point(days / MONTH_DAYS, level)
                for days, level in growth.curve(of.slug, traits.sex, first, last, percent)
            ],
            reference=True,
        )
        for percent in growth.PERCENTILES
    ]


def percentile(of: Kind, view: MeasureView, traits: Traits | None) -> int | None:
    """How many children of a hundred, of the same age and sex, are below; None without a curve."""
    if traits is None or len(view.decimals) != 1:
        return None
    found = growth.percentile(of.slug, traits.sex, _months(view, traits) * MONTH_DAYS, float(view.decimals[0]))
    return None if found is None else min(99, max(1, round(found)))


def _months(view: MeasureView, traits: Traits) -> float:
    born = date.fromisoformat(traits.birth_date)
    return growth.age(born, view.moment_of.astimezone(PLACE).date()) / MONTH_DAYS


def _series(words: Words, of: Kind, views: Sequence[MeasureView], traits: Traits | None = None) -> list[Series]:
    """A curve for each number; over time, or over a child's age in months."""
    names = [kinds.KINDS[part] for part in of.parts] or [of]
    return [
        Series(
            part.name(words.language),
            [
                Point(
                    _months(view, traits) if traits else view.moment_of.timestamp(),
                    float(kinds.display(of, Decimal(view.values[number]))),
                )
                for view in views
                if view.values[number]
            ],
        )
        for number, part in enumerate(names)
    ]


def _ends(words: Words, first: MeasureView, last: MeasureView, traits: Traits | None) -> tuple[str, str]:
    if traits:
        return _age(words, _months(first, traits)), _age(words, _months(last, traits))
    return words.date(first.moment_of.date()), words.date(last.moment_of.date())


def _age(words: Words, months: float) -> str:
    if months < 36:
        return words("measures.age.months", count=int(months))
    years, rest = divmod(int(months), 12)
    said = words("measures.age.years", count=years)
    return f"{said} {words('measures.age.months', count=rest)}" if rest else said


def _levels(words: Words, of: Kind, target: Target | None) -> list[Level]:
    if target is None:
        return []
    found = []
    for number in kinds.pair(target.high) if target.high else ():
        value = kinds.display(of, number)
        said = words("measures.target.high", value=kinds.written(value, words.language))
        found.append(Level(float(value), said))
    for number in kinds.pair(target.low) if target.low else ():
        value = kinds.display(of, number)
        said = words("measures.target.low", value=kinds.written(value, words.language))
        found.append(Level(float(value), said))
    return found
