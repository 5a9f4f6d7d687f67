"""What is owed to the outside: one row each, claimed with a lease, retried with back-off. Functions of one transaction.

A worker that dies loses its lease; the row is due again. Sending happens between two transactions, so a peer that took
a mail just before we crashed may get it twice with the same Message-ID, never not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from storage.database import Tx
from storage.ids import new_id, now_ms
from storage.vault import SpaceKeys


@dataclass(frozen=True, slots=True)
class Delivery:
    space_id: str
    id: str
    message_id: str
    channel: str
    attempts: int
    created_at: int
    target: bytes
    warned_at: int | None = None  # when its writer was told that it is late


def insert(tx: Tx, keys: SpaceKeys, message_id: str, channel: str, due_at: int, target: dict[str, Any]) -> None:
    """Its time to be given up is counted from when it is due: what is owed in a month is not late before."""
    delivery_id = new_id()
    tx.run(
        "INSERT INTO deliveries (space_id, id, message_id, channel, state, due_at, lease_at, attempts, created_at, "
        "target)"
        " VALUES (:s, :id, :m, :channel, 'due', :due, 0, 0, :now, :target)",
        s=keys.space_id,
        id=delivery_id,
        m=message_id,
        channel=channel,
        due=due_at,
        now=max(now_ms(), due_at),
        target=keys.seal("delivery", delivery_id, msgspec.json.encode(target)),
    )


def claim(tx: Tx, lease_ms: int, limit: int) -> list[Delivery]:
    """Up to `limit` deliveries that are due and that nobody holds, taken until now + `lease_ms`. They are due again
    then: what is in hand does not stand at the head of the index, where each claim would pass over it.
    """
    now = now_ms()
    skip = " FOR UPDATE SKIP LOCKED" if tx.engine == "postgresql" else ""
    rows = tx.run(
        "UPDATE deliveries SET lease_at = :until, due_at = :until, attempts = attempts + 1 WHERE (space_id, id) IN ("
        "SELECT space_id, id FROM deliveries WHERE state = 'due' AND due_at <= :now AND lease_at <= :now"
        f" ORDER BY due_at LIMIT :limit{skip})"
        " RETURNING space_id, id, message_id, channel, attempts, created_at, target, warned_at",
        until=now + lease_ms,
        now=now,
        limit=limit,
    )
    return [Delivery(*row) for row in rows]


def next_due(tx: Tx) -> int | None:
    """When the next delivery is due, in ms; None when nothing waits."""
    rows = tx.run(
        "SELECT MIN(CASE WHEN lease_at > due_at THEN lease_at ELSE due_at END) FROM deliveries WHERE state = 'due'"
    )
    return None if rows[0][0] is None else int(rows[0][0])


def done(tx: Tx, delivery: Delivery) -> None:
    tx.run("UPDATE deliveries SET state = 'done' WHERE space_id = :s AND id = :id", s=delivery.space_id, id=delivery.id)


def retry(tx: Tx, delivery: Delivery, due_at: int, error: str) -> None:
    """`error`: a stable word for operators, never text from the peer about the patient."""
    tx.run(
        "UPDATE deliveries SET due_at = :due, lease_at = 0, last_error = :error WHERE space_id = :s AND id = :id",
        due=due_at,
        error=error,
        s=delivery.space_id,
        id=delivery.id,
    )


def put_back(tx: Tx, delivery: Delivery, due_at: int, error: str) -> None:
    """As `retry`, for one that was not tried at all: its turn had not come. It counts as no attempt."""
    tx.run(
        "UPDATE deliveries SET due_at = :due, lease_at = 0, attempts = attempts - 1, last_error = :error"
        " WHERE space_id = :s AND id = :id",
        due=due_at,
        error=error,
        s=delivery.space_id,
        id=delivery.id,
    )


def warned(tx: Tx, delivery: Delivery) -> None:
    """Its writer is told that it is late."""
    tx.run(
        "UPDATE deliveries SET warned_at = :now WHERE space_id = :s AND id = :id",
        now=now_ms(),
        s=delivery.space_id,
        id=delivery.id,
    )


def failed(tx: Tx, delivery: Delivery, error: str) -> None:
    tx.run(
        "UPDATE deliveries SET state = 'failed', last_error = :error WHERE space_id = :s AND id = :id",
        error=error,
        s=delivery.space_id,
        id=delivery.id,
    )


def find(tx: Tx, space_id: str, delivery_id: str) -> tuple[str, str, bytes] | None:
    """(message, channel, sealed target) of a delivery of this space, whatever became of it."""
    rows = tx.run(
        "SELECT message_id, channel, target FROM deliveries WHERE space_id = :s AND id = :id",
        s=space_id,
        id=delivery_id,
    )
    return (rows[0][0], rows[0][1], rows[0][2]) if rows else None


def of_message(tx: Tx, space_id: str, message_id: str) -> list[tuple[str, str, int]]:
    """(channel, state, attempts) of what a message owes."""
    rows = tx.run(
        "SELECT channel, state, attempts FROM deliveries WHERE space_id = :s AND message_id = :m ORDER BY created_at, "
        "id",
        s=space_id,
        m=message_id,
    )
    return [(row[0], row[1], row[2]) for row in rows]


def counts(tx: Tx) -> dict[str, int]:
    """How many deliveries are in each state."""
    return {row[0]: row[1] for row in tx.run("SELECT state, COUNT(*) FROM deliveries GROUP BY state")}
