"""What a search asks: its parameters read strictly, and whether something answers them. Pure.

Tokens, dates with their precision and prefixes, strings (FHIR R4 § 3.1.1.4). A modifier that is not served is refused,
as the standard wants; a parameter that is not known is passed over and said, or refused when the caller asked for
strict handling (Prefer: handling=strict).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final

from server.api.fhir.outcome import Unprocessed
from server.api.fhir.terms import ins_system
from server.formats.hl7 import FRANCE

DEFAULT_COUNT: Final = 50
MOST: Final = 100  # resources of a page
MAX_VALUES: Final = 50

Value = str | tuple[str, str]  # a date or a string; a token as (system, code)


@dataclass(frozen=True, slots=True)
class Param:
    """kind: token, date, string, reference. `about`: for the CapabilityStatement."""

    name: str
    kind: str
    about: str = ""


# Of every search. `patient.identifier` is how the French guides name a patient.
PATIENT: Final = (
    Param("patient", "reference", "Patient/{id}: the patient whose dossier is searched"),
    Param("patient.identifier", "token", "An INS (system|value). Prefer POST _search: an INS has no place in a URL"),
)
EVERYWHERE: Final = (Param("_id", "token", "The id of a resource"), Param("_lastUpdated", "date", "When it changed"))
_NAMES_OF_PATIENT: Final = {
    "patient": "reference", "subject": "reference", "patient.identifier": "identifier",
    "subject.identifier": "identifier", "patient:identifier": "identifier", "subject:identifier": "identifier",
    "patient:Patient": "reference", "subject:Patient": "reference", "subject:Patient.identifier": "identifier",
    "patient:Patient.identifier": "identifier",
}  # fmt: skip
_OF_RESULT: Final = frozenset({"_count", "_format", "_page"})


@dataclass(frozen=True, slots=True)
class Asked:
    """A search. `wanted`: of each parameter its repetitions (and), each a choice of values (or). `space`: the id that
    a reference to a patient names; `ins`: (OID, matricule). `page`: the opaque mark of a further page.
    """

    wanted: Mapping[str, Sequence[tuple[str, ...]]] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    count: int = DEFAULT_COUNT
    page: str = ""
    space: str = ""
    ins: tuple[str, str] = ("", "")


def asked(given: Iterable[tuple[str, str]], params: Iterable[Param]) -> Asked:
    """Raises `Unprocessed`."""
    kinds = {param.name: param.kind for param in (*params, *EVERYWHERE)}
    wanted: dict[str, list[tuple[str, ...]]] = {}
    result: dict[str, str] = {}
    patients: dict[str, str] = {}
    unknown: list[str] = []
    for name, value in given:
        if name in _OF_RESULT:
            result[name] = value
        elif name in _NAMES_OF_PATIENT:
            kind = _NAMES_OF_PATIENT[name]
            if patients.setdefault(kind, value) != value:
                raise Unprocessed("several_patients", "Une recherche porte sur un seul patient.")
        elif name in kinds:
            values = tuple(one for one in value.split(",") if one)
            if not values or len(values) > MAX_VALUES or len(value) > 2_000:
                raise Unprocessed("bad_parameter", f"La valeur de « {name} » n’est pas comprise.")
            if kinds[name] == "date":
                for one in values:
                    _bounds(one)
            wanted.setdefault(name, []).append(values)
        elif name.partition(":")[0] in kinds:
            raise Unprocessed("bad_modifier", f"Ce complément de « {name.partition(':')[0]} » n’est pas servi.")
        else:
            unknown.append(name)
    space, ins = named_patient(patients)
    count = _count(result.get("_count", ""))
    return Asked(wanted, kinds, tuple(unknown), count, result.get("_page", ""), space, ins)


def _count(value: str) -> int:
    if not value:
        return DEFAULT_COUNT
    if not re.fullmatch(r"[0-9]{1,6}", value):
        raise Unprocessed("bad_parameter", "La valeur de « _count » n’est pas un nombre.")
    return min(int(value), MOST)


def named_patient(named: Mapping[str, str]) -> tuple[str, tuple[str, str]]:
    """(space, (OID, INS)) of a `reference` and an `identifier`. Raises `Unprocessed`."""
    space = named.get("reference", "").rpartition("/")[2]
    system, bar, value = named.get("identifier", "").rpartition("|")
    if not bar and not value:
        return space, ("", "")
    oid, value = ins_system(system), "".join(value.split()).upper()
    if not oid or not re.fullmatch(r"[0-9AB]{13,22}", value):
        raise Unprocessed("bad_identifier", "Un patient est nommé par urn:oid:1.2.250.1.213.1.4.8|matricule INS.")
    return space, (oid, value)


# ---- whether it is what is wanted ----


def token_matches(wanted: str, has: Iterable[Value]) -> bool:
    """`code`, `system|code`, `|code`, `system|` (§ 3.1.1.4.10)."""
    system, bar, code = wanted.rpartition("|")
    for one in has:
        its_system, its_code = one if isinstance(one, tuple) else ("", one)
        if (not bar or system == its_system) and (code == its_code or (bar and system and not code)):
            return True
    return False


def string_matches(wanted: str, has: Iterable[Value]) -> bool:
    """Begins a word of it, without case nor accents (§ 3.1.1.4.8, and « contains » by word)."""
    begun = _plain(wanted)
    return any(begun and f" {begun}" in f" {_plain(str(one))}" for one in has)


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(c if c.isalnum() else " " for c in folded if not unicodedata.combining(c)).split())


def reference_matches(wanted: str, has: Iterable[Value]) -> bool:
    return any(wanted == one or wanted.rpartition("/")[2] == str(one).rpartition("/")[2] for one in has)


_PREFIX: Final = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb)?(\d{4}.*)")


def _bounds(value: str) -> tuple[str, datetime, datetime]:
    """(prefix, from, to) of a date wanted. Raises `Unprocessed`."""
    found = _PREFIX.fullmatch(value)
    span = spanned(found.group(2).replace(" ", "+")) if found else None
    if found is None or span is None:
        raise Unprocessed("bad_date", "Une date s’écrit AAAA, AAAA-MM, AAAA-MM-JJ ou AAAA-MM-JJThh:mm:ss+hh:mm.")
    return found.group(1) or "eq", *span


def spanned(text: str) -> tuple[datetime, datetime] | None:
    """The instants that a date of any precision stands for: from the first, to before the last. Days are France's."""
    try:
        if re.fullmatch(r"\d{4}", text):
            return _day(int(text), 1, 1), _day(int(text) + 1, 1, 1)
        if re.fullmatch(r"\d{4}-\d{2}", text):
            year, month = int(text[:4]), int(text[5:])
            return _day(year, month, 1), _day(year + month // 12, month % 12 + 1, 1)
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            first = date.fromisoformat(text)
            after = first + timedelta(days=1)
            return _day(first.year, first.month, first.day), _day(after.year, after.month, after.day)
        when = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return None
    when = (when if when.tzinfo else when.replace(tzinfo=FRANCE)).astimezone(UTC)
    wide = timedelta(seconds=1) if "." not in text else timedelta(milliseconds=1)
    return when, when + (wide if text.count(":") > 1 else timedelta(minutes=1))


def _day(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=FRANCE)


def date_matches(wanted: str, has: Iterable[Value]) -> bool:
    """§ 3.1.1.4.7: both are spans of time. A span of the resource may be `from/to`, either side left out."""
    prefix, low, high = _bounds(wanted)
    return any(_compared(prefix, low, high, span) for one in has if (span := _span(str(one))) is not None)


def _span(text: str) -> tuple[datetime, datetime] | None:
    since, slash, until = text.partition("/")
    if not slash:
        return spanned(since)
    first, last = spanned(since), spanned(until)
    ever = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
    return (first[0] if first else ever[0], last[1] if last else ever[1]) if first or last else None


def _compared(prefix: str, low: datetime, high: datetime, span: tuple[datetime, datetime]) -> bool:
    first, last = span
    match prefix:
        case "eq":
            return low <= first and last <= high
        case "ne":
            return not (low <= first and last <= high)
        case "gt":
            return last > high
        case "lt":
            return first < low
        case "ge":
            return last > high or first >= low
        case "le":
            return first < low or last <= high
        case "sa":
            return first >= high
        case _:
            return last <= low


_MATCHES: Final = {
    "token": token_matches, "string": string_matches, "date": date_matches, "reference": reference_matches,
}  # fmt: skip


def matches(kind: str, wanted: Sequence[tuple[str, ...]], has: Sequence[Value]) -> bool:
    """Every repetition has one of its values."""
    test = _MATCHES[kind]
    return all(any(test(one, has) for one in values) for values in wanted)
