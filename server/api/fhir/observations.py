"""One Observation: a laboratory's result, or a measure as the guide « Mesures de santé » says it. Pure.

Both numbers of a blood pressure are one Observation with its components; a result that its document says in two units
is one with both.
"""

from __future__ import annotations

import re
from typing import Final

from server.api.fhir import outcome, terms
from server.api.fhir.terms import LOINC, UCUM, Json, concept, filled, moment
from server.dossier.findings import Held
from server.formats.findings import MASKED, Coded, Measure, Quantity, Result
from server.handles import DossierHandle

CATEGORIES: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
ABSENT: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
INTERPRETATIONS: Final = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
MEASURES: Final = "https://interop.esante.gouv.fr/ig/fhir/mesures/StructureDefinition"
REASON: Final = f"{MEASURES}/mesures-reason-for-measurement"
PRESSURE, SYSTOLIC, DIASTOLIC = "85354-9", "8480-6", "8462-4"
_PROFILES: Final = {PRESSURE: "mesures-fr-observation-bp", "29463-7": "mesures-fr-observation-body-weight"}
_KNOWN: Final = frozenset({"N", "H", "L", "HH", "LL", "A", "AA", "S", "I", "R", "POS", "NEG", "IND", "HU", "LU"})
_UCUM: Final = re.compile(r"[!-~]+")


def vital_signs(held: list[Held]) -> list[tuple[Held, ...]]:
    """Each measure alone, but the two numbers of a blood pressure, which stand together."""
    pressures: dict[tuple[str, ...], dict[str, Held]] = {}
    found: list[tuple[Held, ...]] = []
    for one in held:
        said = one.finding
        code = said.what.code if isinstance(said, Measure) else ""
        if code not in (SYSTOLIC, DIASTOLIC):
            found.append((one,))
            continue
        pair = pressures.setdefault((one.document, said.group or one.id, said.at), {})
        if code in pair:  # a second one in the same group: each by itself, rather than a pair that nobody measured
            found.append((one,))
        else:
            pair[code] = one
    ordered = (tuple(pair[code] for code in (SYSTOLIC, DIASTOLIC) if code in pair) for pair in pressures.values())
    return [*found, *ordered]


def observation(handle: DossierHandle, held: tuple[Held, ...]) -> Json:
    said = held[0].finding
    when = moment(said.at) or moment(held[0].dated)
    base = {
        "resourceType": "Observation",
        "status": "final",
        "subject": terms.reference("Patient", handle.space_id),
        "effectiveDateTime": when,
        "issued": held[0].at,
        "performer": _performers(handle, held[0]),
        "derivedFrom": _documents(handle, held[0]),
    }
    specific = _result(said) if isinstance(said, Result) else _measure(held)
    return filled({**base, **specific})


def _documents(handle: DossierHandle, held: Held) -> list[Json]:
    if not held.document:
        return []
    return [{**terms.reference("DocumentReference", handle.space_id, held.document), "display": held.title}]


def _performers(handle: DossierHandle, held: Held) -> list[Json]:
    """Whoever measured, when that is known: the patient, or the author of the document."""
    if held.source in {"patient", "delegate"}:
        return [terms.reference("Patient", handle.space_id)]
    return [{"display": name} for name in dict.fromkeys((held.author, held.organisation)) if name]


def _result(said: Result) -> Json:
    low, high = (_quantity(Quantity(bound, said.value.unit)) if bound else {} for bound in (said.low, said.high))
    reference = filled({"low": low.get("valueQuantity", {}), "high": high.get("valueQuantity", {})})
    if not reference and (said.range_text or said.low or said.high):
        reference = {"text": said.range_text or f"{said.low} – {said.high}".strip(" –")}
    elif said.range_text:
        reference["text"] = said.range_text
    analyte = concept(said.analyte) or {"text": "Analyse non précisée"}
    same = [{"code": analyte, **_quantity(said.same_as)}] if said.same_as else []
    return {
        "category": [terms.one_concept(CATEGORIES, "laboratory")],
        "code": analyte,
        **_quantity(said.value),
        "interpretation": _interpretation(said.interpretation),
        "note": [{"text": text} for text in (said.note, said.previous and f"Antérieur : {said.previous}") if text],
        "method": {"text": said.method} if said.method else {},
        "specimen": {"display": said.specimen} if said.specimen else {},
        "referenceRange": [reference] if reference else [],
        "component": same,
    }


def _interpretation(code: str) -> list[Json]:
    if not code:
        return []
    return [terms.one_concept(INTERPRETATIONS, code) if code in _KNOWN else {"text": code}]


def _measure(held: tuple[Held, ...]) -> Json:
    said = held[0].finding
    if not isinstance(said, Measure):
        return {}
    together: Json = (
        {
            "code": terms.one_concept(LOINC, PRESSURE, "Pression artérielle"),
            "component": [
                {"code": concept(one.finding.what), **_quantity(one.finding.value)}
                for one in held
                if isinstance(one.finding, Measure)
            ],
        }
        if said.what.code in (SYSTOLIC, DIASTOLIC)
        else {"code": concept(_loinc(said.what)) or {"text": "Mesure non précisée"}, **_quantity(said.value)}
    )
    profile = _PROFILES.get(together["code"].get("coding", [{}])[0].get("code", ""), "")
    return {
        "meta": {"profile": [f"{MEASURES}/{profile}"]} if profile else {},
        "category": [terms.one_concept(CATEGORIES, "vital-signs")],
        **together,
        "extension": [{"url": REASON, "valueString": said.note}] if said.note else [],
        "note": [{"text": said.moment}] if said.moment else [],
        "device": {"display": said.device} if said.device else {},
    }


def _loinc(what: Coded) -> Coded:
    """A system that is not said is taken for LOINC, as everywhere measures are read."""
    return what if what.system or not what.code else Coded(what.code, "2.16.840.1.113883.6.1", what.label)


def _quantity(said: Quantity) -> Json:
    """A value as FHIR says it: a Quantity, words, or why there is none."""
    if said.value == MASKED:
        return {"dataAbsentReason": terms.one_concept(ABSENT, "masked")}
    if not said.value:
        return {"dataAbsentReason": terms.one_concept(ABSENT, "unknown")}
    number = outcome.decimal(said.value)
    if number is None:
        return {"valueString": f"{said.comparator}{said.value} {said.unit}".strip()}
    comparator = said.comparator if said.comparator in ("<", "<=", ">", ">=") else ""
    coded = {"system": UCUM, "code": said.unit} if _UCUM.fullmatch(said.unit) else {}
    return {"valueQuantity": filled({"value": number, "comparator": comparator, "unit": said.unit, **coded})}
