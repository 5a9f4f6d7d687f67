"""What somebody types to find something: words, "phrases", dates. Pure: no message, no row.

Case, accents and ligatures are folded (« opération » finds « OPERATION », « coeur » finds « cœur »). Each word must be
there as the beginning of a word, so that « opérat » finds « l’opération »; a phrase between quotation marks as it
stands. A date (« 3 mai », « mai 2026 », « 03/05/2026 », « hier ») is looked for in the day of a message and in its
text.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, timedelta

MOST_TERMS = 12
_COMBINING = re.compile("[\u0300-\u036f]+")
_PIECE = 256
_FRENCH = "janvier|fevrier|mars|avril|mai|juin|juillet|aout|septembre|octobre|novembre|decembre"
_ENGLISH = "january|february|march|april|may|june|july|august|september|october|november|december"
_MONTHS = (_FRENCH.split("|"), _ENGLISH.split("|"))
_MONTH = {name: number for names in _MONTHS for number, name in enumerate(names, 1)}
_NAMED = "|".join(sorted(_MONTH, key=len, reverse=True))
_QUOTED = re.compile(r'"([^"]+)"|«([^»]+)»|“([^”]+)”')
_DATES = re.compile(
    r"(?<!\w)(?:(?:le|du|au|en|on|of|in) )?(?:"
    r"(?P<near>avant-hier|hier|aujourd'hui|yesterday|today)"
    r"|(?P<y1>\d{4})-(?P<m1>\d{1,2})-(?P<d1>\d{1,2})"
    r"|(?P<d2>\d{1,2})[/.](?P<m2>\d{1,2})(?:[/.](?P<y2>\d{4}|\d{2}))?"
    rf"|(?P<d3>\d{{1,2}})(?:er)? (?P<m3>{_NAMED})(?: (?P<y3>\d{{4}}))?"
    rf"|(?P<m4>{_NAMED}) (?P<y4>\d{{4}})"
    rf"|(?P<m5>{_NAMED}) (?P<d5>\d{{1,2}})(?:,? (?P<y5>\d{{4}}))?"
    r")(?!\w)"
)
_NEAR = {"aujourd'hui": 0, "today": 0, "hier": 1, "yesterday": 1, "avant-hier": 2}


def fold(text: str) -> str:
    """Case, accents, ligatures and curly apostrophes folded, for search."""
    if text.isascii():
        return text.lower()
    try:
        text = text.encode("cp1252").translate(_WESTERN).decode("cp1252")
    except UnicodeEncodeError:
        return _fold(text)
    for letter, said in _SEVERAL:
        text = text.replace(letter, said)
    return text


def _fold(text: str) -> str:
    text = text.casefold()
    # In pieces: a long run of combining marks is put in order in time that grows as its square.
    pieces = (unicodedata.normalize("NFKD", text[at : at + _PIECE]) for at in range(0, len(text), _PIECE))
    text = _COMBINING.sub("", "".join(pieces))
    return text.replace("œ", "oe").replace("æ", "ae").replace("’", "'")


# Letters of Western Europe fold by one table: five times quicker, where a search folds every message of a mailbox.
_LETTERS = [bytes([number]).decode("cp1252", "ignore") for number in range(256)]
_SEVERAL = [(letter, _fold(letter)) for letter in _LETTERS if len(_fold(letter)) > 1]
_WESTERN = bytes(
    said.encode("cp1252")[0]
    if letter and len(said := _fold(letter)) == 1 and said.encode("cp1252", "ignore")
    else number
    for number, letter in enumerate(_LETTERS)
)


@dataclass(frozen=True, slots=True)
class Term:
    """One thing that must be there: text at the beginning of a word, or a day. A `day` of 0 is any day of the month, a
    `year` of 0 any year.
    """

    first: str  # what `pattern` begins with: quickly looked for
    pattern: re.Pattern[str]
    day: int = 0
    month: int = 0
    year: int = 0

    def on(self, day: date) -> bool:
        """Whether that day is meant."""
        return bool(self.month and day.month == self.month and self.day in {0, day.day} and self.year in {0, day.year})

    def within(self, folded: str) -> bool:
        """Whether that text has it."""
        return self.first in folded and self.pattern.search(folded) is not None


def terms(asked: str, today: date) -> list[Term]:
    """What is asked for, `MOST_TERMS` at most."""
    found = [_phrase(fold("".join(match.groups(""))).split()) for match in _QUOTED.finditer(asked)]
    rest = " ".join(fold(_QUOTED.sub(" ", asked)).split())
    for match in _DATES.finditer(rest):
        if (term := _date(match, today)) is not None:
            found.append(term)
            rest = rest.replace(match.group(), " ", 1)
    found += [_word(word.strip('"«»“”.,;:!?()')) for word in rest.split()]
    return [term for term in found if term.first or term.month][:MOST_TERMS]


def _word(word: str) -> Term:
    return Term(word, re.compile(rf"(?<!\w){re.escape(word)}\w*"))


def _phrase(words: list[str]) -> Term:
    said = r"\s+".join(map(re.escape, words))
    return Term(words[0] if words else "", re.compile(rf"(?<!\w){said}(?!\w)"))


def _date(match: re.Match[str], today: date) -> Term | None:
    told = {name: value for name, value in match.groupdict().items() if value}
    if near := told.get("near"):
        day = today - timedelta(days=_NEAR[near])
        return _term(day.day, day.month, day.year, "")
    numbers = {name[0]: _MONTH.get(value) or int(value) for name, value in told.items()}
    day_, month, year = numbers.get("d", 0), numbers["m"], numbers.get("y", 0)
    if not 1 <= month <= 12 or day_ > 31 or ("d" in numbers and not day_):
        return None
    return _term(day_, month, year + 2000 if 0 < year < 100 else year, match.group())


def _term(day: int, month: int, year: int, source: str) -> Term:
    """A date as a text may say it, whichever way it was asked for."""
    said = [re.escape(source)] if source else []
    for names in _MONTHS:
        said.append(
            " ".join(part for part in (f"{day}(?:er)?" if day else "", names[month - 1], str(year or "")) if part)
        )
    if day:
        said.append(f"0?{day}[/.]0?{month}" + (f"[/.](?:20)?{year % 100:02}" if year else r"(?![/.]?\d)"))
    if day and year:
        said.append(f"{year}-{month:02}-{day:02}")
    first = str(day or year)  # each way of saying it has this number
    return Term(first, re.compile(rf"(?<!\w)(?:{'|'.join(said)})(?!\w)"), day, month, year)


Piece = tuple[str, bool]  # a piece of a text, and whether it is what was asked for
BEFORE, AFTER = 70, 170  # characters of an excerpt around what was found
_LONG = 4_000  # characters folded one by one


def pieces(text: str, wanted: list[Term]) -> list[Piece]:
    """A short text cut where what was asked for begins and ends; none is found in a text that has nothing."""
    text = text[:_LONG]
    folded: list[str] = []
    at: list[int] = []  # for each folded character, the one it comes from
    for place, letter in enumerate(text):
        said = fold(letter)
        folded.append(said)
        at += [place] * len(said)
    whole = "".join(folded)
    spans = sorted(
        match.span() for term in wanted for match in term.pattern.finditer(whole) if match.end() > match.start()
    )
    out: list[Piece] = []
    done = 0
    for first, last in spans:
        begins, ends = at[first], at[last - 1] + 1
        while ends < len(text) and unicodedata.combining(text[ends]):
            ends += 1
        if begins < done:
            continue
        out += [(text[done:begins], False), (text[begins:ends], True)]
        done = ends
    return [piece for piece in [*out, (text[done:], False)] if piece[0]]


def excerpt(text: str, wanted: list[Term]) -> list[Piece]:
    """The words around the first thing found in a text, marked; its beginning when nothing is."""
    text = " ".join(text.split())
    folded = fold(text)
    places = [match.start() for term in wanted if (match := term.pattern.search(folded))]
    first = min(places, default=0)
    begins = max(0, first - BEFORE)
    if begins:
        begins = text.find(" ", begins, first) + 1 or begins
    cut = text[begins : first + AFTER]
    if first + AFTER < len(text):
        cut = cut.rsplit(" ", 1)[0] if " " in cut[BEFORE:] else cut
    found = pieces(cut, wanted)
    if begins:
        found.insert(0, ("… ", False))
    if begins + len(cut) < len(text):
        found.append((" …", False))
    return found
