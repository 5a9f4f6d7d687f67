"""An IMAP answer, read: words, numbers, strings and lists (RFC 9051 § 9). Pure; small on purpose, and no code of ours.

An atom is a `str` as it was sent, a string `bytes`, NIL `None`, a list a `list`; a data item with its section is one
atom, `BODY[HEADER.FIELDS (Date)]<0>` for instance. What is not IMAP raises `NotImap`.
"""

from __future__ import annotations

import re
from typing import Union

Value = Union[str, bytes, None, "list[Value]"]
Piece = bytes | bytearray

_ATOM = re.compile(rb'[^\x00-\x20\x7f()"{\[\]]+')
_QUOTED = re.compile(rb'"((?:[^"\\\r\n]|\\["\\])*)"')
_LITERAL = re.compile(rb"~?\{([0-9]+)\+?\}\r\n")
_CODE = re.compile(rb"\[([^\]]*)\]")


class NotImap(Exception):
    """What was said, from where it could not be read."""


class Reader:
    """One response, its literals included, without the CRLF that ends it."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def values(self) -> list[Value]:
        """Everything to the end."""
        found: list[Value] = []
        while self.at < len(self.data):
            if found:
                self._need(b" ")
            found.append(self.value())
        return found

    def value(self) -> Value:
        data, at = self.data, self.at
        if data[at : at + 1] == b"(":
            return self._list()
        if match := _QUOTED.match(data, at):
            self.at = match.end()
            return re.sub(rb"\\(.)", rb"\1", match[1])
        if match := _LITERAL.match(data, at):
            self.at = match.end() + int(match[1])
            if self.at > len(data):
                raise NotImap("literal cut short")
            return data[match.end() : self.at]
        return self._atom()

    def _list(self) -> list[Value]:
        self._need(b"(")
        found: list[Value] = []
        while self.data[self.at : self.at + 1] != b")":
            # Parts of a multipart stand side by side without a space (body-type-mpart).
            if found and not (isinstance(found[-1], list) and self.data[self.at : self.at + 1] == b"("):
                self._need(b" ")
            found.append(self.value())
        self.at += 1
        return found

    def _atom(self) -> str | None:
        """With the section in brackets that may be in it."""
        start = self.at
        match = _ATOM.match(self.data, start)
        if match is None:
            raise NotImap(repr(self.data[start : start + 80]))
        self.at = match.end()
        if self.data[self.at : self.at + 1] == b"[":
            end = self.data.index(b"]", self.at) + 1
            tail = _ATOM.match(self.data, end)
            self.at = tail.end() if tail else end
        word = self.data[start : self.at].decode("ascii")
        return None if word.upper() == "NIL" else word

    def _need(self, sign: bytes) -> None:
        if self.data[self.at : self.at + 1] != sign:
            raise NotImap(f"{sign!r} expected at {self.data[self.at : self.at + 80]!r} of {self.data[:200]!r}")
        self.at += 1


def status(line: bytes) -> tuple[str, str]:
    """(OK, NO, BAD, BYE or PREAUTH; the response code without its brackets, or "") of a status response's rest."""
    word, _, rest = line.partition(b" ")
    found = _CODE.match(rest)
    return word.decode("ascii").upper(), found[1].decode("ascii", "replace") if found else ""


def fetched(value: Value) -> dict[str, Value]:
    """The items of a FETCH response by name, in capitals."""
    if not isinstance(value, list) or len(value) % 2:
        raise NotImap(f"FETCH {value!r}")
    names = [name for name in value[::2] if isinstance(name, str)]
    if len(names) != len(value) // 2 or len(set(names)) != len(names):
        raise NotImap(f"FETCH {value!r}")
    return dict(zip((name.upper() for name in names), value[1::2], strict=True))
