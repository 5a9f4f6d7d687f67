"""The synthèse: one's health on one screen, each line with who says so. Pure over what is held.

    findings.held  →  of(app, tx, handle)  →  Synthesis: sections of lines, each line with its sources

Promises: what the reader may not see is not there (`findings.held` decided, item by item); the same thing said by
several documents is one line with all its sources; what is masked says so; nothing is invented: that there is no
allergy stands only where somebody said it (`said_none`), else the section is empty, which means that nothing is noted.
Does not: judge a result, or say what a person should do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from server import reading
from server.dossier import findings, measure_kinds, measures, results, standing
from server.dossier.habilitation import TREATING
from server.dossier.results import Reported, concept, normalised
from server.dossier.sources import Source, Sources
from server.formats.findings import (
    MASKED,
    Allergy,
    Coded,
    Finding,
    Immunisation,
    Problem,
    Quantity,
    Statement,
    Treatment,
)
from server.settings import PLACE
from storage import consents
from storage.database import Tx
from storage.ids import now_ms

if TYPE_CHECKING:
    from server.app import App
    from server.handles import DossierHandle

MOODS: Final = {"INT": "prescribed", "DISP": "dispensed"}
ALLERGIES, PROBLEMS, PAST, TREATMENTS, OLD_TREATMENTS = "allergies", "problems", "past", "treatments", "old_treatments"
VACCINATIONS, RESULTS, MEASURES, STAYS, PEOPLE = "vaccinations", "results", "measures", "stays", "people"
SECTIONS: Final = (
    ALLERGIES, TREATMENTS, PROBLEMS, RESULTS, MEASURES, VACCINATIONS, STAYS, PAST, OLD_TREATMENTS, PEOPLE
)  # fmt: skip
# A treatment whose end nobody gives is one of now for that long after its source spoke: ours, no rule of law.
NOW_FOR = timedelta(days=365)
ABSENT: Final = "absent"  # the status of what a document says not to be
# LOINC of sections (facts dossier.md § 3.2): history of illness, of acts.
HISTORY, ACTS = "11348-0", "47519-4"
# SNOMED CT and HL7 v3 words for what is over.
OVER: Final = frozenset({"413322009", "73425007", "resolved", "inactive", "completed", "résolu", "inactif"})
TOGETHER: Final = {
    PAST: PROBLEMS,
    OLD_TREATMENTS: TREATMENTS,
}  # the same thing is in one of the two: as its newest source
DATED: Final = (RESULTS, VACCINATIONS, STAYS, PAST, TREATMENTS, OLD_TREATMENTS)  # the newest first
NOT_CONCERNED: Final = {"stays": STAYS, "treatments": TREATMENTS, "vaccinations": VACCINATIONS}
STATEMENTS: Final = {"stays": STAYS, "emergency": PEOPLE, "trusted": PEOPLE, "carers": PEOPLE, "professionals": PEOPLE}


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """`text`: what it is, `MASKED` when its author does not show it. `at`, `until`: ISO 8601 as precise as given.
    `text_en`: in English, where that is ours to say. `details`: (name, words), names as in `health.detail.<name>`.
    `state`: of a vaccination « not_done ». Of a number: `value`, and of a result besides `result` (all of it) and
    `key` (of its analyte, for an address).
    """

    text: str
    sources: tuple[Source, ...]
    at: str = ""
    until: str = ""
    code: str = ""
    system: str = ""
    state: str = ""
    details: tuple[tuple[str, str], ...] = ()
    value: Quantity | None = None
    key: str = ""
    result: Reported | None = None
    text_en: str = ""

    @property
    def hidden(self) -> bool:
        """Whether every source of it is hidden from professionals."""
        return all("hidden" in source.marks for source in self.sources)


class Section(msgspec.Struct, frozen=True, omit_defaults=True):
    """`said_none`: who says that there is none, or that it does not concern them. With neither: nothing is noted."""

    name: str
    lines: tuple[Line, ...] = ()
    said_none: tuple[Source, ...] = ()


class Synthesis(msgspec.Struct, frozen=True, omit_defaults=True):
    """Every section of `SECTIONS`, in that order. `at`: when it was made, ISO 8601."""

    sections: tuple[Section, ...]
    at: str

    def section(self, name: str) -> Section:
        return next(one for one in self.sections if one.name == name)


def of(app: App, tx: Tx, handle: DossierHandle) -> Synthesis:
    """The synthèse of a dossier, as the reader of this handle may see it. Inside a transaction."""
    held = findings.held(tx, handle)
    sources = Sources(app, tx, handle)
    now = datetime.fromtimestamp(now_ms() / 1000, PLACE)
    lines: list[tuple[str, Line]] = []
    none: dict[str, list[Source]] = {name: [] for name in SECTIONS}
    for one in held:
        name = _section(one.finding, one.dated or one.at, now)
        if name and _says_none(one.finding):
            none[TOGETHER.get(name, name)].append(sources.of(one))
        elif name and (line := _line(one.finding, sources.of(one))):
            lines.append((name, line))
    found = _merged(lines)
    found[RESULTS] = [_result(one.last, one.code, one.system) for one in results.analytes(app.vault, sources, held)]
    found[MEASURES] = _measures(measures.gathered(tx, app, handle), {one.id: sources.of(one) for one in held})
    found[PEOPLE][:0] = _doctors(tx, handle, sources)
    for name in DATED:
        found[name].sort(key=lambda line: line.at, reverse=True)
    return Synthesis(
        tuple(Section(name, tuple(found[name]), tuple(none[name])) for name in SECTIONS),
        now.isoformat(timespec="seconds"),
    )


def _section(finding: Finding, said: str, now: datetime) -> str:
    """Where a finding stands, that its source said on that day; "" for what stands elsewhere, or in the profile."""
    match finding:
        case Allergy():
            return ALLERGIES
        case Immunisation():
            return VACCINATIONS
        case Problem():
            if finding.section == ACTS:
                return STAYS
            return PAST if _over(finding, now) else PROBLEMS
        case Treatment():
            return TREATMENTS if _now(finding, said, now) else OLD_TREATMENTS
        case Statement():
            return (NOT_CONCERNED if finding.not_concerned else STATEMENTS).get(finding.section, "")
    return ""


def _over(problem: Problem, now: datetime) -> bool:
    ended = bool(problem.until) and problem.until[:10] <= now.date().isoformat()
    return ended or problem.section == HISTORY or problem.status.casefold() in OVER


def _now(treatment: Treatment, said: str, now: datetime) -> bool:
    if treatment.until:
        return treatment.until[:10] >= now.date().isoformat()[: len(treatment.until[:10])]
    return said[:10] >= (now - NOW_FOR).date().isoformat()


def _says_none(finding: Finding) -> bool:
    match finding:
        case Allergy() | Problem():
            return finding.none_known
        case Statement():
            return finding.not_concerned
    return False


def _line(finding: Finding, source: Source) -> Line | None:
    """None for what a document says not to be: its absence is no line."""
    if isinstance(finding, Allergy | Problem) and finding.status == ABSENT:
        return None
    match finding:
        case Allergy():
            said = (("reaction", finding.reaction), ("severity", finding.severity), ("note", finding.note))
            return _of(finding.agent, source, finding.at, details=said)
        case Problem():
            return _of(finding.what, source, finding.at, finding.until, details=(("note", finding.note),))
        case Treatment():
            taken = (("dose", finding.dose), ("reason", finding.reason), ("note", finding.note))
            return _of(
                _named(finding.product, finding.atc),
                source,
                finding.at,
                finding.until,
                details=taken,
                state=MOODS.get(finding.mood, ""),
            )
        case Immunisation():
            return _vaccination(finding, source)
        case Statement():
            return _statement(finding, source)
    return None


def _vaccination(finding: Immunisation, source: Source) -> Line:
    same = finding.product.label == finding.atc.label or not finding.product.label
    said = (
        ("against", "" if same else finding.atc.label),
        ("rank", finding.rank),
        ("lot", finding.lot),
        ("reason", finding.reason),
        ("reaction", finding.reaction),
    )
    state = "" if finding.done else "not_done"
    return _of(_named(finding.product, finding.atc), source, finding.at, details=said, state=state)


def _statement(finding: Statement, source: Source) -> Line:
    others = (("note", finding.note), *((name, value) for name, value in finding.values.items() if name != "what"))
    named = Coded(finding.what.code, finding.what.system, finding.text or finding.what.label or finding.section)
    role = (("role", finding.section),) if STATEMENTS[finding.section] == PEOPLE else ()
    return _of(named, source, finding.at, finding.until, details=(*role, *others))


def _of(
    what: Coded, source: Source, at: str, until: str = "", *, details: Iterable[tuple[str, str]] = (), state: str = ""
) -> Line:
    said = tuple((name, words) for name, words in details if words)
    return Line(what.label or what.code or MASKED, (source,), at, until, what.code, what.system, state, said)


def _named(product: Coded, atc: Coded) -> Coded:
    """What it is called, and the code that most documents share."""
    return Coded(atc.code or product.code, atc.system or product.system, product.label or atc.label)


def _result(last: Reported, code: str, system: str) -> Line:
    return Line(last.label, last.sources, last.at, "", code, system, value=last.value, key=last.key, result=last)


def _doctors(tx: Tx, handle: DossierHandle, sources: Sources) -> list[Line]:
    """The médecin traitant, as the holder's side named them (`consents`); who else reads is not told who does."""
    if handle.ground in {standing.CARE, standing.SERVICE}:
        return []
    made = []
    for one in consents.of(tx, handle.space_id):
        if one.kind == TREATING and one.in_force(now_ms()):
            kind, own = "patient" if one.by == handle.holder else "delegate", one.by == handle.actor.account_id
            source = Source(kind, one.id, reading.iso(one.from_at), sources.name(one.by)[0], own=own)
            name, place = sources.name(one.account_id)
            details = (("role", one.kind), ("place", place))
            made.append(Line(name, (source,), details=tuple(detail for detail in details if detail[1])))
    return made


# ---- the same thing, once --------------------------------------------------------------------------------------------


def _merged(lines: Sequence[tuple[str, Line]]) -> dict[str, list[Line]]:
    """The same thing once, where and as its newest source says it, with every source, and with what only an older one
    says.
    """
    found: dict[object, tuple[str, Line]] = {}
    for section, line in sorted(lines, key=lambda one: one[1].sources[0].at, reverse=True):
        same = (TOGETHER.get(section, section), _same(section, line))
        where, newest = found.get(same, (section, line))
        found[same] = (where, line if newest is line else _joined(newest, line))
    made: dict[str, list[Line]] = {name: [] for name in SECTIONS}
    for section, line in found.values():
        made[section].append(line)
    return made


def _same(section: str, line: Line) -> object:
    """What makes two lines of a section the same thing. What is masked is like nothing else."""
    if line.text == MASKED:
        return line.sources[0].finding
    if section == PEOPLE:
        return normalised(line.text), dict(line.details).get("role")
    what = concept(Coded(line.code, line.system, line.text))
    return (what, line.at[:10], line.state) if section in {VACCINATIONS, STAYS} else what


def _joined(newest: Line, older: Line) -> Line:
    known = {name for name, _ in newest.details}
    more = tuple(detail for detail in older.details if detail[0] not in known)
    return msgspec.structs.replace(
        newest,
        at=newest.at or older.at,
        until=newest.until or older.until,
        details=(*newest.details, *more),
        sources=(*newest.sources, *older.sources),
    )


# ---- numbers ---------------------------------------------------------------------------------------------------------


def _measures(known: measures.Gathered, sources: Mapping[str, Source]) -> list[Line]:
    """The last of each measure, in the order of their table."""
    lasts = ((measure_kinds.KINDS[slug], known.last(slug)) for slug in measure_kinds.LISTED)
    return [_measure(kind, last, sources) for kind, last in lasts if last is not None]


def _measure(kind: measure_kinds.Kind, last: measures.MeasureView, sources: Mapping[str, Source]) -> Line:
    """What is computed has a source that says so."""
    source = sources.get(last.id) or Source(last.source, last.id, last.recorded, last.by)
    value = Quantity(" / ".join(last.values), last.unit)
    return Line(kind.fr, (source,), last.at, "", kind.what.code, kind.what.system, value=value, text_en=kind.en)
