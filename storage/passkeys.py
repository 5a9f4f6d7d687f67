"""Passkeys: rows of `factors` found by the hash of their credential id. Functions of one transaction.

Those of an account, and their end, are `storage.factors`'.
"""

from __future__ import annotations

from storage.database import Tx
from storage.factors import Factor
from storage.ids import now_ms
from storage.vault import Sealed

KIND = "passkey"


def insert(tx: Tx, account_id: str, passkey_id: str, lookup: str, facts: Sealed, counter: int) -> bool:
    """False when this passkey is known already, whoever's it is."""
    return bool(
        tx.run(
            "INSERT INTO factors (account_id, id, kind, lookup, facts, counter, created_at)"
            " VALUES (:a, :id, 'passkey', :lookup, :facts, :counter, :at) ON CONFLICT DO NOTHING RETURNING id",
            a=account_id,
            id=passkey_id,
            lookup=lookup,
            facts=facts,
            counter=counter,
            at=now_ms(),
        )
    )


def by_lookup(tx: Tx, lookup: str) -> tuple[str, Factor] | None:
    """The passkey in force, and whose it is."""
    rows = tx.run(
        "SELECT account_id, id, kind, facts, counter, created_at, used_at FROM factors"
        " WHERE lookup = :lookup AND lookup <> '' AND kind = 'passkey' AND ended_at IS NULL",
        lookup=lookup,
    )
    return (str(rows[0][0]), Factor(*rows[0][1:])) if rows else None


def use(tx: Tx, account_id: str, passkey_id: str, counter: int) -> bool:
    """Count a use. False when the sign count did not grow: somebody has a copy (WebAuthn § 6.1.1). One that is always 0
    says nothing.
    """
    return bool(
        tx.run(
            "UPDATE factors SET counter = :c, used_at = :at WHERE account_id = :a AND id = :id AND ended_at IS NULL"
            " AND (counter < :c OR (counter = 0 AND :c = 0)) RETURNING id",
            a=account_id,
            id=passkey_id,
            c=counter,
            at=now_ms(),
        )
    )


def set_facts(tx: Tx, account_id: str, passkey_id: str, facts: Sealed) -> None:
    tx.run(
        "UPDATE factors SET facts = :f WHERE account_id = :a AND id = :id AND ended_at IS NULL",
        a=account_id,
        id=passkey_id,
        f=facts,
    )


def spend(tx: Tx, hashed: str, kind: str, account_id: str, until: int) -> bool:
    """A challenge that we signed is answered. True for exactly one caller."""
    return bool(
        tx.run(
            "INSERT INTO proofs (hash, kind, account_id, created_at, until_at, done_at)"
            " VALUES (:h, :kind, :a, :at, :until, :at) ON CONFLICT DO NOTHING RETURNING hash",
            h=hashed,
            kind=kind,
            a=account_id,
            at=now_ms(),
            until=until,
        )
    )
