"""The log of a space in plain words, for its holder and those who may read its dossier: who, why, what, when.

    rows of the audit  →  what this reader may know of each  →  visits: what one person did in one go is one line

Promises: every access to the dossier stands here from its own transaction on, under the name of who did it; a
delegate's under their own. Names are as of today, also of who left. What was done to a document that its holder may
not see yet is said by its category; a minor's secret is not there at all for those who represent them, nor the visit
that was for it alone (CSP L.1111-5). Access stays three years (CNIL 2021-122).

Does not: write a row (`server.audit`), or prove that none is missing (`server.audit_chain`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from server import journal_words, people, reading
from server.audit import ACCESS_YEARS, Act
from server.dossier import standing
from server.dossier.habilitation import EMERGENCY, GROUNDS, SAMU, Reader
from server.dossier.named import Named, named, whisperers
from server.dossier.standing import consent_facts
from server.errors import Refused
from server.journal_words import NOISE, Said
from storage import accounts, audit_rows, consents
from storage.audit_rows import AuditRow
from storage.database import Tx
from storage.vault import CannotOpen, SpaceKeys

if TYPE_CHECKING:
    from server.app import App
    from server.handles import DossierHandle

YEARS: Final = ACCESS_YEARS
LOGGED: Final = frozenset(act.value[0] for act in Act) - NOISE
VISIT_GAP_MS: Final = 30 * 60_000  # a person who comes back later than that comes anew
PAGE: Final = 50  # visits
MOST_ROWS: Final = 20_000  # looked at for one page or one file
_EMERGENCIES: Final = frozenset({SAMU, EMERGENCY})


@dataclass(frozen=True, slots=True)
class Person:
    """`id`: of the account, "" for somebody who has none here. `place`: the organisation."""

    id: str
    name: Said
    role: Said
    place: str
    kind: str


@dataclass(frozen=True, slots=True)
class Done:
    """One thing done: `title` and `document` of what may be opened; `times` in this visit."""

    at: str
    what: Said
    title: Said = ("", "")
    document: str = ""
    times: int = 1


@dataclass(slots=True)
class Visit:
    """What one person did in one go, the newest first. Times ISO 8601. `row`: the oldest row of it."""

    person: Person
    mine: bool
    since: str
    until: str
    row: str
    why: tuple[Said, ...] = ()
    emergency: bool = False
    done: list[Done] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Asked:
    """`mine`: the reader's own acts, else everybody's but theirs. `person`: an account, "" for all. `since`, `until`:
    ms, 0 for no limit. `about`: a document.
    """

    mine: bool = False
    person: str = ""
    since: int = 0
    until: int = 0
    about: str = ""


@dataclass(frozen=True, slots=True)
class Log:
    """A page of visits; `people`: everybody there is to choose; `more`: an older page follows."""

    visits: list[Visit]
    people: list[Person]
    more: bool


async def log(app: App, handle: DossierHandle, asked: Asked | None = None, page: int = 1) -> Log:
    """A page of the log, the newest first. `about` a document one may not see: raises `Refused`."""
    return await app.db.read(_log, app, handle, asked or Asked(), page)


def _log(tx: Tx, app: App, handle: DossierHandle, asked: Asked, page: int) -> Log:
    teller = Teller(tx, app, handle.keys, [standing.reader(tx, handle)], you=handle.actor.account_id)
    if asked.about and not teller.sees(asked.about):
        raise Refused
    visits: list[Visit] = []
    for visit in _gathered(teller, _rows(tx, handle, asked)):
        visits.append(visit)
        if len(visits) > page * PAGE:
            break
    first = (page - 1) * PAGE
    known = [teller.person(one, "") for one in audit_rows.actors(tx, handle.space_id, LOGGED) if one != teller.you]
    known = [one for one in known if one.id and one.id not in teller.unknown]
    return Log(visits[first : first + PAGE], sorted(known, key=lambda one: one.name), len(visits) > page * PAGE)


def _rows(tx: Tx, handle: DossierHandle, asked: Asked) -> Iterator[AuditRow]:
    me = handle.actor.account_id
    found = audit_rows.of_space(
        tx,
        handle.space_id,
        LOGGED,
        actor=me if asked.mine else asked.person,
        without="" if asked.mine else me,
        subject=asked.about,
        since=asked.since,
        until=asked.until or None,
    )
    for _, row in zip(range(MOST_ROWS), found, strict=False):
        yield row


def gathered(tx: Tx, app: App, keys: SpaceKeys, readers: list[Reader], rows: Iterable[AuditRow]) -> list[Visit]:
    """What these rows say to all of these readers, for a line that each of them reads; the holder is the first."""
    return list(_gathered(Teller(tx, app, keys, readers, you=""), rows))


def _gathered(teller: Teller, rows: Iterable[AuditRow]) -> Iterator[Visit]:
    """Visits in the order of their newest act; each is given out once nothing can be added to it."""
    waiting: list[list[AuditRow]] = []
    running: dict[str, list[AuditRow]] = {}
    for row in rows:
        if row.actor_id not in running or _past(running[row.actor_id], row):
            running[row.actor_id] = []
            waiting.append(running[row.actor_id])
        running[row.actor_id].append(row)
        while _past(waiting[0], row):
            if visit := teller.visit(waiting.pop(0)):
                yield visit
    for left in waiting:
        if visit := teller.visit(left):
            yield visit


def _past(visit: list[AuditRow], row: AuditRow) -> bool:
    return bool(visit) and row.at < visit[-1].at - VISIT_GAP_MS


class Teller:
    """Says rows to readers, inside one transaction. `you`: the account that reads, "" when a line is for several."""

    def __init__(self, tx: Tx, app: App, keys: SpaceKeys, readers: list[Reader], *, you: str) -> None:
        self.tx, self.app, self.keys, self.readers, self.you = tx, app, keys, readers, you
        holder = accounts.holder_of(tx, keys.space_id)
        self._holder = holder.id if holder else ""
        self._people: dict[tuple[str, str], Person] = {}
        self._named: dict[str, Named | None] = {}
        self._delegates = [one for one in readers if one.kind != "holder"]
        self.unknown = frozenset[str]().union(*(whisperers(tx, keys, one) for one in self._delegates))

    def sees(self, document_id: str) -> bool:
        known = self._name(document_id)
        return known is not None and known.seen

    def visit(self, rows: list[AuditRow]) -> Visit | None:
        """Rows of one person, the newest first; None when the readers are to know nothing of them."""
        kept = [row for row in rows if not self._kept_back(row)]
        about = [row for row in rows if self._name(row.object) is not None]
        nothing_else = all(row.act == Act.DOSSIER_READ.value[0] for row in kept)
        if not kept or (nothing_else and about and not any(row in kept for row in about)):
            return None  # all there was to look at is kept from them: so is the visit
        first, last = kept[-1], kept[0]
        grounds = dict.fromkeys((row.ground, row.why or (row.object if row.ground == "grant" else "")) for row in kept)
        visit = Visit(
            self.person(last.actor_id, last.actor_kind),
            bool(self.you) and last.actor_id == self.you,
            reading.iso(first.at),
            reading.iso(last.at),
            first.id,
            self._whys(list(grounds)),
            not _EMERGENCIES.isdisjoint(row.ground for row in kept),
        )
        for row in kept:
            self._add(visit, row)
        return visit

    def _kept_back(self, row: AuditRow) -> bool:
        if journal_words.of_no_interest(row.act, row.ground):
            return True
        if not self._delegates:
            return False
        known = self._name(row.object)
        hidden = known is not None and (known.secret or (bool(self.you) and not known.seen))
        return hidden or (row.actor_id in self.unknown and row.actor_id != self.you)

    def _add(self, visit: Visit, row: AuditRow) -> None:
        known = self._name(row.object)
        shown = known is not None and known.seen
        title = (known.title if shown else known.category) if known is not None else ("", "")
        if self._delegates and not shown:
            title = ("", "")
        document = known.document_id if known is not None and shown else ""
        one = Done(reading.iso(row.at), journal_words.what(row.act, row.object, row.outcome), title, document)
        said = (one.what, one.title, one.document)
        same = next((n for n, had in enumerate(visit.done) if (had.what, had.title, had.document) == said), None)
        if same is None:
            visit.done.append(one)
        else:
            had = visit.done[same]
            visit.done[same] = Done(had.at, had.what, had.title, had.document, had.times + 1)

    def _name(self, object_id: str) -> Named | None:
        if object_id and object_id not in self._named:
            self._named[object_id] = named(self.tx, self.keys, [object_id], self.readers).get(object_id)
        return self._named.get(object_id)

    def person(self, account_id: str, kind: str) -> Person:
        """As named today; who left keeps their name, whose space was forgotten has none any more."""
        if (account_id, kind) not in self._people:
            self._people[account_id, kind] = self._person(account_id, kind)
        return self._people[account_id, kind]

    def _person(self, account_id: str, kind: str) -> Person:
        found = accounts.even_ended(self.tx, account_id)
        if found is None:
            name = {"system": journal_words.PLI, "operator": journal_words.ROLES["operator"]}.get(
                kind, journal_words.OUTSIDE
            )
            return Person("", name, ("", ""), "", kind)
        account = found[0]
        if account.kind != "holder":
            role = (account.role, account.role) if account.role else journal_words.ROLES.get(account.kind, ("", ""))
            return Person(account_id, (account.name, account.name), role, account.organisation, account.kind)
        try:
            traits = people.traits(self.app, self.tx, account.space_id)
        except CannotOpen:
            traits = None
        name = (traits.name, traits.name) if traits else journal_words.UNNAMED
        return Person(account_id, name, ("", ""), "", account.kind)

    def _whys(self, grounds: list[tuple[str, str]]) -> tuple[Said, ...]:
        """Each ground once; that of what one deposited oneself only when it is the only one."""
        better = [one for one in grounds if one[0] in GROUNDS]
        found = [self._why(ground, given) for ground, given in (better or grounds)]
        return tuple(said for said in dict.fromkeys(found) if said[0])

    def _why(self, ground: str, given: str) -> Said:
        consent = consents.one(self.tx, self.keys.space_id, given) if given and ground in GROUNDS else None
        if consent is None:
            return journal_words.why(ground)
        try:
            reason = consent_facts(self.keys, consent).reason
        except CannotOpen:
            reason = ""
        by = self.person(consent.by, "")
        you = consent.by == (self.you or self._holder)
        return journal_words.why(ground, since=consent.from_at, by=by.name[0] if by.id else "", reason=reason, you=you)
