"""The connection to a mail client: lines and literals, as they come and however they are cut on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail_gateway.imap.syntax import Literal, Part
from mail_gateway.imap.wire import KEPT_LITERAL, Closed, TooMuch, Wire


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Wire, asyncio.StreamReader, asyncio.StreamWriter]]:
    """Our end of a connection, and the client's."""
    opened: asyncio.Future[Wire] = asyncio.get_running_loop().create_future()
    door = await asyncio.get_running_loop().create_server(lambda: Wire(opened.set_result), "127.0.0.1", 0)
    async with door:
        reader, writer = await asyncio.open_connection(*door.sockets[0].getsockname())
        wire = await opened
        try:
            yield wire, reader, writer
        finally:
            writer.close()
            wire.abort()


async def test_a_literal_is_waited_for_sent_at_once_or_binary() -> None:
    async with connected() as (wire, reader, writer):
        writer.write(b"a X {3+}\r\na\r\n ~{2+}\r\n\0\1 {1}\r\n")
        reading = asyncio.create_task(wire.command(100))
        assert await reader.readline() == b"+ Go ahead\r\n"
        writer.write(b"z y\r\n")
        assert await reading == [
            b"a X ",
            Literal(b"a\r\n", 3),
            b" ",
            Literal(b"\0\1", 2, binary=True),
            b" ",
            Literal(b"z", 1),
            b" y",
        ]


async def test_a_literal_sent_at_once_may_be_as_large_as_any() -> None:
    """LITERAL+ and not LITERAL- (RFC 7888 § 5): no 4096 octets; only the limit of the door."""
    async with connected() as (wire, _, writer):
        size = KEPT_LITERAL + 5000
        writer.write(b"a X {%d+}\r\n" % size + b"x" * size + b"\r\n")
        found = await wire.command(size)
        assert isinstance(found[1], Literal)
        assert (found[1].size, len(found[1].data)) == (size, KEPT_LITERAL)


@pytest.mark.parametrize(("announced", "fatal"), [(b"{101}", False), (b"~{101}", False), (b"{101+}", True)])
async def test_a_literal_too_large_is_refused_and_ends_the_session_only_when_it_is_already_on_its_way(
    announced: bytes, fatal: bool
) -> None:
    async with connected() as (wire, _, writer):
        writer.write(b"k1 X " + announced + b"\r\n")
        with pytest.raises(TooMuch) as much:
            await wire.command(100)
        assert (much.value.tag, much.value.fatal) == ("k1", fatal)


_LINE = st.binary(max_size=12).map(lambda text: text.replace(b"\n", b"").replace(b"\r", b"").replace(b"}", b""))
_LITERAL = st.builds(lambda data, binary: Literal(data, len(data), binary), st.binary(max_size=12), st.booleans())
_COMMAND = st.tuples(st.lists(st.tuples(_LINE.map(lambda text: text.rstrip(b"~")), _LITERAL), max_size=3), _LINE).map(
    lambda told: [part for pair in told[0] for part in pair] + [told[1]]
)


def written(parts: list[Part]) -> bytes:
    said = b""
    for part in parts:
        if isinstance(part, Literal):
            said += b"%b{%d+}\r\n%b" % (b"~" * part.binary, part.size, part.data)
        else:
            said += part
    return said + b"\r\n"


@settings(max_examples=100)
@given(st.lists(_COMMAND, max_size=3), st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_however_commands_are_cut_on_the_way_they_are_read_as_they_were_written(
    commands: list[list[Part]], cuts: list[int]
) -> None:
    said = b"".join(map(written, commands))

    async def read() -> list[list[Part]]:
        wire, found = Wire(lambda _: None), []
        reading = asyncio.create_task(wire.command(1000))
        at = turn = 0
        while at < len(said) or reading.done():
            if reading.done():
                found.append(await reading)
                reading = asyncio.create_task(wire.command(1000))
            else:
                step = cuts[turn % len(cuts)]
                wire.data_received(said[at : at + step])
                at, turn = at + step, turn + 1
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        wire.eof_received()
        with pytest.raises(Closed):
            await reading
        return found

    assert asyncio.run(read()) == commands
