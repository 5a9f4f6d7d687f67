"""Which patients an account found or opened the dossier of: what the brakes on volume count. Functions of one
transaction.
"""

from __future__ import annotations

from storage.database import Tx

FOUND, OPENED = "found", "opened"


def record(tx: Tx, account_id: str, space_id: str, kind: str, at: int) -> None:
    """Twice within the same millisecond is once."""
    tx.run(
        "INSERT INTO openings (account_id, at, space_id, kind) VALUES (:a, :at, :s, :kind) ON CONFLICT DO NOTHING",
        a=account_id,
        at=at,
        s=space_id,
        kind=kind,
    )


def since(tx: Tx, account_id: str, at: int, kind: str) -> dict[str, int]:
    """The spaces since then, and when last (ms)."""
    rows = tx.run(
        "SELECT space_id, MAX(at) FROM openings WHERE account_id = :a AND at > :at AND kind = :kind GROUP BY space_id",
        a=account_id,
        at=at,
        kind=kind,
    )
    return {row[0]: int(row[1]) for row in rows}


def first(tx: Tx, account_id: str, at: int, kind: str) -> dict[str, int]:
    """The spaces since then, and when first since then (ms)."""
    rows = tx.run(
        "SELECT space_id, MIN(at) FROM openings WHERE account_id = :a AND at > :at AND kind = :kind GROUP BY space_id",
        a=account_id,
        at=at,
        kind=kind,
    )
    return {row[0]: int(row[1]) for row in rows}


def forget(tx: Tx, before: int) -> None:
    tx.run("DELETE FROM openings WHERE at < :at", at=before)
