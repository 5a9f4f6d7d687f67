"""What is said on screen, in French or in English: catalogues, plurals, dates, sizes.

A catalogue is the files of `locale/<language>/`, a subject each: key → sentence with `{names}`, or forms of it: by
number (`one`, `other`: CLDR, chosen by `count`) or by `form`. A key that is missing raises: the tests hold both
catalogues to the keys that are used.

Does not: know a template or a message.
"""

from __future__ import annotations

import datetime as calendar
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import babel
from babel import dates, numbers

from server.settings import PLACE

LANGUAGES = ("fr", "en")
EASY = "falc"  # easy French (facile à lire et à comprendre): French, with the sentences of its own catalogue instead
CHOICES = ("fr", EASY, "en")
FOLDER = Path(__file__).parent / "locale"

Sentence = str | dict[str, str]


@lru_cache
def catalogue(language: str) -> dict[str, Sentence]:
    """The sentences of a language by key; two files never say the same key."""
    if language == EASY:
        return catalogue("fr") | _read(EASY)
    return _read(language)


def _read(language: str) -> dict[str, Sentence]:
    found: dict[str, Sentence] = {}
    for path in sorted((FOLDER / language).glob("*.json")):
        said: dict[str, Sentence] = json.loads(path.read_text(encoding="utf-8"))
        if twice := found.keys() & said.keys():
            raise ValueError(f"{path.name}: said twice: {', '.join(sorted(twice))}")
        found |= said
    return found


def preferred(header: str, default: str = "fr") -> str:
    """The language of an Accept-Language header that we speak (RFC 9110 § 12.5.4, by order alone: browsers sort it)."""
    for part in header[:200].split(","):
        language = part.partition(";")[0].strip().lower()[:2]
        if language in LANGUAGES:
            return language
    return default


class Words:
    """The sentences and formats of one language: `words("list.title")`, `words("list.unread", count=2)`."""

    def __init__(self, language: str) -> None:
        self.language = language if language in LANGUAGES else "fr"
        self.choice = language if language in CHOICES else "fr"  # what a page asks for again
        self.locale = babel.Locale.parse("fr_FR" if self.language == "fr" else "en_GB")
        self._sentences = catalogue(self.choice)

    def __call__(self, key: str, **values: object) -> str:
        sentence = self._sentences[key]
        if isinstance(sentence, dict):
            sentence = self._form(sentence, values)
        return sentence.format(**values) if values else sentence

    def _form(self, forms: Mapping[str, str], values: Mapping[str, object]) -> str:
        name = str(values["form"]) if "form" in values else self.locale.plural_form(int(str(values["count"])))
        return forms.get(name, forms["other"])

    def has(self, key: str) -> bool:
        """Whether this sentence exists: for keys made of what came from elsewhere (an error's code, a card's type)."""
        return key in self._sentences

    def count(self, number: int) -> str:
        """`12 345`, `12,345`."""
        return str(numbers.format_decimal(number, "#,##0", self.locale))

    def size(self, octets: int) -> str:
        """`234 Ko`, `1,2 Mo`."""
        octet = "o" if self.language == "fr" else "B"
        for limit, unit, digits in (
            (1_000, octet, "#,##0"),
            (1_000_000, f"{'K' if octet == 'o' else 'k'}{octet}", "#,##0"),
        ):
            if octets < limit:
                divisor = limit // 1_000
                return f"{numbers.format_decimal(max(octets // divisor, 1), digits, self.locale)} {unit}"
        return f"{numbers.format_decimal(octets / 1_000_000, '#,##0.#', self.locale)} M{octet}"

    def hour(self, at: datetime) -> str:
        """`14 h 05`, `2:05 pm`."""
        local = at.astimezone(PLACE)
        if self.language == "fr":
            return f"{local.hour} h {local.minute:02}"
        return dates.format_time(local, "h:mm a", locale=self.locale)

    def day(self, day: calendar.date) -> str:
        """`lundi 23 novembre 2026`."""
        return dates.format_date(day, "EEEE d MMMM y", locale=self.locale)

    def date(self, day: calendar.date) -> str:
        """`23 novembre 2026`."""
        return dates.format_date(day, "d MMMM y", locale=self.locale)

    def month(self, day: calendar.date) -> str:
        """`novembre 2026`."""
        return dates.format_date(day, "MMMM y", locale=self.locale)

    def moment(self, at: datetime) -> str:
        """`23 novembre 2026 à 14 h 05`."""
        joint = "à" if self.language == "fr" else "at"
        return f"{self.date(at.astimezone(PLACE).date())} {joint} {self.hour(at)}"

    def near_day(self, day: calendar.date, today: calendar.date) -> str:
        """`Aujourd’hui`, `Hier`, or nothing when it is further."""
        if day == today:
            return self("day.today")
        return self("day.yesterday") if day == today - timedelta(days=1) else ""

    def ago(self, at: datetime, now: datetime) -> str:
        """`il y a 5 minutes`, as one would say it."""
        gone = now - at
        if gone < timedelta(minutes=1):
            return self("when.now")
        return str(dates.format_timedelta(-gone, granularity="minute", add_direction=True, locale=self.locale))

    def short(self, at: datetime, now: datetime) -> str:
        """For a list: the hour today, `hier`, a day of this year, else a date."""
        day, today = at.astimezone(PLACE).date(), now.astimezone(PLACE).date()
        if day == today:
            return self.hour(at)
        if near := self.near_day(day, today):
            return near
        return dates.format_date(day, "d MMM" if day.year == today.year else "d MMM y", locale=self.locale)


@lru_cache
def words(language: str) -> Words:
    """The words of a language; French for one we do not speak."""
    return Words(language)


def instant(text: str) -> datetime | None:
    """An ISO 8601 or HL7 time (`2026-11-23T14:05:00Z`, `2026-11-23`, `20261123140500+0100`), or None. Never raises."""
    text = text.strip()
    try:
        if text[:8].isdecimal() and len(text) >= 8:
            digits = text.split("+")[0].split("-")[0].split(".")[0]
            text = f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}" + (
                f"T{digits[8:10]}:{digits[10:12]}:00" if len(digits) >= 12 else ""
            )
        at = datetime.fromisoformat(text)
        at = at if at.tzinfo else at.replace(tzinfo=PLACE)
        at.astimezone(UTC)  # a year too far either way does not convert
    except (ValueError, OverflowError):
        return None
    return at
