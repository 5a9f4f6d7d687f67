"""Words of distress: looked for before anything else, in any sentence, with their faults. Pure.

Promises: deterministic; words (`data/distress.json`) and numbers to call (`data/emergency.json`) are data. Errs towards
telling the numbers, but for what is plainly past, on paper, or said of something else: that an alarm rings for nothing
makes people stop listening to it.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec


class Line(msgspec.Struct, frozen=True):
    """A number to call. `use`: whether it is told; `verified`: whether its source was checked."""

    number: str
    fr: str
    en: str
    source: str
    verified: bool
    use: bool


class Kind(msgspec.Struct, frozen=True):
    """What is said at a kind of distress: `lead` in both languages, then `numbers` in order."""

    fr: str
    en: str
    numbers: tuple[str, ...]


class Emergency(msgspec.Struct, frozen=True):
    version: str
    source: str
    lines: dict[str, Line]
    kinds: dict[str, Kind]


@cache
def data() -> Emergency:
    """What is told, by kind."""
    text = files("server.bots.assistant").joinpath("data/emergency.json").read_bytes()
    return msgspec.json.decode(text, type=Emergency)


class _Words(msgspec.Struct, forbid_unknown_fields=True):
    """`kinds`: what says each, looked for in this order. `paper`, `past`: what makes those words speak of something
    else, unless `felt`; `never`: what follows them when they mean nothing of the kind.
    """

    version: str
    source: str
    pieces: dict[str, str]
    paper: str
    past: str
    never: tuple[str, ...]
    felt: str
    kinds: dict[str, tuple[str, ...]]


@cache
def _words() -> _Words:
    text = files("server.bots.assistant").joinpath("data/distress.json").read_bytes()
    return msgspec.json.decode(text, type=_Words)


def _filled(pattern: str) -> str:
    return re.sub(r"<(\w+)>", lambda match: _words().pieces[match[1]], pattern)


@cache
def _compiled() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple(
        (
            kind,
            re.compile(
                "|".join(rf"(?:\b{one}|{one})" if one[0] == "^" else rf"\b(?:{one})" for one in map(_filled, said))
            ),
        )
        for kind, said in _words().kinds.items()
    )


def spoken() -> tuple[str, ...]:
    """The words of this module, for mending."""
    said = (_filled(one) for ones in _words().kinds.values() for one in ones)
    return (*said, _words().paper, "respirer mourir poitrine vivre saigner")


def read(line: str) -> str:
    """The kind of distress that a line of mended words tells; "" for none."""
    words = _words()
    for kind, pattern in _compiled():
        match = pattern.search(line)
        if match is None or any(re.search(one, line[match.start() : match.end() + 20]) for one in words.never):
            continue
        if kind in {"suicide", "violence"} and not re.search(words.past, line):
            if kind == "suicide" and re.search(_OTHERS, line):
                continue
            return kind
        if re.search(words.past, line) or (re.search(words.paper, line) and not re.search(words.felt, line)):
            continue
        return kind
    return ""


_OTHERS: Final = r"\b(?:suicide (?:de|d) (?:mon|ma|un|son|sa)|(?:prevention|prevenir) (?:du |le )?suicide)"
