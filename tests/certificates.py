"""Certificates for the tests: our server's, a good operator's, and those that must not open the door.

Everything is made by `server.certificates`, the authority of the demonstration, in a folder of the test's own.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zlib import crc32

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from server.certificates import Authority

Pair = tuple[Path, Path]  # certificate, key


@dataclass(frozen=True)
class Certificates:
    """`ours` signs our server's and the operators' whom we know; `theirs` is an authority that nobody here trusts."""

    ours: Authority
    theirs: Authority

    @classmethod
    def at(cls, folder: Path) -> Certificates:
        return cls(Authority.at(folder), Authority.at(folder / "theirs"))

    def operator(self, domain: str = "operator.example") -> Pair:
        """An operator's, by the authority we trust; also good for its server."""
        return self.ours.issue(f"of-{domain}", [domain, f"mx.{domain}"], server=True)

    def stranger(self, domain: str = "operator.example") -> Pair:
        """One that says the same domain, by an authority we do not trust."""
        return self.theirs.issue(f"of-{domain}", [domain], server=True)

    def expired(self, domain: str = "operator.example") -> Pair:
        return self.ours.issue(f"expired-{domain}", [domain], lasts=timedelta(days=-1))

    def self_signed(self, domain: str = "operator.example") -> Pair:
        """One that its owner signed."""
        return make(self.folder, f"self-{domain}", f"CN={domain}")

    def named(self, subject: str) -> Pair:
        """One of this whole name (RFC 4514), by the authority we trust, as the white list publishes them."""
        return make(self.folder, f"named-{crc32(subject.encode())}", subject, pair(self.ours))

    @property
    def folder(self) -> Path:
        return self.ours.certificate.parent


def make(
    folder: Path,
    name: str,
    subject: str,
    signer: Pair | None = None,
    *,
    authority: bool = False,
    lasts: timedelta = timedelta(days=1),
) -> Pair:
    """A certificate, signed by its owner or by `signer`, and its key. Made once a name of file."""
    certificate_path, key_path = folder / f"{name}.pem", folder / f"{name}.key"
    if certificate_path.exists():
        return certificate_path, key_path
    key = ec.generate_private_key(ec.SECP256R1())
    owner = x509.Name.from_rfc4514_string(subject)
    issuer, issuer_key = (owner, key) if signer is None else (_certificate(signer).subject, _key(signer))
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(owner)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + lasts)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    )
    if authority:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    certificate = builder.sign(issuer_key, hashes.SHA256())
    certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    key_path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return certificate_path, key_path


def revocations(
    signer: Pair,
    *revoked: Pair,
    since: timedelta = timedelta(hours=-1),
    lasts: timedelta = timedelta(days=1),
    extension: x509.ExtensionType | None = None,
) -> x509.CertificateRevocationList:
    """The list of what an authority took back: made at `since` from now, good until `lasts` from now."""
    now = datetime.now(UTC)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(_certificate(signer).subject)
        .last_update(now + since)
        .next_update(now + lasts)
    )
    if extension is not None:
        builder = builder.add_extension(extension, critical=True)
    for pair in revoked:
        serial = _certificate(pair).serial_number
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - timedelta(hours=2)).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(_key(signer), hashes.SHA256())


def pem(crl: x509.CertificateRevocationList) -> bytes:
    return crl.public_bytes(serialization.Encoding.PEM)


def pair(authority: Authority) -> Pair:
    return authority.certificate, authority.key


def _certificate(pair: Pair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair[0].read_bytes())


def _key(pair: Pair) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pair[1].read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def client_context(authority: Path, shown: Pair | None = None) -> ssl.SSLContext:
    """TLS of a peer that believes `authority` and shows `shown`."""
    context = ssl.create_default_context(cafile=str(authority))
    if shown is not None:
        context.load_cert_chain(*map(str, shown))
    return context


def server_context(shown: Pair, asks: Path | None = None) -> ssl.SSLContext:
    """TLS of another operator's server; with `asks`, it wants a client certificate of that authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*map(str, shown))
    if asks is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(str(asks))
    return context
