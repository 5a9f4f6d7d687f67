"""How much of a door anybody may hold at once, and that the others still find room."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from mail_gateway.smtp import Door, Envelope, Limits, Session, Share
from tests.doors.test_smtp_session import LETTER, Here, Shelf, opened, ready
from tests.wire import Wire, connected, connected_at_once

MB = 1024 * 1024


class Known(Shelf):
    """A shelf that takes whoever says MAIL for the operator of their domain, but for strangers."""

    async def sender(self, session: Session, envelope: Envelope) -> None:
        domain = envelope.sender.address.rpartition("@")[2]
        if domain != "stranger.example":
            session.party = f"operator:{domain}"


@contextlib.asynccontextmanager
async def shared(folder: Path, **limits: object) -> AsyncIterator[Here]:
    async with opened(folder, Limits(**limits), Known) as here:  # type: ignore[arg-type]
        yield here


# ---- who may hold how much -------------------------------------------------------------------------------------------


async def test_strangers_do_not_take_a_known_operators_places_nor_the_operator_everybodys(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        door, _, context = await stack.enter_async_context(
            shared(tmp_path, address=Share(2, 9, MB), operator=Share(3, 9, MB))
        )
        for _ in range(3):  # one after the other leaves the strangers of their common address
            wire = await stack.enter_async_context(connected(door.port, context))
            assert (await wire.say("MAIL FROM:<a@b.example>")).startswith("250")
        fourth = await stack.enter_async_context(connected(door.port, context))
        assert (await fourth.say("MAIL FROM:<a@b.example>")).startswith("421 4.7.0 Trop de connexions de votre part")
        assert await fourth.ended()
        other = await stack.enter_async_context(connected(door.port, context))
        assert (await other.say("MAIL FROM:<a@c.example>")).startswith("250"), "another operator is not concerned"
        for _ in range(2):
            await stack.enter_async_context(connected(door.port))
        stranger = Wire(*await asyncio.open_connection("127.0.0.1", door.port))
        assert (await stranger.hear()).startswith("421 4.7.0")
        await stranger.close()
        assert (await wire.say("NOOP")).startswith("250"), "who is known stays"


async def test_who_left_makes_room(tmp_path: Path) -> None:
    async with shared(tmp_path, operator=Share(1, 1, MB)) as (door, shelf, context):
        for _ in range(3):
            async with connected(door.port, context) as wire:
                await ready(wire)
                assert (await wire.data(LETTER)).startswith("250")
                await wire.say("QUIT")
                assert await wire.ended()
        assert len(shelf.letters) == 3


async def test_an_operator_has_so_many_letters_on_their_way_and_the_next_is_put_off(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        door, shelf, context = await stack.enter_async_context(shared(tmp_path, operator=Share(9, 2, MB)))
        wires = [await stack.enter_async_context(connected(door.port, context)) for _ in range(3)]
        for wire in wires:
            await ready(wire)
        assert [(await wire.say("DATA"))[:9] for wire in wires[:2]] == ["354 End w"] * 2
        assert (await wires[2].say("DATA")).startswith("451 4.7.1 Trop de messages en cours de votre part")
        await wires[0].send(LETTER + b".\r\n")
        assert (await wires[0].hear()).startswith("250")
        assert (await wires[2].data(LETTER)).startswith("250"), "once one has arrived; the transaction was kept"
        assert len(shelf.letters) == 2


async def test_octets_on_their_way_count_for_who_sends_them(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        door, shelf, context = await stack.enter_async_context(shared(tmp_path, operator=Share(9, 9, 100_000)))
        slow, second, other = [await stack.enter_async_context(connected(door.port, context)) for _ in range(3)]
        await ready(slow)
        await slow.say("DATA")
        await slow.send((b"a" * 900 + b"\r\n") * 80)
        assert (await second.say("MAIL FROM:<a@b.example> SIZE=90000")).startswith("250")
        await second.say("RCPT TO:<c@d.example>")
        assert (await second.say("DATA")).startswith("452 4.3.1 Trop de courrier")
        await other.say("MAIL FROM:<a@c.example> SIZE=90000")
        await other.say("RCPT TO:<c@d.example>")
        assert (await other.data(LETTER)).startswith("250"), "another operator has its own"
        await slow.send((b"b" * 900 + b"\r\n") * 80 + b".\r\n")
        assert (await slow.hear()).startswith("452 4.3.1"), "nor more than was left, though it did not say so"
        await ready(slow)
        assert (await slow.data(LETTER)).startswith("250")
        assert len(shelf.letters) == 2
        assert door.budget.held == 0


async def test_an_address_counts_too_whoever_speaks_from_it(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        door, _, context = await stack.enter_async_context(shared(tmp_path, address=Share(9, 1, MB)))
        one, two = [await stack.enter_async_context(connected(door.port, context)) for _ in range(2)]
        await one.envelope("a@b.example", "c@d.example")
        await two.envelope("a@c.example", "c@d.example")
        assert (await one.say("DATA")).startswith("354")
        assert (await two.say("DATA")).startswith("451 4.7.1")


async def test_two_ways_in_are_one_door_to_who_counts(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        door, shelf, context = await stack.enter_async_context(shared(tmp_path, operator=Share(1, 9, MB)))
        twin = Door(shelf, door.limits, tls_at_once=True).beside(door)
        await twin.open("127.0.0.1", 0)
        stack.push_async_callback(twin.close)
        wire = await stack.enter_async_context(connected(door.port, context))
        assert (await wire.say("MAIL FROM:<a@b.example>")).startswith("250")
        other = await stack.enter_async_context(connected_at_once(twin.port, context))
        assert (await other.say("MAIL FROM:<a@b.example>")).startswith("421 4.7.0")
