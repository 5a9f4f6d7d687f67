"""One SMTP connection: an asyncio protocol that gathers octets, and one task that tells its story, command after
command.

Promises and reasons stand in `mail_gateway.smtp`, whose doors make these sessions.

RFC 5321, 3207 (STARTTLS), 2920 (PIPELINING), 4954 (AUTH), 2034 (ENHANCEDSTATUSCODES).
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

import structlog

from mail_gateway import smtp_syntax as syntax
from mail_gateway.smtp_data import Incoming
from mail_gateway.smtp_syntax import Envelope, Refusal
from server.drafts import Actor
from server.errors import Throttled, Unauthorised

if TYPE_CHECKING:
    from mail_gateway.smtp import Door

log = structlog.get_logger()

HIGH_WATER = 65_536  # octets of commands waiting before we stop reading


class _Gone(Exception):
    """The peer hung up."""


class Session(asyncio.Protocol):
    """One connection. `certificate`: the peer's, DER, when it showed one that TLS verified."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.limits = door.limits
        self.handler = door.handler
        self.peer = ""
        self.helo = ""
        self.secure = False
        self.certificate: bytes | None = None
        self.actor: Actor | None = None
        self.envelope: Envelope | None = None
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._out: list[str] = []
        self._waiter: asyncio.Future[None] | None = None
        self._due = 0.0
        self._ended = False
        self._fault: Refusal | None = None
        self._errors = self._failed_logins = 0
        self._choked = False
        self._incoming: Incoming | None = None  # the letter being read

    # ---- asyncio's side ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # what create_server gives; uvloop's is no subclass of it
        peer = transport.get_extra_info("peername")
        self.peer = peer[0] if isinstance(peer, tuple) else "local"
        self.door.admit(self)

    def data_received(self, data: bytes) -> None:
        incoming = self._incoming
        if incoming is not None and not incoming.complete:
            try:
                self._buffer += incoming.take(data)
            except Refusal as refusal:
                self.fail(refusal)
            if not incoming.complete:
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

    def _end(self) -> None:
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

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

    # ---- the story ---------------------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Greet, then answer command after command until one side hangs up. Never raises."""
        try:
            if self._fault is None:
                self._reply(f"220 {self.handler.name} ESMTP")
            while True:
                try:
                    await self._one()
                except Refusal as refusal:
                    self._refuse(refusal)
                    if refusal.close:
                        break
        except (_Gone, OSError, TimeoutError):
            pass  # OSError: the TLS handshake failed (ssl.SSLError is one)
        except Exception as error:  # noqa: BLE001 - whatever it is, the peer may try again and the other sessions go on
            log.error("smtp.session_failed", error=type(error).__name__)
            self._reply("421 4.3.0 Service not available")
        finally:
            self._flush()
            if self._transport is not None:
                self._transport.close()

    async def _one(self) -> None:
        verb, rest = syntax.command(await self._line(self.limits.line))
        act = _VERBS.get(verb)
        if act is None:
            raise Refusal(500, "5.5.1", "Unknown command")
        await act(self, rest)

    def _refuse(self, refusal: Refusal) -> None:
        self._errors += refusal.code >= 500
        if self._errors > self.limits.errors:
            refusal.close = True
            self._reply("421 4.7.0 Too many errors")
            return
        self._reply(refusal.line)

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
            raise _Gone
        if self._fault is not None:
            raise self._fault
        if self._transport is not None and not self._choked:
            self._transport.resume_reading()
        loop = asyncio.get_running_loop()
        known = self.actor is not None or self.envelope is not None
        self._due = loop.time() + (self.limits.idle_s if known else self.limits.greeting_s)
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
            self._transport.write("".join(f"{line}\r\n" for line in self._out).encode("ascii", "replace"))
        self._out.clear()

    async def _ask(self, step: Awaitable[Any], refused: str = "451 4.3.0 Try again later") -> Any:
        """A step of the handler; our own faults become temporary refusals, without their text."""
        try:
            return await step
        except Refusal:
            raise
        except Exception as error:  # noqa: BLE001 - every fault of ours is 4xx
            code, status, text = refused.split(" ", 2)
            if _no_room(error):
                code, status, text = "452", "4.3.1", "Insufficient system storage"
            log.warning("smtp.fault", code=code, error=type(error).__name__, cause=type(error.__cause__).__name__)
            raise Refusal(int(code), status, text) from None

    # ---- commands ----------------------------------------------------------------------------------------------------

    async def _ehlo(self, rest: str) -> None:
        self._helo(rest)
        lines = [
            self.handler.name,
            f"SIZE {self.limits.size}",
            "8BITMIME",
            "SMTPUTF8",
            "PIPELINING",
            "ENHANCEDSTATUSCODES",
        ]
        if not self.secure:
            lines.append("STARTTLS")
        elif self.handler.signs_in and self.actor is None:
            lines.append("AUTH PLAIN LOGIN")
        for line in lines[:-1]:
            self._reply(f"250-{line}")
        self._reply(f"250 {lines[-1]}")

    async def _hello(self, rest: str) -> None:
        self._helo(rest)
        self._reply(f"250 {self.handler.name}")

    def _helo(self, rest: str) -> None:
        if not rest or not rest.isascii() or len(rest) > 255:
            raise Refusal(501, "5.5.4", "Syntax: EHLO hostname")
        self.helo, self.envelope = rest, None

    async def _starttls(self, rest: str) -> None:
        if self.secure:
            raise Refusal(503, "5.5.1", "TLS is already on")
        if rest:
            raise Refusal(501, "5.5.4", "STARTTLS takes no parameter")
        context = await self._ask(self.handler.tls(), "454 4.7.0 TLS not available now")
        transport = self._transport
        if transport is None or self._ended:
            raise _Gone
        transport.pause_reading()
        if self._buffer:  # CVE-2024-34083: commands slipped in before the handshake must not run after it
            raise Refusal(554, "5.5.0", "Nothing may follow STARTTLS before the handshake", close=True)
        self._reply("220 2.0.0 Go ahead")
        self._flush()
        limit = self.limits.handshake_s
        secured = await asyncio.get_running_loop().start_tls(
            transport, self, context, server_side=True, ssl_handshake_timeout=limit, ssl_shutdown_timeout=limit
        )
        if secured is None:
            raise _Gone
        self._transport = secured
        self.certificate = secured.get_extra_info("ssl_object").getpeercert(binary_form=True)
        self.secure, self.helo, self.envelope = True, "", None  # RFC 3207 § 4.2: what was said in clear is forgotten

    async def _auth(self, rest: str) -> None:
        if not self.handler.signs_in:
            raise Refusal(502, "5.5.1", "No AUTH at this door")
        if not self.secure:
            raise Refusal(538, "5.7.11", "Encryption is required: STARTTLS first")
        if self.actor is not None or self.envelope is not None:
            raise Refusal(503, "5.5.1", "Already signed in, or mail transaction in progress")
        mechanism, _, first = rest.partition(" ")
        if mechanism.upper() == "PLAIN":
            address, password = syntax.plain("" if first == "=" else first or await self._challenge(""))
        elif mechanism.upper() == "LOGIN":
            address = syntax.login(first or await self._challenge("VXNlcm5hbWU6"))
            password = syntax.login(await self._challenge("UGFzc3dvcmQ6"))
        else:
            raise Refusal(504, "5.5.4", "Only PLAIN and LOGIN")
        try:
            self.actor = await self._ask(self._signed_in(address, password), "454 4.7.0 Try again later")
        except Refusal as refusal:
            self._failed_logins += 1
            refusal.close = self._failed_logins >= self.limits.failed_logins
            raise
        self._reply("235 2.7.0 Signed in")

    async def _signed_in(self, address: str, password: str) -> Actor:
        try:
            return await self.handler.sign_in(self, address, password)
        except Unauthorised:
            raise Refusal(535, "5.7.8", "Adresse ou mot de passe incorrect") from None
        except Throttled:
            raise Refusal(454, "4.7.0", "Trop de tentatives, réessayez dans quelques minutes") from None

    async def _challenge(self, prompt: str) -> str:
        self._reply(f"334 {prompt}")
        answer = (await self._line(self.limits.auth_line)).decode("ascii", "replace")
        if answer == "*":
            raise Refusal(501, "5.7.0", "Cancelled")
        return answer

    async def _mail(self, rest: str) -> None:
        if not self.secure:
            raise Refusal(530, "5.7.0", "STARTTLS first")
        if self.handler.signs_in and self.actor is None:
            raise Refusal(530, "5.7.0", "Authentication required")
        if not self.helo:
            raise Refusal(503, "5.5.1", "EHLO first")
        if self.envelope is not None:
            raise Refusal(503, "5.5.1", "A transaction is in progress")
        envelope = Envelope(syntax.mail_path(rest, self.limits.size))
        await self._ask(self.handler.sender(self, envelope))
        self.envelope = envelope
        self._reply("250 2.1.0 Sender ok")

    async def _rcpt(self, rest: str) -> None:
        if self.envelope is None:
            raise Refusal(503, "5.5.1", "MAIL first")
        path = syntax.rcpt_path(rest)
        if len(self.envelope.recipients) >= self.limits.recipients:
            raise Refusal(452, "4.5.3", "Too many recipients")
        await self._ask(self.handler.recipient(self, self.envelope, path))
        self.envelope.recipients.append(path)
        self._reply("250 2.1.5 Recipient ok")

    async def _data(self, rest: str) -> None:
        envelope = self.envelope
        if envelope is None:
            raise Refusal(503, "5.5.1", "MAIL first")
        if not envelope.recipients:
            raise Refusal(554, "5.5.1", "No valid recipient")
        if rest:
            raise Refusal(501, "5.5.4", "DATA takes no parameter")
        if self._buffer:  # RFC 2920 § 3.1: DATA ends a group; what follows is no letter we agreed to take
            raise Refusal(503, "5.5.0", "Improper use of pipelining", close=True)
        if self.door.budget.held + max(envelope.sender.size, 1) > self.door.budget.most:
            raise Refusal(452, "4.3.1", "Too much mail at once, try again later")
        self._reply("354 End with a dot alone")
        incoming = self._incoming = Incoming(self.door.budget, self.limits.size, asyncio.get_running_loop().time())
        try:
            while not incoming.complete:
                await self._wait()
            raw = incoming.letter()
            if syntax.hops(raw) > syntax.MAX_HOPS:
                raise Refusal(554, "5.4.6", "Le message tourne en rond : trop de relais")
            await self._ask(self.handler.letter(self, envelope, raw))
        finally:
            self.envelope = self._incoming = None
            incoming.release()
        self._reply("250 2.0.0 Message accepted")

    async def _rset(self, rest: str) -> None:
        self.envelope = None
        self._reply("250 2.0.0 Ok")

    async def _noop(self, rest: str) -> None:
        self._reply("250 2.0.0 Ok")

    async def _vrfy(self, rest: str) -> None:
        raise Refusal(252, "2.5.0", "Send it and see")  # § 7.3: who exists is not told

    async def _quit(self, rest: str) -> None:
        raise Refusal(221, "2.0.0", "Goodbye", close=True)


_VERBS: dict[str, Callable[[Session, str], Awaitable[None]]] = {
    "EHLO": Session._ehlo, "HELO": Session._hello, "STARTTLS": Session._starttls, "AUTH": Session._auth,
    "MAIL": Session._mail, "RCPT": Session._rcpt, "DATA": Session._data, "RSET": Session._rset,
    "NOOP": Session._noop, "VRFY": Session._vrfy, "QUIT": Session._quit,
}  # fmt: skip


def _no_room(error: Exception) -> bool:
    """Whether storage is full: the system says so, or SQLite does, somewhere down the chain of causes."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return True
        if "disk is full" in str(cause):
            return True
        cause = cause.__cause__
    return False
