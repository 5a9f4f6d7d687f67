"""What templates ask about a form: which one a card asks itself, how a unit is written. Pure."""

from __future__ import annotations

from typing import Any

from server.dossier.measure_kinds import unit_label
from server.errors import PliError
from server.forms import cards, entering
from server.forms.questionnaires import Item, is_short, questions


def short_form(card: dict[str, Any]) -> list[Item]:
    """The questions a card asks itself: few and simple ones, none of which enters the dossier; else none."""
    try:
        form = cards.form_of(card)
    except PliError:
        return []
    asked = questions(form)
    return asked if is_short(form) and not any(entering.mapped(item) for item in asked) else []


def say_unit(unit: str) -> str:
    """A unit of UCUM as people write it."""
    return unit_label(unit)
