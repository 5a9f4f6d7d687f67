"""Proofs under way: what a browser has shown so far, known by the hash of what it holds. Functions of one
transaction.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Tx
from storage.ids import now_ms


@dataclass(frozen=True, slots=True)
class Proof:
    """`account_id` empty: nobody has that identifier. `detail`: nothing personal in it."""

    hash: str
    account_id: str
    code_hash: str
    detail: str
    tries: int


def insert(tx: Tx, hashed: str, kind: str, account_id: str, detail: str, until: int) -> None:
    """A proof that begins; one of the same hash begins again."""
    tx.run(
        "INSERT INTO proofs (hash, kind, account_id, detail, created_at, until_at)"
        " VALUES (:h, :kind, :a, :detail, :at, :until)"
        " ON CONFLICT (hash) DO UPDATE SET kind = :kind, account_id = :a, detail = :detail, code_hash = '', tries = 0,"
        " created_at = :at, until_at = :until, done_at = NULL",
        h=hashed,
        kind=kind,
        a=account_id,
        detail=detail,
        at=now_ms(),
        until=until,
    )


def find(tx: Tx, hashed: str, kind: str) -> Proof | None:
    """The proof, while it lasts."""
    rows = tx.run(
        "SELECT hash, account_id, code_hash, detail, tries FROM proofs"
        " WHERE hash = :h AND kind = :kind AND done_at IS NULL AND until_at > :now",
        h=hashed,
        kind=kind,
        now=now_ms(),
    )
    return Proof(*rows[0]) if rows else None


def take_try(tx: Tx, hashed: str, most: int) -> bool:
    """One more try; False when there were `most`, however many come at once."""
    return bool(
        tx.run(
            "UPDATE proofs SET tries = tries + 1 WHERE hash = :h AND tries < :most AND done_at IS NULL RETURNING hash",
            h=hashed,
            most=most,
        )
    )


def set_code(tx: Tx, hashed: str, code_hash: str) -> None:
    """A code was sent: it kills the one before, and has its own tries."""
    tx.run("UPDATE proofs SET code_hash = :c, tries = 0 WHERE hash = :h", h=hashed, c=code_hash)


def code_of(tx: Tx, hashed: str) -> str:
    """What was kept of the code that was sent; '' when there is none."""
    rows = tx.run(
        "SELECT code_hash FROM proofs WHERE hash = :h AND done_at IS NULL AND until_at > :now", h=hashed, now=now_ms()
    )
    return str(rows[0][0]) if rows else ""


def take_code(tx: Tx, hashed: str, code_hash: str) -> bool:
    """The code that was sent, once: True for exactly one caller."""
    return bool(
        tx.run(
            "UPDATE proofs SET code_hash = '' WHERE hash = :h AND code_hash = :c AND done_at IS NULL RETURNING hash",
            h=hashed,
            c=code_hash,
        )
    )


def set_detail(tx: Tx, hashed: str, detail: str) -> None:
    tx.run("UPDATE proofs SET detail = :d WHERE hash = :h", h=hashed, d=detail)


def done(tx: Tx, hashed: str) -> bool:
    """The proof is whole. True for exactly one caller."""
    return bool(
        tx.run(
            "UPDATE proofs SET done_at = :at, detail = '', code_hash = '' WHERE hash = :h AND done_at IS NULL"
            " RETURNING hash",
            h=hashed,
            at=now_ms(),
        )
    )


def end_all(tx: Tx, account_id: str, but: str = "") -> None:
    """Every proof under way about an account, but for the one of this hash: what it rests on has changed."""
    tx.run(
        "UPDATE proofs SET done_at = :at, detail = '', code_hash = ''"
        " WHERE account_id = :a AND done_at IS NULL AND hash <> :but",
        a=account_id,
        at=now_ms(),
        but=but,
    )


def forget_old(tx: Tx) -> None:
    """Those whose time is over."""
    tx.run("DELETE FROM proofs WHERE until_at <= :now", now=now_ms())
