"""Which message corrects which. Functions of one transaction."""

from __future__ import annotations

from storage.database import Tx


def insert(tx: Tx, space_id: str, message_id: str, at: int, correction_id: str) -> None:
    tx.run(
        "INSERT INTO corrections (space_id, message_id, at, correction_id) VALUES (:s, :m, :at, :c)",
        s=space_id,
        m=message_id,
        at=at,
        c=correction_id,
    )


def of(tx: Tx, space_id: str, message_id: str) -> list[str]:
    """The messages that correct it, oldest first."""
    rows = tx.run(
        "SELECT correction_id FROM corrections WHERE space_id = :s AND message_id = :m ORDER BY at, correction_id",
        s=space_id,
        m=message_id,
    )
    return [row[0] for row in rows]
