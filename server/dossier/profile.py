"""The medical profile: what a person says of their own health, section by section (`data/profile.json`).

    values of a form  →  checked, as a finding of the section's kind  →  enter, correct, withdraw, « pas concerné »
                      →  one transaction: the finding, its audit row, a line in « Votre espace »

Promises: nothing is overwritten: a correction stands beside what it corrects, what is withdrawn stays in the history,
each with its author and date; « pas concerné » is an answer, and ends when something is entered; sections with room for
one keep one. Does not: give anybody a right (a named doctor reads nothing by it), or tell anybody outside.
"""

from __future__ import annotations

import datetime as calendar
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from server import access, audit, people, space_news
from server.audit import Act
from server.dossier import documents as shelf
from server.dossier import findings
from server.dossier.findings import Held
from server.dossier.sources import Source, Sources
from server.errors import Conflict, Invalid, Refused
from server.formats.findings import Allergy, Finding, Problem, Statement
from server.settings import PLACE
from storage.database import Tx

if TYPE_CHECKING:
    from server.app import App
    from server.handles import DossierHandle, MailboxHandle
    from server.posting import Doing

ADULT: Final = 18
FIRST_YEAR: Final = 1900  # of what is remembered
WISHES: Final = "wishes"  # the category of documents that say what one wants
NONE_KNOWN: Final = ("allergy", "problem")  # kinds that say themselves that there is none


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked. `to`: where it stands in the finding. `kind`: text, long, date, choice, phone, document. `most`:
    characters. `choices`: (value, French, English).
    """

    name: str
    to: str
    fr: str
    en: str
    kind: str = "text"
    required: bool = False
    most: int = 200
    choices: tuple[tuple[str, str, str], ...] = ()

    def said(self, language: str) -> str:
        return self.en if language == "en" else self.fr


class Unfit(Invalid):
    """What was typed in a field does not do. `field`: its name."""

    def __init__(self, code: str, of: Field, detail: str) -> None:
        self.field = of.name
        super().__init__(code, f"« {of.fr} » : {detail}")


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`kind`: of its findings. `most`: entries it has room for, 0 for no limit. `help`: what to write; `notice`: what
    one must know.
    """

    slug: str
    kind: str
    fr: str
    en: str
    fields: tuple[Field, ...]
    help_fr: str = ""
    help_en: str = ""
    notice_fr: str = ""
    notice_en: str = ""
    most: int = 0
    adults_only: bool = False

    def said(self, name: str, language: str) -> str:
        """`name`: help or notice; "" for its title."""
        return str(getattr(self, f"{name}_{language}" if name else language))


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: str
    source: str
    sections: tuple[Section, ...]


TABLE: Final = msgspec.json.decode((Path(__file__).parent / "data" / "profile.json").read_bytes(), type=_Table)
SECTIONS: Final = {one.slug: one for one in TABLE.sections}


@dataclass(frozen=True, slots=True)
class Entry:
    """What somebody said. `values`: by the names of the fields. `before`: what it corrects, the newest first; of an
    entry that was withdrawn, `ended` says by whom and when.
    """

    id: str
    values: dict[str, str]
    source: Source
    none: bool = False
    before: tuple[Entry, ...] = ()
    ended: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Filled:
    """A section as it stands. `none`: that it does not concern them, as somebody said. `withdrawn`: the history of what
    is there no more.
    """

    section: Section
    entries: tuple[Entry, ...] = ()
    none: Entry | None = None
    withdrawn: tuple[Entry, ...] = ()
    choices: tuple[tuple[str, str], ...] = field(default=())  # (id, title) of documents that may be named


def section(slug: str) -> Section:
    """Raises `Refused`."""
    if (found := SECTIONS.get(slug)) is None:
        raise Refused
    return found


# ---- read ------------------------------------------------------------------------------------------------------------


async def filled(app: App, handle: DossierHandle) -> list[Filled]:
    """Every section that this person has, in the order of the table."""
    return await app.db.read(lambda tx: _filled(app, tx, handle))


async def one_filled(app: App, handle: DossierHandle, slug: str) -> Filled:
    """One section. Raises `Refused`: there is none, or not for a child."""
    found = await filled(app, handle)
    return next((one for one in found if one.section.slug == section(slug).slug), None) or _refuse()


def _refuse() -> Filled:
    raise Refused


def _filled(app: App, tx: Tx, handle: DossierHandle) -> list[Filled]:
    sources, adult = Sources(app, tx, handle), _adult(app, tx, handle)
    said = [one for one in findings.held(tx, handle, current=False) if not one.document]
    papers = [
        (one.row.id, one.facts.title or one.facts.name)
        for one in shelf.seen(tx, handle)
        if one.facts.category == WISHES and one.row.state == "current"
    ]
    return [
        _of_section(one, [held for held in said if _stands_in(held.finding) == one.slug], sources, tuple(papers))
        for one in TABLE.sections
        if adult or not one.adults_only
    ]


def _of_section(of: Section, said: Sequence[Held], sources: Sources, papers: tuple[tuple[str, str], ...]) -> Filled:
    by_id = {one.id: one for one in said}

    def entry(held: Held) -> Entry:
        corrected = by_id.get(held.corrects)
        before = entry(corrected) if corrected else None
        ended = (sources.name(held.ended_by)[0], held.ended_at) if held.ended_by else ("", "")
        chain = (before, *before.before) if before else ()
        return Entry(held.id, values_of(of, held.finding), sources.of(held), _is_none(held.finding), chain, ended)

    current = [entry(one) for one in said if one.state == "current"]
    gone = tuple(entry(one) for one in said if one.state == "withdrawn")
    none = next((one for one in current if one.none), None)
    return Filled(of, tuple(one for one in current if not one.none), none, gone[::-1], papers)


def _stands_in(finding: Finding) -> str:
    """The section that a finding somebody entered stands in."""
    if isinstance(finding, Statement):
        return finding.section
    return next((one.slug for one in TABLE.sections if one.kind == finding.kind), "")


def _is_none(finding: Finding) -> bool:
    if isinstance(finding, Statement):
        return finding.not_concerned
    return isinstance(finding, Allergy | Problem) and finding.none_known


def values_of(of: Section, finding: Finding) -> dict[str, str]:
    """What a form shows of a finding, by the names of its fields."""
    plain: Any = msgspec.to_builtins(finding)
    found = {}
    for one in of.fields:
        value: Any = plain
        for part in one.to.split("."):
            value = value.get(part, "") if isinstance(value, dict) else ""
        found[one.name] = str(value)
    return found


def _adult(app: App, tx: Tx, handle: DossierHandle) -> bool:
    traits = people.traits(app, tx, handle.space_id)
    if traits is None:
        return False
    born, today = calendar.date.fromisoformat(traits.birth_date), datetime.now(UTC).astimezone(PLACE).date()
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day)) >= ADULT


# ---- write -----------------------------------------------------------------------------------------------------------


async def enter(
    app: App,
    box: MailboxHandle,
    handle: DossierHandle,
    slug: str,
    values: Mapping[str, str],
    *,
    corrects: str = "",
    retry_key: str = "",
) -> None:
    """Something is said in a section, or (`corrects`) said better. What was « pas concerné » no longer is. Raises
    `Invalid`; `Conflict` when there is no room or it was corrected meanwhile; `NotAllowed`, `Refused`.
    """
    of = section(slug)
    finding = checked(of, values)

    def change(tx: Tx) -> str:
        papers = frozenset(values.get(one.name, "") for one in of.fields if one.kind == "document")
        known = _known(app, tx, handle, of, papers)
        if corrects:
            _among(known.entries, corrects)
            return findings.correct(tx, handle, corrects, finding)
        if of.most and len(known.entries) >= of.most:
            raise Conflict("profile_full", "Cette rubrique est pleine. Corrigez ou retirez une ligne.")
        if known.none:
            findings.correct(tx, handle, known.none.id, None)
        return findings.enter(tx, handle, finding)

    await _tell(app, box, handle, of, "corrected" if corrects else "entered", change, retry_key)


def enter_in(app: App, tx: Tx, handle: DossierHandle, slug: str, values: Mapping[str, str], *, message_id: str) -> None:
    """Something said in a message, in its transaction, not twice; a section that has one page takes it in there."""
    of = section(slug)
    known = _known(app, tx, handle, of)
    if any(values.items() <= one.values.items() for one in known.entries):
        return
    full = bool(of.most) and len(known.entries) >= of.most
    before = known.entries[0] if full else known.none
    finding = checked(of, {**(before.values if full and before else {}), **values})
    if before and full:
        made = findings.correct(tx, handle, before.id, finding, message_id=message_id)
    else:
        if before:
            findings.correct(tx, handle, before.id, None)
        made = findings.enter(tx, handle, finding, message_id=message_id)
    audit.record(tx, Act.PROFILE_CHANGED, handle.actor, handle.space_id, handle.ground, made, outcome="entered")


async def withdraw(
    app: App, box: MailboxHandle, handle: DossierHandle, slug: str, entry_id: str, *, retry_key: str = ""
) -> None:
    """A line, or « pas concerné », is taken back; it stays in the history. Raises `Conflict`, `NotAllowed`,
    `Refused`.
    """
    of = section(slug)

    def change(tx: Tx) -> str:
        known = _known(app, tx, handle, of)
        _among((*known.entries, *([known.none] if known.none else [])), entry_id)
        findings.correct(tx, handle, entry_id, None)
        return entry_id

    await _tell(app, box, handle, of, "withdrawn", change, retry_key)


async def say_none(app: App, box: MailboxHandle, handle: DossierHandle, slug: str, *, retry_key: str = "") -> None:
    """« Pas concerné ». Raises `Conflict` when the section says otherwise, `NotAllowed`, `Refused`."""
    of = section(slug)

    def change(tx: Tx) -> str:
        known = _known(app, tx, handle, of)
        if known.entries:
            raise Conflict("profile_not_empty", "Cette rubrique dit autre chose. Retirez d’abord ses lignes.")
        if known.none:
            raise Conflict("profile_said", "C’est déjà noté.")
        return findings.enter(tx, handle, _none(of))

    await _tell(app, box, handle, of, "none", change, retry_key)


def _none(of: Section) -> Finding:
    if of.kind == "allergy":
        return Allergy(none_known=True)
    return Problem(none_known=True) if of.kind == "problem" else Statement(section=of.slug, not_concerned=True)


def _known(app: App, tx: Tx, handle: DossierHandle, of: Section, papers: frozenset[str] = frozenset()) -> Filled:
    """The section inside the write, the right to write asked again; documents that are named are there to be seen."""
    access.confirm_record(tx, handle)
    known = next((one for one in _filled(app, tx, handle) if one.section.slug == of.slug), None)
    if known is None or not (papers - {""}) <= {paper for paper, _ in known.choices}:
        raise Refused
    return known


def _among(entries: Sequence[Entry], entry_id: str) -> None:
    if all(one.id != entry_id for one in entries):
        raise Conflict("already_corrected", "Cette ligne a déjà été corrigée.")


_NEWS: Final = {
    "entered": ("Profil médical, « {fr} » : une ligne ajoutée.", "Medical profile, “{en}”: a line added."),
    "corrected": ("Profil médical, « {fr} » : une ligne corrigée.", "Medical profile, “{en}”: a line corrected."),
    "withdrawn": ("Profil médical, « {fr} » : une réponse retirée.", "Medical profile, “{en}”: an answer taken back."),
    "none": ("Profil médical, « {fr} » : pas concerné.", "Medical profile, “{en}”: does not concern."),
}  # fmt: skip


async def _tell(
    app: App,
    box: MailboxHandle,
    handle: DossierHandle,
    of: Section,
    what: str,
    change: Callable[[Tx], str],
    retry_key: str,
) -> None:
    """Do it and say it, in one transaction."""

    def effect(doing: Doing) -> None:
        audit.record(
            doing.tx, Act.PROFILE_CHANGED, handle.actor, handle.space_id, handle.ground, change(doing.tx), outcome=what
        )

    fr, en = (text.format(fr=of.fr, en=of.en) for text in _NEWS[what])
    key = f"profile:{handle.actor.account_id}:{retry_key[:100]}" if retry_key else ""
    await space_news.note(app, box, fr, en, effect, action="profile.said", retry_key=key)


# ---- what may be said ------------------------------------------------------------------------------------------------


def checked(of: Section, values: Mapping[str, str]) -> Finding:
    """The finding that these words are. Raises `Invalid` with a sentence that names the field."""
    found: dict[str, Any] = {"kind": of.kind} | ({"section": of.slug} if of.kind == "statement" else {})
    for one in of.fields:
        if said := _one(one, values.get(one.name, "")):
            *path, last = one.to.split(".")
            place = found
            for part in path:
                place = place.setdefault(part, {})
            place[last] = said
    if all(not values.get(one.name, "").strip() for one in of.fields):
        raise Invalid("profile_empty", "Écrivez quelque chose avant d’enregistrer.")
    made: Finding = msgspec.convert(found, type=Finding)
    return made


def _one(of: Field, text: str) -> str:
    text = text.replace("\r\n", "\n").strip() if of.kind == "long" else " ".join(text.split())
    if of.required and not text:
        raise Unfit("profile_missing", of, "remplissez ce champ. Le reste est gardé.")
    if len(text) > of.most:
        raise Unfit("profile_long", of, "c’est trop long. Votre texte est gardé, raccourcissez-le.")
    if of.kind == "choice" and text and text not in {value for value, _, _ in of.choices}:
        raise Invalid
    if of.kind == "phone" and text and not re.fullmatch(r"[+0-9][0-9 ().-]{2,28}", text):
        raise Unfit("profile_phone", of, "écrivez un numéro, par exemple 06 12 34 56 78.")
    if of.kind != "date" or not text:
        return text
    if date := date_of(text):
        return date
    raise Unfit("profile_date", of, "écrivez une année, un mois ou un jour, par exemple 28/03/2021.")


def date_of(text: str) -> str:
    """`2021`, `03/2021`, `28/03/2021` (or as ISO 8601) → ISO 8601 as precise as given; "" of anything else."""
    known = re.fullmatch(r"(?:(?:(\d{1,2})/)?(\d{1,2})/)?(\d{4})|(\d{4})-(\d{2})(?:-(\d{2}))?", text)
    if known is None:
        return ""
    day, month, year = (known[1], known[2], known[3]) if known[3] else (known[6], known[5], known[4])
    try:
        whole = calendar.date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return ""
    return whole.isoformat()[: 10 if day else 7 if month else 4] if whole.year >= FIRST_YEAR else ""
