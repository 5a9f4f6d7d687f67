"""What is tapped on a card of the assistant (`server.bots.assistant.cards`): one of the things it offered, a person,
a sending, the reminders.

    assistant_choice  first, second, third → the same words are answered again, as that; besides: a person
    assistant_help    a person             → « Demande d’aide », a conversation with the help team
    assistant_send    send, refuse         → a letter of the one who tapped, with the document of the card
    assistant_pause   pause, resume        → reminders of prevention rest, or start again

Promises: nothing is sent here (law 6): what is to be sent is owed on the assistant's channel, in the name of who
tapped, who is named in the target; their rights are asked again then. Cards of these types come from Pli alone.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, Final

from server import access
from server.actions.ask import Ask, Done
from server.bots.hearing import CHANNEL
from server.drafts import Later
from server.errors import Invalid
from server.prevention import pausing
from server.scopes import MESSAGES, WRITE, may
from storage.ids import now_ms

if TYPE_CHECKING:
    from server.handles import DossierHandle
    from server.posting import Doing

CHOICES: Final = ("assistant.first", "assistant.second", "assistant.third")


async def prepare_choice(ask: Ask) -> Done:
    """The words of the card's `message` are answered again, as the one of its `options` that was tapped."""
    card = ask.card or {}
    options: list[dict[str, Any]] = list(card.get("options") or ())
    number = CHOICES.index(ask.action)
    if number >= len(options):
        raise Invalid("unknown_action", "Ce choix n’existe pas sur cette carte.")
    option = options[number]
    later = _owed(ask, {"message": card["message"], "as": option.get("as", ""), "who": option.get("who", "")})
    return Done(f"{option['fr']}.", later=later, text_en=f"{option['en']}.")


async def prepare_person(ask: Ask) -> Done:
    """The help team is written to, with what the card's `words` say."""
    later = _owed(ask, {"do": "person", "text": str((ask.card or {}).get("words", ""))})
    return Done("Vous avez demandé une personne.", _may_write(ask), later=later, text_en="You asked for a person.")


async def prepare_send(ask: Ask) -> Done:
    """The card's `document` goes to `to`, a member."""
    card = ask.card or {}
    named = {name: str(card[name]) for name in ("document", "to", "name")}
    later = _owed(ask, {"do": "send", **named})
    return Done("Envoi demandé.", _may_write(ask, "dossier"), later=later, text_en="Sending asked for.")


async def prepare_refuse(ask: Ask) -> Done:
    return Done("Rien n’est changé.", text_en="Nothing is changed.")


async def prepare_pause(ask: Ask) -> Done:
    """Until the card's `until`; stopped when it names no day."""
    text = str((ask.card or {}).get("until") or "")
    until = date.fromisoformat(text) if text else None
    handle = await _dossier(ask)
    state = pausing.PAUSED if until else pausing.STOPPED
    fr, en = pausing.sentence(state, until)
    return Done(fr, lambda doing: pausing.put(doing, handle, state, until), text_en=en)


async def prepare_resume(ask: Ask) -> Done:
    handle = await _dossier(ask)
    fr, en = pausing.sentence(pausing.OPEN, None)
    return Done(fr, lambda doing: pausing.put(doing, handle, pausing.OPEN, None), text_en=en)


def _owed(ask: Ask, target: dict[str, Any]) -> tuple[Later, ...]:
    named = {"conversation": ask.conversation.conversation_id, "by": ask.actor.account_id}
    return (Later(CHANNEL, now_ms(), {**target, **named}),)


def _may_write(ask: Ask, *more: str) -> Any:
    def effect(doing: Doing) -> None:
        may(doing.tx, ask.conversation, MESSAGES, WRITE, *more)

    return effect


async def _dossier(ask: Ask) -> DossierHandle:
    """The dossier of the space where the card stands, for who acts. Raises `Refused`."""
    box = await access.mailbox(ask.app, ask.actor, ask.conversation.mailbox_id, ("dossier",))
    return await access.dossier(ask.app, box)
