"""When somebody last looked at something of a space: what is new since. Functions of one transaction."""

from __future__ import annotations

from storage.database import Tx


def visit(tx: Tx, space_id: str, account_id: str, area: str, now: int, gap_ms: int) -> int | None:
    """Note that this account looks at `area` (documents, …) at `now` (ms); returns when their visit before ended, None
    when this is the first. What is looked at again within `gap_ms` is the same visit: it gives the same answer.
    """
    rows = tx.run(
        "SELECT at, before_at FROM visits WHERE space_id = :s AND account_id = :a AND area = :area",
        s=space_id,
        a=account_id,
        area=area,
    )
    before = None
    if rows:
        last, before = rows[0]
        before = last if now - last > gap_ms else before
    tx.run(
        "INSERT INTO visits (space_id, account_id, area, at, before_at) VALUES (:s, :a, :area, :now, :before)"
        " ON CONFLICT (space_id, account_id, area) DO UPDATE SET at = excluded.at, before_at = excluded.before_at",
        s=space_id,
        a=account_id,
        area=area,
        now=now,
        before=before,
    )
    return before


def ended(tx: Tx, space_id: str, account_id: str, area: str) -> int | None:
    """As `visit`, without looking: when the visit before ended."""
    rows = tx.run(
        "SELECT before_at FROM visits WHERE space_id = :s AND account_id = :a AND area = :area",
        s=space_id,
        a=account_id,
        area=area,
    )
    return rows[0][0] if rows else None
