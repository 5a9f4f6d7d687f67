"""The IMAP door: listens, counts who is in, and shows everybody out when it closes."""

from __future__ import annotations

import asyncio
import ssl
from asyncio import sslproto
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from mail_gateway.imap.session import Session
from mail_gateway.imap.wire import Wire
from mail_gateway.preparing import prepared
from mail_gateway.sign_ins import SignIns

if TYPE_CHECKING:
    from server.app import App

MAX_SESSIONS = 10_000
MAX_PER_SOURCE = 200  # a hospital stands behind one address
TLS_BUFFER = 32 * 1024  # two TLS records; a read never returns more than one (RFC 8446 § 5.1)
MAX_PER_MAILBOX = 30  # clients open one connection a folder, and a team shares a mailbox


class Doorkeeper:
    """The sessions of one door."""

    def __init__(self, app: App, tls: ssl.SSLContext | None) -> None:
        self._app = app
        self._tls = tls
        self._sources: Counter[str] = Counter()
        self._mailboxes: Counter[str] = Counter()
        self._sessions: dict[asyncio.Task[None], Wire] = {}
        self.sign_ins = SignIns(app)

    def connect(self) -> Wire:
        """A new connection's protocol."""
        return Wire(self._opened)

    def _opened(self, wire: Wire) -> None:
        source = wire.peer
        if len(self._sessions) >= MAX_SESSIONS or self._sources[source] >= MAX_PER_SOURCE:
            self._app.metrics.refused("imap", "too_many")
            wire.write(b"* BYE [LIMIT] Trop de connexions / Too many connections\r\n")
            wire.close()
            return
        self._sources[source] += 1
        self._app.metrics.sessions.labels("imap").inc()
        session = Session(self._app, wire, self, self._tls)
        task = asyncio.create_task(session.run(), name="imap-session")
        self._sessions[task] = wire
        task.add_done_callback(lambda ended: self._closed(ended, source))

    def _closed(self, task: asyncio.Task[None], source: str) -> None:
        self._sessions.pop(task, None)
        self._sources[source] -= 1
        if not self._sources[source]:
            del self._sources[source]
        self._app.metrics.sessions.labels("imap").dec()

    def signed_in(self, mailbox_id: str) -> bool:
        """Counts a session of this mailbox; False when there are too many."""
        if self._mailboxes[mailbox_id] >= MAX_PER_MAILBOX:
            return False
        self._mailboxes[mailbox_id] += 1
        return True

    def signed_out(self, mailbox_id: str) -> None:
        self._mailboxes[mailbox_id] -= 1
        if not self._mailboxes[mailbox_id]:
            del self._mailboxes[mailbox_id]

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
    """Open while the block lasts, on `settings.imap_port`; `app.ports["imap"]` is the port it got."""
    # asyncio gives every TLS connection a buffer of 256 KiB, filled with zeros, that a session in IDLE never uses.
    sslproto.SSLProtocol.max_size = TLS_BUFFER
    keeper = Doorkeeper(app, tls_context(app))
    listener = await asyncio.get_running_loop().create_server(
        keeper.connect, app.settings.host, app.settings.imap_port, backlog=512
    )
    app.ports["imap"] = listener.sockets[0].getsockname()[1]
    try:
        async with keeper.sign_ins.rounds(), prepared(app):
            yield
    finally:
        listener.close()
        await keeper.close()
        await listener.wait_closed()
