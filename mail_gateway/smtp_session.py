"""One SMTP connection as a story: command after command, each with its reply.

Promises and reasons stand in `mail_gateway.smtp`, whose doors make these sessions; octets and time are
`smtp_connection`'s.

RFC 5321, 3207 (STARTTLS), 8314 (TLS at once), 2920 (PIPELINING), 4954 (AUTH), 2034 (ENHANCEDSTATUSCODES), 3461 (DSN).
"""

from __future__ import annotations

import asyncio
import base64
import errno
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

import structlog

from mail_gateway import sasl
from mail_gateway import smtp_syntax as syntax
from mail_gateway.smtp_connection import Connection, Gone
from mail_gateway.smtp_data import LARGE, Incoming
from mail_gateway.smtp_syntax import Envelope, Refusal
from server.drafts import Actor
from server.errors import Throttled, Unauthorised

if TYPE_CHECKING:
    from mail_gateway.smtp import Door

log = structlog.get_logger()


class Session(Connection):
    """A connection that speaks SMTP. `actor`: who signed in. `proof`: the credential they did it with."""

    def __init__(self, door: Door) -> None:
        super().__init__(door)
        self.handler = door.handler
        self.helo = ""
        self.actor: Actor | None = None
        self.proof = ""
        self.envelope: Envelope | None = None
        self._utf8 = False  # the peer asked for SMTPUTF8 in this transaction
        self._errors = self._failed_logins = 0

    def show_out(self) -> None:
        """The sign-in is over (`SignIns`); a letter being stored is stored first."""
        self.fail(Refusal(421, "4.7.0", "Déconnecté, connectez-vous de nouveau", close=True))

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
        except (Gone, OSError, TimeoutError):
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
        self._reply(refusal.line(self._utf8))

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
            "DSN",
        ]
        if not self.secure:
            lines.append("STARTTLS")
        elif self.handler.signs_in and self.actor is None:
            lines.append(f"AUTH {' '.join(sasl.MECHANISMS)}")
        for line in lines[:-1]:
            self._reply(f"250-{line}")
        self._reply(f"250 {lines[-1]}")

    async def _hello(self, rest: str) -> None:
        self._helo(rest)
        self._reply(f"250 {self.handler.name}")

    def _helo(self, rest: str) -> None:
        if not rest or not rest.isascii() or len(rest) > 255:
            raise Refusal(501, "5.5.4", "Syntax: EHLO hostname")
        self.helo, self.envelope, self._utf8 = rest, None, False

    async def _starttls(self, rest: str) -> None:
        if self.secure:
            raise Refusal(503, "5.5.1", "TLS is already on")
        if rest:
            raise Refusal(501, "5.5.4", "STARTTLS takes no parameter")
        context = await self._ask(self.handler.tls(), "454 4.7.0 TLS not available now")
        transport = self._transport
        if transport is None or self._ended:
            raise Gone
        transport.pause_reading()
        if self._buffer:  # CVE-2024-34083: commands slipped in before the handshake must not run after it
            raise Refusal(554, "5.5.0", "Nothing may follow STARTTLS before the handshake", close=True)
        self._reply("220 2.0.0 Go ahead")
        self._flush()
        await self._handshake(context)
        self.helo, self.envelope = "", None  # RFC 3207 § 4.2: what was said in clear is forgotten

    async def _auth(self, rest: str) -> None:
        if not self.handler.signs_in:
            raise Refusal(502, "5.5.1", "No AUTH at this door")
        if not self.secure:
            raise Refusal(538, "5.7.11", "Encryption is required: STARTTLS first")
        if self.actor is not None or self.envelope is not None:
            raise Refusal(503, "5.5.1", "Already signed in, or mail transaction in progress")
        mechanism, _, first = rest.partition(" ")
        make = sasl.MECHANISMS.get(mechanism.upper())
        if make is None:
            raise Refusal(504, "5.5.4", f"Only {', '.join(sasl.MECHANISMS)}")
        try:
            given = await self._given(make(), first)
            self.actor = await self._ask(self._signed_in(given), "454 4.7.0 Try again later")
        except sasl.BadAnswer:
            raise Refusal(501, "5.5.2", "Not an answer of that mechanism") from None
        except Refusal as refusal:
            self._failed_logins += 1
            refusal.close = self._failed_logins >= self.limits.failed_logins
            raise
        self.door.recognise(self)
        self._reply("235 2.7.0 Signed in")

    async def _given(self, exchange: sasl.Exchange, first: str) -> sasl.Given:
        """Challenge and answer until the mechanism has heard enough. Raises `sasl.BadAnswer`, `Refusal`."""
        said, prompt = first.encode("ascii", "replace"), next(exchange)
        try:
            while True:
                prompt = exchange.send(sasl.decoded(said or await self._challenge(prompt)))
                said = b""
        except StopIteration as heard:
            return cast(sasl.Given, heard.value)

    async def _signed_in(self, given: sasl.Given) -> Actor:
        try:
            return await self.handler.sign_in(self, given)
        except Unauthorised as error:
            if given.bearer:
                await self._challenge(sasl.NO_BEARER)  # RFC 7628 § 3.2.3: whatever they answer, it ends here
            raise Refusal(535, "5.7.8", error.detail) from None
        except Throttled:
            raise Refusal(454, "4.7.0", "Trop de tentatives, réessayez dans quelques minutes") from None

    async def _challenge(self, prompt: bytes) -> bytes:
        self._reply(f"334 {base64.b64encode(prompt).decode()}")
        answer = await self._line(self.limits.auth_line)
        if answer == b"*":
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
        self._utf8 = envelope.sender.utf8
        await self._ask(self.handler.sender(self, envelope))
        self.door.recognise(self)
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
        budgets = self.door.begin(self, envelope.sender.size)
        self._reply("354 End with a dot alone")
        incoming = self._incoming = Incoming(budgets, self.limits.size, asyncio.get_running_loop().time())
        try:
            while not incoming.complete:
                await self._wait()
            async with self.door.turn(incoming.received):
                raw = await asyncio.to_thread(incoming.letter) if incoming.received > LARGE else incoming.letter()
                if syntax.hops(raw) > syntax.MAX_HOPS:
                    raise Refusal(554, "5.4.6", "Le message tourne en rond : trop de relais")
                await self._ask(self.handler.letter(self, envelope, raw))
        finally:
            self.envelope = self._incoming = None
            incoming.release()
            self.door.end(self)
        self._reply("250 2.0.0 Message accepted")

    async def _rset(self, rest: str) -> None:
        self.envelope, self._utf8 = None, False
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
