"""Conversations, who takes part, and the references that lead a letter to them. Functions of one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Tx
from storage.ids import now_ms
from storage.vault import Sealed


@dataclass(frozen=True, slots=True)
class Participant:
    member_id: str
    kind: str  # account, contact
    mailbox_id: str
    organisation: str


def insert(tx: Tx, space_id: str, conversation_id: str, subject: Sealed, about: str) -> None:
    tx.run(
        "INSERT INTO conversations (space_id, id, subject, created_at, about) VALUES (:s, :id, :subject, :at, :about)",
        s=space_id,
        id=conversation_id,
        subject=subject,
        at=now_ms(),
        about=about,
    )


def add_participant(tx: Tx, space_id: str, conversation_id: str, member: Participant) -> None:
    """Adds or brings back."""
    tx.run(
        "INSERT INTO participants (space_id, conversation_id, member_id, kind, mailbox_id, organisation, since_at)"
        " VALUES (:s, :c, :m, :kind, :mailbox, :org, :at)"
        " ON CONFLICT (space_id, conversation_id, member_id) DO UPDATE SET left_at = NULL",
        s=space_id,
        c=conversation_id,
        m=member.member_id,
        kind=member.kind,
        mailbox=member.mailbox_id,
        org=member.organisation,
        at=now_ms(),
    )


def participants(tx: Tx, space_id: str, conversation_id: str) -> list[Participant]:
    """Those who take part now, in the order in which their mailboxes are locked."""
    rows = tx.run(
        "SELECT member_id, kind, mailbox_id, organisation FROM participants"
        " WHERE space_id = :s AND conversation_id = :c AND left_at IS NULL ORDER BY mailbox_id, member_id",
        s=space_id,
        c=conversation_id,
    )
    return [Participant(*row) for row in rows]


def leave(tx: Tx, space_id: str, conversation_id: str, member_id: str) -> None:
    """They hear no more of it; what they had stays theirs to read."""
    tx.run(
        "UPDATE participants SET left_at = :at WHERE space_id = :s AND conversation_id = :c AND member_id = :m"
        " AND left_at IS NULL",
        at=now_ms(),
        s=space_id,
        c=conversation_id,
        m=member_id,
    )


def takes_part(tx: Tx, space_id: str, conversation_id: str, member_id: str) -> bool:
    return bool(
        tx.run(
            "SELECT 1 FROM participants WHERE space_id = :s AND conversation_id = :c AND member_id = :m"
            " AND left_at IS NULL",
            s=space_id,
            c=conversation_id,
            m=member_id,
        )
    )


def left(tx: Tx, space_id: str, conversation_id: str, member_id: str) -> bool:
    """Whether this member took part once, and does no longer."""
    return bool(
        tx.run(
            "SELECT 1 FROM participants WHERE space_id = :s AND conversation_id = :c AND member_id = :m"
            " AND left_at IS NOT NULL",
            s=space_id,
            c=conversation_id,
            m=member_id,
        )
    )


def header(tx: Tx, space_id: str, conversation_id: str) -> tuple[bytes, str] | None:
    """(sealed subject, the conversation it follows)."""
    rows = tx.run(
        "SELECT subject, about FROM conversations WHERE space_id = :s AND id = :c", s=space_id, c=conversation_id
    )
    return (rows[0][0], rows[0][1]) if rows else None


def find_in_mailbox(tx: Tx, mailbox_id: str, conversation_id: str) -> str | None:
    """The space of a conversation that this mailbox has, or None."""
    rows = tx.run(
        "SELECT space_id FROM threads WHERE mailbox_id = :m AND conversation_id = :c", m=mailbox_id, c=conversation_id
    )
    return rows[0][0] if rows else None


def insert_reference(tx: Tx, space_id: str, reference_hash: str, conversation_id: str, message_id: str) -> None:
    tx.run(
        "INSERT INTO refs (space_id, reference_hash, conversation_id, message_id) VALUES (:s, :h, :c, :m) ON CONFLICT "
        "DO NOTHING",
        s=space_id,
        h=reference_hash,
        c=conversation_id,
        m=message_id,
    )


def referenced(tx: Tx, space_id: str, reference_hash: str) -> tuple[str, str] | None:
    """(conversation, message) of a hash known **in this space**; another space's references mean nothing here."""
    rows = tx.run(
        "SELECT conversation_id, message_id FROM refs WHERE space_id = :s AND reference_hash = :h",
        s=space_id,
        h=reference_hash,
    )
    return (rows[0][0], rows[0][1]) if rows else None


def knows(tx: Tx, space_id: str, member_id: str) -> bool:
    """Whether this member ever took part in a conversation of this space."""
    return bool(
        tx.run("SELECT 1 FROM participants WHERE space_id = :s AND member_id = :m LIMIT 1", s=space_id, m=member_id)
    )


def contact_id(tx: Tx, space_id: str, address_hash: str) -> str | None:
    rows = tx.run("SELECT id FROM contacts WHERE space_id = :s AND address_hash = :h", s=space_id, h=address_hash)
    return rows[0][0] if rows else None


def insert_contact(tx: Tx, space_id: str, contact: str, address_hash: str, card: Sealed) -> str:
    """The contact of that address: this one, or the one that another letter made at the same moment."""
    rows = tx.run(
        "INSERT INTO contacts (space_id, id, address_hash, card, created_at) VALUES (:s, :id, :h, :card, :at)"
        " ON CONFLICT (space_id, address_hash) DO NOTHING RETURNING id",
        s=space_id,
        id=contact,
        h=address_hash,
        card=card,
        at=now_ms(),
    )
    return contact if rows else contact_id(tx, space_id, address_hash) or contact


def contact_card(tx: Tx, space_id: str, contact: str) -> bytes | None:
    rows = tx.run("SELECT card FROM contacts WHERE space_id = :s AND id = :id", s=space_id, id=contact)
    return rows[0][0] if rows else None


def correspondents(tx: Tx, space_id: str, but: str) -> list[tuple[str, str, str, int, int]]:
    """(member, kind, conversation, how many take part, last written there) of everybody who ever took part in a
    conversation of this space, the latest first.
    """
    rows = tx.run(
        "SELECT p.member_id, p.kind, p.conversation_id, (SELECT COUNT(*) FROM participants o WHERE o.space_id ="
        " p.space_id AND o.conversation_id = p.conversation_id AND o.left_at IS NULL),"
        " (SELECT COALESCE(MAX(m.at), 0) FROM messages m WHERE m.space_id = p.space_id AND m.conversation_id ="
        " p.conversation_id) AS last FROM participants p WHERE p.space_id = :s AND p.member_id <> :but"
        " ORDER BY last DESC, p.conversation_id, p.member_id",
        s=space_id,
        but=but,
    )
    return [(row[0], row[1], row[2], int(row[3]), int(row[4])) for row in rows]


def exchanged(tx: Tx, mailbox_id: str, limit: int) -> list[tuple[str, str, int]]:
    """(space, conversation, last written there) of a mailbox's conversations, the latest first."""
    rows = tx.run(
        "SELECT t.space_id, t.conversation_id, COALESCE(m.at, 0) FROM threads t"
        " LEFT JOIN entries e ON e.mailbox_id = t.mailbox_id AND e.seq = t.last_seq"
        " LEFT JOIN messages m ON m.space_id = e.space_id AND m.id = e.message_id"
        " WHERE t.mailbox_id = :mailbox AND t.last_seq > 0 ORDER BY t.last_seq DESC LIMIT :limit",
        mailbox=mailbox_id,
        limit=limit,
    )
    return [(row[0], row[1], int(row[2])) for row in rows]


def newest_with(tx: Tx, space_id: str, member_id: str) -> str | None:
    """The newest conversation of a space in which this member takes part."""
    rows = tx.run(
        "SELECT c.id FROM conversations c JOIN participants p ON p.space_id = c.space_id AND p.conversation_id = c.id"
        " WHERE c.space_id = :s AND p.member_id = :m AND p.left_at IS NULL ORDER BY c.created_at DESC LIMIT 1",
        s=space_id,
        m=member_id,
    )
    return rows[0][0] if rows else None
