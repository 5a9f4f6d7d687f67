"""What is found in documents, and what people said. Functions of one transaction.

Nothing is overwritten: what is corrected stays, ended by who corrected it, and the correction names it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from storage.database import Tx
from storage.vault import Sealed

_ALL = "id, kind, document_id, message_id, state, corrects, source, by, at, ended_by, ended_at, content"


@dataclass(frozen=True, slots=True)
class Row:
    """`content`: a `server.formats.findings.Finding` in JSON, sealed for `finding` by the id. state: current,
    corrected, withdrawn. source: document, patient, delegate, professional, service.
    """

    id: str
    kind: str
    document_id: str
    message_id: str
    state: str
    corrects: str
    source: str
    by: str
    at: int
    ended_by: str
    ended_at: int | None
    content: bytes


def insert(tx: Tx, space_id: str, row: Row, content: Sealed) -> None:
    tx.run(
        f"INSERT INTO findings (space_id, {_ALL}) VALUES (:s, :id, :kind, :d, :m, :state, :corrects, :source, :by, :at,"
        " '', NULL, :content)",
        s=space_id,
        id=row.id,
        kind=row.kind,
        d=row.document_id,
        m=row.message_id,
        state=row.state,
        corrects=row.corrects,
        source=row.source,
        by=row.by,
        at=row.at,
        content=content,
    )


def end(tx: Tx, space_id: str, finding_id: str, state: str, by: str, at: int) -> bool:
    """Whether it was current. `state`: corrected or withdrawn."""
    return bool(
        tx.run(
            "UPDATE findings SET state = :state, ended_by = :by, ended_at = :at"
            " WHERE space_id = :s AND id = :id AND state = 'current' RETURNING id",
            state=state,
            by=by,
            at=at,
            s=space_id,
            id=finding_id,
        )
    )


def of(tx: Tx, space_id: str, kinds: Sequence[str] = (), *, current: bool = True) -> list[Row]:
    """Of these kinds (all when none is named), the oldest recorded first."""
    only = " AND state = 'current'" if current else ""
    if not kinds:
        rows = tx.run(f"SELECT {_ALL} FROM findings WHERE space_id = :s{only} ORDER BY at, id", s=space_id)
        return [Row(*row) for row in rows]
    found = [
        Row(*row)
        for kind in kinds
        for row in tx.run(
            f"SELECT {_ALL} FROM findings WHERE space_id = :s AND kind = :k{only} ORDER BY at, id", s=space_id, k=kind
        )
    ]
    return sorted(found, key=lambda row: (row.at, row.id))


def of_document(tx: Tx, space_id: str, document_id: str) -> list[Row]:
    rows = tx.run(
        f"SELECT {_ALL} FROM findings WHERE space_id = :s AND document_id = :d ORDER BY at, id",
        s=space_id,
        d=document_id,
    )
    return [Row(*row) for row in rows]


def one(tx: Tx, space_id: str, finding_id: str) -> Row | None:
    rows = tx.run(f"SELECT {_ALL} FROM findings WHERE space_id = :s AND id = :id", s=space_id, id=finding_id)
    return Row(*rows[0]) if rows else None
