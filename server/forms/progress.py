"""How far a form is that was begun and not sent: on its card, for whoever it is to be filled in by, and nobody else."""

from __future__ import annotations

from typing import Any

from server.errors import PliError
from server.forms import cards, filling, logic
from storage.vault import CannotOpen, SpaceKeys


def begun(
    keys: SpaceKeys, message_id: str, card: dict[str, Any], known: tuple[bytes, bool]
) -> dict[str, dict[str, int]]:
    """`begun` {answered, asked} of a card, as its reader may see it; nothing for the others (`acting.is_for`). `known`:
    the facts of the filling, and whether the reader is the holder (`pages.begun_of`).
    """
    facts, holder = known
    whose = card.get("for", "")
    if card.get("type") != "form" or not (whose == "anyone" or holder != (whose == "them")):
        return {}
    try:
        form, answers = cards.form_of(card), filling.opened(keys, message_id, facts).answers
    except (CannotOpen, PliError):  # the page of the form says what is wrong; the card stays readable
        return {}
    answered = cards.answered(form, answers)
    return {"begun": {"answered": answered, "asked": len(logic.asked(form, answers))}} if answered else {}
