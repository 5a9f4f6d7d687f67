"""What is kept of sequences, journeys and calls; on both engines."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import msgspec

from server import access, reading
from server.agenda import organising
from server.agenda.proposals import Moment, Proposal
from server.delivery import Parcel
from server.journeys import Sequence, Step, binding, planning, sending, sequences
from server.settings import PLACE
from storage import appointments, blueprints, calls, deliveries, journeys
from storage.calls import Call
from storage.database import Tx
from storage.ids import new_id
from storage.journeys import Journey, StepRow
from tests.house import House


async def test_each_change_of_a_blueprint_is_a_version_and_none_is_lost(core: House) -> None:
    box = await core.mailbox("morel")
    kept = await sequences.save(core.app, box, Sequence("Genou", "un", ()))
    await sequences.save(core.app, box, Sequence("Genou", "deux", ()), kept, 1)
    await sequences.withdraw(core.app, box, kept)

    def look(tx: Tx) -> tuple[list[tuple[int, str]], int]:
        found = blueprints.versions(tx, core.morel.space_id, kept)
        return [(one.version, one.state) for one in found], len(blueprints.current(tx, core.morel.space_id, "sequence"))

    assert await core.app.db.read(look) == ([(1, "replaced"), (2, "replaced"), (3, "withdrawn")], 0)
    assert (await sequences.one(core.app, box, kept, 1)).sequence.about == "un"


async def test_a_journey_its_steps_and_its_calls(core: House) -> None:
    space, office, one = core.dominique.space_id, core.morel.mailbox_id, new_id()
    journey = Journey(one, "rdv", office, "", "running", 1, b"", core.morel.account_id, 1, 1)

    def write(tx: Tx) -> list[object]:
        keys = core.app.vault.space(space, _wrapped(tx, space))
        journeys.add(tx, space, journey, keys.seal("journey", one, b"{}"))
        step = StepRow(1, "message", "planned", 10, None, "", "", 1)
        journeys.put_step(tx, space, one, step)
        journeys.put_step(tx, space, one, StepRow(1, "message", "sent", 10, 20, "push", "m", 2))
        held = journeys.hold(tx, space, one)
        first = calls.add(tx, office, Call("a", space, one, 1, 30))
        again = calls.add(tx, office, Call("b", space, one, 1, 31))
        settled = (
            calls.settle(tx, office, "a", "who", "absent", 32),
            calls.settle(tx, office, "a", "who", "reached", 33),
        )
        later = calls.add(tx, office, Call("c", space, one, 1, 40))
        waiting = [call.id for call in calls.waiting(tx, office, 10)]
        (row,) = journeys.steps(tx, space, one)
        theirs = calls.waiting(tx, core.leroy.mailbox_id, 10)
        bound = len(journeys.of_appointment(tx, space, "rdv"))
        return [held is not None, first, again, settled, later, waiting, (row.state, row.silent_at, row.told), theirs,
                bound]  # fmt: skip

    assert await core.app.db.write(write) == [
        True, True, False, (True, False), True, ["c"], ("sent", 20, "push"), [], 1,
    ]  # fmt: skip


def _wrapped(tx: Tx, space_id: str) -> bytes:
    return bytes(tx.run("SELECT wrapped_key FROM spaces WHERE id = :s", s=space_id)[0][0])


async def test_a_step_that_two_workers_send_at_once_or_that_is_tried_again_is_sent_once(core: House) -> None:
    app, office = core.app, await core.mailbox("morel")
    kept = await sequences.save(app, office, Sequence("Genou", "", (
        Step(1, "instructions", "Avant", -30, text="À lire.", at_once=True),
        Step(2, "confirmation", "Compris ?", -30, text="Dites-le.", at_once=True),
    )))  # fmt: skip
    sent = await core.letter("morel", "dominique")
    to = await access.conversation(app, office, sent.conversation)
    start = datetime.now(PLACE) + timedelta(days=3)
    moment = Moment(start.isoformat(), (start + timedelta(hours=1)).isoformat())
    await organising.propose(app, office, to, Proposal("Opération", (moment,), "Bloc"))
    (one,) = await app.db.read(appointments.of_space, to.space_id)
    await binding.attach(app, office, sent.conversation, one.id, kept)
    owed = [each for each in await app.db.write(deliveries.claim, 60_000, 50) if each.channel == planning.CHANNEL]
    assert len(owed) == 1, "one instant, one row"
    target = msgspec.json.decode(to.keys.open("delivery", owed[0].id, owed[0].target))
    channel, parcel = sending.JourneyChannel(app), Parcel(owed[0], to.keys, target, 1)
    await asyncio.gather(channel.send(parcel), channel.send(parcel))
    await channel.send(parcel)
    page = await reading.since(app, await core.mailbox("dominique"), 0, 100)
    told = [each.message.text.split("\n")[0] for each in page.entries if each.message.author.name == core.morel.name]
    assert told.count("Avant") == 1
    cards = [each.message.card["title"] for each in page.entries if each.message.card]
    assert cards.count("Compris ?") == 1
