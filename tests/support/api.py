"""The HTTP API of a house, on a port of its own, and a client that signs in with a token: no other door is opened."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
from aiohttp import ClientSession, FormData, web

import server.api
from tests.house import House, open_core_house, settings_for

PROBES = ("/healthz", "/readyz", "/metrics")


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. `json` is None when it is not JSON."""

    status: int
    headers: dict[str, str]
    data: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.data) if "json" in self.headers["Content-Type"] else None

    @property
    def code(self) -> str:
        """The code of a problem, whose form is checked on the way."""
        assert self.headers["Content-Type"].startswith("application/problem+json"), self.headers
        problem = self.json
        assert set(problem) == {"type", "title", "status", "code", "detail"}
        assert problem["status"] == self.status
        return str(problem["code"])


class Description:
    """The published OpenAPI, to hold every answer of every test to it."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._components = document["components"]
        self._paths = [
            (re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), methods) for path, methods in document["paths"].items()
        ]

    def holds(self, method: str, path: str, reply: Reply) -> None:
        """Fails when a described route answers otherwise than it is described."""
        for pattern, methods in self._paths:
            if pattern.fullmatch(path) and method.lower() in methods:
                break
        else:
            return
        answers = methods[method.lower()]["responses"]
        assert str(reply.status) in answers, f"{method} {path} answered {reply.status}, which is not described"
        content = answers[str(reply.status)]["content"]
        if "*/*" in content:
            return
        kind = reply.headers["Content-Type"].partition(";")[0]
        assert kind in content, f"{method} {path} answered {kind}, which is not described"
        jsonschema_rs.validate({"components": self._components, **content[kind]["schema"]}, reply.json)


@dataclass
class Api:
    """A house and its API. `reach(name, …)`: a request of somebody ('' for nobody)."""

    house: House
    site: web.Application
    port: int
    client: ClientSession
    description: Description
    tokens: dict[str, str] = field(default_factory=dict)

    async def token(self, name: str) -> str:
        if name not in self.tokens:
            self.tokens[name] = await self.house.token(name)
        return self.tokens[name]

    async def reach(self, name: str, method: str, path: str, **request: Any) -> Reply:
        headers = dict(request.pop("headers", {}))
        if name:
            headers["Authorization"] = f"Bearer {await self.token(name)}"
        where = path if path.startswith("/api") or path in PROBES else f"/api/v1{path}"
        async with self.client.request(method, where, headers=headers, **request) as answer:
            reply = Reply(answer.status, dict(answer.headers), await answer.read())
        self.description.holds(method, where.partition("?")[0], reply)
        return reply

    async def get(self, name: str, path: str, **request: Any) -> Reply:
        return await self.reach(name, "GET", path, **request)

    async def post(self, name: str, path: str, body: Any = None, **request: Any) -> Reply:
        return await self.reach(name, "POST", path, json=body, **request)

    async def upload(
        self, name: str, data: bytes, called: str = "résultat.pdf", kind: str = "application/pdf"
    ) -> Reply:
        form = FormData()
        form.add_field("file", io.BytesIO(data), filename=called, content_type=kind)
        return await self.reach(name, "POST", "/api/v1/attachments", data=form)

    async def letter(self, writer: str, patient: str, **body: Any) -> dict[str, Any]:
        """A first letter through the API; its receipt."""
        said = {"to": self.house.ins(patient), "subject": "Consignes", "text": "Bonjour", **body}
        answer = await self.post(writer, "/api/v1/conversations", said)
        assert answer.status == 201, answer.data
        receipt: dict[str, Any] = answer.json
        return receipt

    def count(self, code: str) -> float:
        """How often the API refused with this code, as an operator sees it."""
        value = self.house.app.metrics.registry.get_sample_value("pli_refusals_total", {"door": "api", "code": code})
        return value or 0.0


async def until(holds: Callable[[], bool]) -> None:
    """Let the others work until this holds; the test's own time limit is the limit."""
    while not holds():  # noqa: ASYNC110 - it holds by what others do, which sets no event
        await asyncio.sleep(0)


@asynccontextmanager
async def open_api(folder: Path, header_s: float = 10.0, **changes: object) -> AsyncIterator[Api]:
    async with open_core_house(settings_for(folder, **changes)) as house:
        site = web.Application()
        server.api.add_health(house.app, site)
        server.api.add_routes(house.app, site)
        runner = server.api.runner(house.app, site, header_s)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            port = int(runner.addresses[0][1])
            async with ClientSession(f"http://127.0.0.1:{port}") as client:
                async with client.get("/api/openapi.json") as published:
                    description = Description(await published.json())
                yield Api(house, site, port, client, description)
        finally:
            await runner.cleanup()
