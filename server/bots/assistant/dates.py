"""Days and hours as people say them: « mardi 14 h », « le 3 », « dans 15 jours », « il y a trois ans », « 2pm ». Pure.

Promises: a day without a year is the next one of its name for what is to come, the last one for what was (`past`); an
hour that the clocks skip is said an hour later, one that they repeat is the first. « dans 15 jours » is two weeks,
« dans 8 jours » one, as it is said. What is said of days is taken out of the words (`rest`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from server.bots.assistant.words import Word
from server.settings import PLACE

_DAYS_FR = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
_DAYS_EN = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS_FR = (
    "janvier", "fevrier", "mars", "avril", "mai", "juin", "juillet", "aout", "septembre", "octobre", "novembre",
    "decembre",
)  # fmt: skip
_MONTHS_EN = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
DAYS: Final = {name: number for names in (_DAYS_FR, _DAYS_EN) for number, name in enumerate(names)}
MONTHS: Final = {name: number for names in (_MONTHS_FR, _MONTHS_EN) for number, name in enumerate(names, 1)}
_OTHER: Final = (
    "demain aujourd apres avant heures semaine semaines jours annee mois prochain prochaine dernier derniere passe "
    "matin minuit quart demie tomorrow yesterday today weeks hours morning afternoon evening tonight premier"
)
_DAY = "|".join(DAYS)
_MONTH = "|".join(MONTHS)
_ONES: Final = {"un": 1, "une": 1, "a": 1, "an": 1, "one": 1}
_N = r"(\d{1,2}|une?|an?|one)"


@dataclass(frozen=True, slots=True)
class When:
    """What was said of time. `on`: a past or vague moment, ISO 8601 as precise as it was said (2025, 2026-06, a day);
    `first`, `last`: a stretch of days. `beside`: the day tells which thing is meant (« le rendez-vous du 3 »).
    """

    day: date | None = None
    clock: time | None = None
    on: str = ""
    first: date | None = None
    last: date | None = None
    beside: bool = False
    rest: tuple[Word, ...] = ()

    @property
    def start(self) -> str:
        """ISO 8601 in the local hour, « 2026-11-24T14:00 »; a day alone when no hour was said; "" of no day."""
        if self.day is None:
            return ""
        return f"{self.day.isoformat()}T{self.clock:%H:%M}" if self.clock else self.day.isoformat()


@dataclass(slots=True)
class _Line:
    """The words on one line, and which of them a match stands for."""

    words: list[Word]
    text: str = ""
    places: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        at = 0
        for word in self.words:
            self.places.append((at, at + len(word.said)))
            at += len(word.said) + 1
        self.text = " ".join(word.said for word in self.words)

    def without(self, match: re.Match[str]) -> _Line:
        kept = [
            word
            for word, (start, end) in zip(self.words, self.places, strict=True)
            if end <= match.start() or start >= match.end()
        ]
        return _Line(kept)


def spoken() -> tuple[str, ...]:
    """The words of this module, for mending."""
    return (" ".join((*DAYS, *MONTHS)), _OTHER)


def read(words: Sequence[Word], now: datetime, *, past: bool = False) -> When:
    """What those words say of time. `past`: it was, rather than will be."""
    here = now.astimezone(PLACE)
    line, found = _clock(_Line(list(words)))
    for pattern, make in _SAID:
        match = pattern.search(line.text)
        made = make(match, here.date(), past) if match else None
        if match and made is not None:
            beside = bool(re.search(r"(?:^| )(?:de|du|d|of|from)(?: (?:la|le|l|the))? $", line.text[: match.start()]))
            found = replace(made, clock=found.clock, beside=beside or bool(re.match(r"(?:du|de|d|from) ", match[0])))
            line = line.without(match)
            break
    return replace(found, rest=tuple(line.words))


def at(start: str) -> datetime | None:
    """The instant of a local `start`; None of a day alone, or of what is no date."""
    try:
        local = datetime.fromisoformat(start)
    except ValueError:
        return None
    if "T" not in start:
        return None
    return local.replace(tzinfo=PLACE).astimezone(
        UTC
    )  # in the gap of March: an hour later; twice in October: the first


# ---- hours -----------------------------------------------------------------------------------------------------------

_PART = r"(?: (?:du |de l |le |in the |this |ce |cet )?(matin|soir|apres midi|morning|afternoon|evening|am|pm))?"
_CLOCKS: Final = (
    re.compile(r"(?:^| )(?:(?:a|vers|pour|at|des) )?(\d{1,2}) (?:h|heures?|hours?)(?: (\d{2})(?! ?[\d/h]))?"
               r"(?: (et quart|et demie?|moins le quart|moins \d{1,2}))?" + _PART + r"(?= |$)"),
    re.compile(r"(?:^| )(?:(?:a|vers|at) )?(\d{1,2}) : (\d{2})()" + _PART + r"(?= |$)"),
    re.compile(r"(?:^| )(?:at )?(\d{1,2})()() (am|pm)(?= |$)"),
    re.compile(r"(?:^| )at (\d{1,2})()()()(?= |$)"),
)  # fmt: skip
_NOON = re.compile(
    r"(?:^| )(?:a |at |vers )?(?<!apres )(midi|minuit|noon|midnight)(?: (et demie?|et quart|moins le quart))?(?= |$)"
)
_LATE: Final = frozenset({"soir", "apres midi", "afternoon", "evening", "pm"})


def _clock(line: _Line) -> tuple[_Line, When]:
    for pattern in _CLOCKS:
        match = pattern.search(line.text)
        if match and int(match[1]) < 25 and int(match[2] or 0) < 60:
            clock = _moment(int(match[1]) % 24, int(match[2] or 0), match[3] or "", match[4] or "")
            return line.without(match), When(clock=clock)
    match = _NOON.search(line.text)
    if match and not line.text[: match.start() + 1].rstrip().endswith("apres"):
        return line.without(match), When(
            clock=_moment(12 if match[1] in {"midi", "noon"} else 0, 0, match[2] or "", "-")
        )
    return line, When()


def _moment(hour: int, minute: int, more: str, part: str) -> time:
    """« 10 heures et quart », « 11 heures moins le quart », « 3 h » of an afternoon: not at night."""
    if (not part and 1 <= hour <= 6) or (part in _LATE and hour < 12):
        hour += 12
    if more.startswith("et "):
        minute = 15 if more.endswith("quart") else 30
    elif more:
        less = 15 if more.endswith("quart") else int(more.rsplit(maxsplit=1)[-1])
        hour, minute = (hour - 1) % 24, 60 - min(max(less, 1), 59)
    return time(hour % 24, minute)


# ---- days ------------------------------------------------------------------------------------------------------------

_Make = Callable[[re.Match[str], date, bool], When | None]


def _near(match: re.Match[str], today: date, _past: bool) -> When:
    days = {"apres demain": 2, "the day after tomorrow": 2, "demain": 1, "tomorrow": 1, "hier": -1, "yesterday": -1,
            "avant hier": -2}.get(match[1], 0)  # fmt: skip
    day = today + timedelta(days=days)
    return When(day, on=day.isoformat())


def _ahead(match: re.Match[str], today: date, _past: bool) -> When:
    count, unit = int(_ONES.get(match[1], 0) or match[1]), match[2]
    if unit.startswith(("jour", "day")):
        day = today + timedelta(days={8: 7, 15: 14}.get(count, count) if unit.startswith("jour") else count)
    elif unit.startswith(("semaine", "week")):
        day = today + timedelta(weeks=count)
    else:
        day = _months(today, count)
    return When(day, on=day.isoformat())


def _ago(match: re.Match[str], today: date, _past: bool) -> When:
    count, unit = int(_ONES.get(match[1], 0) or match[1]), match[2]
    if unit.startswith(("an", "year")):
        return When(on=str(today.year - count))
    if unit.startswith(("mois", "month")):
        return When(on=_months(today, -count).isoformat()[:7])
    return When(on=(today - timedelta(days=count * (7 if unit.startswith(("semaine", "week")) else 1))).isoformat())


def _weekday(match: re.Match[str], today: date, past: bool) -> When | None:
    """« mardi », « mardi prochain » (of next week), « mardi en huit », « vendredi 27 », « mardi dernier »."""
    told = match.groupdict()
    ahead = (DAYS[told["day"]] - today.weekday()) % 7 or 7
    if told["number"]:
        return _numbered(int(told["number"]), told["month"], told["year"], today, past)
    after = told["after"] or ""
    if after.startswith(("dernier", "passe")) or told["before"] == "last" or (past and not after):
        day = today - timedelta(days=(today.weekday() - DAYS[told["day"]]) % 7 or 7)
    elif after.startswith("prochain") or told["before"] == "next":
        day = today + timedelta(days=7 - today.weekday() + DAYS[told["day"]])
    else:
        day = today + timedelta(days=ahead + (7 if after == "en 8" else 14 if after == "en 15" else 0))
    return When(day, on=day.isoformat())


def _figures(match: re.Match[str], today: date, past: bool) -> When | None:
    year = match[3] or ""
    return _numbered(int(match[1]), int(match[2]), f"20{year}" if len(year) == 2 else year, today, past)


def _named(match: re.Match[str], today: date, past: bool) -> When | None:
    number = match["number"] or match["number2"]
    day = 1 if number in {"premier", "first"} else int(number)
    return _numbered(day, match["month"] or match["month2"], match["year"] or "", today, past)


def _alone(match: re.Match[str], today: date, past: bool) -> When | None:
    return _numbered(1 if match[1] == "premier" else int(match[1]), "", "", today, past)


def _numbered(number: int, month: str | int | None, year: str | None, today: date, past: bool) -> When | None:
    """The nearest day of that number (and month, and year), ahead or behind."""
    wanted = MONTHS[month] if isinstance(month, str) and month else month or 0
    for step in range(49):
        shift = -step if past else step
        first = _months(today.replace(day=1), shift)
        if (wanted and first.month != wanted) or (year and first.year != int(year)):
            continue
        try:
            day = first.replace(day=number)
        except ValueError:
            continue
        if year or (day <= today if past else day >= today):
            return When(day, on=day.isoformat())
    if year and wanted and 1900 < int(year) < 2200:
        try:
            return When(day=date(int(year), int(wanted), number), on=date(int(year), int(wanted), number).isoformat())
        except ValueError:
            return None
    return None


def _stretch(match: re.Match[str], today: date, _past: bool) -> When:
    said = match[0]
    back = any(word in said for word in ("dernier", "passe", "last"))
    ahead = any(word in said for word in ("prochain", "next", "suivant"))
    if "an" in said.split() or "annee" in said or "year" in said:
        year = today.year + (1 if ahead else -1 if back else 0)
        return When(on=str(year), first=date(year, 1, 1), last=date(year, 12, 31))
    if "mois" in said or "month" in said:
        first = _months(today.replace(day=1), 1 if ahead else -1 if back else 0)
        return When(on=first.isoformat()[:7], first=first, last=_months(first, 1) - timedelta(days=1))
    monday = today - timedelta(days=today.weekday()) + timedelta(days=7 if ahead else -7 if back else 0)
    return When(on=monday.isoformat(), first=monday, last=monday + timedelta(days=6))


def _month_alone(match: re.Match[str], today: date, past: bool) -> When:
    number, year = MONTHS[match[1]], int(match[2] or 0)
    if not year:
        year = (
            today.year
            if (number <= today.month if past else number >= today.month)
            else today.year + (-1 if past else 1)
        )
    first = date(year, number, 1)
    return When(on=first.isoformat()[:7], first=first, last=_months(first, 1) - timedelta(days=1))


def _year(match: re.Match[str], _today: date, _past: bool) -> When | None:
    year = int(match[1])
    return When(on=str(year), first=date(year, 1, 1), last=date(year, 12, 31)) if 1900 < year < 2100 else None


def _months(day: date, count: int) -> date:
    """That many months later; the last day of a shorter month."""
    months = day.year * 12 + day.month - 1 + count
    year, month = divmod(months, 12)
    for last in (day.day, 30, 29, 28):
        try:
            return date(year, month + 1, min(day.day, last))
        except ValueError:
            continue
    return day


def _of(pattern: str, make: _Make) -> tuple[re.Pattern[str], _Make]:
    return re.compile(r"(?:(?<= )|^)" + pattern + r"(?= |$)"), make


_ENDS = r"(?: (?:st|nd|rd|th|er))?"
_SAID: Final = (
    _of(r"(?:pour )?(apres demain|the day after tomorrow|avant hier|demain|tomorrow|hier|yesterday|aujourd hui|today|"
        r"ce soir|ce matin|cet apres midi|cette apres midi|tonight)(?: (?:matin|soir|apres midi|morning|afternoon))?",
        _near),
    _of(r"(?:dans|d ici|in) " + _N + r" (jours?|semaines?|mois|days?|weeks?|months?)", _ahead),
    _of(r"(?:il )?y a " + _N + r" (jours?|semaines?|mois|ans?|annees?)", _ago),
    _of(_N + r" (days?|weeks?|months?|years?) ago", _ago),
    _of(rf"(?:(?:le|ce|on|du|de|pour|this) )?(?:(?P<before>next|last) )?(?P<day>{_DAY})"
        rf"(?: (?P<number>\d{{1,2}}){_ENDS}(?! (?:h|heures?|:|am|pm)\b)"
        rf"(?: (?P<month>{_MONTH}))?(?: (?P<year>20\d\d))?)?"
        r"(?: (?P<after>prochaine?|derniere?|passee?|en 8|en 15))?(?: (?:matin|soir|apres midi|morning|afternoon))?",
        _weekday),
    _of(r"(?:(?:le|du|au|on|pour le) )?(\d{1,2}) / (\d{1,2})(?: / (\d{4}|\d{2}))?(?! /)", _figures),
    _of(rf"(?:(?:le|du|au|on|the|on the|pour le) )*(?:(?P<number>\d{{1,2}}|premier){_ENDS}(?: of)? (?P<month>{_MONTH})|"
        rf"(?P<month2>{_MONTH}) (?:the )?(?P<number2>\d{{1,2}}){_ENDS})(?: (?P<year>(?:19|20)\d\d))?", _named),
    _of(r"(?:le|du|au|on the|the) (\d{1,2}|premier)" + _ENDS + r"(?! (?:h|heures?|kg|cm|mois|jours|ans|%|/|sur)\b)"
        rf"(?! (?:{_MONTH})\b)",
        _alone),
    _of(r"(?:(?:la|le|l|cette|ce|cet|this|a la) )?(?:semaine|mois|an|annee|week|month|year)"
        r" (?:prochaine?|derniere?|passee?|suivante?|d apres)", _stretch),
    _of(r"(?:cette semaine|ce mois(?: ci)?|cette annee|(?:this|next|last) (?:week|month|year))", _stretch),
    _of(rf"(?:en|de|du mois de|d|in|of|from|jusqu en|jusqu a|fin|debut|since|until) ({_MONTH})(?: ((?:19|20)\d\d))?",
        _month_alone),
    _of(r"(?:en |de |in |of |from |depuis )?((?:19|20)\d\d)", _year),
)  # fmt: skip
