"""XML of a stranger to a tree, or a refusal.

Promises (security item 31): a document type declaration is refused before any parser sees it, so there are no
entities to expand and nothing to fetch; the encoding is one of five, so that none hides a declaration; depth and size
are bounded. Raises `Malformed` only. Does not look at what the document says.
"""

from __future__ import annotations

import re

from lxml import etree

from server.formats.malformed import Malformed
from server.formats.words import decode_text

MAX_BYTES = 60_000_000
MAX_TAGS = 400_000  # opening and closing: a tree costs some 200 octets an element, 60 MB of `<a/>` would cost 3 GB
MAX_ATTRIBUTES = 400_000
_LARGE = 9_000_000  # libxml2 refuses text nodes over 10 MB unless told that the document is large

_DECLARATION = re.compile(rb"""<\?xml\s[^>?]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_ENCODINGS = frozenset(("utf-8", "us-ascii", "ascii", "iso-8859-1", "iso-8859-15", "windows-1252"))

Element = etree._Element


def parse(data: bytes) -> Element:
    """The root element, comments and processing instructions dropped. Raises Malformed("xml", "xml_doctype",
    "xml_size").
    """
    if len(data) > MAX_BYTES or data.count(b"<") > MAX_TAGS or data.count(b"=") > MAX_ATTRIBUTES:
        raise Malformed("xml_size", "Le document XML est trop grand.")
    data = data.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")  # the METADATA.XML of the ANS start with blanks
    data = _in_utf8(data)
    _refuse_doctype(data)
    parser = etree.XMLParser(
        encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False,
        attribute_defaults=False, remove_comments=True, remove_pis=True, collect_ids=False, recover=False,
        huge_tree=len(data) > _LARGE,
    )  # fmt: skip
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise Malformed("xml", "Le document XML est mal formé.") from None
    if root.getroottree().docinfo.internalDTD is not None:  # should the walk of the prolog ever be outwitted
        raise Malformed("xml_doctype", "Le document XML contient une déclaration de type, ce qui n’est pas admis.")
    return root


def _in_utf8(data: bytes) -> bytes:
    declared = _DECLARATION.match(data, 0, 400)
    encoding = declared[1].decode("ascii").lower() if declared else "utf-8"
    if encoding not in _ENCODINGS or b"\0" in data:  # UTF-16 too: nobody writes a CDA in it, and it hides declarations
        raise Malformed("xml", "L’encodage du document XML n’est pas admis.")
    return data if encoding == "utf-8" else decode_text(data, encoding).encode("utf-8")


def _refuse_doctype(data: bytes) -> None:
    """Walks the prolog. A DOCTYPE can stand nowhere else (XML 1.0 §2.8), and inside a comment or CDATA it is only
    text.
    """
    position = 0
    while True:
        position = data.find(b"<", position)
        if position < 0:
            return
        if data.startswith(b"<?", position):
            stop = data.find(b"?>", position)
        elif data.startswith(b"<!--", position):
            stop = data.find(b"-->", position + 4)
        elif data.startswith(b"<!", position):
            raise Malformed("xml_doctype", "Le document XML contient une déclaration de type, ce qui n’est pas admis.")
        else:
            return
        if stop < 0:
            return
        position = stop + 2


def text_of(element: Element | None) -> str:
    """The text of an element and of what it contains, blanks joined; "" for None."""
    return "" if element is None else " ".join("".join(str(piece) for piece in element.itertext()).split())
