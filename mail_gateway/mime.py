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
from mail_gateway.cms import signed_content
from mail_gateway.headers import MAX_ADDRESSES, Headers, Mailbox, addresses, date, decode_words, message_ids
from mail_gateway.parts import Part, is_signed_envelope, part_of
from mail_gateway.prose import from_html, leaves_out, reflow
from mail_gateway.structure import Node
from server.formats.malformed import Malformed

__all__ = ["Letter", "Mailbox", "Malformed", "Part", "body_hash", "part", "read", "read_with_root"]

# A text longer than this is no letter: it is cut here and listed among the attachments too, so that nothing is lost.
MAX_TEXT = 1_000_000
MAX_SUBJECT = 998
MAX_ENCLOSED = 40  # of what stands beside a letter's own attachments, only as many are listed as there is room for
_FORWARDED = "---------- Message transféré ----------"  # as `split_quoted` knows it
_WITHIN = "Pièces jointes, dans l’enveloppe signée :"
_PLAIN_FORM = "---------- Version texte de ce message ----------"
_QUOTED_FIELDS = (("De", "from"), ("Date", "date"), ("Objet", "subject"))
_CALENDARS = ("text/calendar", "application/ics", "application/calendar", "text/x-vcalendar")
_UNTYPED = ("application/octet-stream", "text/plain")  # of a file named .ics


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
    auto_replied: bool
    is_report: bool
    ends_exchange: bool
    asks_receipt: str
    calendars: tuple[tuple[Part, str], ...] = ()  # every calendar, and the `method` of its Content-Type
    journey: str = ""  # X-Pli-Parcours: the sequence of messages that the sender names


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
    automatic = _automatic(headers)
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
        auto_submitted=automatic not in ("", "no"),
        auto_replied=automatic == "auto-replied",
        is_report=_is_report(root),
        ends_exchange=subject == "[FIN]" or "FIN" in headers.all("x-mss-mes"),  # MSSanté, note CNAM §7
        asks_receipt=receipt[0].address if len({one.address for one in receipt}) == 1 else "",
        calendars=tuple(body.calendars),
        journey=decode_words(get("x-pli-parcours") or "").strip()[:MAX_SUBJECT],
    )
    return letter, root


def _is_report(root: Node) -> bool:
    """A report, or what a client that knows no multipart/report makes of one: nobody writes these parts by hand."""
    told = {f"{child.type}/{child.subtype}" for child in root.children}
    reports = {"message/delivery-status", "message/disposition-notification"}
    return root.type == "multipart" and (root.subtype == "report" or bool(told & reports))


def part(raw: bytes, number: str) -> tuple[Part, bytes]:
    """One attachment and its decoded bytes. Raises Malformed("mime_no_part") when the message has no such part."""
    node = structure.find(structure.index(raw), number)
    if node is None or node.type == "multipart":
        raise Malformed("mime_no_part", "Le message n’a pas de pièce jointe à cette place.")
    return part_of(raw, node), structure.decode(raw, node)


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


def _automatic(headers: Headers) -> str:
    """RFC 3834 §5: no, auto-generated, auto-replied …, and how answering machines said it before. A list's `Precedence:
    bulk` is no automatic answer.
    """
    said = (headers.get("auto-submitted") or "").partition(";")[0].partition("(")[0].strip().lower()
    if said in ("", "no") and (
        (headers.get("precedence") or "").strip().lower() == "auto_reply"
        or any(headers.get(name) for name in ("x-autoreply", "x-autorespond"))
    ):
        return "auto-replied"
    return said


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

    def __init__(self, raw: bytes, *, sealed: bool = False) -> None:
        self.raw = raw
        self.sealed = sealed  # within a signed envelope: there is no second one to open
        self.calendar = ""
        self.calendars: list[tuple[Part, str]] = []
        self.attachments: list[Part] = []
        self.beside: list[Part] = []  # attached to letters within this one, or shown already though not whole
        self.within = 0
        self.length = 0

    def read(self, root: Node) -> tuple[str, str]:
        """(text, HTML) of the whole. The HTML is "" when the sender wrote none."""
        plain, rich = self.take(root, "")
        self.attachments += self.beside[: max(0, MAX_ENCLOSED - len(self.attachments))]
        return _joined(plain), "\n".join(piece.as_html() for piece in rich) if any(piece.html for piece in rich) else ""

    def take(self, node: Node, parent: str) -> _Views:
        if node.type == "multipart":
            views = [self.take(child, node.subtype) for child in node.children]
            plain = [piece for view, _ in views for piece in view]
            rich = [piece for _, view in views for piece in view]
            return _alternative(plain, rich) if node.subtype == "alternative" else (plain, rich)
        kind = f"{node.type}/{node.subtype}"
        attached = node.disposition == "attachment" or bool(node.filename)
        if node.type == "message" and node.children:
            return self.take_letter(node)
        if not self.within and (kind in _CALENDARS or (kind in _UNTYPED and node.filename.lower().endswith(".ics"))):
            self.calendars.append((part_of(self.raw, node), node.params.get("method", "")))
            if not self.calendar:
                self.calendar = structure.text(self.raw, node)[:MAX_TEXT]
            if attached and parent != "alternative":
                self.attach(node)
        elif kind in ("text/plain", "text/html") and not attached:
            return self.take_text(node)
        else:
            self.attach(node)
            if is_signed_envelope(self.raw, node):
                return self.take_envelope(node)
        return [], []

    def attach(self, node: Node) -> None:
        (self.beside if self.within else self.attachments).append(part_of(self.raw, node))

    def take_letter(self, node: Node) -> _Views:
        """A letter within the letter (message/rfc822): a file, its words as a quotation, and what is attached to it.
        Its appointments are not this sender's to make.
        """
        self.attach(node)
        inner = node.children[0]
        self.within += 1
        plain, _ = self.take(inner, "")
        self.within -= 1
        words = _joined(plain)
        if not words.strip():
            return [], []
        headers = Headers(self.raw[inner.header_start : inner.header_end])
        said = ((name, decode_words(headers.get(key) or "").strip()) for name, key in _QUOTED_FIELDS)
        lines = [f"{name} : {value[:MAX_SUBJECT]}" for name, value in said if value]
        quoted = "\n".join(f"> {line}".rstrip() for line in (*lines, "", *words.strip("\n").split("\n")))
        piece = _Piece(False, f"\n{_FORWARDED}\n{quoted}\n")
        return [piece], [piece]

    def take_envelope(self, node: Node) -> _Views:
        """The words of a letter that is signed as one piece (S/MIME); what is attached within stays in the piece."""
        content = signed_content(structure.decode(self.raw, node))
        if not content or self.sealed:
            return [], []
        inner = _Body(content, sealed=True)
        try:
            plain, rich = inner.take(structure.index(content), "")
        except Malformed:
            return [], []
        names = [part.name or part.type for part in inner.attachments]
        if names:
            plain = [*plain, _Piece(False, f"\n{_WITHIN} {', '.join(names)}")]
        return plain, rich

    def take_text(self, node: Node) -> _Views:
        content = structure.text(self.raw, node)
        if self.length + len(content) > MAX_TEXT:
            self.attach(node)
            content = content[: max(0, MAX_TEXT - self.length)]
        self.length += len(content)
        if "\ufffd" in content:  # its charset lies: the octets are there for who has better eyes (item 27)
            self.beside.append(part_of(self.raw, node))
        if not content or content.isspace():
            return [], []
        if node.subtype == "plain" and node.params.get("format", "").lower() == "flowed":
            content = reflow(content, node.params.get("delsp", "").lower() == "yes")
        piece = _Piece(node.subtype == "html", content)
        return [piece], [piece]


def _joined(pieces: list[_Piece]) -> str:
    return pieces[0].as_text() if len(pieces) == 1 else "\n".join(piece.as_text().strip("\n") for piece in pieces)


def _alternative(plain: list[_Piece], rich: list[_Piece]) -> _Views:
    """RFC 2046 §5.1.4: each reader sees one of them. The plain form is what is read, unless it leaves out something of
    the other (« votre logiciel n’affiche pas… », or a trick): then the words of the other come first.
    """
    texts = [piece for piece in plain if not piece.html]
    pages = [piece for piece in rich if piece.html]
    if texts and pages:
        text, page = _joined(texts), _joined(pages)
        if text.split() != page.split() and leaves_out(text, page, some=True):
            more = [_Piece(False, f"\n{_PLAIN_FORM}\n{text}")] if leaves_out(page, text) else []
            return [*pages, *more], pages
    return texts or plain, pages or rich
