"""The words of the IMAP grammar (RFC 3501 § 9): a cursor over one command. Pure.

Promises: linear time (every pattern is possessive or cannot backtrack), bounded depth and counts, and `BadCommand` as
the only error, whose text is ours and repeats nothing of what was sent.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

MAX_RANGES = 20_000
MAX_WORDS = 50  # in a list of options
MAX_FLAGS = 100
MAX_FLAG = 255  # octets of one
_ATOM = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\\]]++')
_ASTRING = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\]++')
_PATTERN = re.compile(rb'[^\x00-\x20\x7f-\xff(){"\\]++')
_QUOTED = re.compile(rb'"((?:[^"\\\r\n\x00]++|\\["\\])*+)"')
_NUMBER = re.compile(rb"[0-9]{1,20}+")
_SET = re.compile(rb"[0-9*:,$]++")
_FLAG = re.compile(rb'\\?[^\x00-\x20\x7f-\xff(){%*"\\\]]++')
_RETURN = re.compile(rb"RETURN (?=\()", re.IGNORECASE)
_LARGEST = 2**32 - 1
LARGEST_64 = 2**63 - 1  # number64 and mod-sequence-value (RFC 9051 § 9, RFC 7162 § 7)


class BadCommand(Exception):
    """What was sent is not a command of this grammar. `tag`: the command's, "*" when it has none."""

    def __init__(self, text: str, tag: str = "*") -> None:
        super().__init__(text)
        self.text = text
        self.tag = tag


@dataclass(frozen=True, slots=True)
class Literal:
    """A literal as it was read. `size` is what was announced: of a long one only the beginning is kept. `binary`: a
    literal8, `~{n}`, which may hold NUL (RFC 3516).
    """

    data: bytes
    size: int
    binary: bool = False


Part = bytes | Literal


@dataclass(frozen=True, slots=True)
class Ids:
    """A sequence set: ranges of message numbers or UIDs, 0 standing for `*`. `saved`: and what the last SEARCH saved,
    `$` (RFC 5182), which only the session knows.
    """

    ranges: tuple[tuple[int, int], ...] = ()
    saved: bool = False

    def places(self, uids: Sequence[int], *, uid: bool, saved: Collection[int] = ()) -> list[int]:
        """The zero-based places named among `uids` (in order), each once. `saved`: the UIDs that `$` stands for."""
        found = self.among(uids) if uid else self.positions(len(uids))
        if not self.saved:
            return found
        kept = frozenset(saved)
        return sorted({*found, *(place for place, one in enumerate(uids) if one in kept)})

    def count(self) -> int:
        """How many numbers, of a set without `*`."""
        return sum(abs(high - low) + 1 for low, high in self.ranges)

    def beyond(self, count: int) -> bool:
        """Whether a message number is named that none of `count` messages has (RFC 9051 § 9: seq-number: BAD)."""
        return any(max(low, high) > count or (not count and not (low and high)) for low, high in self.ranges)

    def positions(self, count: int) -> list[int]:
        """As message numbers: the zero-based places that exist among `count`, in order, each once."""
        return [place for low, high in self._merged(count) for place in range(low - 1, min(high, count))]

    def among(self, uids: Sequence[int]) -> list[int]:
        """As UIDs: the places of those that exist in `uids` (in order), each once. `*` is the last one's (§ 6.4.8)."""
        found: list[int] = []
        for low, high in self._merged(uids[-1] if uids else 0):
            found.extend(range(bisect_left(uids, low), bisect_right(uids, high)))
        return found

    def _merged(self, last: int) -> list[tuple[int, int]]:
        if not last:
            return []
        named = ((a or last, b or last) for a, b in self.ranges)
        ordered = sorted((a, b) if a <= b else (b, a) for a, b in named)
        merged: list[tuple[int, int]] = []
        for low, high in ordered:
            if merged and low <= merged[-1][1] + 1:
                if high > merged[-1][1]:
                    merged[-1] = (merged[-1][0], high)
            else:
                merged.append((low, high))
        return merged


class Cursor:
    """Reads one command from left to right.

    `parts`: text, literal, text, …; a text that a literal follows has lost its `{n}`. `utf8`: the client has enabled
    UTF8=ACCEPT or IMAP4rev2, so that names are no longer modified UTF-7. `uid`: the command began with UID.
    """

    def __init__(self, parts: Sequence[Part], *, utf8: bool = False) -> None:
        self._parts = parts
        self._index = 0
        self._at = 0
        self.tag = "*"
        self.utf8 = utf8
        self.uid = False

    def bad(self, text: str) -> BadCommand:
        return BadCommand(text, self.tag)

    @property
    def _text(self) -> bytes:
        part = self._parts[self._index]
        return part if isinstance(part, bytes) else b""

    def match(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        found = pattern.match(self._text, self._at)
        if found is not None:
            self._at = found.end()
        return found

    def peek(self, text: bytes) -> bool:
        return self._text.startswith(text, self._at)

    def take(self, text: bytes) -> bool:
        if self.peek(text):
            self._at += len(text)
            return True
        return False

    def need(self, text: bytes) -> None:
        if not self.take(text):
            raise self.bad("Unexpected character")

    def space(self) -> None:
        self.need(b" ")

    def end(self) -> None:
        if self._at != len(self._text) or self._index != len(self._parts) - 1:
            raise self.bad("Too many arguments")

    def ended(self) -> bool:
        return self._at == len(self._text) and self._index == len(self._parts) - 1

    def at_literal(self) -> bool:
        return self._at == len(self._text) and self._index + 1 < len(self._parts)

    def literal(self) -> Literal:
        if not self.at_literal():
            raise self.bad("Literal expected")
        found = self._parts[self._index + 1]
        if not isinstance(found, Literal):
            raise self.bad("Literal expected")
        self._index += 2
        self._at = 0
        if self._index >= len(self._parts):
            raise self.bad("Unexpected end")
        return found

    def atom(self) -> str:
        return self.word(_ATOM, "Atom expected").decode("ascii")

    def keyword(self) -> str:
        """An atom, in upper case."""
        return self.atom().upper()

    def one_of(self, known: frozenset[str]) -> str:
        name = self.keyword()
        if name not in known:
            raise self.bad("Unknown option")
        return name

    def returning(self) -> bool:
        """RETURN, as far as the list of what is to be returned (RFC 4466 § 2.6.1, 5258 § 3)."""
        return self.match(_RETURN) is not None

    def string(self, otherwise: re.Pattern[bytes] = _ASTRING) -> bytes:
        """A quoted string, a literal, or what `otherwise` matches."""
        if self.at_literal():
            found = self.literal()
            if found.binary:
                raise self.bad("No binary literal here")
            if found.size != len(found.data):
                raise self.bad("Literal too long")
            if b"\0" in found.data:
                raise self.bad("NUL in a literal")
            return found.data
        quoted = self.match(_QUOTED)
        if quoted is not None:
            return _unescaped(quoted[1])
        return self.word(otherwise, "String expected")

    def text(self) -> str:
        """A string of UTF-8."""
        try:
            return self.string().decode("utf-8")
        except UnicodeDecodeError:
            raise self.bad("Not UTF-8") from None

    def pattern(self) -> bytes:
        """A mailbox name that may hold wildcards."""
        return self.string(_PATTERN)

    def number(self, largest: int = _LARGEST) -> int:
        value = int(self.word(_NUMBER, "Number expected"))
        if value > largest:
            raise self.bad("Number too large")
        return value

    def listed(self, read: Callable[[], T], limit: int, *, empty: bool = False) -> list[T]:
        """A list between parentheses, its opening one too; `empty` when it may be."""
        self.need(b"(")
        if empty and self.take(b")"):
            return []
        found = [read()]
        while self.take(b" "):
            if len(found) >= limit:
                raise self.bad("List too long")
            found.append(read())
        self.need(b")")
        return found

    def ids(self) -> Ids:
        """A sequence set (RFC 9051 § 9), `$` among its members or alone."""
        pieces = self.word(_SET, "Message numbers expected").split(b",")
        if len(pieces) > MAX_RANGES:
            raise self.bad("Too many message numbers")
        return Ids(tuple(self._range(piece) for piece in pieces if piece != b"$"), b"$" in pieces)

    def known_ids(self) -> Ids:
        """A sequence set of what a client knows by number: neither `*` nor `$` (RFC 7162 § 3.2.5)."""
        found = self.ids()
        if found.saved or not all(low and high for low, high in found.ranges):
            raise self.bad("Known numbers expected")
        return found

    def _range(self, piece: bytes) -> tuple[int, int]:
        if piece.isdigit():
            first = self._id(piece)
            return first, first
        low, colon, high = piece.partition(b":")
        first = self._id(low)
        return first, self._id(high) if colon else first

    def _id(self, digits: bytes) -> int:
        if digits == b"*":
            return 0
        if not digits.isdigit() or len(digits) > 10 or not 1 <= int(digits) <= _LARGEST:
            raise self.bad("Bad message number")
        return int(digits)

    def flags(self) -> frozenset[str]:
        """A list of flags, or a bare one where STORE allows it: system flags in lower case, keywords as sent."""
        if self.peek(b"("):
            return frozenset(self.listed(self._flag, MAX_FLAGS, empty=True))
        found = [self._flag()]
        while self.take(b" "):
            if len(found) >= MAX_FLAGS:
                raise self.bad("List too long")
            found.append(self._flag())
        return frozenset(found)

    def _flag(self) -> str:
        found = self.word(_FLAG, "Flag expected").decode("ascii")
        if len(found) > MAX_FLAG:
            raise self.bad("Flag too long")
        return found.lower() if found.startswith("\\") else found

    def word(self, pattern: re.Pattern[bytes], otherwise: str) -> bytes:
        found = self.match(pattern)
        if found is None:
            raise self.bad(otherwise)
        return found[0]


def _unescaped(quoted: bytes) -> bytes:
    r"""Without the backslashes before `"` and `\\`. There is no NUL in a quoted string, so it can stand in for one."""
    if b"\\" not in quoted:
        return quoted
    return quoted.replace(b"\\\\", b"\0").replace(b'\\"', b'"').replace(b"\0", b"\\")
