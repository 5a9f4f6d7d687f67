"""The values of CDA entries: templates, times, codes, quantities, words. Pure; what cannot be read is "".

Promises: a type is told by the local part of xsi:type, whatever the prefix; a code has a label (its own, that of a
translation, its original text, its number); a broken reference is no words; nullFlavor MSK is `MASKED` where a value
stands; nothing raises for what a stranger wrote. Words are cut at `MOST`, so that references to one long text cost
little. HL7 CDA R2 data types; CI-SIS, volet Structuration minimale.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from server.formats import hl7
from server.formats.findings import MASKED, Coded, Quantity
from server.formats.words import clean
from server.formats.xml import Element

V3: Final = "{urn:hl7-org:v3}"
MOST: Final = 1000  # characters of words
ATC: Final = "2.16.840.1.113883.6.73"
CIS: Final = "1.2.250.1.213.2.3.1"
# The insurer writes ATC under OIDs of its own (JDV_BDM_ATC_CNAM-HR_CISIS, 3 and 5 digits).
_ATC_OIDS: Final = {ATC, "1.2.250.1.215.200.1.2.1", "1.2.250.1.215.200.1.2.2"}
_TYPE: Final = "{http://www.w3.org/2001/XMLSchema-instance}type"
_OID_SLIP: Final = re.compile(r"^1\.3\.5\.1\.4\.1\.")  # for 1.3.6.1.4.1, in the examples of the ANS
_DIGITS: Final = re.compile(r"(\d{4,})(?:[.,]\d{1,9})?([+-]\d{2,4})?")
_NUMBER: Final = re.compile(r"[+-]?\d{1,30}(?:[.,]\d{1,30})?(?:[eE][+-]?\d{1,3})?")
_YES_NO: Final = {"true": "oui", "false": "non"}


@dataclass(slots=True)
class Texts:
    """The narrative of a document, by the ID that entries refer to; words read once."""

    places: dict[str, Element]
    known: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, document: Element) -> Texts:
        return cls({found: element for element in document.iter() if (found := element.get("ID"))})

    def referred(self, element: Element | None) -> str:
        """The words a `reference` under this element points to, or those that stand in it. Many omit the `#`."""
        if element is None:
            return ""
        reference = element.find(f"{V3}reference")
        name = reference.get("value", "").removeprefix("#") if reference is not None else ""
        if not name:
            return words(element)
        if name not in self.known:
            place = self.places.get(name)
            self.known[name] = words(place) if place is not None else ""
        return self.known[name]


def words(element: Element | None) -> str:
    """The text within, blanks joined, as much of it as is kept."""
    if element is None:
        return ""
    pieces: list[str] = []
    length = 0
    for piece in element.itertext():
        pieces.append(str(piece)[:MOST])
        length += len(piece.strip())
        if length > MOST:
            break
    return clean(" ".join("".join(pieces).split()))[:MOST]


def oid(value: str) -> str:
    """An OID, its known slips of pen corrected."""
    return _OID_SLIP.sub("1.3.6.1.4.1.", clean(value).strip())[:255]


def templates(element: Element) -> frozenset[str]:
    return frozenset(oid(found.get("root", "")) for found in element.iterfind(f"{V3}templateId"))


def kind(element: Element) -> str:
    """The local name of its xsi:type: CD for `CD` and for `c:CD`."""
    return element.get(_TYPE, "").rpartition(":")[2].strip()


def at(path: str) -> str:
    """A path of names, each of HL7 v3."""
    return "/".join(f"{V3}{part}" for part in path.split("/"))


def identifier(element: Element) -> str:
    """The first id of an act, root or root^extension; "" when it has none."""
    for found in element.iterfind(f"{V3}id"):
        root, extension = clean(found.get("root", "")).strip(), clean(found.get("extension", "")).strip()
        if root and found.get("nullFlavor") is None:
            return (f"{root}^{extension}" if extension else root)[:255]
    return ""


# ---- times -----------------------------------------------------------------------------------------------------------


def when(value: str) -> str:
    """An HL7 TS as ISO 8601 with the precision it has: 2021, 2021-03, 2021-03-28, an instant. "" for what is none."""
    match = _DIGITS.fullmatch(value.strip()) if len(value) < 60 else None
    if match is None:
        return ""
    digits = match[1]
    moment = hl7.instant(digits if len(digits) < 10 else value)
    if moment is None:
        return ""
    if len(digits) >= 10:
        return moment.isoformat()
    return moment.date().isoformat()[: {4: 4, 6: 7}.get(len(digits), 10)]


def moment(element: Element | None) -> str:
    """When something was: the time itself, or the beginning of an interval, or its end."""
    if element is None:
        return ""
    low, high = interval(element)
    return when(element.get("value", "")) or low or _edge(element, "center") or high


def interval(element: Element | None) -> tuple[str, str]:
    """(from, to) of an IVL_TS."""
    return ("", "") if element is None else (_edge(element, "low"), _edge(element, "high"))


def _edge(element: Element, side: str) -> str:
    found = element.find(f"{V3}{side}")
    return when(found.get("value", "")) if found is not None else ""


# ---- codes -----------------------------------------------------------------------------------------------------------


def coded(element: Element | None, texts: Texts) -> Coded:
    """A concept: its code, else that of a translation, else words."""
    if element is None:
        return Coded()
    if element.get("nullFlavor") == "MSK":
        return Coded(label=MASKED)
    chosen = next((one for one in codes(element) if one.code), Coded())
    said = texts.referred(element.find(f"{V3}originalText")) or clean(element.get("displayName", "")).strip()[:MOST]
    return Coded(chosen.code, chosen.system, chosen.label or said or chosen.code)


def codes(element: Element) -> Iterator[Coded]:
    """The codes of a concept: its own, then its translations, nested ones too."""
    yield _code(element)
    for found in element.iter(f"{V3}translation"):
        yield _code(found)


def _code(element: Element) -> Coded:
    label = " ".join(clean(element.get("displayName", "")).split())[:MOST]
    code = clean(element.get("code", "")).strip()[:100]
    system = oid(element.get("codeSystem", "")) if code else ""
    return Coded(code, ATC if system in _ATC_OIDS else system, label or code)


# ---- quantities ------------------------------------------------------------------------------------------------------


def number(value: str) -> str:
    """A decimal as its text, with a point; "" for what is none."""
    value = value.strip()
    return value.replace(",", ".").removeprefix("+") if len(value) < 70 and _NUMBER.fullmatch(value) else ""


def quantities(element: Element, texts: Texts) -> Quantity:
    """What an observation has found. Several words (two germs) are joined; a number stands alone."""
    found = [quantity(value, texts) for value in element.findall(f"{V3}value")[:20]]
    said = [one for one in found if one.value]
    if not said:
        return Quantity(texts.referred(element.find(f"{V3}text")) if found else "")
    if len(said) == 1 or said[0].unit or said[0].comparator:
        return said[0]
    return Quantity(" ; ".join(dict.fromkeys(one.value for one in said))[:MOST])


def quantity(element: Element, texts: Texts) -> Quantity:
    """A value of whatever type: PQ, INT, REAL, IVL_PQ, RTO, CD, CE, CO, ST, ED, BL, TS."""
    if element.get("nullFlavor") == "MSK":
        return Quantity(MASKED)
    type_ = kind(element)
    if type_.startswith("IVL"):
        return _range(element)
    if type_ in {"CD", "CE", "CV", "CO", "CS"}:
        return Quantity(coded(element, texts).label)
    if type_ == "BL":
        return Quantity(_YES_NO.get(element.get("value", ""), ""))
    if type_ == "TS":
        return Quantity(when(element.get("value", "")))
    if type_.startswith("RTO"):
        sides = [amount(element.find(f"{V3}{side}")) for side in ("numerator", "denominator")]
        return Quantity(" / ".join(one for one in sides if one))
    value = element.get("value", "")
    if value:
        unit = clean(element.get("unit", "")).strip()[:60]
        return Quantity(number(value) or clean(value)[:MOST], "" if unit == "1" else unit)
    return Quantity(words(element) or texts.referred(element.find(f"{V3}originalText")) or texts.referred(element))


def _range(element: Element) -> Quantity:
    """One bound is a comparison (IVL_PQ, inclusive unless said otherwise), two are words."""
    low, high = (element.find(f"{V3}{side}") for side in ("low", "high"))
    ends = [one for one in (low, high) if one is not None and number(one.get("value", ""))]
    if not ends:
        center = element.find(f"{V3}center")
        own = center if center is not None else element
        return Quantity(number(own.get("value", "")), clean(own.get("unit", "")).strip()[:60])
    unit = clean(ends[0].get("unit", "")).strip()[:60]
    values = [number(one.get("value", "")) for one in ends]
    if len(values) == 2:
        return Quantity(values[0], unit) if values[0] == values[1] else Quantity(" – ".join(values), unit)
    strict = ends[0].get("inclusive") == "false"
    sign = ">" if ends[0] is low else "<"
    return Quantity(values[0], unit, sign if strict else f"{sign}=")


def amount(element: Element | None, units: dict[str, str] | None = None) -> str:
    """A quantity in words: « 2 boîtes », « 500 mg »."""
    if element is None:
        return ""
    value = number(element.get("value", ""))
    unit = clean(element.get("unit", "")).strip()[:60]
    named = (units or {}).get(unit, "" if unit.isdigit() else unit.strip("{}"))  # a code of a package nobody can read
    return " ".join(piece for piece in (value, named) if piece) if value else ""


def joined(found: Iterable[str], between: str = " ; ") -> str:
    """What is said, once each."""
    return between.join(dict.fromkeys(one for one in found if one))[:MOST]
