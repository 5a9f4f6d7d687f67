"""The documents that letters enclosed, and which of them their authors replaced or withdrew. Functions of one
transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from storage.database import Tx


@dataclass(frozen=True, slots=True)
class Enclosed:
    """A document of a message. Identifiers as keyed hashes, "" for what it does not have. `changed_by`: a message."""

    attachment_id: str
    message_id: str
    unique_hash: str
    content_hash: str
    set_hash: str
    version: int
    replaces_hash: str
    author_hash: str
    organisation_hash: str
    state: str = "current"  # current, same, replaced, deleted
    changed_by: str = ""
    changed_at: int | None = None


_COLUMNS = (
    "attachment_id, message_id, unique_hash, content_hash, set_hash, version, replaces_hash, author_hash, "
    "organisation_hash, state, changed_by, changed_at"
)


def lock(tx: Tx, space_id: str) -> None:
    """One letter at a time decides which version of a document is the newest: two that come at once would each find
    none but their own.
    """
    tx.run("UPDATE spaces SET state = state WHERE id = :s", s=space_id)


def insert(tx: Tx, space_id: str, row: Enclosed) -> None:
    tx.run(
        f"INSERT INTO enclosed_documents (space_id, {_COLUMNS}) VALUES (:s, :id, :m, :unique, :content, :set, :version,"
        " :replaces, :author, :organisation, :state, :by, :at)",
        s=space_id,
        id=row.attachment_id,
        m=row.message_id,
        unique=row.unique_hash,
        content=row.content_hash,
        set=row.set_hash,
        version=row.version,
        replaces=row.replaces_hash,
        author=row.author_hash,
        organisation=row.organisation_hash,
        state=row.state,
        by=row.changed_by,
        at=row.changed_at,
    )


def find(tx: Tx, space_id: str, attachment_id: str) -> Enclosed | None:
    rows = tx.run(
        f"SELECT {_COLUMNS} FROM enclosed_documents WHERE space_id = :s AND attachment_id = :id",
        s=space_id,
        id=attachment_id,
    )
    return Enclosed(*rows[0]) if rows else None


def related(tx: Tx, space_id: str, document: Enclosed) -> list[Enclosed]:
    """What is known of the same document, of those it replaces and that replace it, and of its set; whatever their
    author.
    """
    rows = tx.run(
        f"SELECT {_COLUMNS} FROM enclosed_documents WHERE space_id = :s AND (unique_hash = :unique"
        " OR (:replaces <> '' AND unique_hash = :replaces) OR replaces_hash = :unique"
        " OR (:set <> '' AND set_hash = :set)) ORDER BY version, attachment_id",
        s=space_id,
        unique=document.unique_hash,
        replaces=document.replaces_hash,
        set=document.set_hash,
    )
    return [Enclosed(*row) for row in rows]


def mark(tx: Tx, space_id: str, document: Enclosed, state: str, by: str, at: int) -> list[tuple[str, str]]:
    """Every copy of a document is replaced or withdrawn; returns their (attachment, message)."""
    rows = tx.run(
        "UPDATE enclosed_documents SET state = :state, changed_by = :by, changed_at = :at WHERE space_id = :s"
        " AND unique_hash = :unique AND content_hash = :content AND state IN ('current', 'same')"
        " RETURNING attachment_id, message_id",
        state=state,
        by=by,
        at=at,
        s=space_id,
        unique=document.unique_hash,
        content=document.content_hash,
    )
    return [(row[0], row[1]) for row in rows]


def sender(tx: Tx, space_id: str, message_id: str) -> tuple[str, str]:
    """(member, organisation) that a message came from, as its door verified them; empty when there is none."""
    rows = tx.run(
        "SELECT m.author_id, p.organisation FROM messages m LEFT JOIN participants p ON p.space_id = m.space_id"
        " AND p.conversation_id = m.conversation_id AND p.member_id = m.author_id"
        " WHERE m.space_id = :s AND m.id = :m",
        s=space_id,
        m=message_id,
    )
    return (rows[0][0], rows[0][1] or "") if rows else ("", "")


def filed(tx: Tx, space_id: str, document: Enclosed) -> bool:
    """Whether a copy of the document is in the dossier."""
    return bool(
        tx.run(
            "SELECT 1 FROM enclosed_documents e JOIN documents d ON d.space_id = e.space_id"
            " AND d.attachment_id = e.attachment_id WHERE e.space_id = :s AND e.unique_hash = :unique"
            " AND e.content_hash = :content LIMIT 1",
            s=space_id,
            unique=document.unique_hash,
            content=document.content_hash,
        )
    )


def outdate_filed(tx: Tx, space_id: str, attachments: Iterable[str], state: str, by: str) -> None:
    """What was filed of these attachments stays in the dossier, marked replaced or deleted by that message."""
    for attachment_id in attachments:
        tx.run(
            "UPDATE documents SET state = :state, replaced_by = :by WHERE space_id = :s AND attachment_id = :a",
            state=state,
            by=by,
            s=space_id,
            a=attachment_id,
        )
