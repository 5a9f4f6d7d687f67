"""« Ce que dit ce document »: its findings as tables, in plain words. Pure.

Promises: what a document says of its result is words (« au-dessus de la valeur de référence »), never a colour or an
alarm; a result given in two units stands once, both beside each other; a masked value says that it is masked; values
stay in their unit. Does not: escape (templates do), decide who sees them, or compare with other documents.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby

from babel import dates

from server.formats import said
from server.formats.cda_problems import ABSENT
from server.formats.findings import (
    MASKED,
    Allergy,
    Finding,
    Immunisation,
    Measure,
    Problem,
    Quantity,
    Result,
    Treatment,
)
from webchat.words import Words

_PART = re.compile(r"(\d{4})(?:-(\d{2}))?(?:-(\d{2}))?")
_STATES = frozenset({"active", "inactive", "resolved", "recurrence", "relapse", "remission"})
_MOODS = {"INT": "prescribed", "EVN": "taken", "DISP": "dispensed"}


@dataclass(frozen=True, slots=True)
class Cell:
    """`main`: what is read first; `soft`: lines under it."""

    main: str
    soft: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """`title`: the kind; `part`: the chapter of the document, "" when there is none."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    part: str = ""


@dataclass(slots=True)
class _Reader:
    words: Words
    comma: bool = field(init=False)

    def __post_init__(self) -> None:
        self.comma = self.words.language == "fr"

    def label(self, text: str) -> str:
        words = self.words
        return words("content.masked") if text == MASKED else text

    def value(self, value: Quantity) -> str:
        return self.label(value.value) if value.value == MASKED else said.quantity(value, self.comma)

    def day(self, at: str) -> str:
        """« 28 mars 2021 », « mars 2021 », « 2021 »; "" for what is no date."""
        found = _PART.match(at)
        if found is None:
            return ""
        year, month, day = found.groups()
        try:
            if day:
                return self.words.date(date(int(year), int(month), int(day)))
            if month:
                return str(dates.format_date(date(int(year), int(month), 1), "MMMM y", locale=self.words.locale))
        except ValueError:
            return ""
        return str(year)

    def before(self, previous: str) -> str:
        """Earlier results as `cda_results` writes them: « 8.5 mmol/L (2020-09-12) ; … »."""
        found = []
        for one in previous.split(" ; "):
            value, _, at = one.removesuffix(")").partition(" (")
            amount, _, unit = value.partition(" ")
            spoken = " ".join(filter(None, (said.number(amount, self.comma), said.unit(unit))))
            found.append(f"{spoken} ({self.day(at)})" if self.day(at) else one)
        return " ; ".join(found)

    def between(self, begun: str, ended: str) -> str:
        """« du … au … », « depuis … », « jusqu’au … »."""
        words, first, last = self.words, self.day(begun), self.day(ended)
        if first and last:
            return first if first == last else words("content.from_to", first=first, last=last)
        if first:
            return words("content.since", first=first)
        return words("content.until", last=last) if last else ""


def tables(found: Sequence[Finding], words: Words) -> list[Table]:
    """One table a kind, in the order a person asks: results by chapter, then what is taken, and what one has."""
    read = _Reader(words)
    made: list[Table] = []
    results = [one for one in found if isinstance(one, Result)]
    heads: tuple[str, ...] = (words("content.analysis"), words("content.result"), words("content.reference"))
    for part, group in groupby(results, lambda one: one.section):
        rows = tuple(_result(one, read) for one in _once(list(group)))
        made.append(Table(words("content.results"), heads, rows, part))
    for kind, title, heads, row in _kinds(words):
        chosen = [one for one in found if isinstance(one, kind)]
        if chosen:
            made.append(Table(title, heads, tuple(row(one, read) for one in chosen)))
    return made


_Row = Callable[..., tuple[Cell, ...]]


def _kinds(words: Words) -> list[tuple[type[Finding], str, tuple[str, ...], _Row]]:
    when, state = words("content.when"), words("content.state")
    return [
        (Measure, words("content.measures"), (words("content.measure"), words("content.value"), when), _measure),
        (Immunisation, words("content.vaccinations"), (words("content.vaccine"), when), _immunisation),
        (Treatment, words("content.treatments"), (words("content.product"), words("content.how")), _treatment),
        (Allergy, words("content.allergies"), (words("content.agent"), state, when), _allergy),
        (Problem, words("content.problems"), (words("content.problem"), state, when), _problem),
    ]


def _once(results: list[Result]) -> Iterable[Result]:
    """Of a pair in two units, the first: it says the other."""
    shown: list[Result] = []
    for one in results:
        twin = any(
            one.same_as == other.value and other.same_as == one.value and one.group == other.group for other in shown
        )
        if one.same_as is None or not twin:
            shown.append(one)
    return shown


def _result(one: Result, read: _Reader) -> tuple[Cell, ...]:
    words, meaning = read.words, said.meaning(one.interpretation)
    lines = (
        words("content.also", value=read.value(one.same_as)) if one.same_as else "",
        words(f"content.meaning.{meaning}") if meaning else "",
        words("content.before", value=read.before(one.previous)) if one.previous else "",
        one.note,
    )
    name = Cell(read.label(said.name(one.analyte)), _lines(one.specimen.removesuffix(" (organism)")))
    return name, Cell(read.value(one.value) or "–", _lines(*lines)), Cell(said.reference(one, read.comma))


def _measure(one: Measure, read: _Reader) -> tuple[Cell, ...]:
    name = Cell(read.label(said.name(one.what)), _lines(one.moment, one.note))
    return name, Cell(read.value(one.value)), Cell(read.day(one.at))


def _immunisation(one: Immunisation, read: _Reader) -> tuple[Cell, ...]:
    words = read.words
    what = read.label(said.name(one.product)) or one.atc.label
    of = one.atc.label if one.atc.label.casefold() != what.casefold() else ""
    lines = (
        of,
        words("content.rank", rank=one.rank) if one.rank else "",
        words("content.lot", lot=one.lot) if one.lot else "",
        one.site,
        words("content.reaction", reaction=one.reaction) if one.reaction else "",
        words("content.reason", reason=one.reason) if one.reason else "",
        words("content.by", by=one.by) if one.by else "",
        one.note,
    )
    done = read.day(one.at) or words("content.undated")
    return Cell(what, _lines(*lines)), Cell(done if one.done else words("content.not_done"))


def _treatment(one: Treatment, read: _Reader) -> tuple[Cell, ...]:
    words = read.words
    mood = words(f"content.mood.{_MOODS.get(one.mood, 'taken')}")
    lines = (
        read.between(one.at, one.until),
        one.route,
        words("content.quantity", quantity=one.quantity) if one.quantity else "",
        words("content.repeats", repeats=one.repeats) if one.repeats not in {"", "0"} else "",
        one.substitution,
        words("content.reason", reason=one.reason) if one.reason else "",
        one.note,
    )
    how = Cell(one.dose or mood, _lines(mood if one.dose else "", *lines))
    return Cell(read.label(said.name(one.product)) or one.atc.label), how


def _allergy(one: Allergy, read: _Reader) -> tuple[Cell, ...]:
    words = read.words
    reaction = words("content.reaction", reaction=one.reaction) if one.reaction else ""
    name = Cell(read.label(said.name(one.agent)), _lines(reaction, one.severity, one.note))
    return name, Cell(_state(one.status, read)), Cell(read.day(one.at))


def _problem(one: Problem, read: _Reader) -> tuple[Cell, ...]:
    name = Cell(read.label(said.name(one.what)), _lines(one.note))
    return name, Cell(_state(one.status, read)), Cell(read.between(one.at, one.until))


def _state(status: str, read: _Reader) -> str:
    """Nothing of what is absent: its name says so."""
    if status in _STATES:
        return read.words(f"content.state.{status}")
    return "" if status == ABSENT else status


def _lines(*lines: str) -> tuple[str, ...]:
    return tuple(line for line in lines if line and line != MASKED)
