"""The documents of a dossier, and the grants of services. Functions of one transaction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from storage.database import Tx
from storage.ids import now_ms
from storage.vault import Sealed


@dataclass(frozen=True, slots=True)
class Document:
    """`state`: current; replaced or deleted by its author, in the message or by the document `replaced_by`; removed by
    the patient who had added it. `author_id`: the account that answers for it, "" when it came from elsewhere.
    `original_blob`: the CDA, when the document is the PDF that it carries.
    """

    id: str
    message_id: str
    attachment_id: str
    blob_id: str
    category: str
    facts: bytes
    filed_by: str
    filed_at: int
    state: str = "current"
    replaced_by: str = ""
    id_hash: str = ""
    content_hash: str = ""
    set_hash: str = ""
    version: int = 0
    author_id: str = ""
    organisation_id: str = ""
    source: str = "letter"
    original_blob: str = ""
    changed_at: int | None = None


_FIELDS = tuple(field.name for field in fields(Document))
_DOCUMENT = ", ".join(_FIELDS)
_VALUES = ", ".join(f":{name}" for name in _FIELDS)
_FILE = (
    f"INSERT INTO documents (space_id, unique_hash, {_DOCUMENT}) VALUES (:space_id, :unique_hash, {_VALUES})"
    " ON CONFLICT DO NOTHING RETURNING id"
)


def file(tx: Tx, space_id: str, document: Document, unique_hash: str, facts: Sealed) -> bool:
    """False when the same document (unique id and content) is already in the dossier."""
    values = {name: getattr(document, name) for name in _FIELDS}
    return bool(tx.run(_FILE, **{**values, "facts": facts, "space_id": space_id, "unique_hash": unique_hash}))


def documents(tx: Tx, space_id: str) -> list[Document]:
    """Newest filed first; not those that the patient removed."""
    rows = tx.run(
        f"SELECT {_DOCUMENT} FROM documents WHERE space_id = :s AND state <> 'removed' ORDER BY filed_at DESC, id",
        s=space_id,
    )
    return [Document(*row) for row in rows]


def document(tx: Tx, space_id: str, document_id: str) -> Document | None:
    rows = tx.run(
        f"SELECT {_DOCUMENT} FROM documents WHERE space_id = :s AND id = :id AND state <> 'removed'",
        s=space_id,
        id=document_id,
    )
    return Document(*rows[0]) if rows else None


def deposited(tx: Tx, space_id: str, account_ids: Iterable[str]) -> bool:
    """Whether one of these accounts answers for a document there."""
    query = "SELECT 1 FROM documents WHERE space_id = :s AND author_id = :a AND state <> 'removed' LIMIT 1"
    return any(tx.run(query, s=space_id, a=account_id) for account_id in account_ids)


def alike(tx: Tx, space_id: str, column: str, hashed: str) -> list[Document]:
    """Those with the same `id_hash`, `content_hash` or `set_hash`, the newest version first."""
    assert column in {"id_hash", "content_hash", "set_hash"}  # noqa: S101 - a name of ours goes into the statement
    rows = tx.run(
        f"SELECT {_DOCUMENT} FROM documents WHERE space_id = :s AND {column} = :h AND state <> 'removed'"
        " ORDER BY version DESC, filed_at DESC, id",
        s=space_id,
        h=hashed,
    )
    return [Document(*row) for row in rows] if hashed else []


def outdate(tx: Tx, space_id: str, document_id: str, state: str, by: str) -> bool:
    """Whether it was current. `state`: replaced, deleted or removed; `by`: the message or the document that did it."""
    return bool(
        tx.run(
            "UPDATE documents SET state = :state, replaced_by = :by, changed_at = :at"
            " WHERE space_id = :s AND id = :id AND state = 'current' RETURNING id",
            state=state,
            by=by,
            at=now_ms(),
            s=space_id,
            id=document_id,
        )
    )


def rewrite(tx: Tx, space_id: str, document_id: str, facts: Sealed) -> None:
    """Other facts for a document: another title."""
    tx.run(
        "UPDATE documents SET facts = :facts WHERE space_id = :s AND id = :id", facts=facts, s=space_id, id=document_id
    )


def remove(tx: Tx, space_id: str, document_id: str, nothing: Sealed, by: str) -> bool:
    """The patient removes what they had added: the row stays, for the log, and says nothing any more; the same content
    may be added again. Whether it was there.
    """
    return bool(
        tx.run(
            "UPDATE documents SET state = 'removed', replaced_by = :by, changed_at = :at, facts = :nothing,"
            " unique_hash = :gone, id_hash = '', content_hash = '', set_hash = '', blob_id = '', original_blob = ''"
            " WHERE space_id = :s AND id = :id AND state <> 'removed' RETURNING id",
            by=by,
            at=now_ms(),
            nothing=nothing,
            gone=f"removed:{document_id}",
            s=space_id,
            id=document_id,
        )
    )


@dataclass(frozen=True, slots=True)
class Grant:
    space_id: str
    id: str
    service_account: str
    facts: bytes
    granted_at: int
    until_at: int
    withdrawn_at: int | None


_GRANT = "space_id, id, service_account, facts, granted_at, until_at, withdrawn_at"


def insert_grant(tx: Tx, grant: Grant, facts: Sealed, granted_by: str) -> None:
    tx.run(
        "INSERT INTO grants (space_id, id, service_account, facts, granted_by, granted_at, until_at)"
        " VALUES (:s, :id, :service, :facts, :by, :at, :until)",
        s=grant.space_id,
        id=grant.id,
        service=grant.service_account,
        facts=facts,
        by=granted_by,
        at=grant.granted_at,
        until=grant.until_at,
    )


def withdraw_grants(tx: Tx, space_id: str, service_account: str, by: str) -> int:
    """End every grant in force of a service; returns how many."""
    return len(
        tx.run(
            "UPDATE grants SET withdrawn_at = :at, withdrawn_by = :by WHERE space_id = :s AND service_account = "
            ":service"
            " AND withdrawn_at IS NULL RETURNING id",
            at=now_ms(),
            by=by,
            s=space_id,
            service=service_account,
        )
    )


def grants(tx: Tx, space_id: str) -> list[Grant]:
    return [
        Grant(*row)
        for row in tx.run(f"SELECT {_GRANT} FROM grants WHERE space_id = :s ORDER BY granted_at DESC", s=space_id)
    ]


def grants_in_force(tx: Tx, service_account: str) -> list[Grant]:
    """What a service may do now, space by space."""
    rows = tx.run(
        f"SELECT {_GRANT} FROM grants WHERE service_account = :service AND withdrawn_at IS NULL AND until_at > :now",
        service=service_account,
        now=now_ms(),
    )
    return [Grant(*row) for row in rows]
