"""The IMAP door: listens, counts who is in, and shows everybody out when it closes.

Two ways in: STARTTLS on `imap_port`, and TLS from the first octet on `imaps_port` (RFC 8314). A caller counts from the
first octet, so that handshakes that never end are limited like sessions.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from asyncio import sslproto
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from mail_gateway import relays
from mail_gateway.imap.idle import Idlers
from mail_gateway.imap.known import Known
from mail_gateway.imap.session import Session
from mail_gateway.imap.wire import HANDSHAKE_S, Room, Wire
from mail_gateway.listening import Listener
from mail_gateway.preparing import prepared
from mail_gateway.relays import Relays
from mail_gateway.sign_ins import SignIns
from server.mail_sign_in import MailTokens

if TYPE_CHECKING:
    from server.app import App

MAX_SESSIONS = 10_000
MAX_PER_SOURCE = 200  # a hospital stands behind one address
TLS_BUFFER = 32 * 1024  # two TLS records; a read never returns more than one (RFC 8446 § 5.1)
MAX_PER_ACCOUNT = 30  # clients open one connection a folder, and a team shares a mailbox


class Doorkeeper:
    """The sessions of one door."""

    def __init__(self, app: App, tls: ssl.SSLContext | None) -> None:
        self._app = app
        self._tls = tls
        self._inside = 0
        self._sources: Counter[str] = Counter()
        self._accounts: Counter[str] = Counter()
        self._sessions: dict[asyncio.Task[None], Wire] = {}
        self.sign_ins = SignIns(app)
        self.idlers = Idlers(app)
        self.known = Known()
        self._room = Room()
        self.tokens = MailTokens(app)
        relays.refused(app.settings)  # a table that cannot be read is said now

    @property
    def relays(self) -> Relays:
        """Who is refused, as of now."""
        return relays.refused(self._app.settings)

    def connect(self) -> Wire:
        """A new connection's protocol, in clear so far."""
        return Wire(self._opened, self._room)

    async def secure(self, accepted: socket.socket, source: str) -> None:
        """A caller who begins with the handshake. Without one there is no way to say no but to go."""
        wire = Wire(self._secured, self._room)
        if self._tls is None or not self._let_in(source):
            accepted.close()
            return
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: wire, accepted, ssl=self._tls, ssl_handshake_timeout=HANDSHAKE_S,
                ssl_shutdown_timeout=HANDSHAKE_S,
            )  # fmt: skip
        except OSError:
            pass  # how the handshake failed is the peer's business
        finally:
            if not wire.secure:
                self._gone(source)
                accepted.close()

    def _opened(self, wire: Wire) -> None:
        if self._let_in(wire.peer):
            self._serve(wire)
            return
        wire.write(b"* BYE [LIMIT] Trop de connexions / Too many connections\r\n")
        wire.close()

    def _secured(self, wire: Wire) -> None:
        wire.secure = True
        self._serve(wire)

    def _let_in(self, source: str) -> bool:
        """Counts a caller; False when there are too many."""
        if self._inside >= MAX_SESSIONS or self._sources[source] >= MAX_PER_SOURCE:
            self._app.metrics.refused("imap", "too_many")
            return False
        self._inside += 1
        self._sources[source] += 1
        return True

    def _gone(self, source: str) -> None:
        self._inside -= 1
        self._sources[source] -= 1
        if not self._sources[source]:
            del self._sources[source]

    def _serve(self, wire: Wire) -> None:
        source = wire.peer
        self._app.metrics.sessions.labels("imap").inc()
        session = Session(self._app, wire, self, self._tls)
        task = asyncio.create_task(session.run(), name="imap-session")
        self._sessions[task] = wire
        task.add_done_callback(lambda ended: self._closed(ended, source))

    def _closed(self, task: asyncio.Task[None], source: str) -> None:
        self._sessions.pop(task, None)
        self._gone(source)
        self._app.metrics.sessions.labels("imap").dec()

    def signed_in(self, account_id: str) -> bool:
        """Counts a session of this account; False when there are too many."""
        if self._accounts[account_id] >= MAX_PER_ACCOUNT:
            return False
        self._accounts[account_id] += 1
        return True

    def signed_out(self, account_id: str) -> None:
        self._accounts[account_id] -= 1
        if not self._accounts[account_id]:
            del self._accounts[account_id]

    async def close(self) -> None:
        """Everybody out."""
        sessions = dict(self._sessions)
        for task, wire in sessions.items():
            wire.write(b"* BYE Le service s'arrete / Shutting down\r\n")
            task.cancel()
        await asyncio.gather(*sessions, return_exceptions=True)
        for wire in sessions.values():
            wire.abort()


def tls_context(app: App) -> ssl.SSLContext | None:
    """What the door shows, or None without a certificate: nobody can sign in then."""
    settings = app.settings
    if not (settings.tls_certificate and settings.tls_key):
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    return context


@asynccontextmanager
async def imap_door(app: App) -> AsyncIterator[None]:
    """Open while the block lasts, on `settings.imap_port` and `imaps_port`; `app.ports` says which they got."""
    # asyncio gives every TLS connection a buffer of 256 KiB, filled with zeros, that a session in IDLE never uses.
    sslproto.SSLProtocol.max_size = TLS_BUFFER
    keeper = Doorkeeper(app, tls_context(app))
    listener = await asyncio.get_running_loop().create_server(
        keeper.connect, app.settings.host, app.settings.imap_port, backlog=512
    )
    app.ports["imap"] = listener.sockets[0].getsockname()[1]
    at_once = Listener(keeper.secure)
    try:
        await _open_at_once(app, at_once)
        async with keeper.sign_ins.rounds(), keeper.idlers.rounds(), prepared(app):
            yield
    finally:
        listener.close()
        await at_once.close()
        await keeper.close()
        await listener.wait_closed()


async def _open_at_once(app: App, listener: Listener) -> None:
    """Who lets the system choose one port means to run beside others, and so for its twin."""
    settings = app.settings
    if not (settings.tls_certificate and settings.tls_key):
        return
    try:
        await listener.open(settings.host, settings.imaps_port if settings.imap_port else 0)
    except OSError:
        if not settings.demo:
            raise
        await listener.open(settings.host, 0)  # another demonstration has this port: `demo.json` says this one
    app.ports["imaps"] = listener.port
