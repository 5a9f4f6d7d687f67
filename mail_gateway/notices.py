"""Automatic mails that are no message of a conversation: reports, receipts, notices to a sender.

Each is owed like everything that leaves: a delivery row (channel `notice`) in the transaction of what it tells of.
RFC 3834: the envelope sender is null, so that nothing answers it.
"""

from __future__ import annotations

import base64

from storage import deliveries
from storage.database import Tx
from storage.ids import now_ms
from storage.vault import SpaceKeys

CHANNEL = "notice"


def owe(tx: Tx, keys: SpaceKeys, message_id: str, to: str, mail: bytes) -> None:
    """Owe `mail` (complete octets, composed outside the transaction) to the address `to`, elsewhere. `message_id`:
    the message of ours it tells of, "" when there is none.
    """
    target = {"to": to, "mail": base64.b64encode(mail).decode("ascii")}
    deliveries.insert(tx, keys, message_id, CHANNEL, now_ms(), target)
