"""Consents, reviews, openings and requests as rows: what counts now, what came before, on both engines."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from time_machine import TimeMachineFixture

from server.reading import space_keys
from storage import consents, exchanges, openings, reviews
from storage.consents import Consent
from storage.database import Tx
from storage.ids import new_id, now_ms
from tests.house import House

HOUR = 3_600_000


async def given(house: House, who: str, kind: str, until: int | None = None, since: int = 0) -> str:
    keys = (await house.mailbox("dominique")).space_id, new_id()
    consent = Consent(keys[0], keys[1], house.people[who].account_id, kind, b"", since or now_ms(), until, "", "")

    def write(tx: Tx) -> None:
        consents.insert(tx, consent, space_keys(house.app, tx, keys[0]).seal("consent", keys[1], b"{}"))

    await house.app.db.write(write)
    return keys[1]


async def test_a_consent_counts_from_its_first_instant_to_its_last_and_stays_when_it_is_over(
    core: House, time_machine: TimeMachineFixture
) -> None:
    space, now = core.dominique.space_id, datetime.now(UTC)
    time_machine.move_to(now, tick=False)
    for kind, until, since in (
        ("treating", None, 0), ("explicit", now_ms() + HOUR, 0), ("care_team", None, now_ms() + HOUR)
    ):  # fmt: skip
        await given(core, "morel", kind, until, since)

    async def kinds() -> list[str]:
        found = await core.app.db.read(consents.in_force, space, [core.morel.account_id, "nobody"])
        everywhere = await core.app.db.read(consents.of_account, core.morel.account_id)
        assert {one.id for one in found} == {one.id for one in everywhere}
        return sorted(one.kind for one in found)

    assert await kinds() == ["explicit", "treating"]
    time_machine.move_to(now + timedelta(hours=1), tick=False)
    assert await kinds() == ["care_team", "treating"]
    (treating,) = [one for one in await core.app.db.read(consents.of, space) if one.kind == "treating"]
    assert await core.app.db.write(consents.end, space, treating.id, core.dominique.account_id)
    assert not await core.app.db.write(consents.end, space, treating.id, core.dominique.account_id)
    assert await kinds() == ["care_team"]
    over = await core.app.db.read(consents.one, space, treating.id)
    assert over is not None
    assert (over.ended_by, over.ended_at) == (core.dominique.account_id, now_ms())
    assert len(await core.app.db.read(consents.of, space)) == 3


async def test_a_review_is_decided_once_whoever_decides_at_the_same_time(core: House) -> None:
    me = core.benali.account_id

    def ask(tx: Tx) -> list[str]:
        return [reviews.ask(tx, kind, me, space_id="s", about="o") for kind in (reviews.EMERGENCY, reviews.VOLUME)]

    emergency, volume = await core.app.db.write(ask)
    closed = await asyncio.gather(
        *(core.app.db.write(reviews.close, emergency, f"operator {number}", "vu") for number in range(5))
    )
    assert sum(closed) == 1
    assert [one.id for one in await core.app.db.read(reviews.listed)] == [volume]
    everything = await core.app.db.read(lambda tx: reviews.listed(tx, everything=True))
    assert {one.id: one.state for one in everything} == {emergency: "closed", volume: "open"}
    assert [one.id for one in await core.app.db.read(reviews.of_account, me, reviews.VOLUME)] == [volume]
    assert await core.app.db.read(reviews.one, "nothing") is None


async def test_the_first_opening_of_each_patient_is_known_whatever_came_after(core: House) -> None:
    def write(tx: Tx) -> dict[str, int]:
        for at, space in ((10, "a"), (20, "b"), (30, "a"), (5, "c")):
            openings.record(tx, "x", space, openings.OPENED, at)
        return openings.first(tx, "x", 9, openings.OPENED)

    assert await core.app.db.write(write) == {"a": 10, "b": 20}


async def test_the_last_word_on_a_request_and_whether_the_patient_wrote_since(core: House) -> None:
    sent = await core.letter("morel", "dominique")
    space, morel, me = core.dominique.space_id, core.morel.account_id, core.dominique.account_id

    def refuse(tx: Tx) -> int:
        exchanges.record(tx, space, morel, exchanges.READING, "asked", morel, "m1")
        exchanges.record(tx, space, morel, exchanges.READING, "refused", me, "m1")
        known = exchanges.newest(tx, space, morel, exchanges.READING)
        assert known is not None
        assert (known[0], known[2]) == ("refused", "m1")
        assert exchanges.newest(tx, space, me, exchanges.READING) is None
        return known[1]

    at = await core.app.db.write(refuse)
    assert not await core.app.db.read(exchanges.wrote_since, space, me, morel, at)
    await core.answer("dominique", sent.conversation)
    assert await core.app.db.read(exchanges.wrote_since, space, me, morel, at - 1)
    assert not await core.app.db.read(exchanges.wrote_since, space, me, core.leroy.account_id, 0)
