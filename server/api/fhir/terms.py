"""The codes of the façade: where ours and FHIR's meet. Types and classes of documents, confidentiality, identifiers,
instants, references. Pure.

Systems as in the French guides (PDSm, mesures, fr-core), from the nomenclature of health objects (mos.esante.gouv.fr);
a system that FHIR has no address for is `urn:oid:…`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final

from server.formats import document_types
from server.formats.findings import Coded
from server.formats.hl7 import FRANCE, INS_OIDS, TEST_INS_OIDS

Json = dict[str, Any]

LOINC: Final = "http://loinc.org"
SNOMED: Final = "http://snomed.info/sct"
UCUM: Final = "http://unitsofmeasure.org"
URI: Final = "urn:ietf:rfc:3986"
CLASSES: Final = "https://mos.esante.gouv.fr/NOS/TRE_A03-ClasseDocument/FHIR/TRE-A03-ClasseDocument"
TYPES: Final = "https://mos.esante.gouv.fr/NOS/TRE_A05-TypeDocComplementaire/FHIR/TRE-A05-TypeDocComplementaire"
VISIBILITY: Final = (
    "https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument"
)
CONFIDENTIALITY: Final = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
PDSM: Final = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition"
IS_ARCHIVED: Final = f"{PDSM}/pdsm-ext-is-archived"
IS_DELETED: Final = f"{PDSM}/pdsm-ext-is-deleted"
SUPPORTING: Final = "http://hl7.org/fhir/StructureDefinition/workflow-supportingInfo"
PROFESSIONALS: Final = "urn:oid:1.2.250.1.71.4.2.1"  # the national number of a person (8 and the RPPS)
STRUCTURES: Final = "urn:oid:1.2.250.1.71.4.2.2"
FORMATS: Final = "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode"
ENTRIES: Final = "urn:pli:document"  # system of the number that we give a document

_SYSTEMS: Final = {
    "2.16.840.1.113883.6.1": LOINC,
    "2.16.840.1.113883.6.96": SNOMED,
    "2.16.840.1.113883.6.3": "http://hl7.org/fhir/sid/icd-10",
    "2.16.840.1.113883.6.73": "http://www.whocc.no/atc",
    "2.16.840.1.113883.5.83": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation",
}
_OIDS: Final = {system: oid for oid, system in _SYSTEMS.items()}
_LOINC: Final = re.compile(r"[0-9]{1,7}-[0-9]")
_MARKS: Final = {"hidden": "MASQUE_PS", "untold": "INVISIBLE_PATIENT", "secret": "INVISIBLE_REPRESENTANTS_LEGAUX"}
_MARK_LABELS: Final = {
    "MASQUE_PS": "Masqué aux professionnels de santé",
    "INVISIBLE_PATIENT": "Non visible par le patient",
    "INVISIBLE_REPRESENTANTS_LEGAUX": "Non visible par les représentants légaux du patient",
}
_LEVELS: Final = {"N": "normal", "R": "restricted", "V": "very restricted"}


# ---- ids: ours have 22 characters of A-Z a-z 0-9 - _; FHIR's may hold a full stop, and no underscore ----

ID_LENGTH: Final = 22
_WHOLE: Final = re.compile(r"[A-Za-z][A-Za-z0-9.-]{21}(?:[A-Za-z][A-Za-z0-9.-]{21})?")


def outer(*ids: str) -> str:
    """The id of a resource: of a space, or of a space and what is in it, so that nothing is looked for elsewhere."""
    return "".join(ids).replace("_", ".")


def inner(resource_id: str) -> tuple[str, str]:
    """(space, object or ""); ("", "") for what is no id of ours."""
    if not _WHOLE.fullmatch(resource_id):
        return "", ""
    ours = resource_id.replace(".", "_")
    return ours[:ID_LENGTH], ours[ID_LENGTH:]


def reference(kind: str, *ids: str) -> Json:
    return {"reference": f"{kind}/{outer(*ids)}"}


# ---- codes ----


def system_of(oid: str) -> str:
    return _SYSTEMS.get(oid, f"urn:oid:{oid}") if oid else ""


def oid_of(system: str) -> str:
    return _OIDS.get(system, system.removeprefix("urn:oid:"))


def coding(system: str, code: str, display: str = "") -> Json:
    return {name: value for name, value in (("system", system), ("code", code), ("display", display)) if value}


def concept(*coded: Coded, text: str = "") -> Json:
    """A CodeableConcept; `{}` of nothing."""
    codings = [coding(system_of(one.system), one.code, one.label) for one in coded if one.code]
    words = text or next((one.label for one in coded if one.label), "")
    return ({"coding": codings} if codings else {}) | ({"text": words} if words else {})


def one_concept(system: str, code: str, display: str = "") -> Json:
    return {"coding": [coding(system, code, display)]}


def type_concept(code: str, label: str = "") -> Json:
    system = LOINC if _LOINC.fullmatch(code) else TYPES
    display = document_types.type_label(code) or label
    return {"coding": [coding(system, code, display)], "text": label or display or code} if code else {}


def class_concept(type_code: str, class_code: str) -> Json:
    code = document_types.class_code(type_code) or class_code
    return one_concept(CLASSES, code, document_types.class_label(code)) if code else {}


def type_tokens(code: str) -> list[tuple[str, str]]:
    return [(LOINC if _LOINC.fullmatch(code) else TYPES, code)] if code else []


# ---- confidentiality: N, R or V, then what is hidden from whom (JDV_J08) ----


def security(confidentiality: tuple[str, ...], marks: tuple[str, ...]) -> list[Json]:
    """The labels as they stand now: the level of the document, and our marks, not those it came with."""
    level = next((code for code in ("V", "R") if code in confidentiality), "N")
    hidden = [code for mark, code in _MARKS.items() if mark in marks]
    return [
        one_concept(CONFIDENTIALITY, level, _LEVELS[level]),
        *(one_concept(VISIBILITY, code, _MARK_LABELS[code]) for code in hidden),
    ]


def marks_of(labels: list[str]) -> tuple[str, tuple[str, ...]]:
    """(level, marks) of codes in whatever spelling. Raises `ValueError` for one that is none."""
    known = [document_types.confidentiality(code) for code in labels]
    ours = {code: mark for mark, code in _MARKS.items()}
    if strange := [code for code in known if code not in ours and code not in _LEVELS]:
        raise ValueError(strange[0])
    levels = [code for code in ("V", "R", "N") if code in known]
    return (levels or ["N"])[0], tuple(mark for code, mark in ours.items() if code in known)


# ---- identifiers ----


def uri(unique_id: str) -> str:
    """`root^extension`, an OID or a UUID as a URI (RFC 3986), as XDS's uniqueId is written in FHIR."""
    if re.fullmatch(r"[0-2](?:\.[0-9]+)+", unique_id):
        return f"urn:oid:{unique_id}"
    if re.fullmatch(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", unique_id):
        return f"urn:uuid:{unique_id.lower()}"
    return unique_id


def unique(value: str) -> str:
    """The other way."""
    return value.removeprefix("urn:oid:").removeprefix("urn:uuid:")


def ins_system(system: str) -> str:
    """The OID of an INS's system; "" for another one."""
    oid = system.removeprefix("urn:oid:")
    return oid if oid in INS_OIDS or oid in TEST_INS_OIDS else ""


# ---- instants ----

_DATE: Final = re.compile(r"\d{4}(?:-\d{2}(?:-\d{2})?)?")


def moment(text: str) -> str:
    """A FHIR dateTime: a date of any precision as it is, an instant with seconds and its zone; "" for neither."""
    if _DATE.fullmatch(text):
        return text
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return ""
    return (when if when.tzinfo else when.replace(tzinfo=FRANCE)).isoformat(timespec="seconds")


def instant(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def filled(resource: Json) -> Json:
    """Without what is empty: FHIR has no null, no "" and no []."""
    return {name: value for name, value in resource.items() if value not in ("", None, [], {})}
