"""How long somebody took to answer patients: from the times of messages alone. Functions of one transaction."""

from __future__ import annotations

from storage.database import Tx

REACH = 1_000  # numbers of a mailbox that are looked back over: a busy one is judged by its last days


def delays(tx: Tx, mailbox_id: str, limit: int) -> list[tuple[int, int]]:
    """(asked, answered), in milliseconds, of the last answers to patients that were sent from a mailbox; an absence
    note is none, nor what it answered.
    """
    rows = tx.run(
        "SELECT q.at, r.at FROM entries e"
        " JOIN messages r ON r.space_id = e.space_id AND r.id = e.message_id AND r.kind IN ('text', 'card')"
        " JOIN messages q ON q.space_id = r.space_id AND q.id = r.in_reply_to AND q.author_kind = 'holder'"
        " WHERE e.mailbox_id = :mailbox AND e.kind = 'message'"
        " AND r.author_id = (SELECT account_id FROM mailboxes WHERE id = :mailbox)"
        " AND e.seq > (SELECT last_seq FROM mailboxes WHERE id = :mailbox) - :reach"
        " AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.space_id = q.space_id AND d.message_id = q.id"
        " AND d.channel = 'absence')"
        " ORDER BY e.seq DESC LIMIT :limit",
        mailbox=mailbox_id,
        reach=REACH,
        limit=limit,
    )
    return [(row[0], row[1]) for row in rows]
