"""Start other people's programs for a test, and be sure that they are gone after it.

Promises: a started program has said that it is ready, by its own words, before it is used (nothing sleeps); it dies
with the test process, even when that is killed; what it printed is at hand when it fails.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

START_SECONDS = 30
STOP_SECONDS = 15
SYSTEM_FOLDERS = "/usr/sbin:/sbin"  # where Debian keeps servers, outside the path of people who are not root


def missing(what: str) -> NoReturn:
    """Skip the test for want of `what`; where CI is set everything is installed, so there it is a failure."""
    if os.environ.get("CI"):
        pytest.fail(f"missing: {what} (tests/setup.sh installs it)", pytrace=False)
    pytest.skip(f"missing: {what} (`make test` as root installs it)")


def program(name: str, package: str | None = None) -> str:
    """Return the path of a program of this machine, or `missing` the Debian package that brings it."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{SYSTEM_FOLDERS}")
    return found or missing(f"{name}, of Debian's {package or name}")


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on now. Where a program can take port 0, prefer that."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def plain_user(*names: str) -> str | None:
    """Return the first of these users that exists when the tests run as root, else None: we are plain already."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in (*names, "nobody") if name in known)


def as_user(user: str | None, command: Sequence[str]) -> list[str]:
    """Return the command run as `user` (None: as we are) and killed when its parent dies."""
    prefix = [program("setpriv", "util-linux")]
    if user is not None:
        entry = pwd.getpwnam(user)
        prefix += [f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]
    return [*prefix, "--pdeathsig=KILL", "--", *command]


class Running:
    """A program that runs. `lines` are the last things it said."""

    def __init__(self, process: subprocess.Popen[str], ready: str) -> None:
        self.process = process
        self.lines: deque[str] = deque(maxlen=500)
        self._ready = ready
        self._heard = threading.Event()
        self.was_ready = False
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        if self.process.stdout is None:
            raise RuntimeError("a program is started with its output on a pipe")
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if self._ready in line:
                self.was_ready = True
                self._heard.set()
        self._heard.set()  # it ended: whoever waits learns that too

    def wait_ready(self) -> bool:
        """Return True once it said `ready`, False when it ended before or was silent for too long."""
        return self._heard.wait(START_SECONDS) and self.was_ready

    def said(self) -> str:
        """Return the last things it printed, for a failure's message."""
        return "\n".join(self.lines)

    def stop(self, how: signal.Signals) -> None:
        """End it and take in the rest of what it says."""
        self.process.send_signal(how)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._listener.join()
        if self.process.stdout is not None:
            self.process.stdout.close()


@contextmanager
def running(
    command: Sequence[str],
    *,
    ready: str,
    user: str | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stop: signal.Signals = signal.SIGTERM,
) -> Iterator[Running]:
    """Run a program while the block lasts, from the moment it prints `ready`.

    Raises RuntimeError with the program's words when it ends before, or stays silent for too long.
    """
    process = subprocess.Popen(
        as_user(user, command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        cwd=cwd,
        env=None if env is None else dict(env),
    )
    started = Running(process, ready)
    try:
        if not started.wait_ready():
            raise RuntimeError(f"{command[0]} did not become ready:\n{started.said()}")
        yield started
    finally:
        started.stop(stop)
