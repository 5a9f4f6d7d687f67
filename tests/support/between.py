"""What stands between a browser and the server: a road whose ends are real sockets, which a test cuts when it likes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

PIECE = 65_536


@dataclass
class Road:
    """`deaf`: what the server says no longer arrives. `closed`: nobody comes through. `shut`: requests whose first
    line holds this do not come through.
    """

    server: int
    port: int = 0
    deaf: bool = False
    closed: bool = False
    shut: bytes = b""
    ways: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """End every connection without a goodbye."""
        for way in tuple(self.ways):
            way.transport.abort()

    async def through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            first = await reader.readline()
            if self.closed or (self.shut and self.shut in first):
                writer.transport.abort()
                return
            out, back = await asyncio.open_connection("127.0.0.1", self.server)
            self.ways |= {writer, back}
            back.write(first)
            await asyncio.gather(self._carry(reader, back, False), self._carry(out, writer, True))
            self.ways -= {writer, back}

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, answers: bool) -> None:
        with suppress(OSError):
            while piece := await source.read(PIECE):
                if not (answers and self.deaf):
                    target.write(piece)
                    await target.drain()
        target.close()


@asynccontextmanager
async def between(server: int) -> AsyncIterator[Road]:
    """A road to this port of ours."""
    road = Road(server)
    door = await asyncio.start_server(road.through, "127.0.0.1", 0)
    road.port = door.sockets[0].getsockname()[1]
    try:
        yield road
    finally:
        door.close()
        road.cut()
