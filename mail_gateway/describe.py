"""What IMAP says of a mail without sending it: ENVELOPE, BODY, BODYSTRUCTURE and the header block (RFC 3501 § 7.4.2).

Pure. Promises: whatever the mail, a description a client can parse: strings are quoted 7-bit text without CR, LF, NUL
or bidirectional controls (an address or a subject is hostile text); what is not ASCII is an RFC 2047 word or an RFC
2231 parameter. A mail that `structure` finds malformed is described as one text part, so that it can still be read.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from dataclasses import replace
from urllib.parse import quote

import msgspec

from mail_gateway import prose, structure
from mail_gateway.headers import MAX_HEADER_BYTES, Headers, Written, clean, unquoted, written
from mail_gateway.structure import Node
from server.formats.malformed import Malformed

VERSION = 3  # raised when the same octets come to be described otherwise: kept descriptions are then made anew
PREVIEW = 200  # characters (RFC 8970 § 3.1)
_PREVIEWED = 64 * 1024  # octets of a text looked at for it
_ASCII = "us-ascii"


class Facts(msgspec.Struct, frozen=True, array_like=True):
    """A mail's header block (with the empty line that ends it) and its descriptions, ready to send."""

    version: int
    header: bytes
    envelope: bytes
    body: bytes
    structure: bytes
    preview: str  # the first words, on one line


def facts(raw: bytes) -> Facts:
    """Everything at once. Never raises."""
    root = tree(raw)
    header = raw[: root.header_end]
    shown = preview(raw, root)
    return Facts(VERSION, header, envelope(header), body(raw, root), body(raw, root, extended=True), shown)


def tree(raw: bytes) -> Node:
    """The parts of a mail; of one that is malformed, a single text part. Never raises."""
    try:
        return structure.index(raw)
    except Malformed:
        end = raw.find(b"\r\n\r\n", 0, MAX_HEADER_BYTES)
        start = end + 4 if end >= 0 else 0
        lines = raw.count(b"\n", start)
        return Node("", "text", "plain", {}, "8bit", "", "", "", 0, start, start, len(raw), lines, ())


def preview(raw: bytes, root: Node) -> str:
    """The first words of what a person wrote, without what they quote (RFC 8970). Never raises."""
    texts = [node for node in _own(root) if node.type == "text" and node.disposition != "attachment"]
    texts.sort(key=lambda node: ("plain", "html").index(node.subtype) if node.subtype in ("plain", "html") else 2)
    if not texts:
        return ""
    node = replace(texts[0], body_end=min(texts[0].body_end, texts[0].body_start + _PREVIEWED))
    words = structure.text(raw, node)
    if node.subtype == "html":
        words = prose.from_html(words)
    own = " ".join(line for line in words.splitlines() if not line.startswith(">"))
    return clean(" ".join(own[: 20 * PREVIEW].split()))[:PREVIEW].rstrip()


def _own(node: Node) -> Iterator[Node]:
    """The parts of a mail, and nothing of the mails that it encloses."""
    yield node
    if node.type == "multipart":
        for child in node.children:
            yield from _own(child)


def envelope(header: bytes) -> bytes:
    """(date subject from sender reply-to to cc bcc in-reply-to message-id); RFC 3501 § 7.4.2. Never raises."""
    try:
        fields = Headers(header)
    except Malformed:
        return b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"
    writers = written(fields.get("from"))
    people = {name: written(fields.get(name)) for name in ("sender", "reply-to", "to", "cc", "bcc")}
    people["sender"] = people["sender"] or writers
    people["reply-to"] = people["reply-to"] or writers
    return b"(%b)" % b" ".join(
        [
            nstring(fields.get("date")),
            nstring(fields.get("subject")),
            _people(writers),
            *(_people(mailboxes) for mailboxes in people.values()),
            nstring(fields.get("in-reply-to")),
            nstring(fields.get("message-id")),
        ]
    )


def body(raw: bytes, node: Node, *, extended: bool = False) -> bytes:
    """BODY, or BODYSTRUCTURE when `extended`. A hundred levels at most (`structure`), so recursion is safe."""
    if node.type == "multipart" and node.children:
        parts = b"".join(body(raw, child, extended=extended) for child in node.children)
        more = b" %b %b" % (_parameters(node.params), _extension(node)) if extended else b""
        return b"(%b %b%b)" % (parts, nstring(node.subtype.upper()), more)
    kind, subtype = node.type, node.subtype
    if not node.children and (kind == "multipart" or (kind == "message" and subtype == "rfc822")):
        kind, subtype = "application", "octet-stream"  # a client would look for what is inside
    params = node.params
    if kind == "text" and "charset" not in params:
        params = {"charset": "us-ascii", **params}  # RFC 2045 § 5.2, said aloud as Dovecot does
    fields = [
        nstring(kind.upper()),
        nstring(subtype.upper()),
        _parameters(params),
        nstring(f"<{node.content_id}>" if node.content_id else None),
        nstring(node.said.description or None),
        nstring((node.encoding or "7bit").upper()),
        b"%d" % (node.body_end - node.body_start),
    ]
    if kind == "message" and subtype == "rfc822":
        inner = node.children[0]
        fields.append(envelope(raw[inner.header_start : inner.header_end]))
        fields.append(body(raw, inner, extended=extended))
        fields.append(b"%d" % node.lines)
    elif kind == "text":
        fields.append(b"%d" % node.lines)
    if extended:
        fields += [nstring(node.said.md5 or None), _extension(node)]
    return b"(%b)" % b" ".join(fields)


def nstring(text: str | None) -> bytes:
    """NIL, or a quoted string of 7-bit text."""
    return b"NIL" if text is None else quoted(_words(clean(text)))


def quoted(text: str) -> bytes:
    return b'"%b"' % text.replace("\\", "\\\\").replace('"', '\\"').encode(_ASCII, "replace")


def _words(text: str) -> str:
    """ASCII as it is (a subject's own encoded words too), anything else as RFC 2047 words of at most 75 characters."""
    if text.isascii():
        return text
    words, chunk = [], b""
    for letter in text:
        encoded = letter.encode("utf-8", "replace")
        if len(chunk) + len(encoded) > 45:
            words.append(chunk)
            chunk = b""
        chunk += encoded
    words.append(chunk)
    return " ".join(f"=?utf-8?B?{base64.b64encode(word).decode(_ASCII)}?=" for word in words)


def _people(people: Iterable[Written]) -> bytes:
    """((name route local domain) …) or NIL; a group as RFC 3501 § 7.4.2 marks where it begins and ends."""
    found = b""
    for one in people:
        if one.address:
            local, _, domain = one.address.rpartition("@")
            name, route = nstring(one.name or None), nstring(one.route or None)
            found += b"(%b %b %b %b)" % (name, route, nstring(unquoted(local)), nstring(domain))
        else:
            found += b"(NIL NIL %b NIL)" % nstring(one.name or None)
    return b"(%b)" % found if found else b"NIL"


def _parameters(params: dict[str, str]) -> bytes:
    """("NAME" "value" …) or NIL. RFC 2231 § 4 for what is not ASCII."""
    pairs = []
    for name, value in params.items():
        value = clean(value)
        if value.isascii():
            pairs += [nstring(name.upper()), quoted(value)]
        else:
            pairs += [nstring(f"{name.upper()}*"), quoted("utf-8''" + quote(value.encode("utf-8", "replace"), safe=""))]
    return b"(%b)" % b" ".join(pairs) if pairs else b"NIL"


def _extension(node: Node) -> bytes:
    """disposition, language, location."""
    said, disposition = node.said, b"NIL"
    if node.disposition:
        disposition = b"(%b %b)" % (nstring(node.disposition.upper()), _parameters(said.disposition))
    languages = b"(%b)" % b" ".join(map(nstring, said.languages)) if said.languages else b"NIL"
    return b"%b %b %b" % (disposition, languages, nstring(said.location or None))
