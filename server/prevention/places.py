"""When a rule is for a person: from which day, before which, and from which day a dose counts. Pure.

By age, by a situation (a pregnancy), in a season, each calendar year, at steps of age; or not at all, with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

import msgspec

from server.prevention import reasons
from server.prevention.cases import Case, Why
from server.prevention.rules import Group, Rule, Season, Window
from server.prevention.spans import FOREVER, Span, minus, plus

_A_DAY: Final = Span(1, "d")


class Place(msgspec.Struct, frozen=True):
    """`start` is in it, `end` is not. `base`: from when a dose counts, none for a whole life. `anchor`: what ages of
    doses are counted from. `who`: the group concerned. `before`: by when a course must begin, when its end is later.
    """

    start: date
    end: date
    base: date | None
    anchor: date
    who: Why
    begin_before: date = FOREVER


def place(rule: Rule, case: Case, seasons: Sequence[Season]) -> Place | Why:
    """The reason, when the rule is not for this person."""
    if rule.campaign_only:
        return reasons.BY_CAMPAIGN
    found = _by_age(rule, case) if rule.window is None else _by_situation(rule, rule.window, case)
    if not isinstance(found, Place):
        return found
    if rule.season:
        return _in_season(rule, case, found, seasons)
    if rule.yearly:
        return _this_year(found, case.today)
    if rule.steps is not None:
        return _at_step(rule, rule.steps.n, found, case)
    return found


def _concerned(group: Group, case: Case) -> bool:
    """But for its ages."""
    if (group.sex and group.sex != case.sex) or (group.born_from and case.birth < group.born_from):
        return False
    if group.born_before and case.birth >= group.born_before:
        return False
    if group.situations and not any(case.in_situation(slug) for slug in group.situations):
        return False
    return not any(case.in_situation(slug) for slug in group.excluding)


def _by_age(rule: Rule, case: Case) -> Place | Why:
    """The group that is concerned first, of those still concerned."""
    best: tuple[date, date, Group] | None = None
    for group in rule.population:
        if not _concerned(group, case):
            continue
        start = plus(case.birth, group.from_) if group.from_ else case.birth
        end = plus(case.birth, group.before) if group.before else FOREVER
        closing = plus(case.birth, rule.finish_before) if rule.finish_before else end
        for slug in group.situations:  # whoever comes into a situation is concerned from then
            since = case.situations[slug].since if slug in case.situations else None
            start = max(start, since) if since and case.in_situation(slug) and len(group.situations) == 1 else start
        if closing > case.today and start < end and (best is None or start < best[0]):
            best = start, end, group
    if best is None:
        return reasons.NOT_YOU
    start, end, group = best
    base = plus(case.birth, rule.counts_from) if rule.counts_from else None
    closing = plus(case.birth, rule.finish_before) if rule.finish_before else end
    return Place(
        start, closing, base, case.birth, (group.label, group.label_en), end if rule.finish_before else FOREVER
    )


def _by_situation(rule: Rule, window: Window, case: Case) -> Place | Why:
    group = next((one for one in rule.population if _concerned(one, case)), None)
    found = case.situations.get(window.of)
    if group is None or found is None:
        return reasons.NOT_YOU
    if found.since is None:
        return reasons.NO_BEGINNING
    until = found.until or (plus(found.since, window.lasts) if window.lasts else FOREVER)
    start = plus(found.since, window.from_)
    end = plus(until if window.ends == "until" else found.since, window.before)
    if group.from_:
        start = max(start, plus(case.birth, group.from_))
    if found.until and window.ends == "since":
        end = min(end, plus(found.until, _A_DAY))
    if end <= case.today or start >= end:
        return reasons.NOT_YOU
    base = plus(found.since, rule.counts_from) if rule.counts_from else found.since
    return Place(start, end, base, found.since, (group.label, group.label_en))


def _in_season(rule: Rule, case: Case, found: Place, seasons: Sequence[Season]) -> Place | Why:
    """The season that is open, or the next; it is not known, it is as if it were not."""
    for one in seasons:  # in the order of time
        if one.season != rule.season or one.closes < case.today:
            continue
        opens = min((day for slug, day in one.opens_in.items() if case.in_situation(slug)), default=one.opens)
        start, end = max(opens, found.start), min(plus(one.closes, _A_DAY), found.end)
        if start < end and end > case.today:
            return Place(start, end, min(one.counts_from, opens), found.anchor, found.who)
    return reasons.NO_DATES


def _this_year(found: Place, today: date) -> Place:
    """The calendar year of today, or the first one."""
    year = max(today, found.start).year
    return Place(
        max(found.start, date(year, 1, 1)),
        min(found.end, date(year + 1, 1, 1)),
        date(year, 1, 1),
        found.anchor,
        found.who,
    )


def _at_step(rule: Rule, every: int, found: Place, case: Case) -> Place:
    """The newest age of the row that was reached, or the first."""
    first = rule.population[0].from_ or Span(0, "y")
    reached = max(0, (case.today.year - found.start.year) // every + 1)
    while reached and plus(case.birth, Span(first.n + reached * every, first.unit)) > case.today:
        reached -= 1
    start = plus(case.birth, Span(first.n + reached * every, first.unit))
    end = min(found.end, plus(case.birth, Span(first.n + (reached + 1) * every, first.unit)))
    base = minus(start, rule.early) if rule.early else start
    return Place(start, end, base, found.anchor, found.who)
