"""The connection: lines and literals in, octets out, TLS in the middle of it.

An `asyncio.Protocol` of our own rather than streams: STARTTLS must drop whatever came before the handshake (a command
slipped in by somebody on the way would otherwise be run as if it had come through TLS), and a peer that sends faster
than we read must fill its own buffers, not ours.
Does not know IMAP beyond `{n}`, `{n+}` and `~{n}` at the end of a line (RFC 7888: LITERAL+, of which LITERAL- is a
part; RFC 3516).
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable
from typing import cast

from mail_gateway.imap.parser import tag_of
from mail_gateway.imap.syntax import Literal, Part

MAX_LINE = 64 * 1024  # octets of a command without its literals
KEPT_LITERAL = 128 * 1024  # of a longer one only this much is kept: the header block of a mail
ROOM = 128 * 1024 * 1024  # octets of whole mails that one door keeps at a time, while they are being taken in
HANDSHAKE_S = 10
STALL_S = 300  # a peer that takes nothing for so long is gone
LINGER_S = 30  # to take the last words
_HIGH_WATER = 256 * 1024
_PIECE = 64 * 1024
_APPEND = re.compile(rb"\S+ APPEND ", re.IGNORECASE)
_LITERAL = re.compile(rb"(~?)\{([0-9]{1,12})(\+?)\}$")


class Closed(Exception):
    """The peer is gone."""


class TooMuch(Exception):
    """A line or literal over its limit. `fatal`: what follows is on its way and cannot be told from commands.
    `of_mail`: the literal was a mail of APPEND.
    """

    def __init__(self, tag: str, *, fatal: bool, of_mail: bool = False) -> None:
        super().__init__("too much")
        self.tag = tag
        self.fatal = fatal
        self.of_mail = of_mail


class Room:
    """What all the connections of a door together may keep of long literals."""

    def __init__(self, octets: int = ROOM) -> None:
        self.left = octets

    def take(self, octets: int) -> bool:
        if octets > self.left:
            return False
        self.left -= octets
        return True


class Wire(asyncio.Protocol):
    """One connection. `on_open` is called once, with the wire, when somebody connects. `room`: what it shares with the
    others of its door.
    """

    def __init__(self, on_open: Callable[[Wire], None], room: Room | None = None) -> None:
        self._on_open: Callable[[Wire], None] | None = on_open
        self._room = room or Room()
        self._held = 0  # octets of it that are kept here
        self.nudged = False
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._full = False
        self._paused = False
        self._ended = False
        self._gone = False
        self._farewell = ""
        self.secure = False

    # ---- what asyncio calls ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # what create_server gives; uvloop's is no subclass of it
        opened, self._on_open = self._on_open, None
        if opened is not None:
            opened(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > _HIGH_WATER and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake_reader()

    def eof_received(self) -> bool:
        """Nothing more comes; what came before is still answered, where TCP allows it (TLS has no half)."""
        self._ended = True
        self._wake_reader()
        return not self.secure

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone = True
        self._transport = None
        self._let_go()
        self._wake_reader()
        self.resume_writing()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        if self._writer is not None and not self._writer.done():
            self._writer.set_result(None)

    def _wake_reader(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    # ---- reading ----

    async def _more(self) -> None:
        """Wait for more. Raises Closed."""
        if self._farewell:
            self.say(self._farewell)
            raise Closed
        if self._ended or self._gone:
            raise Closed
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        self._reader = asyncio.get_running_loop().create_future()
        try:
            await self._reader
        finally:
            self._reader = None

    async def line(self, limit: int = MAX_LINE) -> bytes:
        """One line without its CRLF. Raises Closed; TooMuch when it is longer than `limit`."""
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            if len(self._buffer) > limit:
                raise TooMuch(tag_of(bytes(self._buffer[:200])), fatal=True)
            searched = len(self._buffer)
            await self._more()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        if len(line) > limit:
            raise TooMuch(tag_of(line[:200]), fatal=True)
        return line.removesuffix(b"\r")

    async def line_or_nudge(self) -> bytes | None:
        """The next line, or None when `nudge` was called first. Raises as `line`."""
        while not self.nudged and b"\n" not in self._buffer:
            if len(self._buffer) > MAX_LINE:
                raise TooMuch("*", fatal=True)
            await self._more()
        if self.nudged:
            self.nudged = False
            return None
        return await self.line()

    def nudge(self) -> None:
        """Something has come up that whoever waits in `line_or_nudge` wants to know: no task of its own waits for it,
        so that thousands may.
        """
        self.nudged = True
        self._wake_reader()

    async def command(self, literal_limit: int, whole: Callable[[list[Part]], bool] | None = None) -> list[Part]:
        """A line with its literals: text, literal, text, … Raises Closed, TooMuch.

        `literal_limit`: octets of all its literals; a larger synchronising one is refused before it is sent. `whole`:
        says, by what came before it, whether all of a literal is wanted; while there is room, it is kept.
        """
        self._let_go()
        parts: list[Part] = []
        room = MAX_LINE
        while True:
            text = await self.line(room)
            room -= len(text)
            announced = _LITERAL.search(text)
            if announced is None:
                return [*parts, text]
            size, waits = int(announced[2]), not announced[3]
            parts.append(text[: announced.start()])
            if size > literal_limit:
                line = parts[0] if isinstance(parts[0], bytes) else b""
                raise TooMuch(tag_of(line[:200]), fatal=not waits, of_mail=_APPEND.match(line) is not None)
            literal_limit -= size
            if waits:
                self.write(b"+ Go ahead\r\n")
            wanted = whole is not None and whole(parts)
            parts.append(await self._literal(size, whole=wanted, binary=bool(announced[1])))

    async def _literal(self, size: int, *, whole: bool, binary: bool) -> Literal:
        """A literal of which not all is there is one that nobody wanted whole, or for which there was no room."""
        kept = bytearray()
        most = KEPT_LITERAL
        left = size
        while left:
            if not self._buffer:
                await self._more()
                continue
            piece = self._buffer[:left]
            left -= len(piece)
            if whole and len(kept) + len(piece) > most:
                whole = self._room.take(len(piece))
                if whole:
                    self._held += len(piece)
                    most = len(kept) + len(piece)
            kept += piece[: max(0, most - len(kept))]
            del self._buffer[: len(piece)]
        return Literal(bytes(kept), size, binary)

    def _let_go(self) -> None:
        """What was kept of the last command's literals is done with."""
        self._room.left += self._held
        self._held = 0

    # ---- writing ----

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def say(self, line: str) -> None:
        """One line of our own words."""
        self.write(line.encode("ascii", "replace") + b"\r\n")

    async def drain(self) -> None:
        """Wait until the peer has taken most of what was written. Raises Closed."""
        while self._full and not self._gone:
            self._writer = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(STALL_S):
                    await self._writer
            except TimeoutError:
                self.abort()
                raise Closed from None
        if self._gone:
            raise Closed

    async def send(self, data: bytes) -> None:
        """Write something large piece by piece, at the peer's pace."""
        view = memoryview(data)
        for start in range(0, len(view), _PIECE):
            self.write(bytes(view[start : start + _PIECE]))
            await self.drain()

    # ---- the rest ----

    def show_out(self, farewell: str) -> None:
        """Say this and hear no more, at the next point where something is awaited from the peer."""
        self._farewell = farewell
        self._wake_reader()

    @property
    def peer(self) -> str:
        """The address of the other side, for the brakes."""
        name = self._transport.get_extra_info("peername") if self._transport is not None else None
        return str(name[0]) if name else ""

    @property
    def slipped_in(self) -> bool:
        """Whether something came after the STARTTLS line and before the handshake."""
        return bool(self._buffer)

    async def start_tls(self, context: ssl.SSLContext, say: bytes) -> None:
        """Say `say`, then do the handshake. Raises Closed when it fails. Nothing received in clear is kept."""
        transport = self._transport
        if transport is None:
            raise Closed
        self._buffer.clear()
        # No await between this and start_tls, which stops reading: the handshake is read by TLS alone.
        transport.write(say)
        try:
            wrapped = await asyncio.get_running_loop().start_tls(
                transport, self, context, server_side=True, ssl_handshake_timeout=HANDSHAKE_S
            )
        except (OSError, TimeoutError) as error:
            transport.abort()
            raise Closed from error
        if wrapped is None:
            raise Closed
        self._transport = wrapped
        self.secure = True

    def close(self) -> None:
        """Send what was written, then close; a peer that does not take it is cut off."""
        if self._transport is not None:
            self._transport.close()
            asyncio.get_running_loop().call_later(LINGER_S, self.abort)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
