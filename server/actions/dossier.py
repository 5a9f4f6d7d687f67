"""The dossier: documents filed by the patient from what they received.

A document is filed once: by its producer's uniqueId, which stays the same whether it came by mail or otherwise
(CI-SIS), and its content, so that nobody's document stands in the way of another's by claiming its number. What the
CDA says of it (type, author, date) was read by the door and stands in the file's facts.

What its author replaced or withdrew is not filed anew; what was filed before stays, marked. What its author marked
restricted (R, V) stays in the message: it should not be in a record that is shared (CI-SIS, volet de transmission).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from server import attachments, reading, versions
from server.actions.ask import Ask, Done
from server.drafts import FileFacts
from server.errors import Conflict, Invalid, NotAllowed, Refused
from server.versions import RESTRICTED
from server.views import ChangeView
from storage import blobs, documents, enclosed, messages
from storage.blobs import Blob
from storage.database import Tx
from storage.documents import Document
from storage.ids import new_id

if TYPE_CHECKING:
    from server.app import App
    from server.handles import DossierHandle
    from server.posting import Doing

CATEGORIES: dict[str, tuple[str, str]] = {
    "summaries": ("Synthèses", "Summaries"),
    "prescriptions": ("Ordonnances et soins", "Prescriptions and care"),
    "reports": ("Comptes rendus", "Reports"),
    "imaging": ("Imagerie", "Imaging"),
    "biology": ("Biologie", "Laboratory"),
    "prevention": ("Prévention et dépistage", "Prevention and screening"),
    "certificates": ("Certificats", "Certificates"),
    "administrative": ("Pièces administratives", "Administrative papers"),
    "reimbursements": ("Remboursements", "Reimbursements"),
    "wishes": ("Volontés et directives", "Wishes and directives"),
    "other": ("Autres documents", "Other documents"),
}


class DocumentView(msgspec.Struct, frozen=True):
    """A document of the dossier. `created`: the date of the act, ISO 8601, as its producer says; '' when unknown."""

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


async def prepare_file(ask: Ask) -> Done:
    """Values: `{"attachment": id}`. Raises `Conflict` when the document is there already."""
    wanted = ask.values.get("attachment")
    found = next(((a, f) for a, f in ask.opened.files if a.id == wanted), None)
    if found is None:
        raise Refused
    attachment, facts = found
    if facts.damaged:
        raise NotAllowed("damaged_document", f"Ce document ne peut pas être rangé : {facts.damaged}")
    if not RESTRICTED.isdisjoint(facts.confidentiality):
        raise NotAllowed("restricted_document", "Son auteur a marqué ce document confidentiel : il reste ici.")
    if not facts.size:
        raise Invalid("empty_document", "Ce fichier est vide.")
    keys = ask.conversation.keys
    _, data = await attachments.opened_unchecked(ask.app, keys, attachment)
    identity = f"{facts.unique_id}|{hashlib.sha256(data).hexdigest()}"
    own = await ask.app.blobs.put(keys, data) if attachment.part else None
    author = ask.opened.body.author
    document = msgspec.structs.replace(
        facts,
        title=facts.title or facts.name,
        category=facts.category or "other",
        author=facts.author or author.name,
        organisation=facts.organisation or author.organisation,
        created=facts.created or reading.iso(ask.opened.message.at),
    )

    def effect(doing: Doing) -> None:
        _refuse_obsolete(doing, attachment.id)
        keep(doing, document, doing.app.vault.lookup("document", f"{keys.space_id}|{identity}"), own, attachment)

    return Done(f"« {document.title} » est rangé dans votre dossier.", effect, private=True)


def _refuse_obsolete(doing: Doing, attachment_id: str) -> None:
    """In the transaction: its author may have replaced it since it was shown. Raises `NotAllowed`."""
    row = enclosed.find(doing.tx, doing.to.space_id, attachment_id)
    if row is not None and row.state == "replaced":
        raise NotAllowed("replaced_document", "Ce document a été remplacé par son auteur : rangez la nouvelle version.")
    if row is not None and row.state == "deleted":
        raise NotAllowed("deleted_document", "Ce document a été retiré par son auteur : il reste ici, sans être rangé.")


def keep(
    doing: Doing, facts: FileFacts, unique_hash: str, own: Blob | None, attachment: messages.Attachment | None
) -> None:
    """File a document inside the transaction; `own`: a blob that is not stored yet. Raises `Conflict`."""
    if own is not None:
        blobs.insert(doing.tx, own)
    document_id = new_id()
    blob_id = own.id if own is not None else attachment.blob_id if attachment is not None else ""
    message_id = attachment.message_id if attachment is not None else doing.message_id
    document = Document(
        document_id,
        message_id,
        attachment.id if attachment else "",
        blob_id,
        facts.category,
        b"",
        doing.actor.account_id,
        doing.at,
    )
    keys = doing.to.keys
    if not documents.file(
        doing.tx, keys.space_id, document, unique_hash, keys.seal("document", document_id, msgspec.json.encode(facts))
    ):
        raise Conflict("already_filed", "Ce document est déjà dans votre dossier.")


async def list_documents(app: App, dossier: DossierHandle) -> list[DocumentView]:
    """The documents of a dossier, the newest filed first."""
    return await app.db.read(_list, dossier)


def _list(tx: Tx, dossier: DossierHandle) -> list[DocumentView]:
    found = []
    for item in documents.documents(tx, dossier.space_id):
        facts = msgspec.json.decode(dossier.keys.open("document", item.id, item.facts), type=FileFacts)
        fr, en = CATEGORIES.get(facts.category, CATEGORIES["other"])
        source = messages.find(tx, dossier.space_id, item.message_id)
        obsolete = item.state != "current"
        found.append(
            DocumentView(
                item.id,
                facts.title,
                facts.document_label or fr,
                facts.category,
                fr,
                en,
                facts.author,
                facts.organisation,
                facts.created,
                reading.iso(item.filed_at),
                facts.name,
                facts.type,
                facts.size,
                item.message_id,
                source.conversation_id if source else "",
                versions.changed(tx, dossier.keys, item.state, item.replaced_by, None, own=True) if obsolete else None,
            )
        )
    return found


async def open_document(app: App, dossier: DossierHandle, document_id: str) -> tuple[FileFacts, bytes]:
    """A document and its bytes. Raises `Refused`."""
    item = await app.db.read(documents.document, dossier.space_id, document_id)
    if item is None:
        raise Refused
    facts = msgspec.json.decode(dossier.keys.open("document", item.id, item.facts), type=FileFacts)
    blob = await app.db.read(blobs.find, dossier.space_id, item.blob_id)
    if blob is None:
        raise Refused
    return facts, await app.blobs.get(dossier.keys, blob)
