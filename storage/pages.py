"""What a page of entries needs, for all its messages at once: a page costs the same few statements whether its thread
holds ten messages or ten thousand. Functions of one transaction.

A message, a file is named by (space, id): a professional's page holds messages of many spaces.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from storage.database import Tx
from storage.entries import Entry
from storage.messages import COLUMNS, Answer, Attachment, Message

Name = tuple[str, str]
_ENTRY = "mailbox_id, seq, kind, space_id, conversation_id, message_id, of_seq, flags, folder, modseq"


def _wanted(names: Iterable[Name]) -> tuple[str, dict[str, str]]:
    """A table of names to join with, and its parameters."""
    rows: list[str] = []
    values: dict[str, str] = {}
    for number, (space_id, name) in enumerate(names):
        rows.append(f"(:s{number}, :n{number})")
        values |= {f"s{number}": space_id, f"n{number}": name}
    return f"WITH wanted (space_id, name) AS (VALUES {', '.join(rows)})", values


def _columns(names: str) -> str:
    return ", ".join(f"t.{name.strip()}" for name in names.split(","))


def messages_of(tx: Tx, names: Sequence[Name]) -> dict[Name, Message]:
    if not names:
        return {}
    wanted, values = _wanted(names)
    rows = tx.run(
        f"{wanted} SELECT w.space_id, {_columns(COLUMNS)} FROM wanted w"
        " JOIN messages t ON t.space_id = w.space_id AND t.id = w.name",
        **values,
    )
    return {(row[0], row[1]): Message(*row[1:]) for row in rows}


def attachments_of(tx: Tx, names: Sequence[Name]) -> dict[Name, list[Attachment]]:
    """The files of messages, in order."""
    found: dict[Name, list[Attachment]] = defaultdict(list)
    if names:
        wanted, values = _wanted(names)
        rows = tx.run(
            f"{wanted} SELECT w.space_id, {_columns('id, message_id, position, blob_id, part, facts')} FROM wanted w"
            " JOIN attachments t ON t.space_id = w.space_id AND t.message_id = w.name ORDER BY t.position",
            **values,
        )
        for row in rows:
            found[row[0], row[2]].append(Attachment(*row[1:]))
    return found


def filed_of(tx: Tx, names: Sequence[Name]) -> set[Name]:
    """Which of these files are in the dossier of their space."""
    if not names:
        return set()
    wanted, values = _wanted(names)
    rows = tx.run(
        f"{wanted} SELECT w.space_id, w.name FROM wanted w WHERE EXISTS (SELECT 1 FROM documents t"
        " WHERE t.space_id = w.space_id AND t.attachment_id = w.name)",
        **values,
    )
    return {(row[0], row[1]) for row in rows}


def corrected_of(tx: Tx, names: Sequence[Name]) -> set[Name]:
    """Which of these messages another one corrects."""
    if not names:
        return set()
    wanted, values = _wanted(names)
    rows = tx.run(
        f"{wanted} SELECT w.space_id, w.name FROM wanted w WHERE EXISTS (SELECT 1 FROM corrections t"
        " WHERE t.space_id = w.space_id AND t.message_id = w.name)",
        **values,
    )
    return {(row[0], row[1]) for row in rows}


def answers_of(tx: Tx, names: Sequence[Name]) -> dict[Name, list[Answer]]:
    """What was answered on cards, oldest first."""
    found: dict[Name, list[Answer]] = defaultdict(list)
    if names:
        wanted, values = _wanted(names)
        rows = tx.run(
            f"{wanted} SELECT w.space_id, w.name, {_columns('answer_id, action, account_id, at, detail')} FROM wanted w"
            " JOIN answers t ON t.space_id = w.space_id AND t.message_id = w.name ORDER BY t.at, t.answer_id",
            **values,
        )
        for row in rows:
            found[row[0], row[1]].append(Answer(*row[2:]))
    return found


def begun_of(tx: Tx, names: Sequence[Name], member: str) -> dict[Name, tuple[bytes, bool]]:
    """The facts of what is begun and not sent of forms and checklists; whether this member is the holder there."""
    if not names:
        return {}
    wanted, values = _wanted(names)
    rows = tx.run(
        f"{wanted} SELECT w.space_id, w.name, t.facts, a.id FROM wanted w"
        " JOIN fillings t ON t.space_id = w.space_id AND t.message_id = w.name AND t.state = 'begun'"
        " LEFT JOIN accounts a ON a.space_id = w.space_id AND a.id = :member AND a.kind = 'holder'",
        **values,
        member=member,
    )
    return {(row[0], row[1]): (row[2], row[3] is not None) for row in rows}


def receipts_of(tx: Tx, names: Sequence[Name]) -> dict[Name, list[tuple[str, str, int]]]:
    """(member, state, at) of messages, oldest first."""
    found: dict[Name, list[tuple[str, str, int]]] = defaultdict(list)
    if names:
        wanted, values = _wanted(names)
        rows = tx.run(
            f"{wanted} SELECT w.space_id, w.name, t.member_id, t.state, t.at FROM wanted w"
            " JOIN receipts t ON t.space_id = w.space_id AND t.message_id = w.name ORDER BY t.at",
            **values,
        )
        for row in rows:
            found[row[0], row[1]].append((row[2], row[3], row[4]))
    return found


def holding(tx: Tx, names: Sequence[Name]) -> set[Name]:
    """Which of these (mailbox, message) are: a message that is in a mailbox is delivered there."""
    if not names:
        return set()
    wanted, values = _wanted(names)
    rows = tx.run(
        f"{wanted} SELECT w.space_id, w.name FROM wanted w JOIN entries t ON t.mailbox_id = w.space_id"
        " AND t.message_id = w.name AND t.kind = 'message'",
        **values,
    )
    return {(row[0], row[1]) for row in rows}


def following(tx: Tx, mailbox_id: str, space_id: str, conversation_id: str, after: int, limit: int) -> list[Message]:
    """The `limit` first messages of a conversation that this mailbox has, after an instant; oldest first."""
    rows = tx.run(
        f"SELECT {_columns(COLUMNS)} FROM messages t JOIN entries e ON e.mailbox_id = :mailbox AND e.message_id = t.id"
        " AND e.kind = 'message' WHERE t.space_id = :s AND t.conversation_id = :c AND t.at > :after"
        " ORDER BY t.at, t.id LIMIT :limit",
        mailbox=mailbox_id,
        s=space_id,
        c=conversation_id,
        after=after,
        limit=limit,
    )
    return [Message(*row) for row in rows]


def latest(tx: Tx, space_id: str, conversation_id: str, limit: int) -> list[tuple[str, str, str]]:
    """(id, author, kind) of the newest messages of a conversation, newest first."""
    rows = tx.run(
        "SELECT id, author_id, kind FROM messages WHERE space_id = :s AND conversation_id = :c"
        " ORDER BY at DESC, id DESC LIMIT :limit",
        s=space_id,
        c=conversation_id,
        limit=limit,
    )
    return [(row[0], row[1], row[2]) for row in rows]


def after(tx: Tx, mailbox_id: str, conversation_id: str, seq: int, limit: int) -> list[Entry]:
    """The `limit` first message entries of a conversation numbered above `seq`, in order."""
    rows = tx.run(
        f"SELECT {_ENTRY} FROM entries WHERE mailbox_id = :mailbox AND conversation_id = :c AND kind = 'message'"
        " AND seq > :seq AND folder <> 'gone' ORDER BY seq LIMIT :limit",
        mailbox=mailbox_id,
        c=conversation_id,
        seq=seq,
        limit=limit,
    )
    return [Entry(*row) for row in rows]


def first_unseen(tx: Tx, mailbox_id: str, conversation_id: str, unread: int) -> int:
    """The number of the oldest of the `unread` entries that were not seen, found from the end; 0 for none."""
    rows = tx.run(
        "SELECT seq FROM entries WHERE mailbox_id = :mailbox AND conversation_id = :c AND kind = 'message'"
        " AND flags % 2 = 0 ORDER BY seq DESC LIMIT 1 OFFSET :skipped",
        mailbox=mailbox_id,
        c=conversation_id,
        skipped=max(unread - 1, 0),
    )
    return int(rows[0][0]) if rows else 0


def files_beside(tx: Tx, mailbox_id: str, conversation_id: str, seq: int, reach: int) -> list[Attachment]:
    """The files of the `reach` messages on either side of an entry, and of its own, in order."""
    near = (
        "SELECT seq, space_id, message_id FROM entries WHERE mailbox_id = :mailbox AND conversation_id = :c"
        " AND kind = 'message' AND folder <> 'gone' AND seq {} :seq ORDER BY seq {} LIMIT :reach"
    )
    rows = tx.run(
        f"SELECT {_columns('id, message_id, position, blob_id, part, facts')} FROM"
        f" (SELECT * FROM ({near.format('<=', 'DESC')}) b UNION ALL SELECT * FROM ({near.format('>', 'ASC')}) a) e"
        " JOIN attachments t ON t.space_id = e.space_id AND t.message_id = e.message_id ORDER BY e.seq, t.position",
        mailbox=mailbox_id,
        c=conversation_id,
        seq=seq,
        reach=reach,
    )
    return [Attachment(*row) for row in rows]
