"""A line of record in a thread, written in the transaction of what it tells of.

For what a letter does to something in another conversation: the line stands where that something is. It is the
holder's alone, and no mail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from server import audit
from server.audit import Act
from server.drafts import Author, Body
from storage import accounts, entries, messages
from storage.ids import new_id

if TYPE_CHECKING:
    from server.posting import Doing


def add(doing: Doing, conversation_id: str, text: str, author: Author) -> None:
    """Tell the holder of the space, at the instant and in the name of what is done."""
    space_id, keys, message_id = doing.to.space_id, doing.to.keys, new_id()
    holder = accounts.holder_of(doing.tx, space_id)
    if holder is None:
        return
    body = keys.seal("body", message_id, msgspec.json.encode(Body(author, text=text)))
    audit.record(doing.tx, Act.MESSAGE_POSTED, doing.actor, space_id, doing.to.ground, message_id)
    message = messages.Message(
        message_id, conversation_id, doing.at, "line", doing.actor.kind, doing.to.member, b"", "", "", 0, 0
    )
    messages.insert(doing.tx, space_id, message, body)
    entries.add(doing.tx, holder.mailbox_id, space_id, conversation_id, message_id, own=False)
    doing.wake.add(holder.mailbox_id)
