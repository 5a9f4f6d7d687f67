"""Results of a laboratory and measures, out of CDA entries. Pure.

IHE PALM, Laboratory Observation; CI-SIS FR-Resultat-examens-de-biologie-element-clinique-pertinent, FR-Signe-vital-
observe. Values stay in the unit they were written in. Two results of one panel that say the same thing in moles and in
mass point to each other by `same_as`; both stay, each with its range.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations
from typing import Final

import msgspec

from server.formats.cda_place import Place, comments, own_time, related
from server.formats.cda_values import V3, at, coded, joined, kind, number, quantities, quantity
from server.formats.findings import Measure, Quantity, Result
from server.formats.words import clean
from server.formats.xml import Element

_PROPERTY: Final = re.compile(r"\[[^\]]*\]")
MAX_PANEL: Final = 200  # results of one panel that are compared with each other


def result(element: Element, place: Place) -> Result | None:
    analyte = coded(element.find(f"{V3}code"), place.texts)
    if not analyte.label:
        return None
    value = quantities(element, place.texts)
    low, high, said = _reference(element, value, place)
    read = element.find(f"{V3}interpretationCode")
    return Result(
        at=own_time(element) or place.at,
        note=comments(element, place.texts),
        group=place.group,
        analyte=analyte,
        value=value,
        low=low,
        high=high,
        range_text=said,
        interpretation=coded(read, place.texts).code[:20] if read is not None else "",
        specimen=specimen(element, place) or place.specimen,
        method=coded(element.find(f"{V3}methodCode"), place.texts).label,
        section=place.title,
        previous=joined(_before(one, place) for one in related(element, "REFR")),
    )


def measure(element: Element, place: Place) -> Measure | None:
    what = coded(element.find(f"{V3}code"), place.texts)
    value = quantities(element, place.texts)
    if not what.label or not value.value:
        return None
    method = coded(element.find(f"{V3}methodCode"), place.texts).label
    note = joined((comments(element, place.texts), method))
    return Measure(at=own_time(element) or place.at, note=note, group=place.group, what=what, value=value)


def specimen(element: Element, place: Place) -> str:
    """What was examined, or the germ that was isolated of it."""
    inside = element.find(at("specimen/specimenRole/specimenPlayingEntity/code"))
    if inside is None:
        inside = element.find(at("participant/participantRole[@classCode='SPEC']/playingEntity/code"))
    return coded(inside, place.texts).label


def paired(found: Sequence[Result]) -> list[Result]:
    """The results of one panel, those that say one thing in two units pointing to each other. LOINC gives both the same
    name but for its property (« [Moles/Volume] », « [Masse/Volume] »); where a label is misspelt nothing is paired.
    """
    twins: dict[int, Quantity] = {}
    for (i, one), (j, other) in combinations(enumerate(found[:MAX_PANEL]), 2):
        if i not in twins and j not in twins and _same(one, other):
            twins[i], twins[j] = other.value, one.value
    return [msgspec.structs.replace(one, same_as=twins[i]) if i in twins else one for i, one in enumerate(found)]


def _same(one: Result, other: Result) -> bool:
    units = one.value.unit, other.value.unit
    if one.at != other.at or not all(units) or _substance(units[0]) == _substance(units[1]):
        return False
    names = {_PROPERTY.sub("", each.analyte.label).casefold() for each in (one, other)}
    return len(names) == 1 and number(one.value.value) != "" != number(other.value.value)


def _substance(unit: str) -> bool:
    """Whether a unit counts moles."""
    return "mol" in unit


def _reference(element: Element, value: Quantity, place: Place) -> tuple[str, str, str]:
    """(low, high, words): the normal range, in the unit of the value; any other in words."""
    said: list[str] = []
    low = high = ""
    for found in element.findall(at("referenceRange/observationRange"))[:10]:
        held, text = found.find(f"{V3}value"), place.texts.referred(found.find(f"{V3}text"))
        usual = coded(found.find(f"{V3}interpretationCode"), place.texts).code in {"", "N"}
        ends = _ends(held) if held is not None and kind(held).startswith("IVL") else None
        if ends and usual and not (low or high) and ends[2] in {"", value.unit}:
            low, high = ends[:2]
        elif held is not None and not text:
            whole = quantity(held, place.texts)
            text = " ".join(piece for piece in (whole.comparator, whole.value, whole.unit) if piece)
        said.append(text)
    return low, high, joined(said)


def _ends(held: Element) -> tuple[str, str, str] | None:
    low, high = (held.find(f"{V3}{side}") for side in ("low", "high"))
    values = [number(one.get("value", "")) if one is not None else "" for one in (low, high)]
    unit = next((one.get("unit", "") for one in (low, high) if one is not None and one.get("unit")), "")
    return (values[0], values[1], clean(unit).strip()[:60]) if any(values) else None


def _before(element: Element, place: Place) -> str:
    """An earlier result, in words: « 8.5 mmol/L (2020-09-12) »."""
    found = quantities(element, place.texts)
    said = " ".join(piece for piece in (found.comparator, found.value, found.unit) if piece)
    moment = own_time(element)[:10]
    return f"{said} ({moment})" if said and moment else said
