"""Messages, their files, receipts, retry keys and answers. Functions of one transaction."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from storage.database import Tx
from storage.ids import now_ms
from storage.vault import Sealed


@dataclass(frozen=True, slots=True)
class Message:
    id: str
    conversation_id: str
    at: int
    kind: str
    author_kind: str
    author_id: str
    body: bytes
    raw_blob: str
    in_reply_to: str
    size: int
    files: int


@dataclass(frozen=True, slots=True)
class Attachment:
    id: str
    message_id: str
    position: int
    blob_id: str
    part: str
    facts: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    answer_id: str
    action: str
    account_id: str
    at: int
    detail: bytes


COLUMNS = "id, conversation_id, at, kind, author_kind, author_id, body, raw_blob, in_reply_to, size, files"


def _kept(key: str) -> str:
    """A retry key as it is stored: hashed, so that what a client chose can be neither long, nor strange,
    nor telling.
    """
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def claim_retry_key(tx: Tx, space_id: str, key: str, conversation_id: str, message_id: str) -> tuple[str, str] | None:
    """Take the key for this message; when somebody had it, the (conversation, message) it stands for."""
    rows = tx.run(
        "INSERT INTO retry_keys (space_id, key, conversation_id, message_id, at) VALUES (:s, :k, :c, :m, :at)"
        " ON CONFLICT DO NOTHING RETURNING key",
        s=space_id,
        k=_kept(key),
        c=conversation_id,
        m=message_id,
        at=now_ms(),
    )
    return None if rows else retry_key(tx, space_id, key)


def retry_key(tx: Tx, space_id: str, key: str) -> tuple[str, str] | None:
    known = tx.run(
        "SELECT conversation_id, message_id FROM retry_keys WHERE space_id = :s AND key = :k", s=space_id, k=_kept(key)
    )
    return (known[0][0], known[0][1]) if known else None


def forget_retry_keys(tx: Tx, before: int) -> None:
    tx.run("DELETE FROM retry_keys WHERE at < :before", before=before)


def insert(tx: Tx, space_id: str, message: Message, body: Sealed) -> None:
    tx.run(
        "INSERT INTO messages (space_id, id, conversation_id, at, kind, author_kind, author_id, body, raw_blob, "
        "in_reply_to, size, files)"
        " VALUES (:s, :id, :c, :at, :kind, :author_kind, :author_id, :body, :raw, :reply, :size, :files)",
        s=space_id,
        id=message.id,
        c=message.conversation_id,
        at=message.at,
        kind=message.kind,
        author_kind=message.author_kind,
        author_id=message.author_id,
        body=body,
        raw=message.raw_blob,
        reply=message.in_reply_to,
        size=message.size,
        files=message.files,
    )


def find(tx: Tx, space_id: str, message_id: str) -> Message | None:
    rows = tx.run(f"SELECT {COLUMNS} FROM messages WHERE space_id = :s AND id = :id", s=space_id, id=message_id)
    return Message(*rows[0]) if rows else None


def answered_by_default(tx: Tx, space_id: str, conversation_id: str, author: str) -> str:
    """What an answer answers when it does not say: the newest message somebody else wrote among the last ten, else
    one's own last; '' in an empty conversation. Bounded, so that a long conversation costs no more than a short one.
    """
    rows = tx.run(
        "SELECT id, author_id FROM messages WHERE space_id = :s AND conversation_id = :c AND kind IN ('text', 'card')"
        " ORDER BY at DESC LIMIT 10",
        s=space_id,
        c=conversation_id,
    )
    return next((row[0] for row in rows if row[1] != author), rows[0][0] if rows else "")


def insert_attachment(tx: Tx, space_id: str, attachment: Attachment, facts: Sealed) -> None:
    tx.run(
        "INSERT INTO attachments (space_id, id, message_id, position, blob_id, part, facts, created_at)"
        " VALUES (:s, :id, :m, :position, :blob, :part, :facts, :at)",
        s=space_id,
        id=attachment.id,
        m=attachment.message_id,
        position=attachment.position,
        blob=attachment.blob_id,
        part=attachment.part,
        facts=facts,
        at=now_ms(),
    )


def attachments(tx: Tx, space_id: str, message_id: str) -> list[Attachment]:
    rows = tx.run(
        "SELECT id, message_id, position, blob_id, part, facts FROM attachments"
        " WHERE space_id = :s AND message_id = :m ORDER BY position",
        s=space_id,
        m=message_id,
    )
    return [Attachment(*row) for row in rows]


def attachment(tx: Tx, space_id: str, attachment_id: str) -> Attachment | None:
    rows = tx.run(
        "SELECT id, message_id, position, blob_id, part, facts FROM attachments WHERE space_id = :s AND id = :id",
        s=space_id,
        id=attachment_id,
    )
    return Attachment(*rows[0]) if rows else None


def space_of_attachment(tx: Tx, attachment_id: str) -> str | None:
    """Where the file of a message lies, for a door that is given its id alone. Knowing it gives no right."""
    rows = tx.run("SELECT space_id FROM attachments WHERE id = :id AND message_id <> ''", id=attachment_id)
    return rows[0][0] if rows else None


def forget_uploads(tx: Tx, space_id: str, before: int) -> None:
    """Drop the uploads of a space that no message took since then, but those of `storage.uploads`, which have their own
    time; the sweep removes their files.
    """
    rows = tx.run(
        "DELETE FROM attachments WHERE space_id = :s AND message_id = '' AND created_at < :before AND NOT EXISTS"
        " (SELECT 1 FROM uploads u WHERE u.space_id = attachments.space_id AND u.id = attachments.id)"
        " RETURNING blob_id",
        s=space_id,
        before=before,
    )
    for row in rows:
        tx.run("DELETE FROM blobs WHERE space_id = :s AND id = :id", s=space_id, id=row[0])


def waiting_uploads(tx: Tx, space_id: str) -> int:
    """Octets of the uploads of a space that no message took yet."""
    rows = tx.run(
        "SELECT COALESCE(SUM(b.size), 0) FROM attachments a JOIN blobs b ON b.space_id = a.space_id AND b.id = "
        "a.blob_id"
        " WHERE a.space_id = :s AND a.message_id = ''",
        s=space_id,
    )
    return int(rows[0][0])


def remove_upload(tx: Tx, space_id: str, attachment_id: str) -> None:
    """An upload that became part of a message elsewhere, where its octets are sealed anew."""
    rows = tx.run(
        "DELETE FROM attachments WHERE space_id = :s AND id = :id AND message_id = '' RETURNING blob_id",
        s=space_id,
        id=attachment_id,
    )
    for row in rows:
        tx.run("DELETE FROM blobs WHERE space_id = :s AND id = :id", s=space_id, id=row[0])


def add_receipt(tx: Tx, space_id: str, message_id: str, member_id: str, state: str) -> bool:
    """True when it was not known yet."""
    return bool(
        tx.run(
            "INSERT INTO receipts (space_id, message_id, member_id, state, at) VALUES (:s, :m, :who, :state, :at)"
            " ON CONFLICT DO NOTHING RETURNING state",
            s=space_id,
            m=message_id,
            who=member_id,
            state=state,
            at=now_ms(),
        )
    )


def receipts(tx: Tx, space_id: str, message_id: str) -> list[tuple[str, str, int]]:
    """(member, state, at), oldest first."""
    rows = tx.run(
        "SELECT member_id, state, at FROM receipts WHERE space_id = :s AND message_id = :m ORDER BY at",
        s=space_id,
        m=message_id,
    )
    return [(row[0], row[1], row[2]) for row in rows]


def insert_answer(tx: Tx, space_id: str, message_id: str, answer: Answer, detail: Sealed) -> None:
    tx.run(
        "INSERT INTO answers (space_id, message_id, answer_id, action, account_id, at, detail)"
        " VALUES (:s, :m, :id, :action, :a, :at, :detail)",
        s=space_id,
        m=message_id,
        id=answer.answer_id,
        action=answer.action,
        a=answer.account_id,
        at=answer.at,
        detail=detail,
    )


def answers(tx: Tx, space_id: str, message_id: str) -> list[Answer]:
    """Oldest first."""
    rows = tx.run(
        "SELECT answer_id, action, account_id, at, detail FROM answers WHERE space_id = :s AND message_id = :m ORDER "
        "BY at, answer_id",
        s=space_id,
        m=message_id,
    )
    return [Answer(*row) for row in rows]
