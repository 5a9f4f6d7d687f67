"""Numbers said in words (« quatre-vingt-seize », « cent trente-cinq », « treize huit ») made figures. Pure.

Promises: what follows another number without joining it is another number (« treize huit » is 13 and 8). « un » and
« une » stay words unless they can only be a number. English up to the hundreds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from server.bots.assistant.words import Word

_UNITS: Final = {
    "zero": 0, "deux": 2, "trois": 3, "quatre": 4, "cinq": 5, "six": 6, "sept": 7, "huit": 8, "neuf": 9, "dix": 10,
    "onze": 11, "douze": 12, "treize": 13, "quatorze": 14, "quinze": 15, "seize": 16, "two": 2, "three": 3, "four": 4,
    "five": 5, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14,
    "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19,
}  # fmt: skip
_TENS: Final = {
    "vingt": 20, "vingts": 20, "trente": 30, "quarante": 40, "cinquante": 50, "soixante": 60, "septante": 70,
    "octante": 80, "huitante": 80, "nonante": 90, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60,
    "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
_ONE: Final = frozenset({"un", "une", "one"})
_COUNTED: Final = frozenset({"gramme", "kilo", "kg", "g"})  # after which « un » is a number
SPOKEN: Final = (*(word for word in (*_UNITS, *_TENS) if len(word) > 4), "cents", "mille", "hundred", "thousand")


def figures(words: Sequence[Word]) -> list[Word]:
    """The same words, each number said in words as one word of figures."""
    found: list[Word] = []
    at = 0
    while at < len(words):
        value, used = _number(words, at)
        if used:
            found.append(Word(str(value), words[at].start, words[at + used - 1].end))
        else:
            found.append(words[at])
        at += used or 1
    return found


def _number(words: Sequence[Word], at: int) -> tuple[int, int]:
    """(value, how many words it takes); (0, 0) when no number begins here."""
    said = [word.said for word in words[at : at + 9]]
    thousands, used = _hundreds(said)
    if used < len(said) and said[used] in {"mille", "thousand"}:
        rest, more = _hundreds(said[used + 1 :])
        return (thousands or 1) * 1000 + rest, used + 1 + more
    return thousands, used


def _hundreds(said: Sequence[str]) -> tuple[int, int]:
    value, used = _below(said)
    if used == 0 and said[:1] and said[0] in _ONE and said[1:2] and said[1] in _COUNTED:
        return 1, 1
    if used < len(said) and said[used] in {"cent", "cents", "hundred"} and value < 10:
        skip = used + 1 + (said[used + 1 : used + 2] == ["and"])
        rest, more = _below(said[skip:])
        return (value or 1) * 100 + rest, (skip + more) if more else used + 1
    return value, used


def _below(said: Sequence[str]) -> tuple[int, int]:
    """A number below a hundred."""
    if not said:
        return 0, 0
    first = said[0]
    if first == "quatre" and said[1:2] and said[1] in {"vingt", "vingts"}:
        more, used = _added(said[2:], range(1, 20))
        return 80 + more, 2 + used
    if first in _TENS:
        tens = _TENS[first]
        more, used = _added(said[1:], range(1, 20) if tens == 60 and first == "soixante" else range(1, 10))
        return tens + more, 1 + used
    if first == "dix" and said[1:2] and said[1] in {"sept", "huit", "neuf"}:
        return 10 + _UNITS[said[1]], 2
    return (_UNITS[first], 1) if first in _UNITS else (0, 0)


def _added(said: Sequence[str], fits: range) -> tuple[int, int]:
    """What is added to tens: « et un », « douze », « dix-sept »."""
    skip = int(said[:1] == ["et"])
    rest = said[skip:]
    if not rest:
        return 0, 0
    if rest[0] in _ONE:
        return (1, skip + 1) if skip or rest[0] == "one" else (0, 0)
    if rest[0] == "dix" and rest[1:2] and rest[1] in {"sept", "huit", "neuf"} and 17 in fits:
        return 10 + _UNITS[rest[1]], skip + 2
    value = _UNITS.get(rest[0], 0)
    return (value, skip + 1) if value in fits and (not skip or value == 11) else (0, 0)
