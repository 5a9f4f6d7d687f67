"""Another operator's mail server that misbehaves on command: goes away, hangs up in the middle; and counts."""

from __future__ import annotations

import asyncio
import email
import email.policy
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path

from tests.certificates import Pair, server_context


class Gone(Exception):
    """It hangs up."""


class ScriptedPeer:
    """`got`: the letters it answered 250 for or swallowed. `said`: the commands it heard under TLS. `hangs_up`: where
    it does, once each: connect, MAIL, middle (of a letter), end (the letter is taken, and 250 never said).
    """

    def __init__(self, tls: ssl.SSLContext, extensions: tuple[str, ...]) -> None:
        self._tls, self._extensions = tls, extensions
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.connections = 0
        self.got: list[bytes] = []
        self.said: list[str] = []
        self.hangs_up: deque[str] = deque()
        self.silent = asyncio.Event()  # clear: it answers no MAIL until it is set
        self.silent.set()
        self.busy = asyncio.Event()  # as many letters as it takes connections wait for that answer
        self.waiting = 0
        self.always_down = False  # accepts the connection and closes it
        self.answers: deque[str] = deque()  # to RCPT, once each

    @property
    def letters(self) -> list[EmailMessage]:
        return [email.message_from_bytes(raw, policy=email.policy.default) for raw in self.got]

    async def come(self) -> None:
        """Listen; on the same port as before when it comes back."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=1 << 20)
        self.port = self._server.sockets[0].getsockname()[1]

    async def go(self) -> None:
        """Down: nobody listens there any more, and open connections are cut."""
        assert self._server is not None
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        try:
            if self.always_down:
                return
            self._trip("connect")
            await self._talk(reader, writer)
        except (Gone, ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        secure = False
        writer.write(b"220 mx.operator.example\r\n")
        while line := await reader.readline():
            verb = line.decode().split()[0].upper()
            if secure:
                self.said.append(line.decode().strip())
            if verb == "EHLO":
                names = self._extensions if secure else ("STARTTLS",)
                said = "".join(f"250-{name}\r\n" for name in ("mx.operator.example", *names))
                writer.write(f"{said}250 HELP\r\n".encode())
            elif verb == "STARTTLS":
                writer.write(b"220 go\r\n")
                await writer.drain()
                await writer.start_tls(self._tls)
                secure = True
            elif verb == "DATA":
                await self._data(reader, writer)
            elif verb == "QUIT":
                return
            else:
                self._trip(verb)
                await self._muse()
                refused = self.answers.popleft() if verb == "RCPT" and self.answers else ""
                writer.write(f"{refused or '250 2.0.0 ok'}\r\n".encode())

    async def _data(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"354 go\r\n")
        if self.hangs_up and self.hangs_up[0] == "middle":
            await reader.readline()
            self._trip("middle")
        letter = (await reader.readuntil(b"\r\n.\r\n"))[:-3]
        self.got.append(letter)
        self._trip("end")
        writer.write(b"250 2.0.0 taken\r\n")

    async def _muse(self) -> None:
        if not self.silent.is_set():
            self.waiting += 1
            if self.waiting == 4:
                self.busy.set()
            await self.silent.wait()

    def _trip(self, where: str) -> None:
        if self.hangs_up and self.hangs_up[0] == where:
            self.hangs_up.popleft()
            raise Gone


@asynccontextmanager
async def scripted_peer(shown: Pair, asks: Path, *extensions: str) -> AsyncIterator[ScriptedPeer]:
    """Listening until the block ends; wants a client certificate of `asks`."""
    peer = ScriptedPeer(server_context(shown, asks), extensions or ("8BITMIME",))
    await peer.come()
    try:
        yield peer
    finally:
        await peer.go()
