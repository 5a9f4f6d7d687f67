"""The words of the IMAP grammar (RFC 3501 § 9): a cursor over one command. Pure.

Promises: linear time (every pattern is possessive or cannot backtrack), bounded depth and counts, and `BadCommand` as
the only error, whose text is ours and repeats nothing of what was sent.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

MAX_RANGES = 20_000
_ATOM = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\\]]++')
_ASTRING = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\]++')
_PATTERN = re.compile(rb'[^\x00-\x20\x7f-\xff(){"\\]++')
_QUOTED = re.compile(rb'"((?:[^"\\\r\n\x00]++|\\["\\])*+)"')
_ESCAPED = re.compile(rb'\\(["\\])')
_NUMBER = re.compile(rb"[0-9]{1,10}+")
_SET = re.compile(rb"[0-9*:,]++")
_FLAG = re.compile(rb'\\?[^\x00-\x20\x7f-\xff(){%*"\\\]]++')
_LARGEST = 2**32 - 1


class BadCommand(Exception):
    """What was sent is not a command of this grammar. `tag`: the command's, "*" when it has none."""

    def __init__(self, text: str, tag: str = "*") -> None:
        super().__init__(text)
        self.text = text
        self.tag = tag


@dataclass(frozen=True, slots=True)
class Literal:
    """A literal as it was read. `size` is what was announced: of a long one only the beginning is kept."""

    data: bytes
    size: int


Part = bytes | Literal


@dataclass(frozen=True, slots=True)
class Ids:
    """A sequence set: ranges of message numbers or UIDs, 0 standing for `*`."""

    ranges: tuple[tuple[int, int], ...]

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
        ordered = sorted((min(a or last, b or last), max(a or last, b or last)) for a, b in self.ranges)
        merged: list[tuple[int, int]] = []
        for low, high in ordered:
            if merged and low <= merged[-1][1]:
                if high > merged[-1][1]:
                    merged[-1] = (merged[-1][0], high)
            else:
                merged.append((low, high))
        return merged


class Cursor:
    """Reads one command from left to right.

    `parts`: text, literal, text, …; a text that a literal follows has lost its `{n}`.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._index = 0
        self._at = 0
        self.tag = "*"

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
        return self._word(_ATOM, "Atom expected").decode("ascii")

    def keyword(self) -> str:
        """An atom, in upper case."""
        return self.atom().upper()

    def string(self, otherwise: re.Pattern[bytes] = _ASTRING) -> bytes:
        """A quoted string, a literal, or what `otherwise` matches."""
        if self.at_literal():
            found = self.literal()
            if found.size != len(found.data):
                raise self.bad("Literal too long")
            if b"\0" in found.data:
                raise self.bad("NUL in a literal")
            return found.data
        quoted = self.match(_QUOTED)
        if quoted is not None:
            return _ESCAPED.sub(rb"\1", quoted[1]) if b"\\" in quoted[1] else quoted[1]
        return self._word(otherwise, "String expected")

    def text(self) -> str:
        """A string of UTF-8."""
        try:
            return self.string().decode("utf-8")
        except UnicodeDecodeError:
            raise self.bad("Not UTF-8") from None

    def pattern(self) -> str:
        """A mailbox name that may hold wildcards."""
        return self.string(_PATTERN).decode("ascii", "replace")

    def number(self) -> int:
        value = int(self._word(_NUMBER, "Number expected"))
        if value > _LARGEST:
            raise self.bad("Number too large")
        return value

    def ids(self) -> Ids:
        pieces = self._word(_SET, "Message numbers expected").split(b",")
        if len(pieces) > MAX_RANGES:
            raise self.bad("Too many message numbers")
        return Ids(tuple(self._range(piece) for piece in pieces))

    def _range(self, piece: bytes) -> tuple[int, int]:
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
        """A list of flags in lower case, or a bare one where STORE allows it."""
        found: set[str] = set()
        listed = self.take(b"(")
        if listed and self.take(b")"):
            return frozenset()
        while True:
            found.add(self._word(_FLAG, "Flag expected").decode("ascii").lower())
            if not self.take(b" "):
                break
        if listed:
            self.need(b")")
        return frozenset(found)

    def _word(self, pattern: re.Pattern[bytes], otherwise: str) -> bytes:
        found = self.match(pattern)
        if found is None:
            raise self.bad(otherwise)
        return found[0]
