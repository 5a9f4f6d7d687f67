"""By what a letter finds its conversation again: Message-IDs, kept as keyed hashes, and the token of an address."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import TYPE_CHECKING

from storage import conversations
from storage.database import Tx

if TYPE_CHECKING:
    from server.app import App

NAMED = "thread:"  # before a token, among references


def token_of(conversation_id: str) -> str:
    """What stands after the plus in the address that a patient's letter asks to be answered at: the id of the
    conversation (128 random bits), in 26 letters and digits that no mail system tells apart by case.
    """
    octets = base64.urlsafe_b64decode(conversation_id + "==")
    return base64.b32encode(octets).decode("ascii").rstrip("=").lower()


def conversation_of(token: str) -> str:
    """The id that a token stands for; "" when it is none."""
    try:
        octets = base64.b32decode(token.upper() + "=" * (-len(token) % 8))
    except (binascii.Error, ValueError):
        return ""
    named = base64.urlsafe_b64encode(octets).decode("ascii").rstrip("=")
    return named if len(octets) == 16 and token_of(named) == token.lower() else ""  # two bits are spare


def reference_hash(app: App, reference: str) -> str:
    return app.vault.lookup("reference", reference)


def found(app: App, tx: Tx, space_id: str, references: Sequence[str]) -> tuple[str, str] | None:
    """(conversation, message) of the first reference known **in this space**; the message is "" for a token."""
    for reference in references:
        if reference.startswith(NAMED):
            named = conversation_of(reference.removeprefix(NAMED))
            known = (named, "") if named and conversations.header(tx, space_id, named) is not None else None
        else:
            known = conversations.referenced(tx, space_id, reference_hash(app, reference))
        if known is not None:
            return known
    return None
