"""The files of a copy as ZIP volumes, each small enough to be carried, and each with the list of its hashes.

    Volumes(seal)  →  add(name, octets) …  →  close()  →  volumes as blobs

Promises: a volume is held in memory only until it is whole, then sealed: nothing of it ever lies in clear on a disk.
`SHA256SUMS` stands in each, for `sha256sum -c` without Pli and without a network. Names are made of what any system
can write, and never twice the same.
"""

from __future__ import annotations

import hashlib
import io
import unicodedata
import zipfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

VOLUME: Final = 32 * 1024 * 1024  # octets after which the next file begins a new one
SUMS: Final = "SHA256SUMS"
_NEVER: Final = frozenset('<>:"/\\|?*')
_PACKED: Final = (".pdf", ".jpg", ".jpeg", ".png", ".zip", ".webp")


@dataclass(slots=True)
class Volumes:
    """`seal`: keeps the octets of a volume, and says under which id. `made`: (id, octets) of those that are whole."""

    seal: Callable[[bytes], Awaitable[str]]
    most: int = VOLUME
    made: list[tuple[str, int]] = field(default_factory=list)
    _buffer: io.BytesIO = field(default_factory=io.BytesIO)
    _sums: list[str] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)
    _archive: zipfile.ZipFile | None = None
    closing: Callable[[], list[tuple[str, bytes]]] = list  # what each volume says of itself, before it is closed

    async def add(self, name: str, data: bytes) -> str:
        """Put a file in; returns its name in the volume, which may have been made unlike another's."""
        if self._archive is not None and self._buffer.tell() + len(data) > self.most:
            await self._close()
        name = self._unlike(name)
        self._put(name, data)
        return name

    async def close(self) -> list[tuple[str, int]]:
        """Every volume, the last one closed."""
        if self._archive is not None:
            await self._close()
        return self.made

    def _put(self, name: str, data: bytes) -> None:
        if self._archive is None:
            self._buffer = io.BytesIO()
            self._archive = zipfile.ZipFile(self._buffer, "w", zipfile.ZIP_DEFLATED, allowZip64=False)
        packed = zipfile.ZIP_STORED if name.lower().endswith(_PACKED) else zipfile.ZIP_DEFLATED
        self._archive.writestr(zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0)), data, packed)
        self._sums.append(f"{hashlib.sha256(data).hexdigest()}  {name}\n")

    async def _close(self) -> None:
        for name, data in self.closing():
            self._put(name, data)
        sums, self._sums = "".join(self._sums).encode(), []
        assert self._archive is not None  # noqa: S101 - closed only when it was begun
        self._archive.writestr(zipfile.ZipInfo(SUMS, date_time=(1980, 1, 1, 0, 0, 0)), sums)
        self._archive.close()
        self._archive, self._names = None, set()
        data = self._buffer.getvalue()
        self._buffer = io.BytesIO()
        self.made.append((await self.seal(data), len(data)))

    def _unlike(self, name: str) -> str:
        stem, dot, ending = name.rpartition(".")
        unlike, number = name, 2
        while unlike.casefold() in self._names:
            unlike = f"{stem or ending} ({number}){dot}{ending if stem else ''}"
            number += 1
        self._names.add(unlike.casefold())
        return unlike


def plain(name: str, most: int = 80) -> str:
    """A part of a file name that any system can write: no path, no control, no trailing dot; never empty."""
    kept = "".join(" " if c in _NEVER else c for c in name if c.isprintable() and unicodedata.category(c) != "Cf")
    return " ".join(kept.split())[:most].strip(" .") or "document"
