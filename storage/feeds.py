"""Private addresses where a calendar program reads an agenda: a hash of each secret, never the secret. Functions of one
transaction.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Tx
from storage.ids import now_ms
from storage.vault import Sealed


@dataclass(frozen=True, slots=True)
class Feed:
    """`facts`: sealed for `feed` by the id: what it is called, how much it says. Times in ms."""

    space_id: str
    id: str
    facts: bytes
    created_by: str
    created_at: int
    used_at: int | None
    ended_at: int | None


_FIELDS = "space_id, id, facts, created_by, created_at, used_at, ended_at"


def add(tx: Tx, space_id: str, feed_id: str, secret_hash: str, facts: Sealed, by: str) -> None:
    tx.run(
        "INSERT INTO feeds (space_id, id, secret_hash, facts, created_by, created_at, ended_by)"
        " VALUES (:s, :id, :hash, :facts, :by, :at, '')",
        s=space_id,
        id=feed_id,
        hash=secret_hash,
        facts=facts,
        by=by,
        at=now_ms(),
    )


def by_secret(tx: Tx, secret_hash: str) -> Feed | None:
    """In force or not."""
    rows = tx.run(f"SELECT {_FIELDS} FROM feeds WHERE secret_hash = :hash", hash=secret_hash)
    return Feed(*rows[0]) if rows else None


def of_space(tx: Tx, space_id: str) -> list[Feed]:
    """Those in force, the oldest first."""
    rows = tx.run(
        f"SELECT {_FIELDS} FROM feeds WHERE space_id = :s AND ended_at IS NULL ORDER BY created_at, id", s=space_id
    )
    return [Feed(*row) for row in rows]


def used(tx: Tx, one: Feed) -> None:
    tx.run("UPDATE feeds SET used_at = :at WHERE space_id = :s AND id = :id", at=now_ms(), s=one.space_id, id=one.id)


def end(tx: Tx, space_id: str, feed_id: str, by: str) -> bool:
    """True when it was in force: exactly one caller gets it."""
    return bool(
        tx.run(
            "UPDATE feeds SET ended_at = :at, ended_by = :by WHERE space_id = :s AND id = :id AND ended_at IS NULL"
            " RETURNING id",
            at=now_ms(),
            by=by,
            s=space_id,
            id=feed_id,
        )
    )


def end_of_account(tx: Tx, account_id: str) -> None:
    """Those that somebody made, wherever: each way they are signed in ends."""
    tx.run(
        "UPDATE feeds SET ended_at = :at, ended_by = :a WHERE created_by = :a AND ended_at IS NULL",
        at=now_ms(),
        a=account_id,
    )
