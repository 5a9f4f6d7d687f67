"""Certificates for the tests: our server's, a good operator's, and those that must not open the door.

Everything is made by `server.certificates`, the authority of the demonstration, in a folder of the test's own.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

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
        folder = self.ours.certificate.parent
        certificate_path, key_path = folder / f"self-{domain}.pem", folder / f"self-{domain}.key"
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, domain)])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .sign(key, hashes.SHA256())
        )
        certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        plain = serialization.NoEncryption()
        key_path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
        return certificate_path, key_path


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
