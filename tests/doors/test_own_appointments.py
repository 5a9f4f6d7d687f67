"""What a patient notes alone in the agenda: by a card, a page, the API; what is said of it, changed and taken back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import aiohttp
import msgspec
import pytest
import time_machine

from server import access, actions, reading
from server.actions import own_appointments as acts
from server.actions.acting import act
from server.agenda import book, own
from server.agenda.book import AppointmentView
from server.agenda.own import Entry
from server.errors import Conflict, Invalid, NotAllowed, Refused
from server.views import Entry as Shown
from storage import appointments as rows
from storage import delegations
from storage.ids import now_ms
from tests.house import House

NOW = datetime(2026, 11, 23, 13, 5, tzinfo=UTC)
DENTIST = Entry("Dentiste", "2026-12-01T14:00", "2026-12-01T14:30", "Dr Roche", "12 rue du Bac", "Carte Vitale")


async def _agenda(house: House, who: str = "dominique") -> list[AppointmentView]:
    return await book.appointments(house.app, await access.dossier(house.app, await house.mailbox(who), "agenda"))


async def _shown(house: House, message: str, conversation: str) -> Shown:
    handle = await access.conversation(house.app, await house.mailbox("dominique"), conversation)
    return await reading.message(house.app, handle, message)


# ---- what may be noted -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        (Entry("", "2026-12-01"), "appointment_without_title"),
        (Entry("x" * 101, "2026-12-01"), "appointment_too_long"),
        (Entry("Rappel", "2026-12-01", note="x" * 1001), "appointment_note_too_long"),
        (Entry("Dentiste", "demain"), "appointment_without_day"),
        (Entry("Dentiste", "2126-12-01"), "appointment_too_far"),
        (Entry("Dentiste", "2026-12-01T14:00", "2026-12-01T13:00"), "bad_end"),
        (Entry("Dentiste", "2026-12-01T14:00", "2026-12-01"), "bad_end"),
        (Entry("Kiné", "2026-12-01T14:00", repeats="weekly", until="2026-11-01"), "bad_until"),
        (Entry("Kiné", "2026-12-01T14:00", repeats="hourly"), "bad_appointment"),
        (Entry("Kiné", "2026-12-01T14:00", zone="Mars/Olympus"), "bad_appointment"),
    ],
)
def test_what_cannot_be_noted_is_refused_with_its_reason(entry: Entry, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        own.checked(entry, NOW)
    assert refused.value.code == code
    assert refused.value.detail.endswith((".", ")."))


def test_what_is_kept_is_plain_text_at_an_hour_with_its_offset() -> None:
    kept = own.checked(
        Entry(" Den\u202etiste\x07 ", "2026-07-01T14:00", who="Dr\nRoche", note="a\r\n\r\n\r\n\r\nb"), NOW
    )
    assert (kept.title, kept.who, kept.note) == ("Den tiste", "Dr Roche", "a\n\nb")
    assert kept.start == "2026-07-01T14:00:00+02:00"
    assert own.checked(Entry("Garde", "2026-12-24", "2026-12-25"), NOW).end == "2026-12-26"  # whole days
    passed_over = own.checked(Entry("Nuit", "2027-03-28T02:30"), NOW)
    assert passed_over.start == "2027-03-28T03:30:00+02:00"


@pytest.mark.parametrize("repeats", own.REPEATS)
def test_an_entry_is_what_its_facts_say_again(repeats: str) -> None:
    for start, end in (
        ("2026-12-01T23:30", ""),
        ("2026-12-01", "2026-12-02"),
        ("2026-12-01T09:00", "2026-12-01T10:00"),
    ):
        kept = own.checked(Entry("Kiné", start, end, repeats=repeats, until="2027-06-01", zone="Indian/Reunion"), NOW)
        found = own.entry_of(own.facts(kept, "Dominique"))
        if len(start) == 10:
            kept = msgspec.structs.replace(kept, end="2026-12-02")
        assert found == kept


@pytest.mark.parametrize(
    ("values", "start", "end"),
    [
        ({"text": "2/12 à 15 h"}, "2026-12-02T15:00", "2026-12-02T15:30:00+01:00"),
        ({"text": "9h15"}, "2026-12-01T09:15", "2026-12-01T09:45:00+01:00"),
        ({"date": "2026-12-03"}, "2026-12-03T14:00", "2026-12-03T14:30:00+01:00"),
        ({"title": "Orthodontiste"}, "2026-12-01T14:00:00+01:00", "2026-12-01T14:30:00+01:00"),
    ],
)
def test_a_correction_says_only_what_changes(values: dict[str, Any], start: str, end: str) -> None:
    found = acts.corrected(own.checked(DENTIST, NOW), values)
    assert (found.start, found.end, found.place) == (start, end, DENTIST.place)
    with pytest.raises(Invalid):
        acts.corrected(found, {"text": "plus tard"})


# ---- the card --------------------------------------------------------------------------------------------------------


async def test_nothing_is_noted_before_the_tap_and_another_takes_it_back(sqlite_core: House) -> None:
    house, app = sqlite_core, sqlite_core.app
    with time_machine.travel(NOW, tick=True):
        box = await house.mailbox("dominique")
        receipt = await own.offer(app, box, DENTIST, "once")
        assert (await own.offer(app, box, DENTIST, "once")).message == receipt.message
        card = (await _shown(house, receipt.message, receipt.conversation)).message.card or {}
        assert card["title"] == "Noter\u00a0: Dentiste, mardi 1er décembre 2026 à 14\u00a0h\u00a0?"
        assert card["text"].endswith("Pli ne prend pas de rendez-vous : ceci est une note pour vous.")
        assert [choice["label"] for choice in card["choices"]] == ["Noter", "Corriger", "Ne pas noter"]
        assert "2. Corriger" in actions.letter_form(card)
        assert await _agenda(house) == []
        await act(app, box, receipt.message, "agenda.note", {}, "1")
        (noted,) = await _agenda(house)
        assert (noted.title, noted.start, noted.organizer, noted.location, noted.note, noted.state, noted.own) == (
            "Dentiste", "2026-12-01T14:00:00+01:00", "Dr Roche", "12 rue du Bac", "Carte Vitale", "own", "appointment",
        )  # fmt: skip
        await act(app, box, receipt.message, "agenda.undo", {}, "2")
        assert await _agenda(house) == []
        with pytest.raises(Conflict):
            await act(app, box, receipt.message, "agenda.undo", {}, "3")
        await act(app, box, receipt.message, "agenda.correct", {"text": "2/12 à 15 h"}, "4")
        (again,) = await _agenda(house)
        assert (again.start, again.id) == ("2026-12-02T15:00:00+01:00", noted.id)
    seen = await reading.since(app, box, 0, 50)
    lines = [entry.message.text for entry in seen.entries if entry.message.kind == "answer"]
    assert lines == [
        "Noté\u00a0: Dentiste, mardi 1er décembre 2026 à 14\u00a0h.",
        "Retiré de votre agenda.",
        "Noté\u00a0: Dentiste, mercredi 2 décembre 2026 à 15\u00a0h.",
    ]


async def test_it_is_moved_said_otherwise_and_removed_and_its_history_says_by_whom(sqlite_core: House) -> None:
    house, app = sqlite_core, sqlite_core.app
    with time_machine.travel(NOW, tick=True):
        box = await house.mailbox("dominique")
        await acts.record(app, box, DENTIST, "1")
        (noted,) = await _agenda(house)
        moved = msgspec.structs.replace(DENTIST, start="2026-12-03T09:00", end="", repeats="weekly")
        await acts.amend(app, box, noted.id, moved, "2")
        (found,) = await _agenda(house)
        assert (found.start, found.rrule) == ("2026-12-03T09:00:00+01:00", "FREQ=WEEKLY")
        with pytest.raises(Refused):  # absent, or somebody else's
            await acts.amend(app, await house.mailbox("marcel"), noted.id, moved, "3")
        await acts.amend(app, box, noted.id, None, "4")
        assert await _agenda(house) == []
        with pytest.raises(Conflict):
            await acts.amend(app, box, noted.id, None, "5")


async def test_ten_reminders_a_day_and_no_more(sqlite_core: House) -> None:
    house, app = sqlite_core, sqlite_core.app
    with time_machine.travel(NOW, tick=True):
        box = await house.mailbox("dominique")
        daily = Entry("Prendre le traitement", "2026-11-30T08:00", repeats="daily", kind="reminder")
        await acts.record(app, box, daily, "daily")
        for number in range(9):
            await acts.record(app, box, Entry(f"Rappel {number}", "2026-12-01", kind="reminder"), f"{number}")
        with pytest.raises(Invalid) as refused:
            await acts.record(app, box, Entry("De trop", "2026-12-01T10:00", kind="reminder"), "eleventh")
        assert refused.value.code == "too_many_reminders"
        await acts.record(app, box, Entry("Demain", "2026-12-02", kind="reminder"), "next")
        await acts.record(app, box, Entry("Dentiste", "2026-12-01T10:00"), "no reminder")
        assert len(await _agenda(house)) == 12


# ---- who may ---------------------------------------------------------------------------------------------------------


async def _helps(house: House, *scopes: str) -> None:
    """Dominique helps Marcel with these things."""
    await house.app.db.write(
        delegations.grant, house.marcel.space_id, house.dominique.account_id, "helper", now_ms() + 10**9,
        house.marcel.account_id, frozenset(scopes),
    )  # fmt: skip


async def test_a_helper_notes_in_their_own_name_while_they_may(sqlite_core: House) -> None:
    house, app = sqlite_core, sqlite_core.app
    with time_machine.travel(NOW, tick=True):
        await _helps(house, "agenda", "write")
        box = await access.mailbox(app, house.dominique, house.marcel.mailbox_id, ("agenda",))
        await acts.record(app, box, Entry("Podologue", "2026-12-01T10:00"), "1")
        (noted,) = await _agenda(house, "marcel")
        handle = await access.dossier(app, await house.mailbox("marcel"), "agenda")
        row = await app.db.read(lambda tx: rows.find(tx, handle.space_id, noted.id))
        assert row is not None
        known = book.facts_in(handle.keys, row)
        assert (known["author"], known["history"][0]["by"]) == (house.dominique.name, house.dominique.name)
        (line,) = (await reading.since(app, await house.mailbox("marcel"), 0, 5)).entries
        assert (
            line.message.text == f"{house.dominique.name}. Noté\u00a0: Podologue, mardi 1er décembre 2026 à 10\u00a0h."
        )
        await _helps(house, "agenda")
        with pytest.raises(NotAllowed):
            await acts.amend(app, box, noted.id, None, "2")
        await _helps(house, "messages", "write")
        with pytest.raises(Refused):
            await acts.amend(app, box, noted.id, None, "3")
        assert await _agenda(house, "marcel") == [noted]


async def test_the_api_notes_and_says_what_is_wrong(house: House) -> None:
    headers = {"Authorization": f"Bearer {await house.token('dominique')}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        said = {"title": "Dentiste", "start": "2027-02-02T14:00", "repeats": "monthly", "client_key": "k"}
        for _ in range(2):
            async with session.post(f"{house.http}/api/v1/agenda", json=said) as answer:
                assert answer.status == 201
                made = await answer.json()
        assert made["appointment"]["rrule"] == "FREQ=MONTHLY"
        async with session.get(f"{house.http}/api/v1/appointments") as answer:
            assert [one["id"] for one in (await answer.json())["appointments"]] == [made["appointment"]["id"]]
        one = f"{house.http}/api/v1/agenda/{made['appointment']['id']}"
        async with session.put(one, json={"title": "Dentiste", "start": "2027-02-03T15:00"}) as answer:
            changed = (await answer.json())["appointment"]
            assert (answer.status, changed["start"], changed["rrule"]) == (200, "2027-02-03T15:00:00+01:00", "")
        statuses = []
        for _ in range(2):
            async with session.delete(one) as answer:
                statuses.append(answer.status)
        assert statuses == [200, 409]
        async with session.post(f"{house.http}/api/v1/agenda", json=said | {"start": "?", "client_key": "l"}) as answer:
            assert (answer.status, (await answer.json())["code"]) == (422, "appointment_without_day")
    headers = {"Authorization": f"Bearer {await house.token('lab')}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.post(f"{house.http}/api/v1/agenda", json=said) as answer:
            assert answer.status == 404
