"""Appointments by mail: an iMIP invitation read, and the answer to it written (RFC 5545, 5546, 6047).

Promises: pure, linear, capped (256 kB, 5000 lines, 5 levels); no rule is ever expanded and no time zone of a stranger
enters a table shared with others: a VTIMEZONE is evaluated for the one year it is needed in. Raises `Malformed` only.
Does not put anything in an agenda: that is the patient's consent (item 30), and the UID is the sender's word. Own
reader of content lines: the `icalendar` library, our oracle in the tests, keeps the VTIMEZONE of any mail in a global
cache under the name it gave itself, and expands its rules up to the year 2038.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal

from mail_gateway.contentlines import Component, Line, fold, parse_calendar
from mail_gateway.headers import Mailbox, clean
from mail_gateway.malformed import Malformed
from mail_gateway.timezones import MOMENT, Zones

__all__ = ["Answer", "Attendee", "Invitation", "Mailbox", "Malformed", "read_invitation", "reply"]

Answer = Literal["ACCEPTED", "DECLINED", "TENTATIVE"]

MAX_ATTENDEES: Final = 200
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
    what has the same. `recurrence`: it repeats; `recurrence_id`: it is one of the repetitions. `start` is None only
    in a CANCEL or a REPLY that does not say it.
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
    ics: str


def read_invitation(ics: str) -> Invitation:
    """The event of a text/calendar. Raises Malformed("ics", "ics_size", "ics_no_event", "ics_many")."""
    calendar = parse_calendar(ics)
    event, zones = _event(calendar), Zones(calendar)
    method = clean(calendar.value("METHOD")).strip().upper()[:20] or "PUBLISH"
    start = _moment(event.line("DTSTART"), zones)
    if start is None and method not in ("CANCEL", "REPLY"):
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
        attendees=tuple(_attendee(line) for line in event.lines("ATTENDEE"))[:MAX_ATTENDEES],
        recurrence=bool(event.value("RRULE") or event.value("RDATE") or event.value("RECURRENCE-ID")),
        recurrence_id=clean(event.value("RECURRENCE-ID")).strip()[:100],
        status=clean(event.value("STATUS")).strip().upper()[:20],
        url=clean(event.value("URL")).strip()[:1000],
        ics=ics,
    )


def reply(ics: str, attendee: Mailbox, answer: Answer, now: datetime) -> str:
    """The METHOD:REPLY to an invitation (RFC 5546 §3.2.3): its UID, SEQUENCE, RECURRENCE-ID and ORGANIZER as they
    came, and one ATTENDEE with the answer. `now` is aware. Lines end in CRLF and are folded at 75 octets. Raises
    Malformed.
    """
    calendar = parse_calendar(ics)
    event = _event(calendar)
    address = clean(attendee.address).strip()
    known = next((line for line in event.lines("ATTENDEE") if _mailbox(line).address.lower() == address.lower()), None)
    name = (_mailbox(known).name if known else "") or clean(attendee.name)
    kept = [
        event.line(wanted)
        for wanted in ("UID", "SEQUENCE", "RECURRENCE-ID", "ORGANIZER", "DTSTART", "DTEND", "DURATION", "SUMMARY")
    ]
    lines = ["BEGIN:VCALENDAR", f"PRODID:{PRODUCT}", "VERSION:2.0", "METHOD:REPLY"]
    # The times are repeated as they came, so a zone they name must be defined again (RFC 5545 §3.2.19).
    if any("TZID" in line.params for line in kept if line is not None):
        for zone in calendar.children:
            if zone.name == "VTIMEZONE":
                lines.extend(zone.raw())
    lines.append("BEGIN:VEVENT")
    lines.extend(line.raw for line in kept if line is not None)
    lines.append(f"DTSTAMP:{now.astimezone(UTC):%Y%m%dT%H%M%SZ}")
    quoted = name.replace('"', "'")
    lines.append(f'ATTENDEE;{f"""CN="{quoted}";""" if quoted else ""}PARTSTAT={answer}:mailto:{address}')
    lines += ["END:VEVENT", "END:VCALENDAR"]
    return "".join(f"{fold(line)}\r\n" for line in lines)


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
    return next((event for event in events if event.line("RECURRENCE-ID") is None), events[0])


# ---- values ----------------------------------------------------------------------------------------------------------

_ESCAPED = re.compile(r"\\([nN\\;,])")
_DURATION = re.compile(r"\+?P(?:(\d{1,4})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,7})S)?)?")


def _text(value: str) -> str:
    return _ESCAPED.sub(lambda match: "\n" if match[1] in "nN" else match[1], value)


def _mailbox(line: Line) -> Mailbox:
    address = clean(line.value).strip()
    if address[:7].lower() == "mailto:":
        address = address[7:]
    local, at, domain = address.rpartition("@")
    return Mailbox(clean(line.params.get("CN", "")).strip()[:200], f"{local}{at}{domain.lower()}"[:320])


def _attendee(line: Line) -> Attendee:
    mailbox = _mailbox(line)
    partstat = clean(line.params.get("PARTSTAT", "NEEDS-ACTION")).upper()[:20]
    return Attendee(mailbox.name, mailbox.address, partstat, line.params.get("RSVP", "").upper() == "TRUE")


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
