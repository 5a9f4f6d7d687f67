"""The header of a CDA R2 document: what it is, of whom, by whom, when, and which version.

Promises: XML by `xml` (no DOCTYPE, no network, bounded); the ClinicalDocument is found by name, so a self-presenting
file whose root is a stylesheet is read and its stylesheet never run; a value with a nullFlavor is absent, never
invented; a file within a document is of the type its octets say. Raises `Malformed` only. Does not render the
narrative, does not compare the patient with a mailbox. CI-SIS, volet Structuration minimale; checked on the example
documents of the ANS.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from typing import Literal

from server.formats import document_types, hl7
from server.formats.document_types import category
from server.formats.malformed import Malformed
from server.formats.sniff import sniff
from server.formats.words import clean, decode_base64
from server.formats.xml import Element, parse, text_of

__all__ = [
    "CdaAuthor", "CdaHeader", "CdaPatient", "Malformed", "category", "find", "header", "media", "n1_body", "of",
    "pdf_copy", "person_name", "read_header",
]  # fmt: skip

_V3 = "{urn:hl7-org:v3}"
_ROOT = f"{_V3}ClinicalDocument"
_PROFESSIONAL = "1.2.250.1.71.4.2.1"
_STRUCTURE = "1.2.250.1.71.4.2.2"
_COPY_SECTION = "55108-5"  # « Copie du document »
MAX_TITLE = 500
MAX_IDS = 20  # of a patient; the examples have three at most
MAX_MEDIA = 100
HEAD = 8192  # characters of base64 by which the type of a file is told
_TITLES = {"DR": "Dr", "PR": "Pr", "M": "M.", "MME": "Mme", "MLLE": "Mlle"}


@dataclass(frozen=True, slots=True)
class CdaPatient:
    """The identity traits as the document has them (INS reference base): birth name, first birth given name, all of
    them.

    `sex` is M, F or U; `birth_place` an INSEE commune code; `used_name` and `used_given` "" when not given. `ids`: all
    (value, OID) under an OID of the INS, in whatever place, of which `ins` is the first national one.
    """

    ins: str
    oid: str
    birth_name: str
    given: str
    given_names: str
    used_name: str
    used_given: str
    birth_date: date | None
    sex: str
    birth_place: str
    ids: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class CdaAuthor:
    """A person or a device. `identifier` is the national one when there is one (8 + RPPS); `organisation_id` too
    (1 + FINESS).
    """

    name: str
    role: str
    organisation: str
    identifier: str
    organisation_id: str = ""
    device: bool = False


@dataclass(frozen=True, slots=True)
class CdaHeader:
    """`id`, `set_id` and `replaces` are `root` or `root^extension`. `class_code` is computed from the type.

    `body` N1: one file, of the sniffed type `media`; N3: sections, `media` "".
    """

    id: str
    set_id: str
    version: int
    replaces: str
    type_code: str
    type_label: str
    class_code: str
    category: str
    title: str
    effective: datetime | None
    confidentiality: tuple[str, ...]
    language: str
    patient: CdaPatient
    authors: tuple[CdaAuthor, ...]
    custodian: str
    body: Literal["N1", "N3"]
    media: str
    custodian_id: str = ""


def read_header(data: bytes) -> CdaHeader:
    """The header. Raises Malformed: "xml…", "cda" (no ClinicalDocument, no id, no code, no patient)."""
    return header(find(data))


def find(data: bytes) -> Element:
    """The ClinicalDocument in a file, of which it is the root or, self-presenting, a part. Raises `Malformed`."""
    return of(parse(data))


def of(root: Element) -> Element:
    """The ClinicalDocument under a root. Raises `Malformed`."""
    document = root if root.tag == _ROOT else next(root.iter(_ROOT), None)
    if document is None:
        raise Malformed("cda", "Ce fichier XML n’est pas un document CDA.")
    return document


def header(document: Element) -> CdaHeader:
    """As `read_header`, of a document that was found."""
    identifier = _identifier(document.find(f"{_V3}id"))
    code = document.find(f"{_V3}code")
    type_code = code.get("code", "").strip() if code is not None else ""
    role = document.find(f"{_V3}recordTarget/{_V3}patientRole")
    if not identifier or not type_code or role is None:
        raise Malformed("cda", "Le document n’a pas d’identifiant, de type ou de patient.")
    version = _attribute(document, "versionNumber", "value")
    parent = document.find(f"{_V3}relatedDocument[@typeCode='RPLC']/{_V3}parentDocument/{_V3}id")
    custodian = document.find(f"{_V3}custodian/{_V3}assignedCustodian/{_V3}representedCustodianOrganization")
    text = _body(document)
    return CdaHeader(
        id=identifier,
        set_id=_identifier(document.find(f"{_V3}setId")),
        version=int(version) if version.isascii() and version.isdigit() and len(version) < 10 else 1,
        replaces=_identifier(parent),
        type_code=clean(type_code)[:60],
        type_label=document_types.type_label(type_code) or _label(code),
        class_code=document_types.class_code(type_code),
        category=category(type_code),
        title=clean(text_of(document.find(f"{_V3}title")))[:MAX_TITLE],
        effective=hl7.instant(_attribute(document, "effectiveTime", "value")),
        confidentiality=_confidentiality(document),
        language=clean(_attribute(document, "languageCode", "code"))[:20],
        patient=_patient(role),
        authors=tuple(_author(found) for found in document.iterfind(f"{_V3}author/{_V3}assignedAuthor"))[:50],
        custodian=person_name(custodian.find(f"{_V3}name")) if custodian is not None else "",
        body="N3" if text is None else "N1",
        media="" if text is None else sniff(_content(text, HEAD)),
        custodian_id=_national(custodian, _STRUCTURE),
    )


def n1_body(document: Element) -> tuple[str, bytes] | None:
    """The one file a level-1 document is: (sniffed media type, bytes). None for a structured one."""
    text = _body(document)
    if text is None:
        return None
    content = _content(text)
    return sniff(content), content


def pdf_copy(document: Element) -> bytes | None:
    """The PDF a structured document carries of itself (section 55108-5), which is what a patient is shown first; or
    None.
    """
    # From each file up to its section: from each section down, nested sections would be walked through again and again.
    for value in islice(document.iterfind(f".//{_V3}observationMedia/{_V3}value"), MAX_MEDIA):
        section = next(value.iterancestors(f"{_V3}section"), None)
        if section is None or _attribute(section, "code", "code") != _COPY_SECTION:
            continue
        if sniff(_content(value, HEAD)) == "application/pdf":
            return _content(value)
    return None


def media(document: Element) -> list[tuple[str, bytes]]:
    """Every file a structured document embeds, in order: (sniffed media type, bytes). 6 of the 18 JPEG of the official
    examples are PNG.
    """
    values = document.iterfind(f".//{_V3}observationMedia/{_V3}value")
    contents = [_content(value) for value in islice(values, MAX_MEDIA) if value.get("representation") == "B64"]
    return [(sniff(content), content) for content in contents]


def _body(document: Element) -> Element | None:
    return document.find(f"{_V3}component/{_V3}nonXMLBody/{_V3}text")


def _content(text: Element, most: int | None = None) -> bytes:
    """What is embedded in an element; of base64, what its first `most` characters say."""
    if text.get("representation") == "B64":
        return decode_base64((text.text or "")[:most].encode("ascii", "replace"))
    return "".join(str(piece) for piece in text.itertext()).encode("utf-8")


# ---- people ----------------------------------------------------------------------------------------------------------


def _patient(role: Element) -> CdaPatient:
    ids = _ins_ids(role)
    ins, oid = ids[0] if ids else ("", "")
    patient = role.find(f"{_V3}patient")
    if patient is None:
        return CdaPatient(ins, oid, "", "", "", "", "", None, "", "", ids)
    name = patient.find(f"{_V3}name")
    family = _qualified(name, "family")
    given = _qualified(name, "given")
    birth_name = family.get("BR") or family.get("", "")
    first = given.get("BR") or next(iter(given.get("", "").split()), "")
    return CdaPatient(
        ins=ins,
        oid=oid,
        birth_name=birth_name,
        given=first,
        given_names=given.get("") or first,
        used_name=family.get("CL") or family.get("SP", ""),
        used_given=given.get("CL", ""),
        birth_date=hl7.day(_attribute(patient, "birthTime", "value")),
        sex=_attribute(patient, "administrativeGenderCode", "code")[:2].upper(),
        birth_place=clean(text_of(patient.find(f"{_V3}birthplace/{_V3}place/{_V3}addr/{_V3}county")))[:20],
        ids=ids,
    )


def _ins_ids(role: Element) -> tuple[tuple[str, str], ...]:
    """The INS among one to three identifiers in any order: under a national OID first, under a test one after."""
    known = [(found.get("root", ""), found.get("extension", "").strip()) for found in role.iterfind(f"{_V3}id")]
    national = (*hl7.INS_OIDS, *hl7.TEST_INS_OIDS)
    found = [(clean(value).upper()[:30], root) for root, value in known[:MAX_IDS] if value and root in national]
    return tuple(sorted(found, key=lambda one: national.index(one[1])))


def _qualified(name: Element | None, part: str) -> dict[str, str]:
    """family or given by qualifier, "" for the one without: BR birth, CL used, SP the older used name. In any order."""
    found: dict[str, str] = {}
    if name is not None:
        for element in name.iterfind(f"{_V3}{part}"):
            if element.get("nullFlavor") is None:
                found.setdefault(element.get("qualifier", ""), clean(text_of(element))[:200])
    return found


def _author(author: Element) -> CdaAuthor:
    identifiers = author.findall(f"{_V3}id")
    national = [found for found in identifiers if found.get("root") == _PROFESSIONAL]
    person = author.find(f"{_V3}assignedPerson/{_V3}name")
    device = author.find(f"{_V3}assignedAuthoringDevice")
    if person is not None:
        name = person_name(person)
    elif device is not None:
        name = person_name(device.find(f"{_V3}softwareName")) or person_name(device.find(f"{_V3}manufacturerModelName"))
    else:
        name = ""
    return CdaAuthor(
        name=name,
        role=_label(author.find(f"{_V3}code")),
        organisation=person_name(author.find(f"{_V3}representedOrganization/{_V3}name")),
        identifier=_identifier(next(iter(national or identifiers), None), extension_only=bool(national)),
        organisation_id=_national(author.find(f"{_V3}representedOrganization"), _STRUCTURE),
        device=person is None,
    )


def _national(holder: Element | None, root: str) -> str:
    """The identifier of somebody under a national OID; "" when there is none."""
    for found in holder.iterfind(f"{_V3}id") if holder is not None else ():
        if found.get("root") == root:
            return _identifier(found, extension_only=True)
    return ""


def person_name(name: Element | None) -> str:
    """A name as a person says it, whatever order its pieces are written in: « Dr Pierre LEGRIS », « M. Bernard
    VACQUIER ».

    In the French header the title (DR) stands in the suffix and the civility (M) in the prefix; the title wins.
    """
    if name is None or name.get("nullFlavor") is not None:
        return ""
    pieces = {
        part: " ".join(
            text_of(found) for found in name.iterfind(f"{_V3}{part}") if found.get("nullFlavor") is None
        ).strip()
        for part in ("prefix", "given", "family", "suffix")
    }
    if not pieces["family"]:
        return clean(text_of(name))[:200]
    title = _TITLES.get(pieces["suffix"].upper()) or _TITLES.get(pieces["prefix"].upper(), pieces["prefix"])
    return clean(" ".join(piece for piece in (title, pieces["given"], pieces["family"]) if piece))[:200]


# ---- values ----------------------------------------------------------------------------------------------------------


def _attribute(element: Element, child: str, attribute: str) -> str:
    found = element.find(f"{_V3}{child}")
    return found.get(attribute, "").strip() if found is not None else ""


def _label(code: Element | None) -> str:
    if code is None:
        return ""
    return clean(code.get("displayName", "") or text_of(code.find(f"{_V3}originalText"))).strip()[:200]


def _identifier(element: Element | None, extension_only: bool = False) -> str:
    """An II as XDS writes it: `root`, or `root^extension`. The root is an OID or a bare UUID."""
    if element is None or element.get("nullFlavor") is not None:
        return ""
    root, extension = clean(element.get("root", "")).strip(), clean(element.get("extension", "")).strip()
    if extension_only:
        return extension[:255]
    return (f"{root}^{extension}" if extension else root)[:255]


def _confidentiality(document: Element) -> tuple[str, ...]:
    """N, R or V, then MASQUE_PS, INVISIBLE_PATIENT, INVISIBLE_REPRESENTANTS_LEGAUX, as the CI-SIS spells them."""
    codes = [clean(found.get("code", "")).strip()[:60] for found in document.iterfind(f"{_V3}confidentialityCode")]
    return tuple(document_types.confidentiality(code) for code in codes if code)
