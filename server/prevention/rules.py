"""The rules of prevention as data (`data/rules.json`), with their sources, and the seasons of campaigns. Pure, once
read.

    file  →  structs, no unknown field  →  checking.faults (row and field)  →  Rules: the rows in force, quick to ask

Promises: a file with a fault is not read; each row says its sources; what is not verified or conflicts is off unless
the operator switches it on. Does not: know anybody (`engine`), or write to anybody (`server.bots.reminders`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import msgspec

from server.prevention.spans import Span, span

if TYPE_CHECKING:
    from server.settings import Settings

T = TypeVar("T")
DATA: Final = Path(__file__).parent / "data"
Level = Literal["obligatoire", "recommandé", "possible"]
Kind = Literal["vaccine", "screening", "examination", "campaign"]


class BadRules(Exception):
    """The rules cannot be read. The text says the row and the field, one fault a line."""


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """Who is concerned, and at what age: from `from`, and before `before` (its birthday excluded). `born_from`,
    `born_before`: dates of birth, the second excluded. `situations`: one of them is needed. `excluding`: none may be.
    `label`, `label_en`: who these are, for the reason (« les femmes enceintes »).
    """

    from_: Span | None = None
    before: Span | None = None
    sex: Literal["", "F", "M"] = ""
    born_from: date | None = None
    born_before: date | None = None
    situations: tuple[str, ...] = ()
    excluding: tuple[str, ...] = ()
    label: str = ""
    label_en: str = ""


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """When, by a situation rather than by age: `of` (pregnancy: `since` is the first day of the last period, so weeks
    are semaines d'aménorrhée), from so long after its beginning, before so long after it (`ends` "since") or after its
    end (`ends` "until"); `lasts`: how long it is taken to last while its end is not known.
    """

    of: str
    from_: Span
    before: Span
    ends: Literal["since", "until"] = "since"
    lasts: Span | None = None


class Dose(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One dose. `at`: the age, or the time in the window, it is for. `min_age`: younger, it does not count. `interval`:
    after the dose before, when it is asked for; `min_interval`: sooner, it does not count. `late_after`: so long after
    it was due, it is late. `max_age`: from then on it is not asked for. `verified`: no: never asked for by itself.
    """

    at: Span | None = None
    min_age: Span | None = None
    max_age: Span | None = None
    interval: Span | None = None
    min_interval: Span | None = None
    late_after: Span | None = None
    verified: bool = True


class Spacing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """So long after any of `what`; `least_if`: another length for who is so old, or in one of these situations."""

    what: tuple[str, ...]
    least: Span
    other: Span | None = None
    other_from: Span | None = None
    other_situations: tuple[str, ...] = ()


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row. `counts`: slugs of diseases (each needs its doses) or examinations. `population`: any of the groups.

    When it is done: `doses`, once in a life; `repeat`: again so long after each thing that counts (slug → span);
    `steps`: at every so many years of age; `yearly`: each calendar year; `season`: each season of that name; `window`:
    each time of that situation. `counts_from`: the age (or the time in the window) from which a dose counts; `early`:
    how long before a step.

    `finish_before`: until that age a course that was begun in time is completed. `catch_up_of`: the rule whose open
    course goes before. `alternatives`: rules that do as well; `products`: ATC codes that alone count, when known;
    `not_of`: what counted for that rule does not count here (two windows that overlap).
    `satisfied_by`: situations that do as well. `per_product`: how many doses depends on the product. `rhythm`: an
    invitation is repeated so long after the first. `certificate`: the examination has one. `campaign_only`: never by
    age alone. `assumed`: fields of this row that no source gives.
    """

    id: str
    version: int
    valid_from: date
    kind: Kind
    level: Level
    counts: tuple[str, ...]
    population: tuple[Group, ...]
    sources: tuple[str, ...]
    title: str
    title_for: str
    text: str
    text_falc: str
    title_en: str
    title_for_en: str
    text_en: str
    verified: bool
    active: bool
    valid_until: date | None = None
    window: Window | None = None
    doses: tuple[Dose, ...] = (Dose(),)
    repeat: dict[str, Span] = {}  # msgspec copies it
    steps: Span | None = None
    yearly: bool = False
    season: str = ""
    counts_from: Span | None = None
    early: Span | None = None
    finish_before: Span | None = None
    catch_up_of: str = ""
    not_of: str = ""
    alternatives: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    satisfied_by: tuple[str, ...] = ()
    spacing: tuple[Spacing, ...] = ()
    per_product: bool = False
    rhythm: tuple[Span, ...] = ()
    certificate: bool = False
    campaign_only: bool = False
    number: int = 0
    conflict: str = ""
    note: str = ""
    assumed: tuple[str, ...] = ()

    def said(self, language: str = "fr", name: str = "") -> tuple[str, str]:
        """(title, text) to read: `language` fr, en or falc; `name` of the child or the person helped, if another."""
        english = language == "en"
        text = {"en": self.text_en, "falc": self.text_falc}.get(language, self.text)
        if not name:
            return (self.title_en if english else self.title), text
        title = (self.title_for_en if english else self.title_for).replace("de {name}", _of(name))
        return title.replace("{name}", name), text


class Season(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One season of a campaign: from `opens` to `closes`, both included. `counts_from`: a dose counts for it from then.
    `opens_in`: earlier or later, by a situation of residence. Not `verified`: as if it were not there.
    """

    season: str
    opens: date
    closes: date
    counts_from: date
    verified: bool
    sources: tuple[str, ...] = ()
    opens_in: dict[str, date] = {}
    note: str = ""


class _Calendar(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: str
    basis: str
    seasons: tuple[Season, ...]


class SituationKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A situation a person may be in, as asked and said. `sort`: health, life, residence, exclusion (a follow-up or
    symptoms: the doctor's, no longer a reminder's).
    """

    fr: str
    en: str
    sort: Literal["health", "life", "residence", "exclusion"]


class Rulebook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file. `sources`: code → where; `examinations`: slug → (French, English)."""

    version: str
    basis: str
    sources: dict[str, str]
    situations: dict[str, SituationKind]
    examinations: dict[str, tuple[str, str]]
    rules: tuple[Rule, ...]


def spans_read(kind: type, value: Any) -> Any:
    """How msgspec reads a length of time (« 12m »)."""
    if kind is Span:
        return span(value)
    raise NotImplementedError(kind)


def _of(name: str) -> str:
    return f"d’{name}" if name[0].upper() in "AEIOUYÀÂÄÉÈÊËÎÏÔÖÙÛÜŒÆ" else f"de {name}"


class Rules:
    """Rows, switched as the operator wishes, with the seasons known. Never changed once made."""

    def __init__(
        self, book: Rulebook, seasons: tuple[Season, ...] = (), switches: Mapping[str, bool] | None = None
    ) -> None:
        self.book, self.calendar, self.switches = book, seasons, dict(switches or {})
        self.by_id: dict[str, Rule] = {row.id: row for row in book.rules}
        self.active: tuple[Rule, ...] = tuple(row for row in book.rules if self.switches.get(row.id, row.active))

        self._places = {row.id: number for number, row in enumerate(book.rules)}
        self._active = frozenset(row.id for row in self.active)
        self.seasons = tuple(one for one in seasons if one.verified)
        self.by_age: dict[tuple[str, int, bool], Any] = {}  # of `at_age`

    def with_seasons(self, seasons: tuple[Season, ...]) -> Rules:
        """The same rows, with other dates (the operator's)."""
        return Rules(self.book, seasons, self.switches)

    def switched(self, switches: Mapping[str, bool]) -> Rules:
        """The same, with rows switched on or off by id."""
        return Rules(self.book, self.calendar, {**self.switches, **switches})

    def in_force(self, row: Rule, today: date) -> bool:
        return row.valid_from <= today and (row.valid_until is None or today <= row.valid_until)

    def is_active(self, row: Rule) -> bool:
        return row.id in self._active

    def first(self, row: Rule, other: Rule) -> bool:
        """Whether this row, switched on, stands before the other in the file."""
        return row.id in self._active and self._places[row.id] < self._places[other.id]


def load(path: Path = DATA / "rules.json", seasons: Path = DATA / "seasons.json") -> Rules:
    """Read both files. Raises `BadRules`: every fault, its row and its field."""
    from server.prevention import checking  # it knows this module

    book = _read(path, Rulebook)
    calendar = _read(seasons, _Calendar)
    faults = [*checking.faults(book), *checking.of_seasons(calendar.seasons, book)]
    if faults:
        raise BadRules("\n".join(faults))
    return Rules(book, tuple(sorted(calendar.seasons, key=lambda one: one.opens)))


def _read(path: Path, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind, dec_hook=spans_read)
    except OSError as error:
        raise BadRules(f"{path}: {error.strerror or error}") from error
    except msgspec.DecodeError as error:
        raise BadRules(f"{path}: {_where(path, str(error))}") from error


def _where(path: Path, fault: str) -> str:
    """The row of a fault by its name rather than by its number."""
    found = re.search(r"\$\.rules\[(\d+)\]", fault)
    try:
        name = found and msgspec.json.decode(path.read_bytes())["rules"][int(found[1])]["id"]
    except (msgspec.DecodeError, KeyError, IndexError, TypeError):
        name = None
    return f"{name}: {fault}" if name else fault


@lru_cache(maxsize=8)
def rules(path: str = "", switches: str = "", seasons: str = "") -> Rules:
    """The rules of a setting (`prevention_rules`; the one shipped if empty), read once. `switches`: ids by commas, off
    those that begin with « - ». Raises `BadRules`.
    """
    found = load(Path(path) if path else DATA / "rules.json", Path(seasons) if seasons else DATA / "seasons.json")
    if not switches.strip():
        return found
    wished = {name.strip().lstrip("-"): not name.strip().startswith("-") for name in switches.split(",")}
    if unknown := [name for name in wished if name not in found.by_id]:
        raise BadRules(f"no such rule: {', '.join(unknown)}")
    return found.switched(wished)


def of_settings(settings: Settings) -> Rules:
    """The rules in force here. Raises `BadRules`."""
    return rules(settings.prevention_rules, settings.prevention_switches, settings.prevention_seasons)
