"""A form as plain structs: its questions, what each accepts, which are asked when. Pure.

Promises: a `Form` that `checked` accepts can be filled in one question after the other: identifiers are unique, a
condition looks at a question that stands before, a choice has its options, and all is bounded. Does not: read or write
FHIR (`fhir`), keep anything (`library`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Final

import msgspec

from server.errors import Invalid, TooLarge

CHOICES: Final = frozenset({"choice", "open-choice"})
NUMBERS: Final = frozenset({"integer", "decimal", "quantity"})
QUESTIONS: Final = CHOICES | NUMBERS | {"boolean", "date", "time", "string", "text", "attachment"}
TYPES: Final = QUESTIONS | {"group", "display"}
OPERATORS: Final = frozenset({"exists", "=", "!=", ">", "<", ">=", "<="})
MAX_QUESTIONS, MAX_OPTIONS, MAX_DEPTH, MAX_REPEATS, MAX_CONDITIONS = 60, 40, 5, 10, 10
MAX_LABEL, MAX_ANSWER, MAX_FORM = 1_000, 4_000, 60_000  # characters, characters of one answer, octets of a form in JSON
SIMPLE: Final = 3  # questions that a card asks itself
_AT_ONCE: Final = QUESTIONS - {"attachment", "text"}


class Option(msgspec.Struct, frozen=True, omit_defaults=True):
    """One answer of a choice. `key`: what is kept, its code or its words."""

    key: str
    text: str
    text_en: str = ""
    system: str = ""  # of the code; "" when it has none
    kind: str = "coding"  # or string, integer, date, time (answerOption.value[x])


class When(msgspec.Struct, frozen=True, omit_defaults=True):
    """A condition (FHIR enableWhen): `answer` as an answer is kept, "true" or "false" for `exists`."""

    question: str
    operator: str
    answer: str


class Item(msgspec.Struct, frozen=True, omit_defaults=True):
    """A question, a group of them, or a text to read. `most`: how many answers at most, when it `repeats`."""

    id: str
    type: str
    text: str = ""
    text_en: str = ""
    required: bool = False
    repeats: bool = False
    most: int = 1
    options: tuple[Option, ...] = ()
    when: tuple[When, ...] = ()
    any_of: bool = False  # enableBehavior: any; else all
    initial: tuple[str, ...] = ()
    max_length: int = 0
    least: str = ""  # minValue, maxValue: as an answer is kept
    greatest: str = ""
    unit: str = ""
    definition: str = ""
    loinc: str = ""
    items: tuple[Item, ...] = ()

    def said(self, language: str = "fr") -> str:
        """Its words, in that language when it has them."""
        return (self.text_en if language == "en" else "") or self.text


class Form(msgspec.Struct, frozen=True, omit_defaults=True):
    """A questionnaire. `url|version` names it (canonical); `verified`: somebody stands for what it asks."""

    title: str
    items: tuple[Item, ...]
    title_en: str = ""
    url: str = ""
    version: str = "1"
    name: str = ""
    description: str = ""
    description_en: str = ""
    publisher: str = ""
    verified: bool = True

    def called(self, language: str = "fr") -> str:
        return (self.title_en if language == "en" else "") or self.title

    @property
    def canonical(self) -> str:
        return f"{self.url}|{self.version}" if self.url else ""


def every(items: tuple[Item, ...]) -> Iterator[Item]:
    """All items in the order they are shown: a group before what it holds."""
    for item in items:
        yield item
        yield from every(item.items)


def questions(form: Form) -> list[Item]:
    """What may be asked, in order."""
    return [item for item in every(form.items) if item.type in QUESTIONS]


_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SHAPES: Final = {
    "boolean": re.compile(r"true|false"),
    "integer": re.compile(r"-?\d{1,9}"),
    "decimal": re.compile(r"-?\d{1,9}(\.\d{1,6})?"),
    "quantity": re.compile(r"-?\d{1,9}(\.\d{1,6})?\|[^|]{0,30}"),
    "date": re.compile(r"\d{4}(-\d{2}(-\d{2})?)?"),
    "time": re.compile(r"\d{2}:\d{2}(:\d{2})?"),
    "attachment": re.compile(r"[0-9A-Za-z-]{1,64}\|.{0,200}"),
}


def is_kept(item: Item, value: str) -> bool:
    """Whether this is how an answer to that question is kept. What the form allows besides is `reading`'s."""
    if item.type == "choice" or (item.type == "open-choice" and not value.startswith(":")):
        return any(option.key == value for option in item.options)
    shape = _SHAPES.get(item.type)
    if shape is not None and shape.fullmatch(value) is None:
        return False
    if item.type == "date":
        return _is_date(value)
    return bool(value) and len(value) <= MAX_ANSWER


def _is_date(value: str) -> bool:
    try:
        date.fromisoformat((value + "-01-01")[:10])
    except ValueError:
        return False
    return True


def is_short(form: Form) -> bool:
    """Whether a card asks it itself: few simple questions, none of which hangs on another."""
    asked, anything = questions(form), every(form.items)
    simple = all(one.type in _AT_ONCE and not one.repeats for one in asked)
    return simple and len(asked) <= SIMPLE and not any(one.when for one in anything)


def checked(form: Form) -> Form:
    """The form, which can be filled in. Raises `Invalid`, naming the question; `TooLarge`."""
    if not form.title.strip() or len(form.title) > 200:
        raise Invalid("form_without_title", "Le questionnaire a besoin d’un titre, de 200 caractères au plus.")
    if len(msgspec.json.encode(form)) > MAX_FORM:
        raise TooLarge("form_too_large", f"Le questionnaire est trop long ({MAX_FORM} octets au plus).")
    before: dict[str, Item] = {}
    _check_all(form.items, before, 1)
    if not 1 <= len(questions(form)) <= MAX_QUESTIONS:
        raise Invalid("form_questions", f"Un questionnaire a de 1 à {MAX_QUESTIONS} questions.")
    return form


def _check_all(items: tuple[Item, ...], before: dict[str, Item], depth: int) -> None:
    for item in items:
        _check(item, before, depth)
        before[item.id] = item
        _check_all(item.items, before, depth + 1)


def _check(item: Item, before: dict[str, Item], depth: int) -> None:
    if not item.id or len(item.id) > 100 or not item.id.isprintable():
        raise wrong(item.id[:100], "son identifiant (linkId) manque, ou dépasse 100 caractères")
    if item.id in before:
        raise wrong(item.id, "cet identifiant sert deux fois")
    if item.type not in TYPES:
        raise wrong(item.id, f"le type « {item.type[:40]} » n’est pas pris en charge")
    if depth > MAX_DEPTH:
        raise wrong(item.id, f"il y a plus de {MAX_DEPTH} groupes les uns dans les autres")
    if _CONTROL.search(item.text + item.text_en + item.unit + "".join(one.text + one.key for one in item.options)):
        raise wrong(item.id, "ses textes contiennent des caractères de commande")
    if len(item.text) > MAX_LABEL or len(item.text_en) > MAX_LABEL:
        raise wrong(item.id, f"son texte dépasse {MAX_LABEL} caractères")
    if item.type != "group" and not item.text.strip():
        raise wrong(item.id, "elle n’a pas de texte")
    if item.items and item.type != "group":
        raise wrong(item.id, "une question ne contient pas d’autres questions : placez-les après, avec une condition")
    if item.type == "group" and (item.repeats or not item.items):
        raise wrong(item.id, "un groupe contient des questions, et ne se répète pas")
    if item.repeats and not 1 <= item.most <= MAX_REPEATS:
        raise wrong(item.id, f"elle se répète plus de {MAX_REPEATS} fois")
    if item.repeats and item.type in {"boolean", "display"}:
        raise wrong(item.id, "elle ne peut pas se répéter")
    _check_options(item)
    _check_values(item)
    _check_conditions(item, before)


def _check_options(item: Item) -> None:
    if item.type in CHOICES and not 1 <= len(item.options) <= MAX_OPTIONS:
        raise wrong(item.id, f"un choix a de 1 à {MAX_OPTIONS} réponses (answerOption)")
    if item.options and item.type not in CHOICES:
        raise wrong(item.id, "seul un choix a des réponses préparées (answerOption)")
    keys = [option.key for option in item.options]
    if len(set(keys)) < len(keys):
        raise wrong(item.id, "deux réponses sont les mêmes")
    for option in item.options:
        if not option.key or option.key.startswith(":") or not option.text.strip() or len(option.text) > 300:
            raise wrong(item.id, "une réponse est vide, trop longue, ou commence par « : »")


def _check_conditions(item: Item, before: dict[str, Item]) -> None:
    if len(item.when) > MAX_CONDITIONS:
        raise wrong(item.id, f"elle a plus de {MAX_CONDITIONS} conditions")
    for one in item.when:
        asked = before.get(one.question)
        if asked is None:
            raise wrong(item.id, f"sa condition porte sur « {one.question[:60]} », qui n’est pas une question d’avant")
        if asked.type not in QUESTIONS:
            raise wrong(item.id, f"sa condition porte sur « {one.question[:60]} », qui n’est pas une question")
        if one.operator not in OPERATORS:
            raise wrong(item.id, f"l’opérateur « {one.operator[:20]} » n’existe pas")
        if one.operator == "exists" and one.answer not in {"true", "false"}:
            raise wrong(item.id, "« exists » s’accompagne de vrai ou faux")
        if one.operator != "exists" and not is_kept(asked, one.answer):
            raise wrong(item.id, "sa condition compare à une réponse que l’autre question n’a pas")


def _check_values(item: Item) -> None:
    if not all(is_kept(item, value) for value in item.initial) or len(item.initial) > item.most:
        raise wrong(item.id, "sa réponse préparée (initial) ne convient pas")
    bounded = {"quantity": "decimal"}.get(item.type, item.type)
    for bound in (item.least, item.greatest):
        if bound and (bounded not in {"integer", "decimal", "date", "time"} or not _SHAPES[bounded].fullmatch(bound)):
            raise wrong(item.id, "sa limite (minValue, maxValue) ne convient pas à son type")


def wrong(link_id: str, why: str) -> Invalid:
    """What is wrong with a question, by its linkId."""
    return Invalid("bad_question", f"Question « {link_id} » : {why}.")
