"""Kept drafts: what somebody is writing, on every device, and in the folder Drafts of their mail client. Functions of
one transaction.

A draft that was sent or thrown away stays as an empty row for a while: what a slow device still saves under its name
is then refused, instead of coming back to life.
As a mail, a version has a number (`uid`, drawn when a client first looks), and its octets: those that the client sent
(`blob_id`), or those that were made for it (`renditions`, under the draft's id). Another version is another mail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from storage.database import Tx
from storage.entries import DELETED, next_seq
from storage.vault import Sealed


@dataclass(frozen=True, slots=True)
class KeptDraft:
    r"""`uid` 0: no client has looked at this version. `flags`: a client's; \Draft and \Seen go without saying."""

    id: str
    space_id: str  # whose key seals it
    conversation_id: str
    account_id: str
    body: bytes
    version: int
    updated_at: int
    ended_at: int | None = None
    uid: int = 0
    flags: int = 0
    modseq: int = 0
    blob_id: str = ""


_COLUMNS = "id, space_id, conversation_id, account_id, body, version, updated_at, ended_at, uid, flags, modseq, blob_id"
_LIVE = "mailbox_id = :m AND account_id = :a AND ended_at IS NULL"


def find(tx: Tx, mailbox_id: str, draft_id: str) -> KeptDraft | None:
    rows = tx.run(f"SELECT {_COLUMNS} FROM drafts WHERE mailbox_id = :m AND id = :id", m=mailbox_id, id=draft_id)
    return KeptDraft(*rows[0]) if rows else None


def of(tx: Tx, mailbox_id: str, account_id: str, conversation_id: str | None = None) -> list[KeptDraft]:
    """What this account is writing in a mailbox (in one conversation), the newest first."""
    rows = tx.run(
        f"SELECT {_COLUMNS} FROM drafts WHERE {_LIVE}"
        " AND (:any = 1 OR conversation_id = :c) ORDER BY updated_at DESC, id",
        m=mailbox_id,
        a=account_id,
        any=1 if conversation_id is None else 0,
        c=conversation_id or "",
    )
    return [KeptDraft(*row) for row in rows]


def insert(tx: Tx, mailbox_id: str, draft: KeptDraft, body: Sealed) -> None:
    tx.run(
        "INSERT INTO drafts (mailbox_id, id, space_id, conversation_id, account_id, body, version, updated_at, uid,"
        " flags, modseq, blob_id) VALUES (:m, :id, :s, :c, :a, :body, :version, :at, :uid, :flags, :modseq, :blob)",
        m=mailbox_id,
        id=draft.id,
        s=draft.space_id,
        c=draft.conversation_id,
        a=draft.account_id,
        body=body,
        version=draft.version,
        at=draft.updated_at,
        uid=draft.uid,
        flags=draft.flags,
        modseq=draft.modseq,
        blob=draft.blob_id,
    )


def update(tx: Tx, mailbox_id: str, draft_id: str, known: int, body: Sealed, at: int) -> int | None:
    """The next version of a draft that is still at version `known`; None when it is not, or has ended. It is a mail
    that no client has seen: `leave` has said that the one before is gone.
    """
    rows = tx.run(
        "UPDATE drafts SET body = :body, version = version + 1, updated_at = :at, uid = 0, blob_id = '',"
        f" flags = flags - (flags & {DELETED})"
        " WHERE mailbox_id = :m AND id = :id AND version = :known AND ended_at IS NULL RETURNING version",
        body=body,
        at=at,
        m=mailbox_id,
        id=draft_id,
        known=known,
    )
    return int(rows[0][0]) if rows else None


def reseal(tx: Tx, mailbox_id: str, draft: KeptDraft, body: Sealed) -> bool:
    """What is known of the same version, said anew: the mail stays. False when it is another version by now."""
    return bool(
        tx.run(
            "UPDATE drafts SET body = :body WHERE mailbox_id = :m AND id = :id AND version = :known"
            " AND ended_at IS NULL RETURNING id",
            body=body,
            m=mailbox_id,
            id=draft.id,
            known=draft.version,
        )
    )


def end(tx: Tx, mailbox_id: str, account_id: str, draft_id: str, at: int) -> bool:
    """It was sent, or thrown away: its words go at once, and its mail."""
    row = find(tx, mailbox_id, draft_id)
    if row is None or row.ended_at is not None or row.account_id != account_id:
        return False
    leave(tx, mailbox_id, row)
    tx.run(
        "UPDATE drafts SET ended_at = :at, body = :nothing, uid = 0, blob_id = '' WHERE mailbox_id = :m AND id = :id",
        at=at,
        nothing=b"",
        m=mailbox_id,
        id=draft_id,
    )
    return True


def remove(tx: Tx, mailbox_id: str, draft_id: str) -> None:
    """Its writer rubbed it out; what they write next under its name is a draft again."""
    row = find(tx, mailbox_id, draft_id)
    if row is not None and row.ended_at is None:
        leave(tx, mailbox_id, row)
        _drop(tx, mailbox_id, draft_id)


def _drop(tx: Tx, mailbox_id: str, draft_id: str) -> None:
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


# ---- as mails --------------------------------------------------------------------------------------------------------


def folder_of(account_id: str) -> str:
    """What the folder Drafts of one writer is called where numbers that left are kept (`vanished`)."""
    return f"drafts:{account_id}"


def leave(tx: Tx, mailbox_id: str, draft: KeptDraft) -> None:
    """This version is no mail any more: a number that a client has seen is gone, and the octets."""
    if draft.uid:
        tx.run(
            "INSERT INTO vanished (mailbox_id, folder, modseq, uid) VALUES (:m, :folder, :modseq, :uid)",
            m=mailbox_id,
            folder=folder_of(draft.account_id),
            modseq=next_seq(tx, mailbox_id),
            uid=draft.uid,
        )
    made = tx.run(
        "DELETE FROM renditions WHERE space_id = :s AND message_id = :id RETURNING blob_id",
        s=draft.space_id,
        id=draft.id,
    )
    for blob_id in {*(row[0] for row in made), draft.blob_id} - {""}:
        tx.run("DELETE FROM blobs WHERE space_id = :s AND id = :b", s=draft.space_id, b=blob_id)


def unnumbered(tx: Tx, mailbox_id: str, account_id: str) -> list[str]:
    """The drafts of which no client has seen this version, the oldest first."""
    rows = tx.run(
        f"SELECT id FROM drafts WHERE {_LIVE} AND uid = 0 ORDER BY updated_at, id", m=mailbox_id, a=account_id
    )
    return [row[0] for row in rows]


def number(tx: Tx, mailbox_id: str, draft_id: str) -> int:
    """A client looks: this version has a number from now on."""
    uid = next_seq(tx, mailbox_id)
    tx.run(
        "UPDATE drafts SET uid = :uid, modseq = :uid WHERE mailbox_id = :m AND id = :id AND uid = 0"
        " AND ended_at IS NULL",
        uid=uid,
        m=mailbox_id,
        id=draft_id,
    )
    return uid


def listed(tx: Tx, mailbox_id: str, account_id: str, since: int = 0) -> list[tuple[int, int, int]]:
    """(uid, flags, modseq) of those that have a number and moved after `since`, in order of uid."""
    rows = tx.run(
        f"SELECT uid, flags, modseq FROM drafts WHERE {_LIVE} AND uid > 0 AND modseq > :since ORDER BY uid",
        m=mailbox_id,
        a=account_id,
        since=since,
    )
    return [(row[0], row[1], row[2]) for row in rows]


def numbered(tx: Tx, mailbox_id: str, account_id: str, uids: Sequence[int]) -> list[KeptDraft]:
    """Those with these numbers, in order."""
    wanted = frozenset(uids)
    return sorted((row for row in of(tx, mailbox_id, account_id) if row.uid in wanted), key=lambda row: row.uid)


def set_flags(tx: Tx, mailbox_id: str, draft_id: str, flags: int) -> int:
    """Returns the number of this move (MODSEQ, RFC 7162)."""
    modseq = next_seq(tx, mailbox_id)
    tx.run(
        "UPDATE drafts SET flags = :flags, modseq = :modseq WHERE mailbox_id = :m AND id = :id",
        flags=flags,
        modseq=modseq,
        m=mailbox_id,
        id=draft_id,
    )
    return modseq


def part(tx: Tx, mailbox_id: str, draft: KeptDraft, draft_id: str, body: Sealed) -> None:
    """The mail of a draft becomes a draft of its own, number and octets: the draft itself is written on elsewhere.
    `body`: as sealed for the new id.
    """
    tx.run("DELETE FROM renditions WHERE space_id = :s AND message_id = :id", s=draft.space_id, id=draft.id)
    tx.run("UPDATE drafts SET uid = 0, blob_id = '' WHERE mailbox_id = :m AND id = :id", m=mailbox_id, id=draft.id)
    insert(tx, mailbox_id, replace(draft, id=draft_id, version=1), body)


def succeed(tx: Tx, mailbox_id: str, draft_id: str, later: KeptDraft, body: Sealed) -> None:
    """A client saved a draft anew, then took the older mail away (`leave`): the draft goes on under its own id with
    what the later mail says. `body`: of the later one, sealed for this id.
    """
    _drop(tx, mailbox_id, later.id)
    tx.run("DELETE FROM renditions WHERE space_id = :s AND message_id = :id", s=later.space_id, id=later.id)
    tx.run(
        "UPDATE drafts SET body = :body, version = version + 1, updated_at = :at, conversation_id = :c, uid = :uid,"
        " flags = :flags, modseq = :modseq, blob_id = :blob WHERE mailbox_id = :m AND id = :id",
        body=body,
        at=later.updated_at,
        c=later.conversation_id,
        uid=later.uid,
        flags=later.flags,
        modseq=later.modseq,
        blob=later.blob_id,
        m=mailbox_id,
        id=draft_id,
    )


def octets(tx: Tx, mailbox_id: str, account_id: str) -> int:
    """Of all the mails that clients put there."""
    ((size,),) = tx.run(
        "SELECT COALESCE(SUM(b.size), 0) FROM drafts d JOIN blobs b ON b.space_id = d.space_id AND b.id = d.blob_id"
        " WHERE d.mailbox_id = :m AND d.account_id = :a AND d.ended_at IS NULL",
        m=mailbox_id,
        a=account_id,
    )
    return int(size)


def answered(tx: Tx, mailbox_id: str, reference_hash: str) -> tuple[str, str] | None:
    """(conversation, message) of this Message-ID (hashed) among the conversations of a mailbox."""
    rows = tx.run(
        "SELECT r.conversation_id, r.message_id FROM threads t JOIN refs r ON r.space_id = t.space_id"
        " AND r.reference_hash = :hash AND r.conversation_id = t.conversation_id WHERE t.mailbox_id = :m LIMIT 1",
        hash=reference_hash,
        m=mailbox_id,
    )
    return (rows[0][0], rows[0][1]) if rows else None


def latest_with(tx: Tx, mailbox_id: str, space_id: str) -> str:
    """The conversation of this mailbox with the person of that space in which something was last written, or ""."""
    rows = tx.run(
        "SELECT conversation_id FROM threads WHERE mailbox_id = :m AND space_id = :s ORDER BY last_seq DESC LIMIT 1",
        m=mailbox_id,
        s=space_id,
    )
    return str(rows[0][0]) if rows else ""
