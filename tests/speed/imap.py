"""A professional's mail client on 5,000 messages, beside Dovecot: the same octets in both, the same commands by turns.

Pli is asked through TLS, which it insists on, Dovecot in clear: a ratio is at our cost. A figure is the median of the
rounds; a folder was opened once before, as on every day but the first. « Pause » is the longest answer to NOOP that
another client of the same door had meanwhile.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import statistics
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from tests.house import PASSWORD
from tests.imap_client import MOREL
from tests.imap_oracle.reader import fetched
from tests.imap_oracle.talk import connected
from tests.speed import mailbox
from tests.speed.table import Row, ms
from tests.support import dovecot

MANY: Final = 5_000
FEW: Final = 500
ROUNDS: Final = 5
TIMES: Final = 3.0  # flags and headers, at most, of what Dovecot takes
PAUSE_MS: Final = 25.0
THUNDERBIRD: Final = (
    "UID FETCH 1:* (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Resent-Message-ID Subject Date "
    "Message-ID Priority X-Priority References Newsgroups In-Reply-To Content-Type Reply-To)])"
)
ASKED: Final = {
    "SELECT": "SELECT INBOX",
    "FETCH flags": "UID FETCH 1:* (FLAGS)",
    "FETCH headers, as Thunderbird asks": THUNDERBIRD,
    "FETCH ENVELOPE": "FETCH 1:* (ENVELOPE)",
    "SEARCH SUBJECT": "SEARCH SUBJECT hanche",
    "SEARCH BODY": "SEARCH BODY ordonnance",
}
WITHIN: Final = ("FETCH flags", "FETCH headers, as Thunderbird asks")


async def rows(folder: Path, *, quick: bool) -> list[Row]:
    """The table; without Dovecot its own figures alone."""
    count, rounds = (FEW, 2) if quick else (MANY, ROUNDS)
    data = folder / "imap"
    data.mkdir()
    await mailbox.fill(data, count)
    async with AsyncExitStack() as stack:
        port, tls = await stack.enter_async_context(_served(data))
        ours = await asyncio.to_thread(Line, port, MOREL, PASSWORD, tls)
        other = await asyncio.to_thread(Line, port, MOREL, PASSWORD, tls)
        theirs = None
        if dovecot.IMAP.exists():
            beside = stack.enter_context(dovecot.dovecot())
            await _copy(port, tls, beside.port)
            theirs = await asyncio.to_thread(Line, beside.port, dovecot.USER, dovecot.PASSWORD)
        found = await asyncio.to_thread(_compared, ours, theirs, other, count, rounds)
        return [*found, await asyncio.to_thread(_first_time, port, tls, count)]


@asynccontextmanager
async def _served(data: Path) -> AsyncIterator[tuple[int, ssl.SSLContext]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.speed.mailbox", str(data), cwd=Path(__file__).parents[2],
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        port, certificate = (await process.stdout.readline()).split()
        authority = Path(certificate.decode()).with_name("authority.pem")
        yield int(port), ssl.create_default_context(cafile=str(authority))
    finally:
        process.stdin.close()
        await process.wait()


async def _copy(port: int, tls: ssl.SSLContext, beside: int) -> None:
    async with (
        connected(port, MOREL, PASSWORD, tls) as ours,
        connected(beside, dovecot.USER, dovecot.PASSWORD) as theirs,
    ):
        await ours.say("EXAMINE INBOX")
        answer = await ours.say("FETCH 1:* (INTERNALDATE BODY.PEEK[])")
        for one in answer.named("FETCH"):
            row = fetched(one.values[0])
            raw, date = row["BODY[]"], row["INTERNALDATE"]
            assert isinstance(raw, bytes)
            assert isinstance(date, bytes)
            said = await theirs.say(f'APPEND INBOX () "{date.decode()}" {{}}', raw)
            assert said.result == "OK", said


class Line:
    """A connection that reads as fast as it can and understands nothing but its tag."""

    def __init__(self, port: int, user: str, password: str, tls: ssl.SSLContext | None = None) -> None:
        self._socket: socket.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self._count = 0
        self._socket.recv(4096)
        if tls is not None:
            self.say("STARTTLS")
            self._socket = tls.wrap_socket(self._socket, server_hostname="localhost")
        self.say(f'LOGIN "{user}" "{password}"')
        self.say("SELECT INBOX")

    def say(self, command: str) -> float:
        """Seconds from the command to its tagged OK."""
        self._count += 1
        ending = b"\r\nx%d " % self._count
        started = time.perf_counter()
        self._socket.sendall(b"x%d %b\r\n" % (self._count, command.encode()))
        tail = b"\r\n"
        while (at := tail.find(ending)) < 0 or not tail.endswith(b"\r\n"):
            got = self._socket.recv(1 << 18)
            if not got:
                raise ConnectionError(command)
            tail = tail[-200:] + got
        took = time.perf_counter() - started
        if not tail.startswith(b"OK", at + len(ending)):
            raise RuntimeError(f"{command}: {tail[at:].decode(errors='replace')}")
        return took


def _compared(ours: Line, theirs: Line | None, other: Line, count: int, rounds: int) -> list[Row]:
    took: dict[str, list[float]] = {name: [] for name in ASKED}
    beside: dict[str, list[float]] = {name: [] for name in ASKED}
    pauses: dict[str, float] = dict.fromkeys(ASKED, 0.0)
    for turn in range(rounds + 1):
        for name, command in ASKED.items():
            for line, kept in [(ours, took), (theirs, beside)][:: 1 if turn % 2 else -1]:
                if line is None:
                    continue
                seconds = line.say(command)
                if turn:  # the first round opens what stays open
                    kept[name].append(seconds)
            pauses[name] = max(pauses[name], _pause(ours, other, command))
    return [_row(name, took[name], beside[name], pauses[name], count) for name in ASKED]


def _pause(ours: Line, other: Line, command: str) -> float:
    """The longest NOOP, in seconds, that somebody else has while a command runs."""
    longest, over = [0.0], threading.Event()

    def listen() -> None:
        while not over.is_set():
            longest.append(other.say("NOOP"))
            time.sleep(0.001)  # somebody else, and not a storm

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        ours.say(command)
    finally:
        over.set()
        listener.join()
    return max(longest)


def _row(name: str, took: list[float], beside: list[float], pause: float, count: int) -> Row:
    mine = statistics.median(took) * 1000
    theirs = statistics.median(beside) * 1000 if beside else 0.0
    ratio = mine / theirs if theirs else 0.0
    goal = f"{TIMES:.0f}× Dovecot, pause {PAUSE_MS:.0f} ms" if name in WITHIN else f"pause {PAUSE_MS:.0f} ms"
    met = pause * 1000 <= PAUSE_MS and (name not in WITHIN or ratio <= TIMES)
    shown = f"{ms(mine)}, worst pause {ms(pause * 1000)}"
    return Row(f"{name}, {count:,} messages", goal, shown, f"Dovecot {ms(theirs)}: {ratio:.1f}×" if theirs else "", met)


def _first_time(port: int, tls: ssl.SSLContext, count: int) -> Row:
    """What a new device asks, all of it at once."""
    line = Line(port, MOREL, PASSWORD, tls)
    seconds = line.say("UID FETCH 1:* (FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)")
    return Row(f"Everything a new device lists, {count:,} messages", "", ms(seconds * 1000))
