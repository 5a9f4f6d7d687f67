"""Which operators we exchange mail with, and the TLS that proves who they are.

An operator is trusted by hand (a domain, and a certificate that vouches for it) or by the published white list (a
domain, and the subject of a certificate). TLS proves that a peer holds a certificate that is one of the former, or
that `tls_ca` issued; `Trust` then says for which domains it may speak. Both halves are needed: a certificate of the
right authority and the wrong domain says nothing.

Promises: what was added, removed or published counts within `FRESH_S` seconds, on open connections too (each MAIL asks
again), even when another process changed it; so does a revocation (`revocation`). A subject counts only in a
certificate that an authority of `tls_ca` issued: a certificate trusted by hand may be written by anybody. Thousands of
listed domains cost a MAIL one look in a dictionary. A context without a trusted certificate trusts nobody.

RFC 3207 (STARTTLS), RFC 4514 (subjects), MSSanté white list (`DNCertificatOperateur`).
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from mail_gateway import revocation, subjects
from mail_gateway.revocation import Lists, Standing
from mail_gateway.subjects import Subject
from mail_gateway.whitelist import is_domain
from server.errors import Invalid
from server.formats.malformed import Malformed
from server.settings import BadSettings, Settings
from storage import operators as rows
from storage.database import Tx
from storage.operators import Entry, ListInForce, Operator

if TYPE_CHECKING:
    from server.app import App

log = structlog.get_logger()

FRESH_S = 5.0
LIST = "mssante"  # the published list, by its name in the tables


@dataclass(frozen=True, slots=True)
class Published:
    """The white list in force, indexed by what is asked of it."""

    digest: str = ""
    domains: frozenset[str] = frozenset()
    by_subject: dict[Subject, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Peer:
    """What a certificate (until its end) says of who shows it."""

    domains: frozenset[str]
    standing: Standing
    until: datetime


@dataclass(frozen=True, slots=True)
class Trust:
    """The trusted operators at one moment, and the TLS contexts made of them."""

    listed: tuple[Operator, ...]  # by hand
    published: Published
    revoked: Lists
    incoming: ssl.SSLContext  # the MX door: a client certificate is asked for, and verified when shown
    outgoing: ssl.SSLContext  # to other operators' servers: theirs is verified, ours is shown
    read_at: float = field(default_factory=time.monotonic)
    _spoken: dict[bytes, Peer] = field(default_factory=dict, repr=False)

    def knows(self, domain: str) -> bool:
        """Whether any operator is trusted for this domain."""
        return domain in self.published.domains or any(operator.domain == domain for operator in self.listed)

    def domains(self, certificate: bytes | None) -> frozenset[str]:
        """The domains a peer may speak for, by the certificate (DER) that TLS verified; none without one, nor with one
        that is revoked, over, or of which no revocation list can tell.
        """
        peer = self._peer(certificate)
        return peer.domains if peer is not None and peer.standing == "good" else frozenset()

    def in_doubt(self, certificate: bytes | None) -> bool:
        """Whether a certificate would vouch for a domain if a revocation list could tell that it still holds: our
        fault, so 4xx.
        """
        peer = self._peer(certificate)
        return peer is not None and bool(peer.domains) and peer.standing == "unknown"

    def standing(self, certificate: bytes) -> Standing:
        """Whether a certificate that TLS verified is revoked, whatever it vouches for."""
        peer = self._peer(certificate)
        return "unknown" if peer is None else peer.standing

    def _peer(self, certificate: bytes | None) -> Peer | None:
        if certificate is None:
            return None
        known = self._spoken.get(certificate)  # asked three times a letter, and parsing costs 0.1 ms
        if known is None:
            if len(self._spoken) > 1000:
                self._spoken.clear()
            known = self._spoken[certificate] = self._judge(x509.load_der_x509_certificate(certificate))
        return known if datetime.now(UTC) < known.until else None

    def _judge(self, found: x509.Certificate) -> Peer:
        fingerprint = found.fingerprint(SHA256()).hex()
        by_hand = {operator.domain for operator in self.listed if operator.fingerprint == fingerprint}
        pinned = any(operator.fingerprint == fingerprint for operator in self.listed)
        by_subject = self._by_subject(found) if self._may_be_named(found, pinned) else frozenset[str]()
        standing = self.revoked.standing(found, pinned=pinned)
        if standing != "good" and by_subject | by_hand:
            log.warning("trust.certificate_refused", standing=standing, fingerprint=fingerprint)
        return Peer(by_subject | by_hand, standing, found.not_valid_after_utc)

    def _may_be_named(self, found: x509.Certificate, pinned: bool) -> bool:
        """TLS verified it by `tls_ca`, unless it is one that is trusted by hand: then its issuer is looked at."""
        authorities = self.revoked.authorities
        return bool(authorities) and (not pinned or revocation.issuer_of(found, authorities) is not None)

    def _by_subject(self, found: x509.Certificate) -> frozenset[str]:
        try:
            subject = subjects.of(found)
        except Malformed:
            return frozenset()
        named = (operator for operator in self.listed if not operator.fingerprint)
        by_hand = {operator.domain for operator in named if _subject(operator.subject) == subject}
        return self.published.by_subject.get(subject, frozenset()) | by_hand


_known: WeakKeyDictionary[App, Trust] = WeakKeyDictionary()
_reading: WeakKeyDictionary[App, asyncio.Lock] = WeakKeyDictionary()


async def current(app: App) -> Trust:
    """The trust in force. Raises `BadSettings` without TLS material, `DatabaseDown`."""
    trust = _known.get(app)
    if trust is not None and time.monotonic() - trust.read_at <= FRESH_S:
        return trust
    return await reload(app, unless_newer_than=trust)


async def reload(app: App, unless_newer_than: Trust | None = None) -> Trust:
    """Read everything again that changed. One reader at a time, so that nobody puts back what another saw go."""
    async with _reading.setdefault(app, asyncio.Lock()):
        known = _known.get(app)
        if known is None or unless_newer_than is None or known is unless_newer_than:
            known = _known[app] = await _read(app, known)
        return known


async def changed(app: App) -> None:
    """What a command wrote counts at once in this process, when it has a mail door."""
    if app in _known:
        await reload(app)


def revocations(app: App) -> Lists | None:
    """The lists of revocations held in this process; None while it has no use for them."""
    known = _known.get(app)
    return known.revoked if known is not None else None


async def _read(app: App, known: Trust | None) -> Trust:
    """The contexts are made anew only when the operators trusted by hand changed: a context cannot unlearn."""
    published = known.published if known is not None else Published()
    listed, in_force, entries = await app.db.read(_what_is_trusted, published.digest)
    if in_force is not None:
        app.metrics.trust_list_taken(in_force.taken_at)
        if entries is not None:
            published = await asyncio.to_thread(_index, in_force.digest, entries)
    authorities = known.revoked.authorities if known is not None else read_authorities(app.settings)
    revoked = await asyncio.to_thread(revocation.load, app.settings, authorities, known.revoked if known else None)
    if known is None or known.listed != listed:
        log.info("trust.loaded", certificates=len(listed), domains=len(published.domains))
        return Trust(listed, published, revoked, _incoming(app.settings, listed), _outgoing(app.settings, listed))
    trust = replace(known, read_at=time.monotonic())
    if published is known.published and revoked is known.revoked:
        return trust
    return replace(trust, published=published, revoked=revoked, _spoken={})


def _what_is_trusted(tx: Tx, digest: str) -> tuple[tuple[Operator, ...], ListInForce | None, list[Entry] | None]:
    """The entries of the list in force only when it is not the one known by `digest`."""
    in_force = rows.list_in_force(tx, LIST)
    fresh = in_force is not None and in_force.digest != digest
    return tuple(rows.every(tx)), in_force, rows.listed(tx, LIST) if fresh else None


def _index(digest: str, entries: Iterable[Entry]) -> Published:
    """A few hundred certificates vouch for thousands of domains: each is read once."""
    by_text: dict[str, set[str]] = {}
    for domain, text in entries:
        by_text.setdefault(text, set()).add(domain)
    by_subject: dict[Subject, frozenset[str]] = {}
    for text, domains in by_text.items():
        if subject := _subject(text):
            by_subject[subject] = by_subject.get(subject, frozenset()) | domains
    return Published(digest, frozenset[str]().union(*by_subject.values()), by_subject)


async def add(app: App, domain: str, pem: bytes = b"", subject: str = "") -> Operator:
    """Trust a domain by its certificate, or by the subject of a certificate that `tls_ca` signs. Raises `Invalid`."""
    domain = domain.strip().lower()
    if not is_domain(domain):
        raise Invalid("bad_domain", "Ce domaine n’est pas un nom de domaine.")
    if domain in own_domains(app.settings):
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
        if not _subject(subject):
            raise Invalid("bad_subject", "Ce sujet de certificat est illisible (RFC 4514).")
        operator = Operator(domain, "", subject.strip(), "")
    else:
        raise Invalid("no_certificate", "Il faut un certificat, ou le sujet d’un certificat.")
    await app.db.write(rows.insert, operator)
    await changed(app)
    return operator


async def remove(app: App, domain: str, fingerprint: str = "") -> int:
    """Trust a domain no longer, or not by that certificate. Returns how many rows went."""
    gone = await app.db.write(rows.remove, domain.strip().lower(), fingerprint.strip().lower())
    await changed(app)
    return gone


def own_domains(settings: Settings) -> tuple[str, str]:
    """Nobody else speaks for these, whatever a list says."""
    return settings.mail_domain.lower(), settings.patient_domain.lower()


async def operators(app: App) -> list[Operator]:
    """Every certificate trusted by hand, by domain."""
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
    if _may_sign(certificate):
        raise Invalid("authority_certificate", "Ce certificat est celui d’une autorité : il faut celui de l’opérateur.")
    return certificate


def _may_sign(certificate: x509.Certificate) -> bool:
    """An authority's certificate, believed as an operator's, would let it name anybody. OpenSSL takes one without
    basic constraints for an authority's when it is of version 1, or may sign certificates.
    """
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        pass
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return certificate.version == x509.Version.v1
    return usage.key_cert_sign


def _subject(text: str) -> Subject:
    """() when it cannot be read: it then names nobody."""
    try:
        return subjects.parse(text)
    except Malformed:
        return ()


def read_authorities(settings: Settings) -> tuple[x509.Certificate, ...]:
    """The certificates of `tls_ca`. Raises `BadSettings`."""
    if not settings.tls_ca:
        return ()
    try:
        return tuple(x509.load_pem_x509_certificates(Path(settings.tls_ca).read_bytes()))
    except (OSError, ValueError) as error:
        raise BadSettings(f"tls_ca: cannot be used ({type(error).__name__})") from error
