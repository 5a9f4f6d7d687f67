"""What else proves who one is: apps and recovery codes; passkeys stand in the same table. Functions of one transaction.

An app counts once a code of it was given (`used_at`): until then it is a wish.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Tx
from storage.ids import new_id, now_ms
from storage.vault import Sealed

_FACTOR = "id, kind, facts, counter, created_at, used_at"


@dataclass(frozen=True, slots=True)
class Factor:
    """`facts` is sealed, by the factor's id."""

    id: str
    kind: str
    facts: bytes | None
    counter: int
    created_at: int
    used_at: int | None


def insert(tx: Tx, account_id: str, factor_id: str, kind: str, facts: Sealed) -> None:
    tx.run(
        "INSERT INTO factors (account_id, id, kind, facts, created_at) VALUES (:a, :id, :kind, :facts, :at)",
        a=account_id,
        id=factor_id,
        kind=kind,
        facts=facts,
        at=now_ms(),
    )


def of_account(tx: Tx, account_id: str, kind: str) -> list[Factor]:
    """Those of a kind in force, the oldest first; apps that were never used too."""
    rows = tx.run(
        f"SELECT {_FACTOR} FROM factors WHERE account_id = :a AND kind = :kind AND ended_at IS NULL"
        " ORDER BY created_at, id",
        a=account_id,
        kind=kind,
    )
    return [Factor(*row) for row in rows]


def one(tx: Tx, account_id: str, factor_id: str) -> Factor | None:
    rows = tx.run(
        f"SELECT {_FACTOR} FROM factors WHERE account_id = :a AND id = :id AND ended_at IS NULL",
        a=account_id,
        id=factor_id,
    )
    return Factor(*rows[0]) if rows else None


def advance(tx: Tx, account_id: str, factor_id: str, counter: int) -> bool:
    """Take a time step of an app. True for exactly one caller: a code is good once (RFC 6238 § 5.2)."""
    return bool(
        tx.run(
            "UPDATE factors SET counter = :c, used_at = :at"
            " WHERE account_id = :a AND id = :id AND counter < :c AND ended_at IS NULL RETURNING id",
            a=account_id,
            id=factor_id,
            c=counter,
            at=now_ms(),
        )
    )


def end(tx: Tx, account_id: str, factor_id: str) -> bool:
    """True when it was in force."""
    return bool(
        tx.run(
            "UPDATE factors SET ended_at = :at, lookup = '' WHERE account_id = :a AND id = :id AND ended_at IS NULL"
            " RETURNING id",
            a=account_id,
            id=factor_id,
            at=now_ms(),
        )
    )


def end_kind(tx: Tx, account_id: str, kind: str, but: str = "") -> None:
    """Every one of a kind, but for the one of this id."""
    tx.run(
        "UPDATE factors SET ended_at = :at, lookup = ''"
        " WHERE account_id = :a AND kind = :kind AND ended_at IS NULL AND id <> :but",
        a=account_id,
        kind=kind,
        but=but,
        at=now_ms(),
    )


def end_unused(tx: Tx, account_id: str) -> None:
    """Apps that were begun and never used."""
    tx.run(
        "UPDATE factors SET ended_at = :at WHERE account_id = :a AND kind = 'totp' AND used_at IS NULL"
        " AND ended_at IS NULL",
        a=account_id,
        at=now_ms(),
    )


def replace_recovery(tx: Tx, account_id: str, lookups: list[str]) -> None:
    """These recovery codes, and none that was before."""
    end_kind(tx, account_id, "recovery")
    for lookup in lookups:
        tx.run(
            "INSERT INTO factors (account_id, id, kind, lookup, created_at) VALUES (:a, :id, 'recovery', :l, :at)",
            a=account_id,
            id=new_id(),
            l=lookup,
            at=now_ms(),
        )


def spend_recovery(tx: Tx, account_id: str, lookup: str) -> bool:
    """True for exactly one caller."""
    return bool(
        tx.run(
            "UPDATE factors SET used_at = :at, ended_at = :at, lookup = ''"
            " WHERE account_id = :a AND kind = 'recovery' AND lookup = :l AND ended_at IS NULL RETURNING id",
            a=account_id,
            l=lookup,
            at=now_ms(),
        )
    )
