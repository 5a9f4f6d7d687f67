"""The IMAP door when there are many, when somebody is slow, when it stops and starts again, when its disk is lost."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from mail_gateway.imap import imap_door
from mail_gateway.imap.wire import Wire
from mail_gateway.listening import Listener
from server import attachments
from server.app import open_core
from storage import entries
from tests.house import PASSWORD, House, open_core_house, settings_for
from tests.imap_client import MOREL, Client, client, exchange, trusting
from tests.speed import idle

SLOW = 14_000_000  # octets of a file: a mail of some 19 MB


async def test_a_client_that_waits_costs_little_memory_and_hardly_any_work(tmp_path: Path) -> None:
    """Of the door in a process of its own, with TLS; `make speed` measures thousands of them."""
    cost = await asyncio.to_thread(idle.measure, tmp_path, 300, 0.5)
    assert cost.kib < idle.KIB
    assert cost.alive_ms < 1, "of processor, every two minutes"
    assert cost.letter_ms < 5, "of processor, for each who is told of a letter"


async def test_an_answer_over_tls_from_the_first_octet_is_not_held_back() -> None:
    """As by STARTTLS, where asyncio sees to it: else each answer takes 40 ms more."""
    accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def let_in(caller: socket.socket, _: str) -> None:
        accepted.set_result(caller.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        caller.close()

    listener = Listener(let_in)
    await listener.open("127.0.0.1", 0)
    _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    assert await asyncio.wait_for(accepted, 10)
    writer.close()
    await listener.close()


# ---- a slow reader ---------------------------------------------------------------------------------------------------


async def test_for_a_slow_reader_of_a_large_mail_little_waits_on_the_line_and_nobody_is_hindered(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter = await house.letter("morel", "dominique")
    upload = await attachments.upload(house.app, house.dominique, "radio.jpg", "image/jpeg", os.urandom(SLOW))
    await house.answer("dominique", letter.conversation, "Ma radio.", uploads=(upload,))
    waiting: list[int] = []  # octets that the peer did not take yet, each time it is waited for
    full = asyncio.Event()
    drain = Wire.drain

    async def seen(wire: Wire) -> None:
        if wire._full and wire._transport is not None:
            waiting.append(wire._transport.get_write_buffer_size())
            full.set()
        await drain(wire)

    monkeypatch.setattr(Wire, "drain", seen)
    plug = socket.socket()
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
    plug.setblocking(False)
    await asyncio.get_running_loop().sock_connect(plug, ("127.0.0.1", house.app.ports["imaps"]))
    reader, writer = await asyncio.open_connection(
        sock=plug, ssl=trusting(house.app), server_hostname="localhost", limit=16_384
    )
    writer.write(f'a LOGIN "{MOREL}" "{PASSWORD}"\r\nb SELECT INBOX\r\nc FETCH 1 BODY.PEEK[]\r\n'.encode())
    await asyncio.wait_for(full.wait(), 60)
    async with client(house) as other:
        assert await other.uids("ALL") == [2]
        await house.answer("dominique", letter.conversation, "Et une question.")
        _, said = await other.raw("NOOP")
        assert said == [b"* 2 EXISTS"]
        await reader.readuntil(b"BODY[] {")
        size = int((await reader.readuntil(b"}\r\n"))[:-3])
        mail = await reader.readexactly(size)
        _, whole = await other.fetch(2)
    assert mail == whole
    assert len(mail) > SLOW
    assert max(waiting) < 1024 * 1024
    writer.close()


# ---- a restart, and a disk that is lost ------------------------------------------------------------------------------


@asynccontextmanager
async def opened(folder: Path, house: House) -> AsyncIterator[House]:
    """The same people, in what stands in this folder."""
    async with open_core(settings_for(folder)) as app, imap_door(app):
        yield House(app, house.people)


async def facts(program: Client) -> dict[str, list[bytes]]:
    """All that a client keeps of each folder: its numbers, and flags and number of change of each message."""
    found: dict[str, list[bytes]] = {}
    for folder in ("INBOX", "Sent", "Archive", "Trash", "Drafts"):
        _, opening = await program.raw(f"SELECT {folder} (CONDSTORE)")
        _, messages = await program.raw("UID FETCH 1:* (FLAGS MODSEQ INTERNALDATE EMAILID THREADID)")
        found[folder] = [*(line for line in opening if b"[UID" in line or b"[HIGHEST" in line), *messages]
    return found


def number(name: str, lines: list[bytes]) -> int:
    [found] = [match for line in lines if (match := re.search(rb"\[%b (\d+)\]" % name.encode(), line))]
    return int(found[1])


async def shown_out(program: Client) -> bool:
    """Whether the next that it hears is goodbye."""
    program.shown_out = True
    return (await asyncio.to_thread(program.imap.readline)).startswith(b"* BYE")


async def test_after_a_restart_and_from_a_backup_every_client_is_where_it_was(tmp_path: Path) -> None:
    """UIDVALIDITY, UIDs, flags and MODSEQs are the same, so that nobody copies anything twice."""
    async with open_core_house(settings_for(tmp_path / "pli")) as house, AsyncExitStack() as door:
        await door.enter_async_context(imap_door(house.app))
        conversation = await exchange(house)
        for word in ("À classer.", "À jeter.", "À suivre."):
            await house.answer("dominique", conversation, word)
        async with client(house) as computer, client(house) as phone, client(house) as watch:
            await computer.raw("MOVE 2 Archive")
            await computer.raw("MOVE 2 Trash")
            await computer.raw("STORE 2 +FLAGS (\\Flagged Urgent)")
            await computer.do("append", "Drafts", "(\\Draft)", None, b"Subject: Essai\r\n\r\nVenez demain.\r\n")
            before = await facts(computer)
            await phone.raw("NOOP")
            _, kept = await phone.raw("UID FETCH 1:* (BODY.PEEK[])")
            await asyncio.to_thread(watch.imap.send, b"i1 IDLE\r\n")
            while not (await asyncio.to_thread(watch.imap.readline)).startswith(b"+ "):
                pass
            await door.aclose()
            assert [await shown_out(program) for program in (computer, phone, watch)] == [True] * 3
        last = await house.app.db.read(entries.last_seq, house.morel.mailbox_id)
    shutil.copytree(tmp_path / "pli", tmp_path / "backup")
    for folder in ("pli", "backup"):
        async with opened(tmp_path / folder, house) as again, client(again, folder=None) as computer:
            assert await facts(computer) == before
            await computer.raw("CLOSE")
            _, said = await computer.raw("ENABLE QRESYNC")
            state = f"{number('UIDVALIDITY', before['INBOX'])} {number('HIGHESTMODSEQ', before['INBOX'])}"
            _, said = await computer.raw(f"SELECT INBOX (QRESYNC ({state}))")
            assert not [line for line in said if b"FETCH" in line or b"VANISHED" in line], "nothing happened meanwhile"
            _, mails = await computer.raw("UID FETCH 1:* (BODY.PEEK[])")
            assert mails == kept
            await again.answer("dominique", conversation, "Me revoilà.")
            _, said = await computer.raw("UID SEARCH RETURN (MAX) ALL")
            assert int(said[-1].split()[-1]) > last
