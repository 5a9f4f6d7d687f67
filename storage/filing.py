"""Where the messages of a conversation stand in a mailbox's folders, taken together; what answers, what is followed.
Functions of one transaction, of who holds the mailbox (`entries.hold`).
"""

from __future__ import annotations

from storage import placements
from storage.database import Tx
from storage.entries import ANSWERED, FLAGGED, Entry, next_seq
from storage.placements import GONE, Place

_COLUMNS = ", ".join(
    f"e.{name}"
    for name in (
        "mailbox_id", "seq", "kind", "space_id", "conversation_id", "message_id", "of_seq", "flags", "folder", "modseq",
    )
)  # fmt: skip


def in_inbox(tx: Tx, mailbox_id: str, conversation_id: str) -> bool:
    """Whether anything of the conversation stands in the inbox."""
    rows = tx.run(
        "SELECT 1 FROM entries e WHERE e.mailbox_id = :mailbox AND e.conversation_id = :c AND e.kind = 'message'"
        " AND (e.folder = 'inbox' OR (e.folder <> 'gone' AND EXISTS (SELECT 1 FROM placements p"
        " WHERE p.mailbox_id = e.mailbox_id AND p.seq = e.seq AND p.folder = 'inbox'))) LIMIT 1",
        mailbox=mailbox_id,
        c=conversation_id,
    )
    return bool(rows)


def move_all(tx: Tx, mailbox_id: str, conversation_id: str, source: str, target: str, *, but: str = "") -> int:
    """What stands of a conversation in one folder stands in another. `but`: whose messages stay. Returns how many."""
    own = _written_by(tx, mailbox_id, conversation_id, but) if but else frozenset()
    moved = 0
    for place in placements.of_conversation(tx, mailbox_id, source, conversation_id):
        if place.message_id not in own:
            move(tx, mailbox_id, source, place, target)
            moved += 1
    return moved


def move(tx: Tx, mailbox_id: str, source: str, place: Place, target: str) -> int:
    """One message; returns its number there. In the folder where it stands it is given a new place (RFC 6851 § 3.3)."""
    uid = placements.place(tx, mailbox_id, place.seq, target)
    placements.leave(tx, mailbox_id, source, place)
    return uid


def _written_by(tx: Tx, mailbox_id: str, conversation_id: str, author: str) -> frozenset[str]:
    rows = tx.run(
        "SELECT e.message_id FROM entries e JOIN messages m ON m.space_id = e.space_id AND m.id = e.message_id"
        " WHERE e.mailbox_id = :mailbox AND e.conversation_id = :c AND e.kind = 'message' AND m.author_id = :author",
        mailbox=mailbox_id,
        c=conversation_id,
        author=author,
    )
    return frozenset(row[0] for row in rows)


def settle(tx: Tx, mailbox_id: str, conversation_id: str) -> None:
    """After messages of it are gone from here: which is now the last, and whether one still waits for an answer."""
    here = (
        "SELECT {} FROM entries e WHERE e.mailbox_id = threads.mailbox_id AND e.conversation_id ="
        f" threads.conversation_id AND e.kind = 'message' AND e.folder <> '{GONE}'"
    )
    tx.run(
        f"UPDATE threads SET last_seq = COALESCE(({here.format('MAX(e.seq)')}), 0),"
        f" asks = CASE WHEN EXISTS ({here.format('1')} AND e.seq = threads.asks) THEN asks ELSE 0 END"
        " WHERE mailbox_id = :mailbox AND conversation_id = :c",
        mailbox=mailbox_id,
        c=conversation_id,
    )


def gone(tx: Tx, mailbox_id: str, conversation_id: str, most: int) -> list[str]:
    """The messages of the conversation that were expunged here last."""
    rows = tx.run(
        "SELECT message_id FROM entries WHERE mailbox_id = :mailbox AND conversation_id = :c AND kind = 'message'"
        f" AND folder = '{GONE}' ORDER BY modseq DESC LIMIT :most",
        mailbox=mailbox_id,
        c=conversation_id,
        most=most,
    )
    return [row[0] for row in rows]


def answered(tx: Tx, mailbox_id: str, conversation_id: str, seq: int) -> None:
    """A message was answered, as a mail client says: when it is the one that waits, nothing waits any more."""
    tx.run(
        "UPDATE threads SET asks = 0 WHERE mailbox_id = :mailbox AND conversation_id = :c AND asks = :seq",
        mailbox=mailbox_id,
        c=conversation_id,
        seq=seq,
    )


def mark_answered(tx: Tx, mailbox_id: str, conversation_id: str, message_id: str, author: str) -> None:
    r"""Somebody answers from this mailbox: \Answered on the message their answer names, when another wrote it, else on
    the one that waits for an answer. Before the answer itself is added: that ends the waiting.
    """
    seq = next_seq(tx, mailbox_id)
    tx.run(
        f"UPDATE entries SET flags = flags | {ANSWERED}, modseq = :modseq WHERE mailbox_id = :mailbox"
        f" AND kind = 'message' AND (flags & {ANSWERED}) = 0 AND folder <> '{GONE}' AND seq = COALESCE("
        "(SELECT e.seq FROM entries e JOIN messages m ON m.space_id = e.space_id AND m.id = e.message_id"
        " WHERE e.mailbox_id = :mailbox AND e.message_id = :m AND e.kind = 'message' AND m.author_id <> :author),"
        " (SELECT t.asks FROM threads t WHERE t.mailbox_id = :mailbox AND t.conversation_id = :c))",
        modseq=seq,
        mailbox=mailbox_id,
        m=message_id,
        author=author,
        c=conversation_id,
    )


def to_follow(tx: Tx, mailbox_id: str, conversation_id: str, owner: str) -> Entry | None:
    """The message that carries the star of a conversation: the last one received, else the last one."""
    rows = tx.run(
        f"SELECT {_COLUMNS} FROM entries e JOIN messages m ON m.space_id = e.space_id AND m.id = e.message_id"
        f" WHERE e.mailbox_id = :mailbox AND e.conversation_id = :c AND e.kind = 'message' AND e.folder <> '{GONE}'"
        " ORDER BY CASE WHEN m.author_id = :owner THEN 1 ELSE 0 END, e.seq DESC LIMIT 1",
        mailbox=mailbox_id,
        c=conversation_id,
        owner=owner,
    )
    return Entry(*rows[0]) if rows else None


def followed(tx: Tx, mailbox_id: str, conversation_id: str) -> list[Entry]:
    """Every message of the conversation that carries a star here."""
    rows = tx.run(
        f"SELECT {_COLUMNS} FROM entries e WHERE e.mailbox_id = :mailbox AND e.conversation_id = :c"
        f" AND e.kind = 'message' AND (e.flags & {FLAGGED}) <> 0 ORDER BY e.seq",
        mailbox=mailbox_id,
        c=conversation_id,
    )
    return [Entry(*row) for row in rows]
