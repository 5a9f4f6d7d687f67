"""Invitations in the manner of those who write them: Outlook, Google, Apple, an appointment site, hospital software.

Each is written here from scratch, in its client's habits (names of zones, twins, what is missing), about the people of
the demonstration. A mail is bytes with CRLF; the same call gives the same bytes.
"""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP

from tests.letters import DOMINIQUE, Who, _address, _bytes
from tests.mail_house import ELSEWHERE

PATIENT = f"{DOMINIQUE}@patient.pli.example"

EXCHANGE_ZONE = (
    "BEGIN:VTIMEZONE", "TZID:Romance Standard Time", "BEGIN:STANDARD", "DTSTART:16010101T030000", "TZOFFSETFROM:+0200",
    "TZOFFSETTO:+0100", "RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10", "END:STANDARD", "BEGIN:DAYLIGHT",
    "DTSTART:16010101T020000", "TZOFFSETFROM:+0100", "TZOFFSETTO:+0200",
    "RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3", "END:DAYLIGHT", "END:VTIMEZONE",
)  # fmt: skip


def calendar(*event: str, method: str = "REQUEST", around: tuple[str, ...] = ()) -> str:
    """A VCALENDAR with one event of these lines; no METHOD line when it is "". `around`: more components."""
    said = (f"METHOD:{method}",) if method else ()
    lines = ("BEGIN:VCALENDAR", "PRODID:-//Essai//FR", "VERSION:2.0", *said, *around, "BEGIN:VEVENT", *event)
    return "".join(f"{line}\r\n" for line in (*lines, "END:VEVENT", "END:VCALENDAR"))


def event(
    uid: str = "rdv-1@operator.example",
    start: str = "DTSTART:20991201T090000Z",
    end: str = "DTEND:20991201T093000Z",
    sequence: int | None = 0,
    stamp: str = "20261123T120000Z",
    summary: str = "Consultation d’anesthésie",
    organizer: Who | None = ELSEWHERE,
    guest: str | None = PATIENT,
    *more: str,
) -> list[str]:
    """The lines of a plain event. `organizer`, `guest`, `sequence` None and empty strings leave the line out."""
    lines = [f"UID:{uid}", start, end, f"SUMMARY:{summary}", *more]
    lines += [f"DTSTAMP:{stamp}"] if stamp else []
    lines += [f"SEQUENCE:{sequence}"] if sequence is not None else []
    if organizer is not None:
        name, address = ("", organizer) if isinstance(organizer, str) else organizer
        lines.append(f'ORGANIZER;CN="{name}":mailto:{address}')
    lines += [f"ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:{guest}"] if guest else []
    return [line for line in lines if line]


def mail(
    ics: str,
    *,
    from_: Who = ELSEWHERE,
    text: str = "Bonjour, voici votre rendez-vous.",
    message_id: str = "<rdv@operator.example>",
    subject: str = "Rendez-vous",
    method: str = "",
    place: str = "alternative",
    twin: str = "",
    headers: dict[str, str] | None = None,
) -> bytes:
    """A mail around a calendar. `method`: the parameter of its Content-Type. `place`: `alternative`, or the media type
    of a file `invite.ics`. `twin`: one more copy, attached, of that media type.
    """
    letter = EmailMessage(policy=SMTP)
    letter["From"], letter["To"] = _address(from_), PATIENT
    letter["Subject"], letter["Message-ID"], letter["Date"] = subject, message_id, "Mon, 23 Nov 2026 12:00:00 +0000"
    for name, value in (headers or {}).items():
        letter[name] = value
    letter.set_content(text)
    params = {"method": method} if method else {}
    if place == "alternative":
        letter.add_alternative(ics, subtype="calendar", params=params)
    for kind in (place, twin):
        maintype, _, subtype = kind.partition("/")
        if subtype:
            letter.add_attachment(ics.encode(), maintype=maintype, subtype=subtype, filename="invite.ics")
    return _bytes(letter)


def outlook(sequence: int = 0, start: str = "20991201T100000", **more: str) -> bytes:
    """Windows' name of the zone, an upper-case MAILTO, properties of Exchange; the text repeated as DESCRIPTION."""
    lines = (
        f'ORGANIZER;CN="BERTIN, Paul":MAILTO:{ELSEWHERE[1]}',
        f"ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE;CN={PATIENT}:MAILTO:{PATIENT}",
        "DESCRIPTION;LANGUAGE=fr-FR:Bonjour\\, voici votre rendez-vous.\\n\\n",
        "SUMMARY;LANGUAGE=fr-FR:Pose d’un plâtre",
        f"DTSTART;TZID=Romance Standard Time:{start}", f"DTEND;TZID=Romance Standard Time:{start[:9]}110000",
        "UID:040000008200E00074C5B7101A82E00800000000D0A1", "CLASS:PUBLIC", "PRIORITY:5", "DTSTAMP:20261123T090000Z",
        "TRANSP:OPAQUE", "STATUS:CONFIRMED", f"SEQUENCE:{sequence}", "LOCATION;LANGUAGE=fr-FR:Salle des plâtres",
        "X-MICROSOFT-CDO-APPT-SEQUENCE:0", "X-MICROSOFT-CDO-BUSYSTATUS:TENTATIVE", "X-MICROSOFT-DISALLOW-COUNTER:FALSE",
        "BEGIN:VALARM", "DESCRIPTION:REMINDER", "TRIGGER;RELATED=START:-PT15M", "ACTION:DISPLAY", "END:VALARM",
    )  # fmt: skip
    return mail(calendar(*lines, around=EXCHANGE_ZONE), method="REQUEST", **more)  # type: ignore[arg-type]


def google(**more: str) -> bytes:
    """UTC, the same calendar again as application/ics, a link in the description, many parameters."""
    lines = (
        "DTSTART:20991201T090000Z", "DTEND:20991201T100000Z", "DTSTAMP:20261123T090000Z",
        f"ORGANIZER;CN=Paul Bertin:mailto:{ELSEWHERE[1]}", "UID:4k2v0example@google.example",
        "ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=",
        f" TRUE;CN={PATIENT};X-NUM-GUESTS=0:mailto:{PATIENT}", "X-MICROSOFT-CDO-OWNERAPPTID:-1",
        "CREATED:20261123T080000Z", "DESCRIPTION:Rejoindre : https://visio.example/abc\\n\\nNe pas modifier ceci.",
        "LAST-MODIFIED:20261123T090000Z", "LOCATION:", "SEQUENCE:0", "STATUS:CONFIRMED", "SUMMARY:Téléconsultation",
    )  # fmt: skip
    return mail(calendar(*lines), method="REQUEST", twin="application/ics", **more)  # type: ignore[arg-type]


def apple(**more: str) -> bytes:
    """IANA's zone with its definition, people named by what is no address, a file beside the text."""
    zone = tuple(line.replace("Romance Standard Time", "Europe/Paris") for line in EXCHANGE_ZONE)
    lines = (
        "CREATED:20261123T080000Z", "UID:0F3A-EXAMPLE-0001", "DTEND;TZID=Europe/Paris:20991201T110000",
        f'ATTENDEE;CUTYPE=INDIVIDUAL;EMAIL="{PATIENT}";PARTSTAT=NEEDS-ACTION;RSVP=TRUE:urn:uuid:0001',
        "SUMMARY:Bilan orthoptique", "DTSTART;TZID=Europe/Paris:20991201T100000", "DTSTAMP:20261123T090000Z",
        f'ORGANIZER;CN="Paul Bertin";EMAIL="{ELSEWHERE[1]}":urn:uuid:0002', "SEQUENCE:1", "TRANSP:OPAQUE",
    )  # fmt: skip
    ics = calendar(*lines, around=zone)
    return mail(ics, place="text/calendar", **more)  # type: ignore[arg-type]


def site(**more: str) -> bytes:
    """An appointment site: an announcement without method, guests or sequence, attached as a file of octets."""
    lines = (
        "UID:rdv-88-site", "DTSTAMP:20261123T090000Z", "DTSTART;TZID=Europe/Paris:20991201T100000",
        "DTEND;TZID=Europe/Paris:20991201T102000", "SUMMARY:Rendez-vous : Dr Bertin", "LOCATION:2 rue du Port\\, Pli",
    )  # fmt: skip
    ics = calendar(*lines, method="")
    return mail(ics, place="application/octet-stream", text="Votre rendez-vous est confirmé.", **more)  # type: ignore[arg-type]


def hospital(**more: str) -> bytes:
    """Hospital software: bare newlines, a floating time, no organiser, no stamp, the method only in Content-Type."""
    lines = (
        "UID:ADM-2099-0042", "DTSTART:20991201T100000", "DURATION:PT45M", "SUMMARY:Admission en chirurgie",
        "LOCATION:Bureau des entrées", f"ATTENDEE:mailto:{PATIENT}",
    )  # fmt: skip
    ics = calendar(*lines, method="").replace("\r\n", "\n")
    return mail(ics, method="REQUEST", **more)  # type: ignore[arg-type]
