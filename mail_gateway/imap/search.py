"""SEARCH: its keys (RFC 3501 § 6.4.4), how they are read and what they match. Pure.

A key says how much of a message it must see (`depth`): its flags and numbers, its header and size, or its text; a
search looks at the cheap keys first and opens only what is left. Text is compared with case and accents folded.
There is no « recent » here (RFC 9051 dropped it): RECENT and NEW match nothing, OLD everything.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from mail_gateway.headers import Headers, clean, decode_words
from mail_gateway.headers import date as header_date
from mail_gateway.imap.syntax import Cursor, Ids
from server.formats.malformed import Malformed
from server.query import fold as folded
from storage.entries import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN

NUMBERS, DATE, HEADER, TEXT = 0, 1, 2, 3  # how deep a key looks
MAX_KEYS = 500
MAX_LEVELS = 50
_FLAGS = {"ANSWERED": ANSWERED, "DELETED": DELETED, "DRAFT": DRAFT, "FLAGGED": FLAGGED, "SEEN": SEEN}
_MONTHS = {name: number for number, name in enumerate(b"jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)}
_DATE = re.compile(rb'"?([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})"?')


@dataclass(slots=True)
class Subject:
    """A message a key is tried on, as far as it is open: `at` from depth DATE, `header` and `size` from HEADER, `text`
    from TEXT. `place`: zero-based, in the folder.
    """

    place: int
    uid: int
    flags: int
    at: int = 0
    size: int = 0
    header: bytes = b""
    text: str = ""
    opened: bool = False  # `text` has been filled
    _fields: Headers | None = None

    def field(self, name: str) -> list[str]:
        """The values of a field, folded to be compared."""
        return [fold(decode_words(value)) for value in self._headers().all(name)]

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
    """Reads keys from a cursor. `numbers` collects sequence sets; `resolve` must fill them before a key is tried."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._count = 0
        self.numbers: list[tuple[Numbers, set[int]]] = []

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
        if cursor.peek(b"*") or _digit(cursor):
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
        if name in ("KEYWORD", "UNKEYWORD"):  # no keyword is kept
            cursor.atom()
            return Key(NUMBERS, nothing if name == "KEYWORD" else everything)
        if name in ("FROM", "TO", "CC", "BCC", "SUBJECT"):
            return _field(name.lower(), fold(cursor.text()))
        if name == "HEADER":
            field = cursor.text().lower()
            cursor.space()
            return _field(field, fold(cursor.text()))
        if name in ("BODY", "TEXT"):
            return _text(fold(cursor.text()), with_header=name == "TEXT")
        if name in ("LARGER", "SMALLER"):
            return _size(cursor.number(), larger=name == "LARGER")
        if name in ("BEFORE", "ON", "SINCE", "SENTBEFORE", "SENTON", "SENTSINCE"):
            return _day(name.removeprefix("SENT"), _read_date(cursor), sent=name.startswith("SENT"))
        raise cursor.bad("Unknown search key")

    def ids(self, *, uid: bool) -> Key:
        chosen: set[int] = set()
        self.numbers.append((Numbers(self._cursor.ids(), uid), chosen))
        return Key(NUMBERS, lambda subject: subject.uid in chosen)


def _digit(cursor: Cursor) -> bool:
    return any(cursor.peek(b"%d" % digit) for digit in range(1, 10))


def _flag(bit: int, *, want: bool) -> Key:
    return Key(NUMBERS, lambda subject: bool(subject.flags & bit) is want)


def _field(name: str, words: str) -> Key:
    """An empty string matches every message that has the field."""
    return Key(HEADER, lambda subject: any(words in value for value in subject.field(name)))


def _text(words: str, *, with_header: bool) -> Key:
    if not with_header:
        return Key(TEXT, lambda subject: words in fold(subject.text.replace("\n", " ")))
    return Key(
        TEXT,
        lambda subject: (
            words in fold(subject.text.replace("\n", " "))
            or words in fold(decode_words(subject.header.decode("utf-8", "replace")))
        ),
    )


def _size(octets: int, *, larger: bool) -> Key:
    return Key(HEADER, (lambda subject: subject.size > octets) if larger else (lambda subject: subject.size < octets))


def _day(relation: str, day: date, *, sent: bool) -> Key:
    def matches(subject: Subject) -> bool:
        own = subject.sent() if sent else datetime.fromtimestamp(subject.at // 1000, UTC).date()
        if own is None:
            return False
        return own < day if relation == "BEFORE" else own == day if relation == "ON" else own >= day

    return Key(HEADER if sent else DATE, matches)


def _read_date(cursor: Cursor) -> date:
    found = cursor.match(_DATE)
    if found is None:
        raise cursor.bad("Date expected")
    try:
        return date(int(found[3]), _MONTHS[found[2].lower()], int(found[1]))
    except (ValueError, KeyError):
        raise cursor.bad("No such date") from None
