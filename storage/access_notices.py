"""What is owed to a patient whose dossier was opened: one delivery a reader and a span of time, so that ten documents
read in one go are told once. Functions of one transaction.
"""

from __future__ import annotations

from typing import Final

import msgspec

from storage.database import Tx
from storage.ids import now_ms
from storage.vault import SpaceKeys

CHANNEL: Final = "access_notice"
SPAN_MS: Final = 40_000
SETTLED_MS: Final = 3_000  # what was recorded within the span is committed by then


def owe(tx: Tx, keys: SpaceKeys, account_id: str) -> None:
    """In the transaction of the access: due when the span of time ends that it falls in. Once owed, it is not again."""
    now = now_ms()
    since = now - now % SPAN_MS
    delivery_id = f"{CHANNEL}-{account_id}-{since // SPAN_MS}"
    target = {"account": account_id, "since": since, "until": since + SPAN_MS}
    tx.run(
        "INSERT INTO deliveries (space_id, id, message_id, channel, state, due_at, lease_at, attempts, created_at,"
        " target) VALUES (:s, :id, '', :channel, 'due', :due, 0, 0, :now, :target) ON CONFLICT DO NOTHING",
        s=keys.space_id,
        id=delivery_id,
        channel=CHANNEL,
        due=since + SPAN_MS + SETTLED_MS,
        now=now,
        target=keys.seal("delivery", delivery_id, msgspec.json.encode(target)),
    )
