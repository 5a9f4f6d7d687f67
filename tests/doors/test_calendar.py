"""Appointments by mail: read as the organiser meant them, answered as their client expects, and no way to do harm."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import icalendar
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail_gateway import mime
from mail_gateway.calendar import Attendee, counter, essence, read_invitation, reply
from mail_gateway.compose import OutLetter, compose
from mail_gateway.headers import Mailbox
from server.formats.malformed import Malformed
from tests import letters

DOMINIQUE = Mailbox("Dominique PAT-TROIS", "279035121518989@patient.pli.example")
WINTER, SUMMER = timezone(timedelta(hours=1)), timezone(timedelta(hours=2))

# A zone of an old Exchange server, under a name nobody else knows, with the rules of France.
OWN_ZONE = """BEGIN:VTIMEZONE\r
TZID:{name}\r
BEGIN:STANDARD\r
DTSTART:16010101T030000\r
TZOFFSETFROM:+0200\r
TZOFFSETTO:+0100\r
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10\r
END:STANDARD\r
BEGIN:DAYLIGHT\r
DTSTART:16010101T020000\r
TZOFFSETFROM:+0100\r
TZOFFSETTO:+0200\r
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3\r
END:DAYLIGHT\r
END:VTIMEZONE\r
"""


def event(*lines: str, method: str = "REQUEST", zone: str = "") -> str:
    inside = "".join(f"{line}\r\n" for line in ("UID:1@pli.example", "DTSTAMP:20261123T120000Z", *lines))
    inside = f"{zone}BEGIN:VEVENT\r\n{inside}END:VEVENT\r\n"
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:{method}\r\n{inside}END:VCALENDAR\r\n"


def instant(moment: datetime | date | None) -> datetime | date | None:
    """In UTC: by Python's rule two local times in the hour that occurs twice are never equal."""
    return moment.astimezone(UTC) if isinstance(moment, datetime) else moment


def refused(ics: str) -> str:
    with pytest.raises(Malformed) as caught:
        read_invitation(ics)
    return caught.value.code


# ---- reading ---------------------------------------------------------------------------------------------------------


def test_the_appointment_dr_morel_sends_by_mail_is_read_whole() -> None:
    found = read_invitation(mime.read(letters.invitation()).calendar)
    assert (found.method, found.uid, found.sequence) == ("REQUEST", "rendez-vous-1@pli.example", 0)
    assert found.summary == "Consultation d’anesthésie"
    assert found.location == "CHU de Pli, bâtiment B"
    assert found.start == datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
    assert found.end == datetime(2026, 12, 1, 9, 30, tzinfo=UTC)
    assert found.organizer == Mailbox(*letters.MOREL)
    assert found.attendees == (Attendee(DOMINIQUE.name, DOMINIQUE.address, "NEEDS-ACTION", True),)
    assert not found.all_day
    assert not found.recurrence


@pytest.mark.parametrize(
    ("lines", "start", "end"),
    [
        (("DTSTART:20261201T090000Z",), datetime(2026, 12, 1, 9, tzinfo=UTC), datetime(2026, 12, 1, 9, tzinfo=UTC)),
        (("DTSTART;TZID=Europe/Paris:20260701T090000", "DURATION:PT1H30M"),
         datetime(2026, 7, 1, 9, tzinfo=SUMMER), datetime(2026, 7, 1, 10, 30, tzinfo=SUMMER)),
        (('DTSTART;TZID="Romance Standard Time":20261201T090000', "DTEND:20261201T083000Z"),
         datetime(2026, 12, 1, 9, tzinfo=WINTER), datetime(2026, 12, 1, 9, 30, tzinfo=WINTER)),
        (("DTSTART:20261201T090000", "DTEND:20261201T093000"),  # floating: France
         datetime(2026, 12, 1, 9, tzinfo=WINTER), datetime(2026, 12, 1, 9, 30, tzinfo=WINTER)),
        (("DTSTART;VALUE=DATE:20261201",), date(2026, 12, 1), date(2026, 12, 2)),
        (("DTSTART;VALUE=DATE:20261201", "DTEND;VALUE=DATE:20261204"), date(2026, 12, 1), date(2026, 12, 4)),
        (("DTSTART;VALUE=DATE:20261201", "DURATION:P1W"), date(2026, 12, 1), date(2026, 12, 8)),
        (("DTSTART:20261201T090000Z", "DTEND:20261201T080000Z"),  # ends before it begins
         datetime(2026, 12, 1, 9, tzinfo=UTC), datetime(2026, 12, 1, 9, tzinfo=UTC)),
        (("DTSTART;TZID=Europe/Paris:20261025T013000", "DURATION:PT2H"),  # through the change to winter time
         datetime(2026, 10, 25, 1, 30, tzinfo=SUMMER), datetime(2026, 10, 25, 2, 30, tzinfo=WINTER)),
        (("DTSTART;TZID=Indian/Reunion:20261201T090000",),
         datetime(2026, 12, 1, 5, tzinfo=UTC), datetime(2026, 12, 1, 5, tzinfo=UTC)),
        (("DTSTART;TZID=../../etc/passwd:20261201T090000",),
         datetime(2026, 12, 1, 8, tzinfo=UTC), datetime(2026, 12, 1, 8, tzinfo=UTC)),
        (("DTSTART:99981231T235959Z", "DURATION:P99999D"),
         datetime(9998, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(9998, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_the_time_is_the_one_the_organiser_meant(
    lines: tuple[str, ...], start: datetime | date, end: datetime | date
) -> None:
    found = read_invitation(event(*lines))
    assert (instant(found.start), instant(found.end)) == (instant(start), instant(end))
    assert found.all_day is not isinstance(start, datetime)


@pytest.mark.parametrize(
    ("local", "zone"),
    [("20260328T090000", WINTER), ("20260330T090000", SUMMER), ("20261024T090000", SUMMER), ("20261026T090000", WINTER),
     ("20260115T090000", WINTER), ("20260701T090000", SUMMER)],
)  # fmt: skip
def test_a_zone_only_its_sender_knows_is_understood_by_its_rules(local: str, zone: timezone) -> None:
    found = read_invitation(event(f'DTSTART;TZID="Heure du CHU":{local}', zone=OWN_ZONE.format(name="Heure du CHU")))
    assert found.start == datetime.strptime(local, "%Y%m%dT%H%M%S").replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("old", "new", "zone"),
    [
        ("", "", WINTER),
        ("+0100", "+2500", WINTER),  # no offset at all: France
        ("-1SU;BYMONTH=10", "5MO;BYMONTH=2", SUMMER),  # a fifth Monday there is not: the summer time of March goes on
        ("RRULE:FREQ=YEARLY", "RRULE:FREQ=SECONDLY", WINTER),  # no yearly rule: the last of the beginnings
        ("DTSTART:1601", "DTSTART:2099", SUMMER),  # before its first beginning: what it changed from
        ("16010101T", "16019999T", SUMMER),
    ],
)
def test_a_zone_of_its_own_with_odd_rules_still_gives_a_time(old: str, new: str, zone: timezone) -> None:
    own = OWN_ZONE.format(name="Heure_du_CHU").replace(old, new) if old else OWN_ZONE.format(name="Heure_du_CHU")
    found = read_invitation(event("DTSTART;TZID=Heure_du_CHU:20261201T090000", zone=own))
    assert found.start == datetime(2026, 12, 1, 9, tzinfo=zone)


@pytest.mark.parametrize(
    ("tzid", "utc"),
    [
        ("Romance Standard Time", 8), ("romance standard time", 8), ("W. Europe Standard Time", 8),
        ("Central European Standard Time", 8), ("Mauritius Standard Time", 5), ("SA Eastern Standard Time", 12),
        ("Russian Standard Time", 6), ("Tokyo Standard Time", 0), ("Eastern Standard Time", 14), ("UTC", 9),
        ("tzone://Microsoft/Utc", 9), ("tzone://Microsoft/Custom", 8), ("Customized Time Zone", 8),
        ("/mozilla.org/20050126_1/Europe/Paris", 8), ("/freeassociation.sourceforge.net/Indian/Reunion", 5),
        ("/x/America/Argentina/Buenos_Aires", 12), ("CET", 8), ("Europe/Paris", 8), ("America/Cayenne", 12),
        ("(UTC+01:00) Bruxelles\\, Copenhague\\, Madrid\\, Paris", 8), ("(UTC+04:00) Port Louis", 5),
        ("(UTC-03:00) Cayenne\\, Fortaleza", 12), ("GMT+04:00", 5), ("UTC+1", 8), ("(UTC) Temps universel", 9),
        ("(UTC+99:00) Nulle part", 8), ("Paris\\, Madrid", 8), ("Nulle/Part", 8), ("GMT0", 9), ("", 8),
    ],
)  # fmt: skip
def test_a_zone_is_known_by_whatever_name_software_gives_it(tzid: str, utc: int) -> None:
    """Nine o'clock there, on a winter's day; France when nobody knows."""
    name = tzid.replace("\\", "")
    found = read_invitation(event(f'DTSTART;TZID="{name}":20261201T090000'))
    assert instant(found.start) == datetime(2026, 12, 1, utc, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "at"),
    [
        ("DTSTART;TZID={}:20260329T015959", datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)),
        ("DTSTART;TZID={}:20260329T023000", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),  # there is no such hour
        ("DTSTART;TZID={}:20260329T030000", datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),
        ("DTSTART;TZID={}:20261025T015959", datetime(2026, 10, 24, 23, 59, 59, tzinfo=UTC)),
        ("DTSTART;TZID={}:20261025T023000", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),  # there are two: the first
        ("DTSTART;TZID={}:20261025T030000", datetime(2026, 10, 25, 2, 0, tzinfo=UTC)),
        ("DTSTART:20260329T030000", datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),  # floating: ours
        ("DTSTART:20261025T023000", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
    ],
)
@pytest.mark.parametrize("tzid", ["Europe/Paris", "Romance Standard Time"])
def test_the_hours_around_both_changes_of_clocks(line: str, at: datetime, tzid: str) -> None:
    """RFC 5545 § 3.3.5: the hour that there is not counts as before the change, the hour that comes twice is the
    first.
    """
    assert instant(read_invitation(event(line.format(tzid))).start) == at


def test_a_whole_day_through_a_change_of_clocks_is_a_day() -> None:
    found = read_invitation(event("DTSTART;VALUE=DATE:20261025", "DURATION:P1D"))
    assert (found.start, found.end, found.all_day) == (date(2026, 10, 25), date(2026, 10, 26), True)


def test_a_stranger_s_definition_of_paris_changes_nobody_s_appointment() -> None:
    shifted = OWN_ZONE.format(name="Europe/Paris").replace("+0100", "+0900").replace("+0200", "+0900")
    for zone in (shifted, ""):
        found = read_invitation(event("DTSTART;TZID=Europe/Paris:20261201T090000", zone=zone))
        assert found.start == datetime(2026, 12, 1, 9, tzinfo=WINTER)


def test_a_repeated_appointment_is_its_master_and_is_not_expanded() -> None:
    master = "BEGIN:VEVENT\r\nUID:1\r\nDTSTART:20261201T090000Z\r\nRRULE:FREQ=SECONDLY\r\nEND:VEVENT\r\n"
    moved = "BEGIN:VEVENT\r\nUID:1\r\nRECURRENCE-ID:20261202T090000Z\r\nDTSTART:20261202T100000Z\r\nEND:VEVENT\r\n"
    found = read_invitation(f"BEGIN:VCALENDAR\r\n{moved}{master}END:VCALENDAR\r\n")
    assert found.recurrence
    assert found.start == datetime(2026, 12, 1, 9, tzinfo=UTC)
    assert found.method == "PUBLISH"


def test_a_cancellation_needs_no_time() -> None:
    found = read_invitation(event("SEQUENCE:2", "STATUS:CANCELLED", method="CANCEL"))
    assert (found.method, found.sequence, found.start, found.status) == ("CANCEL", 2, None, "CANCELLED")


def test_folded_escaped_and_caret_encoded_text_is_read() -> None:
    found = read_invitation(
        event(
            "DTSTART:20261201T090000Z",
            "SUMMARY:Consul\r\n tation\\, suite\\; fin",
            "DESCRIPTION:À jeun\\nsans bijoux \\\\o/",
            "ORGANIZER;CN=Dr ^'Agathe^' Morel:MAILTO:agathe.morel@PLI.example",
        )
    )
    assert found.summary == "Consultation, suite; fin"
    assert found.description == "À jeun\nsans bijoux \\o/"
    assert found.organizer == Mailbox('Dr "Agathe" Morel', "agathe.morel@pli.example")


@pytest.mark.parametrize(
    ("ics", "code"),
    [
        ("", "ics"),
        ("Bonjour", "ics"),
        ("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", "ics_no_event"),
        ("BEGIN:VCALENDAR\r\nBEGIN:VTODO\r\nEND:VTODO\r\nEND:VCALENDAR\r\n", "ics_no_event"),
        (event("DTSTART:20261201T090000Z").replace("END:VCALENDAR\r\n", ""), "ics"),
        (event("DTSTART:20261201T090000Z").replace("UID:1@pli.example\r\n", ""), "ics"),
        (event("DTSTART:20261201T090000Z").replace("1@pli.example", "x" * 300), "ics"),
        (event("SUMMARY:sans date"), "ics"),
        (event("DTSTART:20261301T090000Z"), "ics"),
        (event("DTSTART:99991231T235959Z"), "ics"),
        (event("DTSTART:20261201T090000Z", "END:VEVENT", "BEGIN:VEVENT", "UID:2"), "ics_many"),
        (event("DTSTART:20261201T090000Z", "DESCRIPTION:" + "x" * 300_000), "ics_size"),
        (event("DTSTART:20261201T090000Z", *["X-A:b"] * 6000), "ics_size"),
        ("BEGIN:VCALENDAR\r\n" + "BEGIN:VEVENT\r\n" * 1000, "ics"),
        (event("DTSTART:20261201T090000Z").replace("END:VEVENT", "END:VTODO"), "ics"),
    ],
)  # fmt: skip
def test_what_is_not_one_appointment_is_refused(ics: str, code: str) -> None:
    assert refused(ics) == code


# ---- answering -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["ACCEPTED", "DECLINED", "TENTATIVE"])
def test_the_answer_of_dominique_names_the_appointment_and_her_alone(answer: str) -> None:
    asked = letters.ics(sequence=3, extra='ATTENDEE;CN="Équipe":mailto:admissions@pli.example\r\n')
    text = reply(asked, DOMINIQUE, answer, letters.NOON)  # type: ignore[arg-type]  # the three literals, one by one
    read: Any = icalendar.Calendar.from_ical(text)
    (found,) = read.walk("VEVENT")
    assert read["METHOD"] == "REPLY"
    assert found["UID"] == "rendez-vous-1@pli.example"
    assert found["SEQUENCE"] == 3
    assert found["DTSTAMP"].dt == letters.NOON
    assert found["ORGANIZER"] == "mailto:agathe.morel@pli.example"
    assert found["ATTENDEE"] == f"mailto:{DOMINIQUE.address}"  # one, hence no list
    assert found["ATTENDEE"].params["PARTSTAT"] == answer
    assert found["ATTENDEE"].params["CN"] == DOMINIQUE.name
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))


def test_the_answer_to_one_repetition_names_it_with_the_zone_it_is_in() -> None:
    asked = event(
        "RECURRENCE-ID;TZID=Heure du CHU:20261201T090000",
        "DTSTART;TZID=Heure du CHU:20261201T100000",
        "ORGANIZER:mailto:agathe.morel@pli.example",
        zone=OWN_ZONE.format(name="Heure du CHU"),
    )
    text = reply(asked, DOMINIQUE, "DECLINED", letters.NOON)
    assert "RECURRENCE-ID;TZID=Heure du CHU:20261201T090000\r\n" in text
    assert text.count("BEGIN:VTIMEZONE") == 1
    assert read_invitation(text).start == read_invitation(asked).start
    assert read_invitation(text).attendees[0].partstat == "DECLINED"


def test_an_answer_travels_as_real_clients_expect_it() -> None:
    text = reply(letters.ics(), DOMINIQUE, "ACCEPTED", letters.NOON)
    raw = compose(
        OutLetter(
            "2@x",
            letters.NOON,
            DOMINIQUE,
            (Mailbox(*letters.MOREL),),
            text="Oui.",
            calendar=text,
            calendar_method="REPLY",
        )
    )
    assert b"Content-Type: text/calendar; method=REPLY; charset=utf-8" in raw
    assert mime.read(raw).calendar == text.replace("\r\n", "\n")


def test_a_name_cannot_add_a_line_to_the_answer() -> None:
    evil = Mailbox('x":mailto:y@z\r\nATTENDEE:mailto:w@z', "a@b\r\nMETHOD:CANCEL")
    text = reply(letters.ics(), evil, "ACCEPTED", letters.NOON)
    names = [line.partition(":")[0].partition(";")[0] for line in text.replace("\r\n ", "").split("\r\n") if line]
    assert names.count("ATTENDEE") == names.count("METHOD") == 1


def test_another_moment_is_as_long_also_across_a_change_of_clocks() -> None:
    asked = event("DTSTART;TZID=Europe/Paris:20261024T230000", "DTEND;TZID=Europe/Paris:20261025T070000")  # nine hours
    text = counter(asked, DOMINIQUE, letters.NOON, datetime(2026, 12, 1, 20, tzinfo=WINTER), "La nuit d’après")
    found = read_invitation(text)
    assert (found.method, instant(found.start)) == ("COUNTER", datetime(2026, 12, 1, 19, tzinfo=UTC))
    assert instant(found.end) == datetime(2026, 12, 2, 4, tzinfo=UTC)


def test_words_cannot_add_a_line_to_a_counter_proposal() -> None:
    evil = "Le soir;\r\nMETHOD:CANCEL\r\nEND:VEVENT\u2028UID:2\x00\\"
    text = counter(letters.ics(), DOMINIQUE, letters.NOON, None, evil)
    names = [line.partition(":")[0].partition(";")[0] for line in text.replace("\r\n ", "").split("\r\n") if line]
    assert sorted(name for name in names if name in ("METHOD", "END", "UID")) == ["END", "END", "METHOD", "UID"]
    read: Any = icalendar.Calendar.from_ical(text)
    assert str(read.walk("VEVENT")[0]["COMMENT"]).startswith("Le soir;\nMETHOD:CANCEL\nEND:VEVENT")


def test_the_patient_answers_by_the_address_they_were_invited_at() -> None:
    asked = letters.ics(attendee=("Dominique", "279035121518989+rdv@PATIENT.pli.example"))
    text = reply(asked, DOMINIQUE, "ACCEPTED", letters.NOON).replace("\r\n ", "")
    assert "279035121518989+rdv@patient.pli.example" in text


def test_what_an_answer_needs_is_all_that_is_kept_of_an_invitation() -> None:
    other = "ATTENDEE;CN=Marcel:mailto:150017505604274@patient.pli.example\r\nDESCRIPTION:secret\r\n"
    asked = read_invitation(event("DTSTART;TZID=Heure:20261201T100000", other, zone=OWN_ZONE.format(name="Heure")))
    kept = essence(asked, DOMINIQUE.address)
    assert not any(word in kept for word in ("Marcel", "150017505604274", "secret"))
    again = read_invitation(kept)
    assert (again.uid, again.start, again.stamp) == (asked.uid, asked.start, None)


# ---- beside the library ----------------------------------------------------------------------------------------------

MOMENTS = st.integers(946_684_800, 2_840_140_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
WORDS = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Cf", "Zl", "Zp", "Zs"), exclude_characters='"') | st.just(" "),
    max_size=90,
)


@settings(max_examples=150, deadline=None)
@given(MOMENTS, st.timedeltas(timedelta(0), timedelta(days=30)), WORDS, WORDS, WORDS)
def test_what_the_library_writes_is_read_as_it_was_meant(
    start: datetime, length: timedelta, summary: str, description: str, name: str
) -> None:
    length = timedelta(seconds=int(length.total_seconds()))
    made = icalendar.Event()
    made.add("uid", "1")
    made.add("dtstart", start)
    made.add("dtend", start + length)
    made.add("summary", summary)
    made.add("description", description)
    organizer = icalendar.vCalAddress("mailto:a@b.fr")
    organizer.params["CN"] = name
    made.add("organizer", organizer)
    calendar = icalendar.Calendar()
    calendar.add("method", "REQUEST")
    calendar.add_component(made)
    found = read_invitation(calendar.to_ical().decode())
    assert (found.start, found.end) == (start, start + length)
    assert found.summary == summary.strip()
    assert found.description == description
    assert found.organizer == Mailbox(name.strip(), "a@b.fr")


LINES = st.sampled_from(
    ("BEGIN:VEVENT", "END:VEVENT", "BEGIN:VTIMEZONE", "END:VTIMEZONE", "BEGIN:STANDARD", "END:STANDARD", "TZID:x",
     "DTSTART;TZID=x:20261201T090000", "DTSTART:19700101T000000", "DTEND:20261201", "DURATION:-PT1H", "DURATION:P",
     "TZOFFSETTO:+9999", "TZOFFSETTO:+0100", "RRULE:FREQ=YEARLY;BYMONTH=2;BYDAY=5MO", "RRULE:=;;", "UID:1",
     'ATTENDEE;CN=":mailto:', "SEQUENCE:\u0663", "METHOD:\x00", " suite", ":", ";")
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(LINES | st.text(max_size=30), max_size=30))
def test_no_calendar_raises_anything_but_a_refusal(lines: list[str]) -> None:
    for ics in ("\r\n".join(["BEGIN:VCALENDAR", *lines, "END:VCALENDAR"]), event("DTSTART:20261201T090000Z", *lines)):
        try:
            found = read_invitation(ics)
            answer = reply(essence(found, DOMINIQUE.address), DOMINIQUE, "ACCEPTED", letters.NOON)
            wish = counter(ics, DOMINIQUE, letters.NOON, letters.NOON, "\n".join(lines))
        except Malformed:
            continue
        assert read_invitation(answer).uid == read_invitation(wish).uid == found.uid
        assert not set(found.summary + found.organizer.name) & {"\r", "\n", "\0"}
