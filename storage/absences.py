"""When a professional or a team is away, and what is said meanwhile. Functions of one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from storage import deliveries
from storage.database import Tx
from storage.ids import now_ms
from storage.vault import Sealed, SpaceKeys

CHANNEL = "absence"


@dataclass(frozen=True, slots=True)
class Absence:
    """`from_at`, `until_at` in ms; `text` sealed for the office of who is away."""

    space_id: str
    id: str
    account_id: str
    from_at: int
    until_at: int
    text: bytes


_COLUMNS = "space_id, id, account_id, from_at, until_at, text"


def insert(tx: Tx, space_id: str, absence_id: str, account_id: str, from_at: int, until_at: int, text: Sealed) -> None:
    tx.run(
        f"INSERT INTO absences ({_COLUMNS}, created_at) VALUES (:s, :id, :a, :from_at, :until_at, :text, :now)",
        s=space_id,
        id=absence_id,
        a=account_id,
        from_at=from_at,
        until_at=until_at,
        text=text,
        now=now_ms(),
    )


def in_force(tx: Tx, account_id: str) -> Absence | None:
    """The newest absence of this moment."""
    rows = tx.run(
        f"SELECT {_COLUMNS} FROM absences WHERE account_id = :a AND ended_at IS NULL AND from_at <= :now"
        " AND until_at > :now ORDER BY created_at DESC LIMIT 1",
        a=account_id,
        now=now_ms(),
    )
    return Absence(*rows[0]) if rows else None


def end(tx: Tx, account_id: str) -> int:
    """Ends what is declared, also for later. Returns how many."""
    return len(
        tx.run(
            "UPDATE absences SET ended_at = :now WHERE account_id = :a AND ended_at IS NULL AND until_at > :now"
            " RETURNING id",
            a=account_id,
            now=now_ms(),
        )
    )


def owe(tx: Tx, keys: SpaceKeys, message_id: str, account_id: str) -> bool:
    """Owe the note of a member who is away, for a message that a patient just wrote. Whether one is owed."""
    absence = in_force(tx, account_id)
    if absence is not None:
        deliveries.insert(tx, keys, message_id, CHANNEL, now_ms(), {"account": account_id, "absence": absence.id})
    return absence is not None
