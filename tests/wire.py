"""An SMTP client that says exactly what it is told, and what it should not too."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

PATIENCE = 20.0


class Wire:
    """A connection. `say` returns the reply as one string, its lines joined by newlines, codes included."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def hear(self) -> str:
        """The next reply; "" when the server has hung up."""
        lines: list[str] = []
        while True:
            try:
                line = (await asyncio.wait_for(self.reader.readline(), PATIENCE)).decode().rstrip("\r\n")
            except (ConnectionError, ssl.SSLError):
                line = ""
            if not line:
                return "\n".join(lines)
            lines.append(line)
            if line[3:4] != "-":
                return "\n".join(lines)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def say(self, line: str) -> str:
        await self.send(line.encode() + b"\r\n")
        return await self.hear()

    async def secure(self, context: ssl.SSLContext) -> str:
        """STARTTLS and EHLO; the reply to the EHLO."""
        said = await self.say("STARTTLS")
        assert said.startswith("220"), said
        await self.writer.start_tls(context, server_hostname="localhost")
        return await self.say("EHLO client.example")

    async def envelope(self, sender: str, *recipients: str) -> list[str]:
        """The replies to MAIL and to each RCPT."""
        said = [await self.say(f"MAIL FROM:<{sender}>")]
        return said + [await self.say(f"RCPT TO:<{recipient}>") for recipient in recipients]

    async def data(self, letter: bytes) -> str:
        """DATA and the letter, dots doubled; the last reply."""
        said = await self.say("DATA")
        if not said.startswith("354"):
            return said
        await self.send(letter.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        return await self.hear()

    async def ended(self) -> bool:
        """Whether the server has hung up, once it said everything."""
        try:
            return await asyncio.wait_for(self.reader.read(65536), PATIENCE) == b""
        except (ConnectionError, ssl.SSLError):
            return True

    def hang_up(self) -> None:
        """Without a word: what the server reads next is the end, or a reset."""
        self.writer.transport.abort()

    async def close(self) -> None:
        self.writer.close()
        try:
            await asyncio.wait_for(self.writer.wait_closed(), PATIENCE)
        except (ConnectionError, ssl.SSLError, TimeoutError):
            pass  # how the other side goes is not the test's business


@asynccontextmanager
async def connected(port: int, context: ssl.SSLContext | None = None) -> AsyncIterator[Wire]:
    """A connection that heard its greeting and said EHLO; over TLS when there is a context."""
    wire = Wire(*await asyncio.open_connection("127.0.0.1", port))
    try:
        assert (await wire.hear()).startswith("220")
        assert (await wire.say("EHLO client.example")).startswith("250")
        if context is not None:
            assert (await wire.secure(context)).startswith("250")
        yield wire
    finally:
        await wire.close()


@asynccontextmanager
async def connected_at_once(port: int, context: ssl.SSLContext) -> AsyncIterator[Wire]:
    """The same with TLS from the first octet."""
    wire = Wire(*await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost"))
    try:
        assert (await wire.hear()).startswith("220")
        assert (await wire.say("EHLO client.example")).startswith("250")
        yield wire
    finally:
        await wire.close()
