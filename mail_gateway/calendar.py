"""Appointments by mail: an iMIP message read, and what answers it written (RFC 5545, 5546, 6047).

Promises: pure, linear, capped (256 kB, 5000 lines, 5 levels); no rule is ever expanded and no time zone of a stranger
enters a table shared with others: a VTIMEZONE is evaluated for the one year it is needed in. Raises `Malformed` only.
Does not put anything in an agenda: that is the patient's consent (item 30), and the UID is the sender's word. Own
reader of content lines: the `icalendar` library, our oracle in the tests, keeps the VTIMEZONE of any mail in a global
cache under the name it gave itself, and expands its rules up to the year 2038.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Final, Literal

from mail_gateway import series
from mail_gateway.contentlines import Component, Line, fold, parse_calendar
from mail_gateway.headers import Mailbox, clean
from mail_gateway.timezones import FRANCE, MOMENT, Zones
from server.formats.malformed import Malformed

__all__ = ["Answer", "Attendee", "Invitation", "Mailbox", "Malformed", "counter", "essence", "read_invitation", "reply"]

Answer = Literal["ACCEPTED", "DECLINED", "TENTATIVE"]

MAX_ATTENDEES: Final = 200
MAX_KEPT: Final = 2000  # characters of a line of the organiser's that an answer repeats
MAX_ZONE: Final = 6000  # characters of a VTIMEZONE that an answer repeats
PRODUCT: Final = "-//Pli//Agenda//FR"


@dataclass(frozen=True, slots=True)
class Attendee:
    """Someone invited, and their answer so far (NEEDS-ACTION, ACCEPTED, DECLINED, TENTATIVE …)."""

    name: str
    address: str
    partstat: str
    rsvp: bool


@dataclass(frozen=True, slots=True)
class Invitation:
    """One event. `start` and `end` are aware, or days when `all_day` (the end then being the day after the last).

    `method`: REQUEST, CANCEL, REPLY, PUBLISH … `sequence` grows with each change of the organiser's; `stamp` orders
    what has the same. `recurrence`: it repeats; `recurrence_id`: which of the repetitions it is, as an instant in UTC
    or a day, "" for the whole series. `start` is None only in what cancels or answers and does not say it.
    """

    method: str
    uid: str
    sequence: int
    stamp: datetime | None
    summary: str
    start: datetime | date | None
    end: datetime | date | None
    all_day: bool
    location: str
    description: str
    organizer: Mailbox
    attendees: tuple[Attendee, ...]
    recurrence: bool
    recurrence_id: str
    status: str
    url: str
    source: Component
    series: series.Series = field(default_factory=series.Series)


def read_invitation(ics: str, announced: str = "") -> Invitation:
    """The event of a text/calendar. `announced`: the `method` of its Content-Type, for a calendar that says none.

    Raises Malformed("ics", "ics_size", "ics_no_event", "ics_many").
    """
    calendar = parse_calendar(ics)
    event, zones = _event(calendar), Zones(calendar)
    method = _method(calendar, event, announced)
    start = _moment(event.line("DTSTART"), zones)
    if start is None and method not in ("CANCEL", "REPLY", "DECLINECOUNTER"):
        raise Malformed("ics", "Le rendez-vous n’a pas de date de début.")
    sequence = event.value("SEQUENCE").strip()
    organizer = event.line("ORGANIZER")
    stamp = _moment(event.line("DTSTAMP"), zones)
    return Invitation(
        method=method,
        uid=event.value("UID").strip(),
        sequence=int(sequence) if sequence.isascii() and sequence.isdigit() and len(sequence) < 10 else 0,
        stamp=stamp if isinstance(stamp, datetime) else None,
        summary=clean(_text(event.value("SUMMARY"))).strip()[:500],
        start=start,
        end=_end(event, start, zones),
        all_day=start is not None and not isinstance(start, datetime),
        location=clean(_text(event.value("LOCATION"))).strip()[:500],
        description=_text(event.value("DESCRIPTION"))[:20_000],
        organizer=_mailbox(organizer) if organizer else Mailbox("", ""),
        attendees=tuple(_attendee(line) for line in islice(event.lines("ATTENDEE"), MAX_ATTENDEES)),
        recurrence=bool(event.value("RRULE") or event.value("RDATE") or event.value("RECURRENCE-ID")),
        recurrence_id=_instance(event, zones),
        status=clean(event.value("STATUS")).strip().upper()[:20],
        url=clean(event.value("URL")).strip()[:1000],
        source=calendar,
        series=_series(calendar, event, zones),
    )


def _series(calendar: Component, event: Component, zones: Zones) -> series.Series:
    """How it repeats, with the dates that the same calendar puts elsewhere."""
    if event.line("RECURRENCE-ID") is not None:
        return series.Series()
    others = (one for one in calendar.children if one.name == "VEVENT" and one is not event)

    def ended(one: Component) -> str:
        end = _end(one, _moment(one.line("DTSTART"), zones), zones)
        return end.isoformat() if end is not None else ""

    return series.read(event, others, lambda line: _moment(line, zones), ended)


def essence(invitation: Invitation, attendee: str) -> str:
    """What the answers need of an invitation, and no more: the other guests (who may be other patients), the
    description and the alarms stay in the mail. `attendee`: the patient's address.
    """
    calendar = invitation.source
    event = _event(calendar)
    kept = _repeated(event, "UID", "SEQUENCE", "RECURRENCE-ID", "ORGANIZER", "DTSTART", "DTEND", "DURATION", "SUMMARY")
    kept += [line for line in event.lines("ATTENDEE") if _same_person(_mailbox(line).address, attendee)][:1]
    return _written("REQUEST", calendar, kept, [])


def reply(ics: str, attendee: Mailbox, answer: Answer, now: datetime, organizer: str = "") -> str:
    """The METHOD:REPLY to an invitation (RFC 5546 § 3.2.3): its UID, SEQUENCE, RECURRENCE-ID and ORGANIZER as they
    came, and one ATTENDEE with the answer. `now` is aware; `organizer`: who is answered when the invitation does not
    say. Lines end in CRLF and are folded at 75 octets. Raises Malformed.
    """
    calendar = parse_calendar(ics)
    event = _event(calendar)
    kept = _repeated(event, "UID", "SEQUENCE", "RECURRENCE-ID", "ORGANIZER", "DTSTART", "DTEND", "DURATION", "SUMMARY")
    return _written("REPLY", calendar, kept, _answering(event, attendee, answer, now, organizer))


def counter(
    ics: str, attendee: Mailbox, now: datetime, start: datetime | date | None, comment: str, organizer: str = ""
) -> str:
    """The METHOD:COUNTER to an invitation (RFC 5546 § 3.2.7): another beginning is proposed, with the same length, or
    only asked for, in words (COMMENT). A day alone keeps the hour. As `reply` otherwise.
    """
    calendar = parse_calendar(ics)
    event, zones = _event(calendar), Zones(calendar)
    was = _moment(event.line("DTSTART"), zones)
    said = _answering(event, attendee, "TENTATIVE", now, organizer)
    said += [f"COMMENT:{_escaped(comment)}"] if comment.strip() else []
    kept = _repeated(event, "UID", "SEQUENCE", "RECURRENCE-ID", "ORGANIZER", "SUMMARY")
    if start is None or was is None:
        return _written("COUNTER", calendar, kept + _repeated(event, "DTSTART", "DTEND", "DURATION"), said)
    ends = _end(event, was, zones) or was
    if isinstance(was, datetime) and not isinstance(start, datetime):
        start = datetime.combine(start, was.astimezone(FRANCE).time(), FRANCE)
    said += [f"DTSTART{_value(start)}", *_proposed_end(start, was, ends)]
    # What Outlook shows the proposal against (MS-OXCICAL § 2.1.3.1.1.20.59 and 60); others pass over it.
    said += [f"X-MS-OLK-ORIGINALSTART{_value(was)}", f"X-MS-OLK-ORIGINALEND{_value(ends)}"]
    return _written("COUNTER", calendar, kept, said)


def _event(calendar: Component) -> Component:
    """The event, or the master of a repeated one. Raises Malformed when there is none or are several of them."""
    events = [child for child in calendar.children if child.name == "VEVENT"]
    if not events:
        raise Malformed("ics_no_event", "L’invitation ne contient pas de rendez-vous.")
    uids = {event.value("UID").strip() for event in events}
    if len(uids) > 1:
        raise Malformed("ics_many", "Le fichier contient plusieurs rendez-vous.")
    uid = uids.pop()
    if not uid or len(uid) > 255 or clean(uid) != uid:
        raise Malformed("ics", "Le rendez-vous n’a pas d’identifiant utilisable.")
    master = next((event for event in events if event.line("RECURRENCE-ID") is None), None)
    if master is None and len(events) > 1:
        raise Malformed("ics_many", "Le fichier contient plusieurs rendez-vous.")  # repetitions, each by itself
    return master or events[0]


def _method(calendar: Component, event: Component, announced: str) -> str:
    """RFC 5546 § 1.4. Where nothing says, an event with an organiser and guests asks, any other one tells; and one that
    says it is cancelled is (old Exchange servers, hospital software).
    """
    method = clean(calendar.value("METHOD") or announced).strip().upper()[:20]
    if not method:
        method = "REQUEST" if event.line("ATTENDEE") and event.line("ORGANIZER") else "PUBLISH"
    cancelled = clean(event.value("STATUS")).strip().upper() == "CANCELLED"
    return "CANCEL" if cancelled and method in ("REQUEST", "PUBLISH") else method


# ---- writing ---------------------------------------------------------------------------------------------------------


def _repeated(event: Component, *names: str) -> list[Line]:
    """The first line of each name, as it came; one of a length no person wrote is left out."""
    return [line for name in names if (line := event.line(name)) is not None and len(line.raw) <= MAX_KEPT]


def _answering(event: Component, attendee: Mailbox, answer: str, now: datetime, organizer: str) -> list[str]:
    """Who answers, what, when. The patient answers by the address they were invited at, else the organiser's software
    does not find them among its guests.
    """
    asked = clean(attendee.address).strip()
    known = next((line for line in event.lines("ATTENDEE") if _same_person(_mailbox(line).address, asked)), None)
    mailbox = _mailbox(known) if known else Mailbox("", asked)
    name = (mailbox.name or clean(attendee.name)).replace('"', "'")
    lines = [f"DTSTAMP:{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"]
    lines.append(f'ATTENDEE;{f"""CN="{name}";""" if name else ""}PARTSTAT={answer}:mailto:{mailbox.address}')
    if event.line("ORGANIZER") is None and organizer:
        lines.append(f"ORGANIZER:mailto:{clean(organizer).strip()}")
    return lines


def _written(method: str, calendar: Component, kept: list[Line], said: list[str]) -> str:
    lines = ["BEGIN:VCALENDAR", f"PRODID:{PRODUCT}", "VERSION:2.0", f"METHOD:{method}"]
    # The times are repeated as they came, so a zone they name must be defined again (RFC 5545 § 3.2.19).
    named = {line.params["TZID"] for line in kept if "TZID" in line.params}
    for zone in calendar.children:
        if zone.name == "VTIMEZONE" and zone.value("TZID") in named:
            raw = list(zone.raw())
            lines += raw if sum(map(len, raw)) <= MAX_ZONE else []
    lines += ["BEGIN:VEVENT", *(line.raw for line in kept), *said, "END:VEVENT", "END:VCALENDAR"]
    return "".join(f"{fold(line)}\r\n" for line in lines)


def _same_person(one: str, other: str) -> bool:
    """Two spellings of a patient's address: a tag after + and the case of letters say nothing of who it is."""

    def plain(address: str) -> str:
        local, _, domain = address.casefold().rpartition("@")
        return f"{local.partition('+')[0]}@{domain}"

    return plain(one) == plain(other)


def _proposed_end(start: datetime | date, was: datetime | date, ends: datetime | date) -> list[str]:
    """As long as what was planned, in exact time; nothing for an hour in the place of a whole day, whose length nobody
    said.
    """
    try:
        if not (isinstance(start, datetime) or isinstance(was, datetime) or isinstance(ends, datetime)):
            return [f"DTEND{_value(start + (ends - was))}"]
        if isinstance(start, datetime) and isinstance(was, datetime) and isinstance(ends, datetime):
            return [f"DTEND{_value(start.astimezone(UTC) + (ends.astimezone(UTC) - was.astimezone(UTC)))}"]
    except OverflowError:
        pass  # an appointment of eight thousand years
    return []


def _value(moment: datetime | date) -> str:
    if isinstance(moment, datetime):
        return f":{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    return f";VALUE=DATE:{moment:%Y%m%d}"


def _escaped(text: str) -> str:
    """A TEXT (RFC 5545 § 3.3.11), without what could end the line."""
    lines = (clean(line).strip() for line in text.splitlines())
    return "\\n".join(re.sub(r"([\\;,])", r"\\\1", line) for line in lines)


# ---- values ----------------------------------------------------------------------------------------------------------

_ESCAPED = re.compile(r"\\([nN\\;,])")
_DURATION = re.compile(
    r"\+?P(?:(\d{1,4})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,7})S)?)?", re.ASCII
)


def _text(value: str) -> str:
    return _ESCAPED.sub(lambda match: "\n" if match[1] in "nN" else match[1], value)


def _mailbox(line: Line) -> Mailbox:
    address = clean(line.value).strip()
    if address[:7].lower() == "mailto:":
        address = address[7:]
    elif "@" in line.params.get("EMAIL", ""):  # RFC 7986 § 6.2: Apple names people by what is no address
        address = clean(line.params["EMAIL"]).strip()
    local, at, domain = address.rpartition("@")
    return Mailbox(clean(line.params.get("CN", "")).strip()[:200], f"{local}{at}{domain.lower()}"[:320])


def _attendee(line: Line) -> Attendee:
    mailbox = _mailbox(line)
    partstat = clean(line.params.get("PARTSTAT", "NEEDS-ACTION")).upper()[:20]
    return Attendee(mailbox.name, mailbox.address, partstat, line.params.get("RSVP", "").upper() == "TRUE")


def _instance(event: Component, zones: Zones) -> str:
    """Which repetition, said the same way however the organiser's software writes it this time."""
    line = event.line("RECURRENCE-ID")
    at = _moment(line, zones)
    if at is None:
        return clean(line.value).strip()[:100] if line is not None else ""
    return (at.astimezone(UTC) if isinstance(at, datetime) else at).isoformat()


def _moment(line: Line | None, zones: Zones) -> datetime | date | None:
    """A DATE, or a DATE-TIME made aware: UTC, its TZID, or France for a time that floats. None when it is neither."""
    match = MOMENT.fullmatch(line.value.strip()) if line is not None else None
    if line is None or match is None:
        return None
    year, month, day, hour, minute, second, utc = match.groups()
    if not 1900 <= int(year) <= 9998:
        return None
    try:
        if hour is None:
            return date(int(year), int(month), int(day))
        moment = datetime(int(year), int(month), int(day), int(hour), int(minute), min(int(second), 59), tzinfo=UTC)
    except ValueError:
        return None
    if utc:
        return moment
    naive = moment.replace(tzinfo=None)
    return naive.replace(tzinfo=zones.at(line.params.get("TZID", ""), naive))


def _end(event: Component, start: datetime | date | None, zones: Zones) -> datetime | date | None:
    """RFC 5545 §3.6.1: DTEND, or DTSTART and DURATION, or one day, or no time at all. Never before the start."""
    if start is None:
        return None
    end = _moment(event.line("DTEND"), zones)
    if end is not None and isinstance(end, datetime) == isinstance(start, datetime) and end >= start:
        return end
    match = _DURATION.fullmatch(event.value("DURATION").strip())
    length = timedelta(0) if isinstance(start, datetime) else timedelta(days=1)
    if match is not None and match[0] not in ("P", "+P"):
        weeks, days, hours, minutes, seconds = (int(group or 0) for group in match.groups())
        length = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    try:
        if isinstance(start, datetime):  # a length is exact time, also across a change of clocks
            return (start.astimezone(UTC) + length).astimezone(start.tzinfo)
        return start + length
    except OverflowError:
        return start
