"""The cards of forms and checklists, and their letter forms.

    {"type": "form", "title", "text", "form": Form}      {"type": "checklist", "title", "text", "items", "until"}

`for: them` asks who else takes part than the patient; `anyone` asks whoever answers first. Promises: a card can be
answered in a chat, and by mail with numbers. A card keeps the form as it was the day it was asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

import msgspec

from server.errors import Invalid, TooLarge
from server.forms import fhir, logic
from server.forms.questionnaires import CHOICES, QUESTIONS, Form, Item, checked, every, is_short, questions

MAX_THINGS, MAX_THING = 30, 300  # of a checklist; characters of one
WHOSE: Final = frozenset({"", "holder", "them", "anyone"})


def form_card(questionnaire: Mapping[str, Any] | Form, whose: str = "") -> dict[str, Any]:
    """The card that asks to fill in a FHIR Questionnaire. `whose`: the card's `for`. Raises `Invalid`, `TooLarge`."""
    form = questionnaire if isinstance(questionnaire, Form) else fhir.read(dict(questionnaire))
    fr, en = _length(form)
    card = {
        "type": "form",
        "title": form.title,
        "title_en": form.called("en"),
        "text": form.description or fr,
        "text_en": form.description_en or form.description or en,
        "form": msgspec.to_builtins(form),
    }
    return card | _whose(whose)


def _length(form: Form) -> tuple[str, str]:
    """How much is asked, in French and in English."""
    count = len(questions(form))
    many = "s" if count > 1 else ""
    if is_short(form):
        return f"{count} question{many}.", f"{count} question{many}."
    fr, en = "Vous pouvez vous arrêter et reprendre.", "You can stop and go on later."
    return f"{count} question{many}. {fr}", f"{count} question{many}. {en}"


def form_of(card: Mapping[str, Any]) -> Form:
    """The form of a card. Raises `Invalid` when it has none."""
    try:
        return checked(msgspec.convert(card.get("form"), Form))
    except msgspec.ValidationError:
        raise Invalid("not_a_form", "Cette carte ne contient pas de questionnaire.") from None


def checklist_card(
    title: str,
    text: str,
    items: Sequence[str],
    *,
    until: str = "",
    items_en: Sequence[str] = (),
    title_en: str = "",
    text_en: str = "",
    whose: str = "",
) -> dict[str, Any]:
    """The card of things to do and tick. `until`: the day (ISO 8601) after which nothing is ticked any more. Raises
    `Invalid`.
    """
    things = [" ".join(str(one).split()) for one in items]
    if not 1 <= len(things) <= MAX_THINGS or not all(0 < len(one) <= MAX_THING for one in things):
        raise Invalid(
            "bad_checklist", f"Une liste a de 1 à {MAX_THINGS} choses à faire, de {MAX_THING} signes au plus."
        )
    if not title.strip():
        raise Invalid("card_without_title", "La carte n’a pas de titre.")
    if until:
        try:
            date.fromisoformat(until)
        except ValueError:
            raise Invalid("bad_checklist", "La date de la liste s’écrit AAAA-MM-JJ.") from None
    card: dict[str, Any] = {"type": "checklist", "title": title, "text": text, "items": things}
    if len(items_en) == len(things):
        card["items_en"] = [str(one)[:MAX_THING] for one in items_en]
    english = {"title_en": title_en, "text_en": text_en, "until": until}
    return card | {name: value for name, value in english.items() if value} | _whose(whose)


def _whose(whose: str) -> dict[str, str]:
    if whose not in WHOSE:
        raise Invalid("bad_card", "Une carte est pour le patient, « them » ou « anyone ».")
    return {"for": whose} if whose else {}


def from_outside(card: Mapping[str, Any]) -> dict[str, Any]:
    """A form or checklist card that an application sends: `questionnaire` (FHIR) or `form`; `items`. Raises `Invalid`,
    `TooLarge`.
    """
    whose = str(card.get("for") or "")
    if card.get("type") == "form":
        asked = card.get("questionnaire")
        made = form_card(asked if isinstance(asked, dict) else form_of(card), whose)
    else:
        listed, english = ([*map(str, found)] if isinstance(found := card.get(name), list) else [] for name in _LISTS)
        made = checklist_card(
            str(card["title"]), str(card.get("text", "")), listed, until=str(card.get("until") or ""),
            items_en=english, whose=whose,
        )  # fmt: skip
    return made | {name: card[name] for name in ("title", "title_en", "text", "text_en", "source") if card.get(name)}


_LISTS: Final = ("items", "items_en")


# ---- letters ---------------------------------------------------------------------------------------------------------


def letter(card: Mapping[str, Any]) -> str:
    """The card as a letter, in French: what is asked, numbered, and how to answer."""
    head = [str(card["title"]), "", *([str(card["text"]), ""] if card.get("text") else [])]
    try:
        lines = _asked(form_of(card)) if card.get("type") == "form" else _listed(card)
    except (Invalid, TooLarge):  # of a form that a later version of ours would not take
        lines = []
    return "\n".join([*head, *lines]) + "\n"


def _listed(card: Mapping[str, Any]) -> list[str]:
    return [
        *(f"  {number}. {thing}" for number, thing in enumerate(card.get("items", ()), 1)),
        "",
        "Pour répondre, renvoyez les numéros de ce qui est fait (par exemple « 1, 3 »), ou « tout ».",
    ]


def _asked(form: Form) -> list[str]:
    lines, number, first = [], 0, ""
    for item in every(form.items):
        if item.type in QUESTIONS:
            number += 1
            lines.append(f"  {number}. {item.text}{_ask(item)}")
            first = first or example(item)
        elif item.text:
            lines += ["", item.text]
    told = f"Pour répondre, écrivez le numéro et la réponse, une par ligne (par exemple « 1 : {first} »)."
    return [*lines, "", told, "Ce que vous ne savez pas, laissez-le de côté."]


def _ask(item: Item) -> str:
    """What fits, and when it is asked."""
    said = {"boolean": "oui ou non", "date": "une date", "time": "une heure", "attachment": "un fichier joint"}
    parts = [said[item.type]] if item.type in said else []
    if item.type in CHOICES:
        parts = [" / ".join(option.text for option in item.options)]
        parts += ["ou autre réponse"] if item.type == "open-choice" else []
    parts += [f"en {item.unit}"] if item.unit else []
    parts += ["plusieurs réponses possibles"] if item.repeats else []
    parts += ["si vous êtes concerné"] if item.when else []
    return f" ({', '.join(parts)})" if parts else ""


def example(item: Item) -> str:
    """An answer that would fit, for the words that explain."""
    if item.type in CHOICES:
        return item.options[0].text
    samples = {"boolean": "oui", "integer": "3", "decimal": "1,5", "date": "03/05/2026", "time": "8 h 30"}
    return f"72 {item.unit}".rstrip() if item.type == "quantity" else samples.get(item.type, "votre réponse")


def answered(form: Form, answers: logic.Answers) -> int:
    """How many of the questions asked have an answer."""
    return len(logic.counting(form, answers))
