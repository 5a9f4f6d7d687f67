"""Findings as a person reads them: plain names, numbers, units, ranges; one line for an operator. Pure.

    Glucose à jeun [Moles/Volume] Sérum/Plasma ; Numérique   →  Glucose à jeun
    Quantity("1.30", "10*9/L", "<=")                          →  ≤ 1,30 10⁹/L

Does not judge: what a document says of its result is told by the reader of the page in words (`interpretation`).
"""

from __future__ import annotations

import re
from typing import Final

from server.formats.findings import MASKED, Coded, Finding, Quantity, Result

_COMPARATORS: Final = {"<": "<", "<=": "≤", ">": ">", ">=": "≥"}
_UNITS: Final = {"Cel": "°C", "d": "j", "{ratio}": "", "1": "", "[diop]": "dioptries", "deg": "°", "kg/m2": "kg/m²"}
_PIECES: Final = (("[Hg]", "Hg"), ("[iU]", "UI"), ("[IU]", "UI"), ("10*", "10^"), ("*", "·"))
_POWER: Final = re.compile(r"10\^(\d+)")
_ANNOTATION: Final = re.compile(r"\{([^}]*)\}")
_RAISED: Final = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_DECIMAL: Final = re.compile(r"-?\d+\.\d+")
# What an interpretation code means (HL7 ObservationInterpretation, 2.16.840.1.113883.5.83), as slugs for words.
_MEANINGS: Final = {
    "N": "normal", "H": "high", "HU": "high", "HH": "very_high", "L": "low", "LU": "low", "LL": "very_low",
    "A": "outside", "AA": "outside", "S": "susceptible", "I": "intermediate", "R": "resistant", "POS": "positive",
    "NEG": "negative", "IND": "unclear",
}  # fmt: skip
MEANINGS: Final = frozenset(_MEANINGS.values())


def name(code: Coded) -> str:
    """The plain name of a concept: of a LOINC label, what is measured, without the property, system and scale."""
    label = code.label.partition(" [")[0] if " [" in code.label else code.label.partition(" ; ")[0]
    return label.removesuffix(" (organism)").strip() or code.label


def number(value: str, comma: bool = True) -> str:
    """A decimal in the writing of the reader, trailing zeros beyond two left out: 63.000000 is 63."""
    if not _DECIMAL.fullmatch(value):
        return value
    whole, _, decimals = value.partition(".")
    kept = decimals.rstrip("0") if len(decimals) > 2 else decimals
    return f"{whole}{',' if comma else '.'}{kept}" if kept else whole


def unit(ucum: str) -> str:
    """A UCUM unit as it is written by hand: mm[Hg] is mmHg, 10*9/L is 10⁹/L."""
    found = _UNITS.get(ucum, ucum)
    for piece, written in _PIECES:
        found = found.replace(piece, written)
    found = _POWER.sub(lambda power: f"10{power[1].translate(_RAISED)}", found)
    found = _ANNOTATION.sub(r"\1", found)
    return f"µ{found[1:]}" if found[:2] in {"ug", "uL", "um"} else found.replace("/uL", "/µL")


def quantity(value: Quantity, comma: bool = True) -> str:
    """Comparison, number and unit; "" for nothing and for what is masked."""
    if value.value in {"", MASKED}:
        return ""
    sign = _COMPARATORS.get(value.comparator, "")
    return " ".join(piece for piece in (sign, number(value.value, comma), unit(value.unit)) if piece)


def reference(result: Result, comma: bool = True) -> str:
    """The reference range: « 3,89 – 6,00 », « ≤ 5 », or the words of the document."""
    low, high = number(result.low, comma), number(result.high, comma)
    if low and high:
        return f"{low} – {high}"
    if low or high:
        return f"≥ {low}" if low else f"≤ {high}"
    return result.range_text


def meaning(interpretation: str) -> str:
    """The slug of what a document says of its own result; "" when it says nothing that is known."""
    return _MEANINGS.get(interpretation.upper(), "")


def line(finding: Finding) -> str:
    """A finding in one line, for an operator: its date, what it is, what was found, where it is coded."""
    main = concept(finding)
    value = getattr(finding, "value", None)
    told = quantity(value, comma=False) or value.value if isinstance(value, Quantity) else ""
    same = getattr(finding, "same_as", None)
    extra: list[str] = []
    if isinstance(same, Quantity):
        extra.append(f"= {quantity(same, comma=False)}")
    if isinstance(finding, Result) and (range_ := reference(finding, comma=False)):
        extra.append(f"[{range_}]")
    for field in ("interpretation", "mood", "dose", "status", "lot", "rank", "reaction", "severity", "until"):
        said = getattr(finding, field, "")
        if said and not (field == "until" and said == finding.at):
            extra.append(f"{field} {said}")
    if getattr(finding, "done", True) is False:
        extra.append("not done")
    pieces = (finding.at[:10] or "-", finding.kind, main.label, told, *extra, f"({main.code})" if main.code else "")
    return "  ".join(piece for piece in pieces if piece)


def concept(finding: Finding) -> Coded:
    """What a finding is about: the analyte, the product, the agent …"""
    for field in ("analyte", "product", "agent", "what"):
        found = getattr(finding, field, None)
        if isinstance(found, Coded):
            atc = getattr(finding, "atc", Coded())
            return found if found.label or found.code else atc
    return Coded()
