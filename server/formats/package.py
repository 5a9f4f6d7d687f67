"""What a person gets from an archive or a document that a letter brought: papers to open, and whom they are about.

    IHE_XDM.ZIP → xdm (size and hash verified) ┐
    a CDA by itself                            ┴→ cda: header, body, embedded files → papers, claims of identity, marks

Promises: pure, so that it runs where nothing can be harmed (`parser_process`); a package that cannot be read is one
that says why, and what could still be read of whom it is about comes with it, so that somebody else's damaged
document is not handed out either. Raises nothing but what the interpreter does. Does not compare anybody with a
mailbox (`identity`), nor follow versions (`lineage`).
"""

from __future__ import annotations

import binascii
import hashlib
from typing import Final, Literal

import msgspec

from server.formats import archive, cda, cda_entries, hl7, xdm
from server.formats.document_types import category, type_label
from server.formats.findings import Finding
from server.formats.malformed import Malformed
from server.formats.sniff import sniff
from server.formats.words import decode_base64
from server.formats.xml import Element, parse

MAX_IMAGES: Final = 10  # of one document
_EXTENSIONS: Final = {"application/pdf": ".pdf", "image/jpeg": ".jpg", "image/png": ".png", "text/plain": ".txt"}


class Parcel(msgspec.Struct, frozen=True):
    """Octets of a part of a mail, still in its transfer encoding: an archive, or an XML file that may be a CDA. `deep`:
    its findings are wanted too.
    """

    kind: Literal["archive", "document"]
    encoding: str
    body: bytes
    deep: bool = False


class Claim(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whom a document says it is about. `ids`: (INS, OID). `given`: every given name, the first birth one first.
    `birth_date` ISO 8601, "" when unknown; `sex` M, F or something else.
    """

    ids: tuple[tuple[str, str], ...] = ()
    birth_name: str = ""
    given: tuple[str, ...] = ()
    birth_date: str = ""
    sex: str = ""


class Lineage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which version of what a document is, and who answers for it. Identifiers as `root^extension`. `digest`: SHA-256
    of the file as it was sent. `action`: original, correct or delete, as METADATA.XML says.
    """

    unique_id: str
    digest: str
    set_id: str = ""
    version: int = 1
    replaces: str = ""
    author_id: str = ""
    organisation_id: str = ""
    action: str = "original"


class Paper(msgspec.Struct, frozen=True, omit_defaults=True):
    """A document as a person opens it: the PDF a CDA carries, when it carries one; else the file itself. `class_code`
    is computed from the type, `received_class` is what the sender wrote. `marks`: its confidentiality codes. `images`:
    (media type, octets) of those a reader of the file would miss. Of a deep parcel besides: `findings`, and `original`,
    the CDA when `content` is not it.
    """

    name: str
    type: str
    content: bytes
    lineage: Lineage
    claim: Claim
    title: str = ""
    type_code: str = ""
    label: str = ""
    class_code: str = ""
    received_class: str = ""
    category: str = ""
    author: str = ""
    organisation: str = ""
    created: str = ""
    language: str = ""
    marks: tuple[str, ...] = ()
    inner: str = ""
    images: tuple[tuple[str, bytes], ...] = ()
    findings: tuple[Finding, ...] = ()
    original: bytes = b""


class Package(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything of one parcel. `patients`: (INS, OID) that METADATA.XML names; `claims`: of all its documents.
    `damaged`: why nothing of it can be given, for a person; "" when all is well. `foreign`: it is no health document at
    all, and says nothing of anybody.
    """

    papers: tuple[Paper, ...] = ()
    patients: tuple[tuple[str, str], ...] = ()
    claims: tuple[Claim, ...] = ()
    marks: tuple[str, ...] = ()
    damaged: str = ""
    foreign: bool = False


def unpack(parcel: Parcel) -> Package:
    """What a parcel holds. Raises nothing of its own."""
    data = _decoded(parcel)
    return _archive(data, parcel.deep) if parcel.kind == "archive" else _alone(data, parcel.deep)


def _decoded(parcel: Parcel) -> bytes:
    if parcel.encoding == "base64":
        return decode_base64(parcel.body)
    return binascii.a2b_qp(parcel.body) if parcel.encoding == "quoted-printable" else parcel.body


def _archive(data: bytes, deep: bool) -> Package:
    try:
        package = xdm.open_xdm(data)
        papers = tuple(_paper(item, deep) for item in package.documents)
    except Malformed as error:
        patients, claims, marks = _glimpsed(data)
        return Package(patients=patients, claims=claims, marks=marks, damaged=error.detail)
    return Package(
        papers,
        tuple((patient.ins, patient.oid) for patient in package.patients),
        tuple(paper.claim for paper in papers),
        tuple(dict.fromkeys(mark for paper in papers for mark in paper.marks)),
    )


def _alone(data: bytes, deep: bool) -> Package:
    """A CDA that was attached by itself, as some software does."""
    try:
        document = cda.find(data)
    except Malformed as error:
        return Package(damaged=error.detail) if error.code == "xml_doctype" else Package(foreign=True)
    try:
        paper = _laid_out(document, data, cda.header(document), None, deep)
    except Malformed as error:
        return Package(damaged=error.detail)
    return Package((paper,), (), (paper.claim,), paper.marks)


# ---- one document ----------------------------------------------------------------------------------------------------


def _paper(item: xdm.XdmDocument, deep: bool) -> Paper:
    """Raises `Malformed` for what is said to be a CDA, or looks like one, and cannot be read."""
    if "xml" in item.mime_type or not item.mime_type or b"ClinicalDocument" in item.content:
        document = cda.find(item.content)
        return _laid_out(document, item.content, cda.header(document), item, deep)
    family, given, birth, sex = hl7.source_patient(item.source)
    claim = Claim((), family, (given,) if given else (), birth.isoformat() if birth else "", sex)
    label = type_label(item.type_code)
    return Paper(
        name=item.path.rpartition("/")[2],
        type=sniff(item.content),
        content=item.content,
        lineage=_lineage(item.unique_id, item.content, item, None),
        claim=claim,
        title=item.title or label,
        type_code=item.type_code,
        label=label,
        class_code=item.class_code,
        received_class=item.received_class_code,
        category=category(item.type_code, item.class_code),
        author=item.author,
        organisation=item.organisation,
        created=item.created.isoformat() if item.created else "",
        language=item.language,
        marks=item.confidentiality,
        inner=item.path,
    )


def _laid_out(document: Element, data: bytes, header: cda.CdaHeader, item: xdm.XdmDocument | None, deep: bool) -> Paper:
    content, kind, images = _shown(document, data)
    label = header.type_label
    title = header.title or (item.title if item else "") or label
    name = item.path.rpartition("/")[2] if item else ""
    if content is not data:
        name = (title or name.rpartition(".")[0] or "document") + _EXTENSIONS.get(kind, "")
    created = header.effective or (item.created if item else None)
    people = [one for one in header.authors if not one.device] or list(header.authors)
    marks = (*header.confidentiality, *(item.confidentiality if item else ()))
    return Paper(
        name=name,
        type=kind,
        content=content,
        lineage=_lineage(header.id, data, item, header),
        claim=_claim(header.patient),
        title=title,
        type_code=header.type_code,
        label=label,
        class_code=header.class_code or (item.class_code if item else ""),
        received_class=item.received_class_code if item else "",
        category=category(header.type_code, item.class_code if item else ""),
        author=", ".join(one.name for one in people[:3] if one.name) or (item.author if item else ""),
        organisation=next((one.organisation for one in people if one.organisation), "")
        or header.custodian
        or (item.organisation if item else ""),
        created=created.isoformat() if created else "",
        language=header.language,
        marks=tuple(dict.fromkeys(marks)),
        inner=item.path if item else "",
        images=images,
        findings=cda_entries.findings(document) if deep else (),
        original=data if deep and content is not data else b"",
    )


def _shown(document: Element, data: bytes) -> tuple[bytes, str, tuple[tuple[str, bytes], ...]]:
    """(octets, media type, images): the one file of a level-1 document, the PDF copy of a structured one, else the
    document, whose images stand beside it.
    """
    inner = cda.n1_body(document)
    if inner is not None:
        return (inner[1], inner[0], ()) if inner[0] in _EXTENSIONS else (data, "application/xml", ())
    copy = cda.pdf_copy(document)
    if copy:
        return copy, "application/pdf", ()
    images = [found for found in cda.media(document) if found[0].startswith("image/")]
    return data, "application/xml", tuple(images[:MAX_IMAGES])


def _lineage(unique_id: str, data: bytes, item: xdm.XdmDocument | None, header: cda.CdaHeader | None) -> Lineage:
    digest, action = hashlib.sha256(data).hexdigest(), item.action if item else "original"
    if header is None:
        author, organisation = (item.author_id, item.organisation_id) if item else ("", "")
        return Lineage(unique_id, digest, author_id=author, organisation_id=organisation, action=action)
    first = next((one for one in header.authors if one.identifier), None)
    return Lineage(
        unique_id=unique_id,
        digest=digest,
        set_id=header.set_id,
        version=header.version,
        replaces=header.replaces,
        author_id=first.identifier if first else "",
        organisation_id=header.custodian_id or (first.organisation_id if first else ""),
        action=action,
    )


def _claim(patient: cda.CdaPatient) -> Claim:
    given = (patient.given, *patient.given_names.split(), patient.used_given)
    return Claim(
        ids=patient.ids,
        birth_name=patient.birth_name,
        given=tuple(dict.fromkeys(name for name in given if name)),
        birth_date=patient.birth_date.isoformat() if patient.birth_date else "",
        sex=patient.sex,
    )


# ---- of what is damaged ----------------------------------------------------------------------------------------------


def _glimpsed(data: bytes) -> tuple[tuple[tuple[str, str], ...], tuple[Claim, ...], tuple[str, ...]]:
    """(patients, claims, marks) of what can be read in an archive that is not what it says."""
    try:
        found = [entry for entry in archive.entries(data) if entry.name.casefold().endswith(".xml")]
    except Malformed:
        return (), (), ()
    patients: list[tuple[str, str]] = []
    claims: list[Claim] = []
    marks: list[str] = []
    for entry in found:
        try:
            root = parse(archive.read(data, entry))
            patients += [(patient.ins, patient.oid) for patient in xdm.patients_of(root)]
            marks += xdm.marks_of(root)
            header = cda.header(cda.of(root))
        except Malformed:
            continue
        claims.append(_claim(header.patient))
        marks += header.confidentiality
    return tuple(dict.fromkeys(patients)), tuple(claims), tuple(dict.fromkeys(marks))
