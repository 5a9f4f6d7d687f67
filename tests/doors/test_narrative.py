"""A health document laid out for reading: every example of the ANS, and what a hostile one gets."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from tests import letters
from webchat import narrative
from webchat.narrative import Unreadable

ALLOWED = {
    "p",
    "li",
    "tr",
    "thead",
    "tbody",
    "tfoot",
    "sub",
    "sup",
    "td",
    "th",
    "div",
    "table",
    "strong",
    "ol",
    "ul",
    "a",
    "br",
}
ATTRIBUTES = {"colspan", "rowspan", "scope", "class", "tabindex", "href", "rel", "target"}


def document(text: str, title: str = "Conclusion") -> bytes:
    return (
        '<ClinicalDocument xmlns="urn:hl7-org:v3"><component><structuredBody><component><section>'
        f"<title>{title}</title><text>{text}</text></section></component></structuredBody></component></ClinicalDocument>"
    ).encode()


def whole(data: bytes) -> bytes:
    carried = base64.b64encode(data).decode()
    return (
        '<ClinicalDocument xmlns="urn:hl7-org:v3"><component><nonXMLBody>'
        f'<text mediaType="application/pdf" representation="B64">{carried}</text>'
        "</nonXMLBody></component></ClinicalDocument>"
    ).encode()


def only_allowed(html: str) -> bool:
    tags = re.findall(r"<(/?)(\w+)([^>]*)>", html)
    assert html.count("<") == len(tags)
    names = {name for _, name, _ in tags}
    return names <= ALLOWED and set(re.findall(r'(\w+)="', " ".join(rest for *_, rest in tags))) <= ATTRIBUTES


def test_every_example_document_is_read(samples: Path) -> None:
    paths = sorted((samples / "cda").glob("*.xml"))
    assert paths
    for path in paths:
        found = narrative.read(path.read_bytes())
        assert found.sections or found.pdf, path.name
        assert found.pdf[:5] in {b"", b"%PDF-"}, path.name
        assert all(only_allowed(section.text) for section in found.sections), path.name
        assert all(section.title or section.text.strip() for section in found.sections)


def test_a_table_keeps_its_cells_and_their_spans() -> None:
    table = (
        '<table border="1" onclick="x()"><tr><th colspan="2" style="x">Glycémie</th></tr>'
        "<tr><td>0,92</td><td>g/L</td></tr></table>"
    )
    (section,) = narrative.read(document(table)).sections
    assert section.title == "Conclusion"
    assert section.text == (
        '<div class="wide" tabindex="0"><table><tr><th colspan="2">Glycémie</th></tr>'
        "<tr><td>0,92</td><td>g/L</td></tr></table></div>"
    )


def test_a_pdf_inside_is_given_as_it_is_and_nothing_else_is() -> None:
    sheet = letters.pdf("Compte rendu")
    assert narrative.read(whole(sheet)).pdf == sheet
    for other in (b"<html><script>x()</script>", b"", b"MZ"):
        with pytest.raises(Unreadable):
            narrative.read(whole(other))


@pytest.mark.parametrize(
    "text",
    [
        "<paragraph>&lt;script&gt;x()&lt;/script&gt;</paragraph>",
        "<script>x()</script><paragraph onclick='x()'>a</paragraph>",
        "<linkHtml href='javascript:x()'>a</linkHtml>",
        "<linkHtml href='https://a.test/&quot; onclick=&quot;x()'>a</linkHtml>",
        "<linkHtml href='https://a.test/\n'>a</linkHtml>",
        "<img src='x' onerror='x()'/><iframe src='https://evil.test'/>",
        "<content styleCode='Bold' style='x'>a</content>",
        "<td colspan='99999999999'>a</td><td colspan='2\" onclick=\"x'>b</td>",
        "<x:script xmlns:x='http://www.w3.org/1999/xhtml'>x()</x:script>",
        "<![CDATA[<script>x()</script>]]><?php x() ?><!-- <script> -->",
    ],
)
def test_nothing_of_a_hostile_narrative_is_more_than_text(text: str) -> None:
    for section in narrative.read(document(text, "&lt;b&gt;Titre")).sections:
        assert only_allowed(section.text)
        assert not re.search(r"<[^>]*(?:javascript:|onclick|onerror|style=)", section.text)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not xml",
        b"<a/>",
        b"\xff\xfe<\0a\0/\0>\0",
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        document("&x;"),
        document("<paragraph>" * 500 + "</paragraph>" * 500),
        document("<br/>" * 500_000),
        b'<ClinicalDocument xmlns="urn:hl7-org:v3"/>',
        b" " * 20_000_001,
    ],
    ids=lambda data: repr(data[:24]),
)
def test_what_cannot_be_shown_is_refused_by_our_own_name(data: bytes) -> None:
    with pytest.raises(Unreadable):
        narrative.read(data)
