"""The private addresses of an agenda: what they say and to whom, how they end; and what programs read of them."""

from __future__ import annotations

import os
import re
import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import icalendar
import pytest
import time_machine

from server import access, sessions
from server.actions import own_appointments as acts
from server.actions.acting import act
from server.agenda import book, days, feeds, ics, own
from server.agenda.own import Entry
from server.enrolment import lifecycle
from server.errors import Conflict, Invalid, NotAllowed, Refused, Throttled
from storage import accounts, delegations
from storage.appointments import Appointment
from storage.ids import now_ms
from tests.browser.visitor import Answer, visitor
from tests.doors.test_agenda_pages import proposed
from tests.house import House
from tests.signing import settle
from tests.support.programs import program

PARIS = ZoneInfo("Europe/Paris")
YEAR = datetime.now(UTC).year + 1


async def made(house: House, says: str = ics.BUSY, who: str = "dominique", mailbox: str = "") -> str:
    """The secret of a new address."""
    box = await access.mailbox(house.app, house.people[who], mailbox, ("agenda",))
    handle = await access.dossier(house.app, box, "agenda")
    return await feeds.make(house.app, box, handle, "Mon téléphone", says, "")


async def noted(house: House, *entries: Entry) -> None:
    for number, entry in enumerate(entries):
        await acts.record(house.app, await house.mailbox("dominique"), entry, f"{number}")


def events(calendar: bytes | str) -> list[Any]:
    return list(icalendar.Calendar.from_ical(calendar).walk("VEVENT"))


def strictly(text: str) -> list[tuple[str, str, str]]:
    """(component, property, value) of each line, by the letter of RFC 5545. Raises AssertionError."""
    assert text.endswith("END:VCALENDAR\r\n")
    lines = text.split("\r\n")[:-1]
    assert all("\n" not in line and "\r" not in line and len(line.encode()) <= 75 for line in lines)
    unfolded: list[str] = []
    for line in lines:
        if line.startswith(" "):
            unfolded[-1] += line[1:]
        else:
            unfolded.append(line)
    open_, found, zones, named = [""], [], set(), set()
    for line in unfolded:
        match = re.fullmatch(r"([A-Z-]+)((?:;[A-Z-]+=(?:\"[^\"]*\"|[^\";:,]+))*):(.*)", line)
        assert match is not None, line
        name, parameters, value = match.groups()
        if name == "BEGIN":
            open_.append(value)
        elif name == "END":
            assert open_.pop() == value
        else:
            found.append((open_[-1], name, value))
            named |= set(re.findall(r"TZID=([^;:]+)", parameters))
            zones |= {value} if name == "TZID" else set()
    assert open_ == [""]
    assert named <= zones  # each zone that is named is defined (§ 3.2.19)
    by_event = text.split("BEGIN:VEVENT")[1:]
    for event in by_event:
        assert all(len(re.findall(rf"^{name}[:;]", event, re.MULTILINE)) == 1 for name in ("UID", "DTSTAMP", "DTSTART"))
    assert [value for where, name, value in found if (where, name) == ("VCALENDAR", "VERSION")] == ["2.0"]
    return found


# ---- what it says ----------------------------------------------------------------------------------------------------


async def test_busy_is_all_that_leaves_the_house_unless_its_holder_says_more(house: House) -> None:
    accepted = await proposed(house)
    await act(house.app, await house.mailbox("dominique"), accepted.message, "agenda.accept", {}, "1")
    await noted(house, Entry("Oncologue", f"{YEAR}-12-02T10:00", "", "Dr Roche", "Reims", "Compte rendu"))
    said = {level: (await feeds.read(house.app, await made(house, level), "1")).decode() for level in ics.LEVELS}
    words = {
        "Occupé": (True, False, False), "Oncologue": (False, True, True), "anesthésie": (False, True, True),
        "Roche": (False, False, True), "BERTIN": (False, False, True), "Reims": (False, False, True),
        "Compte rendu": (False, False, True), "Venez": (False, False, False), "rdv-1": (False, False, False),
        "Dominique": (False, False, False), house.ins("dominique"): (False, False, False),
    }  # fmt: skip
    for word, where in words.items():
        assert tuple(word in said[level].replace("\r\n ", "") for level in ics.LEVELS) == where, word
    first, again = (events(said[level]) for level in (ics.BUSY, ics.ALL))
    assert {event["UID"] for event in first} == {event["UID"] for event in again}  # the same in every feed
    assert all(event["CLASS"] == "PRIVATE" for event in first)


async def test_a_program_asks_without_a_session_and_whatever_is_wrong_is_not_there(house: House) -> None:
    await noted(house, Entry("Dentiste", f"{YEAR}-12-02T10:00"))
    secret = await made(house)
    async with visitor(house) as program_:
        found = await program_.get(f"/feeds/{secret}.ics")
        assert (found.status, found.headers["Content-Type"]) == (200, "text/calendar; charset=utf-8")
        assert found.headers["Cache-Control"] == "private, max-age=900"
        assert found.headers["X-Content-Type-Options"] == "nosniff"
        assert found.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert not found.headers.getall("Set-Cookie", [])
        strictly(found.text)
        for wrong in (secret[:-1], secret[:-1] + ("A" if secret[-1] != "A" else "B"), "A" * 43, "..%2f", secret + "x"):
            answer = await program_.get(f"/feeds/{wrong}.ics")
            assert answer.status == 404, wrong
        async with program_.session.post(f"{house.http}/feeds/{secret}.ics", data=b"x") as posted:
            assert posted.status == 404
    async with visitor(house, "dominique") as dominique:
        assert "Lue la dernière fois le" in (await dominique.get("/agenda/feeds")).said


async def test_guesses_are_slowed_and_so_is_a_program_that_asks_without_end(house: House) -> None:
    secret = await made(house)
    for _ in range(feeds.WRONG):
        with pytest.raises(Refused):
            await feeds.read(house.app, "A" * 43, "203.0.113.9")
    with pytest.raises(Throttled):
        await feeds.read(house.app, "A" * 43, "203.0.113.9")
    for _ in range(feeds.READS):
        await feeds.read(house.app, secret, "198.51.100.1")
    with pytest.raises(Throttled):
        await feeds.read(house.app, secret, "198.51.100.1")
    query = "SELECT act FROM audit WHERE space_id = :s AND act = 'feed:read'"
    assert len(await house.app.db.read(lambda tx: tx.run(query, s=house.dominique.space_id))) == 1  # not one a reading


# ---- the holder's page -----------------------------------------------------------------------------------------------


async def test_the_address_is_shown_once_and_ends_when_she_says(house: House) -> None:
    async with visitor(house, "dominique") as dominique:
        page = await dominique.get("/agenda/feeds")
        assert re.search(r'value="busy" checked', page.text)
        typed = {"name": "Mon téléphone", "says": "busy", "client_key": "k"}
        page = await dominique.post("/agenda/feeds", typed)
        (address,) = re.findall(r'value="http[^"]*(/feeds/[\w-]{43}\.ics)"', page.text)
        assert "elle ne sera plus montrée" in page.said
        assert (await dominique.get(address)).status == 200
        again = await dominique.post("/agenda/feeds", typed)  # the same form, sent twice
        assert again.status == 409
        for shown in (again, await dominique.get("/agenda/feeds"), await dominique.get("/")):
            assert address not in shown.text
        (feed,) = set(re.findall(r'name="feed" value="([\w-]{22})"', (await dominique.get("/agenda/feeds")).text))
        async with visitor(house, "marcel") as marcel:
            await marcel.post("/agenda/feeds/end", {"feed": feed})
        assert (await dominique.get(address)).status == 200
        assert (await dominique.post("/agenda/feeds/end", {"feed": feed})).status == 303
        assert (await dominique.get(address)).status == 404
        wrong: Answer = await dominique.post("/agenda/feeds", {"name": "", "says": "busy"})
        assert wrong.status == 422
        assert "Donnez un nom à cette adresse" in wrong.said


async def test_a_way_out_that_lasts_wants_a_second_factor(house: House) -> None:
    await settle(house, "dominique")
    async with visitor(house, "dominique") as dominique:
        assert (await dominique.post("/agenda/feeds", {"name": "Téléphone", "says": "busy"})).status == 200
        await house.app.db.write(lambda tx: tx.run("UPDATE credentials SET strong_at = 0"))
        answer = await dominique.post("/agenda/feeds", {"name": "Ordinateur", "says": "busy"})
        assert (answer.status, answer.place.partition("?")[0]) == (303, "/step-up")
        assert "Ordinateur" not in (await dominique.get("/agenda/feeds")).said


async def test_ten_addresses_and_no_more_and_a_helper_makes_none(sqlite_core: House) -> None:
    house = sqlite_core
    for _ in range(feeds.MOST):
        await made(house)
    with pytest.raises(Invalid) as refused:
        await made(house)
    assert refused.value.code == "too_many_feeds"
    with pytest.raises(Invalid):
        await made(house, "everything")
    await house.app.db.write(
        delegations.grant, house.marcel.space_id, house.dominique.account_id, "helper", None, house.marcel.account_id
    )
    with pytest.raises(NotAllowed):
        await made(house, mailbox=house.marcel.mailbox_id)


async def test_every_way_out_ends_it(sqlite_core: House) -> None:
    house, app = sqlite_core, sqlite_core.app

    async def reads(secret: str) -> bool:
        try:
            await feeds.read(app, secret, "1")
        except Refused:
            return False
        return True

    secret = await made(house)
    assert await reads(secret)
    await sessions.sign_out_everywhere(app, house.dominique.account_id)
    assert not await reads(secret)
    secret, child = await made(house), await made(house, mailbox=house.camille.mailbox_id)
    await lifecycle.by_operator(app, house.camille.space_id, "suspended", "Vérification")
    assert (await reads(secret), await reads(child)) == (True, False)
    await lifecycle.by_operator(app, house.camille.space_id, "open", "Vérifié")
    assert not await reads(child)  # nothing opens it again
    child = await made(house, mailbox=house.camille.mailbox_id)
    assert await reads(child)
    await app.db.write(
        delegations.grant,
        house.camille.space_id,
        house.dominique.account_id,
        "representative",
        now_ms() - 1,
        "operator",
    )
    assert not await reads(child)  # she represents her no more
    await app.db.write(lambda tx: accounts.end(tx, house.dominique.account_id))
    assert not await reads(secret)


# ---- what programs make of it ----------------------------------------------------------------------------------------


def calendar_of(house: House, *known: tuple[str, Entry], says: str = ics.ALL) -> str:
    """A calendar of entries, each in its state."""
    now = datetime(2026, 11, 23, tzinfo=UTC)
    rows = [
        (Appointment(f"id{number}", 3, state, "", b"", 1_795_000_000_000), own.facts(own.checked(entry, now), "D"))
        for number, (state, entry) in enumerate(known)
    ]
    return ics.calendar(house.app, house.dominique.space_id, rows, says, now, "Pli").decode()


def test_hours_of_paris_are_right_on_both_sides_of_a_change_of_clocks(sqlite_core: House) -> None:
    text = calendar_of(
        sqlite_core,
        ("own", Entry("Hiver", "2027-03-27T09:00", "2027-03-27T10:00")),
        ("accepted", Entry("Été", "2027-03-28T09:00", "2027-03-28T10:00")),
        ("cancelled", Entry("Annulé; « à, l’hôpital »", "2026-12-24", "2026-12-25")),
        ("asked", Entry("Série", "2026-10-20T18:00", repeats="weekly", until="2026-11-10")),
        ("own", Entry("Île", "2026-12-01T08:00", zone="America/Miquelon", repeats="daily")),
    )
    strictly(text)
    winter, summer, cancelled, series, island = events(text)
    assert (winter.start.utcoffset(), summer.start.utcoffset()) == (timedelta(hours=1), timedelta(hours=2))
    assert winter["DTSTART"].params["TZID"] == "Europe/Paris"
    assert (cancelled["STATUS"], str(cancelled["SUMMARY"])) == ("CANCELLED", "Annulé; « à, l’hôpital »")
    assert (cancelled.start, cancelled.end) == (date(2026, 12, 24), date(2026, 12, 26))
    assert series["STATUS"] == "TENTATIVE"
    assert series["RRULE"].to_ical().decode() == "FREQ=WEEKLY;UNTIL=20261110T170000Z"
    assert all(event["SEQUENCE"] == 3 for event in (winter, summer, cancelled, series))
    assert island.start.astimezone(PARIS) == datetime(2026, 12, 1, 12, 0, tzinfo=PARIS)
    zone: Any = next(
        one for one in icalendar.Calendar.from_ical(text).walk("VTIMEZONE") if one["TZID"] == "Europe/Paris"
    )
    for moment, hours in (
        ("2026-10-25T00:59", 2),
        ("2026-10-25T01:00", 1),
        ("2027-03-28T00:59", 1),
        ("2027-03-28T01:00", 2),
    ):
        at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
        assert at.astimezone(zone.to_tz(lookup_tzid=False)).utcoffset() == timedelta(hours=hours), moment


def test_another_calendar_program_reads_it(sqlite_core: House, tmp_path: Path) -> None:
    text = calendar_of(
        sqlite_core,
        ("own", Entry("Dentiste", "2026-12-01T14:00", "2026-12-01T14:30", "Dr Roche", "Reims")),
        ("own", Entry("Kiné", "2026-12-02T18:00", "2026-12-02T18:30", repeats="weekly", until="2026-12-16")),
        ("own", Entry("Cure", "2026-12-24", "2026-12-25")),
    )
    (tmp_path / "feed.ics").write_bytes(text.encode())
    told = {"TZ": "Europe/Paris", "LC_ALL": "C.UTF-8", "HOME": str(tmp_path), "PATH": os.environ["PATH"]}

    def calcurse(*arguments: str) -> str:
        command = [program("calcurse"), "-D", str(tmp_path / "calcurse"), *arguments]
        return subprocess.run(command, env=told, check=True, capture_output=True, text=True, timeout=20).stdout

    assert "0 skipped" in calcurse("-i", str(tmp_path / "feed.ics"))
    said = calcurse(
        "-Q", "--from", "12/01/2026", "--days", "31", "--format-apt", "%S %m\\n", "--format-recur-apt", "%S %m\\n"
    )
    assert "14:00 Dentiste" in said
    assert said.count("18:00 Kiné") == 3
    assert said.count("Cure") == 2


async def test_what_was_declined_or_removed_is_left_out_and_one_that_moved_keeps_its_name(house: House) -> None:
    first = await proposed(house)
    box = await house.mailbox("dominique")
    await act(house.app, box, first.message, "agenda.accept", {}, "1")
    secret = await made(house, ics.TITLES)
    (before,) = events(await feeds.read(house.app, secret, "1"))
    await proposed(house, sequence=1, start=f"{YEAR}-12-08T14:00:00+01:00", end=f"{YEAR}-12-08T14:30:00+01:00")
    (after,) = events(await feeds.read(house.app, secret, "1"))
    assert (after["UID"], after["SEQUENCE"], after["STATUS"]) == (before["UID"], 1, "TENTATIVE")
    assert after.start == datetime(YEAR, 12, 8, 14, 0, tzinfo=PARIS)
    known = await days.one(house.app, await access.dossier(house.app, box, "agenda"), str(
        (await book.appointments(house.app, await access.dossier(house.app, box, "agenda")))[0].id
    ))  # fmt: skip
    await act(house.app, box, known.item.message, "agenda.decline", {}, "2")
    assert events(await feeds.read(house.app, secret, "1")) == []
    with time_machine.travel(datetime.now(UTC) + timedelta(days=1), tick=True):
        await noted(house, Entry("Ancien", (datetime.now(UTC) - timedelta(days=200)).date().isoformat()))
        assert events(await feeds.read(house.app, secret, "1")) == []
    with pytest.raises(Conflict):
        handle = await access.dossier(house.app, box, "agenda")
        for _ in range(2):
            await feeds.make(house.app, box, handle, "Deux fois", ics.BUSY, "same")
