"""What stands within a signed S/MIME envelope (RFC 5652, a SignedData that carries its content): a mail, to be read.

Promises: linear, never raises; nothing for what is no such envelope. Lengths are read in both ways of writing them:
DER, and the BER of programs that sign as they write. Does not verify the signature: the patient reads what the
operator vouches for, and the envelope is kept for who would verify.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

SIGNED_DATA: Final = bytes.fromhex("2a864886f70d010702")  # object identifiers of RFC 5652 § 5.1 and § 4
_DATA: Final = bytes.fromhex("2a864886f70d010701")
_OCTETS: Final = 0x04
_OCTETS_IN_PIECES: Final = 0x24
_DEPTH: Final = 20
_PIECES: Final = 100_000

_Element = tuple[int, int, int]  # tag, where its content starts, where it ends: -1 for « at two zero octets »


class _Odd(Exception):
    """No envelope of this kind."""


def signed_content(data: bytes) -> bytes:
    """The content of a SignedData; b"" when it is none, or its content is elsewhere."""
    try:
        envelope = _children(data, next(_children(data, (0, 0, len(data)))))
        if _value(data, next(envelope)) != SIGNED_DATA:
            return b""
        signed = _children(data, next(_children(data, next(envelope))))
        next(signed)  # its version
        next(signed)  # the algorithms
        content = _children(data, next(signed))
        if _value(data, next(content)) != _DATA:
            return b""
        return b"".join(_octets(data, next(_children(data, next(content)))))
    except (_Odd, IndexError, StopIteration):
        return b""


def _value(data: bytes, element: _Element) -> bytes:
    return data[element[1] : element[2]]


def _octets(data: bytes, element: _Element) -> list[bytes]:
    if element[0] == _OCTETS:
        return [_value(data, element)]
    if element[0] != _OCTETS_IN_PIECES:
        raise _Odd
    return [_value(data, piece) for piece in _children(data, element) if piece[0] == _OCTETS]


def _children(data: bytes, parent: _Element) -> Iterator[_Element]:
    """The elements within one, each looked at only when it is asked for."""
    _, at, end = parent
    for _ in range(_PIECES):
        if 0 <= end <= at or (end < 0 and data[at : at + 2] == b"\0\0"):
            return
        start, stop = _length(data, at + 1)
        yield data[at], start, stop
        at = stop if stop >= 0 else _after(data, start, 1)
    raise _Odd


def _length(data: bytes, at: int) -> tuple[int, int]:
    """(where the content starts, where it ends). X.690 § 8.1.3."""
    first = data[at]
    if first == 0x80:
        return at + 1, -1
    more = first & 0x7F if first > 0x80 else 0
    size = int.from_bytes(data[at + 1 : at + 1 + more], "big") if more else first
    end = at + 1 + more + size
    if more > 8 or end > len(data):
        raise _Odd
    return at + 1 + more, end


def _after(data: bytes, at: int, depth: int) -> int:
    """Where an element of unknown length is over."""
    if depth > _DEPTH:
        raise _Odd
    while data[at : at + 2] != b"\0\0":
        start, stop = _length(data, at + 1)
        at = stop if stop >= 0 else _after(data, start, depth + 1)
    return at + 2
