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
- Nobody takes everything: connections, letters and octets in flight are limited for each address and for each party
  (`smtp_shares`), trusted operators having the largest share.
- Advertised: SIZE, 8BITMIME, SMTPUTF8, PIPELINING, ENHANCEDSTATUSCODES, DSN, STARTTLS, AUTH.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

import structlog

from mail_gateway.listening import Listener
from mail_gateway.sasl import Given
from mail_gateway.smtp_connection import Connection
from mail_gateway.smtp_data import LARGE, Budget
from mail_gateway.smtp_session import Session
from mail_gateway.smtp_shares import Holdings, Share
from mail_gateway.smtp_syntax import Envelope, Path, Refusal
from mail_gateway.smtp_turns import Turns
from server.drafts import MAX_MAIL, Actor

__all__ = ["Door", "Envelope", "Handler", "Limits", "Path", "Refusal", "Session", "Share"]

log = structlog.get_logger()

_MB = 1024 * 1024
_ADDRESS = Share(sessions=50, letters=60, octets=192 * _MB)
_ACCOUNT = Share(sessions=50, letters=40, octets=160 * _MB)
_OPERATOR = Share(sessions=100, letters=80, octets=192 * _MB)


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
    in_flight: int = 256 * _MB
    address: Share = _ADDRESS  # its sessions: those that have not shown who they are
    account: Share = _ACCOUNT
    operator: Share = _OPERATOR
    greeting_s: float = 30.0  # a peer that has not yet shown who it is
    idle_s: float = 300.0
    handshake_s: float = 10.0
    data_grace_s: float = 60.0  # then DATA must have come at `data_floor` octets a second on average
    data_floor: int = 500
    closing_s: float = 20.0  # how long a closing door waits for letters being stored
    tick_s: float = 1.0


class Handler(Protocol):
    """What a door does with what a session understood.

    `sign_in` and `sender` set `session.party` once they know whom they have: `account:…` or `operator:…`. Each method
    raises `Refusal` to say no; anything else it raises is a fault of ours (451), but for `sign_in`, where
    `Unauthorised` and `Throttled` have their own replies.
    """

    name: str  # of this host, in the greeting
    signs_in: bool  # AUTH is offered, and needed before MAIL

    async def tls(self) -> ssl.SSLContext: ...
    async def sign_in(self, session: Session, given: Given) -> Actor: ...
    async def sender(self, session: Session, envelope: Envelope) -> None: ...
    async def recipient(self, session: Session, envelope: Envelope, path: Path) -> None: ...
    async def letter(self, session: Session, envelope: Envelope, raw: bytes) -> None: ...


class Door:
    """A listening door and its sessions. `port`: the real one, once open."""

    def __init__(self, handler: Handler, limits: Limits | None = None, *, tls_at_once: bool = False) -> None:
        """`tls_at_once`: TLS from the first octet (RFC 8314), rather than by STARTTLS."""
        self.handler = handler
        self.tls_at_once = tls_at_once
        self.limits = limits or Limits()
        self.budget = Budget(self.limits.in_flight)
        self.port = 0
        self._sessions: dict[Connection, asyncio.Task[None]] = {}
        self._counted: dict[Connection, str] = {}  # among whose sessions each counts
        self._holdings = Holdings(self.budget)
        self.turns = Turns()
        self._large = asyncio.Semaphore(1)
        self._server: asyncio.Server | None = None
        self._at_once = Listener(self._secure)
        self._ticker: asyncio.Task[None] | None = None

    def beside(self, other: Door) -> Door:
        """The same, not open yet, as another way in of that door: what is held of either counts for both."""
        self.budget, self._holdings = other.budget, other._holdings
        return self

    async def open(self, host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        if self.tls_at_once:
            await self._at_once.open(host, port)
            self.port = self._at_once.port
        else:
            self._server = await loop.create_server(lambda: Session(self), host, port, backlog=512)
            self.port = self._server.sockets[0].getsockname()[1]
        self._ticker = asyncio.create_task(self._tick(), name="smtp-ticker")

    async def close(self) -> None:
        """Let nobody in, let the letters being stored be stored and answered, then end every session."""
        if self._server is not None:
            self._server.close()
        await self._at_once.close()
        for session in self._sessions:
            session.fail(Refusal(421, "4.3.2", "Closing for now", close=True))
        if self._sessions:
            _, late = await asyncio.wait(list(self._sessions.values()), timeout=self.limits.closing_s)
            await _cancel(late)
        if self._ticker is not None:
            await _cancel([self._ticker])

    # ---- TLS at once -------------------------------------------------------------------------------------------------

    async def _secure(self, accepted: socket.socket, address: str) -> None:
        """One handshake, counted for its address like a session. Without one there is no way to say no but to go."""
        session, limit = Session(self), self.limits.handshake_s
        try:
            if self._count(session, f"address:{address}", self.limits.address):
                await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: session, accepted, ssl=await self.handler.tls(), ssl_handshake_timeout=limit,
                    ssl_shutdown_timeout=limit,
                )  # fmt: skip
        except OSError:
            pass  # how the handshake failed is the peer's business
        except Exception as error:  # noqa: BLE001 - no certificate to show, or a database that is down: the next may do
            log.error("smtp.no_tls", error=type(error).__name__)
        finally:
            if session not in self._sessions and session in self._counted:
                self._holdings.leave(self._counted.pop(session))
            if not session.secure:
                accepted.close()

    # ---- who is here -------------------------------------------------------------------------------------------------

    def admit(self, session: Connection) -> None:
        """A new connection: give it a task of its own, or a reason to go (RFC 5321 § 3.8)."""
        if len(self._sessions) >= self.limits.sessions:
            session.fail(Refusal(421, "4.3.2", "Trop de connexions, réessayez plus tard", close=True))
        if session not in self._counted and not self._count(session, f"address:{session.peer}", self.limits.address):
            session.fail(_too_many())
        task = asyncio.create_task(session.serve(), name="smtp-session")
        self._sessions[session] = task
        task.add_done_callback(lambda _: self._leave(session))

    def recognise(self, session: Connection) -> None:
        """From now on it counts among its party's, if it showed to be one. Raises `Refusal`: they are too many."""
        if session.party and self._counted.get(session) != session.party:
            self._holdings.leave(self._counted.pop(session))
            if not self._count(session, session.party, self._share(session)):
                raise _too_many()

    def turn(self, octets: int) -> AbstractAsyncContextManager[None]:
        """Held while a letter is looked at and stored. Large ones come one after the other: each costs the interpreter
        a tenth of a second, and five at once would keep it from everybody for as long as all of them take.
        """
        return self._large if octets > LARGE else nullcontext()

    def begin(self, session: Connection, size: int) -> tuple[Budget, ...]:
        """A letter of that session, to be ended: where its octets count. Raises `Refusal`."""
        return self._holdings.begin(self._names(session), size)

    def end(self, session: Connection) -> None:
        self._holdings.end(self._names(session))

    def _count(self, session: Connection, name: str, share: Share) -> bool:
        self._counted[session] = name
        return self._holdings.enter(name, share)

    def _names(self, session: Connection) -> list[tuple[str, Share]]:
        names = [(f"address:{session.peer}", self.limits.address)]
        return [*names, (session.party, self._share(session))] if session.party else names

    def _share(self, session: Connection) -> Share:
        return self.limits.account if session.party.startswith("account:") else self.limits.operator

    def _leave(self, session: Connection) -> None:
        del self._sessions[session]
        self._holdings.leave(self._counted.pop(session))

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self.limits.tick_s)
            now = loop.time()
            for session in tuple(self._sessions):
                session.tick(now)


def _too_many() -> Refusal:
    return Refusal(421, "4.7.0", "Trop de connexions de votre part, réessayez plus tard", close=True)


async def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
