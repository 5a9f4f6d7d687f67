"""An answer as people type it, on a page or in a mail: « oui », « 72,5 kg », « 3 mai 2026 », « 1 m 72 ». Pure.

An answer is kept as texts: "true" or "false", a number, "number|unit", ISO 8601, the key of an option, ":" and one’s
own words for an open choice, "upload|name" for a file, else the words. Promises: the same words always mean the
same; what is not sure is not guessed, and is said in a sentence; `said` of what is kept, typed again, is what was kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from server.dossier.profile import date_of
from server.errors import Invalid
from server.forms.questionnaires import CHOICES, MAX_ANSWER, Form, Item, Option, is_kept, questions
from server.query import fold

_YES: Final = frozenset(["oui", "o", "ouais", "yes", "y", "true", "vrai", "ok", "si"])
_NO: Final = frozenset(["non", "n", "no", "false", "faux"])
_NUMBER: Final = re.compile(r"([-−]?\d+(?:[ \u00a0\u202f]\d{3})*(?:[.,]\d+)?)\s*([^\d]*)")
_METRES: Final = re.compile(r"(\d)\s*m(?:etres?)?\s*(\d{2})?", re.IGNORECASE)
_TIME: Final = re.compile(r"(\d{1,2})\s*(?:h(?:eures?)?|:)\s*(\d{2})?(?::\d{2})?", re.IGNORECASE)
_UNITS: Final = {
    "kilo": "kg", "kilos": "kg", "kgs": "kg", "kilogramme": "kg", "kilogrammes": "kg", "centimetre": "cm",
    "centimetres": "cm", "cms": "cm", "metre": "m", "metres": "m", "gramme": "g", "grammes": "g", "ans": "a",
}  # fmt: skip
_FACTORS: Final = {("m", "cm"): Decimal(100), ("cm", "m"): Decimal("0.01"), ("g", "kg"): Decimal("0.001")}
_NAMES: Final = "janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre"
_MONTHS: Final = {name: number for number, name in enumerate(_NAMES.split(), 1)}
# A question's number at the beginning of a line, or inside one when a colon or a parenthesis sets it apart.
_NUMBERED: Final = re.compile(
    r"(?m)^[ \t>*-]*(\d{1,2})[ \t]*(?:[:.)=]|[-–](?!\d)|(?=[ \t]\D))[ \t]*|(?<=\s)(\d{1,2}) ?[:)][ \t]+"
)


class BadAnswer(Invalid):
    """What was answered to a question does not do. `item`: which; `why`: the sentence without its text."""

    def __init__(self, code: str, item: Item, why: str) -> None:
        self.item, self.why = item, why
        super().__init__(code, f"« {item.text[:100]} » : {why}")


def read(item: Item, typed: Iterable[str]) -> tuple[str, ...]:
    """What is kept of the answers typed to a question; blank ones are none. Raises `BadAnswer`."""
    found = [kept for text in typed if text.strip() and (kept := _one(item, text.strip()))]
    answers = tuple(dict.fromkeys(found))
    if len(answers) > (item.most if item.repeats else 1):
        raise BadAnswer("too_many_answers", item, f"{item.most} réponse{'s' if item.most > 1 else ''} au plus.")
    return answers


def _one(item: Item, text: str) -> str:
    kept = _READERS.get(item.type, _words)(item, text)
    if item.type not in CHOICES and not is_kept(item, kept):
        raise BadAnswer("bad_answer", item, "cette réponse n’est pas comprise.")
    _check_bounds(item, kept)
    return kept


def _check_bounds(item: Item, kept: str) -> None:
    value = kept.partition("|")[0]
    number = item.type in {"integer", "decimal", "quantity"}
    unit = f" {item.unit}" if item.unit else ""
    if item.least and (Decimal(value) < Decimal(item.least) if number else value < item.least):
        raise BadAnswer("answer_too_small", item, f"au moins {_shown(item.least)}{unit}.")
    if item.greatest and (Decimal(value) > Decimal(item.greatest) if number else value > item.greatest):
        raise BadAnswer("answer_too_large", item, f"au plus {_shown(item.greatest)}{unit}.")


def _shown(bound: str) -> str:
    return _day(bound) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", bound) else bound.replace(".", ",")


def _boolean(item: Item, text: str) -> str:
    first = (re.split(r"[\s,.;!]+", fold(text).strip()) or [""])[0]
    if first in _YES or first in _NO:
        return "true" if first in _YES else "false"
    raise BadAnswer("answer_yes_no", item, "répondez oui ou non.")


def _number(item: Item, text: str) -> str:
    """A number, what follows it being of the unit, or of nothing."""
    known = _NUMBER.fullmatch(text.strip().rstrip("."))
    value = _decimal(known[1]) if known else None
    if value is None or (item.type == "integer" and value != value.to_integral_value()):
        kind = "un nombre entier" if item.type == "integer" else "un nombre"
        raise BadAnswer("answer_number", item, f"écrivez {kind}, par exemple 12.")
    return _plain(value)


def _decimal(text: str) -> Decimal | None:
    bare = re.sub(r"[ \u00a0\u202f]", "", text).replace(",", ".").replace("−", "-")
    value = Decimal(bare)
    return value if abs(value) < 10**9 else None


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _quantity(item: Item, text: str) -> str:
    metres = _METRES.fullmatch(text) if item.unit in {"cm", "m"} else None
    if metres:
        number, unit = Decimal(f"{metres[1]}.{metres[2] or 0}"), "m"
    else:
        known = _NUMBER.fullmatch(text)
        value = _decimal(known[1]) if known else None
        if known is None or value is None:
            raise BadAnswer(
                "answer_number", item, f"écrivez un nombre, par exemple 12{' ' if item.unit else ''}{item.unit}."
            )
        said = known[2].strip().rstrip(".")
        number, unit = value, _UNITS.get(fold(said).strip(), said)
    if item.unit and unit and fold(unit) != fold(item.unit):
        factor = _FACTORS.get((unit, item.unit))
        if factor is None:
            raise BadAnswer("answer_unit", item, f"écrivez un nombre en {item.unit}.")
        number *= factor
    return f"{_plain(number)}|{item.unit or unit[:30].replace('|', '')}"


def _date(item: Item, text: str) -> str:
    bare = re.sub(r"^(le|en|depuis le|depuis)\s+", "", fold(text).strip()).replace("1er", "1")
    named = re.fullmatch(r"(?:(\d{1,2}) )?([a-z]+) (\d{4})", bare)
    if named and named[2] in _MONTHS:
        bare = f"{named[1]}/{_MONTHS[named[2]]}/{named[3]}" if named[1] else f"{_MONTHS[named[2]]}/{named[3]}"
    if found := date_of(re.sub(r"[.\-](?=\d)", "/", bare) if not re.match(r"\d{4}-", bare) else bare):
        return found
    raise BadAnswer("answer_date", item, "écrivez une date, par exemple 28/03/2021.")


def _time(item: Item, text: str) -> str:
    known = _TIME.fullmatch(text.strip())
    if known is None or int(known[1]) > 23 or int(known[2] or 0) > 59:
        raise BadAnswer("answer_time", item, "écrivez une heure, par exemple 8 h 30.")
    return f"{int(known[1]):02}:{int(known[2] or 0):02}"


def _choice(item: Item, text: str) -> str:
    if any(option.key == text for option in item.options):
        return text
    wanted = _bare(text)
    same = [
        option for option in item.options if wanted in {_bare(option.text), _bare(option.text_en), _bare(option.key)}
    ]
    near = same or [option for option in item.options if len(wanted) > 2 and _bare(option.text).startswith(wanted)]
    if len(near) == 1 or len(same) > 1:
        return near[0].key
    if item.type == "open-choice":
        return f":{' '.join(text.lstrip(':').split())[:300]}" if text.strip(": ") else ""
    listed = ", ".join(option.text for option in item.options)[:300]
    raise BadAnswer("answer_choice", item, f"choisissez parmi : {listed}.")


def _bare(text: str) -> str:
    return re.sub(r"[^a-z0-9+]+", " ", fold(text)).strip()


def _words(item: Item, text: str) -> str:
    kept = text.replace("\r\n", "\n") if item.type == "text" else " ".join(text.split())
    most = min(item.max_length or MAX_ANSWER, MAX_ANSWER)
    if len(kept) > most:
        raise BadAnswer("answer_too_long", item, f"c’est trop long ({most} caractères au plus).")
    return kept


_READERS: Final = {
    "boolean": _boolean, "integer": _number, "decimal": _number, "quantity": _quantity, "date": _date, "time": _time,
    "choice": _choice, "open-choice": _choice,
}  # fmt: skip


# ---- what was kept, in words -----------------------------------------------------------------------------------------


def said(item: Item, kept: str, language: str = "fr") -> str:
    """An answer as a person reads it."""
    match item.type:
        case "boolean":
            return ("Yes" if kept == "true" else "No") if language == "en" else ("Oui" if kept == "true" else "Non")
        case "decimal" | "quantity":
            shown = kept.replace("|", " ", 1).strip()
            return shown if language == "en" else shown.replace(".", ",", 1)
        case "date":
            return _day(kept)
        case "time":
            return kept if language == "en" else f"{int(kept[:2])} h {kept[3:5]}"
        case "attachment":
            return kept.partition("|")[2]
        case _:
            option = _option(item, kept)
            return (option.text_en if language == "en" else "") or option.text if option else kept.removeprefix(":")


def all_said(item: Item, kept: Sequence[str], language: str = "fr") -> str:
    """All the answers to a question."""
    return ", ".join(said(item, one, language) for one in kept)


def _option(item: Item, kept: str) -> Option | None:
    return next((option for option in item.options if option.key == kept), None) if item.type in CHOICES else None


def _day(kept: str) -> str:
    """2026-05-03 → 03/05/2026; 2026-05 → 05/2026."""
    return "/".join(reversed(kept.split("-")))


# ---- a mail ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mailed:
    """What a mail answers. `wrong`: what was said to a question and does not do, with why; `rest`: words under no
    question, or after an answer.
    """

    answers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    wrong: tuple[tuple[str, str], ...] = ()
    rest: str = ""


def mailed(form: Form, text: str) -> Mailed:
    """« 1 : oui 2 : 72 kg », a line each or not; numbers as in the letter (`cards.letter`), in growing order."""
    asked, answers, wrong = questions(form), {}, []
    before, parts = _parts(text, len(asked))
    rest = [before]
    for number, under in parts:
        item = asked[number - 1]
        typed, more = _answer_of(item, under)
        rest.append(more)
        if not typed:
            continue
        try:
            answers[item.id] = read(item, _several(item, typed))
        except BadAnswer as error:
            wrong.append((f"{number} : {typed[:200]}", error.detail))
    return Mailed(answers, tuple(wrong), "\n\n".join(part for part in rest if part))


def _answer_of(item: Item, under: str) -> tuple[str, str]:
    """The answer, and what stands under it that is none: a greeting, a name."""
    typed, _, more = under.partition("\n\n")
    if item.type not in {"string", "text"} and not item.repeats:
        typed, _, line = typed.partition("\n")
        more = f"{line}\n{more}"
    return typed.strip().strip(";,").strip(), more.strip()


def _several(item: Item, typed: str) -> list[str]:
    if not item.repeats:
        return [typed]
    sign = r"[\n;]" if item.type in {"string", "text", "quantity", "decimal"} else r"[\n;,]|\bet\b|\band\b"
    return [one for one in re.split(sign, typed) if one.strip()]


def _parts(text: str, most: int) -> tuple[str, list[tuple[int, str]]]:
    """The words before the first number, and each number with the words under it."""
    marks: list[tuple[int, re.Match[str]]] = []
    for match in _NUMBERED.finditer(text):
        number = int(match[1] or match[2])
        if (marks[-1][0] if marks else 0) < number <= most:
            marks.append((number, match))
    if not marks:
        return text.strip(), []
    ends = [match.start() for _, match in marks[1:]] + [len(text)]
    before = text[: marks[0][1].start()]
    return before.strip(), [
        (number, text[match.end() : end].strip()) for (number, match), end in zip(marks, ends, strict=True)
    ]
