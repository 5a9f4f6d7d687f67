"""What a structured CDA says: its entries as findings. Pure.

    section → entry → act, organizer → observation, substanceAdministration, supply  →  Result, Immunisation, Measure …

Promises: an entry is known by its templates (never by a label), or by standing in a chapter of a laboratory report;
one that cannot be read is skipped, alone; what is said of the family is not said of the patient; at most `MAX` findings
and a bounded walk, each element seen once. Does not: read the narrative but for the words entries refer to, convert a
unit, or draw anything from an absence. IHE PCC, PALM, PHARM; CI-SIS, volets de contenu.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import groupby, islice
from typing import Final

from server.formats.cda_medicines import device, dispensed, immunisation, treatment
from server.formats.cda_place import ACTS, NESTED, Place, own_time, related
from server.formats.cda_problems import allergy, problem
from server.formats.cda_results import measure, paired, result, specimen
from server.formats.cda_values import V3, Texts, at, coded, moment, templates, words
from server.formats.findings import Finding, Result
from server.formats.xml import Element

MAX: Final = 2000  # the largest example has 44; each is a row of one transaction
MAX_DEPTH: Final = 60
_PCC: Final = "1.3.6.1.4.1.19376.1.5.3.1.4"
_LABORATORY: Final = {"1.3.6.1.4.1.19376.1.3.3.2.1", "1.3.6.1.4.1.19376.1.3.3.2.2"}
_FAMILY: Final = {f"{_PCC}.15", f"{_PCC}.13.3"}
_COLLECTION: Final = "1.3.6.1.4.1.19376.1.3.1.2"
# The first that fits: an allergy is a problem too, by its templates.
_READERS: Final[tuple[tuple[str, str, Callable[[Element, Place], Finding | None]], ...]] = (
    ("observation", "1.3.6.1.4.1.19376.1.3.1.6", result),
    ("observation", f"{_PCC}.13.2", measure),
    ("observation", f"{_PCC}.6", allergy),
    ("observation", f"{_PCC}.5", problem),
    ("substanceAdministration", f"{_PCC}.12", immunisation),
    ("substanceAdministration", f"{_PCC}.7", treatment),
    ("supply", f"{_PCC}.7.3", dispensed),
    ("supply", "1.2.250.1.213.1.1.3.20", device),
)
_NESTED: Final = frozenset(f"{V3}{name}" for name in NESTED)
_BROKEN: Final = (ValueError, ArithmeticError, LookupError, TypeError, AttributeError)


def findings(document: Element) -> tuple[Finding, ...]:
    """The findings of a ClinicalDocument (CI-SIS, body of level 3), in its order; () of a body of level 1."""
    place = Place(Texts.of(document), moment(document.find(f"{V3}effectiveTime")))
    sections = document.iterfind(at("component/structuredBody/component/section"))
    found = list(islice((one for section in sections for one in _section(section, place, 0)), MAX))
    return tuple(_paired(found))


def _section(section: Element, above: Place, depth: int) -> Iterator[Finding]:
    if depth > MAX_DEPTH:
        return
    code = section.find(f"{V3}code")
    label = coded(code, above.texts) if code is not None else None
    here = replace(
        above,
        section=label.code if label else "",
        title=words(section.find(f"{V3}title"))[:200] or (label.label[:200] if label else "") or above.title,
        laboratory=above.laboratory or bool(_LABORATORY & templates(section)),
    )
    entries = section.findall(f"{V3}entry")
    here = replace(here, narrative=words(section.find(f"{V3}text"))[:300] if len(entries) == 1 else "")
    for number, entry in enumerate(entries):
        inside = replace(here, group=f"{here.section}.{number}")
        for act in entry:
            if act.tag in ACTS:
                yield from _act(act, inside, depth + 1)
    for inner in section.iterfind(at("component/section")):
        yield from _section(inner, here, depth + 1)


def _act(act: Element, place: Place, depth: int) -> Iterator[Finding]:
    """What an act says, and those within it that are no part of what it says."""
    roots = templates(act)
    if depth > MAX_DEPTH or _FAMILY & roots or act.find(f"{V3}subject/{V3}relatedSubject") is not None:
        return
    read = _reader(act, roots, place)
    if read is not None:
        try:
            one = read(act, place)
        except _BROKEN:  # a stranger's document: what cannot be read of it is in its narrative
            one = None
        if one is not None:
            yield one
        return
    here = replace(place, specimen=_specimen(act, place) or place.specimen)
    if act.tag == f"{V3}organizer":
        here = replace(here, at=own_time(act) or place.at)
    relations = (relation for relation in act if relation.tag in _NESTED)
    for number, relation in enumerate(relations):
        for inner in relation:
            if inner.tag in ACTS:
                panel = f"{place.group}.{number}" if inner.tag == f"{V3}organizer" else place.group
                yield from _act(inner, replace(here, group=panel), depth + 1)


def _reader(act: Element, roots: frozenset[str], place: Place) -> Callable[[Element, Place], Finding | None] | None:
    for name, template, read in _READERS:
        if template in roots and act.tag == f"{V3}{name}":
            return read
    plain = place.laboratory and not roots and act.tag == f"{V3}observation"
    return result if plain and act.find(f"{V3}value") is not None else None


def _specimen(act: Element, place: Place) -> str:
    """Of an isolate, its germ; of the examinations of a collected sample, what it is."""
    own = specimen(act, place)
    if own or not place.laboratory:
        return own
    collected = (one for one in related(act, "COMP") if _COLLECTION in templates(one))
    return next((said for one in collected if (said := specimen(one, place))), "")


def _paired(found: list[Finding]) -> Iterator[Finding]:
    """Results of one panel stand together, since each element is seen in order."""
    for _, group in groupby(found, lambda one: one.group if isinstance(one, Result) else None):
        panel = list(group)
        results = [one for one in panel if isinstance(one, Result)]
        yield from paired(results) if results else panel
