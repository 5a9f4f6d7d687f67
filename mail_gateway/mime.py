"""A raw mail as the letter a person wrote: who, when, the text to read, what is attached.

Promises: `read` costs the header and the text, never the attachments (they stay offsets until `part` is asked for
one); it raises `Malformed` and nothing else, whatever the bytes; every part of the message is in the text, in the
HTML, in the calendar or among the attachments, so nothing a professional sent is lost from view. Does not: sanitise
the HTML, judge the sender, thread, open archives, or trust an X-MSS header (a wish of the sender's).
"""

from __future__ import annotations

import hashlib
import html
from dataclasses import dataclass
from datetime import datetime

from mail_gateway import structure
from mail_gateway.headers import MAX_ADDRESSES, Headers, Mailbox, addresses, date, decode_words, message_ids
from mail_gateway.malformed import Malformed
from mail_gateway.prose import from_html, reflow, split_quoted
from mail_gateway.structure import Node

__all__ = ["Letter", "Mailbox", "Malformed", "Part", "body_hash", "part", "read", "read_with_root", "split_quoted"]

# A text longer than this is no letter: it is cut here and listed among the attachments too, so that nothing is lost.
MAX_TEXT = 1_000_000
MAX_SUBJECT = 998
_CALENDARS = ("text/calendar", "application/ics")


@dataclass(frozen=True, slots=True)
class Part:
    """An attachment, by its IMAP number. `name` may be ""; `type` in lower case as announced, not as sniffed; `size`
    in decoded bytes; `inline` when the HTML refers to it by `content_id` or the sender asked for it to be shown in
    place.
    """

    number: str
    name: str
    type: str
    size: int
    inline: bool
    content_id: str


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail, read. Identifiers are without their angle brackets. `html` is raw and hostile.

    `from_` holds the mailboxes of every From field: a door refuses a letter that has not exactly one. `calendar` is the
    iCalendar text. `asks_receipt` is the address a read receipt goes to (RFC 8098), "" when none is asked for.
    """

    message_id: str
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    subject: str
    from_: tuple[Mailbox, ...]
    reply_to: tuple[Mailbox, ...]
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    date: datetime | None
    text: str
    html: str
    attachments: tuple[Part, ...]
    calendar: str
    auto_submitted: bool
    is_report: bool
    ends_exchange: bool
    asks_receipt: str


def read(raw: bytes) -> Letter:
    """The letter in a raw message. Raises Malformed over the caps of `structure`, and nothing else."""
    return read_with_root(raw)[0]


def read_with_root(raw: bytes) -> tuple[Letter, Node]:
    """The letter, and where everything is in it: for who goes on to the attachments. Raises as `read`."""
    root, headers = structure.index_with_headers(raw)
    body = _Body(raw)
    text, rich = body.read(root)
    get = headers.get
    subject = decode_words(get("subject") or "").strip()[:MAX_SUBJECT]
    ids = message_ids(get("message-id"))
    receipt = addresses(get("disposition-notification-to"))
    letter = Letter(
        message_id=ids[0] if ids else "",
        in_reply_to=message_ids(get("in-reply-to")),
        references=message_ids(get("references")),
        subject=subject,
        from_=_every(headers, "from"),
        reply_to=_every(headers, "reply-to"),
        to=_every(headers, "to"),
        cc=_every(headers, "cc"),
        date=date(get("date")),
        text=text,
        html=rich,
        attachments=tuple(body.attachments),
        calendar=body.calendar,
        auto_submitted=_auto_submitted(get("auto-submitted")),
        is_report=root.type == "multipart" and root.subtype == "report",
        ends_exchange=subject == "[FIN]" or "FIN" in headers.all("x-mss-mes"),  # MSSanté, note CNAM §7
        asks_receipt=receipt[0].address if receipt else "",
    )
    return letter, root


def part(raw: bytes, number: str) -> tuple[Part, bytes]:
    """One attachment and its decoded bytes. Raises Malformed("mime_no_part") when the message has no such part."""
    node = structure.find(structure.index(raw), number)
    if node is None or node.type == "multipart":
        raise Malformed("mime_no_part", "Le message n’a pas de pièce jointe à cette place.")
    return _part(raw, node), structure.decode(raw, node)


def body_hash(raw: bytes) -> bytes:
    """SHA-256 of all after the header block: the same letter sent again by another road keeps it (item 24)."""
    start = raw.find(b"\n\r\n")
    bare = raw.find(b"\n\n", 0, start + 2 if start >= 0 else len(raw))
    at = bare + 2 if bare >= 0 else start + 3 if start >= 0 else len(raw)
    return hashlib.sha256(memoryview(raw)[at:]).digest()


def _every(headers: Headers, name: str) -> tuple[Mailbox, ...]:
    """Each field by itself: joined, an unclosed comment in one would hide the other."""
    values = headers.all(name)
    if len(values) == 1:
        return addresses(values[0])
    return tuple(mailbox for value in values for mailbox in addresses(value))[:MAX_ADDRESSES]


def _auto_submitted(value: str | None) -> bool:
    """RFC 3834 §5. A list's `Precedence: bulk` is no automatic answer."""
    return value is not None and value.partition(";")[0].partition("(")[0].strip().lower() not in ("no", "")


@dataclass(frozen=True, slots=True)
class _Piece:
    """A text of the letter, as it is written: HTML or plain."""

    html: bool
    content: str

    def as_text(self) -> str:
        return from_html(self.content) if self.html else self.content

    def as_html(self) -> str:
        return self.content if self.html else f"<pre>{html.escape(self.content)}</pre>"


_Views = tuple[list[_Piece], list[_Piece]]  # what a reader of text sees, what a reader of HTML sees


class _Body:
    """Sorts the leaves of one message into text, HTML, calendar and attachments."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.calendar = ""
        self.attachments: list[Part] = []
        self.length = 0

    def read(self, root: Node) -> tuple[str, str]:
        """(text, HTML) of the whole. The HTML is "" when the sender wrote none."""
        plain, rich = self.take(root, "")
        text = plain[0].as_text() if len(plain) == 1 else "\n".join(piece.as_text().strip("\n") for piece in plain)
        return text, "\n".join(piece.as_html() for piece in rich) if any(piece.html for piece in rich) else ""

    def take(self, node: Node, parent: str) -> _Views:
        if node.type == "multipart":
            views = [self.take(child, node.subtype) for child in node.children]
            plain = [piece for view, _ in views for piece in view]
            rich = [piece for _, view in views for piece in view]
            if node.subtype == "alternative":  # RFC 2046 §5.1.4: each reader sees one of them
                plain = [piece for piece in plain if not piece.html] or plain
                rich = [piece for piece in rich if piece.html] or rich
            return plain, rich
        kind = f"{node.type}/{node.subtype}"
        attached = node.disposition == "attachment" or bool(node.filename)
        if kind in _CALENDARS or (kind == "application/octet-stream" and node.filename.lower().endswith(".ics")):
            if not self.calendar:
                self.calendar = structure.text(self.raw, node)[:MAX_TEXT]
            if attached and parent != "alternative":
                self.attachments.append(_part(self.raw, node))
        elif kind in ("text/plain", "text/html") and not attached:
            return self.take_text(node)
        else:
            self.attachments.append(_part(self.raw, node))
        return [], []

    def take_text(self, node: Node) -> _Views:
        content = structure.text(self.raw, node)
        if self.length + len(content) > MAX_TEXT:
            self.attachments.append(_part(self.raw, node))
            content = content[: max(0, MAX_TEXT - self.length)]
        self.length += len(content)
        if not content or content.isspace():
            return [], []
        if node.subtype == "plain" and node.params.get("format", "").lower() == "flowed":
            content = reflow(content, node.params.get("delsp", "").lower() == "yes")
        piece = _Piece(node.subtype == "html", content)
        return [piece], [piece]


def _part(raw: bytes, node: Node) -> Part:
    inline = node.disposition == "inline" or (node.disposition != "attachment" and bool(node.content_id))
    return Part(
        node.number or "1",
        node.filename,
        f"{node.type}/{node.subtype}",
        _decoded_size(raw, node),
        inline,
        node.content_id,
    )


def _decoded_size(raw: bytes, node: Node) -> int:
    """Without decoding when base64 lines are all of one length, as every client writes them; by decoding otherwise."""
    start, end = node.body_start, node.body_end
    if node.encoding not in ("base64", "quoted-printable"):
        return end - start
    if node.encoding == "base64":
        while end > start and raw[end - 1] in b"\r\n \t":
            end -= 1
        newline = raw.find(b"\n", start, min(end, start + 1000))
        if newline < 0:
            stride, ending = end - start + 1, 0
        else:
            stride, ending = newline + 1 - start, 2 if raw[newline - 1] == 13 else 1
        newlines = raw[start + stride - 1 : end : stride] if newline >= 0 else b""
        regular = newlines.count(b"\n") == len(newlines) and raw.find(b"=", start, max(start, end - 2)) < 0
        symbols = end - start - len(newlines) * ending
        if regular and symbols % 4 == 0:
            return symbols // 4 * 3 - raw.count(b"=", max(start, end - 2), end)
    return len(structure.decode(raw, node))
