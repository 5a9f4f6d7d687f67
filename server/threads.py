"""By what a letter finds its conversation again: Message-IDs and the token of an address, kept as keyed hashes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from storage import conversations
from storage.database import Tx

if TYPE_CHECKING:
    from server.app import App


def token(app: App, conversation_id: str) -> str:
    """What stands after the plus in the address that a patient's letter asks to be answered at: the conversation's
    own, unguessable (80 bits), for ever.
    """
    return app.vault.lookup("thread", conversation_id)[:20]


def token_reference(token: str) -> str:
    """A token as one of the references by which a conversation is found."""
    return f"token:{token.lower()}"


def reference_hash(app: App, reference: str) -> str:
    return app.vault.lookup("reference", reference)


def found(app: App, tx: Tx, space_id: str, references: Sequence[str]) -> tuple[str, str] | None:
    """(conversation, message) of the first reference known in this space; the message is "" for a token."""
    return conversations.referenced(tx, space_id, [reference_hash(app, reference) for reference in references])
