"""Kept drafts: what somebody is writing, on every device. Functions of one transaction.

A draft that was sent or thrown away stays as an empty row for a while: what a slow device still saves under its name
is then refused, instead of coming back to life.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Tx
from storage.vault import Sealed


@dataclass(frozen=True, slots=True)
class KeptDraft:
    id: str
    space_id: str  # whose key seals it
    conversation_id: str
    account_id: str
    body: bytes
    version: int
    updated_at: int
    ended_at: int | None = None


_COLUMNS = "id, space_id, conversation_id, account_id, body, version, updated_at, ended_at"


def find(tx: Tx, mailbox_id: str, draft_id: str) -> KeptDraft | None:
    rows = tx.run(f"SELECT {_COLUMNS} FROM drafts WHERE mailbox_id = :m AND id = :id", m=mailbox_id, id=draft_id)
    return KeptDraft(*rows[0]) if rows else None


def of(tx: Tx, mailbox_id: str, account_id: str, conversation_id: str | None = None) -> list[KeptDraft]:
    """What this account is writing in a mailbox (in one conversation), the newest first."""
    rows = tx.run(
        f"SELECT {_COLUMNS} FROM drafts WHERE mailbox_id = :m AND account_id = :a AND ended_at IS NULL"
        " AND (:any = 1 OR conversation_id = :c) ORDER BY updated_at DESC, id",
        m=mailbox_id,
        a=account_id,
        any=1 if conversation_id is None else 0,
        c=conversation_id or "",
    )
    return [KeptDraft(*row) for row in rows]


def insert(tx: Tx, mailbox_id: str, draft: KeptDraft, body: Sealed) -> None:
    tx.run(
        "INSERT INTO drafts (mailbox_id, id, space_id, conversation_id, account_id, body, version, updated_at)"
        " VALUES (:m, :id, :s, :c, :a, :body, :version, :at)",
        m=mailbox_id,
        id=draft.id,
        s=draft.space_id,
        c=draft.conversation_id,
        a=draft.account_id,
        body=body,
        version=draft.version,
        at=draft.updated_at,
    )


def update(tx: Tx, mailbox_id: str, draft_id: str, known: int, body: Sealed, at: int) -> int | None:
    """The next version of a draft that is still at version `known`; None when it is not, or has ended."""
    rows = tx.run(
        "UPDATE drafts SET body = :body, version = version + 1, updated_at = :at"
        " WHERE mailbox_id = :m AND id = :id AND version = :known AND ended_at IS NULL RETURNING version",
        body=body,
        at=at,
        m=mailbox_id,
        id=draft_id,
        known=known,
    )
    return int(rows[0][0]) if rows else None


def end(tx: Tx, mailbox_id: str, account_id: str, draft_id: str, at: int) -> bool:
    """It was sent, or thrown away: its words go at once."""
    return bool(
        tx.run(
            "UPDATE drafts SET ended_at = :at, body = :nothing WHERE mailbox_id = :m AND id = :id AND account_id = :a"
            " AND ended_at IS NULL RETURNING id",
            at=at,
            nothing=b"",
            m=mailbox_id,
            id=draft_id,
            a=account_id,
        )
    )


def remove(tx: Tx, mailbox_id: str, draft_id: str) -> None:
    """Its writer rubbed it out; what they write next under its name is a draft again."""
    tx.run("DELETE FROM drafts WHERE mailbox_id = :m AND id = :id AND ended_at IS NULL", m=mailbox_id, id=draft_id)


def never(tx: Tx, mailbox_id: str, draft: KeptDraft, at: int) -> None:
    """Its message was faster than the first save of it: that save is refused."""
    tx.run(
        "INSERT INTO drafts (mailbox_id, id, space_id, conversation_id, account_id, body, version, updated_at,"
        " ended_at) VALUES (:m, :id, :s, :c, :a, :nothing, 0, :at, :at) ON CONFLICT DO NOTHING",
        m=mailbox_id,
        id=draft.id,
        s=draft.space_id,
        c=draft.conversation_id,
        a=draft.account_id,
        nothing=b"",
        at=at,
    )


def forget(tx: Tx, before: int) -> None:
    """Drop the rows of drafts that ended before."""
    tx.run("DELETE FROM drafts WHERE ended_at < :before", before=before)
