"""The patient's own folders of documents, and what is pinned. Functions of one transaction.

A folder that was removed is ended, dated, and holds nothing any more; the documents stay in the dossier.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Tx
from storage.ids import now_ms
from storage.vault import Sealed

PINNED = "pinned"  # a folder that needs no row


@dataclass(frozen=True, slots=True)
class Folder:
    """`name`: sealed for `folder` by the id."""

    id: str
    name: bytes
    by: str
    at: int


def insert(tx: Tx, space_id: str, folder_id: str, name: Sealed, by: str) -> None:
    tx.run(
        "INSERT INTO folders (space_id, id, name, by, at) VALUES (:s, :id, :name, :by, :at)",
        s=space_id,
        id=folder_id,
        name=name,
        by=by,
        at=now_ms(),
    )


def rename(tx: Tx, space_id: str, folder_id: str, name: Sealed) -> bool:
    """Whether it is there."""
    return bool(
        tx.run(
            "UPDATE folders SET name = :name WHERE space_id = :s AND id = :id AND ended_at IS NULL RETURNING id",
            name=name,
            s=space_id,
            id=folder_id,
        )
    )


def end(tx: Tx, space_id: str, folder_id: str) -> bool:
    """Whether it was there."""
    tx.run("DELETE FROM folder_documents WHERE space_id = :s AND folder_id = :f", s=space_id, f=folder_id)
    return bool(
        tx.run(
            "UPDATE folders SET ended_at = :at WHERE space_id = :s AND id = :id AND ended_at IS NULL RETURNING id",
            at=now_ms(),
            s=space_id,
            id=folder_id,
        )
    )


def of(tx: Tx, space_id: str) -> list[Folder]:
    """Those there are, the oldest first."""
    rows = tx.run(
        "SELECT id, name, by, at FROM folders WHERE space_id = :s AND ended_at IS NULL ORDER BY at, id", s=space_id
    )
    return [Folder(*row) for row in rows]


def put(tx: Tx, space_id: str, folder_id: str, document_id: str, by: str) -> None:
    """`folder_id`: one that is there, or `PINNED`. A document may be in several."""
    tx.run(
        "INSERT INTO folder_documents (space_id, folder_id, document_id, by, at) VALUES (:s, :f, :d, :by, :at)"
        " ON CONFLICT DO NOTHING",
        s=space_id,
        f=folder_id,
        d=document_id,
        by=by,
        at=now_ms(),
    )


def take_out(tx: Tx, space_id: str, folder_id: str, document_id: str) -> None:
    """Out of that folder; out of every one when `folder_id` is empty."""
    tx.run(
        "DELETE FROM folder_documents WHERE space_id = :s AND document_id = :d AND (folder_id = :f OR :f = '')",
        s=space_id,
        f=folder_id,
        d=document_id,
    )


def contents(tx: Tx, space_id: str) -> dict[str, set[str]]:
    """The documents in each folder, also in `PINNED`."""
    found: dict[str, set[str]] = {}
    for folder_id, document_id in tx.run(
        "SELECT folder_id, document_id FROM folder_documents WHERE space_id = :s", s=space_id
    ):
        found.setdefault(folder_id, set()).add(document_id)
    return found
