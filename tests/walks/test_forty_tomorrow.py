"""Forty patients are due tomorrow at the admissions: who is ready, who is to be called, and the mail of the evening."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from server import access, people, reading
from server.actions import acting
from server.agenda import book, organiser
from server.drafts import Actor, Draft, Opening, Receipt
from server.journeys import Sequence, Silence, Step, binding, evening, sequences
from server.people import Traits
from server.posting import Doing, post
from server.settings import PLACE
from storage import appointments
from tests.browser.visitor import visitor
from tests.house import House
from tests.imap_client import client
from tests.notice_post import HOUR, Post, outside, settled
from tests.speed import crowd

FORTY, READY, SILENT = 40, 34, 3
TOMORROW = date(2026, 11, 25)
FASTING = Sequence("Entrée", "Pour les entrées du lendemain", (
    Step(1, "confirmation", "À jeun : bien compris ?", -1, "10:30", "Ne mangez plus après minuit.", essential=True,
         silence=Silence(-1, "15:00", ("call",), 1)),
))  # fmt: skip


@pytest.fixture
async def world(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Post]:
    async with outside(tmp_path, sqlite_url, doors=True) as opened:
        yield opened


async def expect(house: House, number: int, sequence: str) -> tuple[Actor, Receipt]:
    """A patient whom the admissions expect tomorrow, with what is sent to them before."""
    traits = Traits(
        crowd.ins(number), crowd.TEST_OID, crowd.NAME, f"Patient {number}", crowd.BIRTH_DATE, crowd.SEX,
        crowd.BIRTH_PLACE,
    )  # fmt: skip
    patient = await people.open_space(house.app, traits)
    start = datetime(TOMORROW.year, TOMORROW.month, TOMORROW.day, 7 + number // 6, number % 6 * 10, tzinfo=PLACE)
    card = book.appointment_card(
        title="Votre entrée", text="", uid=f"entree-{number}", sequence=0, start=start.isoformat(), end="",
        all_day=False, location="Accueil", organizer=house.address("admissions"), ics="",
    )  # fmt: skip

    def arrives(doing: Doing) -> None:
        organiser.offered(doing, card, house.admissions.account_id)

    space = await access.patient(house.app, house.admissions, traits.ins)
    draft = Draft(to=Opening(space, "Votre entrée"), kind="card", text="", card=card, effect=arrives)
    sent = await post(house.app, house.admissions, draft)
    (found,) = await house.app.db.read(appointments.of_space, patient.space_id)
    box = await house.mailbox("admissions")
    await binding.attach(house.app, box, sent.conversation, found.id, sequence)
    return patient, sent


async def answer(house: House, patient: Actor) -> None:
    """They say yes to the appointment, and that they have understood."""
    box = await access.mailbox(house.app, patient)
    for entry in (await reading.since(house.app, box, 0)).entries:
        kind = (entry.message.card or {}).get("type")
        if kind in ("appointment", "confirmation"):
            action = {"appointment": "agenda.accept", "confirmation": "confirm.understood"}[kind]
            await acting.act(house.app, box, entry.message.id, action, {}, f"{entry.message.id}")
    await read(house, patient)


async def read(house: House, patient: Actor) -> None:
    box = await access.mailbox(house.app, patient)
    page = await reading.since(house.app, box, 0)
    handle = await access.conversation(house.app, box, page.entries[-1].conversation)
    await reading.mark_read(house.app, handle, page.entries[-1].seq)


async def test_forty_are_due_tomorrow_and_the_desk_sees_who_is_ready_and_gets_it_by_mail(world: Post) -> None:
    house = world.house
    sequence = await sequences.save(house.app, await house.mailbox("admissions"), FASTING)
    expected = await asyncio.gather(*(expect(house, number, sequence) for number in range(FORTY)))
    await settled(house)
    place = f"/for/{house.admissions.mailbox_id}"
    async with visitor(house, "petit") as petit:
        assert "40 Rien ne leur a été demandé" in (await petit.get(f"{place}/ready")).said

    await world.after(HOUR)  # the question is asked at half past ten
    for patient, _ in expected[:READY]:
        await answer(house, patient)
    for patient, _ in expected[READY:-SILENT]:
        await read(house, patient)
    await world.after(6 * HOUR)  # at three, who stayed silent is on the list of calls

    async with visitor(house, "petit") as petit:
        page = await petit.get(f"{place}/ready")
        assert 'aria-label="34 prêts sur 40 patients attendus"' in page.text
        assert page.said.index("Appel à Patient") < page.said.index("A tout lu et tout fait")
        assert page.said.count("« À jeun : bien compris ? » : lu, sans réponse") == FORTY - READY - SILENT
        assert page.said.count("« À jeun : bien compris ? » : pas encore lu") == SILENT
        assert page.text.count("/ready/calls/") == FORTY - READY
        assert "VITESSE" in page.said
        assert "née le 1 janvier 1950" in page.said
        call = page.text.split(f'action="{place}/ready/calls/')[1].split('"')[0]
        assert (await petit.post(f"{place}/ready/calls/{call}", {"outcome": "reached"})).status == 303
        assert 'aria-label="35 prêts sur 40 patients attendus"' in (await petit.get(f"{place}/ready")).text
        assert (await petit.get("/ready?day=2026-11-26")).said.count("Personne n’est attendu") == 1
        assert (await petit.get("/ready?day=hier")).status == 422

    assert await evening.tell(house.app, TOMORROW) == 1
    assert await evening.tell(house.app, TOMORROW) == 0, "once an evening"
    async with client(house, house.address("admissions")) as desk:
        mail = await desk.mail((await desk.uids("SUBJECT", "demain"))[-1])
    assert mail["Subject"] == "Prêts pour demain, mercredi 25 novembre : 35 sur 40"
    text = mail.get_content()
    assert "Mercredi 25 novembre : 40 patients attendus, 35 prêts." in text
    assert "À appeler (5) :" in text
    assert "né le" not in text.replace("née le", "")
    assert world.relay.got == [], "nothing of it leaves the house"
    async with visitor(house, "petit") as petit:
        assert "Prêts pour demain" in (await petit.get(f"{place}/")).said
        assert "Prêts pour demain" not in (await petit.get(f"{place}/team")).said, "it is no patient who waits"


async def test_nobody_else_sees_a_board_nor_settles_a_call(world: Post) -> None:
    house = world.house
    sequence = await sequences.save(house.app, await house.mailbox("admissions"), FASTING)
    await expect(house, 1, sequence)
    await world.after(7 * HOUR)
    async with visitor(house, "petit") as petit:
        page = await petit.get(f"/for/{house.admissions.mailbox_id}/ready")
        call = page.text.split("/ready/calls/")[1].split('"')[0]
    async with visitor(house, "morel") as morel:
        assert (await morel.get(f"/for/{house.admissions.mailbox_id}/ready")).status == 404
        assert "Personne n’est attendu" in (await morel.get("/ready")).said
        assert (await morel.post(f"/ready/calls/{call}", {"outcome": "reached"})).status == 404
    async with visitor(house, "dominique") as dominique:
        assert (await dominique.get("/ready")).status == 404


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (datetime(2026, 10, 24, 20, tzinfo=PLACE), datetime(2026, 10, 25, 17, tzinfo=PLACE)),
        (datetime(2027, 3, 27, 20, tzinfo=PLACE), datetime(2027, 3, 28, 17, tzinfo=PLACE)),
        (datetime(2026, 11, 24, 16, 59, tzinfo=PLACE), datetime(2026, 11, 24, 17, tzinfo=PLACE)),
        (datetime(2026, 11, 24, 17, tzinfo=PLACE), datetime(2026, 11, 25, 17, tzinfo=PLACE)),
    ],
)
def test_an_evening_comes_at_the_same_hour_when_the_clocks_change(now: datetime, due: datetime) -> None:
    assert evening.next_time(now.astimezone(UTC), 17) == due
