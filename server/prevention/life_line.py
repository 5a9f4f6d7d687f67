"""The vaccines of a life, a row a disease: what was done, said to be done, is due, is expected. Pure.

    what is given + standings  →  of()  →  rows, the ends of the line

Promises: a combined vaccine stands in the row of each disease; a dose that two sources tell of is one. Does not: draw
(`webchat.prevention_line`), or say what to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from server.prevention.engine import Given, Standing
from server.prevention.rules import Rule

DONE, SAID, DUE, EXPECTED = "done", "said", "due", "expected"
NOW: Final = frozenset({"due", "late"})


@dataclass(frozen=True, slots=True)
class Dose:
    """`at`: none when nobody said. `kind`: DONE (a document or a professional), SAID (the patient), DUE, EXPECTED."""

    at: date | None
    kind: str


@dataclass(frozen=True, slots=True)
class Row:
    """`what`: the slug of a disease, `name`: its words. `doses`: the oldest first, those without a date last."""

    what: str
    name: str
    doses: tuple[Dose, ...]

    def of(self, *kinds: str) -> list[Dose]:
        return [dose for dose in self.doses if dose.kind in kinds]


def of(
    given: Sequence[Given],
    standings: Sequence[Standing],
    rules: Mapping[str, Rule],
    names: Mapping[str, str],
    today: date,
) -> list[Row]:
    """By the name of the disease. `rules`: by id, for what is given of a rule; `names`: disease → words. A slug that
    has no name there is no disease.
    """
    doses: dict[str, set[Dose]] = {}
    for one in given:
        for what in rules[one.what].counts if one.what in rules else (one.what,):
            doses.setdefault(what, set()).add(Dose(one.at, SAID if one.by == "patient" else DONE))
    for there in standings:
        if there.rule.kind != "vaccine" or there.state not in {*NOW, "upcoming", "later"}:
            continue
        kind = DUE if there.state in NOW else EXPECTED
        at = today if there.state in NOW else there.until if there.state == "later" else there.since
        for what in there.rule.counts:
            doses.setdefault(what, set()).add(Dose(at, kind))
    rows = [Row(what, names[what], _once(found)) for what, found in doses.items() if what in names]
    return sorted(rows, key=lambda row: row.name)


def _once(doses: set[Dose]) -> tuple[Dose, ...]:
    """What the patient said and a document proves is proved."""
    proved = {dose.at for dose in doses if dose.kind == DONE}
    kept = [dose for dose in doses if not (dose.kind == SAID and dose.at in proved)]
    return tuple(sorted(kept, key=lambda dose: (dose.at or date.max, dose.kind)))


def ends(birth: date, rows: Sequence[Row], today: date) -> tuple[date, date]:
    """From the birth to a little after the last that is expected."""
    last = max((dose.at for row in rows for dose in row.doses if dose.at), default=today)
    room = timedelta(days=max(120, (today - birth).days // 25))
    return birth, max(last, today) + room
