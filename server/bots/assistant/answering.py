"""The channel that answers what a patient wrote to Pli itself: read with the rights of who wrote it, understood, and
answered once in the same conversation.

    delivery {conversation} (owed by `server.bots.hearing`, in the transaction of the message)
      → the message, by whom → understand → a card (`looking`, `asking`) → post(), as Pli, under the message's own key
    delivery {conversation, message, as, who, by}: one of the things a card offered was tapped → answered as that
    delivery {do, …, by}: something to send was tapped → `errands`

Promises: whatever stops meanwhile, one answer to one message; nobody's letter to a person is read: somebody else in the
conversation, and it stays silent; a machine's words, and Pli's own, are never answered. Distress is answered first,
always, whatever was asked before. Does not: change anything, but by the cards of `asking`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from server import people, reading
from server.bots import hearing
from server.bots.assistant import asking, cards, errands, looking, turns
from server.bots.assistant.cards import Card, link, told
from server.bots.assistant.turns import Turn
from server.bots.assistant.understanding import Distress, Unclear, Understood, understand
from server.errors import NotAllowed, PliError, Refused, Unavailable
from server.handles import ConversationHandle, MailboxHandle
from server.settings import PLACE
from storage import asked
from storage.ids import now_ms

if TYPE_CHECKING:
    from server.app import App
    from server.delivery import Parcel

HOUR_MS: Final = 3_600_000

_ANSWERS: Final[dict[str, Callable[[Turn], Awaitable[Card]]]] = {
    "measure": asking.measure, "note_appointment": asking.appointment,
    "note_reminder": asking.reminder, "share": asking.share, "done": asking.done,
    "pause": asking.pause, "person": asking.person, "advice": asking.advice, "appointments": looking.appointments,
    "cancel_appointment": looking.change_appointment, "move_appointment": looking.change_appointment,
    "vaccines": looking.vaccines, "prevention": looking.prevention, "documents": looking.documents,
    "results": looking.of_results, "who_saw": looking.who_saw, "consents": looking.who_may,
    "treatments": looking.health, "allergies": looking.health, "hours": looking.reach,
}  # fmt: skip
# What of a space is needed for an answer; nothing but messages for the others.
_NEEDS: Final = {
    **dict.fromkeys(("measure", "share", "done", "pause", "vaccines", "prevention", "documents", "results", "who_saw",
                     "treatments", "allergies"), "dossier"),
    **dict.fromkeys(("note_appointment", "note_reminder", "appointments", "cancel_appointment", "move_appointment"),
                    "agenda"),
}  # fmt: skip
# Where a child's own page is, for what was asked of them from another space.
_PAGES: Final = {
    "vaccines": "/prevention/vaccines", "prevention": "/prevention", "done": "/prevention", "documents": "/documents",
    "results": "/health/results", "appointments": "/agenda", "treatments": "/health", "allergies": "/health",
    "who_saw": "/journal", "measure": "/measures",
}  # fmt: skip
_ONE_PERSON: Final = frozenset({"share", "hours"})  # what cannot go on with two


class Assistant:
    """Channel `assistant`."""

    name = hearing.CHANNEL

    def __init__(self, app: App) -> None:
        self._app = app

    async def send(self, parcel: Parcel) -> None:
        try:
            if parcel.target.get("do"):
                await errands.run(self._app, parcel)
            else:
                await _answer(self._app, parcel)
        except Refused:
            return  # who wrote may no longer be here, or be answered here


async def _answer(app: App, parcel: Parcel) -> None:
    target, message_id = parcel.target, parcel.delivery.message_id
    of = str(target.get("message") or message_id)
    opened = await reading.open_unchecked(app, parcel.keys, of)
    if opened.message.author_kind != "holder" or not opened.body.by:
        return
    actor = await people.actor(app, str(target.get("by") or opened.body.by))
    box, to = await turns.place(app, actor, parcel.delivery.space_id, str(target["conversation"]))
    if opened.message.conversation_id != to.conversation_id:
        return
    if not await app.db.read(hearing.alone, to.space_id, to.conversation_id):
        return  # a person has come: what is written here is for them
    card = await _card(app, box, to, opened.body.text, of, target)
    if card is not None:
        await turns.say(app, to, card, message_id)


async def _card(
    app: App, box: MailboxHandle, to: ConversationHandle, words: str, message: str, target: dict[str, Any]
) -> Card | None:
    if not words.strip():
        return _FILES
    known, conversations = await turns.known(app, box)
    now = datetime.now(UTC)
    meant = understand(words, now, known)
    if isinstance(meant, Distress):
        return cards.urgent(meant.kind)
    card, stop = await _within(app, to)
    if stop:
        return card
    if target.get("as"):
        meant = understand(words, now, known, as_=str(target["as"]))
    if isinstance(meant, Unclear):
        return cards.unclear(meant.nearest, message, words)
    if not isinstance(meant, Understood):
        return None
    turn = Turn(app, box, to, words, message, now, known, _narrowed(meant, str(target.get("who") or "")), conversations)
    answer = await reply(turn)
    return _with_word(answer, card)


def _narrowed(meant: Understood, who: str) -> Understood:
    return replace(meant, whom=tuple(one for one in meant.whom if one.id == who)) if who else meant


async def reply(turn: Turn) -> Card:
    """The card that answers one question that was understood."""
    intent, found = turn.found.intent, turn.found
    if intent in {"hello", "thanks"}:
        return _FRIENDLY[intent]
    if intent == "help":
        return cards.HELP
    if intent == "account":
        return told(("Votre compte", "Your account"), ("", ""),
                    [link("/account", ("Ouvrir mon compte", "Open my account"), whole=True)])  # fmt: skip
    if intent == "notices":
        return told(("Vos avis", "Your notices"), ("Vous choisissez ce qui vous prévient, quand, et où.",
                    "You choose what tells you, when, and where."),
                    [link("/account/notices", ("Régler mes avis", "Set my notices"), whole=True)])  # fmt: skip
    if found.child is not None and intent in _PAGES:
        page = f"/for/{found.child.id}{_PAGES[intent]}"
        whose = found.child.name
        title = (f"Pour {whose}, c’est dans son espace", f"For {whose}, it is in their space")
        return told(title, ("", ""), [link(page, (f"Ouvrir l’espace de {whose}", f"Open {whose}’s space"), whole=True)])
    if len(found.whom) > 1 and intent in _ONE_PERSON:
        return cards.which(found.whom, intent, turn.message, turn.words)
    needs = _NEEDS.get(intent)
    if needs and not turn.box.may(needs):
        return cards.refused(await turns.whose(turn.app, turn.box))
    try:
        return await _ANSWERS[intent](turn)
    except Refused:
        return cards.refused(await turns.whose(turn.app, turn.box))
    except Unavailable:
        raise  # tried again
    except NotAllowed as error:
        return told(("Ce n’est pas possible", "This is not possible"), (error.detail, error.detail))
    except PliError as error:
        return told(("Je n’ai pas pu le faire", "I could not do it"), (error.detail, error.detail))


_FILES: Final = told(
    ("Je ne lis pas les fichiers", "I do not read files"),
    ("Vous pouvez les ranger dans vos documents, ou les envoyer à un professionnel.",
     "You can keep them in your documents, or send them to a professional."),
    [link("/documents/add", ("Ranger un document", "Keep a document")),
     link("/new", ("Écrire à un professionnel", "Write to a professional"))],
)  # fmt: skip
_FRIENDLY: Final = {
    "hello": told(
        ("Bonjour", "Hello"),
        ("Écrivez-moi par exemple « mes prochains rendez-vous » ou « tension 13/8 ».",
         "Write to me for instance “my next appointments” or “blood pressure 13/8”."),
    ),
    "thanks": told(("Avec plaisir", "You are welcome")),
}  # fmt: skip


# ---- how often -------------------------------------------------------------------------------------------------------


async def _within(app: App, to: ConversationHandle) -> tuple[Card | None, bool]:
    """(what is said of the limit, whether nothing more is answered): told before it bites, once when it does."""
    most = app.settings.assistant_hourly
    since = now_ms() - HOUR_MS
    count = await app.db.read(asked.since, to.space_id, to.conversation_id, to.member, since)
    if count > most:
        again = (datetime.now(PLACE) + timedelta(hours=1)).strftime("%H:%M")
        text = (f"J’ai répondu {most} fois en une heure. Je réponds de nouveau avant {again}. Écrivez « parler à une "
                "personne » alors, ou à un professionnel. En cas d’urgence : 15, 112, ou 114 par SMS.",
                f"I answered {most} times in an hour. I answer again before {again}. In an emergency: 15, 112, or 114 "
                "by text.")  # fmt: skip
        links = [link("/new", ("Écrire à un professionnel", "Write to a professional"))]
        return (told(("Une pause", "A pause"), text, links) if count == most + 1 else None), True
    left = most - count
    if left <= most // 10:
        many = "s" if left > 1 else ""
        return told((f"Encore {left} réponse{many} cette heure-ci.", f"{left} more answer{many} this hour.")), False
    return None, False


def _with_word(card: Card, word: Card | None) -> Card:
    """An answer, and what is said of the limit below it."""
    if word is None:
        return card
    more = {
        name: f"{card.get(name, '')}\n{word[title]}".strip()
        for name, title in (("text", "title"), ("text_en", "title_en"))
    }
    return {**card, **more}
