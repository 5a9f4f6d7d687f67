"""What signs an account in: sessions, bearer tokens, one-use links; a hash of each. Functions of one transaction."""

from __future__ import annotations

from storage.database import Tx
from storage.ids import now_ms


def insert(
    tx: Tx,
    hashed: str,
    kind: str,
    account_id: str,
    until: int,
    how: str = "",
    device_id: str = "",
    strong_at: int | None = None,
) -> None:
    tx.run(
        "INSERT INTO credentials (hash, kind, account_id, created_at, seen_at, until_at, how, device_id, strong_at)"
        " VALUES (:h, :kind, :a, :at, :at, :until, :how, :device, :strong)",
        h=hashed,
        kind=kind,
        a=account_id,
        at=now_ms(),
        until=until,
        how=how,
        device=device_id,
        strong=strong_at,
    )


def account_of(tx: Tx, hashed: str, kind: str, idle_ms: int) -> str | None:
    """The id of the account a secret signs in, when it is in force and was seen within `idle_ms` (0: no limit)."""
    now = now_ms()
    rows = tx.run(
        "SELECT account_id, seen_at FROM credentials WHERE hash = :h AND kind = :kind AND revoked_at IS NULL AND "
        "until_at > :now",
        h=hashed,
        kind=kind,
        now=now,
    )
    if not rows or (idle_ms and rows[0][1] < now - idle_ms):
        return None
    return str(rows[0][0])


def seen_at(tx: Tx, hashed: str) -> int:
    return int(tx.run("SELECT seen_at FROM credentials WHERE hash = :h", h=hashed)[0][0])


def seen(tx: Tx, hashed: str) -> None:
    tx.run("UPDATE credentials SET seen_at = :at WHERE hash = :h", at=now_ms(), h=hashed)


def revoke(tx: Tx, hashed: str) -> bool:
    """True when it was in force: exactly one caller gets it."""
    return bool(
        tx.run(
            "UPDATE credentials SET revoked_at = :at WHERE hash = :h AND revoked_at IS NULL RETURNING hash",
            at=now_ms(),
            h=hashed,
        )
    )


def revoke_kind(tx: Tx, account_id: str, kind: str) -> None:
    tx.run(
        "UPDATE credentials SET revoked_at = :at WHERE account_id = :a AND kind = :kind AND revoked_at IS NULL",
        at=now_ms(),
        a=account_id,
        kind=kind,
    )


def revoke_all(tx: Tx, account_id: str, but: str = "") -> None:
    """Everything that signs this account in ends, but for the one of this hash."""
    tx.run(
        "UPDATE credentials SET revoked_at = :at WHERE account_id = :a AND revoked_at IS NULL AND hash <> :but",
        at=now_ms(),
        a=account_id,
        but=but,
    )
