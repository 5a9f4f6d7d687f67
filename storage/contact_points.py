"""Where somebody is reached outside Pli: e-mail addresses and telephone numbers. Functions of one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Tx
from storage.ids import now_ms
from storage.vault import Sealed


@dataclass(frozen=True, slots=True)
class ContactPoint:
    """`value` is sealed, by the point's id. kind: email, phone."""

    id: str
    kind: str
    value: bytes
    created_at: int
    verified_at: int | None


def insert(tx: Tx, account_id: str, point_id: str, kind: str, value: Sealed) -> None:
    """A point that waits for its code; those that waited before it are given up."""
    tx.run(
        "UPDATE contact_points SET ended_at = :at"
        " WHERE account_id = :a AND verified_at IS NULL AND ended_at IS NULL AND kind = :kind",
        a=account_id,
        kind=kind,
        at=now_ms(),
    )
    tx.run(
        "INSERT INTO contact_points (account_id, id, kind, value, created_at) VALUES (:a, :id, :kind, :value, :at)",
        a=account_id,
        id=point_id,
        kind=kind,
        value=value,
        at=now_ms(),
    )


def of_account(tx: Tx, account_id: str) -> list[ContactPoint]:
    """Those in force, the oldest first; those that wait for their code too."""
    rows = tx.run(
        "SELECT id, kind, value, created_at, verified_at FROM contact_points"
        " WHERE account_id = :a AND ended_at IS NULL ORDER BY created_at, id",
        a=account_id,
    )
    return [ContactPoint(*row) for row in rows]


def verify(tx: Tx, account_id: str, point_id: str) -> bool:
    """Its code was given. True for exactly one caller."""
    return bool(
        tx.run(
            "UPDATE contact_points SET verified_at = :at"
            " WHERE account_id = :a AND id = :id AND verified_at IS NULL AND ended_at IS NULL RETURNING id",
            a=account_id,
            id=point_id,
            at=now_ms(),
        )
    )


def end(tx: Tx, account_id: str, point_id: str) -> bool:
    """True when it was in force."""
    return bool(
        tx.run(
            "UPDATE contact_points SET ended_at = :at WHERE account_id = :a AND id = :id AND ended_at IS NULL"
            " RETURNING id",
            a=account_id,
            id=point_id,
            at=now_ms(),
        )
    )
