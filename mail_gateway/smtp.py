"""An SMTP server for our two doors: the protocol, and nothing about patients.

A `Door` listens; each connection is a `Session` (`smtp_session`) that calls the door's `Handler`. Why not aiosmtpd,
which the doors were first meant to wrap: it reads DATA line by line (7.7 ms of CPU per 400 kB against 1 ms here),
holds 30 octets for each empty line, takes no parameter of RCPT, cancels the handler when the peer hangs up, and
answers our own faults with a permanent 500 and the text of the exception. What would be left of it is EHLO.

Promises
- The task that handles a letter is never cancelled by the peer: hung up or not, a letter is stored whole or not at all.
- Nothing received before the TLS handshake is executed after it; MAIL is refused before TLS.
- 5xx only when the sender must change something; a fault of ours is 451 4.3.0, a full disk or too much in flight 452
  4.3.1, and no reply ever holds the text of an exception. Nothing logged here holds an address.
- Memory is bounded: `Limits.in_flight` octets of letters for all sessions together.
- Advertised: SIZE, 8BITMIME, SMTPUTF8, PIPELINING, ENHANCEDSTATUSCODES, STARTTLS, AUTH. DSN parameters are
  understood, but DSN is not advertised: no report of success is sent.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from dataclasses import dataclass
from typing import Protocol

from mail_gateway.smtp_data import Budget
from mail_gateway.smtp_session import Session
from mail_gateway.smtp_syntax import Envelope, Path, Refusal
from server.drafts import MAX_MAIL, Actor

__all__ = ["Door", "Envelope", "Handler", "Limits", "Path", "Refusal", "Session"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one door takes. Times in seconds, sizes in octets (security items 22, 59, 60)."""

    size: int = MAX_MAIL
    recipients: int = 100
    errors: int = 20
    failed_logins: int = 3
    line: int = 2048
    auth_line: int = 12_288  # RFC 4954 § 4
    sessions: int = 2000
    sessions_per_peer: int = 50
    in_flight: int = 256 * 1024 * 1024
    greeting_s: float = 30.0  # a peer that has not yet shown who it is
    idle_s: float = 300.0
    handshake_s: float = 10.0
    data_grace_s: float = 60.0  # then DATA must have come at `data_floor` octets a second on average
    data_floor: int = 500
    closing_s: float = 20.0  # how long a closing door waits for letters being stored
    tick_s: float = 1.0


class Handler(Protocol):
    """What a door does with what a session understood.

    Each method raises `Refusal` to say no; anything else it raises is a fault of ours (451), but for `sign_in`, where
    `Unauthorised` and `Throttled` have their own replies.
    """

    name: str  # of this host, in the greeting
    signs_in: bool  # AUTH is offered, and needed before MAIL

    async def tls(self) -> ssl.SSLContext: ...
    async def sign_in(self, session: Session, address: str, password: str) -> Actor: ...
    async def sender(self, session: Session, envelope: Envelope) -> None: ...
    async def recipient(self, session: Session, envelope: Envelope, path: Path) -> None: ...
    async def letter(self, session: Session, envelope: Envelope, raw: bytes) -> None: ...


class Door:
    """A listening door and its sessions. `port`: the real one, once open."""

    def __init__(self, handler: Handler, limits: Limits | None = None) -> None:
        self.handler = handler
        self.limits = limits or Limits()
        self.budget = Budget(self.limits.in_flight)
        self.port = 0
        self._sessions: dict[Session, asyncio.Task[None]] = {}
        self._per_peer: Counter[str] = Counter()
        self._server: asyncio.Server | None = None
        self._ticker: asyncio.Task[None] | None = None

    async def open(self, host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Session(self), host, port, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]
        self._ticker = asyncio.create_task(self._tick(), name="smtp-ticker")

    async def close(self) -> None:
        """Let nobody in, let the letters being stored be stored and answered, then end every session."""
        if self._server is not None:
            self._server.close()
        for session in self._sessions:
            session.fail(Refusal(421, "4.3.2", "Closing for now", close=True))
        if self._sessions:
            _, late = await asyncio.wait(list(self._sessions.values()), timeout=self.limits.closing_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.gather(self._ticker, return_exceptions=True)

    def admit(self, session: Session) -> None:
        """A new connection: give it a task of its own, or a reason to go (RFC 5321 § 3.8)."""
        self._per_peer[session.peer] += 1
        if len(self._sessions) >= self.limits.sessions:
            session.fail(Refusal(421, "4.3.2", "Too many connections, try again later", close=True))
        elif self._per_peer[session.peer] > self.limits.sessions_per_peer:
            session.fail(Refusal(421, "4.7.0", "Too many connections from you, try again later", close=True))
        task = asyncio.create_task(session.serve(), name="smtp-session")
        self._sessions[session] = task
        task.add_done_callback(lambda _: self._leave(session))

    def _leave(self, session: Session) -> None:
        del self._sessions[session]
        self._per_peer[session.peer] -= 1
        if not self._per_peer[session.peer]:
            del self._per_peer[session.peer]

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self.limits.tick_s)
            now = loop.time()
            for session in tuple(self._sessions):
                session.tick(now)
