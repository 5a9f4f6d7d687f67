"""A corrected message as it is read: its newest text, and each earlier one with the moment until which it stood.

A message never changes: another one corrects it (`server.correcting`), and the record says which
(`storage.corrections`). What is read over IMAP, or found by a search, is each of them as it was written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from server.drafts import Body
from server.views import Wording
from storage import corrections, messages
from storage.database import Tx
from storage.messages import Message
from storage.vault import SpaceKeys

if TYPE_CHECKING:
    from server.app import App

KIND = "correction"
ACTION = "message.correct"
_body = msgspec.json.Decoder(Body)


def wordings(tx: Tx, keys: SpaceKeys, message: Message, body: Body) -> tuple[str, list[Wording]]:
    """(the text that counts, what it said before with when that ended). Raises `CannotOpen`."""
    from server.reading import iso

    text, before = body.text, []
    for correction_id in corrections.of(tx, keys.space_id, message.id) if message.kind == "text" else ():
        correction = messages.find(tx, keys.space_id, correction_id)
        if correction is not None:
            before.append(Wording(text, iso(correction.at)))
            text = _body.decode(keys.open("body", correction.id, correction.body)).text
    return text, before


def until(app: App, message: Message) -> int:
    """Until when whoever wrote it may correct it, in milliseconds; 0 for what is never corrected."""
    hours = app.settings.correction_hours
    return message.at + hours * 3_600_000 if hours and message.kind == "text" else 0
