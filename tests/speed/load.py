"""An SMTP (or LMTP) client that does little, in a process of its own, so that what is measured is the server.

`python -m tests.speed.load` reads one `Load` as JSON on its standard input and prints one `Result`. The letters are
built, the connections open, encrypted and signed in before the clock starts; then every connection sends letter after
letter, each as soon as the one before got its 250, until the seconds or the letters run out. Commands are pipelined
when the server offers it (RFC 2920), as a real mail server does. One epoll loop over plain non-blocking TLS sockets:
about 0.1 ms of CPU a small letter.

A letter counts when its 250 after the final dot has been read. Any other answer is counted as refused, and its text
kept.
"""

from __future__ import annotations

import base64
import json
import os
import select
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from tests.speed.messages import Letter, Size, build


@dataclass(frozen=True, slots=True)
class Target:
    """A door for mail and how to be let in."""

    port: int
    host: str = "127.0.0.1"
    protocol: Literal["smtp", "lmtp"] = "smtp"
    ca: str | None = None  # PEM file; without it the server's certificate is not checked
    certificate: str | None = None  # client certificate and key, PEM files
    key: str | None = None
    user: str | None = None  # AUTH PLAIN
    password: str | None = None
    starttls: bool = True
    sender: str = "envoi@operator.example"


@dataclass(frozen=True, slots=True)
class Load:
    """What to send: letters of one size, over so many connections, for so many seconds or letters at most."""

    target: Target
    size: Size
    connections: int
    seconds: float
    most: int
    recipients: list[str]
    note_dots: bool = False  # give back when each letter's final dot left


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it: letters with their 250, when the first command left (`perf_counter`, which all processes of a
    Linux machine share) and how many seconds later the last 250 was read, the client's own CPU seconds, milliseconds
    from the final dot to the 250, the refusals by their text, and (asked for) the moment of each letter's final dot
    by its subject.
    """

    accepted: int
    began: float
    seconds: float
    cpu: float
    median_ms: float
    p99_ms: float
    refused: dict[str, int] = field(default_factory=dict)
    pipelining: bool = False
    dots: dict[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Letters accepted a second."""
        return self.accepted / self.seconds if self.seconds else 0.0


class Refused(Exception):
    """The server answered something else than what a benchmark can go on with; the message is its answer."""


class Connection:
    """One open, encrypted, signed-in session. Blocking until `set_nonblocking`."""

    def __init__(self, target: Target, *, source: str | None = None) -> None:
        self.target = target
        self.pipelining = False
        self._pending = b""
        self.sock: socket.socket = socket.create_connection(
            (target.host, target.port), timeout=30, source_address=(source, 0) if source else None
        )
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._expect("220")
        offered = self._hello()
        if target.starttls:
            self._command("STARTTLS", "220")
            self.sock = client_context(target).wrap_socket(self.sock, server_hostname=target.host)
            offered = self._hello()
        self.pipelining = "PIPELINING" in offered
        if target.user is not None:
            plain = base64.b64encode(f"\0{target.user}\0{target.password}".encode()).decode()
            self._command(f"AUTH PLAIN {plain}", "235")

    def envelope(self, recipient: str) -> None:
        """MAIL, RCPT and DATA, one after the other (or pipelined), up to the 354."""
        commands = [f"MAIL FROM:<{self.target.sender}>", f"RCPT TO:<{recipient}>", "DATA"]
        if self.pipelining:
            self.sock.sendall("".join(f"{command}\r\n" for command in commands).encode())
            for wanted in ("250", "250", "354"):
                self._expect(wanted)
            return
        for command, wanted in zip(commands, ("250", "250", "354"), strict=True):
            self._command(command, wanted)

    def accepted(self) -> None:
        """Read the 250 after the final dot."""
        self._expect("250")

    def close(self) -> None:
        self.sock.close()

    def _hello(self) -> set[str]:
        verb = "LHLO" if self.target.protocol == "lmtp" else "EHLO"
        lines = self._command(f"{verb} {self.target.sender.partition('@')[2]}", "250")
        return {line[4:].upper().partition(" ")[0] for line in lines}

    def _command(self, line: str, wanted: str) -> list[str]:
        self.sock.sendall(line.encode() + b"\r\n")
        return self._expect(wanted)

    def _expect(self, wanted: str) -> list[str]:
        lines: list[str] = []
        while not lines or lines[-1][3:4] == "-":
            while b"\n" not in self._pending:
                data = self.sock.recv(65536)
                if not data:
                    raise Refused("the connection was closed")
                self._pending += data
            line, _, self._pending = self._pending.partition(b"\n")
            lines.append(line.decode("utf-8", "replace").rstrip("\r"))
        if not lines[-1].startswith(wanted):
            raise Refused(lines[-1])
        return lines


def client_context(target: Target) -> ssl.SSLContext:
    """TLS as a peer mail server would use it; the certificate's name is not checked, only its signer (we dial an
    address).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if target.ca is None:
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(target.ca)
    if target.certificate is not None:
        context.load_cert_chain(target.certificate, target.key)
    return context


class _Sender:
    """A connection inside the epoll loop: what is left to write, how many replies stand before the next step."""

    __slots__ = (
        "_body",
        "_commands",
        "_next",
        "_out",
        "_pending",
        "_pipelining",
        "_waiting",
        "asked_write",
        "dot",
        "sock",
        "subject",
    )

    def __init__(self, connection: Connection, letters: Callable[[], tuple[list[bytes], Letter] | None]) -> None:
        self.sock = connection.sock
        self.sock.setblocking(False)
        self.asked_write = False
        self.dot = 0.0  # when the final dot left
        self.subject = ""
        self._pipelining = connection.pipelining
        self._next = letters
        self._pending = b""
        self._out: list[bytes | memoryview] = []
        self._commands: list[bytes] = []
        self._body: tuple[bytes, ...] = ()
        self._waiting = 0

    def start(self) -> bool:
        """Take the next letter and write its envelope; False when there is none left."""
        item = self._next()
        if item is None:
            return False
        commands, letter = item
        self._body = letter.pieces
        self.subject = letter.subject
        if self._pipelining:
            self._waiting = 3
            self._out.append(b"".join(commands))
        else:
            self._waiting = 1
            self._commands = commands[1:]
            self._out.append(commands[0])
        self.write()
        return True

    def write(self) -> None:
        """Write what the socket takes; `wants_write` tells if something is left."""
        out = self._out
        while out:
            piece = out[0]
            try:
                sent = self.sock.send(piece)
            except (ssl.SSLWantWriteError, ssl.SSLWantReadError, BlockingIOError):
                return
            if sent == len(piece):
                del out[0]
            else:
                out[0] = memoryview(piece)[sent:]
        if not self._body and not self.dot:
            self.dot = time.perf_counter()

    @property
    def wants_write(self) -> bool:
        return bool(self._out)

    def read(self) -> str | None:
        """Read replies; the final one (or a refusal), or None while the letter is still under way."""
        while True:
            try:
                data = self.sock.recv(16384)
            except (ssl.SSLWantReadError, BlockingIOError):
                return None
            if not data:
                return "the connection was closed"
            final = self._replies(data)
            if final is not None:
                return final

    def _replies(self, data: bytes) -> str | None:
        data = self._pending + data
        *lines, self._pending = data.split(b"\r\n")
        for line in lines:
            if line[3:4] == b"-":
                continue
            code = line[:3]
            if not self._body:  # the final dot is written: this is its answer
                return "250" if code == b"250" else line.decode("utf-8", "replace")
            self._waiting -= 1
            if code not in (b"250", b"354"):
                return line.decode("utf-8", "replace")
            if self._waiting:
                continue
            if self._commands:
                self._waiting = 1
                self._out.append(self._commands.pop(0))
            else:
                self._out.extend(self._body)
                self._body = ()
                self.dot = 0.0
            self.write()
        return None


def run(load: Load) -> Result:
    """Send the load in this process and count."""
    letters = build(load.size, load.most, load.recipients, load.target.sender)
    ready = [
        (
            [
                f"MAIL FROM:<{load.target.sender}>\r\n".encode(),
                f"RCPT TO:<{letter.recipient}>\r\n".encode(),
                b"DATA\r\n",
            ],
            letter,
        )
        for letter in reversed(letters)
    ]
    # A server takes 50 sessions or so from one peer: more connections than 40 come from several loopback addresses.
    connections = [Connection(load.target, source=f"127.0.0.{1 + number // 40}") for number in range(load.connections)]
    deadline = 0.0

    def next_letter() -> tuple[list[bytes], Letter] | None:
        return ready.pop() if ready and time.perf_counter() < deadline else None

    senders = {connection.sock.fileno(): _Sender(connection, next_letter) for connection in connections}
    poll = select.epoll()
    for number in senders:
        poll.register(number, select.EPOLLIN)
    took: list[float] = []
    dots: dict[str, float] = {}
    refused: dict[str, int] = {}
    cpu = time.process_time()
    began = ended = time.perf_counter()
    deadline = began + load.seconds
    busy = sum(sender.start() for sender in senders.values())
    while busy:
        for number, events in poll.poll(60) or _silence():
            sender = senders[number]
            if events & select.EPOLLOUT:
                sender.write()
            if events & ~select.EPOLLOUT:
                final = sender.read()
                if final is not None:
                    ended = time.perf_counter()
                    if load.note_dots:
                        dots[sender.subject] = sender.dot
                    busy -= _settle(sender, final, ended, took, refused)
            if sender.wants_write != sender.asked_write:
                sender.asked_write = sender.wants_write
                poll.modify(number, select.EPOLLIN | (select.EPOLLOUT if sender.wants_write else 0))
    cpu = time.process_time() - cpu
    for connection in connections:
        connection.close()
    took.sort()
    return Result(
        accepted=len(took),
        began=began,
        seconds=ended - began,
        cpu=cpu,
        median_ms=percentile(took, 50) * 1000,
        p99_ms=percentile(took, 99) * 1000,
        refused=refused,
        pipelining=any(connection.pipelining for connection in connections),
        dots=dots,
    )


def _settle(sender: _Sender, final: str, now: float, took: list[float], refused: dict[str, int]) -> int:
    """Count a letter's end and start the next one; 1 when this connection has nothing more to do."""
    if final == "250":
        took.append(now - sender.dot)
        return 0 if sender.start() else 1
    refused[final] = refused.get(final, 0) + 1
    return 1  # after a refusal in mid-pipeline the session is not worth saving: the rest go on


def _silence() -> list[tuple[int, int]]:
    raise Refused("no answer for 60 seconds")


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The value below which `percent` of `ordered` (ascending) lie, by nearest rank; NaN of nothing."""
    if not ordered:
        return float("nan")
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def run_apart(load: Load) -> Result:
    """Send the load in a process of its own, which is started, waited for and read."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.speed.load"],
        input=json.dumps(asdict(load)),
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        timeout=load.seconds + 180,
        check=False,
    )
    if done.returncode:
        raise Refused(done.stderr.strip().rpartition("\n")[2] or "the load client stopped")
    return Result(**json.loads(done.stdout))


def main() -> None:
    """The process of its own: a `Load` in, a `Result` out."""
    given = json.load(sys.stdin)
    print(json.dumps(asdict(run(Load(**{**given, "target": Target(**given["target"])})))))


if __name__ == "__main__":
    main()
