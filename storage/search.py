"""What a search opens: the messages of one mailbox in order, a piece at a time. Functions of one transaction.

No index, no text in clear: a piece is one statement for the messages and one for their files, by the mailbox's own
order, so that no reader is held for long and the writer is never waited for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from storage.database import Tx
from storage.listing import FILTERS, KEPT
from storage.marks import among
from storage.messages import Message


@dataclass(frozen=True, slots=True)
class Wanted:
    """What may be told without opening a message. Times in milliseconds; `name`, `label`: of the list's filters."""

    since: int = 0
    until: int = 2**62
    files: bool = False
    name: str = "everything"
    label: str = ""


def below(tx: Tx, mailbox_id: str, before: int, limit: int, wanted: Wanted) -> list[tuple[int, str, Message]]:
    """(number, space, message): the newest below `before`."""
    narrowed = wanted.name not in {"everything", "all"}
    threads = (
        f" JOIN threads t ON t.mailbox_id = e.mailbox_id AND t.conversation_id = e.conversation_id {KEPT}"
        if narrowed
        else ""
    )
    found = tx.run(
        "SELECT e.seq, e.space_id, m.id, m.conversation_id, m.at, m.kind, m.author_kind, m.author_id, m.body,"
        f" m.raw_blob, m.in_reply_to, m.size, m.files FROM entries e{threads}"
        " JOIN messages m ON m.space_id = e.space_id AND m.id = e.message_id"
        " WHERE e.mailbox_id = :mailbox AND e.seq < :before AND e.kind = 'message' AND e.folder <> 'gone'"
        f" AND m.at >= :since AND m.at < :until{' AND m.files > 0' if wanted.files else ''}"
        f"{f' AND {FILTERS[wanted.name]}' if narrowed else ''}"
        " ORDER BY e.seq DESC LIMIT :limit",
        mailbox=mailbox_id,
        before=before,
        since=wanted.since,
        until=wanted.until,
        limit=limit,
        **({"label": wanted.label} if wanted.name == "label" else {}),
    )
    return [(row[0], row[1], Message(*row[2:])) for row in found]


def files(tx: Tx, mailbox_id: str, numbers: Sequence[int]) -> list[tuple[str, str, bytes]]:
    """(message, file, its sealed facts) of the messages with these numbers."""
    if not numbers:
        return []
    names = {f"n{place}": number for place, number in enumerate(numbers)}
    wanted = ", ".join(f":{name}" for name in names)
    found = tx.run(
        "SELECT d.message_id, d.id, d.facts FROM entries e"
        " JOIN attachments d ON d.space_id = e.space_id AND d.message_id = e.message_id"
        f" WHERE e.mailbox_id = :mailbox AND e.seq IN ({wanted}) ORDER BY d.position",
        mailbox=mailbox_id,
        **names,
    )
    return [(row[0], row[1], row[2]) for row in found]


def subjects(tx: Tx, mailbox_id: str, conversations: Sequence[str]) -> dict[str, bytes]:
    """The sealed subject of each of these conversations."""
    if not conversations:
        return {}
    wanted, names = among(conversations)
    found = tx.run(
        "SELECT c.id, c.subject FROM threads t JOIN conversations c ON c.space_id = t.space_id"
        f" AND c.id = t.conversation_id WHERE t.mailbox_id = :mailbox AND t.conversation_id IN {wanted}",
        mailbox=mailbox_id,
        **names,
    )
    return {row[0]: row[1] for row in found}
