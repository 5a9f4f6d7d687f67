"""How often the assistant was asked. Functions of one transaction."""

from __future__ import annotations

from storage.database import Tx


def since(tx: Tx, space_id: str, conversation_id: str, author_id: str, at: int) -> int:
    """How many texts this member wrote in a conversation from that instant (ms) on."""
    found = tx.run(
        "SELECT count(*) FROM messages WHERE space_id = :s AND conversation_id = :c AND at >= :at"
        " AND kind = 'text' AND author_id = :a",
        s=space_id,
        c=conversation_id,
        at=at,
        a=author_id,
    )
    return int(found[0][0])
