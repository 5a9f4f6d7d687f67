"""Actions: what a person can do inside a conversation, and what a card is.

A card is the body of a message: `{"type", "title", "text", …facts}`, with English in `title_en`, `text_en`. It has one
question and at most three answers. `CARDS` says, for each type, which actions answer it and what may follow each
answer; `ACTIONS` says what each action is called, and finds its module. An action returns a draft and an effect:
`server.posting` runs the effect in the transaction of the message that tells of it. Nothing here sends (law 6).

Every card has a letter form with numbered choices, and the number sent back by mail runs the same action.

To add an action: a name in `ACTIONS`, a function `prepare_…` in the module of its service, its place in `CARDS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from server.errors import Invalid
from storage.messages import Answer
from storage.vault import SpaceKeys


@dataclass(frozen=True, slots=True)
class Named:
    """What an action is called: on its button, and once done."""

    fr: str
    en: str
    done_fr: str
    done_en: str


ACTIONS: dict[str, Named] = {
    "agenda.accept": Named("Accepter", "Accept", "Rendez-vous accepté", "Appointment accepted"),
    "agenda.decline": Named("Décliner", "Decline", "Rendez-vous décliné", "Appointment declined"),
    "catalogue.grant": Named("Autoriser", "Allow", "Autorisation donnée", "Permission given"),
    "catalogue.refuse": Named("Refuser", "Refuse", "Autorisation refusée", "Permission refused"),
    "catalogue.withdraw": Named(
        "Retirer l’autorisation", "Withdraw the permission", "Autorisation retirée", "Permission withdrawn"
    ),
    "dossier.file": Named(
        "Ranger dans mon dossier", "File in my record", "Rangé dans votre dossier", "Filed in your record"
    ),
    "reminders.done": Named("Déjà fait", "Already done", "Noté comme fait", "Noted as done"),
    "reminders.later": Named(
        "Me le rappeler dans un mois", "Remind me in a month", "Rappel dans un mois", "Reminder in a month"
    ),
    "reminders.not_concerned": Named("Pas concerné", "Not for me", "Noté : pas concerné", "Noted: not for me"),
}

# type → last answer ('' before any) → what may be answered now; the first is the primary one.
CARDS: dict[str, dict[str, tuple[str, ...]]] = {
    "appointment": {
        "": ("agenda.accept", "agenda.decline"),
        "agenda.accept": ("agenda.decline",),
        "agenda.decline": ("agenda.accept",),
    },
    "cancellation": {"": ()},
    "reminder": {
        "": ("reminders.done", "reminders.later", "reminders.not_concerned"),
        "reminders.done": (),
        "reminders.later": ("reminders.done", "reminders.not_concerned"),
        "reminders.not_concerned": ("reminders.done", "reminders.later"),
    },
    "service": {
        "": ("catalogue.grant", "catalogue.refuse"),
        "catalogue.grant": ("catalogue.withdraw",),
        "catalogue.refuse": ("catalogue.grant",),
        "catalogue.withdraw": ("catalogue.grant",),
    },
}
MAX_CARD = 20_000  # octets of a card in JSON


def check_card(card: dict[str, Any]) -> dict[str, Any]:
    """A card that came from outside. Raises `Invalid`, saying what is wrong."""
    if card.get("type") not in CARDS:
        raise Invalid("unknown_card", f"Type de carte inconnu ; connus : {', '.join(sorted(CARDS))}.")
    if not isinstance(card.get("title"), str) or not card["title"].strip():
        raise Invalid("card_without_title", "La carte n’a pas de titre.")
    if any(not isinstance(card.get(name, ""), str) for name in ("text", "title_en", "text_en", "for")):
        raise Invalid("bad_card", "Les textes de la carte doivent être des chaînes.")
    if len(msgspec.json.encode(card)) > MAX_CARD:
        raise Invalid("card_too_large", f"La carte est trop longue ({MAX_CARD} octets au plus).")
    return {name: value for name, value in card.items() if name not in {"choices", "answered"}}


def open_choices(card: dict[str, Any], last: str) -> tuple[str, ...]:
    """The actions that may answer this card after that last answer."""
    return CARDS.get(str(card.get("type")), {}).get(last, ())


def present(card: dict[str, Any], answers: Sequence[Answer], keys: SpaceKeys) -> dict[str, Any]:
    """The card as read now: what may be answered, and what was."""
    last = answers[-1] if answers else None
    shown = dict(card)
    shown["choices"] = [
        {
            "action": name,
            "label": ACTIONS[name].fr,
            "label_en": ACTIONS[name].en,
            "primary": number == 0 and last is None,
        }
        for number, name in enumerate(open_choices(card, last.action if last else ""))
    ]
    if last is not None:
        detail = msgspec.json.decode(keys.open("answer", last.answer_id, last.detail))
        named = ACTIONS[last.action]
        at = datetime.fromtimestamp(last.at / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        shown["answered"] = {
            "action": last.action,
            "label": named.done_fr,
            "label_en": named.done_en,
            "at": at,
            "by": detail["by"],
        }
    return shown


def letter_form(card: dict[str, Any]) -> str:
    """The card as a letter: its text, and its choices numbered. French, for mail clients."""
    lines = [str(card["title"]), ""]
    if card.get("text"):
        lines += [str(card["text"]), ""]
    choices = open_choices(card, "")
    if choices:
        lines.append("Pour répondre, renvoyez le numéro de votre choix :")
        lines += [f"  {number}. {ACTIONS[name].fr}" for number, name in enumerate(choices, 1)]
    return "\n".join(lines).rstrip() + "\n"


def choice(card: dict[str, Any], number: int) -> str | None:
    """The action that the letter form gives this number; None when there is none."""
    choices = open_choices(card, "")
    return choices[number - 1] if 1 <= number <= len(choices) else None
