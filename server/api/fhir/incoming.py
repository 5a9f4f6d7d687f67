"""What a DocumentReference says of a document that is deposited (ITI-65, ITI-105): its facts, its marks, its patient.

Read strictly by type, leniently by what is there: an element that we do not know is passed over, but for a
modifierExtension, which must not be (FHIR R4 § 2.4.1.2). What a CDA says of itself counts before what is said of it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec

from server import attachments
from server.api import problems
from server.api.fhir import documents, terms
from server.api.fhir.asking import named_patient
from server.api.fhir.outcome import Unprocessed
from server.api.fhir.terms import Json
from server.drafts import FileFacts
from server.errors import Invalid, NotAllowed
from server.formats import document_types
from server.formats.sniff import sniff

MOST_CODINGS: Final = 20
_ENDINGS: Final = {
    "application/pdf": ".pdf", "image/jpeg": ".jpg", "image/png": ".png", "image/tiff": ".tif", "text/plain": ".txt",
    "application/rtf": ".rtf",
}  # fmt: skip
T = TypeVar("T")


class _Element(msgspec.Struct, frozen=True, rename="camel"):
    pass


class Coding(_Element, frozen=True, rename="camel"):
    system: str = ""
    code: str = ""
    display: str = ""


class Concept(_Element, frozen=True, rename="camel"):
    coding: list[Coding] = []
    text: str = ""


class Identifier(_Element, frozen=True, rename="camel"):
    system: str = ""
    value: str = ""


class Reference(_Element, frozen=True, rename="camel"):
    reference: str = ""
    type: str = ""
    identifier: Identifier | None = None
    display: str = ""


class Attachment(_Element, frozen=True, rename="camel"):
    content_type: str = ""
    language: str = ""
    data: str = ""
    url: str = ""
    size: int | None = None
    hash: str = ""
    title: str = ""
    creation: str = ""


class Content(_Element, frozen=True, rename="camel"):
    attachment: Attachment
    format: Coding | None = None


class Period(_Element, frozen=True, rename="camel"):
    start: str = ""
    end: str = ""


class Context(_Element, frozen=True, rename="camel"):
    event: list[Concept] = []
    period: Period = Period()
    facility_type: Concept | None = None
    practice_setting: Concept | None = None
    source_patient_info: Reference | None = None


class RelatesTo(_Element, frozen=True, rename="camel"):
    code: str
    target: Reference


class Contained(_Element, frozen=True, rename="camel"):
    resource_type: str
    id: str = ""
    identifier: list[Identifier] = []
    name: Any = None


class DocumentReference(_Element, frozen=True, rename="camel"):
    status: str
    content: list[Content]
    contained: list[Contained] = []
    master_identifier: Identifier | None = None
    type: Concept | None = None
    category: list[Concept] = []
    subject: Reference | None = None
    date: str = ""
    author: list[Reference] = []
    relates_to: list[RelatesTo] = []
    description: str = ""
    security_label: list[Concept] = []
    context: Context = Context()
    modifier_extension: list[Any] = []


@dataclass(frozen=True, slots=True)
class Publication:
    """A document as it is said to be. `space`, `ins`: of its patient, whichever was named; `replaces`: a reference, ""
    for a first version. `url`: where its octets are, when they are not `data`.
    """

    facts: FileFacts
    marks: frozenset[str]
    space: str
    ins: tuple[str, str]
    replaces: str
    attachment: Attachment


def converted(resource: Json, kind: type[T]) -> T:
    """Raises `Invalid`."""
    try:
        return msgspec.convert(resource, kind)
    except msgspec.ValidationError as error:
        raise problems.not_valid(error) from None


def publication(resource: Json) -> Publication:
    """Raises `Invalid`, `NotAllowed`."""
    if resource.get("resourceType") != "DocumentReference":
        raise Unprocessed("wrong_resource", "Une ressource DocumentReference est attendue.")
    said = converted(resource, DocumentReference)
    if said.modifier_extension:
        raise Invalid("modifier_extension", "Une extension qui change le sens (modifierExtension) n’est pas comprise.")
    if said.status != "current":
        raise Invalid("bad_status", "Un document se dépose avec le statut « current ».")
    if len(said.content) != 1:
        raise Invalid("one_content", "Un DocumentReference porte un seul document (content).")
    level, marks = _labels(said.security_label)
    space, ins = patient((said.subject, said.context.source_patient_info), said.contained)
    replaced = [one.target.reference for one in said.relates_to if one.code == "replaces"]
    if len(replaced) > 1 or len(replaced) != len(said.relates_to):
        raise Invalid("bad_relation", "Seul le remplacement d’un document (relatesTo « replaces ») est servi.")
    return Publication(
        _facts(said, level), marks, space, ins, replaced[0] if replaced else "", said.content[0].attachment
    )


def _labels(labels: list[Concept]) -> tuple[str, frozenset[str]]:
    try:
        level, marks = terms.marks_of([coding.code for label in labels for coding in label.coding])
    except ValueError:
        raise Invalid("bad_mark", "securityLabel : cette confidentialité n’existe pas.") from None
    if level != "N":
        raise NotAllowed("restricted", "Un document restreint (R ou V) ne se dépose pas dans un dossier partagé.")
    return level, frozenset(marks)


def patient(references: Iterable[Reference | None], contained: list[Contained]) -> tuple[str, tuple[str, str]]:
    """(space, (OID, INS)) that these name; all must name the same. Raises `Invalid`."""
    spaces: set[str] = set()
    found: set[tuple[str, str]] = set()
    for one in references:
        if one is None:
            continue
        if one.identifier is not None and one.identifier.value:
            found.add(_ins(f"{one.identifier.system}|{one.identifier.value}"))
        target, mark, query = one.reference.partition("?identifier=")
        if mark and "|" in query:
            found.add(_ins(query))
        elif target.startswith("#"):
            found |= {_ins(text) for text in _identifiers(contained, target[1:])}
        elif target.startswith("Patient/"):
            spaces.add(terms.inner(target.removeprefix("Patient/"))[0] or "?")
    if len(spaces) > 1 or len(found) > 1:
        raise Invalid("several_patients", "Cette ressource nomme plusieurs patients.")
    return next(iter(spaces), ""), next(iter(found), ("", ""))


def _ins(text: str) -> tuple[str, str]:
    return named_patient({"identifier": text})[1]


def _identifiers(contained: list[Contained], wanted: str) -> list[str]:
    """Of the patient contained under that id: its INS, when it has one."""
    found = [each for one in contained if (one.id, one.resource_type) == (wanted, "Patient") for each in one.identifier]
    return [f"{one.system}|{one.value}" for one in found if terms.ins_system(one.system)]


def _facts(said: DocumentReference, level: str) -> FileFacts:
    attachment, context = said.content[0].attachment, said.context
    codings = said.type.coding if said.type else []
    code = next((one.code for one in codings if one.code in document_types.TYPES), codings[0].code if codings else "")
    title = " ".join((attachment.title or said.description).split())
    names, numbers = _authors(said)
    extra = {
        "format": _kept(said.content[0].format),
        "language": attachment.language[:20],
        "facility": _first(context.facility_type),
        "setting": _first(context.practice_setting),
        "period_start": terms.moment(context.period.start),
        "period_end": terms.moment(context.period.end),
        "authors": ",".join(numbers)[:500],
    }
    events = [coding for concept in context.event for coding in concept.coding][:MOST_CODINGS]
    extra |= {f"event{place}": _kept(coding) for place, coding in enumerate(events)}
    return FileFacts(
        name=attachments.clean_name(title or "document"),
        type=attachment.content_type,
        size=0,
        title=title,
        document_type=code,
        author=", ".join(names)[:300],
        created=terms.moment(attachment.creation or said.date),
        unique_id=terms.unique(said.master_identifier.value)[:200] if said.master_identifier else "",
        received_class=next((one.code for label in said.category for one in label.coding), "")[:20],
        confidentiality=(level,),
        extra={name: value for name, value in extra.items() if value},
    )


def _first(concept: Concept | None) -> str:
    return _kept(concept.coding[0]) if concept is not None and concept.coding else ""


def _kept(coding: Coding | None) -> str:
    if coding is None:
        return ""
    return documents.kept({"system": coding.system[:200], "code": coding.code[:100], "display": coding.display[:200]})


def _authors(said: DocumentReference) -> tuple[list[str], list[str]]:
    """(names, national numbers) of the people contained or shown."""
    names, numbers = [], []
    known = {f"#{one.id}": one for one in said.contained}
    for reference in said.author[:MOST_CODINGS]:
        found = known.get(reference.reference, Contained(""))
        numbers += [one.value[:40] for one in found.identifier if one.system == terms.PROFESSIONALS and one.value]
        name = _name(found.name) or reference.display
        names += [" ".join(name.replace(",", " ").split())] if name else []
    return names, numbers


def _name(told: Any) -> str:
    """Of a person (HumanName) or an organisation (a string)."""
    if isinstance(told, str):
        return told
    first = told[0] if isinstance(told, list) and told and isinstance(told[0], dict) else {}
    if isinstance(first.get("text"), str):
        return str(first["text"])
    given = first.get("given") if isinstance(first.get("given"), list) else []
    return " ".join(str(part) for part in (*(given or ()), first.get("family", "")) if part)


# ---- the octets ----


def octets(attachment: Attachment, text: str) -> bytes:
    """The document of a base64 text, held to the size and hash that are said of it. Raises `Invalid`."""
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("bad_base64", "Le document n’est pas en base64.") from None
    if not data:
        raise Invalid("empty_document", "Ce document est vide.")
    if attachment.size is not None and attachment.size != len(data):
        raise Invalid("size_mismatch", "Le document n’a pas la taille annoncée (attachment.size).")
    sha1 = hashlib.sha1(data, usedforsecurity=False)
    if attachment.hash and attachment.hash not in (base64.b64encode(sha1.digest()).decode(), sha1.hexdigest()):
        raise Invalid("hash_mismatch", "Le document n’a pas l’empreinte annoncée (attachment.hash).")
    return data


def named(facts: FileFacts, data: bytes) -> FileFacts:
    """With the ending that its octets deserve."""
    ending = _ENDINGS.get(sniff(data), ".xml")
    name = facts.name if facts.name.lower().endswith(ending) else f"{facts.name}{ending}"
    return msgspec.structs.replace(facts, name=name, type=sniff(data))
