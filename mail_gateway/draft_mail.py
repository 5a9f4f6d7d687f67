"""A draft between a page and a mail client: what a page can show of a mail that is not sent yet, and the mail that a
page's words make. Pure.

Promises: `read` takes any octets and never raises (what is no mail a page can read says so in `why`); every file of the
mail is named; `letter` is the same for the same version, whoever asks. Does not look anybody up: whether an address
exists is not asked here (`mail_gateway.draft_places`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from mail_gateway import mime, structure
from mail_gateway.compose import OutLetter, OutPart
from mail_gateway.headers import MAX_HEADER_BYTES, Headers, Mailbox, addresses, decode_words, message_ids
from mail_gateway.mime import Letter
from mail_gateway.structure import Node
from server.attachments import clean_name
from server.drafts import MAX_SUBJECT, MAX_TEXT
from server.formats.malformed import Malformed
from server.keeping import AsMail, Enclosed, Writing

MAX_SHOWN: Final = 50  # addresses and files of one draft that a page lists
# By which clients name a draft that they save again under another Message-ID: Apple Mail.
_SAME: Final = ("x-universally-unique-identifier",)
_NAMES: Final = 200  # characters of such a name


@dataclass(frozen=True, slots=True)
class Read:
    """A draft that a client appended. `letter`: None for what is no mail; `to`: everybody it is for, Bcc too."""

    writing: Writing
    letter: Letter | None
    to: tuple[Mailbox, ...]


def read(raw: bytes, at: int) -> Read:
    """What a page can show of it, without where it belongs. Never raises."""
    try:
        letter, root = mime.read_with_root(raw)
        header = Headers(raw[: root.header_end])
    except Malformed:
        return _unreadable(raw, at)
    to = (*letter.to, *letter.cc, *addresses(header.get("bcc")))[:MAX_SHOWN]
    names = (letter.message_id, *(value[:_NAMES] for name in _SAME for value in header.all(name)))
    text = letter.text.rstrip()
    mail = AsMail(
        names=tuple(dict.fromkeys(name for name in names if name)),
        to=tuple(_shown(one) for one in to),
        files=_files(letter, root)[:MAX_SHOWN],
        at=at,
        why="long" if len(text) > MAX_TEXT or len(_files(letter, root)) > MAX_SHOWN else "",
    )
    return Read(Writing(text=text[:MAX_TEXT], subject=letter.subject[:MAX_SUBJECT], mail=mail), letter, to)


def _unreadable(raw: bytes, at: int) -> Read:
    """Its octets are kept; of its header, what can be told."""
    end = raw.find(b"\r\n\r\n", 0, MAX_HEADER_BYTES)
    try:
        header = Headers(raw[: end if end >= 0 else MAX_HEADER_BYTES])
    except Malformed:
        header = Headers(b"")
    subject = decode_words(header.get("subject") or "").strip()[:MAX_SUBJECT]
    mail = AsMail(names=message_ids(header.get("message-id"))[:1], at=at, why="unreadable")
    return Read(Writing(subject=subject, mail=mail), None, ())


def _shown(one: Mailbox) -> str:
    return f"{one.name} <{one.address}>" if one.name else one.address


def _files(letter: Letter, root: Node) -> tuple[Enclosed, ...]:
    """Its attachments, pictures in the text and appointments among them."""
    found = {part.number: part for part in (*letter.attachments, *(part for part, _ in letter.calendars))}
    files = []
    for part in found.values():
        node = structure.find(root, part.number)
        if node is not None:
            coding = node.encoding if node.encoding in ("base64", "quoted-printable") else "identity"
            name = clean_name(part.name) if part.name else ("rendez-vous.ics" if "calendar" in part.type else "fichier")
            files.append(Enclosed(name, part.type, part.size, f"{coding}:{node.body_start}:{node.body_end}"))
    return tuple(files)


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around a page's words in a mail: whom it is for, and the message it answers, with those before it."""

    to: Sequence[Mailbox] = ()
    subject: str = ""
    answers: str = ""
    references: Sequence[str] = ()


def letter(
    writing: Writing, message_id: str, at: int, from_: Mailbox, around: Around, files: Sequence[OutPart]
) -> OutLetter:
    """The mail of what a page wrote. `at`: ms since 1970."""
    return OutLetter(
        message_id=message_id,
        date=datetime.fromtimestamp(at // 1000, UTC),
        from_=from_,
        to=tuple(around.to),
        subject=around.subject,
        text=writing.text.rstrip("\n") + "\n",
        in_reply_to=around.answers,
        references=tuple(around.references),
        attachments=tuple(files),
    )
