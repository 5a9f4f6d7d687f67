"""What somebody filled in of a form or ticked of a checklist, by the message that asked. Functions of one transaction.

One row a message: its sealed facts hold every version that was sent; `version` grows with each writing, and who writes
says which one they had read.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Tx
from storage.vault import Sealed, SpaceKeys

BEGUN, COMPLETED, CORRECTED, NONE = "begun", "completed", "corrected", "none"


@dataclass(frozen=True, slots=True)
class Filling:
    """`state`: begun, completed, corrected (sent again). `completed_at`: when it was sent last."""

    message_id: str
    version: int
    state: str
    facts: bytes
    changed_by: str
    changed_at: int
    completed_at: int | None = None


_FIELDS = "message_id, version, state, facts, changed_by, changed_at, completed_at"


def find(tx: Tx, space_id: str, message_id: str) -> Filling | None:
    rows = tx.run(f"SELECT {_FIELDS} FROM fillings WHERE space_id = :s AND message_id = :m", s=space_id, m=message_id)
    return Filling(*rows[0]) if rows else None


def put(tx: Tx, space_id: str, filling: Filling, facts: Sealed, read: int) -> bool:
    """Write it over the version that was `read` (0: none was there); False when somebody wrote since."""
    values = {
        "s": space_id,
        "m": filling.message_id,
        "version": read + 1,
        "state": filling.state,
        "facts": facts,
        "by": filling.changed_by,
        "at": filling.changed_at,
        "done": filling.completed_at,
    }
    if read == 0:
        query = (
            "INSERT INTO fillings (space_id, message_id, version, state, facts, changed_by, changed_at, completed_at)"
            " VALUES (:s, :m, :version, :state, :facts, :by, :at, :done) ON CONFLICT DO NOTHING RETURNING version"
        )
        return bool(tx.run(query, **values))
    query = (
        "UPDATE fillings SET version = :version, state = :state, facts = :facts, changed_by = :by, changed_at = :at,"
        " completed_at = :done WHERE space_id = :s AND message_id = :m AND version = :read RETURNING version"
    )
    return bool(tx.run(query, **values, read=read))


def standing(tx: Tx, keys: SpaceKeys, message_id: str) -> str:
    """none, begun or completed: how far the one who was asked by this message has come."""
    rows = tx.run("SELECT state FROM fillings WHERE space_id = :s AND message_id = :m", s=keys.space_id, m=message_id)
    state = rows[0][0] if rows else NONE
    return COMPLETED if state == CORRECTED else str(state)


def of_space(tx: Tx, space_id: str) -> list[Filling]:
    """All of a space, the newest first."""
    rows = tx.run(
        f"SELECT {_FIELDS} FROM fillings WHERE space_id = :s ORDER BY changed_at DESC, message_id", s=space_id
    )
    return [Filling(*row) for row in rows]
