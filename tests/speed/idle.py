"""Mail clients that wait (IDLE): what each costs the IMAP door, and until all of them are told of a letter. All of them
wait in one mailbox, so that one letter wakes every one: the worst there is.

python -m tests.speed.idle FOLDER SECONDS    serves a new house in FOLDER, with a sign of life to each in so many
                                             seconds: says where, then answers each line of its input (`cost`: its
                                             memory and its processor time so far; `post`: a patient writes)
"""

from __future__ import annotations

import asyncio
import json
import os
import selectors
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvloop

from mail_gateway.imap import idle, imap_door
from mail_gateway.imap import server as door
from server import mail_passwords
from tests.house import open_core_house, settings_for
from tests.imap_client import MOREL, exchange
from tests.speed.table import Row

MANY: Final = 5_000
FEW: Final = 300
ROUND_S: Final = 2.0  # between two signs of life, in place of the minutes of every day
KIB: Final = 100.0  # of memory that a client may cost, its TLS among it
TOLD_S: Final = 5.0  # until the last of all of them is told
PATIENCE: Final = 120.0
TOGETHER: Final = 8  # that sign in at once


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one client: `kib` of the door's memory, `alive_ms` of its processor for a sign of life, `letter_ms` for a
    letter. `told_s`: until the last was told; `open_s`: until all were waiting.
    """

    clients: int
    kib: float
    alive_ms: float
    letter_ms: float
    told_s: float
    open_s: float


async def rows(folder: Path, *, quick: bool) -> list[Row]:
    data = folder / "idle"
    data.mkdir()
    cost = await asyncio.to_thread(measure, data, FEW if quick else MANY)
    share = cost.alive_ms / 10 / idle.HERE_S  # percent of a processor
    what = f"{cost.clients:,} mail clients that wait"
    return [
        Row(f"{what}: memory of each", f"{KIB:.0f} KiB", f"{cost.kib:.1f} KiB", met=cost.kib <= KIB),
        Row(f"{what}: processor", "", f"{share * cost.clients:.2f} % ({cost.alive_ms:.3f} ms each, now and then)"),
        Row(
            f"{what}: the last is told of a letter", f"{TOLD_S:.0f} s",
            f"{cost.told_s:.2f} s ({cost.letter_ms:.2f} ms of processor each)", met=cost.told_s <= TOLD_S,
        ),
    ]  # fmt: skip


def measure(folder: Path, count: int, round_s: float = ROUND_S) -> Cost:
    """With `count` clients. Raises `RuntimeError`, `TimeoutError`."""
    with _served(folder, round_s) as served:
        tls = ssl.create_default_context(cafile=served.place["authority"])
        for _ in range(TOGETHER):  # what is loaded once is no client's
            _waiting(served.place, tls).close()
        before, _ = served.cost()
        began = time.perf_counter()
        with ThreadPoolExecutor(TOGETHER) as pool:
            lines = list(pool.map(lambda _: _waiting(served.place, tls), range(count)))
        opened = time.perf_counter() - began
        try:
            _heard(lines, b"Still here")
            resident, cpu = served.cost()
            alive = _heard(lines, b"Still here")
            _, after = served.cost()
            began = time.perf_counter()
            served.ask("post")
            _heard(lines, b"EXISTS")
            told = time.perf_counter() - began
            _, end = served.cost()
        finally:
            for line in lines:
                line.close()
    kib = (resident - before) / count / 1024
    return Cost(count, kib, (after - cpu) * 1000 / alive, (end - after) * 1000 / count, told, opened)


# ---- the clients -----------------------------------------------------------------------------------------------------


def _waiting(place: dict[str, Any], tls: ssl.SSLContext) -> ssl.SSLSocket:
    """One that is signed in, has INBOX open and waits."""
    plain = socket.create_connection(("127.0.0.1", place["port"]), timeout=PATIENCE)
    line = tls.wrap_socket(plain, server_hostname="localhost")
    line.sendall(f'a LOGIN "{MOREL}" "{place["password"]}"\r\nb SELECT INBOX\r\nc IDLE\r\n'.encode())
    said = b""
    while b"\r\n+ " not in said:
        got = line.recv(65536)
        if not got:
            raise RuntimeError(said.decode(errors="replace"))
        said += got
    line.setblocking(False)
    return line


def _heard(lines: Sequence[ssl.SSLSocket], words: bytes) -> int:
    """Wait until each was told this once more; how often all of them were told it meanwhile."""
    times, waited, deadline = 0, set(lines), time.monotonic() + PATIENCE
    with selectors.DefaultSelector() as selector:
        for line in lines:
            selector.register(line, selectors.EVENT_READ)
        while waited:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(waited)} were not told")
            for key, _ in selector.select(1):
                assert isinstance(key.fileobj, ssl.SSLSocket)
                found = _read(key.fileobj).count(words)
                times += found
                if found:
                    waited.discard(key.fileobj)
    return times


def _read(line: ssl.SSLSocket) -> bytes:
    said = b""
    try:
        while got := line.recv(65536):
            said += got
    except ssl.SSLWantReadError:
        return said
    raise RuntimeError(f"cut off: {said.decode(errors='replace')}")


# ---- the door, in a process of its own -------------------------------------------------------------------------------


class _Served:
    """`place`: port, authority and password."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.place: dict[str, Any] = self._answer()

    def ask(self, what: str) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()
        return self._answer()

    def cost(self) -> tuple[int, float]:
        """(octets in memory, seconds of processor)."""
        octets, seconds = self.ask("cost")
        return octets, seconds

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


@contextmanager
def _served(folder: Path, round_s: float) -> Iterator[_Served]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.speed.idle", str(folder), str(round_s)], cwd=Path(__file__).parents[2],
        text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield _Served(process)
    finally:
        process.communicate()


async def _serve(folder: Path, round_s: float) -> None:
    idle.HERE_S, idle.TICK_S = round_s, round_s / 10  # type: ignore[assignment]
    door.MAX_PER_ACCOUNT = door.MAX_PER_SOURCE = 2 * MANY
    async with open_core_house(settings_for(folder / "pli")) as house, imap_door(house.app):
        conversation = await exchange(house)
        password = await mail_passwords.make(house.app, house.morel, "Tous")
        authority = Path(house.app.settings.tls_certificate).with_name("authority.pem")
        _say({"port": house.app.ports["imaps"], "authority": str(authority), "password": password})
        while asked := (await asyncio.to_thread(sys.stdin.readline)).strip():
            if asked == "post":
                await house.answer("dominique", conversation, "Encore.")
            _say([_resident(), time.process_time()])


def _say(what: object) -> None:
    print(json.dumps(what), flush=True)


def _resident() -> int:
    pages = Path("/proc/self/statm").read_text("ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    uvloop.run(_serve(Path(sys.argv[1]), float(sys.argv[2])))
