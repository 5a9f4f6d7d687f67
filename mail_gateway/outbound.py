"""The SMTP channels: what is owed to somebody elsewhere leaves as a mail, to a trusted operator and nobody else.

    mail     a message → its contact's address → trusted? → the peer's turn → the mail (`rendition`) → signed → out
    notice   an automatic mail, complete, from the null path (`notices`)
    receipt  what a reading owes (`receipts`)

Promises: health data is never relayed to a domain outside the trusted operators. 4xx, silence and our own faults are
`Temporary`; 5xx to the letter itself is `Permanent`, with a reason for the person who wrote. The octets of a message
are those of its rendition: what is added at the door (`dressed`: X-MSS-NIL, DKIM) stands above them. An automatic mail
that fails is dropped and counted: nothing answers it (RFC 3834 § 2). A large mail is in memory only in its turn.

Connections, and what they promise, are `peers`'.
"""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from mail_gateway import dkim, dsn, notices, trust
from mail_gateway.compose import failure_report
from mail_gateway.handover import Outgoing
from mail_gateway.headers import Headers, Mailbox, addresses
from mail_gateway.peers import Peers
from mail_gateway.receipts import ReceiptChannel
from mail_gateway.rendition import as_mail
from mail_gateway.smtp_syntax import from_xtext
from mail_gateway.trust import Trust
from server import reading
from server.delivery import Channel, Held, Parcel, Permanent, Temporary
from server.drafts import MailFacts
from server.formats.malformed import Malformed
from server.settings import BadSettings
from server.undelivered import News, Reporter
from storage import conversations
from storage.deliveries import Delivery
from storage.ids import new_id, now_ms
from storage.vault import SpaceKeys

if TYPE_CHECKING:
    from server.app import App
    from server.reading import OpenMessage

MADE_AT_ONCE = 8  # mails made ready together, so that the database keeps several in one commit
SMALL = 32 * 1024  # octets of a mail that may wait in memory: two thousand do
_OUTSIDE = "Son domaine ne fait pas partie des messageries de santé reconnues."


def channels(app: App, peers: Peers | None = None) -> tuple[Channel, ...]:
    """Every way out by SMTP, on connections that close with the worker; and who reports to professionals."""
    way_out = WayOut(app, peers or Peers(app))
    app.delivery.on_close.append(way_out.peers.close)
    app.delivery.reporter = reporter(app)
    return MailChannel(app, way_out), NoticeChannel(way_out), ReceiptChannel(app, way_out.send)


class WayOut:
    """A mail to an address elsewhere: to trusted operators only, signed."""

    def __init__(self, app: App, peers: Peers) -> None:
        self.app, self.peers = app, peers
        self._keys = dkim.load(app.settings)

    async def trusted(self, domain: str) -> Trust:
        """The trust in force, which knows this domain. Raises `Temporary`, `Permanent`."""
        try:
            trusted = await trust.current(self.app)
        except BadSettings as error:
            raise Temporary("no_tls") from error
        if not trusted.knows(domain):
            raise Permanent("untrusted_domain", _OUTSIDE, "5.7.1")
        return trusted

    async def send(self, address: str, mail: bytes) -> None:
        """An automatic mail. Raises `Temporary` (`Held`), `Permanent`."""
        domain = address.rpartition("@")[2].lower()
        trusted = await self.trusted(domain)
        async with self.peers.turn(domain):
            await self.peers.deliver(domain, Outgoing("", address, await self.dressed(mail), notify="NEVER"), trusted)

    async def dressed(self, mail: bytes) -> bytes:
        """What every mail that leaves bears: our product's number (ECO.2.4.3), and its domain's signature."""
        header = mail[: mail.find(b"\r\n\r\n") + 2]
        if self.app.settings.mss_nil and b"\nx-mss-nil:" not in b"\n" + header.lower():
            mail = f"X-MSS-NIL: {self.app.settings.mss_nil}\r\n".encode("ascii") + mail
        return await dkim.signed(self._keys, sender(mail).rpartition("@")[2].lower(), mail)


class MailChannel:
    """The channel named `mail`. Its target is `{"contact": id}`: a contact of the message's space."""

    name = "mail"

    def __init__(self, app: App, way_out: WayOut) -> None:
        self._app, self._way_out = app, way_out
        self._making = asyncio.Semaphore(MADE_AT_ONCE)

    async def send(self, parcel: Parcel) -> None:
        """Returns when the recipient's server has taken the mail. Raises `Temporary` (`Held`), `Permanent`."""
        address = await self._address(parcel)
        domain = address.rpartition("@")[2].lower()
        trusted = await self._way_out.trusted(domain)
        self._way_out.peers.may_take(domain)
        opened, mail = await self._make(parcel)
        async with self._way_out.peers.turn(domain):
            mail = mail or await as_mail(self._app, parcel.keys, opened)
            author = sender(mail)
            if author and not self._ours(author):
                return  # whoever wrote it elsewhere chose whom it goes to; their operator sends it, and speaks for it
            mail = await self._way_out.dressed(mail)
            letter = Outgoing(author, address, mail, envelope_id(parcel.delivery))
            await self._way_out.peers.deliver(domain, letter, trusted)
        await dsn.passed_on(self._app, parcel.keys, opened, mail, address)

    async def _make(self, parcel: Parcel) -> tuple[OpenMessage, bytes]:
        """The message, and its mail; a large one is made and kept, and left on the disk until its turn (b"")."""
        try:
            async with self._making:
                opened = await reading.open_unchecked(self._app, parcel.keys, parcel.delivery.message_id)
                mail = await as_mail(self._app, parcel.keys, opened)
                return opened, mail if len(mail) <= SMALL else b""
        except asyncio.CancelledError:  # Pli closes: as in `Peers.turn`
            raise Held("closing", now_ms()) from None

    def _ours(self, address: str) -> bool:
        settings = self._app.settings
        return address.rpartition("@")[2].lower() in (settings.mail_domain.lower(), settings.patient_domain.lower())

    async def _address(self, parcel: Parcel) -> str:
        contact = str(parcel.target.get("contact", ""))
        card = await self._app.db.read(conversations.contact_card, parcel.keys.space_id, contact)
        if card is None:
            raise Permanent("no_contact", "Ce correspondant n’est plus connu ici.")
        return str(msgspec.json.decode(parcel.keys.open("contact", contact, card))["address"])


class NoticeChannel:
    """The channel of `notices`: `{"to": address, "mail": its octets in base64}`."""

    name = notices.CHANNEL

    def __init__(self, way_out: WayOut) -> None:
        self._way_out = way_out

    async def send(self, parcel: Parcel) -> None:
        await self._way_out.send(str(parcel.target["to"]), base64.b64decode(parcel.target["mail"]))


def sender(mail: bytes) -> str:
    """The envelope sender: the letter's own From, so that what comes back finds its thread. "" when it has none."""
    end = mail.find(b"\r\n\r\n")
    try:
        found = addresses(Headers(mail[: end + 2]).get("from"))
    except Malformed:
        return ""
    return found[0].address if found else ""


def reporter(app: App) -> Reporter:
    """Who writes to a professional hosted here what became of her letter (RFC 3464), unless she asked not to hear."""

    async def report(keys: SpaceKeys, news: News) -> tuple[str, bytes] | None:
        opened = await reading.open_unchecked(app, keys, news.message_id)
        facts = opened.body.mail or MailFacts()
        if not _wants(facts.dsn_notify, "DELAY" if news.action == "delayed" else "FAILURE"):
            return None
        writer = next((one for one in opened.participants if one.member_id == opened.message.author_id), None)
        host = app.settings.mail_domain
        identifier = f"{new_id()}@{host}"
        mail = failure_report(
            message_id=identifier,
            date=datetime.now(UTC),
            from_=Mailbox("Pli", f"no-reply@{host}"),
            to=Mailbox(writer.name, writer.address) if writer else Mailbox("", f"no-reply@{host}"),
            original=await as_mail(app, keys, opened),
            recipient=news.address,
            reason=news.detail,
            status=news.status,
            reporting_mta=host,
            envelope_id=from_xtext(facts.dsn_envid),
            whole=facts.dsn_ret == "FULL" and news.action == "failed",
            arrived=datetime.fromtimestamp(opened.message.at / 1000, UTC),
            action=news.action,
        )
        return identifier, mail

    return report


def envelope_id(delivery: Delivery) -> str:
    """ENVID: which delivery this is, for whom it is nobody's business but ours."""
    return f"{delivery.space_id}.{delivery.id}"


def _wants(notify: str, what: str) -> bool:
    """RFC 3461 § 4.1: without NOTIFY, failures are told, and delays by custom."""
    asked = {word.strip().upper() for word in notify.split(",") if word.strip()}
    return not asked or what in asked
