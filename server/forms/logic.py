"""Which questions of a form are asked, given what was answered: enableWhen, order, what is still missing. Pure.

FHIR R4 questionnaire-enable-operator: `=` and the comparisons want at least one answer that fits, `!=` that none is
equal, `exists` that there is one or none. What is answered to a question that is not asked (any more) counts for
nothing.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final

from server.forms.questionnaires import QUESTIONS, Form, Item, When

Answers = Mapping[str, tuple[str, ...]]  # linkId → what was answered, as it is kept (`reading`)


def asked(form: Form, answers: Answers) -> list[Item]:
    """The questions to ask, in order."""
    return [item for item in shown(form, answers) if item.type in QUESTIONS]


def shown(form: Form, answers: Answers) -> list[Item]:
    """Everything to show: groups and texts too. One way through, since a condition only looks back."""
    counted: dict[str, tuple[Item, tuple[str, ...]]] = {}
    found: list[Item] = []
    _walk(form.items, answers, counted, found)
    return found


def _walk(
    items: tuple[Item, ...], answers: Answers, counted: dict[str, tuple[Item, tuple[str, ...]]], found: list[Item]
) -> None:
    for item in items:
        if not _enabled(item, counted):
            continue
        found.append(item)
        counted[item.id] = (item, answers.get(item.id, ()))
        _walk(item.items, answers, counted, found)


def _enabled(item: Item, counted: Mapping[str, tuple[Item, tuple[str, ...]]]) -> bool:
    if not item.when:
        return True
    met = (_met(when, counted.get(when.question)) for when in item.when)
    return any(met) if item.any_of else all(met)


def _met(when: When, known: tuple[Item, tuple[str, ...]] | None) -> bool:
    given = known[1] if known else ()
    if when.operator == "exists":
        return bool(given) == (when.answer == "true")
    if when.operator == "!=":
        return not any(_compared(known[0], value, "=", when.answer) for value in given) if known else True
    return any(_compared(known[0], value, when.operator, when.answer) for value in given) if known else False


def _compared(item: Item, value: str, sign: str, other: str) -> bool:
    if item.type in {"integer", "decimal", "quantity"}:
        number, _, unit = value.partition("|")
        wanted, _, in_unit = other.partition("|")
        if unit and in_unit and unit != in_unit:
            return False  # what was answered in another unit is not compared
        try:
            return _holds(Decimal(number), sign, Decimal(wanted))
        except InvalidOperation:
            return False
    return _holds(value, sign, other)


def _holds(value: str | Decimal, sign: str, other: str | Decimal) -> bool:
    return bool(_SIGNS[sign](value, other))


_SIGNS: Final = {"=": operator.eq, ">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le}


def counting(form: Form, answers: Answers) -> dict[str, tuple[str, ...]]:
    """The answers that count: to questions that are asked."""
    return {item.id: tuple(answers[item.id]) for item in asked(form, answers) if answers.get(item.id)}


def missing(form: Form, answers: Answers) -> list[Item]:
    """The questions that want an answer and have none."""
    return [item for item in asked(form, answers) if item.required and not answers.get(item.id)]
