"""What a person lives with that changes what is recommended to them: one record a change, the newest counts. Functions
of one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Tx
from storage.vault import Sealed


@dataclass(frozen=True, slots=True)
class Row:
    """`kind_hash`: the keyed hash of what it is, since the name alone would say something of a person's health.
    state: so, not_so, withdrawn. `facts`: sealed for `situation` by the id.
    """

    id: str
    kind_hash: str
    state: str
    by: str
    at: int
    facts: bytes


def add(tx: Tx, space_id: str, row: Row, facts: Sealed) -> None:
    """It is later than what was said of the same before, also within one millisecond."""
    ((last,),) = tx.run(
        "SELECT COALESCE(MAX(at), 0) FROM situations WHERE space_id = :s AND kind_hash = :kind",
        s=space_id,
        kind=row.kind_hash,
    )
    tx.run(
        "INSERT INTO situations (space_id, id, kind_hash, state, facts, by, at) VALUES (:s, :id, :kind, :state, "
        ":facts, :by, :at)",
        s=space_id,
        id=row.id,
        kind=row.kind_hash,
        state=row.state,
        facts=facts,
        by=row.by,
        at=max(row.at, last + 1),
    )


def of(tx: Tx, space_id: str) -> list[Row]:
    """Every record, the oldest first."""
    rows = tx.run(
        "SELECT id, kind_hash, state, by, at, facts FROM situations WHERE space_id = :s ORDER BY at, id", s=space_id
    )
    return [Row(*row) for row in rows]
