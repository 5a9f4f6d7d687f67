"""Which rules an age is near to: for each sex and month of age, what must be looked at, and why not the others. Pure.

Most rows are for another age: a country is evaluated quickly because they are not looked at.
"""

from __future__ import annotations

from typing import Final

from server.prevention import reasons
from server.prevention.cases import Standing, Why
from server.prevention.rules import Group, Rule, Rules
from server.prevention.spans import Span

_AHEAD: Final = 13  # months: what comes within a year is said
_DAYS_OF_A_MONTH: Final = 31


def near(rules: Rules, sex: str, months: int, situations: bool) -> tuple[list[Standing], list[int]]:
    """(a standing for each active row, the numbers of those that must be looked at). The list is not to be changed."""
    found = rules.by_age.get((sex, months, situations))
    if found is None:
        looked = [_reason(row, sex, months, situations) for row in rules.active]
        standings = [away(row, why or reasons.NOT_YOU) for row, why in zip(rules.active, looked, strict=True)]
        found = standings, [number for number, why in enumerate(looked) if why is None]
        rules.by_age[sex, months, situations] = found
    return found


def away(rule: Rule, reason: Why) -> Standing:
    """Not concerned, for this reason."""
    return Standing(rule, "not_concerned", reason, doses=len(rule.doses))


def _reason(rule: Rule, sex: str, months: int, situations: bool) -> Why | None:
    """Why it is not for them; none when it may be."""
    if rule.campaign_only:
        return reasons.BY_CAMPAIGN
    found: Why = reasons.NOT_YOU
    for group in rule.population:
        if (group.sex and group.sex != sex) or (not situations and (group.situations or rule.window)):
            continue
        if rule.window is not None:
            return None
        age = _by_age(rule, group, months)
        if age is None:
            return None
        found = age
    return found


def _by_age(rule: Rule, group: Group, months: int) -> Why | None:
    if group.from_ and months < _months(group.from_) - _AHEAD:
        return reasons.too_young(group.from_)
    before = rule.finish_before or group.before
    if before and months > _months(before) + 1:
        return reasons.too_old(before)
    return None


def _months(of: Span) -> int:
    return of.months if of.unit in "my" else of.about // _DAYS_OF_A_MONTH
