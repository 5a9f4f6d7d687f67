"""SEARCH: its keys (RFC 3501 and 9051 § 6.4.4; MODSEQ 7162, OLDER and YOUNGER 5032, EMAILID and THREADID 8474, `$`
5182), how they are read and what they match. Pure, but for the clock that OLDER and YOUNGER count from.

A key says how much of a message it must see (`depth`): its flags and numbers, its header and size, or its text; a
search looks at the cheap keys first and opens only what is left. Text is compared with case and accents folded; days
are compared as they are written, whatever the hour and the zone. There is no « recent » here (RFC 9051 dropped it):
RECENT and NEW match nothing, OLD everything.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from mail_gateway.headers import Headers, clean, decode_words
from mail_gateway.headers import date as header_date
from mail_gateway.imap.syntax import LARGEST_64, Cursor, Ids
from server.formats.malformed import Malformed
from server.query import fold as folded
from storage.entries import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN

NUMBERS, DATE, HEADER, TEXT = 0, 1, 2, 3  # how deep a key looks
MAX_KEYS = 500
MAX_LEVELS = 50
# What a client may name → our codec. ASCII is read as UTF-8: some clients send that and say nothing.
CHARSETS = {
    "US-ASCII": "utf-8", "UTF-8": "utf-8", "ISO-8859-1": "latin-1", "ISO-8859-15": "iso8859-15",
    "WINDOWS-1252": "cp1252",
}  # fmt: skip
_FLAGS = {"ANSWERED": ANSWERED, "DELETED": DELETED, "DRAFT": DRAFT, "FLAGGED": FLAGGED, "SEEN": SEEN}
_MONTHS = {name: number for number, name in enumerate(b"jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)}
_DATE = re.compile(rb'("?)([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})\1')
_FOLD = re.compile(rb"\r?\n(?=[ \t])")
_ONE_LINE = bytes(max(octet, 32) for octet in range(256))
_OBJECT_ID = re.compile(rb"[A-Za-z0-9_-]{1,255}+")
_NUMBERS = re.compile(rb"(?=[1-9*$])")


@dataclass(slots=True)
class Subject:
    """A message a key is tried on, as far as it is open: `at` and the two identifiers from depth DATE, `header` and
    `size` from HEADER, `text` from TEXT; everything else from the start. `place`: zero-based, in the folder;
    `keywords`: in lower case.
    """

    place: int
    uid: int
    flags: int
    at: int = 0
    size: int = 0
    header: bytes = b""
    text: str = ""
    opened: bool = False  # `text` has been filled
    keywords: frozenset[str] = frozenset()
    modseq: int = 0
    email_id: str = ""
    thread_id: str = ""
    _fields: Headers | None = None

    def field(self, name: str) -> list[str]:
        """The values of a field, folded to be compared."""
        return [fold(decode_words(value)) for value in self._headers().all(name)]

    def whole_header(self) -> str:
        """The header block as one line of words, folded to be compared."""
        block = _FOLD.sub(b"", self.header).translate(_ONE_LINE)
        return fold(decode_words(block.decode("utf-8", "replace")))

    def sent(self) -> date | None:
        moment = header_date(self._headers().get("date"))
        return moment.date() if moment else None

    def _headers(self) -> Headers:
        if self._fields is None:
            try:
                self._fields = Headers(self.header)
            except Malformed:
                self._fields = Headers(b"")
        return self._fields


def fold(text: str) -> str:
    """Case and accents folded."""
    return folded(clean(text))


@dataclass(frozen=True, slots=True)
class Key:
    """One key: what it must see and whether it matches."""

    depth: int
    matches: Callable[[Subject], bool]


@dataclass(frozen=True, slots=True)
class Numbers:
    """A key of message numbers or UIDs, which only the mailbox can resolve."""

    ids: Ids
    uid: bool


def everything(_: Subject) -> bool:
    return True


def nothing(_: Subject) -> bool:
    return False


class KeyReader:
    """Reads keys from a cursor, their strings by `codec` ("": unknown, read as well as can be). `numbers` collects
    sequence sets, which the mailbox must resolve before a key is tried; `modseq` whether there is a MODSEQ key.
    """

    def __init__(self, cursor: Cursor, codec: str = "utf-8") -> None:
        self._cursor = cursor
        self._codec = codec
        self._count = 0
        self.numbers: list[tuple[Numbers, set[int]]] = []
        self.modseq = False

    def keys(self, level: int = 0) -> list[Key]:
        found = [self.key(level)]
        while self._cursor.take(b" "):
            found.append(self.key(level))
        return found

    def key(self, level: int) -> Key:
        cursor = self._cursor
        self._count += 1
        if self._count > MAX_KEYS or level > MAX_LEVELS:
            raise cursor.bad("Search too complex")
        if cursor.take(b"("):
            keys = self.keys(level + 1)
            cursor.need(b")")
            return Key(max(key.depth for key in keys), lambda subject: all(key.matches(subject) for key in keys))
        if cursor.match(_NUMBERS):
            return self.ids(uid=False)
        name = cursor.keyword()
        if name in ("ALL", "OLD"):
            return Key(NUMBERS, everything)
        if name in ("RECENT", "NEW"):
            return Key(NUMBERS, nothing)
        if name in _FLAGS:
            return _flag(_FLAGS[name], want=True)
        if name.startswith("UN") and name[2:] in _FLAGS:
            return _flag(_FLAGS[name[2:]], want=False)
        cursor.space()
        return self.with_argument(name, level)

    def with_argument(self, name: str, level: int) -> Key:
        cursor = self._cursor
        if name == "UID":
            return self.ids(uid=True)
        if name == "NOT":
            key = self.key(level + 1)
            return Key(key.depth, lambda subject: not key.matches(subject))
        if name == "OR":
            one = self.key(level + 1)
            cursor.space()
            other = self.key(level + 1)
            return Key(max(one.depth, other.depth), lambda subject: one.matches(subject) or other.matches(subject))
        if name in ("KEYWORD", "UNKEYWORD"):
            return _keyword(cursor.atom().lower(), want=name == "KEYWORD")
        if name in ("FROM", "TO", "CC", "BCC", "SUBJECT"):
            return _field(name.lower(), self.words())
        if name == "HEADER":
            field = cursor.text().lower()
            cursor.space()
            return _field(field, self.words())
        if name in ("BODY", "TEXT"):
            return _text(self.words(), with_header=name == "TEXT")
        if name in ("LARGER", "SMALLER"):
            return _size(cursor.number(LARGEST_64), larger=name == "LARGER")
        if name in ("BEFORE", "ON", "SINCE", "SENTBEFORE", "SENTON", "SENTSINCE"):
            return _day(name.removeprefix("SENT"), _read_date(cursor), sent=name.startswith("SENT"))
        if name in ("OLDER", "YOUNGER"):
            return _within(cursor, younger=name == "YOUNGER")
        if name in ("EMAILID", "THREADID"):
            return _identifier(cursor.word(_OBJECT_ID, "Identifier expected").decode("ascii"), email=name == "EMAILID")
        if name == "MODSEQ":
            return self.changed()
        raise cursor.bad("Unknown search key")

    def words(self) -> str:
        """A string, folded to be compared."""
        sent = self._cursor.string()
        try:
            return fold(sent.decode(self._codec or "latin-1"))
        except UnicodeDecodeError:
            raise self._cursor.bad("Not in this charset") from None

    def changed(self) -> Key:
        """RFC 7162 § 3.1.5: MODSEQ [entry-name entry-type] n. Every flag of ours counts in the one number."""
        cursor = self._cursor
        self.modseq = True
        if cursor.peek(b'"'):
            cursor.string()
            cursor.space()
            if cursor.keyword() not in ("ALL", "PRIV", "SHARED"):
                raise cursor.bad("Entry type expected")
            cursor.space()
        least = cursor.number(LARGEST_64)
        return Key(NUMBERS, lambda subject: subject.modseq >= least)

    def ids(self, *, uid: bool) -> Key:
        chosen: set[int] = set()
        self.numbers.append((Numbers(self._cursor.ids(), uid), chosen))
        return Key(NUMBERS, lambda subject: subject.uid in chosen)


def _flag(bit: int, *, want: bool) -> Key:
    return Key(NUMBERS, lambda subject: bool(subject.flags & bit) is want)


def _keyword(name: str, *, want: bool) -> Key:
    return Key(NUMBERS, lambda subject: (name in subject.keywords) is want)


def _identifier(sought: str, *, email: bool) -> Key:
    return Key(DATE, lambda subject: (subject.email_id if email else subject.thread_id) == sought)


def _field(name: str, words: str) -> Key:
    """An empty string matches every message that has the field."""
    return Key(HEADER, lambda subject: any(words in value for value in subject.field(name)))


def _text(words: str, *, with_header: bool) -> Key:
    if not with_header:
        return Key(TEXT, lambda subject: words in fold(subject.text.replace("\n", " ")))
    return Key(TEXT, lambda subject: words in fold(subject.text.replace("\n", " ")) or words in subject.whole_header())


def _size(octets: int, *, larger: bool) -> Key:
    return Key(HEADER, (lambda subject: subject.size > octets) if larger else (lambda subject: subject.size < octets))


def _day(relation: str, day: date, *, sent: bool) -> Key:
    def matches(subject: Subject) -> bool:
        own = subject.sent() if sent else datetime.fromtimestamp(subject.at // 1000, UTC).date()
        if own is None:
            return False
        return own < day if relation == "BEFORE" else own == day if relation == "ON" else own >= day

    return Key(HEADER if sent else DATE, matches)


def _within(cursor: Cursor, *, younger: bool) -> Key:
    """RFC 5032 § 3: seconds before now."""
    seconds = cursor.number()
    if not seconds:
        raise cursor.bad("Nothing asked for")
    edge = int((time.time() - seconds) * 1000)
    return Key(DATE, (lambda subject: subject.at >= edge) if younger else (lambda subject: subject.at <= edge))


def _read_date(cursor: Cursor) -> date:
    found = cursor.match(_DATE)
    if found is None:
        raise cursor.bad("Date expected")
    try:
        return date(int(found[4]), _MONTHS[found[3].lower()], int(found[2]))
    except (ValueError, KeyError):
        raise cursor.bad("No such date") from None
