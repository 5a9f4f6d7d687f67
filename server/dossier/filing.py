"""How a document comes into the dossier: read apart, its findings with it, once, in one transaction.

    a file of a message, of the API, of the patient  →  Filing  →  file(): document, findings, marks

A document is filed once: by its producer's uniqueId, which stays the same whether it came by mail or otherwise
(CI-SIS), and its content, so that nobody's document stands in the way of another's by claiming its number.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from server import attachments
from server.dossier import choices
from server.dossier.habilitation import HIDDEN, MARKS, RESTRICTED
from server.drafts import FileFacts
from server.errors import Conflict, NotAllowed
from server.formats.findings import Finding
from server.formats.package import Package, Paper, Parcel
from server.formats.parser_process import PARSERS
from storage import blobs, documents, findings, messages, visibilities
from storage.blobs import Blob
from storage.database import Tx
from storage.documents import Document
from storage.ids import new_id
from storage.messages import Attachment
from storage.vault import SpaceKeys, Vault

if TYPE_CHECKING:
    from server.app import App

XML: Final = frozenset({"application/xml", "text/xml", "application/hl7-sda+xml"})
ZIP: Final = "application/zip"


@dataclass(frozen=True, slots=True)
class Filing:
    """A document made ready outside the lock. `blob_id`: where its octets are; `own`, `original`: blobs that are not
    stored yet (of the octets; of the CDA that they were taken from). `digest`: SHA-256 of the octets. `author_id`: the
    account that answers for it. `apart`: the account for whom it is a document of its own, though the same is here from
    somebody else: they may not see that one, and are not told of it.
    """

    facts: FileFacts
    blob_id: str
    digest: str
    findings: tuple[Finding, ...] = ()
    own: Blob | None = None
    original: Blob | None = None
    attachment_id: str = ""
    message_id: str = ""
    set_id: str = ""
    author_id: str = ""
    organisation_id: str = ""
    source: str = "letter"
    apart: str = ""


async def of_attachment(app: App, keys: SpaceKeys, attachment: Attachment, facts: FileFacts) -> Filing:
    """A file of a message of this space; `facts` as they shall stand in the dossier."""
    _, data = await attachments.opened_unchecked(app, keys, attachment)
    paper = await paper_of(app, keys, attachment, facts, data)
    own = await app.blobs.put(keys, data) if attachment.part else None
    original = await app.blobs.put(keys, paper.original) if paper and paper.original else None
    message = await app.db.read(messages.find, keys.space_id, attachment.message_id)
    return Filing(
        fingerprinted(facts, paper.original if paper and paper.original else data),
        own.id if own else attachment.blob_id,
        hashlib.sha256(data).hexdigest(),
        paper.findings if paper else (),
        own,
        original,
        attachment.id,
        attachment.message_id,
        paper.lineage.set_id if paper else "",
        message.author_id if message else "",
    )


async def of_octets(
    app: App,
    keys: SpaceKeys,
    facts: FileFacts,
    data: bytes,
    *,
    source: str,
    author_id: str = "",
    organisation_id: str = "",
) -> Filing:
    """Octets that came otherwise than by a message."""
    kind = facts.type.partition(";")[0].strip().lower()
    paper = next(iter((await unpacked("document", data)).papers), None) if kind in XML else None
    own = await app.blobs.put(keys, data)
    return Filing(
        fingerprinted(facts, data),
        own.id,
        hashlib.sha256(data).hexdigest(),
        paper.findings if paper else (),
        own,
        set_id=paper.lineage.set_id if paper else "",
        author_id=author_id,
        organisation_id=organisation_id,
        source=source,
    )


def fingerprinted(facts: FileFacts, data: bytes) -> FileFacts:
    """With the size and SHA-1 of the document as its producer made it: what XDS and FHIR say of it."""
    said = {"size": str(len(data)), "sha1": hashlib.sha1(data, usedforsecurity=False).hexdigest()}
    return msgspec.structs.replace(facts, extra={**facts.extra, **said})


async def unpacked(kind: str, data: bytes) -> Package:
    """What an archive or a document holds, with its findings: read in a process apart."""
    parcel = Parcel("archive" if kind == "archive" else "document", "", data, deep=True)
    return await asyncio.to_thread(PARSERS.unpack, parcel)


async def paper_of(app: App, keys: SpaceKeys, attachment: Attachment, facts: FileFacts, data: bytes) -> Paper | None:
    """The health document that this file is, or was taken from; None for any other file."""
    if not facts.unique_id:
        return None
    if facts.type.partition(";")[0].strip().lower() in XML:
        return next(iter((await unpacked("document", data)).papers), None)
    for beside in await app.db.read(messages.attachments, keys.space_id, attachment.message_id):
        if not beside.part:
            continue
        other, archive = await attachments.opened_unchecked(app, keys, beside)
        if other.type != ZIP:
            continue
        for paper in (await unpacked("archive", archive)).papers:
            if paper.lineage.unique_id == facts.unique_id:
                return paper
    return None


def facts_of(paper: Paper, name: str = "", size: int = 0) -> FileFacts:
    """What is known of a health document. `name`, `size`: of the file it is, when it is one."""
    return FileFacts(
        name=name or paper.name.replace("/", "-")[:200],
        type="application/xml" if name else paper.type,
        size=size or len(paper.content),
        title=paper.title[:300],
        document_type=paper.type_code,
        document_label=paper.label,
        category=paper.category,
        author=paper.author,
        organisation=paper.organisation,
        created=paper.created,
        unique_id=paper.lineage.unique_id,
        inner=paper.inner,
        class_code=paper.class_code,
        received_class=paper.received_class,
        confidentiality=paper.marks,
        version=paper.lineage.version if paper.lineage.set_id else 0,
    )


def file(tx: Tx, vault: Vault, keys: SpaceKeys, filing: Filing, by: str, at: int) -> str:
    """File it inside a transaction; returns the document's id. `by`: the account that files. Raises `Conflict`
    (`already_filed`).
    """
    space_id, facts = keys.space_id, filing.facts
    if {"MASQUE_PS", "INVISIBLE_PATIENT"}.issubset(facts.confidentiality):  # DMP EX_2.1-1050
        raise NotAllowed("hidden_and_untold", "Un document ne peut pas être masqué à la fois à tous.")
    for blob in (filing.own, filing.original):
        if blob is not None:
            blobs.insert(tx, blob)
    document_id = new_id()
    document = Document(
        document_id,
        filing.message_id,
        filing.attachment_id,
        filing.blob_id,
        facts.category,
        b"",
        by,
        at,
        id_hash=hashed(vault, space_id, "document-id", facts.unique_id),
        content_hash=hashed(vault, space_id, "document-content", filing.digest),
        set_hash=hashed(vault, space_id, "document-set", filing.set_id),
        version=facts.version,
        author_id=filing.author_id,
        organisation_id=filing.organisation_id,
        source=filing.source,
        original_blob=filing.original.id if filing.original else "",
    )
    unique = hashed(
        vault, space_id, "document", f"{facts.unique_id}|{filing.digest}{filing.apart and '|'}{filing.apart}"
    )
    if not documents.file(
        tx, space_id, document, unique, keys.seal("document", document_id, msgspec.json.encode(facts))
    ):
        raise Conflict("already_filed", "Ce document est déjà dans votre dossier.")
    for code in facts.confidentiality:
        if MARKS.get(code, RESTRICTED) != RESTRICTED:
            visibilities.record(tx, space_id, document_id, MARKS[code], on=True, by=filing.author_id or by, at=at)
    if choices.chosen(tx, space_id)["hidden_by_default"]:
        visibilities.record(tx, space_id, document_id, HIDDEN, on=True, by="hidden_by_default", at=at)
    ids = sorted(new_id() for _ in filing.findings)  # so that they are read again in the order of their document
    for found, finding_id in zip(filing.findings, ids, strict=True):
        add_finding(
            tx, keys, found, "document", by, at, document_id=document_id, message_id=filing.message_id,
            finding_id=finding_id,
        )  # fmt: skip
    return document_id


def add_finding(
    tx: Tx,
    keys: SpaceKeys,
    finding: Finding,
    source: str,
    by: str,
    at: int,
    *,
    document_id: str = "",
    message_id: str = "",
    corrects: str = "",
    finding_id: str = "",
) -> str:
    """Keep a finding; returns its id. `source`: document, patient, delegate, professional, service."""
    finding_id = finding_id or new_id()
    row = findings.Row(
        finding_id, finding.kind, document_id, message_id, "current", corrects, source, by, at, "", None, b""
    )
    findings.insert(tx, keys.space_id, row, keys.seal("finding", finding_id, msgspec.json.encode(finding)))
    return finding_id


def hashed(vault: Vault, space_id: str, purpose: str, value: str) -> str:
    """By space, so that two patients with the same document have nothing in common to be seen. "" of nothing."""
    return vault.lookup(purpose, f"{space_id}|{value}") if value else ""
