"""What is owed to the outside: claimed once, retried, given up aloud; on both engines."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from server import access, people, reading
from server.delivery import Held, Parcel, Permanent, Temporary
from server.drafts import Draft, Opening
from server.posting import post
from storage import deliveries
from storage.database import Tx
from storage.ids import now_ms
from tests.house import House


class Peer:
    """The other operator's server: does what the test says, and keeps what it was handed."""

    name = "mail"

    def __init__(self, *answers: Exception | None) -> None:
        self.answers = list(answers)
        self.parcels: list[Parcel] = []

    async def send(self, parcel: Parcel) -> None:
        self.parcels.append(parcel)
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer


async def _owe(core: House) -> str:
    """Dominique answers a doctor of another operator; her message is owed to them. Returns its id."""
    doctor = people.correspondent("dr.loin@operator.example", "Dr LOIN")
    space = await access.patient(core.app, doctor, core.ins("dominique"))
    letter = await post(core.app, doctor, Draft(to=Opening(space, "Avis"), text="Qu’en pensez-vous ?"))
    return (await core.answer("dominique", letter.conversation, "D’accord.")).message


async def _until_idle(core: House, peer: Peer) -> None:
    idle = asyncio.Event()
    core.app.delivery.add(peer)
    core.app.delivery.on_idle = idle.set
    core.app.delivery.start()
    await asyncio.wait_for(idle.wait(), 60)


async def _states(core: House, message: str) -> list[tuple[str, str, int]]:
    return await core.app.db.read(deliveries.of_message, core.dominique.space_id, message)


async def test_a_parcel_is_claimed_by_one_worker(core: House) -> None:
    await _owe(core)
    claims = await asyncio.gather(*(core.app.db.write(deliveries.claim, 60_000, 10) for _ in range(5)))
    assert sum(len(claim) for claim in claims) == 1


async def test_a_worker_that_died_loses_its_lease(core: House) -> None:
    await _owe(core)
    assert len(await core.app.db.write(deliveries.claim, 0, 10)) == 1  # a lease that is already over
    again = await core.app.db.write(deliveries.claim, 60_000, 10)
    assert [delivery.attempts for delivery in again] == [2]


async def test_a_sent_letter_is_shown_as_delivered(core: House) -> None:
    message = await _owe(core)
    peer = Peer()
    await _until_idle(core, peer)
    assert await _states(core, message) == [("mail", "done", 1)]
    entries = (await reading.since(core.app, await core.mailbox("dominique"), 0)).entries
    assert entries[-1].message.status == "delivered"


async def test_a_busy_peer_is_tried_again_later_and_nobody_is_alarmed(core: House) -> None:
    message = await _owe(core)
    before = now_ms()
    await _until_idle(core, Peer(Temporary("421")))
    assert await _states(core, message) == [("mail", "due", 1)]
    due = await core.app.db.read(deliveries.next_due)
    assert due is not None
    assert due >= before + 2_000, "the first wait of the settings"
    entries = (await reading.since(core.app, await core.mailbox("dominique"), 0)).entries
    assert [entry.message.kind for entry in entries] == ["text", "text"]
    assert entries[-1].message.status == "sent"


@pytest.mark.parametrize("hours", [120, 0])
async def test_a_final_failure_comes_back_into_the_thread_once(core: House, hours: int) -> None:
    message = await _owe(core)
    core.app.settings = replace(core.app.settings, mail_give_up_hours=hours)

    def it_was_owed_an_hour_ago(tx: Tx) -> None:
        tx.run("UPDATE deliveries SET created_at = created_at - 3600000")

    await core.app.db.write(it_was_owed_an_hour_ago)
    await _until_idle(core, Peer(Temporary("421") if hours == 0 else Permanent("550", "Cette adresse n’existe plus.")))
    assert await _states(core, message) == [("mail", "failed", 1)]
    entries = (await reading.since(core.app, await core.mailbox("dominique"), 0)).entries
    assert [entry.message.kind for entry in entries] == ["text", "text", "bounce"]
    assert entries[1].message.status == "failed"
    assert "n’a pas pu être remis à Dr LOIN" in entries[2].message.text
    assert "Votre texte est gardé" in entries[2].message.text


async def test_what_was_held_was_not_tried(core: House) -> None:
    message = await _owe(core)
    until = now_ms() + 60_000
    await _until_idle(core, Peer(Held("peer_down", until)))
    assert await _states(core, message) == [("mail", "due", 0)]
    due = await core.app.db.read(deliveries.next_due)
    assert due is not None
    assert until <= due <= until + 12_000, "its own instant, within a fifth of the wait"


async def test_who_wrote_is_told_once_and_quietly_that_it_is_late(core: House) -> None:
    message = await _owe(core)

    def it_was_owed_five_hours_ago(tx: Tx) -> None:
        tx.run("UPDATE deliveries SET created_at = created_at - 18000000")

    await core.app.db.write(it_was_owed_five_hours_ago)
    await _until_idle(core, Peer(Temporary("no_connection"), Held("peer_down", now_ms() + 60_000), None))
    for _ in range(2):
        entries = (await reading.since(core.app, await core.mailbox("dominique"), 0)).entries
        assert [entry.message.kind for entry in entries if entry.kind == "message"] == ["text", "text", "line"]
        assert entries[1].message.status == "delayed"
        assert "le serveur de Dr LOIN ne répond pas" in entries[2].message.text
        await _once_more(core)
    assert await _states(core, message) == [("mail", "done", 2)]
    entries = (await reading.since(core.app, await core.mailbox("dominique"), 0)).entries
    assert entries[1].message.status == "delivered"


async def _once_more(core: House) -> None:
    """What waits is due now, and tried."""
    again = asyncio.Event()
    core.app.delivery.on_idle = again.set
    await core.app.db.write(lambda tx: tx.run("UPDATE deliveries SET due_at = 0, lease_at = 0 WHERE state = 'due'"))
    core.app.delivery.wake()
    await asyncio.wait_for(again.wait(), 60)


async def test_one_poisoned_parcel_does_not_stop_the_next(core: House) -> None:
    poisoned = await _owe(core)
    sound = (await core.answer("dominique", (await core.letter("morel", "dominique")).conversation)).message
    other = await _owe(core)
    await _until_idle(core, Peer(RuntimeError("poison")))
    states = [(await _states(core, poisoned)), (await _states(core, other))]
    assert sorted(state[0][1] for state in states) == ["done", "due"]
    assert await _states(core, sound) == []


class SlowPeer(Peer):
    """Never answers the first parcel; takes the next ones."""

    def __init__(self) -> None:
        super().__init__()
        self.took_the_second = asyncio.Event()

    async def send(self, parcel: Parcel) -> None:
        await super().send(parcel)
        if len(self.parcels) == 1:
            await asyncio.Event().wait()
        self.took_the_second.set()


async def test_a_peer_that_never_answers_holds_up_nobody_else(core: House) -> None:
    await _owe(core)
    peer = SlowPeer()
    core.app.delivery.add(peer)
    core.app.delivery.start()
    while not peer.parcels:
        await core.app.db.read(deliveries.counts)
    await _owe(core)
    core.app.delivery.wake()
    await asyncio.wait_for(peer.took_the_second.wait(), 60)
