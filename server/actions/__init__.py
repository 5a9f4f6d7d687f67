"""Actions: what a person can do inside a conversation, and what a card is.

A card is the body of a message: `{"type", "title", "text", …facts}`, with English in `title_en`, `text_en`. It has one
question and at most three answers. `CARDS` says, for each type, which actions answer it and what may follow each
answer; `ACTIONS` says what each action is called (a card of Pli’s own may say it better: `labels`, {action: (French,
English)}), and finds its module. An action returns a draft and an effect:
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
from server.forms import ticking
from server.forms.cards import from_outside, letter
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
    "agenda.add": Named(
        "Ajouter à mon agenda", "Add to my calendar", "Ajouté à votre agenda", "Added to your calendar"
    ),
    "agenda.correct": Named("Corriger", "Correct", "Corrigé et noté", "Corrected and noted"),
    "agenda.counter": Named(
        "Demander un autre moment", "Ask for another time", "Autre moment demandé", "Another time asked for"
    ),
    "agenda.decline": Named("Décliner", "Decline", "Rendez-vous décliné", "Appointment declined"),
    "agenda.note": Named("Noter", "Note", "Noté dans votre agenda", "Noted in your agenda"),
    "agenda.refuse": Named("Ne pas noter", "Do not note", "Pas noté", "Not noted"),
    "agenda.first": Named("Le premier moment", "The first time", "Moment choisi", "Time chosen"),
    "agenda.second": Named("Le deuxième moment", "The second time", "Moment choisi", "Time chosen"),
    "agenda.third": Named("Le troisième moment", "The third time", "Moment choisi", "Time chosen"),
    "agenda.remove": Named(
        "Retirer de mon agenda", "Remove from my calendar", "Retiré de votre agenda", "Removed from your calendar"
    ),
    "agenda.undo": Named("Annuler", "Undo", "Retiré de votre agenda", "Removed from your agenda"),
    "assistant.first": Named("La première", "The first", "Choisi", "Chosen"),
    "assistant.pause": Named("Arrêter les rappels", "Stop reminders", "Rappels arrêtés", "Reminders stopped"),
    "assistant.person": Named(
        "Demander l’aide d’une personne", "Ask a person for help", "Aide demandée", "Help asked for"
    ),
    "assistant.refuse": Named("Ne rien faire", "Do nothing", "Rien n’est changé", "Nothing is changed"),
    "assistant.resume": Named("Reprendre les rappels", "Start again", "Rappels repris", "Reminders start again"),
    "assistant.second": Named("La deuxième", "The second", "Choisi", "Chosen"),
    "assistant.send": Named("Envoyer", "Send", "Envoi demandé", "Sending asked for"),
    "assistant.third": Named("La troisième", "The third", "Choisi", "Chosen"),
    "catalogue.grant": Named("Autoriser", "Allow", "Autorisation donnée", "Permission given"),
    "catalogue.refuse": Named("Refuser", "Refuse", "Autorisation refusée", "Permission refused"),
    "catalogue.withdraw": Named(
        "Retirer l’autorisation", "Withdraw the permission", "Autorisation retirée", "Permission withdrawn"
    ),
    "consent.allow": Named("Autoriser", "Allow", "Lecture autorisée", "Reading allowed"),
    "consent.refuse": Named("Refuser", "Refuse", "Lecture refusée", "Reading refused"),
    "consent.withdraw": Named(
        "Retirer l’autorisation", "Withdraw the permission", "Autorisation retirée", "Permission withdrawn"
    ),
    "checklists.done": Named("Tout est fait", "All is done", "Tout est fait", "All is done"),
    "checklists.tick": Named("Enregistrer", "Save", "Liste mise à jour", "List updated"),
    "confirm.done": Named("C’est fait", "It is done", "Fait", "Done"),
    "confirm.understood": Named("J’ai bien compris", "I have understood", "Compris", "Understood"),
    "dossier.file": Named(
        "Ranger dans mon dossier", "File in my record", "Rangé dans votre dossier", "Filed in your record"
    ),
    "forms.correct": Named("Corriger mes réponses", "Correct my answers", "Réponses corrigées", "Answers corrected"),
    "forms.send": Named("Répondre", "Answer", "Réponses envoyées", "Answers sent"),
    "journal.known": Named(
        "Finalement, je la connais", "I do know this person", "Signalement retiré", "Report withdrawn"
    ),
    "journal.unknown": Named(
        "Je ne connais pas cette personne", "I do not know this person", "Accès signalé", "Access reported"
    ),
    "measures.correct": Named("Corriger", "Correct", "Mesure corrigée et notée", "Measure corrected and recorded"),
    "measures.note": Named("Noter", "Record", "Mesure notée", "Measure recorded"),
    "measures.refuse": Named("Ne pas noter", "Do not record", "Mesure non notée", "Measure not recorded"),
    "measures.undo": Named("Annuler", "Undo", "Mesure retirée", "Measure withdrawn"),
    "prescription.dispensed": Named("Délivrée", "Dispensed", "Ordonnance délivrée", "Prescription dispensed"),
    "prescription.missing": Named(
        "Nous ne l’avons pas", "We do not have it", "La pharmacie ne l’a pas", "The pharmacy does not have it"
    ),
    "prescription.ready": Named("C’est prêt", "It is ready", "Ordonnance prête", "Prescription ready"),
    "reminders.done": Named("Déjà fait", "Already done", "Noté comme fait", "Noted as done"),
    "reminders.later": Named(
        "Me le rappeler dans un mois", "Remind me in a month", "Rappel plus tard", "Reminder later"
    ),
    "reminders.not_concerned": Named("Pas concerné", "Not for me", "Noté : pas concerné", "Noted: not for me"),
    "reminders.refused": Named("Je ne souhaite pas", "I do not wish to", "Noté : ne souhaite pas", "Noted: not wished"),
    "reminders.undo": Named("Annuler ma réponse", "Take back my answer", "Réponse annulée", "Answer taken back"),
}

# What the other side did since, recorded beside the answers: nothing may be answered any more, but for what `REOPENS`.
_SINCE = {
    "agenda.again": ("Vous avez déjà reçu ce rendez-vous.", "You already received this appointment."),
    "agenda.cancelled": ("Ce rendez-vous est annulé.", "This appointment is cancelled."),
    "agenda.kept": (
        "Votre demande n’a pas été retenue. Le moment prévu reste proposé.",
        "Your request was not accepted. The planned time is still offered.",
    ),
    "agenda.moved": (
        "Ce rendez-vous a changé. Répondez à sa nouvelle version.",
        "This appointment has changed. Answer its new version.",
    ),
    "agenda.outdated": (
        "Une version plus récente de ce rendez-vous existe.",
        "A more recent version of this appointment exists.",
    ),
}
EVENTS = {name: Named("", "", fr, en) for name, (fr, en) in _SINCE.items()}
REOPENS = frozenset({"agenda.kept"})

MOMENTS = ("agenda.first", "agenda.second", "agenda.third")

_THREE = ("assistant.first", "assistant.second", "assistant.third")
# type → last answer ('' before any) → what may be answered now; the first is the primary one.
CARDS: dict[str, dict[str, tuple[str, ...]]] = {
    "access": {"": ("journal.unknown",), "journal.known": ("journal.unknown",), "journal.unknown": ("journal.known",)},
    "appointment": {
        "": ("agenda.accept", "agenda.decline", "agenda.counter"),
        "agenda.accept": ("agenda.decline", "agenda.counter"),
        "agenda.counter": ("agenda.accept", "agenda.decline", "agenda.counter"),
        "agenda.decline": ("agenda.accept", "agenda.counter"),
    },
    "campaign": {"": ()},
    "assistant": {"": ()},
    "assistant_choice": dict.fromkeys(("", *_THREE, "assistant.person"), _THREE),
    "assistant_help": {"": ("assistant.person",), "assistant.person": ()},
    "assistant_pause": {
        "": ("assistant.pause", "assistant.refuse"),
        "assistant.pause": ("assistant.resume",),
        "assistant.refuse": ("assistant.pause",),
        "assistant.resume": ("assistant.pause",),
    },
    "assistant_send": {
        "": ("assistant.send", "assistant.refuse"),
        "assistant.refuse": ("assistant.send",),
        "assistant.send": (),
    },
    "cancellation": {"": ()},
    "checklist": {
        "": ("checklists.tick", "checklists.done"),
        "checklists.tick": ("checklists.tick", "checklists.done"),
        "checklists.done": ("checklists.tick",),
    },
    "confirmation": {
        "": ("confirm.understood", "confirm.done"),
        "confirm.understood": ("confirm.done",),
        "confirm.done": (),
    },
    "consent_request": {
        "": ("consent.allow", "consent.refuse"),
        "consent.allow": ("consent.withdraw",),
        "consent.refuse": ("consent.allow",),
        "consent.withdraw": ("consent.allow",),
    },
    "form": {"": ("forms.send",), "forms.send": ("forms.correct",), "forms.correct": ("forms.correct",)},
    "kept": {"": ()},
    "measure": {
        "": ("measures.note", "measures.correct", "measures.refuse"),
        "measures.correct": ("measures.undo",),
        "measures.note": ("measures.undo",),
        "measures.refuse": ("measures.note", "measures.correct"),
        "measures.undo": ("measures.note", "measures.correct"),
    },
    "own_appointment": {
        "": ("agenda.note", "agenda.correct", "agenda.refuse"),
        "agenda.correct": ("agenda.undo",),
        "agenda.note": ("agenda.undo",),
        "agenda.refuse": ("agenda.note", "agenda.correct"),
        "agenda.undo": ("agenda.note", "agenda.correct"),
    },
    "moments": {  # one of several moments; what is not offered is left out (`open_choices`)
        "": MOMENTS,
        **{one: tuple(other for other in MOMENTS if other != one) for one in MOMENTS},
        "agenda.counter": MOMENTS,
        "agenda.decline": MOMENTS,
    },
    "prescription": {
        "": ("prescription.ready", "prescription.dispensed", "prescription.missing"),
        "prescription.ready": ("prescription.dispensed",),
        "prescription.missing": ("prescription.ready", "prescription.dispensed"),
        "prescription.dispensed": (),
    },
    "publication": {"": ("agenda.add",), "agenda.add": ("agenda.remove",), "agenda.remove": ("agenda.add",)},
    "reminder": {
        "": ("reminders.done", "reminders.later", "reminders.not_concerned"),
        "reminders.done": ("reminders.undo",),
        "reminders.later": ("reminders.done", "reminders.not_concerned", "reminders.refused"),
        "reminders.not_concerned": ("reminders.done", "reminders.later", "reminders.refused"),
        "reminders.refused": ("reminders.done", "reminders.later", "reminders.not_concerned"),
        "reminders.undo": ("reminders.done", "reminders.later", "reminders.not_concerned"),
    },
    "service": {
        "": ("catalogue.grant", "catalogue.refuse"),
        "catalogue.grant": ("catalogue.withdraw",),
        "catalogue.refuse": ("catalogue.grant",),
        "catalogue.withdraw": ("catalogue.grant",),
    },
}
# type → last answer → what may answer it besides, without being one of its three buttons: it has a number in the letter
# form, and a place on the page that the card leads to.
BESIDES: dict[str, dict[str, tuple[str, ...]]] = {
    "moments": {
        **dict.fromkeys(("", *MOMENTS, "agenda.counter"), ("agenda.counter", "agenda.decline")),
        "agenda.decline": ("agenda.counter",),
    },
    "assistant_choice": dict.fromkeys(("", *_THREE), ("assistant.person",)),
    "reminder": {"": ("reminders.refused",), "reminders.undo": ("reminders.refused",)},
}
# Made by Pli alone: what they name is done at a tap, in the name of who taps.
HOUSE = frozenset({"assistant", "assistant_choice", "assistant_help", "assistant_pause", "assistant_send"})
FILLED = frozenset({"checklist", "form"})  # answered question by question, or thing by thing (`server.forms`)
QUIET = frozenset({"access"})  # one is told, and most people answer nothing: it waits for no answer
MAX_CARD = 20_000  # octets of a card in JSON
# What no card from outside says.
_OURS = frozenset({"choices", "answered", "besides", "event", "labels", "links", "scope"})


def check_card(card: dict[str, Any]) -> dict[str, Any]:
    """A card that came from outside. Raises `Invalid`, saying what is wrong."""
    if card.get("type") not in CARDS or card["type"] in HOUSE:
        raise Invalid("unknown_card", f"Type de carte inconnu ; connus : {', '.join(sorted(set(CARDS) - HOUSE))}.")
    title = card.get("title", "" if card["type"] == "form" else None)  # a form has its own
    if not isinstance(title, str) or not (title.strip() or card["type"] == "form"):
        raise Invalid("card_without_title", "La carte n’a pas de titre.")
    if any(not isinstance(card.get(name, ""), str) for name in ("text", "title_en", "text_en", "for")):
        raise Invalid("bad_card", "Les textes de la carte doivent être des chaînes.")
    if card["type"] in FILLED:
        return from_outside(card)
    if len(msgspec.json.encode(card)) > MAX_CARD:
        raise Invalid("card_too_large", f"La carte est trop longue ({MAX_CARD} octets au plus).")
    return {name: value for name, value in card.items() if name not in _OURS}


def open_choices(card: dict[str, Any], last: str) -> tuple[str, ...]:
    """The actions that may answer this card after that last answer, or after what the other side did."""
    if last in EVENTS:
        last = "" if last in REOPENS else last
    known = CARDS.get(str(card.get("type")), {}).get(last, ())
    if card.get("type") == "moments":
        return tuple(name for name in known if MOMENTS.index(name) < len(card.get("moments", MOMENTS)))
    if card.get("type") == "assistant_choice":
        return known[: len(card.get("options", _THREE))]
    return known


def all_choices(card: dict[str, Any], last: str) -> tuple[str, ...]:
    """`open_choices`, and what may answer the card besides."""
    last = "" if last in REOPENS else last
    besides = () if last in EVENTS else BESIDES.get(str(card.get("type")), {}).get(last, ())
    return open_choices(card, last) + besides


def numbered(card: dict[str, Any]) -> tuple[str, ...]:
    """The actions that a letter numbers; a form numbers its questions instead, a checklist its things."""
    return () if card.get("type") in FILLED else all_choices(card, "")


def present(card: dict[str, Any], answers: Sequence[Answer], keys: SpaceKeys) -> dict[str, Any]:
    """The card as read now: what may be answered, what was, and what the other side did since (`event`)."""
    last = answers[-1] if answers else None
    event = last if last is not None and last.action in EVENTS else None
    shown, now = dict(card), last.action if last else ""
    first = (last is None or event is not None) and card.get("type") not in QUIET | {"moments", "assistant_choice"}
    shown["choices"] = [
        _choice(card, name) | {"primary": number == 0 and first} for number, name in enumerate(open_choices(card, now))
    ]
    if card.get("type") in {"moments", "assistant_choice"}:
        shown["besides"] = [_choice(card, name) for name in all_choices(card, now)[len(shown["choices"]) :]]
    answered = next((answer for answer in reversed(answers) if answer.action in ACTIONS), None)
    if answered is not None:
        shown["answered"] = {"action": answered.action, **_said(answered, ACTIONS[answered.action], keys)}
    if card.get("type") == "checklist":
        shown["ticks"] = ticking.shown(card, answers, keys)
    if event is not None:
        shown["event"] = {"event": event.action, **_said(event, EVENTS[event.action], keys)}
    return shown


def _choice(card: dict[str, Any], name: str) -> dict[str, Any]:
    labels = card.get("labels", {}).get(name) or (ACTIONS[name].fr, ACTIONS[name].en)
    return {"action": name, "label": labels[0], "label_en": labels[-1], "primary": False}


def _said(answer: Answer, named: Named, keys: SpaceKeys) -> dict[str, Any]:
    """An answer or an event, when and by whom; `message`: where it comes from or leads to, in `conversation`."""
    detail = msgspec.json.decode(keys.open("answer", answer.answer_id, answer.detail))
    at = datetime.fromtimestamp(answer.at / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    said = {"label": named.done_fr, "label_en": named.done_en, "at": at, "by": detail["by"]}
    return said | {name: detail[name] for name in ("message", "conversation") if name in detail}


def letter_form(card: dict[str, Any]) -> str:
    """The card as a letter: its text, and its choices numbered. French, for mail clients."""
    if card.get("type") in FILLED:
        return letter(card)
    lines = [str(card["title"]), ""]
    if card.get("text"):
        lines += [str(card["text"]), ""]
    choices = all_choices(card, "")
    if choices:
        lines.append("Pour répondre, renvoyez le numéro de votre choix :")
        lines += [f"  {number}. {_choice(card, name)['label']}" for number, name in enumerate(choices, 1)]
    if "agenda.counter" in choices:
        lines.append("Pour un autre moment, écrivez sous le numéro ce qui vous conviendrait.")
    if "agenda.correct" in choices:
        lines.append("Pour corriger, écrivez sous le numéro le jour et l’heure, par exemple « 2/12 à 15 h ».")
    if "measures.correct" in choices:
        lines.append("Pour corriger, écrivez la mesure sous le numéro.")
    return "\n".join(lines).rstrip() + "\n"


def choice(card: dict[str, Any], number: int) -> str | None:
    """The action that the letter form gives this number; None when there is none."""
    choices = numbered(card)
    return choices[number - 1] if 1 <= number <= len(choices) else None
