"""Small pictures of files, and pages of documents to look at: asked of a process apart, kept for a while.

    webchat.viewer  →  Thumbnails.picture(what, load, …)  →  server.pictures, in a worker of `server.apart`

Promises: never blocks the loop; at most `AT_ONCE` files are held in memory for it, whoever asks; a file that cannot be
drawn, takes too much or ends its worker has no picture, and is not tried again for a while. What was drawn stays in
memory only, up to `KEPT` octets, the least recently seen goes first: a picture costs little to draw again, and what is
on no disk needs no sealing, no sweeping and no erasing (security items 45 to 49).

Does not: ask who looks. Whoever calls has a handle of `access`, for each picture anew.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Literal

import msgspec
import structlog

from server.apart import Died, Workers

log = structlog.get_logger()

SMALL: Final = 320  # pixels of the longer side
PAGE: Final = 1600
LARGE: Final = 3200
WORKERS: Final = 2
AT_ONCE: Final = 4
KEPT: Final = 64 * 1024 * 1024  # octets
WAIT_S: Final = 15
AGAIN_S: Final = 600  # before what had no picture is tried again
MAX_OCTETS: Final = 30 * 1024 * 1024  # of a file

_PDF: Final = b"%PDF-"
_IMAGES: Final = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"RIFF", b"II*\0", b"MM\0*")


class Wanted(msgspec.Struct, frozen=True):
    """What to draw. `page` from 1; `side`: pixels of the longer one; `words`: the text of the page too."""

    kind: Literal["pdf", "image"]
    data: bytes
    page: int
    side: int
    words: bool = False


class Picture(msgspec.Struct, frozen=True):
    """A picture as WebP; without octets when it could not be drawn."""

    data: bytes = b""
    width: int = 0
    height: int = 0
    pages: int = 0
    words: str = ""


NONE: Final = Picture()
What = tuple[str, ...]
Load = Callable[[], Awaitable[bytes]]

_workers: Final = Workers("server.pictures", WORKERS, WAIT_S)  # started when something is first drawn
_encode = msgspec.msgpack.Encoder().encode
_picture = msgspec.msgpack.Decoder(Picture)


def drawable(data: bytes) -> Literal["pdf", "image", ""]:
    """What a file is by its first octets, whatever it says it is."""
    if data.startswith(_PDF):
        return "pdf"
    return "image" if data.startswith(_IMAGES) else ""


class Thumbnails:
    """The pictures of this process."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="pictures")
        self._places = asyncio.Semaphore(AT_ONCE)
        self._kept: OrderedDict[tuple[What, int, int], tuple[float, Picture]] = OrderedDict()
        self._octets = 0

    async def picture(self, what: What, load: Load, *, side: int = SMALL, page: int = 1) -> Picture:
        """A file's picture, or `NONE`. `what`: its name in the cache, an id of its space; `load` is called only when
        it is not there. Raises what `load` raises.
        """
        key = (what, side, page)
        if (known := self._known(key)) is not None:
            return known
        async with self._places:
            if (known := self._known(key)) is not None:  # somebody else waited for the same
                return known
            data = await load()
            kind = drawable(data)
            if not kind or len(data) > MAX_OCTETS:
                return self._keep(key, NONE)
            wanted = _encode(Wanted(kind, data, page, side, words=side > SMALL))
            del data
            drawn = await asyncio.get_running_loop().run_in_executor(self._pool, _drawn, wanted)
        return self._keep(key, drawn)

    def _known(self, key: tuple[What, int, int]) -> Picture | None:
        until, known = self._kept.get(key, (0.0, NONE))
        if until < time.monotonic():
            return None
        self._kept.move_to_end(key)
        return known

    def _keep(self, key: tuple[What, int, int], picture: Picture) -> Picture:
        until = time.monotonic() + AGAIN_S if not picture.data else float("inf")
        if (before := self._kept.pop(key, None)) is not None:
            self._octets -= _size(before[1])
        self._kept[key] = until, picture
        self._octets += _size(picture)
        while self._octets > KEPT:
            _, (_, gone) = self._kept.popitem(last=False)
            self._octets -= _size(gone)
        return picture

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def _size(picture: Picture) -> int:
    return len(picture.data) + 2 * len(picture.words) + 500  # a refusal takes a place too


def _drawn(wanted: bytes) -> Picture:
    try:
        return _workers.ask(wanted, _picture.decode)
    except (Died, OSError) as error:
        log.warning("picture.none", how=type(error).__name__)
        return NONE
