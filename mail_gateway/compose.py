"""A letter to the bytes of a mail.

Promises: deterministic (the same letter gives the same bytes, so a retry after a lost 250 is recognised by its hash);
CRLF only; no line over 998 octets; no header can be added through a value (controls are turned to spaces before
folding); text in UTF-8 (ECO.2.2.3). Bytes are 7-bit, so that any relay carries them. Does not choose identifiers,
dates or recipients.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from mail_gateway.headers import MAX_HEADER_BYTES, Headers, Mailbox, clean, decode_words
from mail_gateway.structure import index
from server.formats.malformed import Malformed

_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
_TOKEN = re.compile(r"[A-Za-z0-9!#$&.+^_-]{1,127}")
_FIELD_NAME = re.compile(r"[!-9;-~]{1,76}")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# What a report of delivery says (RFC 3464 § 2.3.3): its title, its sentence in French and in English.
_ACTIONS = {
    "failed": ("Message non distribué", "n’a pas été distribué", "was not delivered"),
    "delayed": (
        "Message retardé", "n’a pas encore été distribué ; les essais continuent", "is not delivered yet"
    ),
    "delivered": ("Message remis", "a été remis", "was delivered"),
    "relayed": (
        "Message transmis", "a été transmis à un serveur qui ne dira pas s’il le remet", "was relayed"
    ),
}  # fmt: skip
# Fields `extra` may not repeat: the letter itself says them.
_OWN = frozenset((
    "from", "to", "cc", "bcc", "subject", "date", "message-id", "in-reply-to", "references", "reply-to", "mime-version",
    "content-type", "content-transfer-encoding", "auto-submitted", "content-disposition", "content-id",
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class OutPart:
    """A file to attach: its name, its media type, its bytes."""

    name: str
    type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class OutLetter:
    """A letter to send. Identifiers with or without angle brackets. `date` aware. `calendar` is an iCalendar text and
    `calendar_method` its METHOD (RFC 6047). `auto_submitted`: "auto-generated" or "auto-replied" (RFC 3834), ""
    for a person's letter. `extra`: more fields, such as ("X-MSS-NIL", "…"), never one the letter has a place for.
    """

    message_id: str
    date: datetime
    from_: Mailbox
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...] = ()
    subject: str = ""
    text: str = ""
    html: str = ""
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    reply_to: Mailbox | None = None
    attachments: tuple[OutPart, ...] = ()
    calendar: str = ""
    calendar_method: str = ""
    machine: OutPart | None = None  # what software reads instead of the text: the last choice, that no reader shows
    auto_submitted: str = ""
    extra: tuple[tuple[str, str], ...] = ()


def compose(letter: OutLetter) -> bytes:
    """The mail: text alone, or alternative (text, HTML, machine part, calendar), within mixed when there are
    attachments.
    """
    body = _text_part("text/plain", letter.text)
    if letter.html or letter.calendar or letter.machine:
        choices = [body]
        if letter.html:
            choices.append(_text_part("text/html", letter.html))
        if letter.machine:
            choices.append(_attachment(letter.machine, "inline"))
        if letter.calendar:
            method = _token(letter.calendar_method.upper(), "REPLY")
            # RFC 6047 §2.4: the parameter equals the METHOD inside; Outlook and Gmail look at it, and want it last
            # and inline.
            choices.append(_text_part(f"text/calendar; method={method}", _crlf_lines(letter.calendar)))
        body = _multipart("alternative", choices, letter.message_id)
    if letter.attachments:
        body = _multipart("mixed", [body, *(_attachment(part) for part in letter.attachments)], letter.message_id)
    return _header(letter) + body


def failure_report(
    *,
    message_id: str,
    date: datetime,
    from_: Mailbox,
    to: Mailbox,
    original: bytes,
    recipient: str,
    reason: str,
    status: str,
    reporting_mta: str,
    envelope_id: str = "",
    arrived: datetime | None = None,
    diagnostic: str = "",
    original_recipient: str = "",
    action: str = "failed",
    title: str = "",
    in_reply_to: str = "",
    whole: bool = False,
) -> bytes:
    """« Message non distribué » to the sender (RFC 3464 in RFC 6522), in French, with the headers of the original
    only.

    `original`: the raw mail that failed; of its content nothing is sent back, unless `whole` (RET=FULL). `recipient`:
    the address that failed, shown to the one who wrote it. `reason`: one French sentence. `status`: enhanced code (RFC
    3463). `envelope_id`: ENVID of RFC 3461, decoded. `action`: failed, delayed, and of good news delivered, relayed.
    `title`: the whole subject, when it is not the usual one. `in_reply_to`: the original's Message-ID.
    """
    block, subject = _original_header(original)
    kind, happened, in_english = _ACTIONS[action]
    because = f"Raison : {clean(reason)}\n" if reason else ""
    text = (
        f"Votre message {happened}.\n\nDestinataire : {clean(recipient)}\n"
        f"Objet : {subject or '(sans objet)'}\n"
        f"{because}\nCet avis est automatique ; il est inutile d’y répondre.\n"
        f"\n--\nYour message {in_english}. Status: {clean(status)}\n"
    )
    first = [f"Reporting-MTA: dns; {clean(reporting_mta)}"]
    if envelope_id:
        first.insert(0, f"Original-Envelope-Id: {clean(envelope_id)}")
    if arrived is not None:
        first.append(f"Arrival-Date: {_date(arrived)}")
    second = [f"Original-Recipient: {clean(original_recipient)}"] if original_recipient else []
    second += [f"Final-Recipient: rfc822; {clean(recipient)}", f"Action: {action}", f"Status: {clean(status)}"]
    if diagnostic:
        second.append(f"Diagnostic-Code: smtp; {clean(diagnostic)[:500]}")
    fields = "\r\n".join((*(_ascii(line) for line in first), "", *(_ascii(line) for line in second), ""))
    report = b"Content-Type: message/delivery-status\r\n\r\n" + fields.encode("ascii")
    returned = _returned(b"message/rfc822", original) if whole else _returned(b"text/rfc822-headers", block)
    letter = OutLetter(
        message_id,
        date,
        from_,
        (to,),
        subject=title or f"{kind} : {subject}".strip(),
        auto_submitted="auto-replied",
        in_reply_to=in_reply_to,
        references=(in_reply_to,) if in_reply_to else (),
    )
    parts = [_text_part("text/plain", text), report, returned]
    return _header(letter) + _multipart("report; report-type=delivery-status", parts, message_id)


def read_receipt(
    letter: OutLetter, original: bytes, reporting: str, recipient: str, original_recipient: str, disposition: str
) -> bytes:
    """A letter that says what became of `original` at its reader's (RFC 8098), with its headers. `reporting`: our name;
    `disposition`: the value of that field.
    """
    fields = [f"Reporting-UA: {clean(reporting)}"]
    fields += [f"Original-Recipient: {clean(original_recipient)}"] if original_recipient else []
    fields.append(f"Final-Recipient: rfc822;{clean(recipient)}")
    fields += [f"Original-Message-ID: {_id(letter.in_reply_to)}"] if letter.in_reply_to else []
    fields.append(f"Disposition: {disposition}")
    report = "Content-Type: message/disposition-notification\r\n\r\n" + "\r\n".join((*map(_ascii, fields), ""))
    returned = _returned(b"text/rfc822-headers", _original_header(original)[0])
    parts = [_text_part("text/plain", letter.text), report.encode("ascii"), returned]
    return _header(letter) + _multipart("report; report-type=disposition-notification", parts, letter.message_id)


def _returned(kind: bytes, data: bytes) -> bytes:
    """What is sent back of the original. RFC 2046 § 5.2.1: a message/rfc822 is never in base64; it may be of 8 bits."""
    if data.isascii() and _short(data):
        encoding = b"7bit\r\n\r\n" + data
    elif kind == b"message/rfc822":
        encoding = b"8bit\r\n\r\n" + data
    else:
        encoding = b"base64\r\n\r\n" + _base64(data)
    return b"Content-Type: " + kind + b"\r\nContent-Transfer-Encoding: " + encoding


def _original_header(original: bytes) -> tuple[bytes, str]:
    """The header block of the original with CRLF, and its subject; both empty when it cannot be read."""
    try:
        node = index(original[: MAX_HEADER_BYTES + 4])
        headers = Headers(original[: node.header_end])
    except Malformed:
        return b"", ""
    block = b"\r\n".join(original[: node.header_end].replace(b"\0", b"").splitlines()).rstrip() + b"\r\n"
    return block, decode_words(headers.get("subject") or "").strip()[:200]


# ---- the header ------------------------------------------------------------------------------------------------------


def _header(letter: OutLetter) -> bytes:
    fields = [("Date", _date(letter.date)), ("From", _mailboxes((letter.from_,))), ("To", _mailboxes(letter.to))]
    if letter.cc:
        fields.append(("Cc", _mailboxes(letter.cc)))
    if letter.reply_to is not None:
        fields.append(("Reply-To", _mailboxes((letter.reply_to,))))
    fields += [("Subject", _words(clean(letter.subject), 9)), ("Message-ID", _id(letter.message_id))]
    if letter.in_reply_to:
        fields.append(("In-Reply-To", _id(letter.in_reply_to)))
    if letter.references:
        fields.append(("References", " ".join(_id(reference) for reference in letter.references)))
    if letter.auto_submitted:
        fields.append(("Auto-Submitted", _token(letter.auto_submitted, "auto-generated")))
    for name, value in letter.extra:
        if not _FIELD_NAME.fullmatch(name) or name.lower() in _OWN:
            raise ValueError("this field has a place of its own in the letter, or is no field name")
        fields.append((name, _words(clean(value), len(name) + 2)))
    fields.append(("MIME-Version", "1.0"))
    return "".join(f"{_fold(name, value)}\r\n" for name, value in fields if value).encode("ascii")


def _fold(name: str, value: str) -> str:
    """RFC 5322 §2.2.3: at spaces, towards 78 columns. A single word longer than a line goes on one of its own."""
    lines, line = [], f"{name}:"
    for word in value.split(" "):
        if len(line) + 1 + len(word) > 78 and line.strip() and line != f"{name}:":
            lines.append(line)
            line = ""
        line = f"{line} {word}"
    lines.append(line)
    return "\r\n".join(line for line in lines if line.strip())


def _words(text: str, column: int) -> str:
    """ASCII as it is, anything else as RFC 2047 words of at most 75 characters that never cut a letter in two."""
    if text.isascii() and "=?" not in text and max(map(len, text.split(" ")), default=0) < 900:
        return text
    words: list[str] = []
    chunk = b""
    room = max(15, 45 - column)
    for letter in text:
        encoded = letter.encode("utf-8", "replace")
        if len(chunk) + len(encoded) > room:
            words.append(_encoded_word(chunk))
            chunk, room = b"", 45
        chunk += encoded
    words.append(_encoded_word(chunk))
    return " ".join(words)


def _encoded_word(data: bytes) -> str:
    return f"=?utf-8?B?{base64.b64encode(data).decode('ascii')}?="


def _mailboxes(mailboxes: tuple[Mailbox, ...]) -> str:
    return ", ".join(_mailbox(mailbox) for mailbox in mailboxes)


def _mailbox(mailbox: Mailbox) -> str:
    address = clean(mailbox.address).replace(" ", "").strip("<>")
    if (
        not address.isascii()
    ):  # RFC 6532 mail is not carried by every operator: only the domain can be written otherwise
        local, _, domain = address.rpartition("@")
        address = f"{_ascii(local)}@{_idna(domain)}"
    name = clean(mailbox.name).strip()[:200]
    if not name:
        return address
    if not name.isascii() or "=?" in name:
        return f"{_words(name, 10)} <{address}>"
    if not _ATOM.fullmatch(name):
        name = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{name} <{address}>"


def _idna(domain: str) -> str:
    try:
        return domain.encode("idna").decode("ascii")
    except UnicodeError:
        return _ascii(domain)


def _id(value: str) -> str:
    return f"<{_ascii(clean(value)).replace(' ', '').strip('<>')[:900]}>"


def _date(moment: datetime) -> str:
    if moment.utcoffset() is None:
        moment = moment.replace(tzinfo=UTC)
    return (
        f"{_DAYS[moment.weekday()]}, {moment.day:02} {_MONTHS[moment.month - 1]} {moment.year:04} "
        f"{moment:%H:%M:%S} {moment:%z}"[:31]
    )


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode("ascii")


def _token(text: str, otherwise: str) -> str:
    return text if _TOKEN.fullmatch(text) else otherwise


# ---- the body --------------------------------------------------------------------------------------------------------


def _text_part(content_type: str, text: str) -> bytes:
    data = _crlf_lines(text).encode("utf-8", "replace")
    if data.isascii() and _short(data):
        head, body = b"us-ascii" if content_type == "text/plain" else b"utf-8", b"7bit\r\n\r\n" + data
    elif content_type.startswith("text/calendar"):  # several clients read a calendar in base64 only, or in 8bit only
        head, body = b"utf-8", b"base64\r\n\r\n" + _base64(data)
    else:
        head, body = b"utf-8", b"quoted-printable\r\n\r\n" + _quoted_printable(data)
    kind = content_type.encode("ascii")
    return b"Content-Type: " + kind + b"; charset=" + head + b"\r\nContent-Transfer-Encoding: " + body


def _crlf_lines(text: str) -> str:
    return "\r\n".join(text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "").split("\n"))


def _short(data: bytes) -> bool:
    return max(map(len, data.split(b"\r\n")), default=0) <= 990


def _quoted_printable(data: bytes) -> bytes:
    lines = data.split(b"\r\n")
    coded = (binascii.b2a_qp(line, istext=True) for line in lines)
    return b"\r\n".join(line.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") for line in coded)


def _base64(data: bytes) -> bytes:
    return base64.encodebytes(data).replace(b"\n", b"\r\n")


def _attachment(part: OutPart, disposition: str = "attachment") -> bytes:
    maintype, _, subtype = part.type.lower().partition("/")
    kind = f"{maintype}/{subtype}"
    if not (_TOKEN.fullmatch(maintype) and _TOKEN.fullmatch(subtype)) or maintype in ("multipart", "message"):
        kind = "application/octet-stream"
    name = clean(part.name).replace("/", "_").replace("\\", "_").strip() or "piece-jointe"
    shown = f"Content-Disposition: {disposition}{_name('filename', name)}\r\n"
    head = f"Content-Type: {kind}{_name('name', name)}\r\n{shown}"
    return head.encode("ascii") + b"Content-Transfer-Encoding: base64\r\n\r\n" + _base64(part.data)


def _name(parameter: str, name: str) -> str:
    """RFC 2231 §3-4 where the name is not ASCII, in sections of 50 octets; a quoted string otherwise."""
    if name.isascii() and len(name) <= 60:
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        return f';\r\n {parameter}="{quoted}"'
    pieces, piece = [], ""
    for octet in name.encode("utf-8", "replace")[:600]:
        char = chr(octet)
        piece += char if char.isascii() and (char.isalnum() or char in "-._") else f"%{octet:02X}"
        if len(piece) > 48:
            pieces.append(piece)
            piece = ""
    pieces.append(piece)
    pieces[0] = f"utf-8''{pieces[0]}"
    return "".join(f";\r\n {parameter}*{place}*={piece}" for place, piece in enumerate(pieces))


def _multipart(subtype: str, parts: list[bytes], message_id: str) -> bytes:
    """The boundary comes from the message's identifier and the parts, so it is stable and stands in none of them."""
    seed = hashlib.sha256(f"{subtype}\0{message_id}".encode("utf-8", "replace"))
    boundary = b"pli-" + seed.hexdigest()[:32].encode("ascii")
    while any(boundary in part for part in parts):
        seed.update(b"\0")
        boundary = b"pli-" + seed.hexdigest()[:32].encode("ascii")
    head = f"Content-Type: multipart/{subtype};\r\n boundary=".encode("ascii") + b'"' + boundary + b'"\r\n\r\n'
    return head + b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"
