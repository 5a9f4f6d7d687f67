"""What a person may think of now: (rules, who, what is known, today) → one standing a rule. Pure: no clock, no I/O.

Promises: the same answer for the same question; each with its reason and sources; a course that was begun is completed,
never begun again; a dose given too early does not count, and that is said; nothing is due outside its window; what was
done is done, whatever was said. Does not: know where what is known comes from (`known`), nor write
(`server.bots.reminders`), nor advise.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from server.prevention import reasons
from server.prevention.at_age import away, near
from server.prevention.cases import Answer, Case, Given, Known, Person, Said, Situation, Standing, State, Why
from server.prevention.courses import Course, course, spaced
from server.prevention.places import Place, place
from server.prevention.rules import Rule, Rules
from server.prevention.spans import FOREVER, Span, months_old, plus

__all__ = ["AHEAD", "Answer", "Given", "Known", "Person", "Said", "Situation", "Standing", "State", "evaluate",
           "invitations"]  # fmt: skip

AHEAD: Final = timedelta(366)  # how long before, what comes is said
_ONE_DAY: Final = timedelta(1)
_A_MONTH: Final = Span(1, "m")


def evaluate(rules: Rules, person: Person, known: Known, today: date) -> list[Standing]:
    """One standing for each active rule, in the order of the file."""
    if today < person.birth:
        return [away(rule, reasons.NOT_YOU) for rule in rules.active]
    months = months_old(person.birth, today)
    standings, concerned = near(rules, person.sex, months, bool(person.situations))
    found = standings.copy()
    case = Case(person, known, today)
    for number in concerned:
        found[number] = _standing(rules, rules.active[number], case)
    return found


def invitations(standing: Standing) -> list[date]:
    """When an invitation is written, and written again: of a screening, + 6 and + 12 months."""
    if standing.since is None or standing.state not in {"due", "late"}:
        return []
    days = [standing.since, *(plus(standing.since, again) for again in standing.rule.rhythm)]
    return [day for day in days if standing.until is None or day <= standing.until]


def _standing(rules: Rules, rule: Rule, case: Case) -> Standing:
    """What was done first; then what others do as well; then what was said; then when."""
    found = _found(rules, rule, case)
    said = case.said.get(rule.id)
    if said is None or found.state not in {"due", "late", "upcoming"}:
        return found
    if said.state == "refused":
        return _as(found, "refused", reasons.REFUSED, said.at)
    if said.state == "not_concerned":
        return _as(found, "not_concerned", reasons.SAID_NOT_CONCERNED, said.at)
    if said.state == "later":
        until = said.until or plus(said.at, _A_MONTH)
        if case.today < until:
            return _as(found, "later", reasons.later(until), found.since, until)
    return found


def _as(found: Standing, state: State, why: Why, since: date | None, until: date | None = None) -> Standing:
    return Standing(found.rule, state, why, since, until, found.dose, found.doses, found.evidence)


def _found(rules: Rules, rule: Rule, case: Case) -> Standing:
    if not rules.in_force(rule, case.today):
        return away(rule, reasons.NOT_IN_FORCE)
    where = place(rule, case, rules.seasons)
    if not isinstance(where, Place):
        return away(rule, where)
    if rule.repeat:
        return _repeated(rule, case, where)
    so_far = course(rule, case, where, _taken(rules, rule, case) if rule.not_of else None)
    if not _in_time(so_far, where, case):
        return away(rule, reasons.TOO_LATE)
    if rule.catch_up_of and (settled := _gone_before(rules, rule, case)):
        return settled
    if so_far.next == FOREVER:
        return _done(rule, so_far, where)
    if _abnormal(so_far.counted):
        return away(rule, reasons.FOLLOW_UP)
    return _other_way(rules, rule, case, so_far) or _asked(rule, case, where, so_far)


def _taken(rules: Rules, rule: Rule, case: Case) -> Given | None:
    """What counted for the rule whose window overlaps: one examination is not two."""
    other = rules.by_id[rule.not_of]
    where = place(other, case, rules.seasons)
    found = where if isinstance(where, Place) else _past(other, case)
    counted = course(other, case, found).counted
    return counted[0] if counted and counted[0].at is not None and counted[0].at < found.end else None


def _done(rule: Rule, so_far: Course, where: Place) -> Standing:
    again = where.end if (rule.steps or rule.yearly or rule.season) and where.end != FOREVER else None
    doses = len(rule.doses)
    return Standing(rule, "done", reasons.done(so_far.last, None), so_far.last, again, doses, doses, so_far.counted)


def _other_way(rules: Rules, rule: Rule, case: Case, so_far: Course) -> Standing | None:
    """Protected otherwise: by a situation, or by another product."""
    if any(slug in case.situations for slug in rule.satisfied_by):
        return Standing(rule, "done", reasons.OTHER_WAY, doses=len(rule.doses))
    for name in rule.alternatives:
        other = rules.by_id[name]
        where = place(other, case, rules.seasons)
        if not isinstance(where, Place):
            continue
        theirs = course(other, case, where)
        if theirs.next == FOREVER:
            return _otherwise(rule, theirs)
        if _begun_with(other, theirs) and not _begun_with(rule, so_far):
            return away(rule, reasons.OTHER_PRODUCT)
        if not _begun_with(rule, so_far) and rules.first(other, rule):
            return away(rule, reasons.OTHER_PRODUCT)
    return None


def _gone_before(rules: Rules, rule: Rule, case: Case) -> Standing | None:
    """A catch-up is for whom the rule that it catches up has not settled, and is no longer open."""
    before = rules.by_id[rule.catch_up_of]
    found = _open(rules, before, case)
    if found is None:
        return None
    return _otherwise(rule, found) if found.next == FOREVER else away(rule, reasons.course_of(before))


def _otherwise(rule: Rule, theirs: Course) -> Standing:
    return Standing(rule, "done", reasons.OTHER_WAY, theirs.last, doses=len(rule.doses), evidence=theirs.counted)


def _begun_with(rule: Rule, so_far: Course) -> bool:
    """With a product that is known to be the rule's."""
    return any(one.product.upper().startswith(rule.products) for one in so_far.counted if one.product)


def _open(rules: Rules, before: Rule, case: Case) -> Course | None:
    """The course of the rule that goes before, when it was begun in time and is complete, or may still be completed."""
    where = place(before, case, rules.seasons)
    still = isinstance(where, Place) and rules.is_active(before) and case.today < where.end
    where = where if isinstance(where, Place) else _past(before, case)
    so_far = course(before, case, where)
    return so_far if _in_time(so_far, where, case) and (so_far.next == FOREVER or still) else None


def _past(rule: Rule, case: Case) -> Place:
    """Once its window has passed, what was done in it still counts."""
    base = plus(case.birth, rule.counts_from) if rule.counts_from else None
    ends = [plus(case.birth, group.before) for group in rule.population if group.before]
    end = max(ends, default=date.min)
    return Place(case.birth, end, base, case.birth, ("", ""), end)


def _in_time(so_far: Course, where: Place, case: Case) -> bool:
    """Begun before it had to, or it may still be."""
    if case.today < where.begin_before:
        return True
    return so_far.done > 0 and (so_far.first is None or so_far.first < where.begin_before)


def _asked(rule: Rule, case: Case, where: Place, so_far: Course) -> Standing:
    """Due, late, coming, or no longer to be asked for."""
    dose, doses, since = so_far.done + 1, len(rule.doses), so_far.next
    asked = rule.doses[so_far.done]
    end = where.end if asked.max_age is None else min(where.end, plus(where.anchor, asked.max_age))
    if case.today >= end or since >= end:
        return away(rule, reasons.TOO_LATE)
    until = None if end == FOREVER else end - _ONE_DAY
    if not asked.verified and where.start - case.today <= AHEAD:
        why = reasons.NEXT_BY_PROFESSIONAL
        return Standing(rule, "upcoming", why, None, until, dose, doses, so_far.counted)
    if since > case.today:
        if since - case.today > AHEAD:
            return Standing(rule, "not_concerned", reasons.coming(since, dose, doses, so_far.notes), doses=doses)
        why = reasons.coming(since, dose, doses, so_far.notes)
        return Standing(rule, "upcoming", why, since, until, dose, doses, so_far.counted)
    late = asked.late_after is not None and case.today >= plus(since, asked.late_after)
    why = reasons.asked(rule, where.who, dose, doses, so_far.notes)
    return Standing(rule, "late" if late else "due", why, since, until, dose, doses, so_far.counted)


def _repeated(rule: Rule, case: Case, where: Place) -> Standing:
    """Again so long after the last of each thing that counts."""
    since, last, notes = where.start, None, ("", "")
    for slug, again in rule.repeat.items():
        for one in case.given(rule, slug):
            if one.at is None:
                notes = reasons.undated()
            elif where.base is None or one.at >= where.base:
                since = max(since, plus(one.at, again))
                last = one if last is None or last.at is None or one.at >= last.at else last
    if last is not None and last.normal is False:
        return away(rule, reasons.FOLLOW_UP)
    if last is not None and since > case.today:
        again_on = since if since < where.end else None
        return Standing(rule, "done", reasons.done(last.at, again_on), last.at, again_on, 1, 1, (last,))
    counted = () if last is None else (last,)
    since = max([since, *spaced(rule, case)])
    return _asked(rule, case, where, Course(0, since, counted, notes))


def _abnormal(counted: tuple[Given, ...]) -> bool:
    return bool(counted) and counted[-1].normal is False
