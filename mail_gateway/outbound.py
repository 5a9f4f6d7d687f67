"""The SMTP channel: a message owed to somebody hosted elsewhere leaves as a mail, to a trusted operator and nobody
else.

    parcel → the contact's address → its domain is trusted → the mail (`rendition`) → relay or MX → STARTTLS → 250

Promises: nothing leaves in clear, nor to a server that is not proven: its certificate is one that vouches for the
recipient's domain, or bears the name of the host we looked up, under an authority we trust; health data is never
relayed to a domain outside the trusted operators. 4xx, silence and our own faults are `Temporary`; 5xx to the letter
itself is `Permanent`, with a reason for the person who wrote. No text of the peer is shown or logged. At most
`PER_PEER` connections to one domain; a peer that does not answer is left alone for `DOWN_S`, so that its mail waits
without delaying others'.

RFC 5321 § 5.1 (MX), RFC 3207 (STARTTLS), RFC 7505 (null MX).
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import aiosmtplib
import dns.asyncresolver
import dns.exception
import dns.resolver
import msgspec
import structlog
from cryptography import x509

from mail_gateway import trust
from mail_gateway.headers import Headers, addresses
from mail_gateway.malformed import Malformed
from mail_gateway.rendition import as_mail
from mail_gateway.trust import Trust
from server import reading
from server.delivery import Parcel, Permanent, Temporary
from server.settings import BadSettings
from storage import conversations

if TYPE_CHECKING:
    from server.app import App

log = structlog.get_logger()

PER_PEER = 4
DOWN_S = 60.0
CONNECT_S = 15.0
COMMAND_S = 60.0
SMTP_PORT = 25

_REASONS = (
    ("5.1.", "Son adresse n’existe pas, ou n’existe plus."),
    ("5.2.2", "Sa boîte est pleine."),
    ("5.2.", "Sa boîte ne reçoit plus de messages."),
    ("5.3.4", "Le message est trop lourd pour son serveur."),
    ("5.7.", "Son serveur a refusé le message."),
)
_REFUSED = "Son serveur a refusé le message."
_OUTSIDE = "Son domaine ne fait pas partie des messageries de santé reconnues."


class MailChannel:
    """The channel named `mail`. Its target is `{"contact": id}`: a contact of the message's space."""

    name = "mail"

    def __init__(self, app: App, resolver: dns.asyncresolver.Resolver | None = None) -> None:
        self._app = app
        self._resolver = resolver  # the system's when None
        self._peers: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._down: dict[str, float] = {}

    async def send(self, parcel: Parcel) -> None:
        """Returns when the recipient's server has taken the mail. Raises `Temporary`, `Permanent`."""
        address = await self._address(parcel)
        domain = address.rpartition("@")[2].lower()
        try:
            trusted = await trust.current(self._app)
        except BadSettings as error:
            raise Temporary("no_tls") from error
        if not trusted.knows(domain):
            raise Permanent("untrusted_domain", _OUTSIDE)
        opened = await reading.open_unchecked(self._app, parcel.keys, parcel.delivery.message_id)
        mail = await as_mail(self._app, parcel.keys, opened)
        sender = _sender(mail)
        if sender and not self._ours(sender):
            return  # whoever wrote it elsewhere chose whom it goes to; their operator sends it, and speaks for it
        peer = self._peers.setdefault(domain, asyncio.Semaphore(PER_PEER))
        async with peer:
            if self._down.get(domain, 0.0) > time.monotonic():
                raise Temporary("peer_down")
            await self._deliver(domain, sender, address, mail, trusted)

    def _ours(self, address: str) -> bool:
        settings = self._app.settings
        return address.rpartition("@")[2].lower() in (settings.mail_domain.lower(), settings.patient_domain.lower())

    async def _address(self, parcel: Parcel) -> str:
        contact = str(parcel.target.get("contact", ""))
        card = await self._app.db.read(conversations.contact_card, parcel.keys.space_id, contact)
        if card is None:
            raise Permanent("no_contact", "Ce correspondant n’est plus connu ici.")
        return str(msgspec.json.decode(parcel.keys.open("contact", contact, card))["address"])

    async def _deliver(self, domain: str, sender: str, recipient: str, mail: bytes, trusted: Trust) -> None:
        """Try the servers of the domain in order: the next one when the last could not be talked to at all."""
        failure = Temporary("no_server")
        for host, port in await self.servers(domain):
            try:
                async with self._connection(host, port, domain, trusted) as client:
                    await _hand_over(client, sender, recipient, mail)
                return
            except Temporary as error:
                failure = error
                if error.code.startswith("smtp_"):
                    raise
        self._down = {name: until for name, until in self._down.items() if until > time.monotonic()}
        self._down[domain] = time.monotonic() + DOWN_S
        raise failure

    async def servers(self, domain: str) -> list[tuple[str, int]]:
        if self._app.settings.mail_relay:
            host, _, port = self._app.settings.mail_relay.rpartition(":")
            return [(host.strip("[]"), int(port))]
        try:
            resolver = self._resolver or dns.asyncresolver.get_default_resolver()
            answer = await resolver.resolve(domain, "MX", lifetime=CONNECT_S)
        except dns.resolver.NoAnswer:
            return [(domain, SMTP_PORT)]  # § 5.1: the implicit MX
        except dns.resolver.NXDOMAIN:
            raise Permanent("no_domain", "Son domaine n’existe pas, ou n’existe plus.") from None
        except dns.exception.DNSException:
            raise Temporary("dns") from None
        found = sorted((record.preference, record.exchange.to_text(omit_final_dot=True)) for record in answer)
        if found == [(0, ".")] or not found:  # RFC 7505
            raise Permanent("no_mail", "Son domaine ne reçoit pas de courrier.")
        return [(host, SMTP_PORT) for _, host in found[:5]]

    @asynccontextmanager
    async def _connection(self, host: str, port: int, domain: str, trusted: Trust) -> AsyncIterator[aiosmtplib.SMTP]:
        """A server of that domain, over proven TLS."""
        client = aiosmtplib.SMTP(
            hostname=host, port=port, local_hostname=self._app.settings.mail_domain, timeout=CONNECT_S, start_tls=False
        )
        try:
            await client.connect()
            await client.ehlo()
            if not client.supports_extension("starttls"):
                raise Temporary("no_starttls")
            await client.starttls(tls_context=trusted.outgoing)
            tls = client.get_transport_info("ssl_object")
            if not _proven(tls.getpeercert(binary_form=True), host, domain, trusted):
                raise Temporary("wrong_certificate")
            client.timeout = COMMAND_S
            yield client
            try:
                await client.quit()
            except (aiosmtplib.SMTPException, OSError):
                pass  # it took the mail; how it says goodbye is its own business
        except (
            aiosmtplib.SMTPResponseException
        ) as error:  # § 4.2.1: said before the letter, it is about the server's mood
            raise Temporary(f"peer_{error.code}") from None
        except ssl.SSLError:
            raise Temporary("tls") from None
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as error:
            log.info("outbound.no_connection", error=type(error).__name__)
            raise Temporary("no_connection") from None
        finally:
            client.close()


async def _hand_over(client: aiosmtplib.SMTP, sender: str, recipient: str, mail: bytes) -> None:
    options = ["BODY=8BITMIME"] if not mail.isascii() and client.supports_extension("8bitmime") else []
    try:
        await client.sendmail(sender, [recipient], mail, mail_options=options)
    except aiosmtplib.SMTPRecipientsRefused as error:
        refused = error.recipients[0]
        _refused(refused.code, refused.message)
    except aiosmtplib.SMTPResponseException as error:
        _refused(error.code, error.message)


def _refused(code: int, text: str) -> None:
    if 500 <= code < 600 and code != 521:  # 521, 421: the host takes no mail now, whatever the letter
        status = text.partition(" ")[0]
        raise Permanent(
            f"smtp_{code}", next((reason for start, reason in _REASONS if status.startswith(start)), _REFUSED)
        )
    raise Temporary(f"smtp_{code}")


def _sender(mail: bytes) -> str:
    """The envelope sender: the letter's own From, so that what comes back finds its thread. "" when it has none."""
    end = mail.find(b"\r\n\r\n")
    try:
        found = addresses(Headers(mail[: end + 2]).get("from"))
    except Malformed:
        return ""
    return found[0].address if found else ""


def _proven(certificate: bytes | None, host: str, domain: str, trusted: Trust) -> bool:
    """Whether a certificate whose chain is good is the right one: it vouches for the domain, or bears the host's
    name.
    """
    if certificate is None:
        return False
    return domain in trusted.domains(certificate) or _bears(certificate, host)


def _bears(certificate: bytes, host: str) -> bool:
    """RFC 6125 § 6.4: the host, whole, among the alternative names. A star stands for nobody."""
    try:
        names = (
            x509.load_der_x509_certificate(certificate)
            .extensions.get_extension_for_class(x509.SubjectAlternativeName)
            .value
        )
    except (x509.ExtensionNotFound, ValueError):
        return False
    try:
        return ipaddress.ip_address(host) in names.get_values_for_type(x509.IPAddress)
    except ValueError:
        pass
    known = {name.lower().rstrip(".") for name in names.get_values_for_type(x509.DNSName)}
    return host.lower().rstrip(".") in known
