"""What is known of a person for prevention: vaccinations, screenings, answers, situations; each with who says so.

    documents (findings, types of documents)  ┐
    answers and entries (`statuses`)          ├→ of(): Gathered: Person and Known for `engine`, and their sources
    situations (`situations`)                 ┘

Promises: everything is decided item by item as the rest of the dossier (`habilitation.decide`): what its reader may not
see does not count for them. What the holder's side says is of the profile, what a professional enters of the record.
Does not: say what is due.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import msgspec

from server import people, reading
from server.dossier import documents as shelf
from server.dossier import findings, standing, vaccinations
from server.dossier.documents import Seen
from server.dossier.habilitation import PROFILE, RECORD, Item, Reader, decide
from server.dossier.sources import DOCUMENT, Source, Sources
from server.errors import Refused
from server.formats.findings import Immunisation, Result
from server.handles import DossierHandle, SpaceHandle
from server.prevention import situations, statuses
from server.prevention.engine import Given, Known, Person, Said, Standing, evaluate
from server.prevention.rules import Rules, of_settings
from server.prevention.situations import Entry
from server.prevention.statuses import Record
from server.query import fold
from server.settings import PLACE
from storage import reminders as rows
from storage import visibilities
from storage.database import Tx
from storage.ids import now_ms
from storage.vault import CannotOpen
from storage.visibilities import Marked

if TYPE_CHECKING:
    from server.app import App

BY: Final = {DOCUMENT: "document", "professional": "professional", "service": "professional"}


@dataclass(frozen=True, slots=True)
class Gathered:
    """`sources`: who says so, by `Given.where` (a finding, a document, an answer) and by the ids of answers.
    `answers`: the record that stands of each rule. `situations`: that are so or not so, the newest of each.
    """

    person: Person
    known: Known
    sources: Mapping[str, Source]
    answers: Mapping[str, Record]
    situations: tuple[Entry, ...]

    def all_given(self) -> list[Given]:
        """What was given, with the newest « done » of each rule, which `Known` has as what was said."""
        done = (one for one in self.answers.values() if one.state == statuses.DONE)
        return [*self.known.given, *(Given(one.facts.rule, _date(one.facts.on), _by(one), one.id) for one in done)]

    def standings(self, of: Rules, today: date) -> list[Standing]:
        return evaluate(of, self.person, self.known, today)


class _Screening(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an examination is known: by a document of one of the table's types whose title has one of these `words`
    (folded), by one of these `types` whatever its title, or by a result with one of these LOINC `codes`.
    """

    words: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: str
    source: str
    types: tuple[str, ...]
    examinations: dict[str, _Screening]


@lru_cache
def table() -> _Table:
    """How examinations are known."""
    return msgspec.json.decode((Path(__file__).parent / "data" / "screenings.json").read_bytes(), type=_Table)


def rules_of(app: App) -> Rules:
    """The rules in force here."""
    return of_settings(app.settings)


def of(app: App, tx: Tx, handle: DossierHandle) -> Gathered:
    """What the reader of this handle may see of it, now. Raises `Refused`: nobody is there."""
    return _gather(app, tx, handle, standing.reader(tx, handle))


def of_household(app: App, tx: Tx, space: SpaceHandle) -> Gathered:
    """For a built-in bot: what everybody on the holder's side may see, so that no reminder tells what is kept from one
    of them. Raises `Refused`.
    """
    return _gather(app, tx, cast(DossierHandle, space), Reader("representative", areas=frozenset({"dossier"})))


def told(app: App, tx: Tx, handle: DossierHandle) -> dict[str, list[dict[str, str]]]:
    """Every record that one may see, as a copy of the space holds it: answers and situations, the oldest first."""
    marks = visibilities.marks(tx, handle.space_id)
    seeing = _Seeing(app, tx, handle, standing.reader(tx, handle), Sources(app, tx, handle), marks, {})
    answers = sorted((one for said in _answers(seeing).values() for one in said), key=lambda one: one.at)
    return {
        "answers": [_plain(one) for one in answers if one.state != statuses.SENT],
        "situations": [_plain(one) for one in _situations(seeing)],
    }


def _plain(one: Record | Entry) -> dict[str, str]:
    facts = {name: str(value) for name, value in msgspec.to_builtins(one.facts).items()}
    return {**facts, "state": one.state, "at": reading.iso(one.at)}


def _gather(app: App, tx: Tx, handle: DossierHandle, reader: Reader) -> Gathered:
    traits = people.traits(app, tx, handle.space_id)
    if traits is None:
        raise Refused
    sources = Sources(app, tx, handle)
    seeing = _Seeing(app, tx, handle, reader, sources, visibilities.marks(tx, handle.space_id), {})
    answers = _answers(seeing)
    entries = situations.newest(_situations(seeing), statuses.today())
    for one in entries:
        seeing.keep(one.id, one.facts.source, one.by, one.at)
    given = [*_vaccinations(seeing), *_examinations(seeing), *_earlier(answers)]
    stands = {rule: newest for rule, said in answers.items() if (newest := statuses.newest(said)) is not None}
    person = Person(
        date.fromisoformat(traits.birth_date),
        traits.sex,
        {one.kind: one.situation() for one in entries if one.state == situations.SO},
    )
    known = Known(tuple(given), {rule: _said(record) for rule, record in stands.items()})
    return Gathered(person, known, seeing.found, stands, tuple(entries))


@dataclass(frozen=True, slots=True)
class _Seeing:
    """One reading: who reads, and the sources of what they saw."""

    app: App
    tx: Tx
    handle: DossierHandle
    reader: Reader
    sources: Sources
    marks: Mapping[str, Mapping[str, Marked]]
    found: dict[str, Source]

    def may(self, item_id: str, source: str, by: str) -> bool:
        """Whether an entry may be seen: a professional's is of the record, the holder's side's of the profile."""
        on = self.marks.get(item_id, {})
        kind = RECORD if source == "professional" else PROFILE
        return bool(decide(self.reader, Item(kind, "", by, {mark: one.at for mark, one in on.items()}), now_ms()))

    def keep(self, item_id: str, source: str, by: str, at: int) -> None:
        """Who entered it."""
        name, organisation = self.sources.name(by)
        own = by == self.handle.actor.account_id
        kind = source or ("patient" if by == self.handle.holder else "delegate")
        self.found[item_id] = Source(kind, item_id, reading.iso(at), name, organisation, own=own)

    def keep_proof(self, document_id: str) -> None:
        """The document that somebody says proves it, while its reader may see it."""
        with contextlib.suppress(Refused):
            if document_id and document_id not in self.found:
                item = shelf.one_seen(self.tx, self.handle, document_id, self.reader)
                self.found[document_id] = _document(item)


def _answers(seeing: _Seeing) -> dict[str, list[Record]]:
    """Of each rule its records, the oldest first."""
    found: dict[str, list[Record]] = {}
    for row in rows.everything(seeing.tx, seeing.handle.space_id):
        try:
            record = Record.of(seeing.handle, row)
        except CannotOpen:
            continue  # what is damaged is missing alone
        if seeing.may(record.id, record.facts.source, record.by):
            found.setdefault(record.facts.rule, []).append(record)
            seeing.keep(record.id, record.facts.source, record.by, record.at)
            seeing.keep_proof(record.facts.document)
    return found


def _situations(seeing: _Seeing) -> Iterable[Entry]:
    """Every record of a situation, the oldest first."""
    for one in situations.records(seeing.tx, seeing.handle):
        if seeing.may(one.id, one.facts.source, one.by):
            yield one


def _earlier(answers: Mapping[str, Sequence[Record]]) -> Iterable[Given]:
    """Answers « done » of a course, but for the newest of the rule, which is `Said`: nobody took them back."""
    for rule, records in answers.items():
        kept: list[Record] = []
        for one in records:
            if one.state == statuses.WITHDRAWN:
                mine = [other for other in kept if other.side == one.side]
                if mine:
                    kept.remove(mine[-1])
            elif one.state in statuses.ANSWERS:
                kept.append(one)
        newest = statuses.newest(records)
        for one in kept:
            if one.state == statuses.DONE and one is not newest:
                yield Given(rule, _date(one.facts.on), _by(one), one.facts.document or one.id)


def _said(record: Record) -> Said:
    facts, at = record.facts, datetime.fromtimestamp(record.at / 1000, PLACE).date()
    state = record.state if record.state in {*statuses.ANSWERS, statuses.SENT} else statuses.NO_ANSWER
    return Said(state, at, _date(facts.on), facts.until_day, _by(record))  # type: ignore[arg-type]


def _by(record: Record) -> str:
    return "professional" if record.facts.source == "professional" else "patient"


def _vaccinations(seeing: _Seeing) -> Iterable[Given]:
    """Each disease that a vaccination protects from; one whose disease nobody knows says nothing here."""
    held = findings.held(seeing.tx, seeing.handle, (Immunisation.kind,), reader=seeing.reader)
    for one in vaccinations.vaccinations(seeing.sources, held):
        if not one.said.done:
            continue
        source = one.sources[0]
        seeing.found[source.finding] = source
        rank = one.said.rank.strip()
        for disease in one.diseases:
            yield Given(
                disease,
                _date(one.said.at),
                BY.get(source.kind, "patient"),
                source.finding,
                int(rank) if len(rank) == 1 and rank.isdecimal() else None,
                one.said.atc.code,
            )


def _examinations(seeing: _Seeing) -> Iterable[Given]:
    """Screenings, by the documents and the results that tell of them. Whether a result was normal is nobody's to say
    here: a person who is followed up says so.
    """
    known = table()
    for item in shelf.seen(seeing.tx, seeing.handle, seeing.reader):
        for slug, one in known.examinations.items() if item.row.state == "current" else ():
            kind = item.facts.document_type
            if kind in one.types or (kind in known.types and _titled(item, one.words)):
                seeing.found[item.row.id] = _document(item)
                yield Given(slug, _date(item.facts.created), "document", item.row.id)
    by_code = {code: slug for slug, one in known.examinations.items() for code in one.codes}
    for held in findings.held(seeing.tx, seeing.handle, (Result.kind,), reader=seeing.reader):
        if isinstance(held.finding, Result) and held.finding.analyte.code in by_code:
            seeing.found[held.id] = seeing.sources.of(held)
            what = by_code[held.finding.analyte.code]
            yield Given(what, _date(held.finding.at or held.dated), "document", held.id)


def _titled(item: Seen, words: Sequence[str]) -> bool:
    text = fold(f"{item.facts.title} {item.facts.name}")
    return any(re.search(rf"\b{word}", text) for word in words)


def _document(item: Seen) -> Source:
    facts = item.facts
    at = facts.created or reading.iso(item.row.filed_at)
    return Source(DOCUMENT, "", at, facts.author, facts.organisation, item.row.id, facts.title)


def _date(text: str) -> date | None:
    """A whole day; of a month or a year, its first: later than that it was not. None of what is no date."""
    known = re.match(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", text)
    if known is None:
        return None
    try:
        return date(int(known[1]), int(known[2] or 1), int(known[3] or 1))
    except ValueError:
        return None
