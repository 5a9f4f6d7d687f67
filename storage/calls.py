"""Patients an office has to call, since they stayed silent. Functions of one transaction.

A call is entered once for the silence on a step of a journey; it is settled by somebody of the office with what came
of it, or by itself ("" as its author) when the patient read or answered meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Tx

OUTCOMES = ("reached", "absent", "wrong_number", "settled")


@dataclass(frozen=True, slots=True)
class Call:
    """`number`: the step that met silence. `outcome`: of `OUTCOMES`, "" while it waits."""

    id: str
    space_id: str
    journey_id: str
    number: int
    at: int
    settled_at: int | None = None
    settled_by: str = ""
    outcome: str = ""


_FIELDS = "id, space_id, journey_id, number, at, settled_at, settled_by, outcome"


def add(tx: Tx, mailbox_id: str, call: Call) -> bool:
    """False when this step's waits already. The journey is held, so nobody enters it at the same instant."""
    return bool(
        tx.run(
            "INSERT INTO calls (mailbox_id, id, space_id, journey_id, number, at)"
            " SELECT :mailbox, :id, :s, :j, :number, :at WHERE NOT EXISTS (SELECT 1 FROM calls"
            " WHERE mailbox_id = :mailbox AND journey_id = :j AND number = :number AND settled_at IS NULL)"
            " RETURNING id",
            mailbox=mailbox_id,
            id=call.id,
            s=call.space_id,
            j=call.journey_id,
            number=call.number,
            at=call.at,
        )
    )


def waiting(tx: Tx, mailbox_id: str, most: int) -> list[Call]:
    """Those an office has to make, the oldest first."""
    rows = tx.run(
        f"SELECT {_FIELDS} FROM calls WHERE mailbox_id = :mailbox AND settled_at IS NULL ORDER BY at, id LIMIT :most",
        mailbox=mailbox_id,
        most=most,
    )
    return [Call(*row) for row in rows]


def find(tx: Tx, mailbox_id: str, call_id: str) -> Call | None:
    rows = tx.run(
        f"SELECT {_FIELDS} FROM calls WHERE mailbox_id = :mailbox AND id = :id", mailbox=mailbox_id, id=call_id
    )
    return Call(*rows[0]) if rows else None


def of_journey(tx: Tx, mailbox_id: str, journey_id: str) -> list[Call]:
    rows = tx.run(
        f"SELECT {_FIELDS} FROM calls WHERE mailbox_id = :mailbox AND journey_id = :j ORDER BY at, id",
        mailbox=mailbox_id,
        j=journey_id,
    )
    return [Call(*row) for row in rows]


def settle(tx: Tx, mailbox_id: str, call_id: str, by: str, outcome: str, at: int) -> bool:
    """What came of it; False when it is settled already, or not of this office."""
    return bool(
        tx.run(
            "UPDATE calls SET settled_at = :at, settled_by = :by, outcome = :outcome"
            " WHERE mailbox_id = :mailbox AND id = :id AND settled_at IS NULL RETURNING id",
            at=at,
            by=by,
            outcome=outcome,
            mailbox=mailbox_id,
            id=call_id,
        )
    )
