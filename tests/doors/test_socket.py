"""The live socket: who may come in, what is told to whom; nothing is lost, doubled or told to the wrong person."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
import socketio  # type: ignore[import-untyped]  # ships no types

from server import people
from storage import accounts
from storage.ids import now_ms
from tests.browser.scenes import appointment, letter_with_documents
from tests.house import House
from webchat import live
from webchat import socket as door

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


# ---- coming in ------------------------------------------------------------------------------------------------------


async def test_who_is_not_signed_in_is_refused(house: House) -> None:
    assert await refused(house) == "unauthorised"
    assert await refused(house, auth={"token": "guess"}) == "unauthorised"
    assert await refused(house, auth={"token": ["a", "list"]}) == "unauthorised"
    assert await refused(house, auth="a text") == "unauthorised"
    assert await refused(house, headers={"Cookie": "pli=guess"}) == "unauthorised"


@pytest.mark.parametrize("cookie", [True, False])
async def test_the_session_cookie_and_a_token_both_sign_in(house: House, cookie: bool) -> None:
    await house.letter("morel", "dominique")
    async with client(house, "dominique", cookie=cookie) as dominique:
        page = await dominique.ask("sync", {"cursor": 0})
    assert [entry["message"]["text"] for entry in page["entries"]] == ["Bonjour"]


@pytest.mark.parametrize("origin", ["https://evil.test", "null", "http://127.0.0.1.evil.test", "http://localhost:1"])
async def test_a_page_of_another_site_opens_no_socket_with_dominiques_cookie(house: House, origin: str) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as handshake:
        async with raw(house, Cookie=f"pli={await house.session('dominique')}", Origin=origin):
            pass
    assert handshake.value.status == 400


async def test_there_is_no_long_polling_whose_address_would_be_a_key(house: House) -> None:
    async with aiohttp.ClientSession() as session:
        for path in ("/socket.io/?EIO=4&transport=polling", "/socket.io/?EIO=4"):
            async with session.get(house.http + path) as answer:
                assert answer.status == 400
            async with session.post(house.http + path, data="40") as answer:
                assert answer.status == 400


async def test_frames_are_not_compressed_even_when_the_browser_offers_it(house: House) -> None:
    async with raw(house) as wire:
        assert not wire.compress
        assert str(await wire.receive_str()).startswith("0{")


async def test_who_says_nothing_is_cut(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "FIRST_FRAME_S", 0.2)
    async with raw(house) as wire:
        await wire.receive_str()
        async with asyncio.timeout(SOON):
            ended = await wire.receive()
    assert ended.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING}


# ---- what arrives ---------------------------------------------------------------------------------------------------


async def test_a_letter_arrives_as_the_contract_says(house: House) -> None:
    async with client(house, "dominique") as dominique:
        assert await dominique.ask("sync", {"cursor": 0}) == {"entries": [], "cursor": 0, "more": False}
        receipt = await letter_with_documents(house)
        await dominique.until(lambda: bool(dominique.entries))
    ((name, event),) = dominique.told
    assert name == "entries"
    assert event["mailbox"] == house.dominique.mailbox_id
    assert event["cursor"] == 1
    (entry,) = event["entries"]
    assert set(entry) == {"seq", "kind", "conversation", "message"}
    assert (entry["seq"], entry["kind"], entry["conversation"]) == (1, "message", receipt.conversation)
    message = entry["message"]
    assert {"id", "at", "author", "subject", "text", "attachments", "status"} <= set(message)
    assert {"kind": "professional", "name": "Dr Agathe MOREL"}.items() <= message["author"].items()
    assert [{name: item[name] for name in ("name", "type")} for item in message["attachments"]] == [
        {"name": "consignes.pdf", "type": "application/pdf"},
        {"name": "DOC0001.XML", "type": "text/xml"},
    ]


async def test_who_never_syncs_hears_what_comes_after_they_came(house: House) -> None:
    await house.letter("morel", "dominique", "avant")
    async with client(house, "dominique") as dominique:
        await house.letter("morel", "dominique", "après")
        await dominique.until(lambda: bool(dominique.entries))
    assert dominique.texts() == ["après"]


async def test_dominique_comes_back_and_has_everything_in_order_once(house: House) -> None:
    receipt = await house.letter("morel", "dominique", "0")
    for number in range(1, 25):
        await house.answer("morel", receipt.conversation, str(number))
    async with client(house, "dominique") as dominique:
        cursor, more, pages = 0, True, 0
        while more:
            page = await dominique.ask("sync", {"cursor": cursor, "limit": 10})
            dominique.take("entries", page)
            cursor, more, pages = page["cursor"], page["more"], pages + 1
        assert pages == 3
        await house.answer("morel", receipt.conversation, "25")
        await dominique.until(lambda: len(dominique.entries) >= 26)
    assert dominique.texts() == [str(number) for number in range(26)]
    assert [entry["seq"] for entry in dominique.entries] == sorted({entry["seq"] for entry in dominique.entries})


async def test_fifty_cuts_while_letters_come_lose_none_and_double_none(house: House) -> None:
    receipt = await house.letter("morel", "dominique", "0")

    async def write() -> None:
        for number in range(1, 101):
            await house.answer("morel", receipt.conversation, str(number))

    writing = asyncio.create_task(write())
    seen: dict[int, str] = {}
    cursor, cuts = 0, 0
    while cuts < 50 or not writing.done() or len(seen) < 101:
        assert cuts < 1000, "letters are lost"
        async with client(house, "dominique") as dominique:
            page = await dominique.ask("sync", {"cursor": cursor, "limit": 7})
            await asyncio.sleep(0)
            for entry in [*page["entries"], *dominique.entries]:
                if entry["seq"] > cursor and entry["kind"] == "message":
                    assert entry["seq"] not in seen
                    seen[entry["seq"]] = entry["message"]["text"]
                    cursor = entry["seq"]
            cursor = max(cursor, page["cursor"])
        cuts += 1
    await writing
    assert [seen[seq] for seq in sorted(seen)] == [str(number) for number in range(101)]


async def test_who_asks_a_page_and_no_more_is_told_the_rest(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "ROUND_S", 0.05)
    monkeypatch.setattr(door, "QUIET_S", 0.1)
    receipt = await house.letter("morel", "dominique", "0")
    for number in range(1, 5):
        await house.answer("morel", receipt.conversation, str(number))
    async with client(house, "dominique") as dominique:
        page = await dominique.ask("sync", {"cursor": 0, "limit": 2})
        assert page["more"]
        await dominique.until(lambda: len(dominique.entries) >= 3)
    assert dominique.texts() == ["2", "3", "4"]


async def test_a_wake_up_that_is_lost_costs_time_and_no_letter(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "ROUND_S", 0.05)
    async with client(house, "dominique") as dominique:
        monkeypatch.setattr(house.app.hub, "wake", lambda _: None)
        await house.letter("morel", "dominique", "sans bruit")
        await dominique.until(lambda: bool(dominique.entries))
    assert dominique.texts() == ["sans bruit"]


async def test_a_browser_gets_the_html_of_the_conversation_it_shows_and_of_no_other(house: House) -> None:
    shown = await house.letter("morel", "dominique", "ici", "Opération")
    async with client(house, "dominique", cookie=True) as dominique:
        render = {"conversation": shown.conversation, "language": "en"}
        await dominique.ask("sync", {"cursor": 100, "render": render})
        await dominique.ask("sync", {"cursor": 0, "render": render})
        await house.answer("morel", shown.conversation, "encore <ici>", subject="Re: Opération")
        await house.letter("morel", "dominique", "ailleurs")
        await dominique.until(lambda: len(dominique.entries) >= 2)
    here, there = dominique.entries
    assert "encore &lt;ici&gt;" in here["fragment"]
    assert "just now" in here["fragment"]
    assert "Re: Opération" not in here["fragment"]
    assert f'id="m-{here["message"]["id"]}"' in here["fragment"]
    assert "fragment" not in there


# ---- what is done ---------------------------------------------------------------------------------------------------


async def test_the_same_key_gives_the_same_receipt(house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    async with client(house, "dominique") as dominique, client(house, "morel") as morel:
        post = {"conversation": receipt.conversation, "text": "Merci", "client_key": "k"}
        first, second = await dominique.ask("post", post), await dominique.ask("post", post)
        assert first == second
        assert set(first) == {"message", "seq", "conversation"}
        await morel.until(lambda: "Merci" in morel.texts())
        await dominique.ask("post", {**post, "text": "Encore", "client_key": "l"})
        await morel.until(lambda: "Encore" in morel.texts())
    assert morel.texts() == ["Merci", "Encore"]


async def test_messages_of_one_socket_keep_their_order_without_waiting_for_receipts(house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    async with client(house, "dominique") as dominique, client(house, "morel") as morel:
        for number in range(10):
            post = {"conversation": receipt.conversation, "text": str(number), "client_key": str(number)}
            await dominique.sio.emit("post", post)
        await morel.until(lambda: len(morel.texts()) >= 10)
    assert morel.texts() == [str(number) for number in range(10)]


async def test_what_was_read_is_counted_and_the_writer_is_told(house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    async with client(house, "morel") as morel, client(house, "dominique") as dominique:
        assert await dominique.ask("read", {"conversation": receipt.conversation, "up_to": 1}) == {"unread": 0}
        await morel.until(lambda: any(entry["kind"] == "change" for entry in morel.entries))
    assert morel.entries[-1]["message"]["status"] == "read"


async def test_an_appointment_is_accepted_from_the_socket(house: House) -> None:
    receipt = await appointment(house)
    async with client(house, "dominique") as dominique:
        done = await dominique.ask(
            "act", {"message": receipt.message, "action": "agenda.accept", "values": {}, "client_key": "a"}
        )
        assert set(done) == {"message", "seq"}
        again = await dominique.ask("act", {"message": receipt.message, "action": "agenda.accept", "client_key": "b"})
        assert again["error"]["code"] == "already_answered"
        await dominique.until(lambda: any(entry["kind"] == "change" for entry in dominique.entries))
    changed = next(entry for entry in dominique.entries if entry["kind"] == "change")
    assert changed["message"]["card"]["answered"]["action"] == "agenda.accept"


async def test_what_cannot_be_done_is_answered_with_its_code_and_words(house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    async with client(house, "marcel") as marcel:
        for payload in ({"conversation": receipt.conversation, "text": "x"}, {"conversation": "none", "text": "x"}):
            answer = await marcel.ask("post", payload)
            assert answer == {
                "error": {"code": "not_found", "detail": "Cet élément n’existe pas, ou vous n’y avez pas accès."}
            }
        bad: list[tuple[str, Any]] = [
            ("post", None),
            ("post", {"conversation": 3}),
            ("post", ["a", "list"]),
            ("sync", {"cursor": "1"}),
            ("sync", {"limit": 1e400}),
            ("act", {"message": "x"}),
            ("read", {"conversation": "x", "up_to": None}),
            ("sync", "x" * 50_000),
        ]
        for event, sent in bad:
            assert (await marcel.ask(event, sent))["error"]["code"] == "invalid"
        assert (await marcel.ask("sync", {"mailbox": house.dominique.mailbox_id}))["error"]["code"] == "not_found"
        assert (await marcel.ask("sync", {"cursor": -5}))["entries"] == []


async def test_nonsense_under_the_protocol_harms_nobody_else(house: House) -> None:
    token = await house.token("marcel")
    nested = "42" + '["post",' + "[" * 40_000 + "]" * 40_000 + "]"
    for frame in (nested, "42[", "42{}", "429" * 100, "451-x", "4", "x", "46", "5", "2", '42["nothing"]', "42[1]"):
        async with raw(house) as wire:
            await wire.receive_str()
            await wire.send_str("40" + '{"token": "' + token + '"}')
            assert str(await wire.receive_str()).startswith("40")
            await wire.send_str(frame)
            await wire.send_str('427["sync",{}]')
            async with asyncio.timeout(SOON):
                while (answer := await wire.receive()).type is aiohttp.WSMsgType.TEXT and "427" not in answer.data:
                    if answer.data.startswith("437"):
                        break
    async with client(house, "dominique") as dominique:
        assert (await dominique.ask("sync", {}))["entries"] == []


async def test_typing_and_presence_reach_those_who_take_part_and_nobody_else(house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    async with (
        client(house, "morel") as morel,
        client(house, "marcel") as marcel,
        client(house, "dominique") as dominique,
    ):
        await dominique.ask("typing", {"conversation": receipt.conversation})
        await morel.until(lambda: any(name == "typing" for name, _ in morel.told))
        assert morel.told[-1][1] == {
            "conversation": receipt.conversation,
            "who": {"kind": "holder", "name": "Dominique PAT-TROIS"},
        }
        await dominique.ask("read", {"conversation": receipt.conversation, "up_to": 1})
        await morel.until(lambda: any(name == "presence" for name, _ in morel.told))
        assert (await marcel.ask("typing", {"conversation": receipt.conversation}))["error"]["code"] == "not_found"
        await marcel.ask("sync", {})
        assert marcel.told == []
        assert [name for name, _ in dominique.told if name in {"typing", "presence"}] == []


# ---- whose mailbox, and until when ----------------------------------------------------------------------------------


async def test_dominique_follows_her_childs_mailbox_until_her_right_ends(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "ROUND_S", 0.05)
    camille = house.camille.mailbox_id
    receipt = await house.letter("morel", "camille", "Pour Camille")
    async with client(house, "dominique") as dominique:
        page = await dominique.ask("sync", {"mailbox": camille, "cursor": 0})
        assert [entry["message"]["text"] for entry in page["entries"]] == ["Pour Camille"]
        await house.answer("morel", receipt.conversation, "Encore")
        await dominique.until(lambda: bool(dominique.entries))
        assert dominique.told[-1][1]["mailbox"] == camille
        sent = await dominique.ask("post", {"conversation": receipt.conversation, "text": "Oui", "mailbox": camille})
        assert sent["conversation"] == receipt.conversation

        def end(tx: Any) -> None:
            tx.run("UPDATE delegations SET revoked_at = :at", at=now_ms())

        await house.app.db.write(end)
        await asyncio.wait_for(dominique.ended.wait(), 5)


@pytest.mark.parametrize("how", ["signed out", "token revoked", "account ended"])
async def test_what_ends_a_sign_in_ends_its_sockets_within_five_seconds(house: House, how: str) -> None:
    assert door.ROUND_S < 5
    sio = socketio.AsyncClient(reconnection=False)
    ended = asyncio.Event()
    sio.on("disconnect", lambda *_: ended.set())
    if how == "token revoked":
        await sio.connect(house.http, auth={"token": await house.token("marcel")}, transports=["websocket"])
        await house.app.db.write(accounts.revoke_credentials_of, house.marcel.account_id, "bearer")
    else:
        secret = await house.session("marcel")
        await sio.connect(house.http, headers={"Cookie": f"pli={secret}"}, transports=["websocket"])
        if how == "signed out":
            await people.close_session(house.app, secret)
        else:
            await house.app.db.write(accounts.end, house.marcel.account_id)
    await asyncio.wait_for(ended.wait(), 5)
    await sio.disconnect()


async def test_nothing_is_pushed_in_the_moment_between_the_end_of_a_right_and_the_end_of_the_socket(
    house: House,
) -> None:
    secret = await house.session("dominique")
    sio = socketio.AsyncClient(reconnection=False)
    heard: list[Any] = []
    ended = asyncio.Event()
    sio.on("entries", heard.append)
    sio.on("disconnect", lambda *_: ended.set())
    await sio.connect(house.http, headers={"Cookie": f"pli={secret}"}, transports=["websocket"])
    await people.close_session(house.app, secret)
    await house.letter("morel", "dominique")
    await asyncio.wait_for(ended.wait(), 5)
    await sio.disconnect()
    assert heard == []


async def test_a_sixth_window_ends_the_oldest(house: House) -> None:
    async with client(house, "dominique") as oldest:
        others = [client(house, "dominique") for _ in range(door.SOCKETS_PER_ACCOUNT)]
        opened = [await other.__aenter__() for other in others]
        await asyncio.wait_for(oldest.ended.wait(), SOON)
        assert not any(window.ended.is_set() for window in opened)
        for other in others:
            await other.__aexit__(None, None, None)


# ---- too much -------------------------------------------------------------------------------------------------------


async def test_a_frame_over_the_limit_ends_the_socket(house: House) -> None:
    async with client(house, "marcel") as marcel:
        await marcel.sio.emit("post", {"conversation": "x", "text": "x" * door.MAX_FRAME})
        await asyncio.wait_for(marcel.ended.wait(), SOON)


async def test_who_sends_too_fast_is_slowed_down_not_lost(house: House) -> None:
    async with client(house, "marcel") as marcel:
        began = time.monotonic()
        extra = 20
        answers = [marcel.ask("read", {"conversation": "x", "up_to": 0}) for _ in range(door.BURST + extra)]
        assert len(await asyncio.gather(*answers)) == door.BURST + extra
        assert time.monotonic() - began > 0.8 * extra / door.EVENTS_PER_SECOND


async def test_who_never_reads_holds_little_and_is_cut(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "ROUND_S", 0.05)
    held: list[int] = []
    waiting = live.Live.stuck

    def stuck(self: live.Live) -> bool:
        held.append(self.waiting())
        return waiting(self)

    monkeypatch.setattr(live.Live, "stuck", stuck)
    receipt = await house.letter("morel", "dominique")
    token = await house.token("dominique")
    reader, writer = await asyncio.open_connection("127.0.0.1", house.app.ports["http"], limit=1024)
    writer.write(
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n"
        b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    hello = b"40" + b'{"token": "' + token.encode() + b'"}'
    writer.write(bytes([0x81, 0x80 | len(hello), 0, 0, 0, 0]) + hello)
    closed = closing(monkeypatch)
    async with asyncio.timeout(60):
        while not held:
            await house.answer("morel", receipt.conversation, "x")
        for _ in range(200):
            if not closed.is_set():
                await house.answer("morel", receipt.conversation, "x" * 150_000)
        await closed.wait()
    assert max(held) <= live.QUEUED + 2
    writer.close()


def closing(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when the server ends a socket."""
    closed = asyncio.Event()
    close = live.Live.close

    def closes(self: live.Live) -> None:
        close(self)
        closed.set()

    monkeypatch.setattr(live.Live, "close", closes)
    return closed


async def test_a_socket_that_closes_leaves_nothing_behind(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = closing(monkeypatch)
    async with client(house, "dominique") as dominique:
        await dominique.ask("sync", {})
        assert house.app.hub._readers.keys() == {house.dominique.mailbox_id}
    await asyncio.wait_for(closed.wait(), SOON)
    assert house.app.hub._readers == {}
