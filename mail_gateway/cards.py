"""A card in a mail: the same question three times, for who reads text, who reads HTML, and software.

    text/plain                      the letter form (`actions.letter_form`), answered by sending back a number
    text/html                       the same, with the numbers as a list
    application/vnd.pli.card+json   {"version": 1, "type", "title", "text", "choices": [{"number", "action", "label"}]}

Promises: no link (whatever opens links answers nothing), no image, no style from elsewhere; every word escaped. The
machine part says nothing that the text does not: it is answered by the same number, sent to the same address.
"""

from __future__ import annotations

import html
import re
from typing import Any

import msgspec

from mail_gateway.compose import OutPart
from server import actions

MACHINE = "application/vnd.pli.card+json"
_NUMBERED = re.compile(r"  (\d{1,2})\. (.+)")


def as_html(text: str, card: dict[str, Any]) -> str:
    """The text of a message, then its card's letter form."""
    pieces, items = [_paragraphs(text), f"<h2>{html.escape(str(card['title']))}</h2>"], list[str]()
    start = 1
    for line in actions.letter_form(card).removeprefix(str(card["title"])).splitlines():
        numbered = _NUMBERED.fullmatch(line)
        if numbered is not None:
            start = start if items else int(numbered[1])
            items.append(f"<li>{html.escape(numbered[2])}</li>")
            continue
        if items:
            pieces.append(_list(items, start))
            items.clear()
        pieces.append(f"<p>{html.escape(line)}</p>" if line.strip() else "")
    pieces.append(_list(items, start) if items else "")
    inside = "\n".join(piece for piece in pieces if piece)
    return f'<!DOCTYPE html>\n<html lang="fr"><head><meta charset="utf-8"></head><body>\n{inside}\n</body></html>\n'


def _list(items: list[str], start: int) -> str:
    return ("<ol>" if start == 1 else f'<ol start="{start}">') + "".join(items) + "</ol>"


def as_machine(card: dict[str, Any]) -> OutPart:
    """The part that software reads."""
    choices = [
        {"number": number, "action": name, "label": actions.ACTIONS[name].fr}
        for number, name in enumerate(actions.numbered(card), 1)
    ]
    said = {"version": 1, "type": str(card["type"]), "title": str(card["title"]), "text": str(card.get("text") or "")}
    return OutPart("carte.json", MACHINE, msgspec.json.encode(said | {"choices": choices}))


def _paragraphs(text: str) -> str:
    blocks = [html.escape(block.strip()).replace("\n", "<br>") for block in text.split("\n\n") if block.strip()]
    return "".join(f"<p>{block}</p>" for block in blocks)
