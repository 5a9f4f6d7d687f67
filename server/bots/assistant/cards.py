"""What the assistant says, as cards in French and in English: an answer with its links, or a question before something
changes. Pure.

    assistant          {"type", "title", "text", "links", "documents"}: an answer; `documents`: those it named
    assistant_choice   {"options": [{"fr", "en", "as", "who"}], "message", "words"}: which of them was meant
    assistant_help     {"words"}: a person is asked for, and told these words
    assistant_send     {"document", "to", "conversation"}: a letter that is sent at a tap
    assistant_pause    {"until"}: reminders rest

A link has a `path` below the mailbox of who reads it, `whole` when the path is whole; or `call`, a number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from server.bots.assistant import distress
from server.bots.assistant.names import Someone

Card = dict[str, Any]
Said = tuple[str, str]  # in French and in English
MOST_LINKS: Final = 5

NAMES: Final[dict[str, Said]] = {
    "measure": ("Noter une mesure", "Record a measure"),
    "note_appointment": ("Noter un rendez-vous", "Note an appointment"),
    "note_reminder": ("Noter un rappel", "Note a reminder"),
    "appointments": ("Voir mes rendez-vous", "See my appointments"),
    "cancel_appointment": ("Annuler un rendez-vous", "Cancel an appointment"),
    "move_appointment": ("Changer un rendez-vous", "Change an appointment"),
    "vaccines": ("Voir mes vaccins", "See my vaccinations"),
    "prevention": ("Voir ma prévention", "See my prevention"),
    "done": ("Dire que c’est déjà fait", "Say that it is done already"),
    "documents": ("Trouver un document", "Find a document"),
    "results": ("Voir mes résultats", "See my results"),
    "share": ("Envoyer un document", "Send a document"),
    "who_saw": ("Voir qui a lu mon dossier", "See who read my record"),
    "consents": ("Voir qui peut lire mon dossier", "See who may read my record"),
    "treatments": ("Voir mes traitements", "See my treatments"),
    "allergies": ("Voir mes allergies", "See my allergies"),
    "help": ("Voir ce que je peux demander", "See what I can ask"),
    "person": ("Parler à une personne", "Talk to a person"),
    "hours": ("Joindre un professionnel", "Reach a professional"),
    "pause": ("Arrêter les rappels", "Stop reminders"),
    "notices": ("Régler mes avis", "Set my notices"),
    "account": ("Ouvrir mon compte", "Open my account"),
    "advice": ("Savoir à qui demander un avis", "Know whom to ask for advice"),
}
SLASHES: Final = (
    ("/mesure tension 13/8", "/measure blood pressure 13/8"),
    ("/rdv dentiste mardi 14 h", "/appointment dentist Tuesday 2 pm"),
    ("/rappel pharmacie demain 9 h", "/remind pharmacy tomorrow 9 am"),
    ("/vaccins", "/vaccines"),
    ("/document ordonnance", "/document prescription"),
    ("/qui", "/who"),
    ("/aide", "/help"),
    ("/personne", "/person"),
)


def link(path: str, said: Said, *, whole: bool = False) -> dict[str, Any]:
    """A way to a page."""
    made: dict[str, Any] = {"path": path, "fr": said[0], "en": said[1]}
    return made | {"whole": True} if whole else made


def told(
    title: Said, text: Said = ("", ""), links: Sequence[dict[str, Any]] = (), documents: Iterable[str] = ()
) -> Card:
    """An answer."""
    card: Card = {"type": "assistant", "title": title[0], "title_en": title[1], "text": text[0], "text_en": text[1]}
    card["links"] = list(links)[:MOST_LINKS]
    card["documents"] = list(documents)
    return card


def urgent(kind: str) -> Card:
    """Whom to call, at words of distress. Calm, and nothing else."""
    data = distress.data()
    of = data.kinds[kind]
    lines = [data.lines[name] for name in of.numbers if data.lines[name].use]
    fr = "\n".join(f"{one.number} : {one.fr}" for one in lines)
    en = "\n".join(f"{one.number}: {one.en}" for one in lines)
    after = ("Pli n’est pas surveillé : personne ne lit ce message maintenant.",
             "Pli is not watched: nobody reads this message now.")  # fmt: skip
    card = told(
        ("Vous pouvez appeler maintenant", "You can call now"),
        (f"{of.fr}\n{fr}\n{after[0]}", f"{of.en}\n{en}\n{after[1]}"),
    )
    card["links"] = [
        {"call": one.number, "by": "sms" if one.number == "114" else "tel",
         "fr": f"{'Écrire au' if one.number == '114' else 'Appeler le'} {one.number}",
         "en": f"{'Text' if one.number == '114' else 'Call'} {one.number}"}
        for one in lines
    ]  # fmt: skip
    return card


def choice(title: Said, text: Said, options: Sequence[dict[str, str]], message: str, words: str) -> Card:
    """Which was meant, of three at most."""
    shown = list(options)[:3]
    names = ("assistant.first", "assistant.second", "assistant.third")
    return {
        "type": "assistant_choice",
        "title": title[0], "title_en": title[1], "text": text[0], "text_en": text[1],
        "options": shown, "message": message, "words": words,
        "labels": {name: [one["fr"], one["en"]] for name, one in zip(names, shown, strict=False)},
    }  # fmt: skip


def unclear(nearest: Sequence[str], message: str, words: str) -> Card:
    """What was not understood: the three nearest things."""
    options = [{"fr": NAMES[intent][0], "en": NAMES[intent][1], "as": intent, "who": ""} for intent in nearest]
    return choice(
        ("Je n’ai pas compris", "I did not understand"),
        ("Vouliez-vous l’une de ces choses ? Sinon, une personne peut vous aider.",
         "Did you mean one of these? If not, a person can help you."),
        options, message, words,
    )  # fmt: skip


def which(whom: Sequence[Someone], intent: str, message: str, words: str) -> Card:
    """Two people of one name."""
    options = [{"fr": f"{one.name}, {one.role}".rstrip(", "), "en": f"{one.name}, {one.role}".rstrip(", "),
                "as": intent, "who": one.id} for one in whom]  # fmt: skip
    return choice(("De qui parlez-vous ?", "Whom do you mean?"), ("", ""), options, message, words)


def person(words: str, text: Said, links: Sequence[dict[str, Any]]) -> Card:
    """A person is asked for, at a tap; what they will read stands on the card."""
    shown = " ".join(words.split())[:300]
    read = (f"Cette personne lira : « {shown} »", f"This person will read: “{shown}”") if shown else ("", "")
    return {
        "type": "assistant_help",
        "title": "Demander l’aide d’une personne ?", "title_en": "Ask a person for help?",
        "text": "\n".join(one for one in (text[0], read[0]) if one),
        "text_en": "\n".join(one for one in (text[1], read[1]) if one),
        "words": words[:1000], "links": list(links)[:MOST_LINKS],
    }  # fmt: skip


def send(title: str, of: Said, document: str, whom: Someone, conversation: str) -> Card:
    """A document is sent to somebody at a tap. `of`: of what date."""
    return {
        "type": "assistant_send",
        "title": f"Envoyer « {title} »{of[0]} à {whom.name} ?",
        "title_en": f"Send “{title}”{of[1]} to {whom.name}?",
        "text": f"Il partira dans votre conversation avec {whom.name}, en votre nom.",
        "text_en": f"It will go in your conversation with {whom.name}, in your name.",
        "document": document, "to": whom.id, "conversation": conversation, "documents": [document],
        "name": title,
    }  # fmt: skip


def pause(until: str, day: Said) -> Card:
    """Reminders rest until a day, or are stopped."""
    if until:
        asked = (f"Ne plus recevoir de rappels jusqu’au {day[0]} ?", f"No reminders until {day[1]}?")
    else:
        asked = ("Ne plus recevoir de rappels de prévention ?", "Receive no more prevention reminders?")
    return {
        "type": "assistant_pause",
        "title": asked[0], "title_en": asked[1],
        "text": "Vos vaccins et dépistages restent sur la page « Prévention ». Vous pouvez les reprendre ici.",
        "text_en": "Your vaccines and screenings stay on the page “Prevention”. You can start them again here.",
        "until": until,
    }  # fmt: skip


def refused(whose: str) -> Card:
    """What a helper was not trusted with."""
    return told(
        ("Cela ne vous est pas confié", "This is not entrusted to you"),
        (f"{whose} peut vous le confier, dans « Mon compte », « Mes proches ».",
         f"{whose} can entrust it to you, under “My account”, “People”."),
    )  # fmt: skip


HELP: Final = told(
    ("Ce que vous pouvez me demander", "What you can ask me"),
    (
        "Écrivez comme vous parlez. Par exemple :\n"
        "« tension 13/8 » : je vous propose de la noter.\n"
        "« dentiste mardi 14 h » : je vous propose de l’écrire dans votre agenda.\n"
        "« rappelle-moi demain d’appeler le dentiste » : je vous propose un rappel.\n"
        "« mes vaccins », « mon dernier bilan sanguin », « mes prochains rendez-vous ».\n"
        "« envoie-le au Dr Morel » : je vous demande avant d’envoyer.\n"
        "« qui a vu mon dossier ? », « arrêtez les rappels », « parler à une personne ».\n"
        "Plus court : " + ", ".join(fr for fr, _ in SLASHES) + ".\n"
        "Je ne donne jamais d’avis médical. En cas d’urgence : 15, 112, ou 114 par SMS.",
        "Write as you speak. For instance:\n"
        "“blood pressure 13/8”: I offer to record it.\n"
        "“dentist Tuesday 2 pm”: I offer to write it in your calendar.\n"
        "“remind me tomorrow to call the dentist”: I offer a reminder.\n"
        "“my vaccinations”, “my latest blood test”, “my next appointments”.\n"
        "“send it to Dr Morel”: I ask you before sending.\n"
        "“who looked at my record?”, “stop the reminders”, “talk to a person”.\n"
        "Shorter: " + ", ".join(en for _, en in SLASHES) + ".\n"
        "I never give medical advice. In an emergency: 15, 112, or 114 by text.",
    ),
)
