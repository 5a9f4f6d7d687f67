"""What a person may think of now: (rules, who, what is known, today) → one standing a rule. Pure: no clock, no I/O.

Promises: the same answer for the same question; each with its reason and sources; a course that was begun is completed,
never begun again; a dose given too early does not count, and that is said; nothing is due outside its window. Does not:
know where what is known comes from (`known`), nor write (`server.bots.reminders`), nor advise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Literal

import msgspec

from server.prevention.rules import Rule, Rules

State = Literal["due", "late", "upcoming", "done", "not_concerned", "later", "refused"]
Answer = Literal["done", "later", "not_concerned", "refused", "no_answer", "sent"]


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
    why: tuple[str, str]
    since: date | None = None
    until: date | None = None
    dose: int = 0
    doses: int = 0
    evidence: tuple[Given, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        return self.rule.sources


def evaluate(rules: Rules, person: Person, known: Known, today: date) -> list[Standing]:
    """One standing for each active rule, in the order of the file."""
    raise NotImplementedError
