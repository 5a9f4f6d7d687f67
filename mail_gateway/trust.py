"""Which operators we exchange mail with, and the TLS that proves who they are.

A trusted operator is a row: a domain, and a certificate that vouches for it (or, as on the published white list, only
the certificate's subject). TLS proves that a peer holds a certificate that is one of those, or that is signed by
`tls_ca`; `Trust` then says for which domains it may speak. Both halves are needed: a certificate of the right
authority and the wrong domain says nothing.

Promises: what was added or removed counts within `FRESH_S` seconds, on open connections too (each MAIL asks again),
even when another process changed it. A context without a trusted certificate trusts nobody. Does not check revocation
lists: to withdraw trust, remove the row.

RFC 3207 (STARTTLS), RFC 4514 (subjects), MSSanté white list (`DNCertificatOperateur`).
"""

from __future__ import annotations

import re
import ssl
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from server.errors import Invalid
from server.settings import BadSettings, Settings
from storage import operators as rows
from storage.operators import Operator

if TYPE_CHECKING:
    from server.app import App

log = structlog.get_logger()

FRESH_S = 5.0
_DOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?)+")


@dataclass(frozen=True, slots=True)
class Trust:
    """The trusted operators at one moment, and the TLS contexts made of them."""

    listed: tuple[Operator, ...]
    incoming: ssl.SSLContext  # the MX door: a client certificate is asked for, and verified when shown
    outgoing: ssl.SSLContext  # to other operators' servers: theirs is verified, ours is shown
    read_at: float = field(default_factory=time.monotonic)
    _spoken: dict[bytes, frozenset[str]] = field(default_factory=dict, repr=False)

    def knows(self, domain: str) -> bool:
        """Whether any operator is trusted for this domain."""
        return any(operator.domain == domain for operator in self.listed)

    def domains(self, certificate: bytes | None) -> frozenset[str]:
        """The domains a peer may speak for, by the certificate (DER) that TLS verified; none without one."""
        if certificate is None:
            return frozenset()
        known = self._spoken.get(certificate)  # asked three times a letter, and parsing costs 0.1 ms
        if known is None:
            if len(self._spoken) > 1000:
                self._spoken.clear()
            known = self._spoken[certificate] = self._domains(x509.load_der_x509_certificate(certificate))
        return known

    def _domains(self, found: x509.Certificate) -> frozenset[str]:
        fingerprint, subject = found.fingerprint(SHA256()).hex(), _plain_subject(found.subject.rfc4514_string())
        return frozenset(
            operator.domain
            for operator in self.listed
            if operator.fingerprint == fingerprint
            or (not operator.fingerprint and subject and _plain_subject(operator.subject) == subject)
        )


_known: WeakKeyDictionary[App, Trust] = WeakKeyDictionary()


async def current(app: App) -> Trust:
    """The trust in force. Raises `BadSettings` without TLS material, `DatabaseDown`."""
    trust = _known.get(app)
    if trust is None or time.monotonic() - trust.read_at > FRESH_S:
        return await reload(app)
    return trust


async def reload(app: App) -> Trust:
    """Read the operators again. The contexts are made anew only when they changed: a context cannot unlearn."""
    listed = tuple(await app.db.read(rows.every))
    known = _known.get(app)
    if known is not None and known.listed == listed:
        trust = replace(known, read_at=time.monotonic())
    else:
        trust = Trust(listed, _incoming(app.settings, listed), _outgoing(app.settings, listed))
        log.info("trust.loaded", certificates=len(listed))
    _known[app] = trust
    return trust


async def add(app: App, domain: str, pem: bytes = b"", subject: str = "") -> Operator:
    """Trust a domain by its certificate, or by the subject of a certificate that `tls_ca` signs. Raises `Invalid`."""
    domain = domain.strip().lower()
    if not _DOMAIN.fullmatch(domain):
        raise Invalid("bad_domain", "Ce domaine n’est pas un nom de domaine.")
    if domain in (app.settings.mail_domain.lower(), app.settings.patient_domain.lower()):
        raise Invalid("own_domain", "Ce domaine est le nôtre : personne d’autre ne parle en son nom.")
    if pem:
        certificate = _certificate(pem)
        operator = Operator(
            domain,
            certificate.fingerprint(SHA256()).hex(),
            certificate.subject.rfc4514_string(),
            certificate.public_bytes(Encoding.PEM).decode("ascii"),
        )
    elif subject.strip():
        operator = Operator(domain, "", subject.strip(), "")
    else:
        raise Invalid("no_certificate", "Il faut un certificat, ou le sujet d’un certificat.")
    await app.db.write(rows.insert, operator)
    if app in _known:
        await reload(app)
    return operator


async def remove(app: App, domain: str, fingerprint: str = "") -> int:
    """Trust a domain no longer, or not by that certificate. Returns how many rows went."""
    gone = await app.db.write(rows.remove, domain.strip().lower(), fingerprint.strip().lower())
    if app in _known:
        await reload(app)
    return gone


async def operators(app: App) -> list[Operator]:
    """Every trusted certificate, by domain."""
    return await app.db.read(rows.every)


def server_context(settings: Settings) -> ssl.SSLContext:
    """TLS for the doors that recognise people by password. Raises `BadSettings` without a certificate to show."""
    if not (settings.tls_certificate and settings.tls_key):
        raise BadSettings("tls_certificate, tls_key: the mail doors do not open without them")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # ECO.1.1.1
    context.options |= ssl.OP_NO_RENEGOTIATION
    try:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise BadSettings(f"tls_certificate, tls_key: cannot be used ({type(error).__name__})") from error
    return context


def _incoming(settings: Settings, listed: tuple[Operator, ...]) -> ssl.SSLContext:
    context = server_context(settings)
    # Optional, so that a peer without a certificate hears 550 5.7.1 and not a broken handshake; a wrong one breaks it.
    context.verify_mode = ssl.CERT_OPTIONAL
    context.num_tickets = 0  # each session shows its certificate again: a resumed one would outlive its trust
    _anchor(context, settings, listed)
    return context


def _outgoing(settings: Settings, listed: tuple[Operator, ...]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False  # a pinned certificate or the name: `outbound` looks at both once the chain is good
    context.verify_mode = ssl.CERT_REQUIRED
    if settings.tls_certificate and settings.tls_key:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    if not settings.tls_ca:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    _anchor(context, settings, listed)
    return context


def _anchor(context: ssl.SSLContext, settings: Settings, listed: tuple[Operator, ...]) -> None:
    """Believe the authority of the settings, and each operator's own certificate even when its authority is unknown."""
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if settings.tls_ca:
        context.load_verify_locations(cafile=settings.tls_ca)
    pem = "".join({operator.certificate for operator in listed if operator.certificate})
    if pem:
        context.load_verify_locations(cadata=pem)


def _certificate(pem: bytes) -> x509.Certificate:
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise Invalid("bad_certificate", "Ce fichier n’est pas un certificat PEM.") from error
    if certificate.not_valid_after_utc <= datetime.now(UTC):
        raise Invalid("expired_certificate", "Ce certificat est expiré.")
    return certificate


def _plain_subject(subject: str) -> str:
    """RFC 4514 compared as people write it: no blank around commas, no difference of case."""
    return ",".join(piece.strip() for piece in subject.split(",")).casefold()
