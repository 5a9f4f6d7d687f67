"""A series of appointments by mail: every date in the agenda, at its local hour; one of them moved, one called off."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from icalendar import Calendar

from mail_gateway.calendar import read_invitation
from server import access
from server.actions import acting
from server.agenda import days, recurrence
from server.views import Entry
from tests.calendars import EXCHANGE_ZONE, calendar, event, mail
from tests.mail_house import ELSEWHERE, MailHouse, bring, open_mail_house

START, END = "DTSTART;TZID=Europe/Paris:20991015T090000", "DTEND;TZID=Europe/Paris:20991015T093000"
SERIES = [*event("kine@operator.example", START, END, summary="Kinésithérapie"), "RRULE:FREQ=WEEKLY;COUNT=5"]


@pytest.fixture
async def house(tmp_path: Path, sqlite_url: str) -> AsyncIterator[MailHouse]:
    async with open_mail_house(tmp_path, sqlite_url, deliver=False) as opened:
        yield opened


async def sent(house: MailHouse, ics: str, name: str, **more: Any) -> Entry:
    raw = mail(ics, message_id=f"<{name}@operator.example>", **more)
    assert (await bring(house, raw, sender=ELSEWHERE[1])).startswith("250")
    return (await house.entries("dominique"))[-1]


async def accept(house: MailHouse, entry: Entry) -> None:
    await acting.act(house.app, await house.mailbox("dominique"), entry.message.id, "agenda.accept", {}, "")


async def shown(house: MailHouse) -> list[tuple[str, str]]:
    """(beginning in Paris, state) of each date of the winter of 2099."""
    handle = await access.dossier(house.app, await house.mailbox("dominique"), "agenda")
    found = await days.between(house.app, handle, date(2099, 10, 1), date(2099, 12, 31))
    return [(one.start.isoformat()[5:16] if one.start else "", one.state) for one in found]


async def test_every_date_is_in_the_agenda_at_nine_before_and_after_the_clocks_change(house: MailHouse) -> None:
    entry = await sent(house, calendar(*SERIES), "one")
    assert await shown(house) == []
    await accept(house, entry)
    assert await shown(house) == [
        ("10-15T09:00", "accepted"), ("10-22T09:00", "accepted"), ("10-29T09:00", "accepted"),
        ("11-05T09:00", "accepted"), ("11-12T09:00", "accepted"),
    ]  # fmt: skip


async def test_one_date_is_moved_and_another_called_off_by_later_mails(house: MailHouse) -> None:
    await accept(house, await sent(house, calendar(*SERIES), "one"))
    moved = event(
        "kine@operator.example", "DTSTART;TZID=Europe/Paris:20991023T110000", "DTEND;TZID=Europe/Paris:20991023T113000",
        1, "20261124T120000Z", "Kinésithérapie", ELSEWHERE, "x@y.example", "RECURRENCE-ID:20991022T070000Z",
    )  # fmt: skip
    second = await sent(house, calendar(*moved), "two")
    assert ("10-22T09:00", "accepted") not in await shown(house)
    assert ("10-23T11:00", "proposed") in await shown(house), "that date alone is to be answered again"
    await accept(house, second)
    off = event(
        "kine@operator.example", "", "", 1, "20261124T120000Z", "Kinésithérapie", ELSEWHERE, None,
        "RECURRENCE-ID;TZID=Europe/Paris:20991105T090000",
    )  # fmt: skip
    card = (await sent(house, calendar(*off, method="CANCEL"), "three")).message.card
    assert card is not None
    assert card["title"] == "Rendez-vous annulé : Kinésithérapie"
    assert await shown(house) == [
        ("10-15T09:00", "accepted"), ("10-23T11:00", "accepted"), ("10-29T09:00", "accepted"),
        ("11-05T08:00", "cancelled"), ("11-12T09:00", "accepted"),
    ]  # fmt: skip


async def test_the_whole_series_is_called_off_at_once(house: MailHouse) -> None:
    await accept(house, await sent(house, calendar(*SERIES), "one"))
    await sent(house, calendar(*SERIES[:-1], method="CANCEL"), "two")
    assert {state for _, state in await shown(house)} == {"cancelled"}


async def test_another_rule_is_another_appointment_to_accept(house: MailHouse) -> None:
    await accept(house, await sent(house, calendar(*SERIES), "one"))
    longer = [*event("kine@operator.example", START, END, 1, summary="Kinésithérapie"), "RRULE:FREQ=WEEKLY;COUNT=8"]
    await sent(house, calendar(*longer), "two")
    assert {state for _, state in await shown(house)} == {"proposed"}


OUTLOOK = ("DTSTART;TZID=Romance Standard Time:20991015T090000", "DTEND;TZID=Romance Standard Time:20991015T093000")


@pytest.mark.parametrize(
    ("lines", "around"),
    [
        ([*SERIES, "EXDATE;TZID=Europe/Paris:20991022T090000,20991029T090000"], ()),
        ([*SERIES, "RDATE;TZID=Europe/Paris:20991224T100000"], ()),
        ([*event("1", *OUTLOOK), "RRULE:FREQ=MONTHLY;COUNT=4;BYDAY=3TH"], EXCHANGE_ZONE),
        ([*event("1", "DTSTART;VALUE=DATE:20991015", "DTEND;VALUE=DATE:20991016"), "RRULE:FREQ=DAILY;COUNT=3"], ()),
    ],
)
def test_a_calendar_repeats_as_the_icalendar_library_and_dateutil_say(
    lines: list[str], around: tuple[str, ...]
) -> None:
    ics = calendar(*lines, around=around)
    read = read_invitation(ics)
    facts = {"start": read.start.isoformat() if read.start else "", "end": read.end.isoformat() if read.end else ""}
    facts |= {name: getattr(read.series, name) for name in ("rrule", "rdates", "exdates", "zone", "moved")}
    window = datetime(2099, 1, 1, tzinfo=UTC), datetime(2102, 1, 1, tzinfo=UTC)
    found = {str(one.start)[:16] for one in recurrence.occurrences(facts, *window)}
    assert found == expected(ics)


def expected(ics: str) -> set[str]:
    """By the icalendar library's reading of the lines, and dateutil's of the rule."""
    from dateutil.rrule import rrulestr

    one: Any = Calendar.from_ical(ics).walk("VEVENT")[0]
    start = one["DTSTART"].dt
    local = start.replace(tzinfo=None) if isinstance(start, datetime) else datetime.combine(start, datetime.min.time())
    dates = {at.isoformat() for at in rrulestr(one["RRULE"].to_ical().decode(), dtstart=local)}
    for name, act in (("RDATE", dates.add), ("EXDATE", dates.discard)):
        for at in one[name].dts if name in one else ():
            act(at.dt.replace(tzinfo=None).isoformat())
    return {text[:16].replace("T", " ") if isinstance(start, datetime) else text[:10] for text in dates}
