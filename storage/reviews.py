"""What an operator has to look at: an emergency, somebody a patient does not know, an account that opens too much.
Functions of one transaction.

A review is one row; who decided what of it, and when, stands in the same row. It names accounts and spaces by their id,
never a patient.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Tx
from storage.ids import new_id, now_ms

EMERGENCY, UNKNOWN_PERSON, VOLUME = "emergency", "unknown_person", "volume"
OPEN, CLOSED = "open", "closed"

_ALL = "id, kind, space_id, account_id, object, state, by, at, decided_by, decision, decided_at"


@dataclass(frozen=True, slots=True)
class Review:
    """`account_id`: whom it is about. `object`: the consent or the audit row. `by`: the account that asked for it, ""
    for Pli itself. Times in ms.
    """

    id: str
    kind: str
    space_id: str
    account_id: str
    object: str
    state: str
    by: str
    at: int
    decided_by: str
    decision: str
    decided_at: int | None


def ask(tx: Tx, kind: str, account_id: str, *, space_id: str = "", about: str = "", by: str = "") -> str:
    """The id of a new one."""
    review_id = new_id()
    tx.run(
        "INSERT INTO reviews (id, kind, space_id, account_id, object, state, by, at)"
        " VALUES (:id, :kind, :s, :a, :o, 'open', :by, :at)",
        id=review_id,
        kind=kind,
        s=space_id,
        a=account_id,
        o=about,
        by=by,
        at=now_ms(),
    )
    return review_id


def listed(tx: Tx, *, everything: bool = False) -> list[Review]:
    """Those that wait, the oldest first; those decided too when asked for."""
    rows = tx.run(f"SELECT {_ALL} FROM reviews WHERE state = 'open' OR :everything = 1 ORDER BY at, id",
                  everything=int(everything))  # fmt: skip
    return [Review(*row) for row in rows]


def one(tx: Tx, review_id: str) -> Review | None:
    rows = tx.run(f"SELECT {_ALL} FROM reviews WHERE id = :id", id=review_id)
    return Review(*rows[0]) if rows else None


def of_account(tx: Tx, account_id: str, kind: str) -> list[Review]:
    """Those of that kind about an account, the newest first."""
    rows = tx.run(
        f"SELECT {_ALL} FROM reviews WHERE account_id = :a AND kind = :kind ORDER BY at DESC, id",
        a=account_id,
        kind=kind,
    )
    return [Review(*row) for row in rows]


def close(tx: Tx, review_id: str, by: str, decision: str) -> bool:
    """Whether it was still open."""
    return bool(
        tx.run(
            "UPDATE reviews SET state = 'closed', decided_by = :by, decision = :decision, decided_at = :at"
            " WHERE id = :id AND state = 'open' RETURNING id",
            by=by,
            decision=decision,
            at=now_ms(),
            id=review_id,
        )
    )
