"""One IMAP session: from the greeting to LOGOUT (RFC 3501 § 3), and all that comes before signing in.

Promises: no password before TLS, and nothing sent before the handshake is run after it; a wrong command, a fault of
ours and a refusal each get their one tagged answer and the session goes on; what cannot be gone on with ends in BYE.
Every text is ours: none repeats what was sent, none says who exists. A session ends within 5 s of what ends its
sign-in, whether it asks for something, idles or sleeps.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
import time
from typing import TYPE_CHECKING, cast

import structlog

from mail_gateway import sasl
from mail_gateway.imap import capabilities
from mail_gateway.imap.answers import Bye, No
from mail_gateway.imap.append import wants_whole
from mail_gateway.imap.commands import Authenticate, Command, Identify, Login
from mail_gateway.imap.desk import IDLE_S, Desk, Handler
from mail_gateway.imap.parser import parse
from mail_gateway.imap.syntax import BadCommand
from mail_gateway.imap.wire import Closed, TooMuch, Wire
from server import access, mail_passwords, mail_sign_in
from server.drafts import MAX_MAIL
from server.errors import PliError, Refused, Throttled, Unauthorised
from server.handles import MailboxHandle
from server.mail_sign_in import MailSignIn
from storage.database import DatabaseDown
from storage.vault import CannotOpen

if TYPE_CHECKING:
    from mail_gateway.imap.server import Doorkeeper
    from server.app import App

log = structlog.get_logger()

FIRST_S = 30  # between two commands in clear: a client has nothing to wait for there
PASSWORD_S = 120  # between two commands after the handshake: a person may be typing a password
SIGN_IN_S = 300  # from the greeting to being signed in
MAX_SIGN_INS = 5
STILL_S = 4  # how old the last look at the account may be when a command comes
MAX_BAD = 20  # wrong commands in a row
BEFORE_SIGN_IN = 64 * 1024  # octets of literals
SIGNED_OUT = "Connexion terminee, connectez-vous de nouveau / Signed out, sign in again"


class Session:
    """One client. `tls`: what the door shows; None when it has nothing to show."""

    def __init__(self, app: App, wire: Wire, keeper: Doorkeeper, tls: ssl.SSLContext | None) -> None:
        self._app = app
        self._wire = wire
        self._keeper = keeper
        self._tls = tls
        self._desk: Desk | None = None
        self._box: MailboxHandle | None = None
        self._proof = ""
        self._client = ""  # what it calls itself
        self._sign_ins = 0
        self._bad = 0
        self._checked = 0.0
        self._always: dict[str, Handler] = {
            "CAPABILITY": self._capability,
            "NOOP": self._noop,
            "LOGOUT": self._logout,
            "ID": self._id,
        }
        self._before: dict[str, Handler] = {
            "STARTTLS": self._starttls,
            "LOGIN": self._login,
            "AUTHENTICATE": self._authenticate,
        }

    # ---- the conversation ----

    async def run(self) -> None:
        """From the greeting until one of the two leaves."""
        try:
            self._wire.say(f"* OK [CAPABILITY {self._capabilities()}] Pli")
            async with asyncio.timeout(SIGN_IN_S):
                while self._desk is None:
                    await self._one()
            while True:
                await self._one()
        except Bye as bye:
            self._wire.say(f"* BYE {bye}")
        except TooMuch:  # where one line was awaited, as in IDLE
            self._wire.say("* BYE Commande trop longue / Command too long")
        except TimeoutError:
            self._wire.say("* BYE Delai depasse / Too long")
        except Closed:
            pass
        except Exception as error:  # noqa: BLE001 - one client's session, not the door, ends on what nobody thought of
            log.error("imap.session_failed", error=type(error).__name__)
            self._wire.say("* BYE Erreur interne / Internal error")
        finally:
            self._leave()
            self._wire.close()

    async def _one(self) -> None:
        """One command and its answer."""
        signed_in = self._desk is not None
        try:
            async with asyncio.timeout(IDLE_S if signed_in else PASSWORD_S if self._wire.secure else FIRST_S):
                parts = await self._wire.command(MAX_MAIL if signed_in else BEFORE_SIGN_IN, wants_whole)
        except TooMuch as much:
            how = "NO" if much.of_mail else "BAD"  # RFC 7889 § 4
            self._wire.say(f"{much.tag} {how} [TOOBIG] Commande trop longue / Command too long")
            if much.fatal:
                raise Bye("Commande trop longue / Command too long") from much
            self._count_bad()
            return
        try:
            command = parse(parts, utf8=self._desk is not None and self._desk.client.enabled.plain_names)
            handler = self._handler(command.name)
            if handler is None:
                raise BadCommand("Not now", command.tag)
            self._bad = 0
        except BadCommand as bad:
            self._wire.say(f"{bad.tag} BAD {bad.text}")
            self._count_bad()
            return
        answer = await self._answer(command, handler)
        if answer:
            self._wire.say(f"{command.tag} {answer}")
        await self._wire.drain()

    def _handler(self, name: str) -> Handler | None:
        return self._always.get(name) or (self._before.get(name) if self._desk is None else self._desk.handler(name))

    async def _answer(self, command: Command, handler: Handler) -> str:
        """What ends the command, after the news that may be told with it."""
        try:
            await self._still_in_force()
            answer = await self._outcome(command, handler)
            if self._desk is not None:
                await self._desk.tell(command)
        except TimeoutError:
            raise
        except (PliError, DatabaseDown, CannotOpen, OSError) as error:
            log.warning("imap.storage", error=type(error).__name__)
            self._app.metrics.refused("imap", "unavailable")
            return "NO [UNAVAILABLE] Momentanement indisponible / Unavailable for the moment"
        return answer

    async def _outcome(self, command: Command, handler: Handler) -> str:
        try:
            return await handler(command)
        except No as no:
            return no.answer

    def _count_bad(self) -> None:
        self._bad += 1
        if self._bad >= MAX_BAD:
            raise Bye("Trop d'erreurs / Too many errors")

    async def _still_in_force(self) -> None:
        """What ends a sign-in, ends its sessions: the account, the password, « se déconnecter partout »."""
        if self._box is None or time.monotonic() < self._checked + STILL_S:
            return
        self._checked = time.monotonic()
        if not await self._app.db.read(mail_sign_in.mail_still_good, self._proof, self._box):
            raise Bye(SIGNED_OUT)

    def show_out(self) -> None:
        """The sign-in is over (`SignIns`)."""
        self._checked = 0.0  # a command that came meanwhile asks for itself
        self._wire.show_out(f"* BYE {SIGNED_OUT}")

    def _leave(self) -> None:
        if self._desk is not None:
            self._desk.leave()
        if self._box is not None:
            self._keeper.signed_out(self._box.actor.account_id)

    # ---- before signing in ----

    def _capabilities(self) -> str:
        return capabilities.said(secure=self._wire.secure, tls=self._tls is not None, signed_in=self._desk is not None)

    async def _capability(self, command: Command) -> str:
        self._wire.say(f"* CAPABILITY {self._capabilities()}")
        return "OK Done"

    async def _noop(self, command: Command) -> str:
        return "OK Done"

    async def _id(self, command: Command) -> str:
        """RFC 2971. Its owner reads the name beside the password of that device."""
        self._wire.say('* ID ("name" "Pli")')
        if isinstance(command.what, Identify):
            told = command.what.fields
            self._client = f"{told.get('name') or ''} {told.get('version') or ''}".strip()
            if self._box is not None:
                await self._not_a_relay(self._box.actor.address)
                await mail_passwords.called(self._app, self._proof, self._client)
        return "OK Done"

    async def _logout(self, command: Command) -> str:
        self._wire.say("* BYE Au revoir / Goodbye")
        self._wire.say(f"{command.tag} OK Done")
        raise Closed

    async def _starttls(self, command: Command) -> str:
        if self._wire.secure:
            return "BAD TLS already"
        if self._tls is None:
            raise No("TLS indisponible / TLS unavailable", "UNAVAILABLE")
        if self._wire.slipped_in:  # RFC 3501 § 6.2.1: somebody on the way may have put it there
            raise Bye("Commande avant TLS / Command before TLS")
        await self._wire.start_tls(self._tls, f"{command.tag} OK Begin TLS\r\n".encode("ascii"))
        return ""

    async def _login(self, command: Command) -> str:
        assert isinstance(command.what, Login)  # noqa: S101 - the parser's word
        return await self._sign_in(sasl.Given(sasl.same_person(command.what.address), command.what.password))

    async def _authenticate(self, command: Command) -> str:
        asked = command.what
        assert isinstance(asked, Authenticate)  # noqa: S101 - the parser's word
        self._need_tls()
        make = sasl.MECHANISMS.get(asked.mechanism.upper())
        if make is None:
            raise No("Mecanisme inconnu / Unknown mechanism", "CANNOT")
        try:
            return await self._sign_in(await self._given(make(), asked.initial))
        except _Cancelled:
            return "BAD Abandon / Cancelled"
        except sasl.BadAnswer:
            self._sign_ins += 1
            if self._sign_ins >= MAX_SIGN_INS:
                raise Bye("Trop d'essais / Too many attempts") from None
            return f"BAD {asked.mechanism.upper()}"

    async def _given(self, exchange: sasl.Exchange, first: bytes | None) -> sasl.Given:
        """Challenge and answer until the mechanism has heard enough."""
        prompt = next(exchange)
        try:
            while True:
                answer = await self._challenge(prompt) if first is None else first
                prompt, first = exchange.send(sasl.decoded(answer)), None
        except StopIteration as heard:
            return cast(sasl.Given, heard.value)

    async def _challenge(self, prompt: bytes) -> bytes:
        self._wire.write(b"+ %b\r\n" % base64.b64encode(prompt))
        async with asyncio.timeout(PASSWORD_S):
            answer = await self._wire.line()
        if answer == b"*":
            raise _Cancelled
        return answer

    def _need_tls(self) -> None:
        if not self._wire.secure:
            raise No("STARTTLS d'abord / STARTTLS first", "PRIVACYREQUIRED")

    async def _sign_in(self, given: sasl.Given) -> str:
        self._need_tls()
        await self._not_a_relay(given.address)
        self._sign_ins += 1
        try:
            signed = await self._known(given)
            box = await access.mailbox(self._app, signed.actor, signed.mailbox_id)
        except (Unauthorised, Refused) as error:
            self._app.metrics.refused("imap", error.code)
            if given.bearer:  # RFC 7628 § 3.2.3: it is told why, answers nothing of interest, and hears the NO
                await self._told_why()
            if self._sign_ins >= MAX_SIGN_INS:
                raise Bye("Trop d'essais / Too many attempts") from error
            raise No(" / ".join(mail_sign_in.wrong(self._app)), "AUTHENTICATIONFAILED") from error
        except Throttled as error:
            self._app.metrics.refused("imap", error.code)
            raise No(
                "Trop d'essais, attendez quelques minutes / Too many attempts, wait a few minutes", "LIMIT"
            ) from error
        return await self._enter(signed, box)

    async def _known(self, given: sasl.Given) -> MailSignIn:
        source = self._wire.peer
        if given.bearer:
            return await self._keeper.tokens.sign_in(given.address, given.secret, source)
        return await mail_sign_in.sign_in_by_mail(self._app, given.address, given.secret, source, "imap")

    async def _told_why(self) -> None:
        try:
            await self._challenge(sasl.NO_BEARER)
        except _Cancelled:
            pass

    async def _enter(self, signed: MailSignIn, box: MailboxHandle) -> str:
        if not self._keeper.signed_in(box.actor.account_id):
            raise Bye("[LIMIT] Trop de connexions de ce compte / Too many connections of this account")
        self._box, self._proof, self._checked = box, signed.hash, time.monotonic()
        self._keeper.sign_ins.enter(self, signed.hash, box if box.ground == access.TEAM else None)
        keeper = self._keeper
        self._desk = Desk(
            self._app, self._wire, box, self._still_in_force, self._visits, keeper.idlers, keeper.known
        )  # fmt: skip
        if self._client:
            await mail_passwords.called(self._app, self._proof, self._client)
        return f"OK [CAPABILITY {self._capabilities()}] Bonjour / Hello"

    def _visits(self, team: MailboxHandle | None) -> None:
        """The folder of a team was opened, or closed: who leaves the team is shown out of it."""
        own = self._box if self._box is not None and self._box.ground == access.TEAM else None
        self._keeper.sign_ins.enter(self, self._proof, team or own)

    async def _not_a_relay(self, address: str) -> None:
        """Before the password is looked at, and again when it says its name later. Raises No; Bye once signed in."""
        relay = self._keeper.relays.at(self._wire.peer) or self._keeper.relays.called(self._client)
        if relay is not None:
            self._app.metrics.refused("imap", "relay")
            await mail_sign_in.relayed(self._app, address, relay.maker)
            text = " / ".join(relay.why)
            raise Bye(f"[CONTACTADMIN] {text}") if self._desk is not None else No(text, "CONTACTADMIN")


class _Cancelled(Exception):
    """The client gave up an exchange (RFC 3501 § 6.2.2)."""
