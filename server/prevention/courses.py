"""How far a course of doses is: what counted, what did not and why, and when the next is. Pure.

Each disease of a combined vaccine is counted for itself; the course is where the least advanced is. A dose counts that
was not too early (age, interval); a course is completed, never begun again.
"""

from __future__ import annotations

from datetime import date

import msgspec

from server.prevention import reasons
from server.prevention.cases import Case, Given, Why
from server.prevention.places import Place
from server.prevention.rules import Dose, Rule
from server.prevention.spans import FOREVER, plus


class Course(msgspec.Struct, frozen=True):
    """`done` of the doses of the rule; `next`: the day of the following one, `FOREVER` when all are done; `first`: the
    day of the first that counted, none when it is not known.
    """

    done: int
    next: date
    counted: tuple[Given, ...]
    notes: Why = ("", "")
    first: date | None = None

    @property
    def last(self) -> date | None:
        return max((one.at for one in self.counted if one.at is not None), default=None)


class _Line(msgspec.Struct):
    """One disease."""

    done: int = 0
    last: date | None = None  # that counted
    any: date | None = None  # that counted or not
    counted: list[Given] = []  # msgspec copies it
    early: date | None = None
    undated: bool = False


def course(rule: Rule, case: Case, place: Place, taken: Given | None = None) -> Course:
    """Where the person stands in the doses of this rule. `taken`: what counted for another (`Rule.not_of`)."""
    lines = [_line(rule, case, place, slug, taken) for slug in rule.counts]
    done = min(line.done for line in lines)
    behind = [line for line in lines if line.done == done]
    following = max(_next(rule, case, place, line) for line in behind)
    counted = lines[0].counted if len(lines) == 1 else _together(lines)
    dates = [one.at for one in counted if one.at is not None]
    return Course(
        done, following, tuple(counted), _notes(behind), min(dates) if dates and len(dates) == len(counted) else None
    )


def _line(rule: Rule, case: Case, place: Place, slug: str, taken: Given | None) -> _Line:
    line = _Line()
    for one in case.given(rule, slug):
        if taken is not None and one.at == taken.at and one.what == taken.what:
            continue
        if rule.products and one.product and not one.product.upper().startswith(rule.products):
            continue
        if one.at is None:
            if place.base is None:
                _count(rule, line, one)
            else:
                line.undated = True
            continue
        if place.base is not None and one.at < place.base:
            continue
        line.any = one.at
        if line.done < len(rule.doses) and _too_early(rule.doses[line.done], line.last, one.at, place.anchor):
            line.early = one.at
            continue
        line.last = one.at
        _count(rule, line, one, ranked=place.base is None)
    return line


def _count(rule: Rule, line: _Line, one: Given, ranked: bool = True) -> None:
    rank = one.dose if ranked and one.dose else 0
    line.done = min(max(line.done + 1, rank), len(rule.doses))
    line.counted.append(one)


def _too_early(dose: Dose, last: date | None, at: date, anchor: date) -> bool:
    if dose.min_age is not None and at < plus(anchor, dose.min_age):
        return True
    return last is not None and dose.min_interval is not None and at < plus(last, dose.min_interval)


def _next(rule: Rule, case: Case, place: Place, line: _Line) -> date:
    if line.done >= len(rule.doses):
        return FOREVER
    dose = rule.doses[line.done]
    days = [place.start]
    days += [plus(place.anchor, at) for at in (dose.at, dose.min_age) if at is not None]
    if line.last is not None and (interval := dose.interval or dose.min_interval):
        days.append(plus(line.last, interval))
    if line.any is not None and dose.min_interval is not None:
        days.append(plus(line.any, dose.min_interval))
    return max(days + spaced(rule, case))


def spaced(rule: Rule, case: Case) -> list[date]:
    """The days before which something else that was given forbids it."""
    found = []
    for spacing in rule.spacing:
        other = spacing.other is not None and (
            any(case.in_situation(slug) for slug in spacing.other_situations)
            or (spacing.other_from is not None and plus(case.birth, spacing.other_from) <= case.today)
        )
        least = spacing.other if other and spacing.other else spacing.least
        for slug in spacing.what:
            found += [plus(one.at, least) for one in case.given(rule, slug) if one.at is not None]
    return found


def _together(lines: list[_Line]) -> list[Given]:
    """Each once, the oldest first; of several diseases on one day, one."""
    once = {(one.at, one.where): one for line in lines for one in line.counted}
    return sorted(once.values(), key=lambda one: (one.at or date.min, one.where))


def _notes(lines: list[_Line]) -> Why:
    fr, en = "", ""
    if early := max((line.early for line in lines if line.early), default=None):
        fr, en = reasons.too_early(early)
    elif any(line.undated for line in lines):
        fr, en = reasons.undated()
    return fr, en
