"""An SMS gateway and a relay of notices that listen on this machine: what they were given, and the codes in it."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web
from aiosmtpd.controller import Controller


@dataclass
class Call:
    method: str
    headers: Mapping[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body))


@dataclass
class Gateway:
    """`status`: what it answers."""

    port: int = 0
    status: int = 200
    calls: list[Call] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/send"

    def code(self) -> str:
        """The digits of the last message."""
        return str(re.findall(r"\d{6,}", self.calls[-1].json["text"])[-1])


@asynccontextmanager
async def gateway() -> AsyncIterator[Gateway]:
    opened = Gateway()

    async def take(request: web.Request) -> web.Response:
        opened.calls.append(Call(request.method, request.headers, await request.text()))
        return web.Response(status=opened.status, headers={"Location": "/elsewhere"} if opened.status == 302 else {})

    site = web.Application()
    site.router.add_route("*", "/send", take)
    site.router.add_route("*", "/elsewhere", take)
    runner = web.AppRunner(site)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    opened.port = runner.addresses[0][1]
    try:
        yield opened
    finally:
        await runner.cleanup()


@dataclass
class Relay:
    """A relay of notices that listens on this machine. `taken`: the letters, as they come."""

    port: int
    taken: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)

    async def next(self) -> tuple[str, str]:
        """(recipient, text) of the next notice."""
        envelope = await asyncio.wait_for(self.taken.get(), 60)
        message = message_from_bytes(envelope.content)
        return envelope.rcpt_tos[0], message.get_payload(decode=True).decode()  # type: ignore[union-attr]

    async def code(self) -> str:
        """The digits of the next notice."""
        return str(re.findall(r"\b\d{6}\b", (await self.next())[1])[0])


@asynccontextmanager
async def relay() -> AsyncIterator[Relay]:
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as free:
        opened = Relay(free.getsockname()[1])

    class Handler:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - the library's name
            loop.call_soon_threadsafe(opened.taken.put_nowait, envelope)
            return "250 OK"

    controller = Controller(Handler(), hostname="127.0.0.1", port=opened.port)
    controller.start()
    try:
        yield opened
    finally:
        controller.stop()
