"""What the engine is asked, and what it answers: a person, what is known of them, where they stand. Pure.

Promises: the order in which what was given is told changes nothing; the same thing told twice is one. Does not: judge
(`engine`, `courses`), or know where any of it comes from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final, Literal

import msgspec

from server.prevention.rules import Rule

State = Literal["due", "late", "upcoming", "done", "not_concerned", "later", "refused"]
Answer = Literal["done", "later", "not_concerned", "refused", "no_answer", "sent"]
Why = tuple[str, str]  # French, English
_PROOF: Final = {"document": 0, "professional": 1, "patient": 2}


class Situation(msgspec.Struct, frozen=True):
    """A situation the person is in (slug of the rules' `situations`), from `since` to `until`. Of a pregnancy: `since`
    is the first day of the last period (41 weeks before the term), `until` the birth, as expected or as it was.
    """

    since: date | None = None
    until: date | None = None


class Person(msgspec.Struct, frozen=True):
    """`sex`: F or M; another is concerned by what concerns everybody. `situations`: slug → since when."""

    birth: date
    sex: str
    situations: Mapping[str, Situation] = {}  # never changed


class Given(msgspec.Struct, frozen=True):
    """Something that was done. `what`: slug of a disease (one of these a disease for a combined vaccine) or of an
    examination, or the id of a rule (one dose of it, all its diseases). `by`: document, professional, patient. `where`:
    id of what proves it. `dose`: its rank, when said (those before are then taken as given). `product`: ATC code, when
    known. `normal`: no, when its result asks for a follow-up; none when nobody said.
    """

    what: str
    at: date | None = None
    by: str = "patient"
    where: str = ""
    dose: int | None = None
    product: str = ""
    normal: bool | None = None


class Said(msgspec.Struct, frozen=True):
    """The person's newest answer about a rule, said on `at`. `on`: when it was done; `until`: later, until then.
    Earlier answers « done » of a course stand in `Known.given`, under the rule's id.
    """

    state: Answer
    at: date
    on: date | None = None
    until: date | None = None
    by: str = "patient"


class Known(msgspec.Struct, frozen=True):
    """What was given, in any order, and what was said, by rule."""

    given: Sequence[Given] = ()
    said: Mapping[str, Said] = {}  # never changed


class Standing(msgspec.Struct, frozen=True):
    """Where a person stands with a rule. `since`: due from (or done on); `until`: the last day of the window, or until
    when it stays so; both may be open. `dose` of `doses`: the one that is asked for, or the last given. `why`: French,
    English. `evidence`: what counted, in order.
    """

    rule: Rule
    state: State
    why: Why
    since: date | None = None
    until: date | None = None
    dose: int = 0
    doses: int = 0
    evidence: tuple[Given, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        return self.rule.sources


class Case:
    """One question: this person, what is known, today. Made once, asked for each rule."""

    __slots__ = ("_given", "birth", "said", "sex", "situations", "today")

    def __init__(self, person: Person, known: Known, today: date) -> None:
        self.birth, self.sex, self.situations, self.today = person.birth, person.sex, person.situations, today
        self.said = known.said
        self._given: dict[str, list[Given]] = {}
        for one in known.given:
            if one.at is None or person.birth <= one.at <= today:  # a plan is not a dose, nor somebody else's
                self._given.setdefault(one.what, []).append(one)

    def given(self, rule: Rule, slug: str) -> list[Given]:
        """What may count for this slug of the rule, the oldest first, one a day; those without a date before."""
        found = [*self._given.get(slug, ()), *self._given.get(rule.id, ())]
        said = self.said.get(rule.id)
        if said is not None and said.state == "done" and (said.on or said.at) <= self.today:
            found.append(Given(rule.id, said.on or said.at, said.by))
        if len(found) < 2:
            return found
        found.sort(key=_order)
        once: dict[object, Given] = {}
        for one in found:
            once.setdefault(one.at or (one.what, one.where, one.dose), one)
        return list(once.values())

    def in_situation(self, slug: str) -> bool:
        found = self.situations.get(slug)
        if found is None or (found.since is not None and found.since > self.today):
            return False
        return found.until is None or self.today <= found.until


def _order(one: Given) -> tuple[object, ...]:
    """Total, so that no order of telling shows; of one day, the best proof first, and an abnormal result before."""
    proof = _PROOF.get(one.by, 3)
    return (
        one.at or date.min,
        proof,
        one.normal is not False,
        one.where,
        one.product,
        one.dose or 0,
        one.what,
        str(one.normal),
    )
