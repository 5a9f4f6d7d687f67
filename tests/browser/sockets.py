"""A live socket as an application uses it, and the octets under it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
import socketio  # type: ignore[import-untyped]  # ships no types

from tests.house import House

SOON = 20


@dataclass
class Client:
    """An open socket that keeps what it is told."""

    sio: Any
    entries: list[dict[str, Any]] = field(default_factory=list)
    told: list[tuple[str, Any]] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, name: str, payload: Any) -> None:
        self.told.append((name, payload))
        if name == "entries":
            self.entries += payload["entries"]
        self.news.set()

    async def ask(self, event: str, payload: Any) -> dict[str, Any]:
        return dict(await self.sio.call(event, payload, timeout=SOON))

    async def until(self, so: Callable[[], bool]) -> None:
        async with asyncio.timeout(SOON):
            while not so():
                self.news.clear()
                await self.news.wait()

    def texts(self) -> list[str]:
        return [entry["message"]["text"] for entry in self.entries if entry["kind"] == "message"]


@asynccontextmanager
async def client(house: House, who: str, *, cookie: bool = False) -> AsyncIterator[Client]:
    sio = socketio.AsyncClient(reconnection=False)
    opened = Client(sio)
    for name in ("entries", "typing", "presence"):
        sio.on(name, lambda payload, name=name: opened.take(name, payload))
    sio.on("disconnect", lambda *_: opened.ended.set())
    if cookie:
        headers = {"Cookie": f"pli={await house.session(who)}", "Origin": house.http}
        await sio.connect(house.http, headers=headers, transports=["websocket"])
    else:
        await sio.connect(house.http, auth={"token": await house.token(who)}, transports=["websocket"])
    try:
        yield opened
    finally:
        await sio.disconnect()


async def refused(house: House, **connection: Any) -> str:
    sio = socketio.AsyncClient(reconnection=False)
    said: list[Any] = []
    sio.on("connect_error", said.append)
    with pytest.raises(socketio.exceptions.ConnectionError):
        await sio.connect(house.http, transports=["websocket"], **connection)
    return str(said[0]["message"] if said and isinstance(said[0], dict) else said)


@asynccontextmanager
async def raw(house: House, **headers: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """The octets under the protocol."""
    url = house.http.replace("http", "ws", 1) + "/socket.io/?EIO=4&transport=websocket"
    async with aiohttp.ClientSession() as session, session.ws_connect(url, headers=headers, compress=15) as wire:
        yield wire
