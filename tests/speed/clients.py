"""The eyes of the benchmark: a live chat client and an IMAP client in IDLE, with as little between the wire and the
clock as can be.

Both give each arrival to an `Arrivals`, which knows a message by its token: twelve hexadecimal digits, a dot and a
number, put in a mail's subject or a message's text. Looking for that pattern in a frame is cheaper than decoding it,
and a thousand sockets in this one process must not become what is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
import secrets
import ssl
import time
from typing import Any

import aiohttp

TOKEN = re.compile(r"\b[0-9a-f]{12}\.\d+\b")


def tokens(count: int) -> list[str]:
    """New tokens, as `tests.speed.messages` puts them in subjects."""
    run = secrets.token_hex(6)
    return [f"{run}.{number}" for number in range(count)]


def session() -> aiohttp.ClientSession:
    """What opens as many connections as are asked for."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))


class Arrivals:
    """When each token was first seen (`perf_counter`), how often, and whoever waits for one."""

    def __init__(self) -> None:
        self.first: dict[str, float] = {}
        self.every: list[tuple[str, float]] = []
        self._waiting: dict[str, asyncio.Future[float]] = {}
        self._more = asyncio.Event()

    def note(self, token: str, now: float) -> None:
        self.every.append((token, now))
        self._more.set()
        if token in self.first:
            return
        self.first[token] = now
        waiter = self._waiting.pop(token, None)
        if waiter is not None and not waiter.done():
            waiter.set_result(now)

    async def of(self, token: str, patience: float = 30) -> float:
        """When `token` arrived or will have. TimeoutError after `patience` seconds."""
        if token in self.first:
            return self.first[token]
        self._waiting[token] = waiter = asyncio.get_running_loop().create_future()
        return await asyncio.wait_for(waiter, patience)

    async def reach(self, count: int, patience: float = 30) -> None:
        """Wait until tokens were seen `count` times in all. TimeoutError after `patience` seconds."""
        async with asyncio.timeout(patience):
            while len(self.every) < count:
                self._more.clear()
                await self._more.wait()


class LiveSocket:
    """One live chat connection: Engine.IO 4 and Socket.IO 5 by hand over a WebSocket (default namespace, no binary
    events).
    """

    def __init__(self, arrivals: Arrivals) -> None:
        self.arrivals = arrivals
        self._acks: dict[int, asyncio.Future[Any]] = {}
        self._count = itertools.count(1)
        self._reader: asyncio.Task[None] | None = None

    async def open(
        self, session: aiohttp.ClientSession, http: str, *, token: str | None = None, cookie: str | None = None
    ) -> LiveSocket:
        """Connect and sign in, by bearer token or by session cookie. ConnectionRefusedError when turned away."""
        headers = {"Origin": http}
        if cookie is not None:
            headers["Cookie"] = cookie
        self._ws = await session.ws_connect(
            http.replace("http", "ws", 1) + "/socket.io/?EIO=4&transport=websocket", headers=headers, max_msg_size=0
        )
        if not str(await self._ws.receive_str()).startswith("0"):
            raise ConnectionRefusedError("no Engine.IO greeting")
        await self._ws.send_str("40" + (json.dumps({"token": token}) if token is not None else ""))
        answer = await self._ws.receive_str()
        if not answer.startswith("40"):
            raise ConnectionRefusedError(answer)
        self._reader = asyncio.create_task(self._read())
        return self

    async def ask(self, event: str, payload: dict[str, Any], patience: float = 30) -> Any:
        """Send an event and wait for its acknowledgement."""
        number = next(self._count)
        self._acks[number] = answer = asyncio.get_running_loop().create_future()
        await self._ws.send_str(f"42{number}" + json.dumps([event, payload]))
        return await asyncio.wait_for(answer, patience)

    async def _read(self) -> None:
        note, find = self.arrivals.note, TOKEN.findall
        async for frame in self._ws:
            now = time.perf_counter()
            if frame.type is not aiohttp.WSMsgType.TEXT:
                continue
            data: str = frame.data
            if data.startswith('42["entries"'):
                for token in dict.fromkeys(find(data)):
                    note(token, now)
            elif data == "2":
                await self._ws.send_str("3")
            elif data.startswith("43"):
                number, _, rest = data[2:].partition("[")
                waiter = self._acks.pop(int(number), None)
                if waiter is not None and not waiter.done():
                    waiter.set_result(json.loads("[" + rest)[0])

    async def close(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader
        await self._ws.close()


class IdleWatch:
    """One IMAP session in IDLE (RFC 2177). It notes when the mailbox grew; `settle` then tells which message that
    was.
    """

    def __init__(self, arrivals: Arrivals) -> None:
        self.arrivals = arrivals
        self.grew: list[tuple[int, float]] = []  # (EXISTS, when)
        self._changed = asyncio.Event()
        self._tag = itertools.count(1)

    async def open(self, port: int, user: str, password: str) -> IdleWatch:
        """Connect, STARTTLS, LOGIN, SELECT INBOX, IDLE."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
        await self._reader.readline()
        await self._command("STARTTLS")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        await self._writer.start_tls(context)
        await self._command(f'LOGIN "{user}" "{password}"')
        selected = await self._command("SELECT INBOX")
        self.start = next(int(line.split()[1]) for line in selected if line.upper().endswith(" EXISTS"))
        await self._idle()
        return self

    @property
    def more(self) -> int:
        """How many messages the mailbox was said to hold beyond those of SELECT."""
        return self.grew[-1][0] - self.start if self.grew else 0

    async def next(self, count: int, patience: float = 30) -> float:
        """When the mailbox first held `count` messages more than at SELECT. TimeoutError after `patience` seconds."""
        async with asyncio.timeout(patience):
            while True:
                for exists, when in self.grew:
                    if exists >= self.start + count:
                        return when
                self._changed.clear()
                await self._changed.wait()

    async def settle(self) -> None:
        """Leave IDLE, read what arrived, and note each message at the moment the mailbox was said to hold it."""
        await self._leave()
        if not self.more:
            return
        lines = await self._command(f"FETCH {self.start + 1}:{self.start + self.more} (BODY.PEEK[])")
        number = 0
        for line in lines:
            if found := re.match(r"\* (\d+) FETCH ", line):
                number = int(found[1])
            for token in TOKEN.findall(line):
                if token not in self.arrivals.first:
                    self.arrivals.note(token, next(when for exists, when in self.grew if exists >= number))

    async def close(self) -> None:
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await self._leave()
            await self._command("LOGOUT")
        self._writer.close()

    async def _idle(self) -> None:
        self._writer.write(b"i IDLE\r\n")
        if not (await self._reader.readline()).startswith(b"+"):
            raise ConnectionError("IDLE was refused")
        self._task: asyncio.Task[None] | None = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        while line := await self._reader.readline():
            now = time.perf_counter()
            if line.rstrip().upper().endswith(b" EXISTS"):
                self.grew.append((int(line.split()[1]), now))
                self._changed.set()
            elif line.startswith(b"i "):
                return

    async def _leave(self) -> None:
        if self._task is not None:
            self._writer.write(b"DONE\r\n")
            await self._task
            self._task = None

    async def _command(self, command: str) -> list[str]:
        tag = f"a{next(self._tag)}"
        self._writer.write(f"{tag} {command}\r\n".encode())
        lines: list[str] = []
        while True:
            line = (await self._reader.readline()).decode("utf-8", "replace").rstrip("\r\n")
            if line.startswith(f"{tag} "):
                if not line.startswith(f"{tag} OK"):
                    raise ConnectionError(line)
                return lines
            if not line and self._reader.at_eof():
                raise ConnectionError("the connection was closed")
            lines.append(line)
