"""Where everything is in a raw message: a tree of offsets, nothing copied, nothing decoded until asked.

Promises: `index` is linear in the message (a budget on bytes searched makes nested multiparts so) and capped as
Postfix is: 100 kB and 1000 fields a header, 100 levels, 1000 parts, boundaries of 2048 bytes; beyond a cap, or for
any other reason, it raises `Malformed` and nothing else. A missing or early boundary is tolerated as mail readers do
(RFC 2046 §5.1). Does not say what a part is for: that is `mime`.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from mail_gateway.headers import MAX_HEADER_BYTES, Headers, clean, decode_base64, decode_text, decode_words, parameters
from server.formats.malformed import Malformed

__all__ = ["Malformed", "Node", "decode", "file_name", "find", "index", "index_with_headers", "text", "walk"]

MAX_LEVELS = 100
MAX_PARTS = 1000
MAX_BOUNDARY = 2048
MAX_LOOKALIKES = 10_000

_TYPE = re.compile(r"([\w!#$&^.+-]{1,127})\s*/\s*([\w!#$&^.+-]{1,127})")
# A terminal obeys them, XML forbids them. Taken out as bytes, ten times faster, where a byte of one is nothing else.
_CONTROLS = bytes((*range(9), 11, 12, *range(14, 32), 127))
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]+")
_WIDE = ("utf-16", "utf-32", "iso-2022")
_LINE_END = re.compile(rb"(--)?+[ \t]*+(?:\r?\n|\r?\Z)")


@dataclass(frozen=True, slots=True)
class Said:
    """What else the header of a part says, as it is written ("" when it does not): `disposition` its parameters."""

    description: str = ""
    md5: str = ""
    languages: tuple[str, ...] = ()
    location: str = ""
    disposition: dict[str, str] = field(default_factory=dict)


_NOTHING = Said()


@dataclass(frozen=True, slots=True)
class Node:
    """One part. Offsets are in the raw message; `header_end` counts the empty line in and is where the body starts.

    `number` is IMAP's (RFC 9051 §6.4.5), "" for the root; the inner root of a message/rfc822 numbered n is n itself
    when it is a multipart, n.1 otherwise. `type` and `subtype` in lower case; `lines` is counted for text and message
    parts only.
    """

    number: str
    type: str
    subtype: str
    params: dict[str, str]
    encoding: str
    disposition: str
    filename: str
    content_id: str
    header_start: int
    header_end: int
    body_start: int
    body_end: int
    lines: int
    children: tuple[Node, ...]
    said: Said = _NOTHING


def index(raw: bytes) -> Node:
    """The tree of a message. Raises Malformed."""
    return _Indexer(raw).node(0, len(raw), "", 1, "text/plain")[0]


def index_with_headers(raw: bytes) -> tuple[Node, Headers]:
    """The tree and the fields of the message's own header, read once."""
    return _Indexer(raw).node(0, len(raw), "", 1, "text/plain")


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it, in the order of the message."""
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        stack.extend(reversed(current.children))


def find(root: Node, number: str) -> Node | None:
    """The part of that IMAP number; "1" of a message that is not a multipart is its whole body."""
    if number == "1" and root.type != "multipart":
        return root
    return next((node for node in walk(root) if node.number == number), None)


def decode(raw: bytes, node: Node) -> bytes:
    """The content of a part with its transfer encoding undone, leniently. Never raises."""
    data = raw[node.body_start : node.body_end]
    if node.encoding == "base64":
        return decode_base64(data)
    if node.encoding == "quoted-printable":
        return binascii.a2b_qp(data)
    return data


def text(raw: bytes, node: Node) -> str:
    """The content of a text part: charset from an allow-list, bad bytes replaced, lines ended by a newline, no other
    control but the tab. Never raises.
    """
    charset = node.params.get("charset", "")
    data = decode(raw, node)
    if charset.lower().startswith(_WIDE):
        content = _CONTROL.sub("", decode_text(data, charset))
    else:
        content = decode_text(data.translate(None, _CONTROLS), charset)
    if "\r" in content:
        content = content.replace("\r\n", "\n").replace("\r", "\n")
    return content.removeprefix("\ufeff")


class _Indexer:
    """One walk over one message; holds what is spent."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.parts = 0
        # Each level searches its whole extent. A hundred levels around 25 MB would search 2.5 GB, so the sum is
        # bounded; an honest letter is four levels deep.
        self.budget = 4_000_000 + 12 * len(raw)
        self.lookalikes = 0

    def node(
        self, start: int, end: int, number: str, level: int, default: str, enclosed: bool = False
    ) -> tuple[Node, Headers]:
        """The part in that extent, and its fields. `enclosed`: it is the message within the message/rfc822 `number`."""
        self.parts += 1
        if self.parts > MAX_PARTS:
            raise Malformed("mime_parts", "Le message compte plus de 1000 parties.")
        if level > MAX_LEVELS:
            raise Malformed("mime_depth", "Les parties du message sont imbriquées sur plus de 100 niveaux.")
        raw = self.raw
        body = self.header_end(start, end)
        headers = Headers(raw[start:body])
        content_type = headers.get("content-type")
        maintype, subtype, params = _content_type(content_type or "", default)
        value = headers.get("content-transfer-encoding")
        encoding = value.partition("(")[0].strip(' "').lower() if value else "7bit"
        value = headers.get("content-disposition")
        disposition, extra = parameters(value) if value else ("", {})
        filename = extra.get("filename") or params.get("name") or ""
        children: tuple[Node, ...] = ()
        if maintype == "multipart":
            children = self.multipart(body, end, params.get("boundary", ""), subtype, number, level)
            if not children:  # no boundary to be found: shown as text, as mail readers do
                maintype, subtype = "text", "plain"
        if enclosed and maintype != "multipart":
            number = f"{number}.1"
        if maintype == "message" and subtype in ("rfc822", "global") and encoding in ("7bit", "8bit", "binary"):
            self.spend(end - body)
            children = (self.node(body, end, number or "1", level + 1, "text/plain", enclosed=True)[0],)
        value = headers.get("content-id")
        node = Node(
            number, maintype, subtype, params, encoding, disposition, file_name(filename) if filename else "",
            clean(value).strip(" <>") if value else "",
            start, body, body, end, raw.count(b"\n", body, end) if maintype in ("text", "message") else 0, children,
            _said(headers, extra),
        )  # fmt: skip
        return node, headers

    def header_end(self, start: int, end: int) -> int:
        """Just after the empty line that ends the header; `end` when there is none. Raises Malformed over 100 kB."""
        raw = self.raw
        if raw.startswith(b"\r\n", start, end):
            return start + 2
        if raw.startswith(b"\n", start, end):
            return start + 1
        limit = min(end, start + MAX_HEADER_BYTES + 4)
        crlf = raw.find(b"\n\r\n", start, limit)
        bare = raw.find(b"\n\n", start, limit if crlf < 0 else crlf + 1)
        if bare >= 0:
            return bare + 2
        if crlf >= 0:
            return crlf + 3
        if end - start > MAX_HEADER_BYTES:
            raise Malformed("mime_headers", "L’en-tête du message dépasse 100 ko.")
        return end

    def spend(self, octets: int) -> None:
        """Before every search or count over an extent."""
        self.budget -= octets
        if self.budget < 0:
            raise Malformed("mime_depth", "Les parties du message sont imbriquées sur trop de niveaux pour sa taille.")

    def multipart(self, start: int, end: int, boundary: str, subtype: str, number: str, level: int) -> tuple[Node, ...]:
        boundary = boundary.rstrip()
        if not boundary:
            return ()
        if len(boundary) > MAX_BOUNDARY:
            raise Malformed("mime_boundary", "La frontière entre les parties du message est trop longue.")
        self.spend(end - start)
        default = "message/rfc822" if subtype == "digest" else "text/plain"  # RFC 2046 §5.1.5
        prefix = f"{number}." if number else ""
        return tuple(
            self.node(part_start, part_end, f"{prefix}{place}", level + 1, default)[0]
            for place, (part_start, part_end) in enumerate(
                self.extents(start, end, boundary.encode("utf-8", "replace")), 1
            )
        )

    def extents(self, start: int, end: int, boundary: bytes) -> list[tuple[int, int]]:
        """Where the parts between the delimiter lines start and end. Raises Malformed over 1000."""
        raw, needle = self.raw, b"\n--" + boundary
        extents: list[tuple[int, int]] = []
        opened = -1
        # The delimiter may be the very first line of the body: the newline it needs is then that of the header.
        at = start - 1 if raw.startswith(needle[1:], start, end) else raw.find(needle, start, end)
        while at >= 0:
            match = _LINE_END.match(raw, at + len(needle), end)
            if match is None:  # a longer line that only begins like the delimiter
                self.lookalikes += 1
                if self.lookalikes > MAX_LOOKALIKES:
                    raise Malformed("mime_boundary", "Le message imite trop souvent ses propres frontières.")
                at = raw.find(needle, at + len(needle), end)
                continue
            if opened >= 0:
                close = at - 1 if at > opened and raw[at - 1] == 13 else at
                extents.append((opened, max(opened, close)))
                if len(extents) + self.parts > MAX_PARTS:
                    raise Malformed("mime_parts", "Le message compte plus de 1000 parties.")
            if match[1]:
                return extents
            opened = match.end()
            at = raw.find(needle, opened - 1, end)
        if opened >= 0:  # never closed: the last part runs to the end
            extents.append((opened, end))
        return extents


def _content_type(value: str, default: str) -> tuple[str, str, dict[str, str]]:
    main, params = parameters(value) if value else ("", {})
    match = _TYPE.match(main)
    if match is None:
        maintype, _, subtype = default.partition("/")
        return maintype, subtype, params
    return match[1], match[2], params


def _said(headers: Headers, disposition: dict[str, str]) -> Said:
    description, md5 = headers.get("content-description"), headers.get("content-md5")
    language, location = headers.get("content-language"), headers.get("content-location")
    if not (disposition or description or md5 or language or location):
        return _NOTHING
    languages = tuple(filter(None, (tag.strip() for tag in (language or "").partition("(")[0].split(","))))
    return Said(description or "", md5 or "", languages, location or "", disposition)


def file_name(name: str) -> str:
    """A bare file name for a person to read: encoded words decoded (RFC 2047, wrong here but usual), no path, no
    control.
    """
    name = decode_words(name).replace("\\", "/").rpartition("/")[2].strip(" .")
    return name if len(name) <= 200 else f"{name[:150]}…{name[-49:]}"
