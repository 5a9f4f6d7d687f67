"""A client that waits: told of what comes, kept in touch with, and costing next to nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from mail_gateway.imap import imap_door
from mail_gateway.imap.idle import Idler, Idlers
from mail_gateway.imap.wire import Wire
from storage import accounts
from tests.house import House, open_core_house, settings_for
from tests.imap_client import Client, client, exchange, imap_house


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """A door that looks after who waits more often than it would."""
    monkeypatch.setattr("mail_gateway.imap.idle.TICK_S", 0.02)
    monkeypatch.setattr("mail_gateway.imap.idle.HERE_S", 0.02)
    monkeypatch.setattr("mail_gateway.sign_ins.ROUND_S", 0.1)
    async with imap_house(tmp_path) as opened:
        yield opened


async def idling(program: Client) -> None:
    await asyncio.to_thread(program.imap.send, b"i1 IDLE\r\n")
    assert (await asyncio.to_thread(program.imap.readline)).startswith(b"+ ")


async def heard(program: Client, besides: bytes = b"* OK Still here\r\n") -> bytes:
    """The next line that is more than a sign of life."""

    def listen() -> bytes:
        while (line := program.imap.readline()) == besides:
            pass
        return line

    return await asyncio.to_thread(listen)


async def test_who_waits_longer_than_anybody_may_be_silent_is_still_there(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await exchange(house)
    async with client(house) as morel:
        monkeypatch.setattr("mail_gateway.imap.session.IDLE_S", 0.01)
        await idling(morel)
        for _ in range(5):  # each longer than a client may be silent between two commands
            assert await heard(morel, besides=b"") == b"* OK Still here\r\n"
        monkeypatch.undo()
        await asyncio.to_thread(morel.imap.send, b"DONE\r\n")
        assert (await heard(morel)).startswith(b"i1 OK")


async def test_a_wake_up_that_is_lost_costs_a_while_and_never_a_message(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = await exchange(house)
    async with client(house) as morel:
        await idling(morel)
        monkeypatch.setattr(house.app.hub, "wake", lambda mailboxes: None)
        await house.answer("dominique", conversation, "Encore.")
        assert await heard(morel) == b"* 2 EXISTS\r\n"
        await asyncio.to_thread(morel.imap.send, b"NIMPORTE\r\n")
        assert (await heard(morel)).startswith(b"i1 BAD")


async def test_who_waits_without_a_folder_is_kept_in_touch_with_too(house: House) -> None:
    async with client(house, folder=None) as morel:
        await idling(morel)
        assert await heard(morel, besides=b"") == b"* OK Still here\r\n"
        await asyncio.to_thread(morel.imap.send, b"done\r\n")
        assert (await heard(morel)).startswith(b"i1 OK")


async def test_who_waits_is_shown_out_when_the_account_ends(house: House) -> None:
    async with client(house) as morel:
        await idling(morel)
        await house.app.db.write(accounts.end, house.morel.account_id)
        assert (await heard(morel)).startswith(b"* BYE")
        morel.shown_out = True


async def test_who_waits_hears_goodbye_when_the_door_closes(tmp_path: Path) -> None:
    async with open_core_house(settings_for(tmp_path)) as core, AsyncExitStack() as open_door:
        await open_door.enter_async_context(imap_door(core.app))
        async with client(core) as morel:
            await idling(morel)
            await open_door.aclose()
            assert (await heard(morel)).startswith(b"* BYE")
            morel.shown_out = True


async def test_thousands_who_wait_are_looked_after_by_a_few_queries(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No task and no timer is theirs: one look a hundred, whoever they are."""
    await exchange(house)
    queries = 0
    read = house.app.db.read

    async def counted(*asked: object) -> object:
        nonlocal queries
        queries += 1
        return await read(*asked)  # type: ignore[arg-type]

    monkeypatch.setattr(house.app.db, "read", counted)
    idlers = Idlers(house.app)
    waiting = [Idler(Wire(lambda _: None), house.morel.mailbox_id, known) for known in (3, 2) for _ in range(2500)]
    tasks = len(asyncio.all_tasks())
    for idler in waiting:
        idlers.enter(idler)
    async with idlers.rounds():
        assert len(asyncio.all_tasks()) == tasks + 1
        told = [await idler.wire.line_or_nudge() for idler in waiting[2500:]]
    assert told == [None] * 2500
    assert queries <= 2 * 50  # of a round, and of one more that may have begun
    assert not any(idler.wire.nudged for idler in waiting[:2500])
