"""Certificates for demonstrations and tests: an authority in a folder, and what it issues. Never for production, where
IGC-Santé is.
"""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_PEM = serialization.Encoding.PEM


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "FR"), x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority whose certificate and key are files."""

    certificate: Path
    key: Path

    @classmethod
    def at(cls, folder: Path) -> Authority:
        """The authority of this folder, made at first need."""
        folder.mkdir(parents=True, exist_ok=True)
        found = cls(folder / "authority.pem", folder / "authority.key")
        if not found.certificate.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            _write_key(found.key, key)
            name = _name(f"Pli demonstration authority {os.urandom(4).hex()}")
            certificate = (
                _builder(name, name, key.public_key(), timedelta(days=3650))
                .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
                .add_extension(_usage(sign_certificates=True), critical=True)
                .sign(key, hashes.SHA256())
            )
            found.certificate.write_bytes(certificate.public_bytes(_PEM))
        return found

    def issue(
        self,
        name: str,
        hosts: list[str],
        *,
        server: bool = False,
        lasts: timedelta = timedelta(days=825),
        common: str = "",
    ) -> tuple[Path, Path]:
        """(certificate, key) files for these host names, for clients and, with `server`, servers too. Made
        once a name.
        """
        certificate_path, key_path = (
            self.certificate.with_name(f"{name}.pem"),
            self.certificate.with_name(f"{name}.key"),
        )
        if certificate_path.exists():
            return certificate_path, key_path
        issuer = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        issuer_key = serialization.load_pem_private_key(self.key.read_bytes(), None)
        assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)  # noqa: S101 - we made it
        key = ec.generate_private_key(ec.SECP256R1())
        _write_key(key_path, key)
        purposes = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if server else [])]
        names: list[x509.GeneralName] = [x509.DNSName(host) for host in hosts]
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        certificate = (
            _builder(_name(common or hosts[0]), issuer.subject, key.public_key(), lasts)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(sign_certificates=False), critical=True)
            .sign(issuer_key, hashes.SHA256())
        )
        certificate_path.write_bytes(certificate.public_bytes(_PEM))
        return certificate_path, key_path


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=sign_certificates, crl_sign=sign_certificates, encipher_only=False,
        decipher_only=False,
    )  # fmt: skip


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, lasts: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1) if lasts > timedelta(0) else now - timedelta(days=400))
        .not_valid_after(now + lasts)
    )
