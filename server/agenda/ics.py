"""An agenda as iCalendar (RFC 5545), for another calendar program: one appointment, or a feed.

Promises: says as much as it is told to (`BUSY`, `TITLES`, `ALL`); a UID is a keyed hash, the same each time and not the
organiser's, whose answers would else come from two programs; hours of Paris carry its VTIMEZONE, those of another place
theirs, a moment without a place is in UTC; a series is one event and its rule; what was cancelled says so. Pure, but
for the key of the UIDs. Does not: read an agenda, or a calendar of anybody's (`mail_gateway.calendar`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from server.agenda import recurrence, rule
from server.agenda.recurrence import Occurrence
from server.settings import PLACE
from storage.appointments import Appointment

if TYPE_CHECKING:
    from icalendar import Event

    from server.app import App

BUSY, TITLES, ALL = "busy", "titles", "all"
LEVELS: Final = (BUSY, TITLES, ALL)
PRODUCT: Final = "-//Pli//Agenda//FR"
SUMMARY: Final = {"fr": ("Occupé", "Avec {who}"), "en": ("Busy", "With {who}")}
_STATUS: Final = {"cancelled": "CANCELLED", "declined": "CANCELLED", "proposed": "TENTATIVE", "asked": "TENTATIVE"}
_EVER: Final = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
# The clocks of France that change: (onset, rule, from, to, name) of summer and of winter time.
_CHANGES: Final = {
    "Europe/Paris": (  # directive 2000/84/EC: the last Sundays of March and of October, at 1:00 UTC
        ("DAYLIGHT", "19960331T020000", "BYMONTH=3;BYDAY=-1SU", "+0100", "+0200", "CEST"),
        ("STANDARD", "19961027T030000", "BYMONTH=10;BYDAY=-1SU", "+0200", "+0100", "CET"),
    ),
    "America/Miquelon": (  # as in North America: the second Sunday of March, the first of November, at 2:00
        ("DAYLIGHT", "20070311T020000", "BYMONTH=3;BYDAY=2SU", "-0300", "-0200", "PMDT"),
        ("STANDARD", "20071104T020000", "BYMONTH=11;BYDAY=1SU", "-0200", "-0300", "PMST"),
    ),
}


def calendar(
    app: App,
    space_id: str,
    known: Sequence[tuple[Appointment, Mapping[str, Any]]],
    says: str,
    now: datetime,
    name: str = "",
    language: str = "fr",
) -> bytes:
    """The calendar of these appointments with their facts, as octets. `says`: of `LEVELS`. `name`: of a feed."""
    from icalendar import Calendar  # half of what a page loads: only who exports pays

    made = Calendar()
    made.add("prodid", PRODUCT)
    made.add("version", "2.0")
    made.add("method", "PUBLISH")
    if name:
        made.add("x-wr-calname", name)
        made.add("refresh-interval", timedelta(hours=1), parameters={"VALUE": "DURATION"})  # RFC 7986 § 5.7
    events = [event for row, facts in known for event in _events(app, space_id, row, facts, says, language)]
    for zone in sorted({zone for event in events for zone in _zones(event)}):
        made.add_component(_zone(zone, now))
    for event in events:
        made.add_component(event)
    return bytes(made.to_ical())


def _events(
    app: App, space_id: str, row: Appointment, facts: Mapping[str, Any], says: str, language: str
) -> Iterator[Event]:
    """The appointment, and of a series each that is at another moment."""
    plain = {name: facts.get(name) for name in ("start", "end", "zone")}
    found = recurrence.occurrences(plain, *_EVER)
    if not found:
        return
    place = _place(facts, found[0])
    event = _event(app, space_id, row, facts, says, language)
    _moments(event, found[0], place)
    text = str(facts.get("rrule") or "")
    if text and rule.read_rule(text, _local(found[0].start, place)) is not None:
        from icalendar import vRecur

        event.add("rrule", vRecur.from_ical(text))
    for name in ("rdate", "exdate"):
        given = [
            one.start for at in _texts(facts.get(f"{name}s")) for one in recurrence.occurrences({"start": at}, *_EVER)
        ]
        for at in given[: recurrence.MOST_NAMED]:
            event.add(name, _local(at, place))
    yield event
    for one in list(facts.get("moved") or ())[: recurrence.MOST_NAMED]:
        was = recurrence.occurrences({"start": one.get("instance")}, *_EVER)
        other = recurrence.occurrences({"start": one.get("start"), "end": one.get("end")}, *_EVER)
        if was and other:
            event = _event(app, space_id, row, facts, says, language)
            event.add("recurrence-id", _local(was[0].start, place))
            _moments(event, other[0], place)
            yield event


def _event(app: App, space_id: str, row: Appointment, facts: Mapping[str, Any], says: str, language: str) -> Event:
    from icalendar import Event

    event, (busy, who) = Event(), SUMMARY[language if language in SUMMARY else "fr"]
    changed = datetime.fromtimestamp(row.changed_at / 1000, UTC).replace(microsecond=0)
    event.add("uid", f"{app.vault.lookup('feed', f'{space_id}|{row.id}')}@{app.settings.mail_domain}")
    event.add("dtstamp", changed)
    event.add("last-modified", changed)
    event.add("sequence", row.sequence)
    event.add("status", _STATUS.get(row.state, "CONFIRMED"))
    event.add("class", "PRIVATE")
    event.add("summary", busy if says == BUSY else str(facts.get("title") or busy))
    free = facts.get("own") == "reminder" or row.state in {"cancelled", "declined"}
    event.add("transp", "TRANSPARENT" if free else "OPAQUE")
    if says == ALL:
        told = [who.format(who=facts["organizer"]) if facts.get("organizer") else "", str(facts.get("note") or "")]
        if facts.get("location"):
            event.add("location", str(facts["location"]))
        if any(told):
            event.add("description", "\n".join(part for part in told if part))
    return event


def _moments(event: Event, one: Occurrence, place: ZoneInfo | None) -> None:
    event.add("dtstart", _local(one.start, place))
    if one.ends > one.begins:
        event.add("dtend", _local(one.end, place))


def _local(at: datetime | date, place: ZoneInfo | None) -> datetime | date:
    """The hour where it is told; in UTC when nobody says where."""
    return at.astimezone(place or UTC) if isinstance(at, datetime) else at


def _place(facts: Mapping[str, Any], first: Occurrence) -> ZoneInfo | None:
    """The zone it names; Paris when its hour is that of Paris; None for another."""
    if facts.get("zone"):
        try:
            return ZoneInfo(str(facts["zone"]))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass  # a name nobody else knows: its offset says
    if not isinstance(first.start, datetime):
        return None
    return PLACE if first.start.utcoffset() == first.start.astimezone(PLACE).utcoffset() else None


def _zones(event: Event) -> set[str]:
    """Names of the zones that an event needs defined (RFC 5545 § 3.2.19)."""
    names = {getattr(event[name], "params", {}).get("TZID", "") for name in ("DTSTART", "DTEND") if name in event}
    return names - {"", "UTC"}


def _zone(name: str, now: datetime) -> Any:
    from icalendar import Calendar, Timezone

    if name in _CHANGES:
        lines = ["BEGIN:VTIMEZONE", f"TZID:{name}"]
        for part, onset, when, before, after, called in _CHANGES[name]:
            lines += [f"BEGIN:{part}", f"DTSTART:{onset}", f"RRULE:FREQ=YEARLY;{when}", f"TZOFFSETFROM:{before}"]
            lines += [f"TZOFFSETTO:{after}", f"TZNAME:{called}", f"END:{part}"]
        return Calendar.from_ical("\r\n".join([*lines, "END:VTIMEZONE", ""]))
    return Timezone.from_tzid(name, first_date=date(now.year - 1, 1, 1), last_date=date(now.year + 11, 1, 1))


def _texts(values: Any) -> list[str]:
    return [str(one) for one in values] if isinstance(values, list | tuple) else []
