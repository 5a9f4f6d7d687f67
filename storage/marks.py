"""How a mailbox keeps its conversations: archived, pinned, muted, labelled. Functions of one transaction.

A mark is one record with its author and date; the state that counts is the one it has now. What arrives after a
conversation was archived (its number is above the mark's `seq`) brings it back, unless it is muted besides. Labels are
the mailbox's own, their names sealed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from storage.database import Tx
from storage.ids import now_ms
from storage.vault import Sealed

ARCHIVED, PINNED, MUTED, LABEL = "archived", "pinned", "muted", "label"


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark that is on. `seq`: the mailbox's number when it was put."""

    conversation_id: str
    kind: str
    label_id: str
    by: str
    at: int
    seq: int


@dataclass(frozen=True, slots=True)
class Label:
    id: str
    name: bytes


def put(
    tx: Tx, mailbox_id: str, conversation_id: str, kind: str, state: str, by: str, seq: int, label_id: str = ""
) -> None:
    """`state`: on or off. `by`: the account that wants it."""
    tx.run(
        "INSERT INTO marks (mailbox_id, conversation_id, kind, label_id, state, by, at, seq)"
        " VALUES (:mailbox, :c, :kind, :label, :state, :by, :at, :seq)"
        " ON CONFLICT (mailbox_id, conversation_id, kind, label_id) DO UPDATE SET state = excluded.state,"
        " by = excluded.by, at = excluded.at, seq = excluded.seq",
        mailbox=mailbox_id,
        c=conversation_id,
        kind=kind,
        label=label_id,
        state=state,
        by=by,
        at=now_ms(),
        seq=seq,
    )


def is_muted(tx: Tx, mailbox_id: str, conversation_id: str) -> bool:
    """Whether this mailbox wants no notice of what arrives in this conversation."""
    rows = tx.run(
        "SELECT 1 FROM marks WHERE mailbox_id = :mailbox AND conversation_id = :c AND kind = 'muted' AND state = 'on'",
        mailbox=mailbox_id,
        c=conversation_id,
    )
    return bool(rows)


def among(values: Sequence[str]) -> tuple[str, dict[str, str]]:
    """`(:i0, :i1, …)` and its parameters: what an IN takes on both engines."""
    names = {f"i{number}": value for number, value in enumerate(values)}
    return f"({', '.join(f':{name}' for name in names)})", names


def of(tx: Tx, mailbox_id: str, conversations: Sequence[str]) -> list[Mark]:
    """The marks of these conversations that are on; labels that were removed are left out."""
    if not conversations:
        return []
    wanted, names = among(conversations)
    rows = tx.run(
        "SELECT m.conversation_id, m.kind, m.label_id, m.by, m.at, m.seq FROM marks m LEFT JOIN labels l"
        " ON l.mailbox_id = m.mailbox_id AND l.id = m.label_id WHERE m.mailbox_id = :mailbox"
        f" AND m.conversation_id IN {wanted} AND m.state = 'on'"
        " AND (m.kind <> 'label' OR (l.id IS NOT NULL AND l.ended_at IS NULL))",
        mailbox=mailbox_id,
        **names,
    )
    return [Mark(*row) for row in rows]


def pinned(tx: Tx, mailbox_id: str) -> int:
    """How many conversations of this mailbox are pinned, of those that it still has."""
    rows = tx.run(
        "SELECT COUNT(*) FROM marks m JOIN threads t ON t.mailbox_id = m.mailbox_id"
        " AND t.conversation_id = m.conversation_id AND t.last_seq > 0"
        " WHERE m.mailbox_id = :mailbox AND m.kind = 'pinned' AND m.state = 'on'",
        mailbox=mailbox_id,
    )
    return int(rows[0][0])


def labels(tx: Tx, mailbox_id: str) -> list[Label]:
    """The labels in use, the oldest first."""
    rows = tx.run(
        "SELECT id, name FROM labels WHERE mailbox_id = :mailbox AND ended_at IS NULL ORDER BY created_at, id",
        mailbox=mailbox_id,
    )
    return [Label(*row) for row in rows]


def add_label(tx: Tx, mailbox_id: str, label_id: str, name: Sealed, by: str) -> None:
    tx.run(
        "INSERT INTO labels (mailbox_id, id, name, by, created_at) VALUES (:mailbox, :id, :name, :by, :at)",
        mailbox=mailbox_id,
        id=label_id,
        name=name,
        by=by,
        at=now_ms(),
    )


def rename_label(tx: Tx, mailbox_id: str, label_id: str, name: Sealed) -> None:
    tx.run(
        "UPDATE labels SET name = :name WHERE mailbox_id = :mailbox AND id = :id AND ended_at IS NULL",
        name=name,
        mailbox=mailbox_id,
        id=label_id,
    )


def end_label(tx: Tx, mailbox_id: str, label_id: str) -> None:
    """It is offered and shown no more; what was marked with it stays on record."""
    tx.run(
        "UPDATE labels SET ended_at = :at WHERE mailbox_id = :mailbox AND id = :id AND ended_at IS NULL",
        at=now_ms(),
        mailbox=mailbox_id,
        id=label_id,
    )
