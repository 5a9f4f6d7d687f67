"""What is known of a prevention rule for a person: one record a change, the newest counts. Functions of one
transaction.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Tx
from storage.vault import Sealed


@dataclass(frozen=True, slots=True)
class Reminder:
    id: str
    state: str
    facts: bytes
    by: str
    at: int


def add(tx: Tx, space_id: str, reminder: Reminder, rule_hash: str, facts: Sealed) -> None:
    """It is later than what was known of the rule before, also within one millisecond."""
    ((last,),) = tx.run(
        "SELECT COALESCE(MAX(at), 0) FROM reminders WHERE space_id = :s AND rule_hash = :rule",
        s=space_id,
        rule=rule_hash,
    )
    tx.run(
        "INSERT INTO reminders (space_id, id, rule_hash, state, facts, by, at) VALUES (:s, :id, :rule, :state, "
        ":facts, :by, :at)",
        s=space_id,
        id=reminder.id,
        rule=rule_hash,
        state=reminder.state,
        facts=facts,
        by=reminder.by,
        at=max(reminder.at, last + 1),
    )


def state(tx: Tx, space_id: str, rule_hash: str) -> str:
    """The newest state of a rule for this person; '' when it was never spoken of."""
    rows = tx.run(
        "SELECT state FROM reminders WHERE space_id = :s AND rule_hash = :rule ORDER BY at DESC, id DESC LIMIT 1",
        s=space_id,
        rule=rule_hash,
    )
    return rows[0][0] if rows else ""


def sent_since(tx: Tx, space_id: str, since: int) -> list[int]:
    """When each reminder was written from then on (ms), of any rule; the oldest first."""
    rows = tx.run(
        "SELECT at FROM reminders WHERE space_id = :s AND state = 'sent' AND at >= :since ORDER BY at",
        s=space_id,
        since=since,
    )
    return [row[0] for row in rows]


def newest(tx: Tx, space_id: str) -> dict[str, Reminder]:
    """The newest record of each rule that was ever spoken of, by the rule's hash."""
    rows = tx.run(
        "SELECT rule_hash, id, state, facts, by, at FROM reminders WHERE space_id = :s ORDER BY at, id", s=space_id
    )
    return {rule: Reminder(*rest) for rule, *rest in rows}


def history(tx: Tx, space_id: str, rule_hash: str) -> list[Reminder]:
    """All records of a rule, the oldest first."""
    rows = tx.run(
        "SELECT id, state, facts, by, at FROM reminders WHERE space_id = :s AND rule_hash = :rule ORDER BY at, id",
        s=space_id,
        rule=rule_hash,
    )
    return [Reminder(*row) for row in rows]


def everything(tx: Tx, space_id: str) -> list[Reminder]:
    """All records of all rules, the oldest first."""
    rows = tx.run("SELECT id, state, facts, by, at FROM reminders WHERE space_id = :s ORDER BY at, id", s=space_id)
    return [Reminder(*row) for row in rows]
