"""Calendars that lie, swell or trip a reader: each is a letter or a card, none enters an agenda, none is fetched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server import access
from server.actions import acting
from server.agenda import book
from tests.calendars import EXCHANGE_ZONE, calendar, event, mail
from tests.mail_house import ELSEWHERE, MailHouse, bring, open_mail_house

FORTY_KB = "x" * 40_000
CARD, LETTER = "card", "text"


@pytest.fixture
async def house(tmp_path: Path, sqlite_url: str) -> AsyncIterator[MailHouse]:
    async with open_mail_house(tmp_path, sqlite_url, deliver=False) as opened:
        yield opened


def zone(*changes: tuple[str, str]) -> tuple[str, ...]:
    """The zone of an Exchange server, changed, under the name « Heure »."""
    text = "\n".join(EXCHANGE_ZONE).replace("Romance Standard Time", "Heure")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return tuple(text.split("\n"))


def at(start: str) -> list[str]:
    return event(start=start, end="")


IN_ZONE = at("DTSTART;TZID=Heure:20991201T090000")
NOON = "DTSTART:20991201T120000Z"

# What it is, the calendar, what becomes of it.
CASES: list[tuple[str, str, str]] = [
    ("repeats every second for ever", calendar(*event(), "RRULE:FREQ=SECONDLY"), CARD),
    ("a rule of forty thousand letters", calendar(*event(), f"RRULE:FREQ=YEARLY;X={FORTY_KB}"), CARD),
    ("a rule of a million repetitions", calendar(*event(), "RRULE:FREQ=MINUTELY;COUNT=1000000;BYDAY=1000MO"), CARD),
    ("two thousand dates", calendar(*event(), "RDATE:" + ",".join(["20991201T090000Z"] * 2000)), CARD),
    ("ten thousand alarms", calendar(*event(), *["BEGIN:VALARM", "END:VALARM"] * 10_000), LETTER),
    ("a thousand alarms", calendar(*event(), *["BEGIN:VALARM", "ACTION:EMAIL", "END:VALARM"] * 1000), CARD),
    ("an alarm that writes to somebody", calendar(
        *event(), "BEGIN:VALARM", "ACTION:EMAIL", "ATTENDEE:mailto:x@evil.example", "END:VALARM"), CARD),
    ("an alarm that runs a program", calendar(
        *event(), "BEGIN:VALARM", "ACTION:PROCEDURE", "ATTACH:file:///bin/sh", "END:VALARM"), CARD),
    ("ten thousand guests", calendar(*event(), *["ATTENDEE:mailto:a@b.fr"] * 4000), CARD),
    ("more than a person could invite", calendar(*event(), *["ATTENDEE:mailto:a@b.fr"] * 10_000), LETTER),
    ("no beginning", calendar(*at("")), LETTER),
    ("a beginning that is no time", calendar(*at("DTSTART:demain")), LETTER),
    ("the year 9999", calendar(*at("DTSTART:99991231T235959Z")), LETTER),
    ("the year 9998 and a length of centuries", calendar(*at("DTSTART:99981231T235959Z"), "DURATION:P99999W"), CARD),
    ("the year zero", calendar(*at("DTSTART:00000101T000000Z")), LETTER),
    ("before 1900", calendar(*at("DTSTART:18991231T235959Z")), LETTER),
    ("29 February of a year without", calendar(*at("DTSTART;VALUE=DATE:20990229")), LETTER),
    ("29 February of a leap year", calendar(*at("DTSTART;VALUE=DATE:20960229")), CARD),
    ("25 o'clock", calendar(*at("DTSTART:20991201T250000Z")), LETTER),
    ("digits of another script", calendar(*at("DTSTART:٢٠٩٩١٢٠١T090000Z")), LETTER),
    ("ends before it begins", calendar(*event(end="DTEND:19991201T090000Z")), CARD),
    ("a length below nothing", calendar(*at(NOON), "DURATION:-P9D"), CARD),
    ("a zone a day wide", calendar(*IN_ZONE, around=zone(("TZOFFSETTO:+0100", "TZOFFSETTO:+9959"))), CARD),
    ("a zone that changes every second", calendar(*IN_ZONE, around=zone(("FREQ=YEARLY", "FREQ=SECONDLY"))), CARD),
    ("a zone whose rule has no end", calendar(*IN_ZONE, around=zone(("BYMONTH=3", "BYMONTH=" + "9" * 5000))), CARD),
    ("a zone of two thousand rules", calendar(*IN_ZONE, around=zone((
        "BEGIN:DAYLIGHT", "BEGIN:STANDARD\nDTSTART:20260101T000000\nEND:STANDARD\n" * 1200 + "BEGIN:DAYLIGHT"))), CARD),
    ("a zone called as a file", calendar(*at("DTSTART;TZID=../../../etc/passwd:20991201T090000")), CARD),
    ("a zone that is nowhere", calendar(*at("DTSTART;TZID=Nulle/Part:20991201T090000")), CARD),
    ("a line folded in the middle of a name", calendar(*event()).replace("DTSTART", "DTS\r\n TART"), CARD),
    ("a line folded at every letter", calendar(*event(), "X-LONG:" + "\r\n ".join("z" * 3000)), CARD),
    ("folded by a bare newline and a tab", calendar(*event()).replace("SUMMARY:Con", "SUMMARY:\n\tCon"), CARD),
    ("ended by nothing", calendar(*event()).replace("END:VCALENDAR\r\n", ""), LETTER),
    ("a second event behind the first", calendar(*event(), "END:VEVENT", "BEGIN:VEVENT", "UID:2", NOON), LETTER),
    ("two of one series", calendar(*event(), "RECURRENCE-ID:20991201T090000Z", "END:VEVENT", "BEGIN:VEVENT",
                                   *event(), "RECURRENCE-ID:20991202T090000Z"), LETTER),
    ("within itself", calendar(*["BEGIN:VEVENT"] * 2000), LETTER),
    ("no name", calendar(*event(uid="")), LETTER),
    ("a name of a thousand letters", calendar(*event(uid="u" * 1000)), LETTER),
    ("a name with a line in it", calendar(*event(uid="a\u2028METHOD:CANCEL")), LETTER),
    ("a sequence above every number", calendar(*event(sequence=10**40)), CARD),
    ("a sequence below nothing", calendar(*event(sequence=-1)), CARD),
    ("a zero octet and a bare return", calendar(*event(summary="Consul\0tation\rMETHOD:CANCEL")), CARD),
    ("a method nobody knows", calendar(*event(), method="SUPPRIMER"), LETTER),
    ("script in every text", calendar(*event(summary="<script>alert(1)</script>"), "LOCATION:<img src=x onerror=y>"),
     CARD),
    ("a title that turns the reading direction", calendar(*event(summary="Rendez-vous \u202efdp.exe")), CARD),
    ("larger than any invitation", calendar(*event(), *[f"X-A:{FORTY_KB}"] * 8), LETTER),
    ("two calendars of the same thing, one empty", "\r\n", LETTER),
]  # fmt: skip


async def test_no_calendar_enters_the_agenda_by_itself_nor_keeps_its_letter_out(house: MailHouse) -> None:
    for number, (name, ics, becomes) in enumerate(CASES):
        ics, text = ics.replace("rdv-1@", f"rdv-{number}@"), f"lettre {number}"
        said = await bring(house, mail(ics, text=text, message_id=f"<{number}@operator.example>"))
        assert said.startswith("250"), name
        last = (await house.entries("dominique"))[-1].message
        assert (last.kind, text in last.text) == (becomes, True), name
        card = last.card or {}
        assert not set(f"{card.get('title')}{card.get('location')}") & set("\r\n\0\u202e\u2028"), name
        assert (last.card is None) == bool(last.attachments), f"{name}: the calendar is in the card or among the files"
    box = await house.mailbox("dominique")
    dossier = await access.dossier(house.app, box)
    assert await book.appointments(house.app, dossier) == []
    entries = await house.entries("dominique")
    assert len(entries) == len(CASES) >= 34

    cards = [entry.message for entry in entries if entry.message.card is not None]
    for card_ in cards:  # and each of them can be answered
        await acting.act(house.app, box, card_.id, "agenda.counter", {"text": "Un autre jour"}, f"later {card_.id}")
        await acting.act(house.app, box, card_.id, "agenda.decline", {}, f"no {card_.id}")
    assert {one.state for one in await book.appointments(house.app, dossier)} == {"declined"}


async def test_nothing_in_a_calendar_is_fetched(house: MailHouse) -> None:
    asked = asyncio.Event()

    async def canary(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        writer.close()

    server = await asyncio.start_server(canary, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/c"
    lines = (
        f"DESCRIPTION:Cliquez {url}", f"URL:{url}", f"ATTACH:{url}", f"ATTACH;FMTTYPE=image/png:{url}",
        f"CONFERENCE:{url}",
        f'X-ALT-DESC;FMTTYPE=text/html:<img src="{url}">', f'SUMMARY;ALTREP="{url}":Consultation', f"IMAGE:{url}",
    )  # fmt: skip
    async with server:
        zone_ = ("BEGIN:VTIMEZONE", "TZID:Heure", f"TZURL:{url}", "END:VTIMEZONE")
        letter = mail(calendar(*event(summary=""), *lines, around=zone_))
        assert (await bring(house, letter)).startswith("250")
        (entry,) = await house.entries("dominique")
        assert entry.message.card is not None
        assert url in entry.message.card["text"]
        box = await house.mailbox("dominique")
        await acting.act(house.app, box, entry.message.id, "agenda.accept", {}, "yes")
        assert not asked.is_set()


async def test_a_name_that_is_somebody_elses_never_stands_alone(house: MailHouse) -> None:
    famous = ("Dr Agathe MOREL", ELSEWHERE[1])
    assert (await bring(house, mail(calendar(*event(organizer=famous)), from_=famous))).startswith("250")
    (entry,) = await house.entries("dominique")
    assert entry.message.card is not None
    assert entry.message.card["organizer_name"] == f"Dr Agathe MOREL ({ELSEWHERE[1]})"
