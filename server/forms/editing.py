"""A form changed one question at a time, as an office does on the web. Pure: each function returns another form.

Promises: what the page does not show of a question (its code, its limits, its group) stays. Does not: check
(`questionnaires.checked`) nor keep (`library`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from server.errors import Refused
from server.forms.questionnaires import CHOICES, MAX_OPTIONS, MAX_REPEATS, Form, Item, Option, When, every

KINDS: Final = (
    "boolean", "choice", "open-choice", "string", "text", "integer", "decimal", "quantity", "date", "time",
    "attachment", "display",
)  # fmt: skip


def empty(title: str) -> Form:
    """A form to begin with; `checked` wants a question."""
    return Form(title=title, items=())


def put(form: Form, link_id: str, fields: Mapping[str, str]) -> Form:
    """The form with a question as those fields say it: a known one, or ("") a new one at the end."""
    if not link_id:
        new = _as_said(form, Item(_free(form), "string"), fields)
        return msgspec.structs.replace(form, items=(*form.items, new))
    if all(one.id != link_id for one in every(form.items)):
        raise Refused
    return _changed(form, link_id, lambda item: (_as_said(form, item, fields),))


def remove(form: Form, link_id: str) -> Form:
    """Without that question; a group that is left empty goes too."""
    return _changed(form, link_id, lambda _: ())


def move(form: Form, link_id: str, by: int) -> Form:
    """One place up (-1) or down (1), among those it stands with."""
    return msgspec.structs.replace(form, items=_moved(form.items, link_id, by))


def _moved(items: tuple[Item, ...], link_id: str, by: int) -> tuple[Item, ...]:
    ids = [item.id for item in items]
    if link_id in ids:
        at = ids.index(link_id)
        to = min(max(at + by, 0), len(items) - 1)
        rest = [*items[:at], *items[at + 1 :]]
        return (*rest[:to], items[at], *rest[to:])
    return tuple(msgspec.structs.replace(one, items=_moved(one.items, link_id, by)) for one in items)


def _changed(form: Form, link_id: str, change: Callable[[Item], tuple[Item, ...]]) -> Form:
    def walk(items: tuple[Item, ...]) -> tuple[Item, ...]:
        found: list[Item] = []
        for item in items:
            if item.id == link_id:
                found += change(item)
            elif item.type == "group":
                inside = walk(item.items)
                found += [msgspec.structs.replace(item, items=inside)] if inside else []
            else:
                found.append(item)
        return tuple(found)

    return msgspec.structs.replace(form, items=walk(form.items))


def _free(form: Form) -> str:
    taken = {item.id for item in every(form.items)}
    return next(name for number in range(1, 1_000) if (name := f"q{number}") not in taken)


def _as_said(form: Form, item: Item, fields: Mapping[str, str]) -> Item:
    kind = fields.get("type", "") if fields.get("type") in KINDS else item.type
    repeats = fields.get("repeats") == "1" and kind not in {"boolean", "display"}
    words = " ".join(fields.get("text", "").split()), " ".join(fields.get("text_en", "").split())
    if item.type == "group":
        return msgspec.structs.replace(item, text=words[0], text_en=words[1])
    same = kind == item.type
    return msgspec.structs.replace(
        item,
        type=kind,
        text=words[0],
        text_en=words[1],
        required=fields.get("required") == "1" and kind != "display",
        repeats=repeats,
        most=(item.most if item.repeats else MAX_REPEATS) if repeats else 1,
        options=_options(item, fields.get("options", "")) if kind in CHOICES else (),
        unit=fields.get("unit", "").strip()[:30] if kind == "quantity" else "",
        when=_when(form, fields),
        any_of=False,
        initial=item.initial if same and kind not in CHOICES else (),
        least=item.least if same else "",
        greatest=item.greatest if same else "",
    )


def _options(item: Item, text: str) -> tuple[Option, ...]:
    """A line each: « Oui | Yes »; one that was there keeps its key."""
    known = {option.text: option for option in item.options}
    found: list[Option] = []
    for line in [line for line in text.splitlines() if line.strip()][: MAX_OPTIONS + 1]:
        said, _, english = (part.strip() for part in line.partition("|"))
        before = known.get(said, Option(_key(said), said, system="urn:pli:answer"))
        found.append(msgspec.structs.replace(before, text_en=english))
    return tuple(found)


def _key(text: str) -> str:
    from server.query import fold

    return re.sub(r"[^a-z0-9]+", "-", fold(text)).strip("-")[:60] or "x"


def _when(form: Form, fields: Mapping[str, str]) -> tuple[When, ...]:
    """`when`: « linkId=answer », as the page proposes them; "" for always."""
    question, sign, answer = fields.get("when", "").partition("=")
    known = next((one for one in every(form.items) if one.id == question), None)
    return (When(question, "=", answer),) if sign and known else ()


def conditions(form: Form, before: str = "") -> list[tuple[str, str, str]]:
    """What a question may hang on: (value of the field, the question before it, the answer)."""
    found: list[tuple[str, str, str]] = []
    for item in every(form.items):
        if item.id == before:
            break
        if item.type == "boolean":
            found += [(f"{item.id}={key}", item.text, said) for key, said in (("true", "Oui"), ("false", "Non"))]
        found += [(f"{item.id}={option.key}", item.text, option.text) for option in item.options]
    return found
