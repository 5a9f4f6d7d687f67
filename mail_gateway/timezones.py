"""The time zone an appointment names.

Promises: a VTIMEZONE is evaluated for the one year it is needed in, and serves the one calendar it came in: its rules
are never expanded, and a stranger's definition of « Europe/Paris » never reaches another patient's agenda.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel.core import get_global

from mail_gateway.contentlines import Component

FRANCE: Final = ZoneInfo("Europe/Paris")
MOMENT: Final = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z)?)?", re.ASCII)  # DATE or DATE-TIME

# What Windows calls zones (Unicode CLDR windowsZones): Outlook and Exchange write these names.
_WINDOWS: Final[dict[str, str]] = {
    name.lower(): zone for name, zone in get_global("windows_zone_mapping").items() if isinstance(zone, str)
}
# What it shows people, and some software writes instead: « (UTC+01:00) Bruxelles, Copenhague, Madrid, Paris ».
_SHOWN = re.compile(r"\(?(?:UTC|GMT) ?(?:([+-])(\d\d?):?(\d\d)?)?\)?(?![\w/+-]).*", re.IGNORECASE | re.ASCII)
_MICROSOFT: Final = "tzone://microsoft/"
_OFFSET = re.compile(r"([+-])(\d\d)(\d\d)(\d\d)?", re.ASCII)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,30}(?:/[A-Za-z0-9_+-]{1,30}){0,2}")


class Zones:
    """Time zones by TZID: IANA's names, Windows' names, and otherwise the VTIMEZONE of this calendar, for this
    calendar.
    """

    def __init__(self, calendar: Component) -> None:
        self.own = {child.value("TZID"): child for child in calendar.children if child.name == "VTIMEZONE"}

    def at(self, tzid: str, naive: datetime) -> tzinfo:
        """The zone of that name, for a local time; France when nothing says."""
        tzid = tzid.strip()
        if not tzid:
            return FRANCE
        for name in _names(tzid):
            try:
                return ZoneInfo(name)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                pass  # not a name of IANA's: the calendar's own definition follows
        own = self.own.get(tzid)
        return _offset_at(own, naive) if own is not None else _shown(tzid)


def _names(tzid: str) -> Iterator[str]:
    """What IANA may call that zone: its name, Windows' name of it, the end of a path (Mozilla, Evolution)."""
    plain = tzid.lower().removeprefix(_MICROSOFT)
    candidates = [_WINDOWS.get(plain, tzid), "UTC" if plain == "utc" else ""]
    if tzid.startswith("/"):
        parts = tzid.split("/")
        candidates += ["/".join(parts[-3:]), "/".join(parts[-2:]), parts[-1]]
    return (name for name in candidates if _NAME.fullmatch(name))


def _shown(tzid: str) -> tzinfo:
    """A zone known only by what people are shown of it. An hour east of Greenwich it is ours, with our summer time."""
    match = _SHOWN.fullmatch(tzid)
    hours, minutes = (int(match[2] or 0), int(match[3] or 0)) if match is not None else (24, 0)
    if match is None or hours > 14 or minutes > 59 or (match[1], hours, minutes) == ("+", 1, 0):
        return FRANCE
    delta = timedelta(hours=hours, minutes=minutes)
    return timezone(-delta if match[1] == "-" else delta)


def _offset_at(zone: Component, naive: datetime) -> tzinfo:
    """The offset of the observance that began last before the moment, each evaluated in its year and the one before."""
    best: tuple[datetime, str] | None = None
    for observance in zone.children[:20]:
        for onset in _onsets(observance, naive.year):
            if onset <= naive and (best is None or onset >= best[0]):
                best = (onset, observance.value("TZOFFSETTO"))
    offset = best[1] if best is not None else next((child.value("TZOFFSETFROM") for child in zone.children), "")
    match = _OFFSET.fullmatch(offset.strip())
    if match is None or int(match[2]) > 23 or int(match[3]) > 59:
        return FRANCE
    delta = timedelta(hours=int(match[2]), minutes=int(match[3]))
    return timezone(-delta if match[1] == "-" else delta)


def _onsets(observance: Component, year: int) -> Iterator[datetime]:
    """When an observance begins: its DTSTART, and by a yearly rule « month, nth weekday » in this year and the last."""
    first = MOMENT.fullmatch(observance.value("DTSTART").strip())
    if first is None or first[4] is None:
        return
    try:
        start = datetime(*(int(group) for group in first.groups()[:6]))  # type: ignore[arg-type]  # noqa: DTZ001  # local time
    except ValueError:
        return
    yield start
    rule = dict(part.split("=", 1) for part in observance.value("RRULE").upper().split(";")[:20] if "=" in part)
    by_day = re.fullmatch(r"([+-]?[1-5])?(MO|TU|WE|TH|FR|SA|SU)", rule.get("BYDAY", ""))
    month = rule.get("BYMONTH", "")
    if rule.get("FREQ") != "YEARLY" or by_day is None or not re.fullmatch(r"[1-9]|1[0-2]", month):
        return
    weekday = ("MO", "TU", "WE", "TH", "FR", "SA", "SU").index(by_day[2])
    for candidate in (year - 1, year):
        day = _nth_weekday(candidate, int(month), weekday, int(by_day[1] or 1))
        if day is not None and candidate >= start.year:
            yield datetime.combine(day, start.time())


def _nth_weekday(year: int, month: int, weekday: int, nth: int) -> date | None:
    if nth > 0:
        first = date(year, month, 1)
        day = first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))
    else:
        last = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
        day = last - timedelta(days=(last.weekday() - weekday) % 7 + 7 * (-nth - 1))
    return day if day.month == month else None
