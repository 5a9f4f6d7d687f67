"""An SMS gateway that listens on this machine: what was asked of it, and the codes it was given."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web


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
