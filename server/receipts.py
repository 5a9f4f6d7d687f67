"""The receipt that a letter asked for (RFC 8098): owed in the transaction of the patient's first reading.

The patient cannot refuse it (MSSanté, note CNAM § 6), but what could harm them is not sent: none to another address
than the one the letter came from, none for automatic mail, none twice. Written and sent by `mail_gateway.receipts`.
"""

from __future__ import annotations

import msgspec

from server.drafts import Body, MailFacts
from storage import accounts, deliveries
from storage.database import Tx
from storage.ids import now_ms
from storage.messages import Message
from storage.vault import CannotOpen, SpaceKeys

CHANNEL = "receipt"
_body = msgspec.json.Decoder(Body)


def owe(tx: Tx, keys: SpaceKeys, message: Message, reader: str) -> bool:
    """The first reading by this member: a receipt is owed when it is the patient's (who acts for them reads as them)
    and the letter asked for one. Whether it is.
    """
    if not message.raw_blob or message.kind == "bounce":
        return False
    holder = accounts.holder_of(tx, keys.space_id)
    if holder is None or holder.id != reader:
        return False
    wanted = asked(keys, message)
    if wanted:
        deliveries.insert(tx, keys, message.id, CHANNEL, now_ms(), {"read_at": now_ms()})
    return wanted


def asked(keys: SpaceKeys, message: Message) -> bool:
    """Whether the letter asked for a receipt, to the address it came from (§ 2.1: for another, the reader is asked)."""
    try:
        mail = _body.decode(keys.open("body", message.id, message.body)).mail or MailFacts()
    except CannotOpen:
        return False
    return bool(mail.receipt_to) and _plain(mail.receipt_to) == _plain(mail.return_path)


def _plain(address: str) -> str:
    """As § 2.1 compares: the domain whatever its case, what stands before it to the letter."""
    local, at, domain = address.rpartition("@")
    return f"{local}{at}{domain.lower()}"
