"""How an appointment is said on screen: when, where its hour is told, how it repeats, in which state. Pure."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import dates

from server.agenda import own
from server.agenda.days import Item, day_of, instant
from server.settings import PLACE
from webchat import present
from webchat.words import Words
from webchat.words import instant as instant_of


def when(words: Words, item: Item) -> str:
    """`mardi 1 décembre 2026, 14 h 00 – 14 h 30`; as it came, when nobody can read that."""
    if item.start is None:
        return item.told
    end = instant(item.end) if item.end is not None else None
    return present.span(words, instant(item.start), end, item.all_day)


def hour(words: Words, item: Item, day: date | None = None) -> str:
    """`14 h 00`, « toute la journée », « suite » on the days after the first."""
    if item.all_day:
        return words("agenda.whole_day")
    assert isinstance(item.start, datetime)  # noqa: S101 - else it is for whole days
    return words("agenda.goes_on") if day is not None and day_of(item.start) < day else words.hour(item.start)


def there(words: Words, item: Item) -> str:
    """The hour where it is, when that is not the hour in Paris: « 9 h 00 sur place (Réunion) »; else ""."""
    if not isinstance(item.start, datetime):
        return ""
    local, place = item.start, ""
    try:
        if item.zone:
            local, place = (
                local.astimezone(ZoneInfo(item.zone)),
                dates.get_timezone_location(item.zone, locale=words.locale, return_city=True),
            )
    except (ZoneInfoNotFoundError, ValueError, LookupError, OSError):
        pass  # a name nobody else knows: its offset says
    offset = local.utcoffset()
    # A moment in UTC says no place: calendars write it for any.
    if offset == item.start.astimezone(PLACE).utcoffset() or (not place and not offset):
        return ""
    told = f"{local.hour} h {local.minute:02}" if words.language == "fr" else f"{local:%H:%M}"
    day = "" if local.date() == day_of(item.start) else f"{words.day(local.date())}, "
    said = words("agenda.there", when=day + told)
    return words("agenda.there.named", said=said, place=place) if place else said


def repeats(words: Words, item: Item) -> str:
    """« chaque semaine jusqu’au 3 mai 2027 »; « se répète » for a rule of somebody else's; "" for none."""
    if not item.rrule:
        return ""
    if not item.own:
        return words("agenda.repeats")
    entry = own.entry_of({"rrule": item.rrule, "zone": item.zone})
    said = words(f"agenda.repeats.{entry.repeats}")
    return (
        words("agenda.repeats.until", said=said, day=words.date(date.fromisoformat(entry.until)))
        if entry.until
        else said
    )


def state(words: Words, item: Item, me: str = "") -> str:
    """« Accepté », « Annulé », « Noté par vous »; `me`: the name of who looks."""
    if item.state == "own":
        by = words("agenda.own.you") if item.author == me else words("agenda.own.by", name=item.author)
        return words("agenda.own.reminder") if item.own == "reminder" else by
    key = f"agenda.state.{item.state}"
    return words(key) if words.has(key) else item.state


def moment(words: Words, ms: int) -> str:
    """`23 novembre 2026 à 14 h 05`."""
    return words.moment(datetime.fromtimestamp(ms / 1000, PLACE))


def history(words: Words, told: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """(when, what happened and by whom) of each change."""
    found = []
    for number, one in enumerate(told):
        name, moved = str(one.get("state", "")), number > 0 and "start" in one
        key = "moved" if moved and name in {"own", "proposed", "accepted", "added"} else name
        known = f"agenda.happened.{key}" if words.has(f"agenda.happened.{key}") else "agenda.happened.other"
        by = str(one.get("by") or "")
        said = words(known)
        at = instant_of(str(one.get("start") or "")) if moved else None
        if at is not None:
            whole = len(str(one["start"])) == len("2026-12-01")
            said = words("agenda.happened.to", said=said, when=present.span(words, at, None, whole))
        said = words("agenda.happened.by", said=said, name=by) if by else said
        found.append((moment(words, int(one.get("at", 0))), said))
    return found
