"""An office organises: proposed, picked, moved, called off, a wish answered, agreed by phone; and who may not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace as changed

from server import access, actions, reading
from server.actions import acting
from server.agenda import book, organiser, organising, planned
from server.agenda.organising import Mine
from server.agenda.planned import Planned
from server.agenda.proposals import Moment, Proposal
from server.drafts import Receipt
from server.errors import Conflict, Invalid, NotAllowed, PliError, Refused
from server.handles import MailboxHandle
from tests.house import House

PARIS = ZoneInfo("Europe/Paris")
DAY = (datetime.now(PARIS) + timedelta(days=30)).date()
NINE = Moment(f"{DAY}T09:00", f"{DAY}T09:30")
TWO = Moment(f"{DAY}T14:00", f"{DAY}T14:30")
SIX = Moment(f"{DAY}T18:00", f"{DAY}T18:30")
CONSULTATION = Proposal("Consultation d’anesthésie", (NINE,), "Bâtiment B", "Venez à jeun.")


def at(hour: int, minute: int = 0) -> str:
    return datetime(DAY.year, DAY.month, DAY.day, hour, minute, tzinfo=PARIS).isoformat()


async def team(house: House) -> MailboxHandle:
    """Mme Petit at the mailbox of the admissions team."""
    return await access.mailbox(house.app, house.petit, house.admissions.mailbox_id)


async def propose(
    house: House, box: MailboxHandle, wanted: Proposal = CONSULTATION, patient: str = "dominique"
) -> Receipt:
    space = await access.patient(house.app, box.actor, house.ins(patient), through=box)
    return await organising.propose(house.app, box, space, wanted)


async def tap(house: House, message: str, action: str, name: str = "dominique", **values: Any) -> Receipt:
    return await acting.act(house.app, await house.mailbox(name), message, action, values, "")


async def days(house: House, box: MailboxHandle) -> list[Planned]:
    since = datetime.combine(DAY, datetime.min.time(), PARIS)
    return await planned.planning(house.app, box, since, since + timedelta(days=3))


async def the_one(house: House, box: MailboxHandle) -> Mine:
    (only,) = await days(house, box)
    return await organising.mine(house.app, box, only.space, only.id)


async def agenda(house: House, name: str = "dominique") -> list[book.AppointmentView]:
    return await book.appointments(house.app, await access.dossier(house.app, await house.mailbox(name), "agenda"))


async def card(house: House, message: str, name: str = "dominique") -> dict[str, Any]:
    box = await house.mailbox(name)
    entry = await reading.message(house.app, await access.conversation_of_message(house.app, box, message), message)
    assert entry.message.card is not None
    return entry.message.card


async def test_the_team_proposes_and_only_the_patient_books(house: House) -> None:
    box = await team(house)
    receipt = await propose(house, box)
    (shown,) = await days(house, box)
    assert (shown.patient, shown.born, shown.state) == ("Dominique PAT-TROIS", "1979-03-28", "proposed")
    assert (shown.conversation, shown.mine, shown.clashes) == (receipt.conversation, True, ())
    assert await agenda(house) == []
    said = (await card(house, receipt.message))["text"]
    assert said == "Venez à jeun.\nUne question ? Écrivez ici : une personne vous répond."
    await tap(house, receipt.message, "agenda.accept")
    (noted,) = await agenda(house)
    assert (noted.state, noted.start) == ("accepted", at(9))
    assert [one.state for one in await days(house, box)] == ["accepted"]


async def test_moved_then_called_off_each_card_says_where_the_next_one_is(house: House) -> None:
    box = await team(house)
    first = await propose(house, box)
    await tap(house, first.message, "agenda.accept")
    second = await organising.move(house.app, box, await the_one(house, box), changed(CONSULTATION, moments=(TWO,)))
    assert second.conversation == first.conversation
    old = await card(house, first.message)
    assert (old["event"]["event"], old["event"]["message"]) == ("agenda.moved", second.message)
    assert [one.state for one in await agenda(house)] == ["proposed"], "the patient's word was for nine"
    with pytest.raises(Conflict):
        await tap(house, first.message, "agenda.decline")
    await tap(house, second.message, "agenda.accept")
    assert [(one.state, one.start[11:16]) for one in await agenda(house)] == [("accepted", "14:00")]
    gone = await organising.cancel(house.app, box, await the_one(house, box), "Le bloc est fermé.")
    assert [one.state for one in await agenda(house)] == ["cancelled"]
    last = await card(house, gone.message)
    assert last["title"] == "Rendez-vous annulé : Consultation d’anesthésie"
    assert last["text"].startswith("Le bloc est fermé.\nUne question ?")
    with pytest.raises(Conflict):
        await organising.move(house.app, box, await the_one(house, box), CONSULTATION)


async def test_a_change_of_the_text_alone_leaves_the_patient_s_word(house: House) -> None:
    box = await team(house)
    await tap(house, (await propose(house, box)).message, "agenda.accept")
    await organising.move(house.app, box, await the_one(house, box), changed(CONSULTATION, text="Avec vos radios."))
    assert [one.state for one in await agenda(house)] == ["accepted"]


async def test_of_three_moments_dominique_picks_one_by_a_tap_and_marcel_by_number(house: House) -> None:
    box = await team(house)
    several = changed(CONSULTATION, moments=(NINE, TWO, SIX))
    receipt = await propose(house, box, several)
    shown = await card(house, receipt.message)
    assert [one["label"].rpartition(" à ")[2] for one in shown["choices"]] == ["9\u00a0h", "14\u00a0h", "18\u00a0h"]
    assert [one["action"] for one in shown["choices"]] == ["agenda.first", "agenda.second", "agenda.third"]
    assert not any(one["primary"] for one in shown["choices"])
    assert [one["action"] for one in shown["besides"]] == ["agenda.counter", "agenda.decline"]
    letter = actions.letter_form(shown)
    assert f"2. {shown['choices'][1]['label']}" in letter
    assert "4. Demander un autre moment" in letter
    assert [one.moments for one in await days(house, box)] == [3]
    await tap(house, receipt.message, "agenda.second")
    assert [(one.state, one.start[11:16]) for one in await agenda(house)] == [("accepted", "14:00")]
    await tap(house, receipt.message, "agenda.third")
    assert [(one.state, one.start[11:16]) for one in await agenda(house)] == [("accepted", "18:00")]
    other = await propose(house, box, changed(several, moments=(NINE, TWO)), "marcel")
    two = await card(house, other.message, "marcel")
    assert [actions.choice(two, number) for number in (1, 2, 3, 4, 5)] == [
        "agenda.first",
        "agenda.second",
        "agenda.counter",
        "agenda.decline",
        None,
    ]
    with pytest.raises(PliError):
        await tap(house, other.message, "agenda.third", "marcel")


@pytest.mark.parametrize("answer", ["granted", "kept"])
async def test_a_wish_is_granted_or_the_planned_moment_stays(house: House, answer: str) -> None:
    box = await team(house)
    receipt = await propose(house, box)
    wished = at(18, 15)
    await tap(house, receipt.message, "agenda.counter", text="Plutôt le soir.", start=wished)
    (shown,) = await days(house, box)
    assert (shown.state, shown.wish, shown.wished) == ("asked", "Plutôt le soir.", wished)
    if answer == "granted":
        answered = await organising.grant(house.app, box, await the_one(house, box))
        now = await card(house, answered.message)
        assert now["text"].startswith("C’est le moment que vous avez demandé.")
        assert (now["start"], now["sequence"]) == (wished, 1)
        assert book.instant(now["end"]) == book.instant(at(18, 45))
        assert [one.state for one in await agenda(house)] == ["proposed"], "theirs to accept, even so"
    else:
        await organising.keep(house.app, box, await the_one(house, box), "Le soir est complet.")
        now = await card(house, receipt.message)
        assert now["event"]["event"] == "agenda.kept"
        assert "agenda.accept" in [one["action"] for one in now["choices"]]
    with pytest.raises(Conflict):
        await organising.keep(house.app, box, await the_one(house, box))


async def test_what_was_agreed_by_phone_is_said_and_may_be_declined(house: House) -> None:
    box = await team(house)
    receipt = await propose(house, box, changed(CONSULTATION, agreed=True))
    assert [one.state for one in await agenda(house)] == ["accepted"]
    shown = await card(house, receipt.message)
    assert shown["text"].startswith(f"Convenu de vive voix avec {house.petit.name}")
    assert shown["choices"][0]["label"] == "C’est bien cela"
    assert [one.agreed for one in await days(house, box)] == [house.petit.name]
    await tap(house, receipt.message, "agenda.decline")
    assert [one.state for one in await days(house, box)] == ["declined"]


async def test_a_machine_proposes_but_agrees_nothing_with_anybody(house: House) -> None:
    box = await house.mailbox("lab")
    with pytest.raises(NotAllowed):
        await propose(house, box, changed(CONSULTATION, agreed=True))
    receipt = await propose(house, box)
    assert "demandez à parler à une personne" in (await card(house, receipt.message))["text"]
    assert await agenda(house) == []


async def test_for_everybody_but_its_organiser_it_is_not_there(house: House) -> None:
    box = await team(house)
    await propose(house, box)
    (shown,) = await days(house, box)
    for other in (await house.mailbox("petit"), await house.mailbox("morel"), await house.mailbox("lab")):
        assert await days(house, other) == []
        for named in (
            (shown.space, shown.id),
            (shown.space, house.morel.account_id),
            (house.marcel.space_id, shown.id),
        ):
            with pytest.raises(Refused):
                await organising.mine(house.app, other, *named)
            with pytest.raises(Refused):
                await planned.one(house.app, other, *named)
    with pytest.raises(Refused):
        await organising.mine(house.app, await house.mailbox("dominique"), shown.space, shown.id)
    mine = await organising.mine(house.app, box, shown.space, shown.id)
    await house.app.db.write(
        lambda tx: tx.run("DELETE FROM team_members WHERE account_id = :a", a=house.petit.account_id)
    )
    with pytest.raises(Refused):
        await organising.cancel(house.app, box, mine)


async def test_two_who_change_it_at_once_are_told_apart(house: House) -> None:
    box = await team(house)
    await propose(house, box)
    seen = await the_one(house, box)
    await organising.move(house.app, box, seen, changed(CONSULTATION, moments=(TWO,)))
    with pytest.raises(Conflict):
        await organising.cancel(house.app, box, seen)
    assert [one.state for one in await days(house, box)] == ["proposed"]


async def test_the_slot_that_the_office_gave_twice_is_said_to_it_and_not_to_the_patients(house: House) -> None:
    box = await team(house)
    await propose(house, box)
    late = Moment(f"{DAY}T09:15", f"{DAY}T09:45")
    receipt = await propose(house, box, changed(CONSULTATION, moments=(late,)), "marcel")
    one, other = await days(house, box)
    assert one.clashes == (f"{other.patient}, Consultation d’anesthésie",)
    assert other.clashes == (f"{one.patient}, Consultation d’anesthésie",)
    assert "DOMINIQUE" not in str(await card(house, receipt.message, "marcel")).upper()


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": " "},
        {"title": "x" * 201},
        {"moments": ()},
        {"moments": (NINE, NINE)},
        {"moments": (NINE, TWO), "agreed": True},
        {"moments": (Moment("hier"),)},
        {"moments": (Moment("2020-01-01T09:00"),)},
        {"moments": (Moment("2099-01-01T09:00"),)},
        {"moments": (Moment(f"{DAY}T09:00", f"{DAY}T08:00"),)},
        {"rrule": "FREQ=SECONDLY"},
        {"zone": "Mars/Olympus"},
    ],
)
async def test_what_cannot_be_is_refused_with_a_sentence(house: House, wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as told:
        await propose(house, await team(house), changed(CONSULTATION, **wrong))
    assert told.value.detail.endswith(".")


async def test_ten_sessions_are_one_proposal_and_ten_dates(house: House) -> None:
    from server.agenda import days as agenda_days

    box = await team(house)
    sessions = changed(CONSULTATION, rrule="FREQ=WEEKLY;COUNT=10")
    await tap(house, (await propose(house, box, sessions)).message, "agenda.accept")
    handle = await access.dossier(house.app, await house.mailbox("dominique"), "agenda")
    found = await agenda_days.between(house.app, handle, DAY, DAY + timedelta(days=100))
    assert [one.day for one in found] == [DAY + timedelta(weeks=week) for week in range(10)]
    assert {one.begins.astimezone(PARIS).hour for one in found} == {9}
    assert datetime.now(UTC) < found[0].begins


async def test_every_session_stands_in_the_days_of_the_office(house: House) -> None:
    box = await team(house)
    await propose(house, box, changed(CONSULTATION, rrule="FREQ=WEEKLY;COUNT=10"))
    for weeks, there in ((0, 1), (3, 1), (9, 1), (10, 0)):
        since = datetime.combine(DAY + timedelta(weeks=weeks), datetime.min.time(), PARIS)
        found = await planned.planning(house.app, box, since, since + timedelta(days=1))
        assert len(found) == there, weeks
        assert all(one.start[:13] == f"{since.date()}T09" for one in found)


async def test_what_came_by_mail_is_moved_on_the_page_and_stays_one_appointment(house: House) -> None:
    """Its UID is scoped to the address it came from; the newer version keeps that scope."""
    address = house.morel.address
    mailed = book.appointment_card(
        title="Contrôle", text="", uid="outlook-1", sequence=0, start=at(9), end=at(10), all_day=False,
        location="", organizer=address, ics="",
    )  # fmt: skip
    first = await house.letter(
        "morel", "dominique", "", "Rendez-vous", kind="card", card=mailed, raw=b".",
        effect=lambda doing: organiser.offered(doing, mailed, address),
    )  # fmt: skip
    await tap(house, first.message, "agenda.accept")
    box = await house.mailbox("morel")
    wanted = changed(organising.proposal_of(await the_one(house, box)), moments=(TWO,))
    second = await organising.move(house.app, box, await the_one(house, box), wanted)
    await tap(house, second.message, "agenda.accept")
    assert [(one.state, one.start) for one in await agenda(house)] == [("accepted", at(14))]
    await organising.cancel(house.app, box, await the_one(house, box))
    assert [one.state for one in await agenda(house)] == ["cancelled"]
