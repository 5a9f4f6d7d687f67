"""What stands between a space and those who write to it: exchanges ended or open, writers blocked or free. Functions of
one transaction.

Each change is a record with its author and date; the newest counts, and no record at all means open and free.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Tx
from storage.ids import new_id, now_ms

REPLIES = "replies"  # open, ended: said by the writer (MSSanté, X-MSS-MES)
BLOCK = "block"  # blocked, free: the holder's wish
READING = "reading"  # asked, allowed, refused, withdrawn: what became of the last request to read the dossier


@dataclass(frozen=True, slots=True)
class Standing:
    """How a member stands with a space now."""

    ended: bool = False
    blocked: bool = False


def record(tx: Tx, space_id: str, member_id: str, kind: str, state: str, by: str, message_id: str = "") -> None:
    """The newest record of that kind about this member. `by`: the account or contact that wants it."""
    rows = tx.run(
        "SELECT COALESCE(MAX(at), 0) FROM exchanges WHERE space_id = :s AND member_id = :m AND kind = :kind",
        s=space_id,
        m=member_id,
        kind=kind,
    )
    tx.run(
        "INSERT INTO exchanges (space_id, member_id, kind, at, id, state, by, message_id)"
        " VALUES (:s, :m, :kind, :at, :id, :state, :by, :message)",
        s=space_id,
        m=member_id,
        kind=kind,
        at=max(now_ms(), int(rows[0][0]) + 1),  # the newest is the newest, also within a millisecond
        id=new_id(),
        state=state,
        by=by,
        message=message_id,
    )


def standing(tx: Tx, space_id: str, member_id: str) -> Standing:
    rows = tx.run(
        "SELECT kind, state FROM exchanges WHERE space_id = :s AND member_id = :m ORDER BY at", s=space_id, m=member_id
    )
    return _standing({row[0]: row[1] for row in rows})


def standings(tx: Tx, space_id: str) -> dict[str, Standing]:
    """Everybody about whom anything was ever recorded in this space."""
    newest: dict[str, dict[str, str]] = {}
    rows = tx.run("SELECT member_id, kind, state FROM exchanges WHERE space_id = :s ORDER BY at", s=space_id)
    for member_id, kind, state in rows:
        newest.setdefault(member_id, {})[kind] = state
    return {member_id: _standing(known) for member_id, known in newest.items()}


def told(tx: Tx, space_id: str) -> dict[str, dict[str, tuple[str, int]]]:
    """By member: for each kind that was ever recorded, what it is now and since when (ms)."""
    found: dict[str, dict[str, tuple[str, int]]] = {}
    rows = tx.run("SELECT member_id, kind, state, at FROM exchanges WHERE space_id = :s ORDER BY at", s=space_id)
    for member_id, kind, state, at in rows:
        if found.get(member_id, {}).get(kind, ("", 0))[0] != state:
            found.setdefault(member_id, {})[kind] = (state, at)
    return found


def newest(tx: Tx, space_id: str, member_id: str, kind: str) -> tuple[str, int, str] | None:
    """(state, at in ms, message) of the newest record of that kind about this member."""
    rows = tx.run(
        "SELECT state, at, message_id FROM exchanges WHERE space_id = :s AND member_id = :m AND kind = :kind"
        " ORDER BY at DESC LIMIT 1",
        s=space_id,
        m=member_id,
        kind=kind,
    )
    return (rows[0][0], int(rows[0][1]), rows[0][2]) if rows else None


def wrote_since(tx: Tx, space_id: str, author: str, member_id: str, at: int) -> bool:
    """Whether `author` wrote words of their own, since then, where this member takes part."""
    return bool(
        tx.run(
            "SELECT 1 FROM messages m JOIN participants p ON p.space_id = m.space_id"
            " AND p.conversation_id = m.conversation_id AND p.member_id = :m WHERE m.space_id = :s"
            " AND m.author_id = :author AND m.kind = 'text' AND m.at > :at LIMIT 1",
            s=space_id,
            m=member_id,
            author=author,
            at=at,
        )
    )


def _standing(newest: dict[str, str]) -> Standing:
    return Standing(newest.get(REPLIES) == "ended", newest.get(BLOCK) == "blocked")
