"""The documents of a dossier, as their reader may see them.

Promises: every document is decided on (`habilitation.decide`) in the transaction that reads it; what may not be seen is
not there, in a list, by its id, or by its number; opening one leaves its row in the audit. Does not: file
(`filing`), or change who may see what (`visibility`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import structlog

from server import audit, reading, versions
from server.audit import Act
from server.dossier import standing
from server.dossier.delays import DAY, DELAYS
from server.dossier.habilitation import MARKS, UNTOLD, UNTYPED, Item, Reader, Verdict, decide
from server.drafts import FileFacts
from server.errors import Refused
from server.formats import document_types
from server.views import ChangeView
from storage import blobs, documents, messages, visibilities
from storage.database import Tx
from storage.documents import Document
from storage.ids import now_ms
from storage.vault import CannotOpen
from storage.visibilities import Marked

if TYPE_CHECKING:
    from server.app import App
    from server.handles import DossierHandle

log = structlog.get_logger()

OTHER = "other"  # what nobody gave a category
CATEGORIES: dict[str, tuple[str, str]] = {
    **{
        slug: (document_types.category_label(slug), document_types.category_label(slug, "en"))
        for slug in document_types.CATEGORIES
    },
    OTHER: ("Autres documents", "Other documents"),
}

_facts = msgspec.json.Decoder(FileFacts)
_known: ContextVar[dict[tuple[str, Reader], list[Seen]] | None] = ContextVar("seen", default=None)


class DocumentView(msgspec.Struct, frozen=True):
    """A document of the dossier. `created`: the date of the act, ISO 8601, as its producer says; '' when unknown.
    `marks`: hidden, untold, secret, archived, those that are on. `own`: its reader deposited it. `warning`: the mark
    its reader is to be warned of. `source`: letter, api, patient, pli, import.
    """

    id: str
    title: str
    label: str
    category: str
    category_label: str
    category_label_en: str
    author: str
    organisation: str
    created: str
    filed_at: str
    name: str
    type: str
    size: int
    message: str
    conversation: str
    change: ChangeView | None = None  # when it is obsolete: replaced or deleted
    version: int = 0
    source: str = "letter"
    type_code: str = ""
    marks: tuple[str, ...] = ()
    own: bool = False
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """A document that a reader may see, opened."""

    row: Document
    facts: FileFacts
    marks: Mapping[str, Marked]
    verdict: Verdict


def item_of(row: Document, facts: FileFacts, marks: Mapping[str, Marked]) -> Item:
    """What is decided on. A type nobody knows is its own: no profession has it."""
    on = {mark: one.at for mark, one in marks.items()}
    on |= {MARKS[code]: row.filed_at for code in facts.confidentiality if code in ("R", "V")}
    told_by = on.get(UNTOLD, 0) + DELAYS.untold_release_days * DAY
    return Item(facts.document_type or UNTYPED, facts.category, row.author_id, on, told_by)


def seen(tx: Tx, handle: DossierHandle, reader: Reader | None = None) -> Iterator[Seen]:
    """Everything its reader may see, the newest filed first; also what is archived or obsolete."""
    reader = reader or standing.reader(tx, handle)
    known = _known.get()
    if known is None:
        yield from _decided(tx, handle, reader)
        return
    key = (handle.space_id, reader)
    if key not in known:
        known[key] = list(_decided(tx, handle, reader))
    yield from known[key]


@contextmanager
def decided_once() -> Iterator[None]:
    """Within one reading that changes nothing, and asks several times for what is seen: it is decided on once."""
    token = _known.set({})
    try:
        yield
    finally:
        _known.reset(token)


def _decided(tx: Tx, handle: DossierHandle, reader: Reader) -> Iterator[Seen]:
    marks, now = visibilities.marks(tx, handle.space_id), now_ms()
    for row in documents.documents(tx, handle.space_id):
        try:
            facts = _facts.decode(handle.keys.open("document", row.id, row.facts))
        except CannotOpen:
            log.warning("dossier.unopened", what="document")
            continue  # what is damaged is missing alone: the rest of the dossier is as it was
        on = marks.get(row.id, {})
        if verdict := decide(reader, item_of(row, facts, on), now):
            yield Seen(row, facts, on, verdict)


def one_seen(tx: Tx, handle: DossierHandle, document_id: str, reader: Reader | None = None) -> Seen:
    """Raises `Refused`: it is not there, or not for this reader."""
    row = documents.document(tx, handle.space_id, document_id)
    if row is None:
        raise Refused
    facts = _facts.decode(handle.keys.open("document", row.id, row.facts))
    on = visibilities.marks_of(tx, handle.space_id, [row.id]).get(row.id, {})
    verdict = decide(reader or standing.reader(tx, handle), item_of(row, facts, on), now_ms())
    if not verdict:
        raise Refused
    return Seen(row, facts, on, verdict)


async def list_documents(app: App, dossier: DossierHandle) -> list[DocumentView]:
    """The documents of a dossier that its reader may see, the newest filed first."""
    return await app.db.read(lambda tx: [view(tx, dossier, item) for item in seen(tx, dossier)])


def view(tx: Tx, dossier: DossierHandle, item: Seen) -> DocumentView:
    row, facts = item.row, item.facts
    fr, en = CATEGORIES.get(facts.category, CATEGORIES[OTHER])
    source = messages.find(tx, dossier.space_id, row.message_id) if row.message_id else None
    holders = dossier.ground != standing.CARE
    return DocumentView(
        row.id,
        facts.title,
        facts.document_label or fr,
        facts.category,
        fr,
        en,
        facts.author,
        facts.organisation,
        facts.created,
        reading.iso(row.filed_at),
        facts.name,
        facts.type,
        facts.size,
        row.message_id if holders else "",
        source.conversation_id if source and holders else "",
        versions.changed(tx, dossier.keys, row.state, row.replaced_by, row.changed_at, own=holders)
        if row.state != "current"
        else None,
        row.version or facts.version,
        row.source,
        facts.document_type,
        tuple(sorted(item.marks)),
        bool(row.author_id) and row.author_id == dossier.actor.account_id,
        item.verdict.warning,
    )


async def open_document(
    app: App, dossier: DossierHandle, document_id: str, *, whole: bool = False
) -> tuple[FileFacts, bytes]:
    """A document and its bytes; who opened it, on which ground, is in the audit. `whole`: as its producer made it, not
    the copy for reading that it carries. Raises `Refused`.
    """
    item = await app.db.write(opening, dossier, document_id)
    original = item.row.original_blob if whole else ""
    blob = await app.db.read(blobs.find, dossier.space_id, original or item.row.blob_id)
    if blob is None:
        raise Refused
    facts = msgspec.structs.replace(item.facts, type="application/xml", size=blob.size) if original else item.facts
    return facts, await app.blobs.get(dossier.keys, blob)


def opening(tx: Tx, dossier: DossierHandle, document_id: str) -> Seen:
    """Inside the opening of a document: decided on, and written down. Raises `Refused`."""
    item = one_seen(tx, dossier, document_id)
    ground = item.verdict.ground
    audit.record_once(
        tx,
        Act.DOCUMENT_READ,
        dossier.actor,
        dossier.space_id,
        ground.kind if ground else dossier.ground,
        document_id,
        why=ground.id if ground else "",
    )
    audit.owe_notice(tx, dossier)
    return item
