"""A checklist: what is ticked, by whom, when. Each saving is an answer of its card; the answers are the record.

answers of the card, the oldest first  →  `ticks`: thing → (name, ISO 8601)
« 1, 3 », or the boxes of a page       →  `wanted`: which things are to be ticked now

Pure; how far a list is stands in its filling (`filling.keep_ticks`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from server.errors import Conflict, Invalid
from server.query import fold
from server.settings import PLACE

if TYPE_CHECKING:
    from storage.messages import Answer
    from storage.vault import SpaceKeys


@dataclass(frozen=True, slots=True)
class Tick:
    """Who ticked it, when (ms)."""

    by: str
    at: int


def things(card: Mapping[str, Any]) -> list[str]:
    """What is to be done."""
    found = card.get("items")
    return [str(one) for one in found] if isinstance(found, list) else []


def ticks(answers: Sequence[Answer], keys: SpaceKeys) -> dict[int, Tick]:
    """What stands ticked (from 1), from the answers of the card."""
    standing: dict[int, Tick] = {}
    for answer in answers:
        if not answer.action.startswith("checklists."):
            continue
        detail = msgspec.json.decode(keys.open("answer", answer.answer_id, answer.detail))
        for thing in detail["values"].get("ticked", ()):
            standing.setdefault(int(thing), Tick(detail["by"], answer.at))
        for thing in detail["values"].get("unticked", ()):
            standing.pop(int(thing), None)
    return standing


def shown(card: Mapping[str, Any], answers: Sequence[Answer], keys: SpaceKeys) -> list[dict[str, Any]]:
    """The things of a card as a page shows them, with who ticked them and when."""
    known, english = ticks(answers, keys), card.get("items_en") or []
    found: list[dict[str, Any]] = []
    for number, text in enumerate(things(card), 1):
        one: dict[str, Any] = {"number": number, "text": text}
        if number <= len(english):
            one["text_en"] = english[number - 1]
        if tick := known.get(number):
            at = datetime.fromtimestamp(tick.at / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
            one |= {"by": tick.by, "at": at}
        found.append(one)
    return found


def wanted(values: Mapping[str, Any], count: int, now: frozenset[int]) -> frozenset[int]:
    """The things that are to stand ticked. `mail`: adds those numbers; `items`: « 1 3 », all that are ticked; or
    `t.<n>`, a box each. Raises `Invalid`.
    """
    if isinstance(values.get("mail"), str):
        found = numbers(values["mail"], count)
        if not found:
            raise Invalid("ticks_not_understood", "Écrivez les numéros de ce qui est fait, par exemple « 1, 3 ».")
        return now | found
    boxes = {name[2:] for name in values if name.startswith("t.")}
    listed = str(values.get("items") or "").replace(",", " ").split()
    chosen = {*boxes, *listed}
    if not all(one.isdecimal() and 1 <= int(one) <= count for one in chosen):
        raise Invalid("ticks_not_understood", "Écrivez les numéros de ce qui est fait, par exemple « 1, 3 ».")
    return frozenset(map(int, chosen))


def check_day(card: Mapping[str, Any]) -> None:
    """Nothing is changed after the day of the list. Raises `Conflict`."""
    until = str(card.get("until") or "")
    if until and datetime.now(UTC).astimezone(PLACE).date() > date.fromisoformat(until):
        raise Conflict("checklist_over", "La date de cette liste est passée : elle ne change plus.")


def numbers(text: str, most: int) -> frozenset[int]:
    """« 1, 3 et 5 », « 2-4 », « tout »: of a checklist; empty when that is not all it says."""
    bare = fold(text).strip().rstrip(".! ")
    if bare in {"tout", "tous", "toutes", "tout est fait", "all", "0"}:
        return frozenset(range(1, most + 1))
    if not re.fullmatch(r"\d{1,2}(?:\s*(?:[,;+&\s]|et|and|-|a)\s*\d{1,2})*", bare):
        return frozenset()
    found: set[int] = set()
    for first, last in re.findall(r"(\d{1,2})(?:\s*(?:-|a)\s*(\d{1,2}))?", bare):
        found |= set(range(int(first), int(last or first) + 1))
    return frozenset(found) if all(1 <= one <= most for one in found) else frozenset()
