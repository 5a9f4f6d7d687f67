"""Texts that an office writes often. Functions of one transaction."""

from __future__ import annotations

from storage.database import Tx
from storage.ids import now_ms
from storage.vault import Sealed


def save(tx: Tx, space_id: str, template_id: str, facts: Sealed, by: str) -> None:
    """A new one, or a known one in other words."""
    tx.run(
        "INSERT INTO templates (space_id, id, facts, by, updated_at) VALUES (:s, :id, :facts, :by, :at)"
        " ON CONFLICT (space_id, id) DO UPDATE SET facts = excluded.facts, by = excluded.by,"
        " updated_at = excluded.updated_at, ended_at = NULL",
        s=space_id,
        id=template_id,
        facts=facts,
        by=by,
        at=now_ms(),
    )


def remove(tx: Tx, space_id: str, template_id: str) -> bool:
    return bool(
        tx.run(
            "UPDATE templates SET ended_at = :at WHERE space_id = :s AND id = :id AND ended_at IS NULL RETURNING id",
            at=now_ms(),
            s=space_id,
            id=template_id,
        )
    )


def of_office(tx: Tx, space_id: str) -> list[tuple[str, bytes]]:
    """(id, sealed facts) of those in use."""
    rows = tx.run("SELECT id, facts FROM templates WHERE space_id = :s AND ended_at IS NULL ORDER BY id", s=space_id)
    return [(row[0], row[1]) for row in rows]
