"""Archives and health documents are read in processes of their own (`server.apart`), where reading them can harm
nobody.

    enclosures (a thread waits)  →  a worker process: package.unpack()  →  enclosures

Promises: a parcel whose reading takes too much, or ends its worker, is one that could not be read. Does not decide
anything about what was read. A parcel goes as its MessagePack, and the package comes back the same way.
"""

from __future__ import annotations

from typing import Final

import msgspec

from server.apart import WAIT_S, Died, Workers, serve
from server.formats.package import Package, Parcel, unpack

WORKERS: Final = 2
_UNREADABLE: Final = {"archive": "Cette archive n’a pas pu être lue.", "document": "Ce document n’a pas pu être lu."}

_encode = msgspec.msgpack.Encoder().encode
_package = msgspec.msgpack.Decoder(Package)
_parcel = msgspec.msgpack.Decoder(Parcel)


class Parsers(Workers):
    """The workers of this process, for threads that may wait."""

    def __init__(self, workers: int = WORKERS, wait_s: float = WAIT_S) -> None:
        super().__init__("server.formats.parser_process", workers, wait_s)

    def unpack(self, parcel: Parcel) -> Package:
        """What a parcel holds; damaged when reading it took too much. Raises `OSError` when no worker can be had."""
        try:
            return self.ask(_encode(parcel), _package.decode)
        except Died:
            return Package(damaged=_UNREADABLE[parcel.kind])


PARSERS: Final = Parsers()


def _unpacked(data: bytearray) -> bytes:
    try:
        return _encode(unpack(_parcel.decode(data)))
    except MemoryError:
        return _encode(Package(damaged="Ce fichier est trop grand pour être lu."))


if __name__ == "__main__":
    serve(_unpacked)
