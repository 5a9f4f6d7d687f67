"""When a professional or a team reads, as they say it. Functions of one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Tx
from storage.ids import now_ms


@dataclass(frozen=True, slots=True)
class Hours:
    """`week`: JSON, {"mon": [["09:00", "17:00"]], …}, '' when not said. `answers_hours`: 0 when not said."""

    week: str
    answers_hours: int


def of(tx: Tx, account_id: str) -> Hours | None:
    rows = tx.run("SELECT week, answers_hours FROM opening_hours WHERE account_id = :a", a=account_id)
    return Hours(*rows[0]) if rows else None


def say(tx: Tx, account_id: str, hours: Hours, by: str) -> None:
    tx.run(
        "INSERT INTO opening_hours (account_id, week, answers_hours, by, updated_at) VALUES (:a, :w, :n, :by, :at)"
        " ON CONFLICT (account_id) DO UPDATE SET week = excluded.week, answers_hours = excluded.answers_hours,"
        " by = excluded.by, updated_at = excluded.updated_at",
        a=account_id,
        w=hours.week,
        n=hours.answers_hours,
        by=by,
        at=now_ms(),
    )
