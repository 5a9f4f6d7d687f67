"""A confirmation that a professional asked for: « j’ai bien compris », « c’est fait ». Each is a message to them.

More than a read receipt (RFC 8098), which only says that a letter was opened: it is the patient's own word, given or
not. The card holds `{"type": "confirmation", "title", "text"}`.
"""

from __future__ import annotations

from typing import Any

from server.actions.ask import Ask, Done


def confirmation_card(name: str) -> dict[str, Any]:
    """The card of a letter that asks for it. `name`: of who asks."""
    return {
        "type": "confirmation",
        "title": f"{name} vous demande de confirmer",
        "title_en": f"{name} asks you to confirm",
        "text": "Dites que vous avez compris ce message, puis que c’est fait.",
        "text_en": "Say that you have understood this message, then that it is done.",
    }


async def prepare_understood(ask: Ask) -> Done:
    return Done("J’ai bien lu et compris ce message.", text_en="I have read and understood this message.")


async def prepare_done(ask: Ask) -> Done:
    return Done("C’est fait.", text_en="It is done.")
