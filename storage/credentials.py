"""What signs an account in: sessions, bearer tokens, one-use links, mail clients and their devices; a hash of each. And
every way out.

Functions of one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from storage import devices, feeds, proofs
from storage.database import Tx
from storage.ids import now_ms
from storage.vault import Sealed

_ALL = "hash, kind, account_id, created_at, seen_at, until_at, how, device_id, strong_at, name"


@dataclass(frozen=True, slots=True)
class Credential:
    """`name` is sealed, by the hash."""

    hash: str
    kind: str
    account_id: str
    created_at: int
    seen_at: int
    until_at: int
    how: str
    device_id: str
    strong_at: int | None
    name: bytes | None


def insert(
    tx: Tx,
    hashed: str,
    kind: str,
    account_id: str,
    until: int,
    how: str = "",
    device_id: str = "",
    strong_at: int | None = None,
    name: Sealed | None = None,
) -> None:
    at = now_ms()
    _insert(tx, hash=hashed, kind=kind, account_id=account_id, created_at=at, seen_at=at, until_at=until, how=how,
            device_id=device_id, strong_at=strong_at, name=name)  # fmt: skip


def _insert(tx: Tx, **values: Any) -> None:
    tx.run(
        f"INSERT INTO credentials ({_ALL}) VALUES (:hash, :kind, :account_id, :created_at, :seen_at, :until_at, :how,"
        " :device_id, :strong_at, :name)",
        **values,
    )


def insert_once(tx: Tx, hashed: str, kind: str, account_id: str, until: int, how: str) -> None:
    """As `insert`, unless this one was there before, in force or not."""
    tx.run(
        f"INSERT INTO credentials ({_ALL}) VALUES (:h, :kind, :a, :at, :at, :until, :how, '', NULL, NULL)"
        " ON CONFLICT (hash) DO NOTHING",
        h=hashed,
        kind=kind,
        a=account_id,
        at=now_ms(),
        until=until,
        how=how,
    )


def of_hash(tx: Tx, hashed: str) -> Credential | None:
    """The one in force, of whatever kind."""
    rows = tx.run(
        f"SELECT {_ALL} FROM credentials WHERE hash = :h AND revoked_at IS NULL AND until_at > :now",
        h=hashed,
        now=now_ms(),
    )
    return Credential(*rows[0]) if rows else None


def in_force(tx: Tx, hashed: str, kind: str, idle_ms: int) -> Credential | None:
    """What this secret is, while it may be used: its account too, and seen within `idle_ms` (0: no limit)."""
    now = now_ms()
    rows = tx.run(
        f"SELECT {_ALL} FROM credentials WHERE hash = :h AND kind = :kind AND revoked_at IS NULL AND until_at > :now",
        h=hashed,
        kind=kind,
        now=now,
    )
    found = Credential(*rows[0]) if rows else None
    return None if found is None or (idle_ms and found.seen_at < now - idle_ms) else found


def of_account(tx: Tx, account_id: str, kind: str, idle_ms: int) -> list[Credential]:
    """Those in force, newest use first."""
    now = now_ms()
    rows = tx.run(
        f"SELECT {_ALL} FROM credentials WHERE account_id = :a AND kind = :kind AND revoked_at IS NULL"
        " AND until_at > :now AND seen_at >= :since ORDER BY seen_at DESC, hash",
        a=account_id,
        kind=kind,
        now=now,
        since=now - idle_ms if idle_ms else 0,
    )
    return [Credential(*row) for row in rows]


def seen(tx: Tx, hashed: str) -> None:
    tx.run("UPDATE credentials SET seen_at = :at WHERE hash = :h", at=now_ms(), h=hashed)


def used(tx: Tx, hashed: str, how: str) -> None:
    tx.run("UPDATE credentials SET seen_at = :at, how = :how WHERE hash = :h", at=now_ms(), how=how, h=hashed)


def rename(tx: Tx, hashed: str, name: Sealed) -> None:
    tx.run("UPDATE credentials SET name = :name WHERE hash = :h", name=name, h=hashed)


def succeed(tx: Tx, old: Credential, hashed: str, strong_at: int, name: Sealed | None) -> bool:
    """Another secret takes the place of this one, until the same instant. False when it had ended: exactly one caller
    gets True.
    """
    if not revoke(tx, old.hash):
        return False
    _insert(tx, hash=hashed, kind=old.kind, account_id=old.account_id, created_at=old.created_at, seen_at=now_ms(),
            until_at=old.until_at, how=old.how, device_id=old.device_id, strong_at=strong_at, name=name)  # fmt: skip
    tx.run(
        "UPDATE subscriptions SET device_id = :new WHERE account_id = :a AND device_id = :old",
        new=hashed,
        a=old.account_id,
        old=old.hash,
    )
    return True


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


def revoke_of_device(tx: Tx, account_id: str, device_id: str) -> None:
    """What was opened on a remembered device."""
    tx.run(
        "UPDATE credentials SET revoked_at = :at WHERE account_id = :a AND device_id = :d AND revoked_at IS NULL",
        at=now_ms(),
        a=account_id,
        d=device_id,
    )


def unsubscribe_device(tx: Tx, account_id: str, device_id: str) -> None:
    """No more web push to a device that is trusted no longer, or to the browser of a session (its hash) that ended."""
    tx.run(
        "UPDATE subscriptions SET ended_at = :at WHERE account_id = :a AND device_id = :d AND ended_at IS NULL",
        at=now_ms(),
        a=account_id,
        d=device_id,
    )


def end_everything(tx: Tx, account_id: str, but: str = "") -> None:
    """Every way this account is signed in ends: sessions, tokens, links, mail clients, proofs under way, remembered
    devices, web push, private addresses of an agenda. `but`: the hash of a session that stays, with its device.
    """
    rows = tx.run("SELECT device_id FROM credentials WHERE hash = :h AND account_id = :a", h=but, a=account_id)
    device = str(rows[0][0]) if rows else ""
    tx.run(
        "UPDATE credentials SET revoked_at = :at WHERE account_id = :a AND revoked_at IS NULL AND hash <> :but",
        at=now_ms(),
        a=account_id,
        but=but,
    )
    proofs.end_all(tx, account_id)
    feeds.end_of_account(tx, account_id)
    devices.end_others(tx, account_id, device)
    tx.run(
        "UPDATE subscriptions SET ended_at = :at WHERE account_id = :a AND ended_at IS NULL"
        " AND (:but = '' OR (device_id <> :but AND device_id <> :device) OR device_id = '')",
        at=now_ms(),
        a=account_id,
        but=but,
        device=device,
    )
