"""Trusted operators: whose certificate vouches for which domain. Functions of one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Tx
from storage.ids import now_ms


@dataclass(frozen=True, slots=True)
class Operator:
    """One certificate of one domain. `fingerprint`: SHA-256 of the certificate, hexadecimal, "" when only its subject
    is known (the published white list); `certificate`: PEM, "" likewise.
    """

    domain: str
    fingerprint: str
    subject: str
    certificate: str


def insert(tx: Tx, operator: Operator) -> bool:
    """False when it was there. A domain may have several certificates, as on the white list."""
    return bool(
        tx.run(
            "INSERT INTO trusted_operators (domain, fingerprint, subject, certificate, added_at)"
            " VALUES (:domain, :fingerprint, :subject, :certificate, :at) ON CONFLICT DO NOTHING RETURNING domain",
            domain=operator.domain, fingerprint=operator.fingerprint, subject=operator.subject,
            certificate=operator.certificate, at=now_ms(),
        )
    )  # fmt: skip


def remove(tx: Tx, domain: str, fingerprint: str) -> int:
    """Removes one certificate of a domain, or all of them when `fingerprint` is empty. Returns how many."""
    return len(
        tx.run(
            "DELETE FROM trusted_operators WHERE domain = :domain AND (:fingerprint = '' OR fingerprint = :fingerprint)"
            " RETURNING domain",
            domain=domain, fingerprint=fingerprint,
        )
    )  # fmt: skip


def every(tx: Tx) -> list[Operator]:
    rows = tx.run(
        "SELECT domain, fingerprint, subject, certificate FROM trusted_operators ORDER BY domain, fingerprint"
    )
    return [Operator(*row) for row in rows]
