"""A dossier opened in an emergency: on which conditions, what may be read, who is told, and that nothing is read so
without all of its records.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from time_machine import TimeMachineFixture

from server import access, reading, sessions
from server.dossier import choices, consents, emergencies, volume
from server.dossier.consents import Giving
from server.dossier.emergencies import Emergency, EmergencyTold
from server.errors import Invalid, NotAllowed, PliError, Refused, StepUp
from storage import visibilities
from storage.database import Tx
from tests.doors.test_consents import file, titles
from tests.house import House
from tests.notice_post import wish

WHY = "Patiente inconsciente aux urgences"


async def declare(
    house: House, who: str = "benali", patient: str = "dominique", ground: str = "emergency", reason: str = WHY
) -> Emergency:
    """As a doctor does on the page, after finding the patient by their identity."""
    box, space_id = await house.mailbox(who), house.people[patient].space_id
    await house.app.db.write(volume.found, house.people[who].account_id, space_id)
    session = await house.session(who)
    return await emergencies.open(house.app, box, space_id, reason, ground, session=session)


async def told(house: House, who: str, mailbox: str = "") -> list[str]:
    box = await house.mailbox(who, mailbox)
    return [entry.message.text for entry in (await reading.since(house.app, box, 0)).entries]


async def test_a_doctor_reads_for_some_hours_and_the_patient_knows_at_once(
    sqlite_core: House, time_machine: TimeMachineFixture
) -> None:
    house = sqlite_core
    await file(house, "reports", "34112-3", "Séjour")
    opened = await declare(house)
    assert await titles(house, "benali") == ["Séjour"]
    (line,) = await told(house, "dominique")
    assert line.startswith(
        "Dr Karim BENALI (Médecin urgentiste, SAMU de Pli) a ouvert votre dossier en urgence. Raison donnée : "
        "« Patiente inconsciente aux urgences ». Cet accès prend fin le "
    )
    again = await declare(house, reason="La même patiente, encore")
    assert (again.id, again.reason) == (opened.id, WHY)  # it runs: nobody is told twice
    time_machine.move_to(datetime.now(UTC) + timedelta(hours=24))
    await house.app.db.write(volume.found, house.benali.account_id, house.dominique.space_id)
    assert await titles(house, "benali") == []


async def test_what_an_emergency_asks_for_beforehand(sqlite_core: House) -> None:
    house = sqlite_core
    for who, ground, reason, code in (
        ("benali", "emergency", "urgent", "bad_reason"),
        ("benali", "emergency", "   u r g   ", "bad_reason"),
        ("lunel", "emergency", WHY, "not_for_emergency"),
        ("petit", "emergency", WHY, "not_for_emergency"),
        ("leroy", "samu", WHY, "not_for_emergency"),
        ("benali", "treating", WHY, "not_found"),
    ):
        with pytest.raises(PliError, match=code):
            await declare(house, who, ground=ground, reason=reason)
    box, session = await house.mailbox("benali"), await house.session("benali")
    with pytest.raises(Refused):  # whom they neither know nor found
        await emergencies.open(house.app, box, house.marcel.space_id, WHY, session=session)
    assert await emergencies.grounds_of(house.app, box) == ("emergency", "samu")
    assert await emergencies.grounds_of(house.app, await house.mailbox("leroy")) == ("emergency",)
    assert await told(house, "dominique") == []


async def test_it_asks_for_a_second_factor_given_just_now(sqlite_core: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house = sqlite_core
    monkeypatch.setattr(house.app, "settings", replace(house.app.settings, demo=False))
    box, weak = (
        await house.mailbox("benali"),
        await sessions.open_session(house.app, house.benali.account_id, strong=False),
    )
    with pytest.raises(StepUp):
        await emergencies.open(house.app, box, house.dominique.space_id, WHY, session=weak)


async def test_the_two_choices_are_two_and_the_blocked_hear_the_same(sqlite_core: House) -> None:
    house, box = sqlite_core, await sqlite_core.mailbox("dominique")
    await choices.change(house.app, box, "emergency", on=False)
    with pytest.raises(NotAllowed, match="emergency_opposed") as opposed:
        await declare(house)
    await declare(house, ground="samu")
    await choices.change(house.app, box, "samu", on=False)
    await choices.change(house.app, box, "emergency", on=True)
    with pytest.raises(NotAllowed, match="emergency_opposed"):
        await declare(house, "benali", "dominique", "samu")
    await house.stand("leroy", "dominique", "block", "blocked")
    with pytest.raises(NotAllowed, match="emergency_opposed") as blocked:
        await declare(house, "leroy")
    assert blocked.value.detail == opposed.value.detail


async def test_what_is_hidden_is_read_in_an_emergency_only_when_the_patient_said_so(sqlite_core: House) -> None:
    house, box = sqlite_core, await sqlite_core.mailbox("dominique")
    hidden = await file(house, "reports", "34112-3", "Séjour")
    space, me = house.dominique.space_id, house.dominique.account_id

    def hide(tx: Tx) -> None:
        visibilities.record(tx, space, hidden, "hidden", on=True, by=me)

    await house.app.db.write(hide)
    await declare(house)
    assert await titles(house, "benali") == []
    await choices.change(house.app, box, "hidden_in_emergency", on=True)
    assert await titles(house, "benali") == ["Séjour"]


async def test_the_medecin_traitant_is_told_and_a_child_s_mother_too(sqlite_core: House) -> None:
    house = sqlite_core
    await house.letter("leroy", "camille")
    childs = await access.mailbox(house.app, house.dominique, house.camille.mailbox_id)
    await consents.give(house.app, childs, Giving(house.leroy.account_id, "treating"))
    await wish(house, "dominique")
    await declare(house, patient="camille", reason="Convulsions à la piscine")
    idle = asyncio.Event()
    house.app.delivery.add(EmergencyTold(house.app))
    house.app.delivery.on_idle = idle.set
    house.app.delivery.start()
    await asyncio.wait_for(idle.wait(), 60)
    letter = (await told(house, "leroy"))[-1]
    assert letter.startswith(
        "Le dossier de Camille PAT-TROIS a été ouvert en urgence par Dr Karim BENALI (SAMU de Pli)"
    )
    assert "Convulsions" not in letter  # why is the patient's to tell
    assert any("a ouvert le dossier de Camille PAT-TROIS en urgence" in text
               for text in await told(house, "dominique", house.camille.mailbox_id))  # fmt: skip
    owed = await house.app.db.read(
        lambda tx: tx.run(
            "SELECT id FROM deliveries WHERE channel = 'notice' AND id LIKE :clock",
            clock=f"notice-{house.dominique.account_id}-{house.camille.mailbox_id}",
        )
    )
    assert owed  # her own telephone says that something waits, and no more


async def test_the_patient_ends_it_and_so_may_the_doctor(sqlite_core: House) -> None:
    house, box = sqlite_core, await sqlite_core.mailbox("dominique")
    opened = await declare(house)
    await consents.withdraw(house.app, box, opened.id)
    record = await access.record_of(house.app, await house.mailbox("benali"), house.dominique.space_id)
    assert await emergencies.running(house.app, record) is None
    await declare(house)
    assert await emergencies.running(house.app, record) is not None
    await emergencies.close(house.app, record)
    with pytest.raises(Refused):
        await emergencies.close(house.app, record)
    assert len(await told(house, "dominique")) == 4


async def test_no_emergency_exists_without_its_records(core: House) -> None:
    await declare(core)
    await declare(core, ground="samu")
    with pytest.raises(Invalid):  # the only other way to make a consent
        await consents.give(core.app, await core.mailbox("dominique"), Giving(core.benali.account_id, "samu"))

    def records(tx: Tx) -> list[tuple[int, int, int]]:
        return [
            (
                len(tx.run("SELECT 1 FROM audit WHERE act = 'emergency:opened' AND why = :id", id=consent_id)),
                len(tx.run("SELECT 1 FROM reviews WHERE kind = 'emergency' AND object = :id", id=consent_id)),
                len(
                    tx.run(
                        "SELECT 1 FROM entries WHERE message_id = :m AND mailbox_id = :b",
                        m=message_id,
                        b=core.dominique.mailbox_id,
                    )
                ),
            )
            for consent_id, message_id in tx.run(
                "SELECT id, message_id FROM consents WHERE kind IN ('emergency','samu')"
            )
        ]

    assert await core.app.db.read(records) == [(1, 1, 1), (1, 1, 1)]
