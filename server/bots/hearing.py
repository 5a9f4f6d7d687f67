"""What a patient writes to Pli itself is owed an answer of the assistant's, in the transaction of their message:
whatever stops meanwhile, they are answered, once.

Promises: nobody's letter to a person is ever read here: it is enough that one member of the conversation is neither the
patient nor Pli.
"""

from __future__ import annotations

from typing import Final

from storage import accounts, conversations, deliveries
from storage.database import Tx
from storage.ids import now_ms
from storage.vault import SpaceKeys

CHANNEL: Final = "assistant"
PLI: Final = "pli"  # the organisation of the services that Pli itself is


def owe(tx: Tx, keys: SpaceKeys, kind: str, conversation_id: str, message_id: str) -> bool:
    """Whether an answer is owed to this message of the patient's."""
    if kind != "text" or not alone(tx, keys.space_id, conversation_id):
        return False
    deliveries.insert(tx, keys, message_id, CHANNEL, now_ms(), {"conversation": conversation_id})
    return True


def alone(tx: Tx, space_id: str, conversation_id: str) -> bool:
    """Whether nobody is there but the patient and Pli."""
    for member in conversations.participants(tx, space_id, conversation_id):
        account = accounts.by_id(tx, member.member_id) if member.kind == "account" else None
        if account is None or (account.space_id != space_id and account.organisation_id != PLI):
            return False
    return True
