"""Results of laboratories: by analyte, by panel, and what of an analyte can be drawn over time. Pure over what is held.

    findings.held  →  analytes()  an analyte with all that was reported of it, the newest first
                   →  panels()    a document with its results, as it groups them
                   →  trend()     the numbers of one analyte in one unit

Promises: a value, its unit and its range stand as they were reported. Nothing is converted: the same result in a second
unit is drawn only when its document gives it in that unit itself (`same_as`). The same result said by several documents
is one, with all its sources. A web address names an analyte by a keyed hash, never by a word (`key`).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from server.dossier import filing
from server.dossier.findings import Held
from server.dossier.sources import Source, Sources
from server.formats import said
from server.formats.findings import MASKED, Coded, Quantity, Result
from storage.vault import Vault

LOINC: Final = "2.16.840.1.113883.6.1"
_DECIMAL = re.compile(r"[-+]?\d+(\.\d+)?")


class Reported(msgspec.Struct, frozen=True, omit_defaults=True):
    """A result as a document reports it. `key`, `label`: of its analyte. `value.value` is `MASKED` when its author
    does not show it.
    """

    key: str
    label: str
    at: str
    value: Quantity
    same_as: Quantity | None
    low: str
    high: str
    range_text: str
    interpretation: str
    specimen: str
    method: str
    section: str
    group: str
    previous: str
    note: str
    sources: tuple[Source, ...]


class Analyte(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is measured, with all that was reported of it, the newest first. `key`: opaque, for an address; `keys`: of
    every code it has, when documents give it under several, each in a unit of its own.
    """

    key: str
    label: str
    code: str
    system: str
    reported: tuple[Reported, ...]
    keys: frozenset[str] = frozenset()

    @property
    def last(self) -> Reported:
        return self.reported[0]


class Panel(msgspec.Struct, frozen=True, omit_defaults=True):
    """The results of one document (`source` names it), or what one person entered; in the order of the document,
    `parts` by its sections.
    """

    source: Source
    parts: tuple[tuple[str, tuple[Reported, ...]], ...]


class Trend(msgspec.Struct, frozen=True, omit_defaults=True):
    """The numbers of an analyte in one `unit`: (when, value) from the oldest. `low`, `high`: of the newest range given
    in that unit. `left_out`: results that are no number in that unit; they are in the table.
    """

    unit: str
    points: tuple[tuple[str, str], ...]
    low: str = ""
    high: str = ""
    left_out: int = 0


def analytes(vault: Vault, sources: Sources, held: Iterable[Held]) -> list[Analyte]:
    """By analyte, in the order of their labels. Inside a transaction, for the names of `sources`."""
    told = [
        (result.analyte, _reported(vault, sources, one, result))
        for one in held
        if isinstance(result := one.finding, Result)
    ]
    one_of = _linked([reported for _, reported in told])
    found: dict[str, tuple[Coded, list[Reported]]] = {}
    for analyte, reported in told:
        _, all_of_it = found.setdefault(one_of.get(reported.key, reported.key), (analyte, []))
        all_of_it.append(reported)
    made = [_analyte(key_, analyte, all_of_it) for key_, (analyte, all_of_it) in found.items()]
    return sorted(made, key=lambda one: normalised(one.label))


def _analyte(key_: str, analyte: Coded, reported: list[Reported]) -> Analyte:
    newest = tuple(sorted(_once(reported), key=lambda one: one.at, reverse=True))
    keys = frozenset(one.key for one in reported) | {key_}
    newest = tuple(one if one.key == key_ else msgspec.structs.replace(one, key=key_) for one in newest)
    return Analyte(key_, newest[0].label, analyte.code, analyte.system, newest, keys)


def _linked(told: Sequence[Reported]) -> dict[str, str]:
    """Key → the key it is one with: where a document gives one result under two codes, each in its own unit."""
    one_of: dict[str, str] = {}

    def root(name: str) -> str:
        while name in one_of:
            name = one_of[name]
        return name

    by_value = {(one.sources[0].document, one.at, one.value): one for one in told if one.same_as}
    for one in told:
        other = by_value.get((one.sources[0].document, one.at, one.same_as)) if one.same_as else None
        if other is not None and other.same_as == one.value and root(other.key) != root(one.key):
            first, second = sorted((root(one.key), root(other.key)))
            one_of[second] = first
    return {name: root(name) for name in one_of}


def _once(told: Iterable[Reported]) -> list[Reported]:
    """The same result in another document is one with two sources; in another unit of the same document it is one."""
    made: list[Reported] = []
    places: dict[tuple[str, Quantity, str], int] = {}
    twice: set[tuple[str, str, Quantity, Quantity]] = set()
    for one in told:
        document = one.sources[0].document
        if one.same_as and (document, one.at, one.same_as, one.value) in twice:
            continue
        if one.same_as:
            twice.add((document, one.at, one.value, one.same_as))
        place = places.setdefault((one.at, one.value, one.specimen), len(made))
        if place < len(made) and all(source.document != document for source in made[place].sources):
            made[place] = msgspec.structs.replace(made[place], sources=(*made[place].sources, *one.sources))
        else:
            made.append(one)
    return made


def panels(vault: Vault, sources: Sources, held: Iterable[Held]) -> list[Panel]:
    """By document, the newest first; what somebody entered stands by who did and that day."""
    found: dict[str, tuple[Source, dict[str, list[Reported]]]] = {}
    for one in held:
        if isinstance(result := one.finding, Result):
            told = _reported(vault, sources, one, result)
            source = told.sources[0]
            name = source.document or f"{source.kind} {source.author} {source.at[:10]}"
            _, parts = found.setdefault(name, (source, {}))
            parts.setdefault(told.section or told.group, []).append(told)
    made = [
        Panel(source, tuple((name, tuple(_once(results))) for name, results in parts.items()))
        for source, parts in found.values()
    ]
    return sorted(made, key=lambda panel: panel.source.at, reverse=True)


def trend(analyte: Analyte) -> Trend | None:
    """What of it can be drawn; None when no result is a number. The unit is the one that most results are given in, of
    several the newest one's.
    """
    units = Counter(unit for one in analyte.reported for unit in dict.fromkeys(_units(one)))
    if not units:
        return None
    most = max(units.values())
    unit = next(unit for one in analyte.reported for unit in _units(one) if units[unit] == most)
    points = [(one.at, value) for one in analyte.reported if one.at and (value := _in(one, unit))]
    if not points:
        return None
    low, high = next(
        ((one.low, one.high) for one in analyte.reported if one.value.unit == unit and (one.low or one.high)), ("", "")
    )
    return Trend(unit, tuple(points[::-1]), _plain(low), _plain(high), len(analyte.reported) - len(points))


def _units(one: Reported) -> list[str]:
    return [quantity.unit for quantity in _given(one) if _number(quantity)]


def _in(one: Reported, unit: str) -> str:
    return next((_number(quantity) for quantity in _given(one) if quantity.unit == unit and _number(quantity)), "")


def _given(one: Reported) -> Sequence[Quantity]:
    return (one.value, one.same_as) if one.same_as else (one.value,)


def _number(quantity: Quantity) -> str:
    """A number that can be drawn: « < 5 » is none."""
    return "" if quantity.comparator else _plain(quantity.value)


def _plain(text: str) -> str:
    return text if _DECIMAL.fullmatch(text) else ""


def _reported(vault: Vault, sources: Sources, held: Held, result: Result) -> Reported:
    return Reported(
        key(vault, sources.handle.space_id, result.analyte),
        said.name(result.analyte) or result.analyte.code or MASKED,
        result.at or held.dated or held.at,
        result.value,
        result.same_as,
        result.low,
        result.high,
        result.range_text,
        result.interpretation,
        result.specimen,
        result.method,
        result.section,
        result.group,
        result.previous,
        result.note,
        (sources.of(held),),
    )


def key(vault: Vault, space_id: str, what: Coded) -> str:
    """What a concept is known by in an address: of its LOINC code, else of its system and code, else of its label."""
    return filing.hashed(vault, space_id, "analyte", concept(what))


def concept(what: Coded) -> str:
    """The same for the same thing: its code with its system, else its label without case or accents."""
    return f"{what.system}|{what.code}" if what.code else f"|{normalised(what.label)}"


def normalised(text: str) -> str:
    """Without case, accents, or spaces too many."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(one for one in plain if not unicodedata.combining(one)).split())
