"""The HTTP door as a whole: probes, the deadline on request headers, and what is not HTTP at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession

from server.api import health
from server.attachments import MAX_UPLOAD
from tests.house import House
from tests.support.api import Api, open_api
from webchat.security import cookie_name

HEADER_S = 0.3


@pytest.fixture
async def api(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Api]:
    async with open_api(tmp_path, HEADER_S, database_url=sqlite_url) as opened:
        yield opened


@pytest.fixture
async def wire(api: Api) -> AsyncIterator[Wire]:
    """A raw connection to the door."""
    opened = await Wire.to(api)
    yield opened
    opened.close()


class Wire:
    """Octets to and from the door."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def to(cls, api: Api) -> Wire:
        return cls(*await asyncio.open_connection("127.0.0.1", api.port))

    def send(self, octets: bytes) -> None:
        self._writer.write(octets)

    async def answer(self) -> bytes:
        """One answer whose body has a length."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        return head + await self._reader.readexactly(length)

    async def end(self) -> bytes:
        """What comes until the door closes."""
        try:
            return await self._reader.read()
        except ConnectionResetError:
            return b""

    def close(self) -> None:
        self._writer.close()


def late(api: Api) -> float:
    value = api.house.app.metrics.registry.get_sample_value(
        "pli_refusals_total", {"door": "http", "code": "header_too_slow"}
    )
    return value or 0.0


PROBE = b"GET /healthz HTTP/1.1\r\nHost: pli\r\n\r\n"


async def deadline(api: Api) -> None:
    """Return when a connection opened now has lost patience: the door's own clock, not ours."""
    other = await Wire.to(api)
    assert await other.end() == b""
    other.close()


async def test_a_connection_that_says_nothing_is_cut(api: Api, wire: Wire) -> None:
    assert await wire.end() == b""
    assert late(api) == 1


async def test_a_header_that_trickles_in_is_cut(api: Api, wire: Wire) -> None:
    async def trickle() -> None:
        wire.send(PROBE[:-2] + b"X: ")
        while True:  # an octet after each request of somebody else: the pace of a busy door
            await api.get("", "/healthz")
            wire.send(b"y")

    trickling = asyncio.create_task(trickle())
    assert await wire.end() == b""
    trickling.cancel()
    assert late(api) == 1


async def test_half_a_header_after_a_whole_request_is_cut_and_a_rest_is_not(api: Api, wire: Wire) -> None:
    wire.send(PROBE)
    assert b"200 OK" in await wire.answer()
    await deadline(api)
    wire.send(PROBE)
    assert b"200 OK" in await wire.answer(), "a connection may rest between two requests"
    wire.send(PROBE[:10])
    assert await wire.end() == b""
    assert late(api) == 2


async def test_a_body_may_take_longer_than_a_header(api: Api, wire: Wire) -> None:
    token = await api.token("lab")
    body = b'{"to": "1", "subject": "S", "text": "T"}'
    wire.send(
        b"POST /api/v1/conversations HTTP/1.1\r\nHost: pli\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer " + token.encode() + f"\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:10]
    )
    await deadline(api)
    wire.send(body[10:])
    assert b" 422 " in await wire.answer()


async def test_a_long_poll_may_wait_longer_than_a_header(api: Api) -> None:
    poll = asyncio.create_task(api.get("dominique", "/entries?wait=60"))
    await deadline(api)
    await api.letter("lab", "dominique")
    assert len((await poll).json["entries"]) == 1


async def test_a_hundred_half_headers_hold_nobody_up(api: Api) -> None:
    slow = [await Wire.to(api) for _ in range(100)]
    for one in slow:
        one.send(PROBE[:20])
    assert (await api.get("", "/healthz")).status == 200
    assert [await one.end() for one in slow] == [b""] * 100
    for one in slow:
        one.close()


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: pli\r\n : x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: pli\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: pli\r\n" + b"X: y\r\n" * 1_000 + b"\r\n",
        b"POST / HTTP/1.1\r\nHost: pli\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /api/v1/attachments HTTP/1.1\r\nHost: pli\r\nContent-Length: -1\r\n\r\n",
    ],
    ids=["tls", "version", "header", "long header", "many headers", "smuggling", "length"],
)
async def test_what_is_no_http_gets_one_answer_in_our_own_words(api: Api, wire: Wire, said: bytes) -> None:
    wire.send(said)
    answer = await wire.end()
    assert answer.count(b"HTTP/1.") == 1
    assert b" 400 " in answer.splitlines()[0]
    assert b"application/problem+json" in answer
    assert b"Server: Pli\r\n" in answer
    assert b"aiohttp" not in answer
    assert said[:20] not in answer


async def test_an_upload_without_a_token_is_refused_before_it_came(api: Api, wire: Wire) -> None:
    wire.send(
        b"POST /api/v1/attachments HTTP/1.1\r\nHost: pli\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        + f"Content-Length: {MAX_UPLOAD}\r\n\r\n".encode()
    )
    assert b" 401 " in (await wire.answer()).splitlines()[0]


# Probes.


async def test_alive_is_not_ready(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    app = api.house.app
    assert (await api.get("", "/healthz")).json == {"status": "ok"}
    closed = await api.get("", "/readyz")
    assert (closed.status, closed.json["status"]) == (503, "closed")
    assert int(closed.headers["Retry-After"]) > 0
    app.ready, app.ports["http"] = True, api.port
    assert (await api.get("", "/readyz")).json == {"status": "ready", "doors": ["http"]}

    monkeypatch.setattr(health, "DATABASE_S", 0.05)
    readers = app.db._readers  # type: ignore[attr-defined]  # no reader left: the database does not answer
    taken = [await readers.get() for _ in range(readers.qsize())]
    stuck = await api.get("", "/readyz")
    assert (stuck.status, stuck.json["status"]) == (503, "database")
    assert (await api.get("", "/healthz")).status == 200
    for reader in taken:
        readers.put_nowait(reader)
    monkeypatch.undo()  # a machine that is busy is slow
    assert (await api.get("", "/readyz")).status == 200


async def test_counters_are_for_programs_beside_us_and_name_nobody(api: Api) -> None:
    await api.letter("lab", "dominique", subject="Secret")
    await api.post("lab", "/conversations", {"to": "199999999999999", "subject": "S", "text": "T"})
    await api.get("lab", "/conversations/nobody")
    counters = (await api.get("", "/metrics")).data.decode()
    assert 'pli_messages_posted_total{kind="text"} 1.0' in counters
    assert 'pli_refusals_total{code="not_found",door="api"} 1.0' in counters
    for word in (
        api.house.ins("dominique"),
        "199999999999999",
        "Dominique",
        "Secret",
        "labo@",
        api.house.lab.account_id,
    ):
        assert word not in counters
    for header in ("X-Forwarded-For", "Forwarded", "Via"):
        assert (await api.get("", "/metrics", headers={header: "127.0.0.1"})).status == 404


async def test_the_whole_house_is_ready_and_its_pages_do_not_stand_before_the_api(house: House) -> None:
    async with ClientSession(house.http) as http:
        async with http.get("/readyz") as ready:
            assert await ready.json() == {
                "status": "ready",
                "doors": ["http", "imap", "imaps", "smtp", "submission", "submissions"],
            }
        letter = {"to": house.ins("dominique"), "subject": "Vos résultats", "text": "Bonjour"}
        signed_in = {"Authorization": f"Bearer {await house.token('lab')}"}
        async with http.post("/api/v1/conversations", json=letter, headers=signed_in) as sent:
            assert sent.status == 201
            assert not sent.cookies
        async with http.get("/api/v1/nothing", headers={"Accept": "text/html"}) as nothing:
            assert (nothing.status, nothing.content_type) == (404, "application/problem+json")
        browser = {cookie_name(house.app): await house.session("dominique")}
        async with http.get("/", cookies=browser, allow_redirects=False) as page:
            assert page.status == 200
        async with http.get("/api/v1/entries", cookies=browser) as refused:
            assert refused.status == 401, "a browser's session is not a token"
