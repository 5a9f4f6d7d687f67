"""What a person calls a document: « Ordonnance du Dr Morel, 12 mai », « Analyses du 3 mars, Laboratoire de Pli ».

    type, author, date, organisation, by `data/titles.json`  →  a title; the producer's own stands on its second line

Promises: what the patient added keeps the name they gave it, and only they may give it another: the old one stays
recorded, with its date and who changed it. A document whose type nobody knows keeps its producer's title: nothing is
guessed. Does not: read a database but to rename.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from server import access, audit
from server.audit import Act
from server.dossier import documents as shelf
from server.dossier.documents import Seen
from server.drafts import FileFacts
from server.errors import Invalid, NotAllowed
from server.formats import document_types
from server.settings import PLACE
from storage import documents
from storage.database import Tx
from storage.ids import now_ms

if TYPE_CHECKING:
    from server.app import App
    from server.handles import DossierHandle

MOST: Final = 150  # characters of a title that somebody gives
PATIENT: Final = "patient"  # the source of what they added
_DOCTORS: Final = frozenset({"dr", "dr.", "pr", "pr.", "docteur", "professeur"})


class _Noun(msgspec.Struct, frozen=True):
    """`by`: whose it is says more than when it was."""

    fr: str
    en: str
    by: bool = False


class _File(msgspec.Struct, frozen=True):
    source: str
    types: dict[str, _Noun]
    categories: dict[str, _Noun]


class Former(msgspec.Struct, frozen=True):
    """A name a document had. `at` in ms."""

    title: str
    by: str
    at: int


class Named(FileFacts, frozen=True, omit_defaults=True):
    """The facts of a document, with the names it had before."""

    former: tuple[Former, ...] = ()


_DATA: Final = msgspec.json.decode((Path(__file__).parent / "data" / "titles.json").read_bytes(), type=_File)


@dataclass(frozen=True, slots=True)
class Title:
    """`own`: the producer's title, "" when it says the same."""

    text: str
    own: str = ""


def of(item: Seen, language: str = "fr", this_year: int = 0) -> Title:
    """`this_year`: a date of that year is said without it."""
    facts = item.facts
    return _title(facts.title or facts.name, facts.document_type, facts, item.row.source, language, this_year)


def _title(given: str, type_code: str, facts: FileFacts, source: str, language: str, this_year: int) -> Title:
    known = type_code in document_types.TYPES
    noun = _DATA.types.get(type_code) or (_DATA.categories.get(facts.category) if known else None)
    if noun is None or source == PATIENT:
        return Title(given)
    made = _said(noun, facts, language, this_year)
    return Title(made, given if given.casefold() != made.casefold() else "")


def _said(noun: _Noun, facts: FileFacts, language: str, this_year: int) -> str:
    french = language != "en"
    name = noun.fr if french else noun.en
    who, day = person(facts.author), _day(facts.created, language, this_year)
    where = facts.organisation.strip() or who
    if noun.by and (who or where):
        by = who or where
        made = f"{name} {of_whom(by)}" if french else f"{name} from {by}"
        return f"{made}, {day}" if day else made
    made = f"{name} du {day}" if french and day else f"{name}, {day}" if day else name
    return f"{made}, {where}" if where else made


def person(name: str) -> str:
    """As one speaks of somebody: « Dr Morel » for « Dr Agathe MOREL », « Jean Durand » for « Jean DURAND »."""
    parts = [part.capitalize() if part.isupper() and len(part) > 1 else part for part in name.split()]
    if len(parts) > 1 and parts[0].lower() in _DOCTORS:
        title = "Pr" if parts[0].lower().startswith("pr") else "Dr"
        return f"{title} {parts[-1]}"
    return " ".join(parts)


def of_whom(name: str) -> str:
    """« du Dr Morel », « d’Agathe Morel », « de Jean Durand »."""
    if name.startswith(("Dr ", "Pr ")):
        return f"du {name}"
    if name.startswith("Le "):
        return f"du {name[3:]}"
    return f"d’{name}" if name[:1].casefold() in tuple("aeiouyéèêàâîôœh") else f"de {name}"


def _day(created: str, language: str, this_year: int) -> str:
    from babel.dates import format_date  # its data takes 20 MB: only who shows titles pays

    day = date_of(created)
    if day is None:
        return ""
    short = day.year == this_year
    said = str(format_date(day, "d MMMM" if short else "d MMMM y", locale="en_GB" if language == "en" else "fr_FR"))
    return f"1er{said[1:]}" if day.day == 1 and language != "en" else said


def date_of(created: str) -> date | None:
    """The day of an ISO 8601 date or instant, where we are; None when it is none."""
    try:
        if len(created) == 10:
            return date.fromisoformat(created)
        at = datetime.fromisoformat(created)
        return (at if at.tzinfo is None else at.astimezone(PLACE)).date()
    except (ValueError, OverflowError):
        return None


async def rename(app: App, handle: DossierHandle, document_id: str, title: str) -> None:
    """Raises `Refused`; `NotAllowed` for what somebody else deposited; `Invalid`."""
    kept = clean(title)
    if not kept:
        raise Invalid("no_title", "Donnez un titre à ce document.")

    def change(tx: Tx) -> None:
        access.confirm_record(tx, handle)
        item = shelf.one_seen(tx, handle, document_id)
        if item.row.source != PATIENT:
            raise NotAllowed("not_your_title", "Vous pouvez renommer les documents que vous avez ajoutés.")
        if item.facts.title == kept:
            return
        known = msgspec.json.decode(handle.keys.open("document", document_id, item.row.facts), type=Named)
        former = (*known.former, Former(known.title, handle.actor.account_id, now_ms()))
        facts = msgspec.json.encode(msgspec.structs.replace(known, title=kept, former=former))
        documents.rewrite(tx, handle.space_id, document_id, handle.keys.seal("document", document_id, facts))
        audit.record(tx, Act.DOCUMENT_RENAMED, handle.actor, handle.space_id, handle.ground, document_id)

    await app.db.write(change)


def former(handle: DossierHandle, item: Seen) -> tuple[Former, ...]:
    """The names a document had, the oldest first."""
    return msgspec.json.decode(handle.keys.open("document", item.row.id, item.row.facts), type=Named).former


def clean(title: str) -> str:
    """A title in one line, without characters that are not seen."""
    return " ".join("".join(char if char.isprintable() else " " for char in title).split())[:MOST]
