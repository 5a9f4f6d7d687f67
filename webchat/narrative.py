"""A health document (CDA R2) as something to read: what its header says of it, its human-readable sections, or the PDF
it carries. Pure.

Promises: HTML is built here from a list of what is allowed (headings, paragraphs, lists, tables, line breaks,
emphasis, http links), never taken from the document nor made by its stylesheet; attributes are dropped but for spans
and scopes of table cells. A DOCTYPE is refused, nothing is fetched, sizes and depths are bounded. Raises `Unreadable`
only.

Does not: read the coded entries, compare identities, or show pictures. CDA R2 § 4.3.5 (narrative block); CI-SIS, volet
Structuration minimale (one body, N1 or N3).
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, replace
from itertools import islice, zip_longest

from lxml import etree
from markupsafe import Markup, escape

MAX_OCTETS = 20_000_000
MAX_ELEMENTS = 200_000  # a tree costs some 200 octets an element
MAX_DEPTH = 60
MAX_FILES = 100
_COPY = "55108-5"  # LOINC « Copie du document »
_V3 = "{urn:hl7-org:v3}"
_PLAIN = {
    "paragraph": "p",
    "item": "li",
    "tr": "tr",
    "thead": "thead",
    "tbody": "tbody",
    "tfoot": "tfoot",
    "sub": "sub",
    "sup": "sup",
}
_CELLS = frozenset({"td", "th"})
_KEPT = {
    "colspan": re.compile(r"[1-9]\d?"), "rowspan": re.compile(r"[1-9]\d?"),
    "scope": re.compile(r"row|col|rowgroup|colgroup"),
}  # fmt: skip
_SKIPPED = frozenset({"renderMultiMedia", "footnote", "footnoteRef", "colgroup", "col"})


class Unreadable(Exception):
    """The document cannot be shown; it can still be downloaded."""


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the document. `level`: 2 for the first level of headings."""

    title: str
    level: int
    text: Markup


@dataclass(frozen=True, slots=True)
class Header:
    """What the document says of itself, as plain words; '' where it says nothing. Dates as HL7 writes them."""

    title: str = ""
    patient: str = ""
    born: str = ""
    author: str = ""
    organisation: str = ""
    at: str = ""


@dataclass(frozen=True, slots=True)
class Readable:
    """What there is to read: the header, and sections or a PDF, or both: the PDF is a copy of the sections then."""

    sections: tuple[Section, ...] = ()
    pdf: bytes = b""
    header: Header = Header()


def read(data: bytes) -> Readable:
    """The body of a CDA document. Raises `Unreadable`."""
    root = _parse(data)
    document = root if root.tag == f"{_V3}ClinicalDocument" else root.find(f".//{_V3}ClinicalDocument")
    body = document.find(f"{_V3}component") if document is not None else None
    if body is None:
        raise Unreadable("no body")
    assert document is not None  # noqa: S101 - it has a body
    header = _header(document)
    whole = body.find(f"{_V3}nonXMLBody/{_V3}text")
    if whole is not None:
        return Readable(pdf=_pdf(whole), header=header)
    sections: list[Section] = []
    for section in body.iterfind(f"{_V3}structuredBody/{_V3}component/{_V3}section"):
        _add(section, 2, sections)
    copy = _copy(body)
    if not sections and not copy:
        raise Unreadable("nothing to read")
    return Readable(_worded(sections), copy, header)


def _worded(sections: list[Section]) -> tuple[Section, ...]:
    """Without the headings that nothing stands under, unless there is nothing else."""
    kept = [
        one
        for one, after in zip_longest(sections, sections[1:])
        if one.text.strip() or (after is not None and after.level > one.level)
    ]
    return tuple(kept or sections)


def _copy(body: etree._Element) -> bytes:
    """The PDF that a structured document carries of itself; b"" when there is none that can be read."""
    for value in islice(body.iterfind(f".//{_V3}observationMedia/{_V3}value"), MAX_FILES):
        section = next(value.iterancestors(f"{_V3}section"), None)
        if section is not None and _is_copy(section):
            try:
                return _pdf(value)
            except Unreadable:
                continue
    return b""


def _is_copy(section: etree._Element) -> bool:
    code = section.find(f"{_V3}code")
    return code is not None and code.get("code") == _COPY


def _header(document: etree._Element) -> Header:
    """CDA R2 § 4.2: title, recordTarget, the first author, effectiveTime."""
    patient = document.find(f"{_V3}recordTarget/{_V3}patientRole/{_V3}patient")
    author = document.find(f"{_V3}author/{_V3}assignedAuthor")
    found = Header(title=_said(document, "title"), at=_value(document, "effectiveTime"))
    if patient is not None:
        found = replace(found, patient=_name(patient.find(f"{_V3}name")), born=_value(patient, "birthTime"))
    if author is not None:
        name = _name(author.find(f"{_V3}assignedPerson/{_V3}name")) or _said(
            author, "assignedAuthoringDevice/softwareName"
        )
        found = replace(found, author=name, organisation=_said(author, "representedOrganization/name"))
    return found


def _at(path: str) -> str:
    return "/".join(f"{_V3}{part}" for part in path.split("/"))


def _said(within: etree._Element, path: str) -> str:
    found = within.find(_at(path))
    return " ".join("".join(str(part) for part in found.itertext()).split())[:300] if found is not None else ""


def _value(within: etree._Element, path: str) -> str:
    found = within.find(_at(path))
    return found.get("value", "")[:40] if found is not None else ""


def _name(name: etree._Element | None) -> str:
    """Prefix, given name and family name: the used one (CL), else the one of birth (BR), else the first."""
    if name is None:
        return ""
    parts = []
    for kind in ("prefix", "given", "family", "suffix"):
        found = {part.get("qualifier", ""): part for part in reversed(name.findall(f"{_V3}{kind}"))}
        chosen = next((found[key] for key in ("CL", "BR", "") if key in found), None)
        parts.append(" ".join("".join(map(str, chosen.itertext())).split()) if chosen is not None else "")
    whole = "" if any(parts) else " ".join("".join(map(str, name.itertext())).split())
    return (" ".join(filter(None, parts)) or whole)[:200]


def _parse(data: bytes) -> etree._Element:
    if len(data) > MAX_OCTETS or data.count(b"<") > 2 * MAX_ELEMENTS:
        raise Unreadable("too large")
    if b"<!DOCTYPE" in data or b"\0" in data:  # with a zero octet it is UTF-16, which would hide the declaration
        raise Unreadable("a DOCTYPE")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Unreadable("not XML") from error
    if root.getroottree().docinfo.internalDTD is not None:  # should the search above be outwitted
        raise Unreadable("a DOCTYPE")
    return root


def _pdf(whole: etree._Element) -> bytes:
    try:
        data = base64.b64decode("".join((whole.text or "").split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unreadable("not base64") from error
    if not data.startswith(b"%PDF-"):
        raise Unreadable("not a PDF")
    return data


def _add(section: etree._Element, level: int, found: list[Section]) -> None:
    if level > MAX_DEPTH:
        raise Unreadable("too deep")
    title, text = section.find(f"{_V3}title"), section.find(f"{_V3}text")
    heading = " ".join("".join(str(part) for part in title.itertext()).split())[:300] if title is not None else ""
    words = _inside(text, 0) if text is not None else Markup()
    if (heading or words.strip()) and not _is_copy(section):
        found.append(Section(heading, min(level, 4), words))
    for inner in section.iterfind(f"{_V3}component/{_V3}section"):
        _add(inner, level + 1, found)


def _inside(element: etree._Element, depth: int) -> Markup:
    """The text and the elements within an element, in order."""
    if depth > MAX_DEPTH:
        raise Unreadable("too deep")
    parts = [escape(element.text or "")]
    for child in element:
        parts.append(_element(child, depth + 1))
        parts.append(escape(child.tail or ""))
    return Markup().join(parts)


def _element(element: etree._Element, depth: int) -> Markup:
    name = etree.QName(element).localname  # comments and instructions were left out by the parser
    if name in _SKIPPED:
        return Markup()
    if name == "br":
        return Markup("<br>")
    words = _inside(element, depth)
    if name in _PLAIN:
        return Markup("<{0}>{1}</{0}>").format(Markup(_PLAIN[name]), words)  # noqa: S704 - a name of our own table
    if name in _CELLS:
        return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), _spans(element), words)  # noqa: S704 - td or th
    if name == "table":
        return Markup('<div class="wide" tabindex="0"><table>{}</table></div>').format(words)
    if name == "caption":
        return Markup("<strong>{}</strong> ").format(words)
    if name == "list":
        ordered = element.get("listType") == "ordered"
        return Markup("<ol>{}</ol>").format(words) if ordered else Markup("<ul>{}</ul>").format(words)
    if name == "content" and "bold" in element.get("styleCode", "").lower():
        return Markup("<strong>{}</strong>").format(words)
    if name == "linkHtml" and re.match(r"https?://[^\s]+$", element.get("href", "")):
        return Markup('<a href="{}" rel="noopener noreferrer" target="_blank">{}</a>').format(
            element.get("href"), words
        )
    return words


def _spans(cell: etree._Element) -> Markup:
    """How many columns and rows a cell takes, and of which a heading is: the only attributes that are kept."""
    kept = [(name, cell.get(name, "")) for name in _KEPT]
    return Markup().join(Markup(' {}="{}"').format(name, value) for name, value in kept if _KEPT[name].fullmatch(value))
