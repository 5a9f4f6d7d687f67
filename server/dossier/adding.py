"""What the patient adds to their own dossier, and takes out again.

    files or photos, a title, a category, a date  →  add()  →  checked by their octets, several photos one PDF
    →  filed, an audit row, a line in « Votre espace », one transaction

Promises: the limits (formats, size) are said beforehand (`limits`), and a file that is not taken is named with the
reason, while the others are kept. Whoever acts for the patient adds in their name: who did it stands beside. What the
patient added they may delete: nothing of it stays but that it was there; what professionals added they can only hide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from server import access, audit, people, scanning, scopes, space_news
from server.attachments import clean_name
from server.audit import Act
from server.dossier import documents as shelf
from server.dossier import filing, standing, titles, visibility
from server.dossier.documents import Seen
from server.dossier.filing import Filing
from server.dossier.habilitation import SECRET
from server.drafts import FileFacts
from server.errors import Conflict, Invalid, NotAllowed, TooLarge
from server.formats import document_types, sniff
from server.settings import PLACE
from storage import blobs, documents, findings, folders
from storage.database import Tx
from storage.ids import now_ms

if TYPE_CHECKING:
    from server.app import App
    from server.handles import DossierHandle
    from server.posting import Doing

# By their first octets. What a patient may add (facts of the national service: product.md § 2.3).
FORMATS: Final = {
    "application/pdf": "pdf",
    "text/plain": "txt",
    "application/rtf": "rtf",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/tiff": "tif",
}
PHOTOS: Final = frozenset({"image/jpeg", "image/png", "image/tiff"})
# What the patient calls it → the type of the nomenclature (JDV_J07, patient's deposits).
TYPES: Final = {
    "summaries": "DOCPAT01",
    "prescriptions": "DOCPAT02",
    "reports": "DOCPAT03",
    "imaging": "DOCPAT04",
    "biology": "DOCPAT05",
    "prevention": "DOCPAT06",
    "certificates": "DOCPAT07",
    "administrative": "DOCPAT09",
    "wishes": "EXPPAT_1",
}
OTHER: Final = "EXPPAT_2"
MOST: Final = 20  # documents added at once
_ADDED: Final = (
    "{by} a ajouté {name} au dossier.",
    "{by} a ajouté {count} documents au dossier : {name}.",
    "{by} added {name} to the record.",
    "{by} added {count} documents to the record: {name}.",
)
_REMOVED: Final = (
    "{by} a supprimé {name} du dossier.",
    "{by} a supprimé {count} documents du dossier : {name}.",
    "{by} deleted {name} from the record.",
    "{by} deleted {count} documents from the record: {name}.",
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody says of what they add. `day`: ISO 8601 date, or "". `one`: the photos are the pages of one
    document, `plain` in black and white. `hidden`: from professionals.
    """

    title: str = ""
    category: str = ""
    day: str = ""
    one: bool = False
    plain: bool = False
    hidden: bool = False


@dataclass(slots=True)
class Added:
    """`ids` of what is in the dossier now; `again`: names of what was there already; `refused`: (name, why)."""

    ids: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)


async def add(app: App, handle: DossierHandle, files: Sequence[tuple[str, bytes]], wanted: Wanted) -> Added:
    """Add (name, octets) to the dossier. Raises `Invalid` when nothing came, `NotAllowed`, `TooLarge`."""
    if handle.ground in {standing.CARE, standing.SERVICE}:
        raise NotAllowed
    if not files:
        raise Invalid("no_file_chosen", "Choisissez au moins un fichier.")
    if len(files) > (scanning.MOST_PAGES if wanted.one else MOST):
        raise TooLarge("too_many_files_added", f"C’est trop de fichiers à la fois ({MOST} au plus).")
    added = Added()
    taken = [(name, data) for name, data in files if _takes(app, name, data, added)]
    if wanted.one:
        taken = await _bound(taken, wanted, added)
    holder = await app.db.read(lambda tx: people.traits(app, tx, handle.space_id))
    ready = [await _ready(app, handle, name, data, wanted, holder.name if holder else "") for name, data in taken]
    if ready:
        await _file(app, handle, ready, wanted, added)
    return added


def _takes(app: App, name: str, data: bytes, added: Added) -> bool:
    """Whether a file is one that may be added; why not, when it is not."""
    most, kind = app.settings.document_mb, sniff.sniff(data)
    why = ""
    if not data:
        why = "ce fichier est vide."
    elif len(data) > most * 1_048_576:
        why = f"ce fichier est trop lourd ({-(-len(data) // 1_048_576)} Mo, {most} au plus)."
    elif kind not in FORMATS:
        why = f"ce genre de fichier ne peut pas être ajouté. Choisissez : {', '.join(FORMATS.values())}."
    if why:
        added.refused.append((clean_name(name), why))
    return not why


async def _bound(taken: list[tuple[str, bytes]], wanted: Wanted, added: Added) -> list[tuple[str, bytes]]:
    """The photos as one PDF, what is no photo by itself."""
    photos = [(name, data) for name, data in taken if sniff.sniff(data) in PHOTOS]
    others = [item for item in taken if item not in photos]
    while photos:
        made = await scanning.make([data for _, data in photos], plain=wanted.plain)
        if not made.bad:
            return [(f"{titles.clean(wanted.title) or 'Document numérisé'}.pdf", made.pdf), *others]
        name, _ = photos.pop(made.bad - 1)
        added.refused.append((clean_name(name), "cette photo ne peut pas être lue."))
    return others


async def _ready(app: App, handle: DossierHandle, name: str, data: bytes, wanted: Wanted, holder: str) -> Filing:
    kind, code = sniff.sniff(data), TYPES.get(wanted.category, OTHER)
    name = clean_name(name)
    stem, dot, end = name.rpartition(".")
    stem = stem if dot and len(end) <= 5 else name
    facts = FileFacts(
        name=f"{stem}.{FORMATS[kind]}",
        type=kind,
        size=len(data),
        title=titles.clean(wanted.title) or titles.clean(stem),
        document_type=code,
        document_label=document_types.type_label(code),
        category=wanted.category if wanted.category in TYPES else shelf.OTHER,
        author=holder,
        created=_day(wanted.day),
        class_code=document_types.class_code(code),
        confidentiality=("N", "MASQUE_PS") if wanted.hidden else ("N",),
    )
    return await filing.of_octets(app, handle.keys, facts, data, source=titles.PATIENT, author_id=handle.holder)


def _day(said: str) -> str:
    """The date of the document; today when nobody says. One to come is none."""
    today = datetime.now(PLACE).date()
    try:
        return min(date.fromisoformat(said), today).isoformat()
    except ValueError:
        return today.isoformat()


async def _file(app: App, handle: DossierHandle, ready: Sequence[Filing], wanted: Wanted, added: Added) -> None:
    def run(tx: Tx) -> None:
        added.ids, added.again = [], []  # it may run twice
        access.confirm_record(tx, handle)
        if wanted.hidden:
            scopes.shares(tx, handle)
        for item in ready:
            _file_one(app, tx, handle, item, added)

    def effect(doing: Doing) -> None:
        run(doing.tx)
        if not added.ids:
            raise Conflict("nothing_added", "Ces documents sont déjà dans votre dossier.")

    names = [f"« {item.facts.title} »" for item in ready]
    try:
        await space_news.tell(app, handle.space_id, *_told(_ADDED, handle.actor.name, names), effect)
    except Conflict as error:
        if error.code != "nothing_added":
            raise


def _file_one(app: App, tx: Tx, handle: DossierHandle, item: Filing, added: Added) -> None:
    by = handle.actor.account_id
    try:
        document = filing.file(tx, app.vault, handle.keys, item, by, now_ms())
    except Conflict:
        for blob in (item.own, item.original):
            if blob is not None:
                blobs.remove(tx, handle.space_id, blob.id)
        added.again.append(item.facts.title)
        return
    audit.record(tx, Act.DOCUMENT_ADDED, handle.actor, handle.space_id, handle.ground, document)
    added.ids.append(document)


def _told(news: tuple[str, str, str, str], by: str, names: Sequence[str]) -> tuple[str, str]:
    name = ", ".join(names[: visibility.MOST_NAMED]) + ("…" if len(names) > visibility.MOST_NAMED else "")
    facts = {"by": by, "count": len(names), "name": name}
    french, english = (news[0], news[2]) if len(names) == 1 else (news[1], news[3])
    return french.format(**facts), english.format(**facts)


# ---- taken out again -------------------------------------------------------------------------------------------------


def removable(item: Seen) -> bool:
    """Whether the patient had added it themselves."""
    return item.row.source == titles.PATIENT


async def remove(app: App, handle: DossierHandle, document_ids: Sequence[str]) -> list[str]:
    """Delete what the patient had added: its octets, its title, what was found in it. Returns those that were there.

    Raises `Refused`; `NotAllowed` for what somebody else deposited, and for a helper: deleting is the holder's.
    """
    wanted, gone, files = visibility.few(document_ids), list[str](), list[str]()

    def run(tx: Tx) -> None:
        gone.clear()  # it may run twice
        files.clear()
        access.confirm_record(tx, handle)
        scopes.shares(tx, handle)
        for document in wanted:
            files.extend(_remove_one(tx, handle, shelf.one_seen(tx, handle, document)))
            gone.append(document)

    def look(tx: Tx) -> list[Seen]:
        return [shelf.one_seen(tx, handle, document) for document in wanted]

    seen = await app.db.read(look)
    told = [item for item in seen if SECRET not in item.marks]
    if not all(removable(item) for item in seen):
        raise _not_yours()
    if told:
        news = visibility.said(_REMOVED, handle.actor.name, told)
        await space_news.tell(app, handle.space_id, *news, lambda doing: run(doing.tx))
    else:
        await app.db.write(run)
    for blob in files:
        await app.blobs.forget(blob)
    return gone


def _remove_one(tx: Tx, handle: DossierHandle, item: Seen) -> list[str]:
    """The blobs that are named no more."""
    row, by = item.row, handle.actor.account_id
    if not removable(item):
        raise _not_yours()
    nothing = handle.keys.seal("document", row.id, msgspec.json.encode(FileFacts("", "", 0)))
    documents.remove(tx, handle.space_id, row.id, nothing, by)
    for found in findings.of_document(tx, handle.space_id, row.id):
        findings.end(tx, handle.space_id, found.id, "withdrawn", by, now_ms())
    folders.take_out(tx, handle.space_id, "", row.id)
    named = [blob for blob in (row.blob_id, row.original_blob) if blob]
    for blob in named:
        blobs.remove(tx, handle.space_id, blob)
    audit.record(tx, Act.DOCUMENT_REMOVED, handle.actor, handle.space_id, handle.ground, row.id)
    return named


def _not_yours() -> NotAllowed:
    return NotAllowed(
        "not_your_document_to_delete",
        "Vous pouvez supprimer les documents que vous avez ajoutés. Les autres peuvent seulement être masqués.",
    )
