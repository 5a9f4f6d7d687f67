"""Words as people type them made into words that rules know: case, accents, abbreviations, phone spelling and faults.

Promises: the same words always give the same; a word that is known is never changed; what is nearest is chosen by
distance, then by the alphabet. Each word keeps its place in the text, so that it can be shown as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from server.bots.assistant import lexicon
from server.query import fold

MAX_TEXT: Final = 1_000  # characters that are looked at
SHORTEST: Final = 5  # letters of a word whose faults are mended

_TOKEN = re.compile(r"/?[a-z]+|\d+(?:[.,]\d+)?|[?%°/:+]")


@dataclass(frozen=True, slots=True)
class Word:
    """A word as rules know it, and where it stands in the text. `mended`: it was written otherwise."""

    said: str
    start: int
    end: int
    mended: bool = False


def read(text: str, names: Iterable[str] = ()) -> list[Word]:
    """The words of a text. `names`: folded words that are people's, and nobody's fault."""
    folded = _same_length(text[:MAX_TEXT])
    found: list[Word] = []
    kept = frozenset(names)
    for match in _TOKEN.finditer(folded):
        found += _known(match[0], match.start(), match.end(), kept)
    return _joined(found)


def said(words: Sequence[Word]) -> str:
    """Words on one line, as the rules read them."""
    return " ".join(word.said for word in words)


def _same_length(text: str) -> str:
    """Folded letter by letter: a place here is the same place there."""
    return "".join(letter if len(letter) == 1 else letter[:1] or " " for letter in map(fold, text))


def _known(written: str, start: int, end: int, names: frozenset[str]) -> list[Word]:
    """The word or words that were meant; all of them stand where it was written."""
    if not written.isalpha() or written in names:
        return [Word(written, start, end)]
    meant = lexicon.SHORT.get(written)
    if meant is None:
        meant = written if len(written) < SHORTEST or written in lexicon.known() else mend(written)
    return [Word(one, start, end, one != written) for one in meant.split()]


@lru_cache(maxsize=4096)
def mend(written: str) -> str:
    """The known word that was most likely meant; itself when none is near."""
    plain = lexicon.known()
    if written[-1] in "sx" and written[:-1] in plain:
        return written[:-1]
    if written[0] in "jlndsmt" and written[1:] in plain and len(written) > SHORTEST:  # the apostrophe was forgotten
        return f"{written[0]} {written[1:]}"
    most = 1 if len(written) < 8 else 2
    sound = sounded(written)
    best = (99, written)
    for word in lexicon.mendable():
        if abs(len(word) - len(written)) > 2 + (sounded(word) == sound):
            continue
        if sounded(word) == sound:
            best = min(best, (1, word))
        elif word[0] == written[0] or sounded(word)[:1] == sound[:1]:
            gap = distance(written, word, most)
            if gap <= most:
                best = min(best, (gap * 2, word))
    return best[1]


@cache
def sounded(word: str) -> str:
    """Roughly how a French word sounds: what two spellings of one word have in common."""
    for written, heard in _SOUNDS:
        word = written.sub(heard, word)
    return word


_SOUNDS: Final = tuple(
    (re.compile(pattern), heard)
    for pattern, heard in (
        (r"ph", "f"), (r"qu|q|ck|k", "c"), (r"c(?=[eiy])|sc(?=[eiy])|ss|ç", "s"), (r"z", "s"), (r"y", "i"), (r"h", ""),
        (r"eau|au", "o"), (r"ai|ei|et\b|er\b|ez\b|ee\b", "e"), (r"[ae]n|[ae]m(?=[bp])", "an"),
        (r"in|ain|ein|im(?=[bp])", "in"), (r"oe", "e"), (r"g(?=[ei])", "j"), (r"(.)\1", r"\1"), (r"[estdxp]\b", ""),
        (r"e\b", ""),
    )
)  # fmt: skip


def distance(one: str, other: str, most: int) -> int:
    """How many letters were added, left out, changed or exchanged; over `most`: `most` + 1."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    line = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        before, last, line = line, before, [row]
        for column, sought in enumerate(other, 1):
            cost = min(line[-1] + 1, before[column] + 1, before[column - 1] + (letter != sought))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == sought:
                cost = min(cost, last[column - 2] + 1)
            line.append(cost)
        if min(line) > most:
            return most + 1
    return min(line[-1], most + 1)


def _joined(words: list[Word]) -> list[Word]:
    """Two words that are one thing for the rules: « rendez vous », « lyre »."""
    found: list[Word] = []
    for number, word in enumerate(words):
        follows = words[number + 1].said if number + 1 < len(words) else ""
        alone = word.said in {"g", "c"} and follows.isalpha() and not (found and found[-1].said[0].isdigit())
        if alone and not (word.said == "c" and follows in {"est", "etait", "a"}):  # « g rdv », « c quand »
            more = ("j", "ai") if word.said == "g" else ("c", "est")
            found += [Word(one, word.start, word.end) for one in more]
            continue
        pair = lexicon.PAIRS.get((found[-1].said, word.said)) if found else None
        if pair is not None:
            found[-1] = Word(pair, found[-1].start, word.end)
        else:
            found.append(word)
    return found
