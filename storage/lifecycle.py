"""What happens to a space, and what is left when its key is destroyed. Functions of one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from storage import credentials
from storage.database import Tx
from storage.ids import new_id, now_ms
from storage.vault import Sealed


@dataclass(frozen=True, slots=True)
class Change:
    """`state`: opposed, open, closed, suspended, deletion_asked, deletion_withdrawn, majority, died, destroyed.
    `facts`: sealed for `space_change` by the id.
    """

    id: str
    at: int
    state: str
    by: str
    facts: bytes | None


def record(tx: Tx, space_id: str, change_id: str, state: str, by: str, facts: Sealed | None = None) -> int:
    """The newest change of a space, never before the one before; returns when (ms)."""
    rows = tx.run("SELECT COALESCE(MAX(at), 0) FROM space_changes WHERE space_id = :s", s=space_id)
    at = max(now_ms(), int(rows[0][0]) + 1)
    tx.run(
        "INSERT INTO space_changes (space_id, at, id, state, by, facts) VALUES (:s, :at, :id, :state, :by, :facts)",
        s=space_id,
        at=at,
        id=change_id,
        state=state,
        by=by,
        facts=facts,
    )
    return at


def changes(tx: Tx, space_id: str) -> list[Change]:
    """Everything that happened, the oldest first."""
    rows = tx.run("SELECT id, at, state, by, facts FROM space_changes WHERE space_id = :s ORDER BY at", s=space_id)
    return [Change(*row) for row in rows]


def hold(tx: Tx, space_id: str) -> str | None:
    """The state of a space, its row locked: two changes at once wait for one another. None when it is not there."""
    rows = tx.run("UPDATE spaces SET state = state WHERE id = :s RETURNING state", s=space_id)
    return str(rows[0][0]) if rows else None


def is_open(tx: Tx, space_id: str) -> bool:
    return bool(tx.run("SELECT 1 FROM spaces WHERE id = :s AND state = 'open'", s=space_id))


def set_state(tx: Tx, space_id: str, state: str) -> None:
    tx.run("UPDATE spaces SET state = :state WHERE id = :s", state=state, s=space_id)


# What nobody else has a copy of, in the order in which rows may go. Messages and what hangs on them stay, sealed by a
# key that is no more: they stand in the mailboxes of those who wrote them, whose lists would have holes.
_GONE = (
    "folder_documents", "folders", "visibilities", "findings", "documents", "consents", "choices", "visits", "exports",
    "appointments", "organised", "journey_steps", "journeys", "calls", "fillings", "situations", "feeds", "reminders",
    "grants", "renditions", "drafts", "upload_parts", "uploads", "quarantine", "rounds", "blobs",
)  # fmt: skip
_ACCOUNTS = ("logins", "factors", "contact_points", "identities", "notice_wishes")


def destroy(tx: Tx, space_id: str) -> None:
    """The key, the traits and whatever only this space had are gone; its account ends. What stays says when."""
    accounts = [row[0] for row in tx.run("SELECT id FROM accounts WHERE space_id = :s", s=space_id)]
    for account_id in accounts:
        credentials.end_everything(tx, account_id)
        for table in _ACCOUNTS:
            tx.run(f"DELETE FROM {table} WHERE account_id = :a", a=account_id)
        tx.run("UPDATE accounts SET ended_at = COALESCE(ended_at, :at) WHERE id = :a", at=now_ms(), a=account_id)
    for table in _GONE:
        tx.run(f"DELETE FROM {table} WHERE space_id = :s", s=space_id)
    tx.run("DELETE FROM deliveries WHERE space_id = :s AND state = 'due'", s=space_id)
    tx.run("UPDATE space_changes SET facts = NULL WHERE space_id = :s", s=space_id)
    tx.run(
        "UPDATE spaces SET state = 'destroyed', wrapped_key = :nothing, traits = NULL, ins_hash = NULL WHERE id = :s",
        nothing=b"",
        s=space_id,
    )
    record(tx, space_id, new_id(), "destroyed", "")
