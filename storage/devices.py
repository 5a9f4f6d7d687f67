"""Browsers that somebody chose to trust, by a hash of the secret each holds. Functions of one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Tx
from storage.ids import now_ms
from storage.vault import Sealed


@dataclass(frozen=True, slots=True)
class Device:
    """`name` is sealed, by the device's id."""

    id: str
    name: bytes
    created_at: int
    seen_at: int


def insert(tx: Tx, account_id: str, device_id: str, hashed: str, name: Sealed, until: int) -> None:
    tx.run(
        "INSERT INTO devices (account_id, id, hash, name, created_at, seen_at, until_at)"
        " VALUES (:a, :id, :h, :name, :at, :at, :until)",
        a=account_id,
        id=device_id,
        h=hashed,
        name=name,
        at=now_ms(),
        until=until,
    )


def by_hash(tx: Tx, account_id: str, hashed: str) -> Device | None:
    """The device in force that holds this secret, for this account."""
    rows = tx.run(
        "SELECT id, name, created_at, seen_at FROM devices"
        " WHERE hash = :h AND account_id = :a AND ended_at IS NULL AND until_at > :now",
        h=hashed,
        a=account_id,
        now=now_ms(),
    )
    return Device(*rows[0]) if rows else None


def of_account(tx: Tx, account_id: str) -> list[Device]:
    """Those in force, newest use first."""
    rows = tx.run(
        "SELECT id, name, created_at, seen_at FROM devices WHERE account_id = :a AND ended_at IS NULL"
        " AND until_at > :now ORDER BY seen_at DESC, id",
        a=account_id,
        now=now_ms(),
    )
    return [Device(*row) for row in rows]


def seen(tx: Tx, account_id: str, device_id: str) -> None:
    tx.run("UPDATE devices SET seen_at = :at WHERE account_id = :a AND id = :d", at=now_ms(), a=account_id, d=device_id)


def end(tx: Tx, account_id: str, device_id: str) -> bool:
    """True when it was in force."""
    return bool(
        tx.run(
            "UPDATE devices SET ended_at = :at WHERE account_id = :a AND id = :d AND ended_at IS NULL RETURNING id",
            at=now_ms(),
            a=account_id,
            d=device_id,
        )
    )


def end_others(tx: Tx, account_id: str, but: str = "") -> None:
    """All of them, but for the one of this id."""
    tx.run(
        "UPDATE devices SET ended_at = :at WHERE account_id = :a AND id <> :but AND ended_at IS NULL",
        at=now_ms(),
        a=account_id,
        but=but,
    )
