"""Work on what came from elsewhere, in processes of their own, where it can harm nobody.

    octets (a thread waits)  →  a worker process: answer(octets)  →  octets

Promises (security item 36): a worker has 5 s of processor and 256 MB for one piece of work, cannot write a file, open
one or a connection, start a process, or see our settings (its environment is empty); when it dies, goes over a limit
or does not answer, it is ended, and another takes its place. Workers are started when first needed, end with this
process, and keep nothing from one piece to the next.

A module that works so has two ends: `Workers(module)` for those who ask, and `serve(answer)` when it is run itself. A
piece of work goes as its length and its octets, and the answer comes back the same way. Decides nothing about either.
"""

from __future__ import annotations

import atexit
import os
import queue
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import structlog

log = structlog.get_logger()
T = TypeVar("T")

CPU_S: Final = 5
MEMORY: Final = 256 * 1024 * 1024  # octets, beside what the interpreter takes
WAIT_S: Final = 20  # by the clock, on a machine that has other things to do
_LARGEST: Final = 128 * 1024 * 1024  # octets of one answer


class Died(Exception):
    """A worker ended, or was ended, before its answer."""


class Late(Died):
    """It had its time, by the clock or of the processor."""


class Worker:
    """One process, and the socket we speak to it by. Raises `OSError` when it cannot be started: that is our fault."""

    def __init__(self, module: str) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, and a module we name ourselves
                [sys.executable, "-s", "-m", module],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path)), "LC_ALL": "C.UTF-8"},
                cwd="/",
                start_new_session=True,  # what is typed at our terminal is not for it
            )
        self._socket = ours
        self.pid = self._process.pid

    def ask(self, data: bytes, decode: Callable[[bytearray], T], wait_s: float) -> T:
        """Raises `Died`, `Late`."""
        until = time.monotonic() + wait_s
        try:
            self._socket.settimeout(wait_s)
            send(self._socket, data)
            return decode(receive(self._socket, until))
        except TimeoutError:
            raise Late from None
        except (OSError, EOFError, msgspec.MsgspecError):  # one that answers nonsense is not asked again
            self.end()
            raise (Late if self._process.returncode == -signal.SIGXCPU else Died) from None

    def end(self) -> None:
        self._socket.close()
        self._process.kill()
        self._process.wait()


class Workers:
    """The workers of this process that run one module, for threads that may wait."""

    def __init__(self, module: str, workers: int, wait_s: float = WAIT_S) -> None:
        self.module = module
        self.wait_s = wait_s
        self._idle: queue.SimpleQueue[Worker | None] = queue.SimpleQueue()
        self._open: set[Worker] = set()
        for _ in range(workers):
            self._idle.put(None)  # a place for a worker that nobody needed yet
        atexit.register(self.close)

    def ask(self, data: bytes, decode: Callable[[bytearray], T]) -> T:
        """The answer, decoded. Raises `Died`, `Late` when it took too much; `OSError` when no worker can be had."""
        worker = self._idle.get()
        try:
            # Twice: a worker may have been ended while it waited, by no fault of this piece of work.
            for last in (False, True):
                worker = worker or self._start()
                try:
                    return worker.ask(data, decode, self.wait_s)
                except Died as error:
                    self._end(worker)
                    worker = None
                    log.warning("worker.died", module=self.module, how=type(error).__name__, octets=len(data))
                    if last or isinstance(error, Late):
                        raise
            raise AssertionError("unreachable")
        finally:
            self._idle.put(worker)

    def pids(self) -> list[int]:
        """Of the workers there are now."""
        return sorted(worker.pid for worker in self._open)

    def close(self) -> None:
        """End the workers that are idle; others are started when they are needed again."""
        for worker in list(self._open):
            self._end(worker)

    def _start(self) -> Worker:
        worker = Worker(self.module)
        self._open.add(worker)
        return worker

    def _end(self, worker: Worker) -> None:
        self._open.discard(worker)
        worker.end()


# ---- both ends -------------------------------------------------------------------------------------------------------


def send(to: socket.socket, data: bytes) -> None:
    to.sendall(len(data).to_bytes(4, "big"))
    to.sendall(data)


def receive(from_: socket.socket, until: float | None = None) -> bytearray:
    """Raises `EOFError`, `TimeoutError` at the instant `until` of the monotonic clock, `OSError`."""
    size = int.from_bytes(_exactly(from_, 4, until), "big")
    if size > _LARGEST:
        raise EOFError("too much")
    return _exactly(from_, size, until)


def _exactly(from_: socket.socket, size: int, until: float | None) -> bytearray:
    data = bytearray(size)
    view, at = memoryview(data), 0
    while at < size:
        if until is not None:
            from_.settimeout(max(until - time.monotonic(), 0.001))
        count = from_.recv_into(view[at:])
        if not count:
            raise EOFError
        at += count
    view.release()
    return data


# ---- the worker's ----------------------------------------------------------------------------------------------------


def serve(answer: Callable[[bytearray], bytes]) -> None:
    """Answer until nobody is there to ask. Everything that `answer` needs is imported by now."""
    with socket.socket(fileno=os.dup(0)) as peer:
        _confine()
        while True:
            try:
                data = receive(peer)
            except (EOFError, OSError):
                return
            _allow_time()
            send(peer, answer(data))


def _confine() -> None:
    """Everything that is needed is open and imported by now."""
    for name in ("cp437", "cp1252", "iso8859-15", "latin-1", "ascii", "idna", "utf-16"):
        "".encode(name)  # codecs are modules, found when they are first used
    pages = int(Path("/proc/self/statm").read_text().split()[0])  # the size of the program, proc_pid_statm(5)
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))  # what is open stays open


def _allow_time() -> None:
    """The limit is of the processor time of the whole process; the kernel ends it there (SIGXCPU)."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + 1 + CPU_S
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))
