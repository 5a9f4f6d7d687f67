"""What failed, and where somebody came in before: counts by the hash of a name, each with its end. Functions of one
transaction.
"""

from __future__ import annotations

from storage.database import Tx
from storage.ids import now_ms

_COUNT = """
INSERT INTO brakes (name_hash, failures, since_at, until_at) VALUES (:name, 1, :now, :until)
ON CONFLICT (name_hash) DO UPDATE SET
 failures = CASE WHEN brakes.until_at <= :now THEN 1 ELSE brakes.failures + 1 END,
 since_at = CASE WHEN brakes.until_at <= :now THEN :now ELSE brakes.since_at END,
 until_at = CASE WHEN brakes.until_at <= :now OR :renewed = 1 THEN :until ELSE brakes.until_at END
"""


def failures(tx: Tx, name_hash: str) -> int:
    """How often it failed within its window."""
    rows = tx.run(
        "SELECT failures FROM brakes WHERE name_hash = :name AND until_at > :now", name=name_hash, now=now_ms()
    )
    return int(rows[0][0]) if rows else 0


def count(tx: Tx, name_hash: str, window_ms: int, *, renewed: bool = False) -> None:
    """One more. The window begins at the first failure, or with `renewed` again at each."""
    now = now_ms()
    tx.run(_COUNT, name=name_hash, now=now, until=now + window_ms, renewed=int(renewed))


def note(tx: Tx, name_hash: str, lasts_ms: int) -> None:
    """That this name is known until then, without a failure."""
    now = now_ms()
    tx.run(
        "INSERT INTO brakes (name_hash, failures, since_at, until_at) VALUES (:name, 0, :now, :until)"
        " ON CONFLICT (name_hash) DO UPDATE SET until_at = :until",
        name=name_hash,
        now=now,
        until=now + lasts_ms,
    )


def known_until(tx: Tx, name_hash: str) -> int:
    """Until when this name is known (ms); 0 when it is not."""
    rows = tx.run(
        "SELECT until_at FROM brakes WHERE name_hash = :name AND until_at > :now", name=name_hash, now=now_ms()
    )
    return int(rows[0][0]) if rows else 0


def forget(tx: Tx, name_hash: str) -> None:
    tx.run("DELETE FROM brakes WHERE name_hash = :name", name=name_hash)


def forget_old(tx: Tx) -> None:
    """Those whose time is over."""
    tx.run("DELETE FROM brakes WHERE until_at <= :now", now=now_ms())
