"""Where an entry of a CDA stands: what it has from its section, its organizer and its document. Pure.

CDA R2 §4.3.8: context is conducted from a document to its sections and entries. A measure whose own time is not given
has that of its organizer, else the document's (CI-SIS, FR-Signes-vitaux).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from server.formats.cda_values import MOST, V3, Texts, joined, moment, templates
from server.formats.xml import Element

NESTED = ("entryRelationship", "component", "entry")
ACTS = frozenset(
    f"{V3}{name}"
    for name in ("act", "observation", "organizer", "substanceAdministration", "supply", "procedure", "encounter")
)
COMMENT = "1.3.6.1.4.1.19376.1.5.3.1.4.2"


@dataclass(frozen=True, slots=True)
class Place:
    """`at`: the time one has from above; `section`, `title`: the section's LOINC code and its heading. `laboratory`: in
    a chapter of a laboratory report. `group`: of the organizer. `specimen`: what was examined. `narrative`: the words
    of a section that has one entry, which are that entry's: many entries refer to words that are not there.
    """

    texts: Texts
    at: str
    section: str = ""
    title: str = ""
    laboratory: bool = False
    group: str = ""
    specimen: str = ""
    narrative: str = ""


def related(element: Element, *kinds: str) -> Iterator[Element]:
    """The acts directly under one, by the typeCode of their relation; all when none is named."""
    for name in NESTED:
        for relation in element.iterfind(f"{V3}{name}"):
            if not kinds or relation.get("typeCode") in kinds:
                yield from (act for act in relation if act.tag in ACTS)


def code_of(element: Element) -> str:
    code = element.find(f"{V3}code")
    return code.get("code", "").strip() if code is not None else ""


def own_time(element: Element) -> str:
    return moment(element.find(f"{V3}effectiveTime"))


def comments(element: Element, texts: Texts) -> str:
    """What was noted beside an entry (IHE PCC, Comment)."""
    said = (act for act in related(element, "SUBJ", "COMP") if COMMENT in templates(act))
    return joined(texts.referred(act.find(f"{V3}text")) for act in said)[:MOST]
