"""Hours in words: « du lundi au vendredi, 9 h – 17 h », « ouvre lundi à 9 h », « répond en deux jours ». Pure."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from itertools import groupby

from server.hours import DAYS, Told, Week
from server.settings import PLACE
from webchat.words import Words


def clock(words: Words, at: time) -> str:
    """`9 h`, `17 h 30`; `9:00 am`."""
    if words.language == "fr":
        return f"{at.hour}\u00a0h" + (f"\u00a0{at.minute:02}" if at.minute else "")
    return words.hour(datetime.combine(datetime(2026, 1, 1, tzinfo=PLACE).date(), at, PLACE))


def week(words: Words, said: Week) -> list[str]:
    """A line for each run of days with the same hours, closed days left out."""
    runs = [
        (list(days), ranges)
        for ranges, days in ((key, group) for key, group in groupby(DAYS, key=lambda day: said.get(day, [])))
    ]
    lines = []
    for days, ranges in runs:
        if not ranges:
            continue
        first, last = words(f"day.{days[0]}"), words(f"day.{days[-1]}")
        when = first if len(days) == 1 else words("hours.days", first=first, last=last)
        spans = [words("hours.span", start=clock(words, a), end=clock(words, b)) for a, b in ranges]
        lines.append(f"{when}, {words('hours.and').join(spans)}")
    return lines


def now(words: Words, told: Told, moment: datetime) -> str:
    """Whether they read now, and when that changes; '' when they do not say."""
    if told.open is None:
        return ""
    if told.changes is None:
        return words("hours.closed")
    at = told.changes.astimezone(PLACE)
    today = moment.astimezone(PLACE).date()
    day = words("hours.at", time=clock(words, at.time()))
    if at.date() == today + timedelta(days=1):
        day = words("hours.tomorrow", time=clock(words, at.time()))
    elif at.date() != today:
        day = words("hours.on", day=words(f"day.{DAYS[at.weekday()]}"), time=clock(words, at.time()))
    return words("hours.open.until", when=day) if told.open else words("hours.closed.until", when=day)


def answers(words: Words, hours: int) -> str:
    """How long an answer takes, by their own word; '' when they do not say."""
    return words(f"hours.answers.{hours}") if hours else ""
