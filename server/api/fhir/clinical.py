"""Findings as resources: Observation (results, measures), Immunization, AllergyIntolerance, Condition,
MedicationStatement; each leads to the document that says it.

Promises: a value keeps its digits and its unit; what its author masked is said to be masked, never absent; nothing is
judged nor computed; a date that is not known is not invented. FHIR has `derivedFrom` for some resources only: for the
others the document is in the extension workflow-supportingInfo. Corrected and withdrawn findings are not here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, cast

from server.api.fhir import terms
from server.api.fhir.asking import Param, Value, spanned
from server.api.fhir.front import Call, Found
from server.api.fhir.observations import observation, vital_signs
from server.api.fhir.terms import Json, concept, filled, moment, outer
from server.dossier import choices, findings, standing
from server.dossier.findings import Held
from server.formats.cda_problems import ABSENT
from server.formats.findings import Allergy, Coded, Immunisation, Measure, Problem, Result, Treatment
from server.handles import DossierHandle
from server.reading import iso
from storage.database import Tx
from storage.ids import now_ms

_HL7: Final = "http://terminology.hl7.org/CodeSystem"
_NO_ALLERGY: Final = Coded("716186003", "2.16.840.1.113883.6.96", "Pas d’allergie connue")
_NO_PROBLEM: Final = Coded("160245001", "2.16.840.1.113883.6.96", "Pas de problème connu")

_CODE: Final = Param("code", "token")
OBSERVATIONS: Final = (
    _CODE, Param("category", "token", "laboratory, vital-signs"), Param("date", "date", "When it was measured"),
    Param("status", "token"), Param("component-code", "token"), Param("combo-code", "token"),
)  # fmt: skip
IMMUNISATIONS: Final = (Param("vaccine-code", "token"), Param("date", "date"), Param("status", "token"))
ALLERGIES: Final = (_CODE, Param("clinical-status", "token"), Param("date", "date"))
CONDITIONS: Final = (_CODE, Param("clinical-status", "token"), Param("onset-date", "date"), Param("category", "token"))
TREATMENTS: Final = (_CODE, Param("status", "token"), Param("effective", "date"))

Values = dict[str, list[Value]]


async def observations(call: Call, handle: DossierHandle) -> list[Found]:
    """Results and measures, the latest measured first; both numbers of a blood pressure are one."""
    kinds = ("measure",) if handle.ground == standing.SERVICE else ("result", "measure")

    def look(tx: Tx) -> list[Held]:
        held = findings.held(tx, handle, kinds)
        copied = choices.chosen(tx, handle.space_id)["measures_from_documents"]
        return [one for one in held if copied or not (one.document and one.finding.kind == "measure")]

    held = await call.app.db.read(look)
    results = [_observation(handle, (one,)) for one in held if isinstance(one.finding, Result)]
    measures = [one for one in held if isinstance(one.finding, Measure)]
    found = [*results, *(_observation(handle, together) for together in vital_signs(measures))]
    return sorted(found, key=lambda one: (one.when, one.at, one.id), reverse=True)


def _observation(handle: DossierHandle, held: tuple[Held, ...]) -> Found:
    def values(name: str) -> list[Value]:
        resource = observation(handle, held)
        codes = _tokens(resource["code"])
        parts = [token for part in resource.get("component", ()) for token in _tokens(part["code"])]
        known: Values = {
            "code": codes, "component-code": parts, "combo-code": [*codes, *parts],
            "category": _tokens(resource["category"][0]), "status": [_status("observation-status", "final")],
            "date": _date(resource.get("effectiveDateTime", "")),
        }  # fmt: skip
        return known[name]

    found = _found(handle, held[0], values, lambda: observation(handle, held))
    first = held[0].finding
    return replace(found, when=_instant(first.at or held[0].dated))


def _instant(text: str) -> str:
    """The first instant of a date of any precision, so that dates sort as texts."""
    span = spanned(text)
    return span[0].astimezone(UTC).isoformat() if span else ""


async def immunisations(call: Call, handle: DossierHandle) -> list[Found]:
    return await _of_kind(call, handle, "immunisation", _immunisation, {
        "vaccine-code": "vaccineCode", "date": "occurrenceDateTime", "status": "event-status",
    })  # fmt: skip


async def allergies(call: Call, handle: DossierHandle) -> list[Found]:
    return await _of_kind(call, handle, "allergy", _allergy, {
        "code": "code", "clinical-status": "clinicalStatus", "date": "recordedDate",
    })  # fmt: skip


async def conditions(call: Call, handle: DossierHandle) -> list[Found]:
    return await _of_kind(call, handle, "problem", _condition, {
        "code": "code", "clinical-status": "clinicalStatus", "onset-date": "onsetDateTime", "category": "category",
    })  # fmt: skip


async def treatments(call: Call, handle: DossierHandle) -> list[Found]:
    return await _of_kind(call, handle, "treatment", _medication, {
        "code": "medicationCodeableConcept", "status": "medication-statement-status", "effective": "effective",
    })  # fmt: skip


async def _of_kind(
    call: Call, handle: DossierHandle, kind: str, made: Callable[[DossierHandle, Held], Json], compared: dict[str, str]
) -> list[Found]:
    """`compared`: the element that each parameter looks at."""

    def one(held: Held) -> Found:
        def resource() -> Json:
            return made(handle, held)

        return _found(handle, held, lambda name: _compared(resource(), compared[name]), resource)

    return _newest([one(held) for held in await findings.of(call.app, handle, (kind,))])


def _compared(resource: Json, element: str) -> list[Value]:
    if element == "effective":
        period = resource.get("effectivePeriod", {})
        return _date(f"{period.get('start', '')}/{period.get('end', '')}") if period else []
    if element.endswith("-status"):
        return [_status(element, resource["status"])]
    value = resource.get(element, "")
    if isinstance(value, str):
        return _date(value)
    return [token for one in (value if isinstance(value, list) else [value]) for token in _tokens(one)]


def _found(handle: DossierHandle, held: Held, values: Callable[[str], list[Value]], made: Callable[[], Json]) -> Found:
    at = int(datetime.fromisoformat(held.at).timestamp() * 1000)
    return Found(outer(handle.space_id, held.id), at, values, made)


def _newest(found: list[Found]) -> list[Found]:
    return sorted(found, key=lambda one: (-one.at, one.id))


def _tokens(concept: Json) -> list[Value]:
    return [(one.get("system", ""), one["code"]) for one in concept.get("coding", ())]


def _status(system: str, code: str) -> tuple[str, str]:
    return f"http://hl7.org/fhir/{system}", code


def _date(text: str) -> list[Value]:
    return [text] if text else []


# ---- the resources ---------------------------------------------------------------------------------------------------


def _supported(handle: DossierHandle, held: Held) -> list[Json]:
    document = sources(handle, held)
    return [{"url": terms.SUPPORTING, "valueReference": one} for one in document]


def sources(handle: DossierHandle, held: Held) -> list[Json]:
    """The document that says it."""
    if not held.document:
        return []
    return [{**terms.reference("DocumentReference", handle.space_id, held.document), "display": held.title}]


def _patient(handle: DossierHandle) -> Json:
    return terms.reference("Patient", handle.space_id)


def _notes(*notes: str) -> list[Json]:
    return [{"text": note} for note in notes if note]


def _immunisation(handle: DossierHandle, held: Held) -> Json:
    said = cast(Immunisation, held.finding)
    when = moment(said.at)
    return filled({
        "resourceType": "Immunization",
        "extension": _supported(handle, held),
        "status": "completed" if said.done else "not-done",
        "statusReason": {"text": said.reason} if said.reason and not said.done else {},
        "vaccineCode": concept(said.product, said.atc) or {"text": "Vaccin non précisé"},
        "patient": _patient(handle),
        **({"occurrenceDateTime": when} if when else {"occurrenceString": said.at or "Date inconnue"}),
        "recorded": held.at,
        "primarySource": bool(held.document),
        "lotNumber": said.lot,
        "site": {"text": said.site} if said.site else {},
        "performer": [{"actor": {"display": said.by}}] if said.by else [],
        "note": _notes(said.note, f"Raison : {said.reason}" if said.reason and said.done else ""),
        "reaction": [{"detail": {"display": said.reaction}}] if said.reaction else [],
        "protocolApplied": [{"doseNumberString": said.rank}] if said.rank else [],
    })  # fmt: skip


def _allergy(handle: DossierHandle, held: Held) -> Json:
    said = cast(Allergy, held.finding)
    severity = {"mild": "mild", "moderate": "moderate", "severe": "severe"}.get(said.severity.casefold(), "")
    when = moment(said.at)
    return filled({
        "resourceType": "AllergyIntolerance",
        "extension": _supported(handle, held),
        "clinicalStatus": terms.one_concept(f"{_HL7}/allergyintolerance-clinical", _clinical(said.status)),
        "verificationStatus": terms.one_concept(f"{_HL7}/allergyintolerance-verification", "refuted")
        if said.status == ABSENT else {},
        "code": concept(_NO_ALLERGY) if said.none_known else concept(said.agent) or {"text": "Allergène non précisé"},
        "patient": _patient(handle),
        "onsetDateTime": when,
        "recordedDate": held.at,
        "note": _notes(said.note, f"Gravité : {said.severity}" if said.severity and not severity else ""),
        "reaction": [filled({"manifestation": [{"text": said.reaction}], "severity": severity})]
        if said.reaction else [],
    })  # fmt: skip


_OVER: Final = re.compile(r"inacti|résol|resol|guéri|terminé|73425007|413322009|completed", re.IGNORECASE)


def _clinical(status: str, until: str = "") -> str:
    """active, unless its document says it is over, or that it never was."""
    if status == ABSENT:
        return "inactive"
    if not (until or _OVER.search(status)):
        return "active"
    return "resolved" if until or not re.search(r"inacti|73425007", status, re.IGNORECASE) else "inactive"


def _condition(handle: DossierHandle, held: Held) -> Json:
    said = cast(Problem, held.finding)
    state = _clinical(said.status, said.until)
    return filled({
        "resourceType": "Condition",
        "extension": _supported(handle, held),
        "clinicalStatus": terms.one_concept(f"{_HL7}/condition-clinical", state),
        "verificationStatus": terms.one_concept(f"{_HL7}/condition-ver-status", "refuted")
        if said.status == ABSENT else {},
        "category": [terms.one_concept(f"{_HL7}/condition-category", "problem-list-item")],
        "code": concept(_NO_PROBLEM) if said.none_known else concept(said.what) or {"text": "Problème non précisé"},
        "subject": _patient(handle),
        "onsetDateTime": moment(said.at),
        "abatementDateTime": moment(said.until) if state != "active" else "",
        "recordedDate": held.at,
        "note": _notes(said.note),
    })  # fmt: skip


def _medication(handle: DossierHandle, held: Held) -> Json:
    said = cast(Treatment, held.finding)
    over = bool(said.until) and said.until < iso(now_ms())
    status = {"INT": "intended", "DISP": "completed"}.get(said.mood, "completed" if over else "active")
    dosage = filled({"text": said.dose, "route": {"text": said.route} if said.route else {}})
    quantity = f"Quantité : {said.quantity}" if said.quantity else ""
    return filled({
        "resourceType": "MedicationStatement",
        "identifier": [{"system": terms.URI, "value": terms.uri(said.line)}] if said.line else [],
        "status": status,
        "medicationCodeableConcept": concept(said.product, said.atc) or {"text": "Traitement non précisé"},
        "subject": _patient(handle),
        "effectivePeriod": filled({"start": moment(said.at), "end": moment(said.until)}),
        "dateAsserted": held.at,
        "derivedFrom": sources(handle, held),
        "reasonCode": [{"text": said.reason}] if said.reason else [],
        "note": _notes(said.note, quantity),
        "dosage": [dosage] if dosage else [],
    })  # fmt: skip
