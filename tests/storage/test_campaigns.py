"""A campaign's spaces are counted exactly, one process works on it at a time, a household is looked at once; on both
engines.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import time_machine

from storage import campaigns, rounds
from storage.campaigns import Campaign
from storage.ids import now_ms
from tests.house import House

LEASE = 3_000


async def _campaign(core: House, *states: str) -> Campaign:
    """A campaign that went through these states."""
    await core.app.db.write(campaigns.insert, "grippe", "{}", "op")
    for state in states:
        known = await _known(core)
        assert await core.app.db.write(campaigns.change, known, state, "op")
    return await _known(core)


async def _known(core: House) -> Campaign:
    found = await core.app.db.read(campaigns.find, "grippe")
    assert found is not None
    return found


async def test_sent_spared_and_waiting_are_all_that_was_gathered_at_any_instant(core: House) -> None:
    await _campaign(core, "gathering")
    spaces = [f"s{number:03}" for number in range(60)]
    counted: list[int] = []

    async def count() -> None:
        counted.append(sum((await core.app.db.read(campaigns.counts, "grippe")).values()))

    await core.app.db.write(campaigns.gather, "grippe", spaces)
    await core.app.db.write(campaigns.gather, "grippe", spaces[:10])
    work = []
    for number, space in enumerate(spaces[:40]):
        state, why = ("sent", "") if number % 4 else ("spared", "stopped")
        work += [core.app.db.write(campaigns.settle, "grippe", space, state, why) for _ in range(2)] + [count()]
    done = await asyncio.gather(*work)
    assert sum(one is True for one in done) == 40, "each is settled once, whoever tries twice"
    assert set(counted) == {60}
    found = await core.app.db.read(campaigns.counts, "grippe")
    assert found == {("sent", ""): 30, ("spared", "stopped"): 10, ("waiting", ""): 20}
    assert await core.app.db.read(campaigns.waiting, "grippe", "s049", 5) == spaces[50:55]
    assert await core.app.db.read(campaigns.gathered_to, "grippe") == "s059"


async def test_each_change_of_a_campaign_is_a_record_with_its_author_and_a_stale_one_is_refused(core: House) -> None:
    draft = await _campaign(core)
    both = await asyncio.gather(
        core.app.db.write(campaigns.change, draft, "gathering", "one"),
        core.app.db.write(campaigns.change, draft, "stopped", "other"),
    )
    assert sorted(both) == [False, True]
    (first, second) = await core.app.db.read(campaigns.changes, "grippe")
    assert (first.state, first.by) == ("draft", "op")
    assert second.by in {"one", "other"}


async def test_one_process_works_on_a_campaign_and_another_goes_on_when_it_dies(core: House) -> None:
    await _campaign(core, "gathering", "running")
    with time_machine.travel("2026-11-23T10:00:00Z", tick=False) as clock:
        takers = await asyncio.gather(
            *(core.app.db.write(campaigns.take, "grippe", name, LEASE) for name in ("a", "b", "c"))
        )
        assert sum(taken is not None for taken in takers) == 1
        me = "abc"[next(number for number, taken in enumerate(takers) if taken)]
        assert await core.app.db.write(campaigns.take, "grippe", me, LEASE), "it goes on"
        clock.shift(timedelta(milliseconds=LEASE))
        assert await core.app.db.write(campaigns.take, "grippe", "next", LEASE), "the other one is silent"
        await core.app.db.write(campaigns.leave, "next")
        assert await core.app.db.write(campaigns.take, "grippe", me, LEASE)
        assert await core.app.db.write(campaigns.change, await _known(core), "paused", "op")
        assert await core.app.db.write(campaigns.take, "grippe", me, LEASE) is None
        assert not await core.app.db.read(campaigns.is_running, "grippe")


async def test_a_household_is_claimed_once_and_what_is_asked_meanwhile_is_not_lost(core: House) -> None:
    app = core.app
    assert await app.db.write(rounds.begin, now_ms(), 10) == 3, "three people have a space"
    assert await app.db.write(rounds.begin, now_ms(), 10) == 0
    claims = await asyncio.gather(*(app.db.write(rounds.claim, 60_000, 10) for _ in range(4)))
    held = dict(one for claim in claims for one in claim)
    assert sum(map(len, claims)) == len(held) == 3
    marcel, camille = core.marcel.space_id, core.camille.space_id
    later = now_ms() + 86_400_000
    assert await app.db.write(rounds.settle, marcel, held[marcel], later)
    await app.db.write(rounds.look_at, camille, now_ms())
    assert not await app.db.write(rounds.settle, camille, held[camille], later), "somebody asked meanwhile"
    assert [space for space, _ in await app.db.write(rounds.claim, 60_000, 10)] == [camille]
    await app.db.write(rounds.look_at, marcel, later + 1)
    assert await app.db.read(rounds.due_at, marcel) == later, "never later than it was"
    await app.db.write(rounds.forget, marcel)
    assert await app.db.read(rounds.due_at, marcel) is None
