"""The words the assistant knows: those its rules name, those that people shorten, and those it must leave alone
(`data/words.json`).

What may be mended towards is what the rules name (`mendable`); `COMMON` is ordinary speech (« nourrir » is no fault for
« mourir »).
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """`short`: as it is typed on a phone → as the rules read it. `pairs`: two words that are one thing."""

    version: str
    source: str
    short: dict[str, str]
    pairs: dict[str, str]
    common: tuple[str, ...]


_DATA: Final = msgspec.json.decode(files("server.bots.assistant").joinpath("data/words.json").read_bytes(), type=_File)
SHORT: Final = _DATA.short
PAIRS: Final = {(pair.split()[0], pair.split()[1]): one for pair, one in _DATA.pairs.items()}
COMMON: Final = frozenset(" ".join(_DATA.common).split())


@cache
def mendable() -> tuple[str, ...]:
    """The words that the rules name, in the order of the alphabet."""
    from server.bots.assistant import dates, distress, intents, names, numerals, reminding, slots

    found: set[str] = set(numerals.SPOKEN)
    for module in (dates, distress, intents, names, reminding, slots):
        for text in module.spoken():
            found |= _words(re.sub(r"\\[a-z]", " ", text))
    return tuple(sorted(word for word in found if len(word) >= 5))


def _words(pattern: str) -> set[str]:
    """The words of a pattern, with the endings it lets them have: « envoye(?:r|z) », « radios? »."""
    found = set(re.findall(r"[a-z]{5,}", pattern))
    for stem, endings in re.findall(r"([a-z]{3,})\(\?:([a-z|?]+)\)", pattern):
        found |= {stem + one for ending in endings.split("|") for one in _both(ending)}
    for word in re.findall(r"[a-z]{4,}\??(?:[a-z]\?)*", pattern):
        found |= _both(word)
    return found


def _both(word: str) -> set[str]:
    """With and without each letter that may be left out."""
    return {re.sub(r"[a-z]\?", "", word), word.replace("?", "")}


@cache
def known() -> frozenset[str]:
    """Every word that is left as it is."""
    return COMMON | frozenset(mendable())
