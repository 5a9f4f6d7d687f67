"""Mail that was accepted and that nobody sees yet: one row a patient and letter. Functions of one transaction.

    waiting  tried again by itself        held  a person decides
    released, dropped                     decided: the row stays, its mail does not

A change says which states it expects, so that of two who decide at once one is told that it was decided already.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Tx
from storage.ids import now_ms
from storage.vault import Sealed

_ROW = "space_id, id, state, reason, attempts, size, blob_id, facts, at, changed_by, changed_at"


@dataclass(frozen=True, slots=True)
class Row:
    space_id: str
    id: str
    state: str
    reason: str
    attempts: int
    size: int  # octets of the mail
    blob_id: str  # "" once decided
    facts: bytes  # sealed
    at: int
    changed_by: str = ""
    changed_at: int | None = None


def insert(tx: Tx, row: Row, facts: Sealed) -> None:
    tx.run(
        "INSERT INTO quarantine (space_id, id, state, reason, attempts, size, blob_id, facts, at)"
        " VALUES (:s, :id, :state, :reason, :attempts, :size, :blob, :facts, :at)",
        s=row.space_id,
        id=row.id,
        state=row.state,
        reason=row.reason,
        attempts=row.attempts,
        size=row.size,
        blob=row.blob_id,
        facts=facts,
        at=row.at,
    )


def find(tx: Tx, quarantine_id: str) -> Row | None:
    rows = tx.run(f"SELECT {_ROW} FROM quarantine WHERE id = :id", id=quarantine_id)
    return Row(*rows[0]) if rows else None


def undecided(tx: Tx) -> list[Row]:
    """What waits or is held, oldest first."""
    return [
        Row(*row) for row in tx.run(f"SELECT {_ROW} FROM quarantine WHERE state IN ('waiting', 'held') ORDER BY at, id")
    ]


def everything(tx: Tx) -> list[Row]:
    """Also what was decided."""
    return [Row(*row) for row in tx.run(f"SELECT {_ROW} FROM quarantine ORDER BY at, id")]


def change(tx: Tx, was: Row, row: Row, facts: Sealed, by: str) -> bool:
    """What became of a letter, and who says so. False when it no longer is what it `was`: somebody else came first."""
    return bool(
        tx.run(
            "UPDATE quarantine SET state = :state, reason = :reason, attempts = :attempts, facts = :facts,"
            " changed_by = :by, changed_at = :now"
            " WHERE space_id = :s AND id = :id AND state = :was AND attempts = :tried RETURNING id",
            state=row.state,
            reason=row.reason,
            attempts=row.attempts,
            facts=facts,
            by=by,
            now=now_ms(),
            s=was.space_id,
            id=was.id,
            was=was.state,
            tried=was.attempts,
        )
    )


def forget_mail(tx: Tx, row: Row) -> None:
    """Nothing of the content stays once it is decided; the hourly sweep removes the file that no row names."""
    tx.run("UPDATE quarantine SET blob_id = '' WHERE space_id = :s AND id = :id", s=row.space_id, id=row.id)
    tx.run("DELETE FROM blobs WHERE space_id = :s AND id = :id", s=row.space_id, id=row.blob_id)


def counts(tx: Tx) -> list[tuple[str, str, int, int]]:
    """(state, reason, how many, since when in ms) of what waits or is held."""
    rows = tx.run(
        "SELECT state, reason, COUNT(*), MIN(at) FROM quarantine WHERE state IN ('waiting', 'held')"
        " GROUP BY state, reason ORDER BY state, reason"
    )
    return [(row[0], row[1], int(row[2]), int(row[3])) for row in rows]
