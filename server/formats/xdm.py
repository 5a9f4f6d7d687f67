"""IHE_XDM.ZIP: the documents a professional sent, with what the sender's software says of them.

Promises: the archive is opened by `archive`, METADATA.XML by `xml`; its values are found by nesting and scheme UUID,
never by ids or labels, which the examples of the ANS have wrong in 778 of 967 places; size and SHA-1 of every
document are verified, and a package that does not hold what it says is Malformed("xdm_damaged"): nothing of it is to
be filed (item 34). Does not read the documents (`cda` does) nor compare the patient with the mailbox: that is
`identity`'s (item 35). IHE ITI TF-1 §16 and TF-2 §3.32, CI-SIS, facts checked on 110 packages of the ANS.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from server.formats import archive, document_types, hl7
from server.formats.malformed import Malformed
from server.formats.words import clean
from server.formats.xml import Element, parse

__all__ = ["Action", "Malformed", "PatientId", "XdmDocument", "XdmPackage", "is_xdm", "open_xdm"]

Action = Literal["original", "correct", "delete"]

SUBJECT = "XDM/1.0/DDM"  # how the subject of a mail with documents begins (ECO.2.1.3)
MAX_METADATA = 5_000_000  # octets, of all METADATA.XML of one archive

# Schemes of IHE ITI TF-3 table 4.2.5.1. Submission set:
_SET_AUTHOR = "urn:uuid:a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d"
_SET_PATIENT = "urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446"
# Document:
_AUTHOR = "urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d"
_CLASS = "urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a"
_TYPE = "urn:uuid:f0306f51-975f-434e-a61c-c59651d33983"
_CONFIDENTIALITY = "urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f"
_FORMAT = "urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d"
_PATIENT = "urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427"
_UNIQUE = "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab"


@dataclass(frozen=True, slots=True)
class PatientId:
    """The patient's INS and the OID it is under."""

    ins: str
    oid: str


@dataclass(frozen=True, slots=True)
class XdmDocument:
    """One document, its size and hash verified. `path` is its place in the archive, `uri` as the metadata name it.

    `class_code` is computed from the type; `received_class_code` is what the sender wrote. `unique_id` is the CDA's
    id, the same when the document also comes by the dossier: the key to tell duplicates by. `source`: the lines of
    sourcePatientInfo (PID-5, PID-7, PID-8), the patient as the sender knows them.
    """

    uri: str
    path: str
    content: bytes
    mime_type: str
    title: str
    type_code: str
    class_code: str
    received_class_code: str
    format_code: str
    confidentiality: tuple[str, ...]
    unique_id: str
    created: datetime | None
    author: str
    organisation: str
    language: str
    action: Action
    author_id: str = ""
    organisation_id: str = ""
    source: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class XdmPackage:
    """What was sent together. `action`: "delete" or "correct" when any document says so (slot
    urn:action:extraMetadataSlot). `patients`: everybody whom the set and its documents name; one, in an honest package.
    """

    submission_time: datetime | None
    author: str
    organisation: str
    patients: tuple[PatientId, ...]
    documents: tuple[XdmDocument, ...]
    action: Action


def is_xdm(name: str, media_type: str = "") -> bool:
    """Whether an attachment of that name is to be opened as one: IHE_XDM.ZIP, in any case (ECO.2.1.1), also when a
    mail client numbered it, as in `IHE_XDM (1).zip`.
    """
    folded = name.casefold()
    return folded == "ihe_xdm.zip" or ("ihe_xdm" in folded and folded.endswith(".zip") and "zip" in media_type)


def open_xdm(data: bytes) -> XdmPackage:
    """The package. Raises Malformed: "zip", "zip_unsafe", "xml", "xml_doctype", "xdm_metadata", "xdm_damaged"."""
    entries = {entry.name.casefold(): entry for entry in archive.entries(data)}
    metadata = [entry for name, entry in entries.items() if _is_metadata(name)]
    if not metadata:
        raise Malformed("xdm_metadata", "L’archive ne contient pas de fichier METADATA.XML.")
    found: list[XdmDocument] = []
    patients: dict[PatientId, None] = {}
    moment: datetime | None = None
    author = organisation = ""
    if sum(entry.size for entry in metadata) > MAX_METADATA:
        raise Malformed("xdm_metadata", "Le fichier METADATA.XML est trop grand.")
    for entry in metadata:
        folder = entry.name.rpartition("/")[0]
        root = parse(archive.read(data, entry))
        package = root.find(".//{*}RegistryPackage")
        if package is not None:
            moment = hl7.instant(_slot(package, "submissionTime"), UTC) or moment
            author, organisation, *_ = _author(package, _SET_AUTHOR)
        patients |= dict.fromkeys(patients_of(root))
        for described in root.iterfind(".//{*}ExtrinsicObject"):
            # Taken out of the table: a file described a thousand times would be inflated a thousand times.
            document = _document(data, entries, folder, described)
            del entries[document.path.casefold()]
            found.append(document)
    if not found:
        raise Malformed("xdm_metadata", "Le fichier METADATA.XML ne décrit aucun document.")
    actions = {document.action for document in found}
    action: Action = "delete" if "delete" in actions else "correct" if "correct" in actions else "original"
    return XdmPackage(moment, author, organisation, tuple(patients), tuple(found), action)


def patients_of(root: Element) -> list[PatientId]:
    """Everybody whom METADATA.XML says it is about."""
    named = [_identifier(package, _SET_PATIENT) for package in root.iterfind(".//{*}RegistryPackage")]
    named += [_identifier(described, _PATIENT) for described in root.iterfind(".//{*}ExtrinsicObject")]
    found = [PatientId(*hl7.patient_id(value)) for value in named if value]
    return [patient for patient in found if patient.ins]


def marks_of(root: Element) -> list[str]:
    """The confidentiality codes of everything METADATA.XML describes."""
    described = root.iterfind(".//{*}ExtrinsicObject")
    return [document_types.confidentiality(code) for one in described for code in _codes(one, _CONFIDENTIALITY)]


def _is_metadata(name: str) -> bool:
    folders = name.split("/")
    return len(folders) == 3 and folders[0] == "ihe_xdm" and folders[2] == "metadata.xml"


def _document(data: bytes, entries: dict[str, archive.Entry], folder: str, described: Element) -> XdmDocument:
    uri = _slot(described, "URI")
    entry = entries.get(f"{folder}/{uri}".replace("\\", "/").casefold())
    size, sha1 = _slot(described, "size"), _slot(described, "hash")
    if not uri or entry is None or not size.isascii() or not size.isdigit() or not sha1:
        raise Malformed("xdm_damaged", "Un document annoncé manque dans l’archive, ou sans taille ni empreinte.")
    content = archive.read(data, entry) if len(size) < 12 and int(size) == entry.size else b""
    # SHA-1 is what XDS prescribes: it tells damage, not forgery; the sender is vouched for by the operator.
    if len(content) != entry.size or hashlib.sha1(content, usedforsecurity=False).hexdigest() != sha1.lower():
        raise Malformed(
            "xdm_damaged", "Un document de l’archive est abîmé : sa taille ou son empreinte n’est pas celle annoncée."
        )
    type_code = _code(described, _TYPE)
    received_class = _code(described, _CLASS)
    author, organisation, author_id, organisation_id = _author(described, _AUTHOR)
    return XdmDocument(
        uri=uri,
        path=entry.name,
        content=content,
        mime_type=described.get("mimeType", "").lower(),
        title=_title(described),
        type_code=type_code,
        class_code=document_types.class_code(type_code) or received_class,
        received_class_code=received_class,
        format_code=_code(described, _FORMAT),
        confidentiality=tuple(document_types.confidentiality(code) for code in _codes(described, _CONFIDENTIALITY)),
        unique_id=_identifier(described, _UNIQUE),
        created=hl7.instant(_slot(described, "creationTime"), UTC),
        author=author,
        organisation=organisation,
        language=_slot(described, "languageCode"),
        action=_action(_slot(described, "urn:action:extraMetadataSlot")),
        author_id=author_id,
        organisation_id=organisation_id,
        source=_slot_values(described, "sourcePatientInfo"),
    )


def _action(slot: str) -> Action:
    if slot == "D":
        return "delete"
    return "correct" if slot == "C" else "original"


# ---- ebRIM -----------------------------------------------------------------------------------------------------------


def _slot(element: Element, name: str) -> str:
    """The first value of a slot directly under the element; "" when there is none."""
    return next(iter(_slot_values(element, name)), "")


def _slot_values(element: Element, name: str) -> tuple[str, ...]:
    for slot in element.iterfind("{*}Slot"):
        if slot.get("name") == name:
            values = slot.findall("{*}ValueList/{*}Value")
            return tuple(clean(value.text or "").strip()[:1000] for value in values[:20])
    return ()


def _codes(element: Element, scheme: str) -> list[str]:
    classifications = element.iterfind("{*}Classification")
    return [
        clean(found.get("nodeRepresentation", "")).strip()
        for found in classifications
        if found.get("classificationScheme") == scheme
    ]


def _code(element: Element, scheme: str) -> str:
    codes = _codes(element, scheme)
    return codes[0] if codes else ""


def _author(element: Element, scheme: str) -> tuple[str, str, str, str]:
    """(name, organisation, identifier, the organisation's) of the first author."""
    for found in element.iterfind("{*}Classification"):
        if found.get("classificationScheme") == scheme:
            name, identifier = hl7.person(_slot(found, "authorPerson"))
            organisation, organisation_id = hl7.organisation(_slot(found, "authorInstitution"))
            return name, organisation, identifier, organisation_id
    return "", "", "", ""


def _identifier(element: Element, scheme: str) -> str:
    for found in element.iterfind("{*}ExternalIdentifier"):
        if found.get("identificationScheme") == scheme:
            return clean(found.get("value", "")).strip()
    return ""


def _title(element: Element) -> str:
    label = element.find("{*}Name/{*}LocalizedString")
    return clean(label.get("value", "")).strip()[:500] if label is not None else ""
