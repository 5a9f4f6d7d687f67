"""One SMTP connection as octets and time: an asyncio protocol that gathers what comes and hands it out line by line.

Promises: bounded (a peer that does not read is not read from; commands wait in `HIGH_WATER` octets at most); a peer
that is too slow is let go (`tick`). What the lines mean is `smtp_session`'s.
"""

from __future__ import annotations

import asyncio
import ssl
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, cast

from mail_gateway.smtp_data import LARGE, Incoming
from mail_gateway.smtp_syntax import Refusal

if TYPE_CHECKING:
    from mail_gateway.smtp import Door

HIGH_WATER = 65_536  # octets of commands waiting before we stop reading


class Gone(Exception):
    """The peer hung up."""


class Connection(asyncio.Protocol, ABC):
    """`peer`: its address. `party`: the operator or account it showed to be, "" before. `certificate`: the peer's, DER,
    when it showed one that TLS verified.
    """

    def __init__(self, door: Door) -> None:
        self.door = door
        self.limits = door.limits
        self.peer = ""
        self.party = ""
        self.secure = False
        self.certificate: bytes | None = None
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._out: list[str] = []
        self._waiter: asyncio.Future[None] | None = None
        self._due = 0.0
        self._ended = False
        self._fault: Refusal | None = None
        self._choked = False
        self._incoming: Incoming | None = None  # the letter being read

    @abstractmethod
    async def serve(self) -> None:
        """The whole story of this connection. Never raises."""

    # ---- asyncio's side ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # what create_server gives; uvloop's is no subclass of it
        peer = transport.get_extra_info("peername")
        self.peer = peer[0] if isinstance(peer, tuple) else "local"
        self._secured()  # by a door of TLS at once
        self.door.admit(self)

    def data_received(self, data: bytes) -> None:
        incoming = self._incoming
        if incoming is not None and not incoming.complete:
            try:
                self._buffer += incoming.take(data)
            except Refusal as refusal:
                self.fail(refusal)
            if not incoming.complete:
                if incoming.received > LARGE and self._transport is not None:
                    self._transport.pause_reading()
                    self.door.turns.wait(self._read_on)
                return
        else:
            self._buffer += data
            if len(self._buffer) > HIGH_WATER and self._transport is not None:
                self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()

    def pause_writing(self) -> None:
        self._choked = True  # a peer that does not read is not read from
        if self._transport is not None and not self._ended:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._choked = False
        if self._transport is not None and not self._ended:
            self._transport.resume_reading()

    def _read_on(self) -> None:
        transport = self._transport
        if transport is not None and not (self._ended or self._choked or transport.is_closing()):
            transport.resume_reading()

    def _end(self) -> None:
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # ---- the door's side ---------------------------------------------------------------------------------------------

    def fail(self, refusal: Refusal) -> None:
        """Say this and hang up at the next point where the session waits for its peer; a letter being stored is
        stored first.
        """
        self._fault = self._fault or refusal
        self._wake()

    def tick(self, now: float) -> None:
        """Called by the door every second: is the peer too slow?"""
        if self._waiter is None or self._ended:
            return
        due = self._due
        if self._incoming is not None:
            due = self._incoming.since + self.limits.data_grace_s + self._incoming.received / self.limits.data_floor
        if now > due:
            self.fail(Refusal(421, "4.4.2", "Too slow, closing", close=True))

    # ---- the story's side --------------------------------------------------------------------------------------------

    async def _handshake(self, context: ssl.SSLContext) -> None:
        """TLS from here on. Raises `Gone`, `OSError` (`ssl.SSLError` is one)."""
        if self._transport is None or self._ended:
            raise Gone
        limit = self.limits.handshake_s
        secured = await asyncio.get_running_loop().start_tls(
            self._transport, self, context, server_side=True, ssl_handshake_timeout=limit, ssl_shutdown_timeout=limit
        )
        if secured is None:
            raise Gone
        self._transport = secured
        self._secured()

    def _secured(self) -> None:
        tls = self._transport.get_extra_info("ssl_object") if self._transport is not None else None
        if tls is not None:
            self.secure, self.certificate = True, tls.getpeercert(binary_form=True)

    async def _line(self, most: int) -> bytes:
        while True:
            end = self._buffer.find(b"\r\n", 0, most + 2)
            if end >= 0:
                line = bytes(self._buffer[:end])
                del self._buffer[: end + 2]
                return line
            if len(self._buffer) > most:
                raise Refusal(500, "5.5.2", "Line too long", close=True)
            await self._wait()

    async def _wait(self) -> None:
        """Until the peer sends something. Everything said so far leaves first, in one piece (RFC 2920)."""
        self._flush()
        if self._ended:
            raise Gone
        if self._fault is not None:
            raise self._fault
        if self._transport is not None and not self._choked:
            self._transport.resume_reading()
        loop = asyncio.get_running_loop()
        self._due = loop.time() + (self.limits.idle_s if self.party else self.limits.greeting_s)
        self._waiter = loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
        if self._fault is not None:
            raise self._fault

    def _reply(self, line: str) -> None:
        self._out.append(line)

    def _flush(self) -> None:
        if self._out and self._transport is not None and not self._ended:
            self._transport.write("".join(f"{line}\r\n" for line in self._out).encode("utf-8", "replace"))
        self._out.clear()
