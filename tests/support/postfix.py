"""A private Postfix: configuration, queue and log in a folder of its own, on loopback ports, that leaves nothing
behind.

Promises: nothing in /etc is read or written, no system service is touched; once started it takes mail, once
stopped it is gone. Needs Debian's postfix package and root, since its master drops the rights of its services.
A test process that is killed outright leaves it running.

Its folder and those above must let everybody pass through, as a test's own folder does not: see `folder`. It logs only
when asked (`log`), which costs it time. What a caller wants differently is a row of main.cf in `settings`;
each of `doors` is a port where it takes mail, with the rows that differ at that door.
"""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support import programs

POSTFIX = Path("/usr/sbin/postfix")

_MAIN: dict[str, str] = {
    "compatibility_level": "3.6",
    "mail_owner": "postfix",
    "setgid_group": "postdrop",
    "inet_interfaces": "127.0.0.1",
    "inet_protocols": "ipv4",
    "mynetworks": "",
    "mydestination": "",
    "alias_maps": "",
    "alias_database": "",
    # The default pauses one second whenever mail comes in faster than it goes out.
    "in_flow_delay": "0s",
}

_SERVICES = """\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for an instance, which all its unprivileged processes reach, gone when the block ends."""
    with tempfile.TemporaryDirectory(prefix="pli-postfix-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


def missing() -> str | None:
    """Why Postfix cannot run here, as half a sentence; None when it can."""
    if not POSTFIX.exists():
        return "Debian's postfix is not installed"
    return None if os.geteuid() == 0 else "Postfix needs root to start"


class Postfix:
    """Running while the block lasts. RuntimeError with its words when it does not start."""

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str],
        doors: Mapping[int, Mapping[str, str]] | None = None,
        *,
        log: bool = False,
    ) -> None:
        self._etc, self._spool, self._data = (folder / name for name in ("etc", "spool", "data"))
        self._log = folder / "log"
        self._main = {
            **_MAIN, "config_directory": f"{self._etc}", "queue_directory": f"{self._spool}",
            "data_directory": f"{self._data}", **settings,
        }  # fmt: skip
        if log:
            self._main |= {"maillog_file": f"{self._log}", "maillog_file_prefixes": f"{folder}"}
        self._doors = doors or {}

    def __enter__(self) -> Postfix:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """As `__enter__`; takes a second or two."""
        for path in (self._etc, self._spool, self._data):
            path.mkdir(parents=True)
        os.chown(self._data, pwd.getpwnam("postfix").pw_uid, -1)
        (self._etc / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in self._main.items()))
        (self._etc / "master.cf").write_text("".join(map(self._door, self._doors)) + _SERVICES)
        try:
            self.command("postfix", "start")
        except RuntimeError as error:
            raise RuntimeError(f"{error}\n{self.said()}") from error
        for port in self._doors:
            wait_open(port)

    def stop(self) -> None:
        """As `__exit__`."""
        self.command("postfix", "stop")

    def command(self, name: str, *arguments: str) -> str:
        """Run one of Postfix's commands on this instance and return its output. RuntimeError when it fails."""
        return call(programs.program(name, "postfix"), "-c", str(self._etc), *arguments)

    def said(self) -> str:
        """Its log."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def _door(self, port: int) -> str:
        options = "".join(f"\n  -o {{ {name} = {value} }}" for name, value in self._doors[port].items())
        return f"127.0.0.1:{port} inet n - n - - smtpd{options}\n"


def free_ports(count: int) -> list[int]:
    """Loopback ports free just now. No peer takes port 0, so another program could still be quicker: it would show."""
    with ExitStack() as stack:
        return [stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(count)]


def wait_open(port: int) -> None:
    """Return once somebody listens there."""
    until = time.monotonic() + programs.START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def call(*command: str) -> str:
    """Run to its end and return what it said. RuntimeError with its words when it fails."""
    with tempfile.TemporaryFile() as said:  # not a pipe: a daemon would inherit it and we would wait for its end
        done = subprocess.run(command, stdout=said, stderr=said, stdin=subprocess.DEVNULL, check=False)
        said.seek(0)
        words = said.read().decode("utf-8", "replace").strip()
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {words}")
        return words
