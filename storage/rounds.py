"""When each household is looked at for what is due: one row a space, claimed with a lease. Functions of one
transaction.

A worker that dies loses its lease, and the household is due again. What happens while one is looked at (`look_at`) is
never lost: the row no longer holds that lease, and `settle` leaves it as it is.
"""

from __future__ import annotations

from storage.database import Tx
from storage.ids import now_ms


def look_at(tx: Tx, space_id: str, at: int) -> None:
    """Have this space's household looked at no later than `at` (ms)."""
    tx.run(
        "INSERT INTO rounds (space_id, due_at) VALUES (:s, :at) ON CONFLICT (space_id) DO UPDATE SET due_at ="
        " CASE WHEN rounds.due_at > excluded.due_at THEN excluded.due_at ELSE rounds.due_at END",
        s=space_id,
        at=at,
    )


def begin(tx: Tx, at: int, limit: int) -> int:
    """Give open spaces that have no row one, due at `at`; how many did."""
    rows = tx.run(
        "INSERT INTO rounds (space_id, due_at) SELECT s.id, :at FROM spaces s LEFT JOIN rounds r ON r.space_id = s.id"
        " WHERE s.kind = 'holder' AND s.state = 'open' AND r.space_id IS NULL LIMIT :limit RETURNING space_id",
        at=at,
        limit=limit,
    )
    return len(rows)


def claim(tx: Tx, lease_ms: int, limit: int) -> list[tuple[str, int]]:
    """Up to `limit` spaces that are due, each with the lease it is held by."""
    now = now_ms()
    skip = " FOR UPDATE SKIP LOCKED" if tx.engine == "postgresql" else ""
    rows = tx.run(
        "UPDATE rounds SET due_at = :until WHERE space_id IN (SELECT space_id FROM rounds WHERE due_at <= :now"
        f" ORDER BY due_at LIMIT :limit{skip}) RETURNING space_id, due_at",
        until=now + lease_ms,
        now=now,
        limit=limit,
    )
    return [(row[0], row[1]) for row in rows]


def settle(tx: Tx, space_id: str, lease: int, due_at: int) -> bool:
    """It was looked at; the next time is `due_at`. False when it was asked for again meanwhile: it is due then."""
    return bool(
        tx.run(
            "UPDATE rounds SET due_at = :due, looked_at = :now WHERE space_id = :s AND due_at = :lease"
            " RETURNING space_id",
            due=due_at,
            now=now_ms(),
            s=space_id,
            lease=lease,
        )
    )


def forget(tx: Tx, space_id: str) -> None:
    """Nobody looks at this space any more: it is not open. `begin` takes it up again when it is."""
    tx.run("DELETE FROM rounds WHERE space_id = :s", s=space_id)


def due_at(tx: Tx, space_id: str) -> int | None:
    """When this space is looked at next (ms)."""
    rows = tx.run("SELECT due_at FROM rounds WHERE space_id = :s", s=space_id)
    return int(rows[0][0]) if rows else None


def next_due(tx: Tx) -> int | None:
    """When the next one is due (ms); None when there is none."""
    rows = tx.run("SELECT MIN(due_at) FROM rounds")
    return None if rows[0][0] is None else int(rows[0][0])
