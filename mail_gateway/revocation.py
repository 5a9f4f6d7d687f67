"""Revocation lists (CRL): whether an authority has taken back a certificate it issued.

Lists come as files (`tls_crl`: one, or a folder of them, PEM or DER) and by download (`tls_crl_url`, kept in the data
folder). With either setting, a certificate is good only when a list of its issuer says so.

Promises: a list counts only when its issuer, one of `tls_ca`, signed it; the newest list of each issuer that has not
expired is kept (ECO.1.1.7), even when its file is gone, broken or older by then; what the last list revoked stays
revoked when the list expires; when no list can tell, the answer is "unknown", never "good". Files are looked at again
whenever the trust is. Does not know OCSP, delta or indirect lists: those are passed over. An authority that only the
peer sends has no list here: `tls_ca` must hold the whole chain.

RFC 5280 § 5, § 6.3; MSSanté ECO.1.1.5 to 1.1.7.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.hashes import SHA256

from server.settings import Settings

log = structlog.get_logger()

Standing = Literal["good", "revoked", "unknown"]
Seen = tuple[tuple[str, int, int], ...]  # path, modification (ns), size

MAX_BYTES = 64 * 1024 * 1024
_NEVER = datetime.max.replace(tzinfo=UTC)
_SKEW = timedelta(minutes=5)  # between an authority's clock and ours
_ARMOUR = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Lists:
    """The lists held at one moment, one an authority (by its fingerprint). Not `required`: everything is good."""

    required: bool
    authorities: tuple[x509.Certificate, ...] = ()
    held: dict[bytes, x509.CertificateRevocationList] = field(default_factory=dict)
    seen: Seen = ()
    until: datetime = _NEVER  # when the first of them expires, and answers change

    def standing(self, certificate: x509.Certificate, *, pinned: bool = False) -> Standing:
        """`pinned`: somebody here vouched for this very certificate; of an authority unknown here, that is enough."""
        if not self.required:
            return "good"
        issuer = issuer_of(certificate, self.authorities)
        if issuer is None:
            return "good" if pinned else "unknown"
        found = self._by_its_list(certificate, issuer)
        above = issuer_of(issuer, self.authorities)
        if above is not None and above != issuer and self._by_its_list(issuer, above) == "revoked":
            return "revoked"
        return found

    def _by_its_list(self, certificate: x509.Certificate, issuer: x509.Certificate) -> Standing:
        held = self.held.get(issuer.fingerprint(SHA256()))
        if held is None:
            return "unknown"
        if held.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None:
            return "revoked"
        return "good" if in_force(held, datetime.now(UTC)) else "unknown"

    def facts(self) -> list[dict[str, str]]:
        """Each authority's name, and from when to when its list goes; "" without one."""
        listed = []
        for authority in self.authorities if self.required else ():
            held = self.held.get(authority.fingerprint(SHA256()))  # not by its truth: empty is false
            since, until = (held.last_update_utc, held.next_update_utc) if held is not None else (None, None)
            listed.append({
                "authority": authority.subject.rfc4514_string(),
                "from": since.isoformat() if since else "", "until": until.isoformat() if until else "",
            })  # fmt: skip
        return listed


def load(settings: Settings, authorities: tuple[x509.Certificate, ...], before: Lists | None = None) -> Lists:
    """The lists as their files are now; `before` itself when nothing changed. Blocks on the disk."""
    required = bool(settings.tls_crl or settings.tls_crl_url)
    seen = tuple(_seen(settings)) if required else ()
    now = datetime.now(UTC)
    if before is not None and before.seen == seen and before.required == required and now < before.until:
        return before
    held = dict(before.held) if before is not None else {}
    for path, _, _ in seen:
        for crl in _read(Path(path)):
            for authority in issuers_of(crl, authorities):
                name = authority.fingerprint(SHA256())
                held[name] = _better(crl, held.get(name), now)
    ends = [crl.next_update_utc for crl in held.values() if crl.next_update_utc and crl.next_update_utc > now]
    return Lists(required, authorities, held, seen, min(ends, default=_NEVER))


def parse(data: bytes) -> list[x509.CertificateRevocationList]:
    """Every list in these octets, DER or PEM, that can be used at all; those that are broken are passed over."""
    found = []
    for piece in _ARMOUR.findall(data) or [data]:
        read = x509.load_pem_x509_crl if piece.startswith(b"-----") else x509.load_der_x509_crl
        try:
            crl = read(piece)
            if crl.next_update_utc is not None and _whole(crl):
                found.append(crl)
        except ValueError:
            log.warning("revocation.unreadable")
    return found


def issuers_of(crl: x509.CertificateRevocationList, authorities: Iterable[x509.Certificate]) -> list[x509.Certificate]:
    """The authorities that signed this list, and whose list it therefore is."""
    return [authority for authority in authorities if crl.issuer == authority.subject and _signed(crl, authority)]


def issuer_of(certificate: x509.Certificate, authorities: Sequence[x509.Certificate]) -> x509.Certificate | None:
    """The authority, of those we believe, that signed this certificate."""
    for authority in authorities:
        if certificate.issuer == authority.subject:
            try:
                certificate.verify_directly_issued_by(authority)
            except (InvalidSignature, ValueError, TypeError):
                continue
            return authority
    return None


def folder(settings: Settings) -> Path:
    """Where downloaded lists are kept."""
    return settings.data_dir / "crl"


def _seen(settings: Settings) -> Iterable[tuple[str, int, int]]:
    places = [Path(settings.tls_crl)] if settings.tls_crl else []
    if settings.tls_crl_url:
        places.append(folder(settings))
    for place in places:
        for path in sorted(place.iterdir()) if place.is_dir() else [place]:
            try:
                found = path.stat()
            except OSError:
                continue  # gone since: what it said is still held
            if path.is_file() and path.suffix != ".new":
                yield str(path), found.st_mtime_ns, found.st_size


def _read(path: Path) -> list[x509.CertificateRevocationList]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise OSError
        return parse(path.read_bytes())
    except OSError:
        log.warning("revocation.unreadable")
        return []


def _whole(crl: x509.CertificateRevocationList) -> bool:
    """Whether it tells of every certificate of a peer that its issuer took back, for whatever reason."""
    for extension in crl.extensions:
        value = extension.value
        if isinstance(value, x509.DeltaCRLIndicator):
            return False
        if isinstance(value, x509.IssuingDistributionPoint):
            if value.indirect_crl or value.only_some_reasons or value.only_contains_attribute_certs:
                return False
            if value.only_contains_ca_certs:
                return False
        elif extension.critical:
            return False  # RFC 5280 § 5.2: not understood
    return True


def _signed(crl: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    try:
        return crl.is_signature_valid(authority.public_key())  # type: ignore[arg-type]  # others: TypeError
    except (ValueError, TypeError):
        return False


def in_force(crl: x509.CertificateRevocationList, now: datetime) -> bool:
    until = crl.next_update_utc
    return until is not None and crl.last_update_utc <= now + _SKEW and now < until


def _better(
    one: x509.CertificateRevocationList, other: x509.CertificateRevocationList | None, now: datetime
) -> x509.CertificateRevocationList:
    """The one in force; of two, the newer, so that an old file cannot give back what was taken."""
    if other is None:
        return one
    return max(one, other, key=lambda crl: (in_force(crl, now), crl.last_update_utc))
