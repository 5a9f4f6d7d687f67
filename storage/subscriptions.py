"""Browsers that asked for web push (RFC 8030): where each is reached, sealed. Functions of one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Tx
from storage.ids import now_ms
from storage.vault import Sealed

AT_MOST = 10  # browsers of one account; the oldest gives way


@dataclass(frozen=True, slots=True)
class Subscription:
    """`device_id`: the remembered device, else the session it was made in. `facts`: sealed for its id."""

    id: str
    device_id: str
    facts: bytes
    created_at: int


def add(tx: Tx, account_id: str, subscription_id: str, endpoint_hash: str, device_id: str, facts: Sealed) -> None:
    """A browser has one subscription: it is whose it was asked for last."""
    tx.run("DELETE FROM subscriptions WHERE endpoint_hash = :h", h=endpoint_hash)
    tx.run(
        "INSERT INTO subscriptions (account_id, id, endpoint_hash, device_id, facts, created_at)"
        " VALUES (:a, :id, :h, :device, :facts, :at)",
        a=account_id,
        id=subscription_id,
        h=endpoint_hash,
        device=device_id,
        facts=facts,
        at=now_ms(),
    )
    for old in of_account(tx, account_id)[AT_MOST:]:
        end(tx, account_id, old.id)


def again(tx: Tx, account_id: str, endpoint_hash: str, device_id: str) -> bool:
    """It is now of another session or device. False when none of this account is in force there."""
    return bool(
        tx.run(
            "UPDATE subscriptions SET device_id = :device"
            " WHERE endpoint_hash = :h AND account_id = :a AND ended_at IS NULL RETURNING id",
            device=device_id,
            h=endpoint_hash,
            a=account_id,
        )
    )


def of_account(tx: Tx, account_id: str) -> list[Subscription]:
    """Those in force, the newest first."""
    rows = tx.run(
        "SELECT id, device_id, facts, created_at FROM subscriptions WHERE account_id = :a AND ended_at IS NULL"
        " ORDER BY created_at DESC, id",
        a=account_id,
    )
    return [Subscription(*row) for row in rows]


def find(tx: Tx, account_id: str, subscription_id: str) -> Subscription | None:
    """One in force."""
    return next((one for one in of_account(tx, account_id) if one.id == subscription_id), None)


def end(tx: Tx, account_id: str, subscription_id: str) -> None:
    """Nothing is sent there any more."""
    tx.run(
        "UPDATE subscriptions SET ended_at = :at WHERE account_id = :a AND id = :id AND ended_at IS NULL",
        at=now_ms(),
        a=account_id,
        id=subscription_id,
    )
