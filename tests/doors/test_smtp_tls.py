"""TLS at our SMTP doors, and where a letter ends, on asyncio's loop and on uvloop's: what is slipped in is not done."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mail_gateway.smtp import Limits, Share
from tests.doors.test_smtp_session import LETTER, opened, ready
from tests.wire import connected, connected_at_once

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


# ---- smuggling -------------------------------------------------------------------------------------------------------

ENDS = [
    b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n\n.\r\n",
    b"\r\n\x00.\r\n", b"\r\n.\x00\r\n", b"\r\n. \r\n", b"\r\n .\r\n", b"\r\r\n.\r\n",
    b"\r\n..\r\n", b"\r\n.\r\r\n", b"\r\n.\n\r\n", b"\n.\r",
]  # fmt: skip


@pytest.mark.parametrize("loop", LOOPS)
def test_sixteen_ways_to_end_a_letter_early_make_no_second_one(loop: str, tmp_path: Path) -> None:
    """The same by one piece and octet by octet: one letter or a refusal, and the smuggled one never."""

    async def story() -> None:
        async with opened(tmp_path) as (door, shelf, context):
            for end in ENDS:
                for pieces in (1, 7):
                    inside = (
                        b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nsmuggled: x\r\n\r\nx\r\n.\r\n"
                    )
                    letter = b"Subject: x\r\n\r\nx" + end + inside
                    shelf.letters.clear()
                    async with connected(door.port, context) as wire:
                        await ready(wire)
                        assert (await wire.say("DATA")).startswith("354")
                        for at in range(0, len(letter), len(letter) // pieces + 1):
                            await wire.send(letter[at : at + len(letter) // pieces + 1])
                        assert (await wire.hear())[:3] in ("250", "550"), end
                        with contextlib.suppress(ConnectionError):  # improper pipelining ends the session
                            await wire.say("NOOP")
                    assert len(shelf.letters) <= 1, end
                    assert not any(kept.startswith(b"smuggled") for kept in shelf.letters), end

    run(loop, story)
