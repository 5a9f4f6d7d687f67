"""The live socket: until when one may hear, and what too much of anything costs."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
import socketio  # type: ignore[import-untyped]  # ships no types

from server import sessions
from storage import accounts, credentials
from storage.ids import now_ms
from tests.browser.sockets import SOON, client
from tests.house import House
from webchat import live
from webchat import socket as door

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
        await house.app.db.write(credentials.revoke_kind, house.marcel.account_id, "bearer")
    else:
        secret = await house.session("marcel")
        await sio.connect(house.http, headers={"Cookie": f"pli={secret}"}, transports=["websocket"])
        if how == "signed out":
            await sessions.close_session(house.app, secret)
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
    await sessions.close_session(house.app, secret)
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
