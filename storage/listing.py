"""The list of conversations of a mailbox, and what each of its rows shows. Functions of one transaction.

A page is a fixed number of statements, however many rows it has and however large the mailbox is: the rows by the index
of recency, then each kind of detail once for all of them. What a filter asks for stands in `threads` itself (`holds`,
`asks`), written in the transaction of the message, so that no list opens or walks the messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from storage.database import Tx
from storage.entries import APPOINTMENT, DOCUMENTS, MACHINE
from storage.marks import among
from storage.messages import Answer, Attachment, Message

KEPT = " ".join(
    f"LEFT JOIN marks {name} ON {name}.mailbox_id = t.mailbox_id AND {name}.conversation_id = t.conversation_id"
    f" AND {name}.kind = '{kind}' AND {name}.label_id = '' AND {name}.state = 'on'"
    for name, kind in (("a", "archived"), ("q", "muted"), ("p", "pinned"))
)
# Archived, and nothing came since, or nothing that the person wants to hear of.
_AWAY = "(a.seq IS NOT NULL AND (t.last_seq <= a.seq OR q.seq IS NOT NULL))"
_HERE = f"NOT {_AWAY}"
_LABELLED = (
    "EXISTS (SELECT 1 FROM marks l WHERE l.mailbox_id = t.mailbox_id AND l.conversation_id = t.conversation_id"
    " AND l.kind = 'label' AND l.label_id = :label AND l.state = 'on')"
)
# What each filter shows. Unread and to follow: wherever it is, so that what they count can always be found.
FILTERS = {
    "all": _HERE,
    "unread": "t.unread > 0",
    "waiting": f"t.asks > 0 AND {_HERE}",
    "documents": f"(t.holds & {DOCUMENTS}) > 0 AND {_HERE}",
    "appointments": f"(t.holds & {APPOINTMENT}) > 0 AND {_HERE}",
    "machines": f"(t.holds & {MACHINE}) > 0 AND {_HERE}",
    "pinned": f"p.seq IS NOT NULL AND {_HERE}",
    "archived": _AWAY,
    "label": _LABELLED,
    "followed": "t.flagged > 0",
    "everything": "1 = 1",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One conversation of the list: its sealed subject, and its last message with its sealed body."""

    conversation_id: str
    space_id: str
    last_seq: int
    unread: int
    asks: int
    archived: bool
    pinned: bool
    muted: bool
    followed: bool
    subject: bytes
    last: Message


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who takes part. `card`: sealed, of a correspondent elsewhere."""

    conversation_id: str
    space_id: str
    member_id: str
    kind: str
    name: str
    role: str
    organisation: str
    card: bytes | None


_ROW = (
    "SELECT t.conversation_id, t.space_id, t.last_seq, t.unread, t.asks,"
    f" CASE WHEN {_AWAY} THEN 1 ELSE 0 END, CASE WHEN p.seq IS NULL THEN 0 ELSE 1 END,"
    " CASE WHEN q.seq IS NULL THEN 0 ELSE 1 END, CASE WHEN t.flagged > 0 THEN 1 ELSE 0 END, c.subject,"
    " m.id, m.conversation_id, m.at, m.kind, m.author_kind, m.author_id, m.body, m.raw_blob, m.in_reply_to,"
    " m.size, m.files"
    f" FROM threads t {KEPT}"
    " JOIN conversations c ON c.space_id = t.space_id AND c.id = t.conversation_id"
    " JOIN entries e ON e.mailbox_id = t.mailbox_id AND e.seq = t.last_seq"
    " JOIN messages m ON m.space_id = e.space_id AND m.id = e.message_id"
)


def rows(
    tx: Tx, mailbox_id: str, chosen: str, label: str, before: int, limit: int, *, pinned: bool | None = None
) -> list[Row]:
    """Conversations of a filter below `before`, the newest first. `pinned`: only those, or all others."""
    apart = {None: "", True: " AND p.seq IS NOT NULL", False: " AND p.seq IS NULL"}[pinned]
    found = tx.run(
        f"{_ROW} WHERE t.mailbox_id = :mailbox AND t.last_seq < :before AND {FILTERS[chosen]}{apart}"
        " ORDER BY t.last_seq DESC LIMIT :limit",
        mailbox=mailbox_id,
        before=before,
        limit=limit,
        **({"label": label} if chosen == "label" else {}),
    )
    return [_row(*row) for row in found]


def _row(*row: Any) -> Row:
    archived, pinned, muted, followed = (bool(state) for state in row[5:9])
    return Row(row[0], row[1], row[2], row[3], row[4], archived, pinned, muted, followed, row[9], Message(*row[10:]))


def counts(tx: Tx, mailbox_id: str) -> dict[str, int]:
    """How many conversations each filter shows, but for labels."""
    names = [name for name in FILTERS if name != "label"]
    sums = ", ".join(f"COALESCE(SUM(CASE WHEN {FILTERS[name]} THEN 1 ELSE 0 END), 0)" for name in names)
    found = tx.run(
        f"SELECT {sums} FROM threads t {KEPT} WHERE t.mailbox_id = :mailbox AND t.last_seq > 0", mailbox=mailbox_id
    )
    return {name: int(number) for name, number in zip(names, found[0], strict=True)}


def label_counts(tx: Tx, mailbox_id: str) -> dict[str, int]:
    found = tx.run(
        "SELECT m.label_id, COUNT(*) FROM marks m JOIN threads t ON t.mailbox_id = m.mailbox_id"
        " AND t.conversation_id = m.conversation_id AND t.last_seq > 0"
        " WHERE m.mailbox_id = :mailbox AND m.kind = 'label' AND m.state = 'on' GROUP BY m.label_id",
        mailbox=mailbox_id,
    )
    return {row[0]: int(row[1]) for row in found}


def unread_muted(tx: Tx, mailbox_id: str) -> int:
    """How much of what is unread arrived where the person wants no notice."""
    found = tx.run(
        "SELECT COALESCE(SUM(t.unread), 0) FROM marks q JOIN threads t ON t.mailbox_id = q.mailbox_id"
        " AND t.conversation_id = q.conversation_id"
        " WHERE q.mailbox_id = :mailbox AND q.kind = 'muted' AND q.state = 'on'",
        mailbox=mailbox_id,
    )
    return int(found[0][0])


def people(tx: Tx, mailbox_id: str, conversations: Sequence[str]) -> list[Person]:
    """Those who take part in these conversations; a holder's name stands in the traits of the space."""
    if not conversations:
        return []
    wanted, names = among(conversations)
    found = tx.run(
        "SELECT p.conversation_id, p.space_id, p.member_id, COALESCE(u.kind, 'professional'), COALESCE(u.name, ''),"
        " COALESCE(u.role, ''), COALESCE(u.organisation, ''), k.card FROM threads t"
        " JOIN participants p ON p.space_id = t.space_id AND p.conversation_id = t.conversation_id"
        " LEFT JOIN accounts u ON p.kind = 'account' AND u.id = p.member_id AND u.ended_at IS NULL"
        " LEFT JOIN contacts k ON p.kind = 'contact' AND k.space_id = p.space_id AND k.id = p.member_id"
        f" WHERE t.mailbox_id = :mailbox AND t.conversation_id IN {wanted} AND p.left_at IS NULL"
        " AND (u.id IS NOT NULL OR k.id IS NOT NULL) ORDER BY p.mailbox_id, p.member_id",
        mailbox=mailbox_id,
        **names,
    )
    return [Person(*row) for row in found]


def spaces(tx: Tx, ids: Sequence[str]) -> list[tuple[str, bytes, bytes | None]]:
    """(id, wrapped key, sealed traits) of these spaces."""
    if not ids:
        return []
    wanted, names = among(ids)
    found = tx.run(f"SELECT id, wrapped_key, traits FROM spaces WHERE id IN {wanted}", **names)
    return [(row[0], row[1], row[2]) for row in found]


_LAST = (
    "FROM threads t JOIN entries e ON e.mailbox_id = t.mailbox_id AND e.seq = t.last_seq"
    " JOIN {table} d ON d.space_id = e.space_id AND d.message_id = e.message_id"
    " WHERE t.mailbox_id = :mailbox AND t.conversation_id IN {wanted}"
)


def _of_last(tx: Tx, mailbox_id: str, conversations: Sequence[str], table: str, columns: str, order: str) -> list[Any]:
    if not conversations:
        return []
    wanted, names = among(conversations)
    found = _LAST.format(table=table, wanted=wanted)
    return tx.run(f"SELECT t.conversation_id, {columns} {found} ORDER BY {order}", mailbox=mailbox_id, **names)


def attachments(tx: Tx, mailbox_id: str, conversations: Sequence[str]) -> list[tuple[str, Attachment]]:
    """The files of the last message of each of these conversations."""
    columns = "d.id, d.message_id, d.position, d.blob_id, d.part, d.facts"
    found = _of_last(tx, mailbox_id, conversations, "attachments", columns, "d.position")
    return [(row[0], Attachment(*row[1:])) for row in found]


def answers(tx: Tx, mailbox_id: str, conversations: Sequence[str]) -> list[tuple[str, Answer]]:
    """What was answered to the last message of each of these conversations, the oldest first."""
    columns = "d.answer_id, d.action, d.account_id, d.at, d.detail"
    found = _of_last(tx, mailbox_id, conversations, "answers", columns, "d.at, d.answer_id")
    return [(row[0], Answer(*row[1:])) for row in found]


def receipts(tx: Tx, mailbox_id: str, conversations: Sequence[str]) -> list[tuple[str, str, str, int]]:
    """(conversation, member, state, at): what became of the last message of each, the oldest first."""
    found = _of_last(tx, mailbox_id, conversations, "receipts", "d.member_id, d.state, d.at", "d.at")
    return [(row[0], row[1], row[2], row[3]) for row in found]


def drafted(tx: Tx, mailbox_id: str, account_id: str, conversations: Sequence[str]) -> set[str]:
    """Those of these conversations in which this account is writing something."""
    if not conversations:
        return set()
    wanted, names = among(conversations)
    found = tx.run(
        f"SELECT DISTINCT conversation_id FROM drafts WHERE mailbox_id = :mailbox AND conversation_id IN {wanted}"
        " AND account_id = :account AND ended_at IS NULL",
        mailbox=mailbox_id,
        account=account_id,
        **names,
    )
    return {row[0] for row in found}
