"""One IMAP session: from the greeting to LOGOUT (RFC 3501 § 3), and all that comes before signing in.

Promises: no password before TLS, and nothing sent before the handshake is run after it; a wrong command, a fault of
ours and a refusal each get their one tagged answer and the session goes on; what cannot be gone on with ends in BYE.
Every text is ours: none repeats what was sent, none says who exists. A session ends within 5 s of what ends its
sign-in, whether it asks for something, idles or sleeps.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ssl
import time
from typing import TYPE_CHECKING

import structlog

from mail_gateway.imap import capabilities
from mail_gateway.imap.answers import Bye, No
from mail_gateway.imap.commands import Authenticate, Command, Login
from mail_gateway.imap.desk import IDLE_S, Desk, Handler
from mail_gateway.imap.parser import parse
from mail_gateway.imap.syntax import BadCommand
from mail_gateway.imap.wire import Closed, TooMuch, Wire
from server import access, sessions
from server.drafts import MAX_MAIL
from server.errors import PliError, Throttled, Unauthorised
from server.handles import MailboxHandle
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
    """One client."""

    def __init__(self, app: App, wire: Wire, keeper: Doorkeeper, tls: ssl.SSLContext | None) -> None:
        self._app = app
        self._wire = wire
        self._keeper = keeper
        self._tls = tls
        self._desk: Desk | None = None
        self._box: MailboxHandle | None = None
        self._proof = ""
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
                parts = await self._wire.command(MAX_MAIL if signed_in else BEFORE_SIGN_IN)
        except TooMuch as much:
            self._wire.say(f"{much.tag} BAD [TOOBIG] Commande trop longue / Command too long")
            if much.fatal:
                raise Bye("Commande trop longue / Command too long") from much
            self._count_bad()
            return
        try:
            command = parse(parts)
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
        if not await self._app.db.read(sessions.mail_still_good, self._proof):
            raise Bye(SIGNED_OUT)

    def show_out(self) -> None:
        """The sign-in is over (`SignIns`)."""
        self._checked = 0.0  # a command that came meanwhile asks for itself
        self._wire.show_out(f"* BYE {SIGNED_OUT}")

    def _leave(self) -> None:
        if self._desk is not None:
            self._desk.leave()
        if self._box is not None:
            self._keeper.signed_out(self._box.mailbox_id)

    # ---- before signing in ----

    def _capabilities(self) -> str:
        return capabilities.said(secure=self._wire.secure, tls=self._tls is not None, signed_in=self._desk is not None)

    async def _capability(self, command: Command) -> str:
        self._wire.say(f"* CAPABILITY {self._capabilities()}")
        return "OK Done"

    async def _noop(self, command: Command) -> str:
        return "OK Done"

    async def _id(self, command: Command) -> str:
        self._wire.say('* ID ("name" "Pli")')
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
        return await self._sign_in(command.what.address, command.what.password)

    async def _authenticate(self, command: Command) -> str:
        asked = command.what
        assert isinstance(asked, Authenticate)  # noqa: S101 - the parser's word
        if not self._wire.secure:
            return await self._sign_in("", "")
        if asked.mechanism != "PLAIN":
            raise No("Mecanisme inconnu / Unknown mechanism", "CANNOT")
        coded = asked.initial
        if coded is None:
            self._wire.write(b"+ \r\n")
            async with asyncio.timeout(PASSWORD_S):
                coded = await self._wire.line()
        if coded == b"*":
            return "BAD Abandon / Cancelled"
        try:
            words = base64.b64decode(coded, validate=True).decode("utf-8").split("\0")
        except (binascii.Error, UnicodeDecodeError):
            return "BAD Base64"
        if len(words) != 3:
            return "BAD PLAIN"
        other, address, password = words
        if other and other.strip().lower() != address.strip().lower():  # nobody acts as somebody else here
            raise No("Adresse ou mot de passe incorrect / Wrong address or password", "AUTHENTICATIONFAILED")
        return await self._sign_in(address, password)

    async def _sign_in(self, address: str, password: str) -> str:
        if not self._wire.secure:
            raise No("STARTTLS d'abord / STARTTLS first", "PRIVACYREQUIRED")
        self._sign_ins += 1
        try:
            signed = await sessions.sign_in_by_mail(self._app, address, password, self._wire.peer)
            actor, self._proof = signed.actor, signed.hash
            if actor.kind not in access.WRITERS:
                raise Unauthorised
        except Unauthorised as error:
            self._app.metrics.refused("imap", error.code)
            if self._sign_ins >= MAX_SIGN_INS:
                raise Bye("Trop d'essais / Too many attempts") from error
            raise No("Adresse ou mot de passe incorrect / Wrong address or password", "AUTHENTICATIONFAILED") from error
        except Throttled as error:
            self._app.metrics.refused("imap", error.code)
            raise No(
                "Trop d'essais, attendez quelques minutes / Too many attempts, wait a few minutes", "LIMIT"
            ) from error
        if not self._keeper.signed_in(actor.mailbox_id):
            raise Bye("[LIMIT] Trop de connexions / Too many connections")
        try:
            self._box = await access.mailbox(self._app, actor)
        except BaseException:
            self._keeper.signed_out(actor.mailbox_id)
            raise
        self._checked = time.monotonic()
        self._keeper.sign_ins.enter(self, self._proof)
        self._desk = Desk(self._app, self._wire, self._box, self._still_in_force)
        return f"OK [CAPABILITY {self._capabilities()}] Bonjour / Hello"
