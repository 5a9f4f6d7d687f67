"""The measures of health there are, as data (`data/measures.json`): names, codes, units, what is plausible. Pure.

Promises: a value is a decimal from end to end, and what it was given in is changed by an exact factor; what cannot be
is refused in a sentence, what is unlikely is a question. Does not: keep anything (`measures`), or advise anybody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from pathlib import Path
from typing import Final

import msgspec

from server.errors import Invalid
from server.formats.findings import Coded
from server.settings import PLACE

LOINC: Final = "2.16.840.1.113883.6.1"
PRESSURE, SYSTOLIC, DIASTOLIC, HEART_RATE = "blood-pressure", "systolic", "diastolic", "heart-rate"
SKEW: Final = timedelta(minutes=5)  # how far another's clock may be ahead
MAX_NOTE: Final = 300
LABELS: Final = {
    "mm[Hg]": ("mmHg", "mmHg"),
    "cm[Hg]": ("cmHg", "cmHg"),
    "Cel": ("°C", "°C"),
    "kg/m2": ("kg/m²", "kg/m²"),
    "1/(24.h)": ("pas", "steps"),
    "1": ("sur 10", "out of 10"),
}
MOMENTS: Final = {
    "fasting": ("à jeun", "fasting"),
    "before_meal": ("avant le repas", "before a meal"),
    "after_meal": ("après le repas", "after a meal"),
    "bedtime": ("au coucher", "at bedtime"),
    "night": ("la nuit", "at night"),
}
_NUMBER = re.compile(r"\d{1,9}(?:[.,]\d{1,6})?")
_AT = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d)?)?")


class Shown(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another unit that people read it in: `factor` of the canonical one."""

    unit: str
    factor: Decimal
    decimals: int


class Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A measure. `unit`: canonical, UCUM; `units`: those taken, each with its exact factor to it. `parts`: the slugs of
    the numbers it is made of; `part_of`: what it is one of. `least`, `most`: what is kept; `usual`: what is not asked
    again. `computed`: from others, never typed. `target`: the guide itself has a personal target. `unverified`: what of
    this row no source confirms.
    """

    slug: str
    fr: str
    en: str
    codes: tuple[str, ...]
    unit: str
    units: dict[str, Decimal]
    decimals: int
    also: tuple[str, ...] = ()
    least: Decimal = Decimal(0)
    most: Decimal = Decimal(0)
    usual: tuple[Decimal, Decimal] = (Decimal(0), Decimal(0))
    parts: tuple[str, ...] = ()
    part_of: str = ""
    moments: tuple[str, ...] = ()
    shown: Shown | None = None
    computed: bool = False
    target: bool = False
    unverified: str = ""

    @property
    def what(self) -> Coded:
        return Coded(self.codes[0], LOINC, self.fr)

    def name(self, language: str = "fr") -> str:
        return self.en if language == "en" else self.fr


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: str
    source: str
    measures: tuple[Kind, ...]


TABLE: Final = msgspec.json.decode((Path(__file__).parent / "data" / "measures.json").read_bytes(), type=_Table)
KINDS: Final = {one.slug: one for one in TABLE.measures}
LISTED: Final = tuple(one.slug for one in TABLE.measures if not one.part_of)  # in the order of the table


def kind(slug: str) -> Kind:
    """Raises `Invalid`: no such measure."""
    found = KINDS.get(slug)
    if found is None or found.part_of:
        raise Invalid("unknown_measure", f"Mesure inconnue ; connues : {', '.join(LISTED)}.")
    return found


def known_codes() -> dict[str, str]:
    """Every LOINC code that is understood → the slug it is of (both numbers of a blood pressure have their own)."""
    return {code: one.slug for one in TABLE.measures for code in (*one.codes, *one.also)}


_CODES: Final = known_codes()


def of_code(what: Coded) -> Kind | None:
    """Matched on the code, never on a label; a system that is not said is taken for LOINC."""
    if what.system not in {"", LOINC} or what.code not in _CODES:
        return None
    return KINDS[_CODES[what.code]]


# ---- values ----------------------------------------------------------------------------------------------------------


def number(text: str) -> Decimal:
    """« 72,4 », « 8 000 ». Raises `Invalid`."""
    said = re.sub(r"[\s\u00a0\u202f]", "", text)
    if not _NUMBER.fullmatch(said):
        raise Invalid("bad_number", "Écrivez un nombre, par exemple 72,4.")
    return Decimal(said.replace(",", "."))


def normal(of: Kind, value: str, unit: str) -> Decimal | None:
    """In the canonical unit; None when the value or the unit is not one we know."""
    factor = of.units.get(unit)
    try:
        read = Decimal(value.replace(",", "."))
    except InvalidOperation:
        return None
    return read * factor if factor is not None and read.is_finite() else None


def rounded(of: Kind, value: Decimal) -> Decimal:
    return trimmed(value.quantize(Decimal(1).scaleb(-of.decimals), ROUND_HALF_UP))


def trimmed(value: Decimal) -> Decimal:
    """Without the zeros that say nothing: 72.40 is 72.4; 120 stays 120."""
    return value.quantize(Decimal(1)) if value == value.to_integral() else value.normalize()


def plain(value: Decimal) -> str:
    return f"{trimmed(value):f}"


def display(of: Kind, value: Decimal) -> Decimal:
    """In the unit that people read it in, rounded as they write it."""
    if of.shown is None:
        return rounded(of, value)
    return (value * of.shown.factor).quantize(Decimal(1).scaleb(-of.shown.decimals), ROUND_HALF_UP)


def unit_label(unit: str, language: str = "fr") -> str:
    """As people write it; `{beats}` and its like say nothing (UCUM annotations)."""
    fr, en = LABELS.get(unit, ("", ""))
    return (en if language == "en" else fr) or re.sub(r"\{[^}]*\}", "", unit)


def shown_unit(of: Kind, language: str = "fr") -> str:
    return unit_label(of.shown.unit if of.shown else of.unit, language)


def written(value: Decimal, language: str = "fr") -> str:
    """72,4; 8 000 (no-break space)."""
    said = f"{value:,f}"
    return said if language == "en" else said.replace(",", "\u202f").replace(".", ",")


def said(of: Kind, values: tuple[Decimal, ...], language: str = "fr") -> str:
    """« 72,4 kg », « 130/80 mmHg »."""
    return f"{'/'.join(written(display(of, one), language) for one in values)}\u00a0{shown_unit(of, language)}"


def pair(text: str) -> tuple[Decimal, ...]:
    """The numbers of « 135/85 », or of « 7 », as they were kept."""
    return tuple(Decimal(part) for part in text.split("/"))


# ---- what somebody enters --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entry:
    """What is entered: `values` one number, or two of a blood pressure, as texts in `unit` (UCUM; "": canonical).
    `heart_rate`: beside a blood pressure. `at`: a day or an instant, ISO 8601; without an offset it is Paris's. Once
    `checked`, the values are canonical and `at` says its offset.
    """

    slug: str
    values: tuple[str, ...]
    unit: str = ""
    at: str = ""
    moment: str = ""
    note: str = ""
    heart_rate: str = ""
    device: str = ""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A value that is kept only when somebody says it is right; `instead`: what was perhaps meant."""

    of: Kind
    value: Decimal
    instead: Decimal | None = None

    def said(self, language: str = "fr") -> str:
        """« 720 kg : est-ce bien 72 kg ? »"""
        value = said(self.of, (self.value,), language)
        perhaps = said(self.of, (self.instead,), language) if self.instead is not None else ""
        if language == "en":
            return f"{value}: did you mean {perhaps}?" if perhaps else f"{value}: is that right?"
        return f"{value} : est-ce bien {perhaps} ?" if perhaps else f"{value} : est-ce bien cela ?"


def checked(entry: Entry, now: datetime, born: date | None = None) -> Entry:
    """The entry as it is kept. Raises `Invalid`, saying what is wrong with it."""
    of = kind(entry.slug)
    if of.computed:
        raise Invalid("computed_measure", "L’IMC se calcule tout seul, avec le poids et la taille.")
    unit = entry.unit or of.unit
    if unit not in of.units:
        raise Invalid("bad_unit", f"Unité inconnue pour cette mesure ; connues : {', '.join(of.units)}.")
    parts = [KINDS[slug] for slug in of.parts] or [of]
    if len(entry.values) != len(parts):
        raise Invalid("two_numbers", "Pour la tension, écrivez les deux nombres, par exemple 13/8.")
    values = [_kept(part, number(value) * part.units[unit]) for part, value in zip(parts, entry.values, strict=True)]
    if len(values) > 1 and values[0] <= values[1]:
        raise Invalid("pressure_turned", "Le premier nombre de la tension est plus grand que le second : vérifiez-les.")
    if entry.moment and entry.moment not in of.moments:
        raise Invalid("bad_moment", f"Moment inconnu ; connus : {', '.join(of.moments) or 'aucun'}.")
    if len(entry.note) > MAX_NOTE:
        raise Invalid("note_too_long", f"La remarque est trop longue ({MAX_NOTE} caractères au plus).")
    beat = ""
    if entry.heart_rate and of.slug == PRESSURE:
        beat = plain(_kept(KINDS[HEART_RATE], number(entry.heart_rate)))
    return replace(
        entry,
        values=tuple(plain(value) for value in values),
        unit=of.unit,
        at=_when(entry.at, now, born),
        heart_rate=beat,
        note=entry.note.strip(),
    )


def doubts(entry: Entry) -> tuple[Doubt, ...]:
    """What of a checked entry is to be asked again."""
    of = kind(entry.slug)
    parts = [KINDS[slug] for slug in of.parts] or [of]
    given = [*zip(parts, entry.values, strict=True)]
    if entry.heart_rate:
        given.append((KINDS[HEART_RATE], entry.heart_rate))
    return tuple(found for part, value in given if (found := _doubt(part, Decimal(value))))


def values_of(entry: Entry) -> tuple[Decimal, ...]:
    """Of a checked entry."""
    return tuple(Decimal(value) for value in entry.values)


def _kept(of: Kind, value: Decimal) -> Decimal:
    if not of.least <= value <= of.most:
        least, most = said(of, (of.least,)), said(of, (of.most,))
        raise Invalid("implausible_measure", f"{of.fr} : cette valeur n’est pas possible (de {least} à {most}).")
    return rounded(of, value)


def _doubt(of: Kind, value: Decimal) -> Doubt | None:
    least, most = of.usual
    if least <= value <= most:
        return None
    for factor in (Decimal("0.1"), Decimal(10), Decimal("0.01"), Decimal(100)):
        if least <= value * factor <= most:
            return Doubt(of, value, value * factor)
    return Doubt(of, value)


def _when(at: str, now: datetime, born: date | None) -> str:
    """Never in the future, never before birth; "" is now."""
    if not at:
        return now.astimezone(PLACE).isoformat(timespec="minutes")
    moment = moment_of(at) if _AT.fullmatch(at) else None
    if moment is None:
        raise Invalid("bad_date", "La date doit être de la forme AAAA-MM-JJ.")
    if moment > now + SKEW:
        raise Invalid("measure_in_future", "Cette date n’est pas encore passée.")
    if moment.date() < (born or date(1900, 1, 1)):
        raise Invalid("measure_before_birth", "Cette date est avant la naissance.")
    return at if len(at) == len("2026-11-23") else moment.isoformat(timespec="minutes")


def moment_of(at: str) -> datetime | None:
    """The instant of an ISO 8601 text of any precision (2021, 2021-03, a day, an instant); without an offset, Paris's.
    None when it is none.
    """
    try:
        if len(at) <= len("2026-11-23"):
            year, month, day = (int(part) for part in [*at.split("-"), "1", "1"][:3])
            return datetime.combine(date(year, month, day), time(0), PLACE)
        read = datetime.fromisoformat(at)
        return read if read.tzinfo else read.replace(tzinfo=PLACE)
    except ValueError:
        return None
