"""A patient's dossier on one page, as a professional may see it.

    who it is about · on which ground one reads, until when · what is new since one's last visit · the synthèse ·
    documents: by category with the newest of each, or a page of `PAGE` of those asked for

Promises: one transaction decides and reads all of it, item by item (`documents.seen`); numbers count nothing but what
the reader may see; with no ground there is what they deposited themselves, and nothing tells what else there may be.
The first consultation shows the acts of two years, and says what it left out; vaccinations are never left out (TD of
the DMP, § 1.6 of the dossier facts); somebody else's withdrawn document is not there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from server import people, reading
from server.dossier import depositing, habilitation, shelves, standing, synthesis, titles
from server.dossier import documents as shelf
from server.dossier.documents import DocumentView, Seen
from server.dossier.habilitation import ARCHIVED, GROUNDS, Reader
from server.dossier.standing import ConsentFacts
from server.dossier.synthesis import Synthesis
from server.errors import Refused
from server.people import Traits
from server.query import fold
from server.settings import PLACE
from storage import accounts, consents, visits
from storage.database import Tx
from storage.ids import now_ms

if TYPE_CHECKING:
    from server.app import App
    from server.handles import DossierHandle

AREA: Final = "record"  # of visits
VISIT_MS: Final = 30 * 60_000
PAGE: Final = 50
FEW: Final = 5  # of each category, when none is asked for
LATELY: Final = timedelta(days=2 * 365 + 1)
VACCINATIONS: Final = frozenset({"11369-6", "87273-9"})
LINES, SOURCES = 40, 3  # of a section of the synthèse, of a line
SHOWN: Final = ("", "new", "archived", "obsolete")


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the documents. `whole`: also acts of more than two years ago. `show`: of `SHOWN`. `page` from 1."""

    words: str = ""
    category: str = ""
    show: str = ""
    whole: bool = False
    page: int = 1

    @property
    def listed(self) -> bool:
        """Whether it is one list, and not the newest of each category."""
        return bool(self.words or self.category or self.show)


@dataclass(frozen=True, slots=True)
class Ground:
    """What lets somebody read now. Times ISO 8601; `until` "": until it is withdrawn. `team`: its name, when it was
    given to one. `things`: what it names, empty: all that may be shared.
    """

    kind: str
    since: str
    until: str
    team: str
    facts: ConsentFacts


@dataclass(frozen=True, slots=True)
class Line:
    """A document on the page. `older`: versions that it replaced."""

    view: DocumentView
    title: str
    own_title: str
    new: bool
    older: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """`grounds`: the one that counts first; none: nothing but `own` documents. `profession`: (French, English) as the
    matrix names it, when that lets it read anything. `lines`: of the page; `groups`: (category, lines) instead, when
    none is asked for. `left_out`: documents older than two years. `before`: the last visit, ISO 8601, "" for none.
    """

    traits: Traits
    age: int
    minor: bool
    grounds: tuple[Ground, ...]
    profession: tuple[str, str]
    illustrative: bool
    may_deposit: bool
    synthesis: Synthesis | None
    before: str
    new: tuple[Line, ...]
    counts: dict[str, int]
    groups: tuple[tuple[str, tuple[Line, ...]], ...]
    lines: tuple[Line, ...]
    total: int
    page: int
    pages: int
    left_out: int
    shows: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Pile:
    """A document, on top of the versions that it replaced."""

    head: Seen
    older: tuple[Seen, ...] = ()


@dataclass(frozen=True, slots=True)
class _Looking:
    """`since`: ms, None at a first visit."""

    tx: Tx
    handle: DossierHandle
    language: str
    this_year: int
    since: int | None

    def new(self, item: Seen) -> bool:
        me = self.handle.actor.account_id
        return self.since is not None and item.row.filed_at > self.since and item.row.author_id != me

    def line(self, pile: _Pile) -> Line:
        item = pile.head
        title = titles.of(item, self.language, self.this_year)
        older = tuple(self.line(_Pile(old)) for old in pile.older)
        return Line(shelf.view(self.tx, self.handle, item), title.text, title.own, self.new(item), older)


async def look(app: App, handle: DossierHandle, asked: Asked, language: str) -> Record:
    """The page; that somebody looked is noted, for what is new next time. Raises `Refused`."""
    space, me = handle.space_id, handle.actor.account_id
    since = await app.db.write(visits.visit, space, me, AREA, now_ms(), VISIT_MS)

    def read(tx: Tx) -> Record:
        with shelf.decided_once():
            return _record(app, tx, handle, asked, language, since)

    return await app.db.read(read)


async def identity(app: App, handle: DossierHandle) -> Traits:
    """Whose dossier it is, for what stands at the top of every page. Raises `Refused`."""
    traits = await app.db.read(lambda tx: people.traits(app, tx, handle.space_id))
    if traits is None:
        raise Refused
    return traits


async def one(app: App, handle: DossierHandle, document_id: str, language: str) -> Line:
    """One document of it. Raises `Refused`."""

    def read(tx: Tx) -> Line:
        item = shelf.one_seen(tx, handle, document_id)
        if not _stays(handle, item):
            raise Refused
        return _Looking(tx, handle, language, datetime.now(PLACE).year, None).line(_Pile(item))

    return await app.db.read(read)


def _record(app: App, tx: Tx, handle: DossierHandle, asked: Asked, language: str, since: int | None) -> Record:
    traits, today = people.traits(app, tx, handle.space_id), datetime.now(PLACE).date()
    if traits is None:
        raise Refused
    reader = standing.reader(tx, handle)
    grounds = _grounds(tx, handle, reader)
    looking = _Looking(tx, handle, language, today.year, since)
    seen = (item for item in shelf.seen(tx, handle, reader) if _stays(handle, item))
    piles = [_Pile(group.head, tuple(group.older)) for group in shelves.grouped(seen)]
    stands = [pile for pile in piles if _stands(pile.head)]
    recent = [pile for pile in stands if asked.whole or _lately(pile.head, today)]
    fit = _asked(looking, piles, stands, recent, asked)
    counts = Counter(_category(pile.head) for pile in recent)
    pages = max(1, -(-len(fit) // PAGE))
    page = max(1, min(asked.page, pages))
    shown = fit[(page - 1) * PAGE : page * PAGE] if asked.listed or not grounds else []
    matrix = habilitation.in_force()
    return Record(
        traits,
        age(traits.birth_date, today),
        depositing.minor(tx, app, handle.space_id),
        grounds,
        matrix.names.get(reader.profession.partition("/")[0], ("", "")),
        matrix.illustrative,
        depositing.may(tx, handle),
        _short(synthesis.of(app, tx, handle)) if grounds and not asked.listed else None,
        reading.iso(since) if since else "",
        tuple(looking.line(pile) for pile in _newest(one for one in stands if looking.new(one.head))[:FEW]),
        {name: counts.get(name, 0) for name in shelf.CATEGORIES},
        _by_category(looking, recent) if grounds and not asked.listed else (),
        tuple(looking.line(pile) for pile in shown),
        len(fit),
        page,
        pages,
        len(stands) - len(recent),
        frozenset(show for show in SHOWN[1:] if _asked(looking, piles, stands, recent, Asked(show=show))),
    )


def _grounds(tx: Tx, handle: DossierHandle, reader: Reader) -> tuple[Ground, ...]:
    """Those in force, the one that counts first; none for who is blocked: nobody is told here."""
    if reader.blocked or reader.closed:
        return ()
    found = []
    for ground in sorted(reader.grounds, key=lambda one: GROUNDS.index(one.kind)):
        consent = consents.one(tx, handle.space_id, ground.id)
        if consent is None:
            continue
        account = accounts.by_id(tx, consent.account_id)
        team = account.name if account is not None and account.kind == "team" else ""
        until = reading.iso(consent.until_at) if consent.until_at else ""
        facts = standing.consent_facts(handle.keys, consent)
        found.append(Ground(consent.kind, reading.iso(consent.from_at), until, team, facts))
    return tuple(found)


def _short(made: Synthesis) -> Synthesis:
    """Each line with the newest that say it: a measure of ten years has hundreds."""
    sections = (
        msgspec.structs.replace(
            section,
            lines=tuple(
                msgspec.structs.replace(line, sources=line.sources[:SOURCES]) for line in section.lines[:LINES]
            ),
            said_none=section.said_none[:SOURCES],
        )
        for section in made.sections
    )
    return msgspec.structs.replace(made, sections=tuple(sections))


def _stays(handle: DossierHandle, item: Seen) -> bool:
    return item.row.state != "deleted" or item.row.author_id == handle.actor.account_id


def _stands(item: Seen) -> bool:
    return ARCHIVED not in item.marks and item.row.state == "current"


def _lately(item: Seen, today: date) -> bool:
    """By the date of the act; by that of the filing, for what says none."""
    acted = titles.date_of(item.facts.created) or datetime.fromtimestamp(item.row.filed_at / 1000, PLACE).date()
    return acted >= today - LATELY or item.facts.document_type in VACCINATIONS


def _asked(
    looking: _Looking, piles: Sequence[_Pile], stands: Sequence[_Pile], recent: Sequence[_Pile], asked: Asked
) -> list[_Pile]:
    """A search looks at all of them, whatever their date."""
    if asked.show == "new":
        found = [pile for pile in stands if looking.new(pile.head)]
    elif asked.show == "archived":
        found = [pile for pile in piles if ARCHIVED in pile.head.marks]
    elif asked.show == "obsolete":
        found = [_Pile(old) for pile in piles for old in pile.older]
        found += [pile for pile in piles if pile.head.row.state != "current"]
    else:
        found = list(stands if asked.words else recent)
    if asked.category:
        found = [pile for pile in found if _category(pile.head) == asked.category]
    sought = fold(asked.words).split()
    return _newest(pile for pile in found if _says(pile.head, sought))


def _says(item: Seen, sought: Sequence[str]) -> bool:
    """By what stands on its line, in both languages."""
    if not sought:
        return True
    facts = item.facts
    made = " ".join(titles.of(item, language).text for language in ("fr", "en"))
    text = fold(f"{made} {facts.title} {facts.name} {facts.document_label} {facts.author} {facts.organisation}")
    return all(word in text for word in sought)


def _newest(piles: Iterable[_Pile]) -> list[_Pile]:
    return sorted(piles, key=lambda pile: (pile.head.facts.created[:10], pile.head.row.filed_at), reverse=True)


def _by_category(looking: _Looking, recent: Sequence[_Pile]) -> tuple[tuple[str, tuple[Line, ...]], ...]:
    """The newest of each category that has any."""
    by: dict[str, list[_Pile]] = {name: [] for name in shelf.CATEGORIES}
    for pile in _newest(recent):
        by[_category(pile.head)].append(pile)
    return tuple((name, tuple(looking.line(one) for one in found[:FEW])) for name, found in by.items() if found)


def _category(item: Seen) -> str:
    return item.facts.category if item.facts.category in shelf.CATEGORIES else shelf.OTHER


def age(birth_date: str, today: date) -> int:
    """In whole years; 0 when the date is unclear."""
    try:
        born = date.fromisoformat(birth_date)
    except ValueError:
        return 0
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))
