"""How a medicine is taken, in words a person reads: « 1 comprimé toutes les 8 heures pendant 2 jours ». Pure.

CDA R2 effectiveTime (IVL_TS, PIVL_TS, EIVL_TS, SXPR_TS) and doseQuantity, as the CI-SIS uses them (FR-Traitement, FR-
Traitement-prescrit-subordonnee). French, the language of what is prescribed here. What is not understood is left out:
the words of the document stand beside it.
"""

from __future__ import annotations

from typing import Final

from server.formats.cda_values import V3, amount, at, interval, joined, kind, number, when
from server.formats.xml import Element

# Units of time (UCUM): one, several, "every one".
_TIMES: Final = {
    "s": ("seconde", "secondes", "par seconde"),
    "min": ("minute", "minutes", "par minute"),
    "h": ("heure", "heures", "toutes les heures"),
    "d": ("jour", "jours", "par jour"),
    "wk": ("semaine", "semaines", "par semaine"),
    "mo": ("mois", "mois", "par mois"),
    "a": ("an", "ans", "par an"),
}
_EVERY: Final = {"h": "toutes les", "min": "toutes les", "s": "toutes les", "wk": "toutes les"}
# HL7 TimingEvent (2.16.840.1.113883.5.139).
_EVENTS: Final = {
    "AC": "avant les repas", "ACM": "avant le petit déjeuner", "ACD": "avant le déjeuner", "ACV": "avant le dîner",
    "C": "au moment des repas", "CM": "au petit déjeuner", "CD": "au déjeuner", "CV": "au dîner",
    "IC": "entre les repas", "ICM": "entre le petit déjeuner et le déjeuner",
    "ICD": "entre le déjeuner et le dîner", "ICV": "entre le dîner et le coucher",
    "PC": "après les repas", "PCM": "après le petit déjeuner", "PCD": "après le déjeuner", "PCV": "après le dîner",
    "HS": "au coucher", "WAKE": "au réveil",
}  # fmt: skip
# How units of doses and packages are written: annotations of UCUM, and EDQM codes, which nobody reads.
UNITS: Final = {
    "{tablet}": "comprimé(s)", "{tbl}": "comprimé(s)", "{Tablet}": "comprimé(s)", "{capsule}": "gélule(s)",
    "{puff}": "bouffée(s)", "[drp]": "goutte(s)", "{drop}": "goutte(s)", "{sachet}": "sachet(s)",
    "{ampule}": "ampoule(s)", "{dose}": "dose(s)", "[IU]": "UI", "mg/d": "mg par jour",
    "g/d": "g par jour", "mL/d": "mL par jour", "mg/h": "mg par heure", "mL/h": "mL par heure",
    "10219000": "comprimé(s)", "10210000": "gélule(s)",
    "30009000": "boîte(s)", "15054000": "comprimé(s)",
}  # fmt: skip


def dose(element: Element) -> str:
    """How much, how often, how long; "" when the document says nothing of it in data."""
    quantity = _between(element.find(f"{V3}doseQuantity"))
    times = [_time(found) for found in element.findall(f"{V3}effectiveTime")[:10]]
    rhythm = " ".join(dict.fromkeys(said for said in times if said))
    rate = _between(element.find(f"{V3}rateQuantity"))
    most = element.find(f"{V3}maxDoseQuantity")
    limit = _most(most) if most is not None else ""
    if not quantity and rhythm.startswith("par "):
        quantity = "une fois"
    return joined((" ".join(one for one in (quantity, rhythm) if one), f"débit {rate}" if rate else "", limit), ", ")


def _between(element: Element | None) -> str:
    if element is None:
        return ""
    low, high = (element.find(f"{V3}{side}") for side in ("low", "high"))
    said = [amount(one, UNITS) for one in (low, high) if one is not None]
    if not said:
        return amount(element, UNITS)
    if low is not None and len(said) == 2 and said[0] != said[1] and all(said):
        return f"{number(low.get('value', ''))} à {said[1]}"
    return next((one for one in said if one), "")


def _most(element: Element) -> str:
    """maxDoseQuantity: so much in so long."""
    top, span = amount(element.find(f"{V3}numerator"), UNITS), element.find(f"{V3}denominator")
    if not top:
        return ""
    value, unit = (number(span.get("value", "")), span.get("unit", "")) if span is not None else ("", "")
    return f"au plus {top} {_period(value, unit)}".strip() if unit in _TIMES else f"au plus {top}"


def _time(element: Element) -> str:
    kind_ = kind(element)
    if kind_ == "SXPR_TS":  # a rhythm and how long it lasts, in whatever order
        parts = sorted(element.findall(f"{V3}comp")[:10], key=lambda one: kind(one) == "IVL_TS")
        return " ".join(said for part in parts if (said := _time(part)))
    if kind_ == "PIVL_TS":
        period = element.find(f"{V3}period")
        return _period(number(period.get("value", "")), period.get("unit", "")) if period is not None else ""
    if kind_ == "EIVL_TS":
        return _event(element)
    width = element.find(f"{V3}width")
    return _lasting(number(width.get("value", "")), width.get("unit", "")) if width is not None else ""


def _event(element: Element) -> str:
    """Before a meal, at bedtime …, and how long before."""
    event = element.find(f"{V3}event")
    said = _EVENTS.get(event.get("code", ""), "") if event is not None else ""
    offset = element.find(at("offset/low"))
    if offset is None:
        offset = element.find(f"{V3}offset")
    if not said or offset is None:
        return said
    value = number(offset.get("value", "")).removeprefix("-")
    return f"{_counted(value, offset.get('unit', ''))} {said}" if value and value != "0" else said


def _period(value: str, unit: str) -> str:
    names = _TIMES.get(unit)
    if names is None or not value:
        return ""
    if value in {"1", "1.0"}:
        return names[2]
    return f"{_EVERY.get(unit, 'tous les')} {value} {names[1]}"


def _lasting(value: str, unit: str) -> str:
    said = _counted(value, unit)
    return f"pendant {said}" if said else ""


def _counted(value: str, unit: str) -> str:
    names = _TIMES.get(unit)
    return f"{value} {names[0] if value == '1' else names[1]}" if names and value else ""


def span(element: Element) -> tuple[str, str]:
    """(from, to) of a treatment: its interval, else the moment it was given."""
    moments = ""
    for found in element.findall(f"{V3}effectiveTime")[:10]:
        low, high = interval(found)
        if low or high:
            return low, high
        moments = moments or when(found.get("value", ""))
        inner = found.find(f"{V3}comp/{V3}low")
        moments = moments or (when(inner.get("value", "")) if inner is not None else "")
    return moments, ""
