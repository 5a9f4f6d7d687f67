"""How much of a door anybody may hold, and TLS from the first octet, on asyncio's loop and on uvloop's."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from mail_gateway.smtp import Envelope, Limits, Session, Share
from tests.doors.test_smtp_session import LETTER, Here, Shelf, opened, ready
from tests.wire import Wire, connected, connected_at_once

MB = 1024 * 1024
LOOPS = ["asyncio", *(["uvloop"] if sys.platform != "win32" else [])]


def run(loop: str, story: Callable[[], Awaitable[None]]) -> None:
    """The story on that loop: what a server does may depend on it."""
    factory = None
    if loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop

    async def whole() -> None:
        await story()

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(whole())


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


# ---- TLS -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loop", LOOPS)
def test_tls_from_the_first_octet(loop: str, tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path, tls_at_once=True) as (door, shelf, context):
            async with connected_at_once(door.port, context) as wire:
                assert "STARTTLS" not in await wire.say("EHLO a.example")
                assert (await wire.say("STARTTLS")).startswith("503 5.5.1")
                await ready(wire)
                assert (await wire.data(LETTER)).startswith("250")
            assert shelf.letters == [LETTER]

    run(loop, story)


@pytest.mark.parametrize("loop", LOOPS)
def test_nothing_is_said_in_clear_where_tls_comes_first(loop: str, tmp_path: Path) -> None:
    async def story() -> None:
        limits = Limits(handshake_s=0.3, address=Share(2, 9, MB))
        async with opened(tmp_path, limits, tls_at_once=True) as (door, _, context):
            for said in (b"EHLO a.example\r\nMAIL FROM:<a@b.example>\r\n", b"\x16\x03\x01", b""):
                reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
                writer.write(said)
                with contextlib.suppress(ConnectionError):
                    heard = await asyncio.wait_for(reader.read(), 20)
                    assert not heard or heard[0] in (0x15, 0x16), heard  # a TLS record, or the end: no SMTP
                writer.close()
            idle = [await asyncio.open_connection("127.0.0.1", door.port) for _ in range(2)]
            with pytest.raises((ConnectionError, ssl.SSLError)):
                await asyncio.open_connection("127.0.0.1", door.port, ssl=context, server_hostname="localhost")
            for reader, writer in idle:
                assert await asyncio.wait_for(reader.read(), 20) == b"", "their handshake took too long"
                writer.close()
            async with connected_at_once(door.port, context) as wire:
                assert (await wire.say("NOOP")).startswith("250"), "and then there is room again"

    run(loop, story)


SLIPPED = [
    b"NOOP\r\n", b"x", b"EHLO evil.example\r\n", b"\r\n",
    b"EHLO evil.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n",
]  # fmt: skip


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("slipped", SLIPPED, ids=["command", "half a command", "greeting", "nothing", "transaction"])
def test_nothing_said_before_the_handshake_is_done_after_it(loop: str, slipped: bytes, tmp_path: Path) -> None:
    """CVE-2024-34083, in one piece with STARTTLS and in the next one."""

    async def story() -> None:
        async with opened(tmp_path, Limits(handshake_s=0.3)) as (door, shelf, context):
            async with connected(door.port) as wire:
                await wire.send(b"STARTTLS\r\n" + slipped)
                assert (await wire.hear()).startswith("554 5.5.0")
                assert await wire.ended()
            async with connected(door.port) as wire:
                assert (await wire.say("STARTTLS")).startswith("220")
                await wire.send(slipped)  # where the handshake should be
                assert await wire.ended()
            assert shelf.letters == []
            async with connected(door.port, context) as wire:
                assert (await wire.say("NOOP")).startswith("250")

    run(loop, story)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_transaction_begun_in_clear_does_not_go_on_over_tls(loop: str, tmp_path: Path) -> None:
    """Pipelined before STARTTLS, or the tail of a group after it: each command is answered on its own side."""

    async def story() -> None:
        async with opened(tmp_path) as (door, shelf, context):
            async with connected(door.port) as wire:
                await wire.send(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nSTARTTLS\r\n")
                assert [(await wire.hear())[:9] for _ in range(3)] == ["530 5.7.0", "503 5.5.1", "220 2.0.0"]
                await wire.writer.start_tls(context, server_hostname="localhost")
                assert (await wire.say("RCPT TO:<c@d.example>")).startswith("503")
                assert (await wire.say("DATA")).startswith("503")
                assert (await wire.say("MAIL FROM:<a@b.example>")).startswith("503"), "EHLO has to be said again"
                assert (await wire.say("EHLO a.example")).startswith("250")
                assert (await wire.say("STARTTLS")).startswith("503 5.5.1")
                await ready(wire)
                assert (await wire.data(LETTER)).startswith("250")
            assert shelf.letters == [LETTER]

    run(loop, story)


# ---- what replies say ------------------------------------------------------------------------------------------------


async def test_french_is_read_by_everybody_with_its_accents_by_who_asked(tmp_path: Path) -> None:
    """RFC 6531 § 3.7.4.2."""
    from mail_gateway.smtp import Refusal

    async with opened(tmp_path) as (door, shelf, context), connected(door.port, context) as wire:
        sentence = "L’espace de ce patient est « fermé » – œuvre"
        await wire.say("MAIL FROM:<a@b.example>")
        shelf.fails = Refusal(550, "5.2.1", sentence)
        assert await wire.say("RCPT TO:<c@d.example>") == '550 5.2.1 L\'espace de ce patient est " ferme " - oeuvre'
        await wire.say("RSET")
        await wire.say("MAIL FROM:<a@b.example> SMTPUTF8")
        shelf.fails = Refusal(550, "5.2.1", sentence)
        assert await wire.say("RCPT TO:<c@d.example>") == f"550 5.2.1 {sentence}"
        await wire.say("RSET")
        await wire.say("MAIL FROM:<a@b.example>")
        shelf.fails = Refusal(550, "5.2.1", "fermé\r\n250 ok")
        assert await wire.say("RCPT TO:<c@d.example>") == "550 5.2.1 ferme  250 ok"


@pytest.mark.parametrize(
    "line",
    [
        b"NO\x00OP",
        b"MAIL FROM:<a\x00@b.example>",
        b"MAIL FROM:<\xe9@b.example>",
        b"\xff\xfe",
        b"RCPT TO:<c\xc3@d.example>",
    ],
    ids=["NUL", "NUL in an address", "Latin-1 address", "no text", "cut UTF-8"],
)
@pytest.mark.parametrize("secure", [True, False])
async def test_octets_that_are_no_command_are_refused_and_the_session_goes_on(
    line: bytes, secure: bool, tmp_path: Path
) -> None:
    async with opened(tmp_path) as (door, _, context), connected(door.port, context if secure else None) as wire:
        await wire.send(line + b"\r\n")
        assert (await wire.hear()).startswith("500 5.5.2")
        assert (await wire.say("NOOP")).startswith("250")
