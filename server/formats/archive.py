"""A zip archive of a stranger, opened without trusting a word of it.

Promises (security item 33): read by the central directory, each local header compared with it; refused when entries
overlap, are links or devices, encrypted, named twice, absolutely, with `..` or a drive; over 100 entries, 200 MB in
all, or a hundredfold inflation; inflating stops at the announced size. Nothing is ever written to a disk. Raises
`Malformed` only. Does not read ZIP64, spanned or self-extracting archives: an IHE_XDM.ZIP is none. Own code because
the interpreter's module reads a 57 kB archive of overlapping entries that declares 10 GB (CVE-2024-0450).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from server.formats.malformed import Malformed

MAX_ENTRIES = 100
MAX_TOTAL = 200_000_000
MAX_RATIO = 100
_RATIO_FLOOR = 100_000  # octets under which a ratio says nothing: a page of spaces deflates a thousandfold

_END = struct.Struct("<4s4H2LH")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_ENCRYPTED = 0x0001 | 0x0040 | 0x2000
_DESCRIPTOR = 0x0008
_UTF8 = 0x0800


@dataclass(frozen=True, slots=True)
class Entry:
    """One file: its name with `/`, its size, and where its deflated bytes are in the archive."""

    name: str
    size: int
    crc: int
    method: int
    start: int
    end: int


def entries(data: bytes, most: int = MAX_ENTRIES) -> tuple[Entry, ...]:
    """The files of an archive, directories left out; `most` of them. Raises Malformed("zip" or "zip_unsafe")."""
    try:
        found = _central_directory(data, most)
    except struct.error:
        raise _damaged() from None
    return tuple(entry for entry in found if not entry.name.endswith("/"))


def read(data: bytes, entry: Entry) -> bytes:
    """The bytes of one file: exactly as many as announced, with the announced checksum. Raises Malformed("zip")."""
    deflated = data[entry.start : entry.end]
    if entry.method == 0:
        content = deflated
    else:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = inflater.decompress(deflated, entry.size + 1)
        except zlib.error:
            raise _damaged() from None
        if len(content) > entry.size:
            raise _unsafe("un fichier est plus grand qu’annoncé")
        if not inflater.eof or inflater.unused_data:
            raise _damaged()
    if len(content) != entry.size or zlib.crc32(content) != entry.crc:
        raise _damaged()
    return content


def _damaged() -> Malformed:
    return Malformed("zip", "L’archive jointe est abîmée.")


def _unsafe(why: str) -> Malformed:
    return Malformed("zip_unsafe", f"L’archive jointe est refusée : {why}.")


def _central_directory(data: bytes, most: int) -> list[Entry]:
    at = data.rfind(b"PK\x05\x06", max(0, len(data) - 65_557))
    if at < 0:
        raise _damaged()
    _, disk, first_disk, here, count, size, offset, comment = _END.unpack_from(data, at)
    if disk or first_disk or here != count or at + _END.size + comment != len(data) or offset + size != at:
        raise _damaged()
    if count > most:
        raise _unsafe(f"elle contient plus de {most} fichiers")
    found: list[Entry] = []
    extents: list[tuple[int, int]] = []
    names: set[str] = set()
    total, position = 0, offset
    for _ in range(count):
        entry, local, position = _central_entry(data, position, at)
        folded = entry.name.rstrip("/").casefold()
        if folded in names:
            raise _unsafe("deux fichiers portent le même nom")
        names.add(folded)
        total += entry.size
        deflated = entry.end - entry.start
        if total > MAX_TOTAL or (entry.size > _RATIO_FLOOR and entry.size > MAX_RATIO * deflated):
            raise _unsafe("elle est trop grande une fois décompressée")
        found.append(entry)
        extents.append((local, entry.end))
    if position != at:
        raise _damaged()
    extents.sort()
    limits = [start for start, _ in extents[1:]] + [offset]
    if any(end > limit for (_, end), limit in zip(extents, limits, strict=True)):
        raise _unsafe("des fichiers se recouvrent")
    return found


def _central_entry(data: bytes, position: int, end: int) -> tuple[Entry, int, int]:
    (
        mark,
        made_by,
        _,
        flags,
        method,
        _,
        _,
        crc,
        deflated,
        size,
        name_length,
        extra,
        comment,
        disk,
        _,
        attributes,
        local,
    ) = _CENTRAL.unpack_from(data, position)
    after = position + _CENTRAL.size + name_length + extra + comment
    if mark != b"PK\x01\x02" or disk or after > end or 0xFFFFFFFF in (deflated, size, local):
        raise _damaged()
    raw_name = data[position + _CENTRAL.size : position + _CENTRAL.size + name_length]
    name = _safe_name(raw_name, flags)
    if flags & _ENCRYPTED:
        raise _unsafe("elle est chiffrée")
    if method not in (0, 8):
        raise _unsafe("elle est compressée d’une façon inconnue")
    kind = (attributes >> 16) & 0o170000  # Unix mode, when a Unix made the archive; others leave it zero or meaningless
    if made_by >> 8 in (3, 19) and kind not in (0, 0o100000, 0o040000):
        raise _unsafe("elle contient un lien ou un fichier spécial")
    start = _local_start(data, local, raw_name, flags, method, (crc, deflated, size))
    if start + deflated > end:
        raise _damaged()
    if method == 0 and size != deflated:
        raise _damaged()
    return Entry(name, size, crc, method, start, start + deflated), local, after


def _local_start(
    data: bytes, local: int, raw_name: bytes, flags: int, method: int, announced: tuple[int, int, int]
) -> int:
    """Where the bytes begin, after a local header that says what the central directory says. Two readers that believe
    two different headers see two different files: the scanner one, the patient the other.
    """
    mark, _, local_flags, local_method, _, _, crc, deflated, size, name_length, extra = _LOCAL.unpack_from(data, local)
    name_at = local + _LOCAL.size
    if mark != b"PK\x03\x04" or data[name_at : name_at + name_length] != raw_name or local_method != method:
        raise _unsafe("ses deux tables des matières se contredisent")
    if (local_flags ^ flags) & (_ENCRYPTED | _DESCRIPTOR):
        raise _unsafe("ses deux tables des matières se contredisent")
    if (crc, deflated, size) != announced and not (flags & _DESCRIPTOR and (crc, deflated, size) == (0, 0, 0)):
        raise _unsafe("ses deux tables des matières se contredisent")
    return int(name_at + name_length + extra)


def _safe_name(raw: bytes, flags: int) -> str:
    try:
        name = raw.decode("utf-8" if flags & _UTF8 else "cp437")
    except UnicodeDecodeError:
        raise _damaged() from None
    name = name.replace("\\", "/")  # older .NET writers
    parts = name.removesuffix("/").split("/")
    if (
        not name
        or len(name) > 500
        or ":" in name
        or not name.isprintable()
        or any(part in ("", ".", "..") for part in parts)
    ):
        raise _unsafe("un nom de fichier n’est pas admis")
    return name
