"""Where somebody stands with prevention, in short, and whole: for a page, the assistant, a bot, the API.

    known.of + rules + today  →  stand(): Stand  →  of(): Summary, in one language

Promises: what its reader may not see did not count; each line says why and according to whom. Does not: advise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

import msgspec

from server import people
from server.errors import Refused
from server.people import Traits
from server.prevention import known, statuses
from server.prevention.engine import Standing
from server.prevention.known import Gathered
from server.prevention.rules import Rules
from storage.database import Tx

if TYPE_CHECKING:
    from server.app import App
    from server.handles import DossierHandle

DUE, LATE, UPCOMING, DONE, LATER, REFUSED, NOT_CONCERNED = (
    "due", "late", "upcoming", "done", "later", "refused", "not_concerned",
)  # fmt: skip
LAST: Final = 3  # of what was done


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """`rule`: its id. `state`: of a standing. `since`, `until`: ISO 8601. `why`, `title`, `text`: in the language asked
    for. `dose` of `doses`. `source`: who recommends it.
    """

    rule: str
    kind: str
    state: str
    title: str
    text: str
    why: str
    source: str
    level: str
    since: str = ""
    until: str = ""
    dose: int = 0
    doses: int = 0


class Summary(msgspec.Struct, frozen=True):
    """`next`: what comes first of what is to come, null when nothing is. `done`: the last three. `basis`: of the rules.
    Information, never medical advice.
    """

    due: tuple[Line, ...]
    late: tuple[Line, ...]
    next: Line | None
    done: tuple[Line, ...]
    basis: str
    version: str


@dataclass(frozen=True, slots=True)
class Stand:
    """Everything that a page needs, read in one transaction."""

    traits: Traits
    today: date
    rules: Rules
    gathered: Gathered
    standings: Sequence[Standing]

    def in_state(self, *states: str) -> list[Standing]:
        return [one for one in self.standings if one.state in states]

    def of_rule(self, rule: str) -> Standing:
        """Raises `Refused`: no rule of that name is in force."""
        found = next((one for one in self.standings if one.rule.id == rule), None)
        if found is None:
            raise Refused
        return found


def stand(app: App, tx: Tx, handle: DossierHandle) -> Stand:
    """As the reader of this handle may see it, today. Raises `Refused`."""
    traits, today, rules = people.traits(app, tx, handle.space_id), statuses.today(), known.rules_of(app)
    if traits is None:
        raise Refused
    gathered = known.of(app, tx, handle)
    return Stand(traits, today, rules, gathered, gathered.standings(rules, today))


async def of(app: App, handle: DossierHandle, language: str, name: str = "") -> Summary:
    """In `language` (fr, en, falc). `name`: of who it is about, for somebody else. Raises `Refused`."""
    stood = await app.db.read(lambda tx: stand(app, tx, handle))
    return summed(stood, language, name)


def summed(stood: Stand, language: str, name: str = "") -> Summary:
    """What stands, in short."""

    def lines(found: Sequence[Standing]) -> tuple[Line, ...]:
        return tuple(line(one, stood.rules, language, name) for one in found)

    coming = sorted((one for one in stood.in_state(UPCOMING) if one.since), key=lambda one: one.since or date.max)
    done = sorted((one for one in stood.in_state(DONE) if one.since), key=lambda one: one.since or date.min)
    return Summary(
        lines(stood.in_state(DUE)),
        lines(stood.in_state(LATE)),
        next(iter(lines(coming[:1])), None),
        lines(done[::-1][:LAST]),
        stood.rules.book.basis,
        stood.rules.book.version,
    )


def line(one: Standing, rules: Rules, language: str, name: str = "") -> Line:
    """A standing in words."""
    title, text = one.rule.said(language, name)
    return Line(
        one.rule.id,
        one.rule.kind,
        one.state,
        title,
        text,
        one.why[language == "en"],
        source(one, rules),
        one.rule.level,
        one.since.isoformat() if one.since else "",
        one.until.isoformat() if one.until else "",
        one.dose,
        one.doses,
    )


def source(one: Standing, rules: Rules) -> str:
    """Who recommends it, in words."""
    return " ; ".join(rules.book.sources.get(code, code) for code in one.sources)
