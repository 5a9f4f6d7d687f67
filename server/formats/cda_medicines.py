"""Vaccinations and treatments, prescribed, taken, dispensed, out of CDA entries. Pure.

IHE PCC Immunizations and Medications; IHE PHARM Prescription Item, Dispense Item; CI-SIS FR-Vaccination, FR-Traitement,
FR-Traitement-prescrit, FR-Traitement-dispense, FR-Dispositif-medical. A product without a code of its own has that of a
translation, or its name; its ATC is told apart. What is dispensed names the line of the prescription that it answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from server.formats.cda import person_name
from server.formats.cda_dosage import UNITS, dose, span
from server.formats.cda_place import Place, code_of, comments, own_time, related
from server.formats.cda_values import (
    ATC,
    MOST,
    V3,
    amount,
    at,
    coded,
    codes,
    identifier,
    joined,
    moment,
    number,
    quantities,
    templates,
    words,
)
from server.formats.findings import MASKED, Coded, Immunisation, Treatment
from server.formats.xml import Element

RANK: Final = "30973-2"
LINE: Final = "1.3.6.1.4.1.19376.1.9.1.3.11"  # IHE PHARM, reference to a line of a prescription
_PATIENT: Final = "1.3.6.1.4.1.19376.1.5.3.1.4.3"
_SUBSTITUTION: Final = "1.3.6.1.4.1.19376.1.9.1.3.9."
_GIVEN: Final = f"{V3}substanceAdministration"
_MATERIAL: Final = at("manufacturedProduct/manufacturedMaterial")


def immunisation(element: Element, place: Place) -> Immunisation:
    material = element.find(f"{V3}consumable/{_MATERIAL}")
    product, atc = _product(material, place)
    ranks = (one for one in related(element) if code_of(one) == RANK)
    performer = element.find(at("performer/assignedEntity/assignedPerson/name"))
    return Immunisation(
        at=own_time(element),
        note=comments(element, place.texts),
        done=element.get("negationInd") not in {"true", "1"},
        product=product,
        atc=atc,
        lot=words(material.find(f"{V3}lotNumberText"))[:100] if material is not None else "",
        rank=next((quantities(one, place.texts).value for one in ranks), ""),
        site=coded(element.find(f"{V3}approachSiteCode"), place.texts).label,
        reason=_reason(element, place),
        reaction=joined(reactions(element, place, "CAUS", "MFST")),
        by=person_name(performer),
    )


def reactions(element: Element, place: Place, *kinds: str) -> Iterator[str]:
    """What it caused, in words; what is said not to have been is none."""
    for one in related(element, *kinds):
        if one.tag == f"{V3}observation" and one.get("negationInd") not in {"true", "1"}:
            yield quantities(one, place.texts).value or place.texts.referred(one.find(f"{V3}text"))


def treatment(element: Element, place: Place) -> Treatment | None:
    """What is prescribed (INT) or taken (EVN). What is said not to be taken is no treatment."""
    if element.get("negationInd") in {"true", "1"}:
        return None
    product, atc = _product(element.find(f"{V3}consumable/{_MATERIAL}"), place)
    said = place.texts.referred(element.find(f"{V3}text"))
    if not product.label:
        product = Coded(label=said or place.title)
    begins, ends = span(element)
    steps = joined((dose(one) for one in related(element, "COMP") if one.tag == _GIVEN), " ; puis ")
    supply = next((one for one in related(element, "COMP", "REFR") if one.tag == f"{V3}supply"), None)
    taken = joined((steps, dose(element)), ", ")
    return Treatment(
        at=begins,
        until=ends,
        note=joined((_instructions(element, place), comments(element, place.texts))),
        mood="INT" if element.get("moodCode") in {"INT", "RQO", "PRP", "PRMS"} else "EVN",
        product=product,
        atc=atc,
        dose=taken or (said if said != product.label else ""),
        route=coded(element.find(f"{V3}routeCode"), place.texts).label,
        quantity=amount(supply.find(f"{V3}quantity"), UNITS) if supply is not None else "",
        repeats=_count(element.find(f"{V3}repeatNumber")),
        substitution=_substitution(element, place),
        reason=_reason(element, place),
        line=identifier(element),
    )


def dispensed(element: Element, place: Place) -> Treatment | None:
    """What a pharmacy gave, and the line of the prescription that it answers."""
    material = element.find(f"{V3}product/{_MATERIAL}")
    product, atc = _product(material, place)
    if not product.label:
        product = Coded(label=place.texts.referred(element.find(f"{V3}text")) or place.title)
    answered = next((one for one in related(element, "REFR") if LINE in templates(one)), None)
    doses = (dose(one) for one in related(element, "COMP") if one.tag == _GIVEN)
    given = moment(element.find(at("performer/time"))) or moment(element.find(at("author/time")))
    lot = words(material.find(f"{V3}lotNumberText"))[:100] if material is not None else ""
    return Treatment(
        at=span(element)[0] or given or place.at,
        note=joined((f"lot {lot}" if lot else "", _instructions(element, place), comments(element, place.texts))),
        mood="DISP",
        product=product,
        atc=atc,
        dose=joined(doses),
        quantity=amount(element.find(f"{V3}quantity"), UNITS),
        repeats=_count(element.find(f"{V3}repeatNumber")),
        substitution=_substitution(element, place),
        line=identifier(element),
        answers=identifier(answered) if answered is not None else "",
    )


def device(element: Element, place: Place) -> Treatment | None:
    """A medical device, prescribed or in use."""
    playing = element.find(at("participant/participantRole/playingDevice"))
    product = coded(playing.find(f"{V3}code"), place.texts) if playing is not None else Coded()
    if not product.label:
        said = words(playing.find(f"{V3}manufacturerModelName")) if playing is not None else ""
        product = Coded(label=said or place.texts.referred(element.find(f"{V3}text")))
    if not product.label:
        return None
    begins, ends = span(element)
    return Treatment(
        at=begins,
        until=ends,
        note=comments(element, place.texts),
        mood="INT" if element.get("moodCode") in {"INT", "RQO", "PRP"} else "EVN",
        product=product,
        quantity=amount(element.find(f"{V3}quantity"), UNITS),
        repeats=_count(element.find(f"{V3}repeatNumber")),
        line=identifier(element),
        device=True,
    )


def _product(material: Element | None, place: Place) -> tuple[Coded, Coded]:
    """(product, ATC). The label of the product: of its code, else its name, else that of the ATC."""
    if material is None:
        return Coded(), Coded()
    code, name = material.find(f"{V3}code"), words(material.find(f"{V3}name"))
    if code is None:
        return Coded(label=name), _atc_class(material)
    if code.get("nullFlavor") == "MSK":
        return Coded(label=MASKED), Coded()
    found = [one for one in codes(code) if one.code]
    atc = next((one for one in found if one.system == ATC), Coded())
    own = next((one for one in found if one.system != ATC), Coded())
    label = own.label if own.label != own.code else ""
    label = label or name or place.texts.referred(code.find(f"{V3}originalText")) or own.code or atc.label
    label = label or coded(material.find("{*}formCode"), place.texts).label
    return Coded(own.code, own.system, label[:MOST]), atc if atc.code else _atc_class(material)


def _atc_class(material: Element) -> Coded:
    """The ATC class of the generic equivalent (IHE PHARM, asSpecializedKind)."""
    inside = material.find("{*}asSpecializedKind/{*}generalizedMedicineClass/{*}code")
    found = next(codes(inside), Coded()) if inside is not None else Coded()
    return found if found.system == ATC else Coded()


def _reason(element: Element, place: Place) -> str:
    return joined(
        coded(one.find(f"{V3}code"), place.texts).label or place.texts.referred(one.find(f"{V3}text"))
        for one in related(element, "RSON")
    )


def _instructions(element: Element, place: Place) -> str:
    said = (one for one in related(element, "SUBJ") if _PATIENT in templates(one))
    return joined(place.texts.referred(one.find(f"{V3}text")) for one in said)


def _substitution(element: Element, place: Place) -> str:
    for one in related(element, "COMP", "SUBJ"):
        if any(template.startswith(_SUBSTITUTION) for template in templates(one)):
            return coded(one.find(f"{V3}code"), place.texts).label
    return ""


def _count(element: Element | None) -> str:
    return number(element.get("value", "")) if element is not None else ""
