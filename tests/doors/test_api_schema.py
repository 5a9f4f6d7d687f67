"""The published descriptions against what the running server does: no route, answer or event but those described."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
import socketio  # type: ignore[import-untyped]  # ships no types
from aiohttp import ClientSession
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import checks
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks as of_openapi

from server.api.events import EVENTS
from storage.ids import new_id
from tests.house import House
from tests.support.api import Api, open_api

LIMITS = settings(
    max_examples=5, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


@pytest.fixture
async def api(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Api]:
    async with open_api(tmp_path, database_url=sqlite_url) as opened:
        yield opened


def served(api: Api) -> set[tuple[str, str]]:
    """What aiohttp serves under /api; the route that answers for all others is not one."""
    found = set()
    for route in api.site.router.routes():
        path = route.resource.canonical if route.resource is not None else ""
        if path.startswith("/api") and route.method != "*":
            found.add((route.method, path))
    return found


async def test_the_openapi_describes_every_route_and_nothing_else(api: Api) -> None:
    document = (await api.get("", "/api/openapi.json")).json
    assert document["openapi"].startswith("3.1")
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert described == served(api)
    for contracted in (
        ("POST", "/api/v1/conversations"), ("POST", "/api/v1/conversations/{id}/messages"), ("GET", "/api/v1/entries"),
        ("GET", "/api/v1/conversations"), ("GET", "/api/v1/conversations/{id}"),
        ("POST", "/api/v1/messages/{id}/actions/{action}"), ("POST", "/api/v1/attachments"),
        ("GET", "/api/v1/attachments/{id}"), ("GET", "/api/openapi.json"), ("GET", "/api/asyncapi.json"),
    ):  # fmt: skip
        assert contracted in described


@pytest.mark.parametrize("path", ["/api/openapi.json", "/api/asyncapi.json"])
async def test_every_reference_of_a_description_leads_somewhere_and_every_schema_is_one(api: Api, path: str) -> None:
    document = (await api.get("", path)).json

    def follow(node: Any) -> None:
        if isinstance(node, dict):
            if "$ref" in node:
                there: Any = document
                for step in node["$ref"].removeprefix("#/").split("/"):
                    there = there[step]
            for value in node.values():
                follow(value)
        elif isinstance(node, list):
            for value in node:
                follow(value)

    follow(document)
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
        for pattern in re.findall(r'"pattern":\s*"([^"]+)"', str(schema)):
            re.compile(pattern)


CHECKS = [
    checks.not_a_server_error, of_openapi.status_code_conformance, of_openapi.content_type_conformance,
    of_openapi.response_schema_conformance, of_openapi.response_headers_conformance,
    of_openapi.negative_data_rejection, of_openapi.ignored_auth, of_openapi.unsupported_method,
]  # fmt: skip


@pytest.mark.timeout(300)
async def test_whatever_a_stranger_makes_of_the_description_the_server_answers_as_described(api: Api) -> None:
    await api.letter("lab", "dominique")
    for who in ("lab", "dominique"):
        token = await api.token(who)
        called = await asyncio.to_thread(explore, f"http://127.0.0.1:{api.port}", token)
        assert called | {("GET", "/api/openapi.json")} == served(api)  # the description itself was read


def explore(base: str, token: str) -> set[tuple[str, str]]:
    """Send what the description allows, and what it does not; returns the routes called. Raises on the first lie."""
    schema = schemathesis.openapi.from_url(f"{base}/api/openapi.json")
    refusing = schema.config.checks.negative_data_rejection
    refusing.expected_statuses = [*refusing.expected_statuses, "413"]  # too heavy to be looked at is refused too
    headers = {"Authorization": f"Bearer {token}"}
    called: set[tuple[str, str]] = set()

    def send(case: schemathesis.Case[Any]) -> None:
        called.add((case.operation.method.upper(), case.operation.path))
        if str((case.query or {}).get("wait", "")).isdecimal():
            case.query["wait"] = 0  # a minute's long poll has its own test
        case.call_and_validate(headers=headers, checks=CHECKS, timeout=20)

    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        for mode in schemathesis.GenerationMode:
            if mode is schemathesis.GenerationMode.NEGATIVE and not ([*operation.iter_parameters()] or operation.body):
                continue  # nothing that could be wrong
            with_data = given(operation.as_strategy(generation_mode=mode))(send)
            LIMITS(with_data)()
    return called


# The live events.


class Ear:
    """A live client that keeps what it was told, and holds everything it says and hears to the description."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._components = document["components"]
        self._messages = document["channels"]["live"]["messages"]
        self.used: set[str] = set()
        self.heard: dict[str, asyncio.Queue[Any]] = {
            event.name: asyncio.Queue() for event in EVENTS if event.by == "server"
        }
        self.client = socketio.AsyncClient(reconnection=False)
        for name in self.heard:
            self.client.on(name, self._hear(name))

    def _hear(self, name: str) -> Any:
        async def hear(payload: Any) -> None:
            self.heard[name].put_nowait(payload)

        return hear

    def holds(self, key: str, payload: Any) -> None:
        self.used.add(key)
        jsonschema_rs.validate({"components": self._components, **self._messages[key]["payload"]}, payload)

    async def say(self, name: str, payload: dict[str, Any]) -> Any:
        self.holds(f"client.{name}", payload)
        answer = await self.client.call(name, payload)
        self.holds(f"client.{name}.ack", answer)
        return answer

    async def hear(self, name: str) -> Any:
        payload = await self.heard[name].get()
        self.holds(f"server.{name}", payload)
        return payload


async def test_the_live_chat_says_and_hears_what_the_asyncapi_describes(house: House) -> None:
    async with ClientSession(house.http) as http, http.get("/api/asyncapi.json") as published:
        document = await published.json()
    assert document["asyncapi"].startswith("3.0")
    card = {"type": "appointment", "title": "Consultation", "start": "2026-12-01T10:00:00+01:00", "uid": "a@pli"}
    letter = await house.letter("morel", "dominique", kind="card", card=card)
    patient, doctor = Ear(document), Ear(document)
    try:
        for ear, name in ((patient, "dominique"), (doctor, "morel")):
            await ear.client.connect(house.http, auth={"token": await house.token(name)}, transports=["websocket"])
        page = await patient.say("sync", {"cursor": 0})
        assert [entry["message"]["id"] for entry in page["entries"]] == [letter.message]
        await doctor.say("sync", {"cursor": 0})

        await doctor.say("typing", {"conversation": letter.conversation})
        assert (await patient.hear("typing"))["who"]["name"] == "Dr Agathe MOREL"
        posted = await doctor.say("post", {"conversation": letter.conversation, "text": "À jeun", "client_key": "1"})
        assert posted["conversation"] == letter.conversation
        assert (await patient.hear("entries"))["entries"][-1]["message"]["text"] == "À jeun"
        assert (await patient.hear("presence"))["conversation"] == letter.conversation

        act = {"message": letter.message, "action": "agenda.accept", "client_key": "2"}
        assert "seq" in await patient.say("act", act)
        assert "error" in await patient.say("act", {**act, "client_key": "3"})
        assert "unread" in await patient.say("read", {"conversation": letter.conversation, "up_to": 1})
        assert "error" in await patient.say("post", {"conversation": new_id(), "text": "?", "client_key": "4"})
        assert (patient.used | doctor.used) == set(document["channels"]["live"]["messages"])
    finally:
        for ear in (patient, doctor):
            await ear.client.disconnect()
