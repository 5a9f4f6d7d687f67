"""What the operator says to a part of the population: to each once, at its pace, paused at once."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from server import access, demo, people, reading, wishes
from server.bots import campaigner, reminders
from server.errors import Invalid, Refused
from server.prevention import campaigns, pausing
from storage import campaigns as rows
from storage import exchanges
from storage.ids import now_ms
from tests.house import House, open_core_house, settings_for

WORDS = {
    "title": "Se protéger de la chaleur", "text": "Buvez de l’eau.", "title_en": "In hot weather",
    "text_en": "Drink water.", "text_falc": "Il fait chaud. Buvez.",
}  # fmt: skip
EVERYBODY: dict[str, Any] = {"name": "Chaleur", "population": [{}], "any_day": True, "hours": "0-24", **WORDS}


@pytest.fixture
async def town(tmp_path: Path, sqlite_url: str) -> AsyncIterator[House]:
    async with open_core_house(settings_for(tmp_path / "pli", database_url=sqlite_url)) as opened:
        yield opened


async def crowd(house: House, count: int) -> None:
    """That many more people have a space."""
    like = demo.HOLDERS["marcel"]
    await asyncio.gather(
        *(
            people.open_space(house.app, msgspec.structs.replace(like, ins=f"15001750{number:07}"))
            for number in range(count)
        )
    )


async def begin(house: House, **changes: Any) -> str:
    plan = campaigns.read(json.dumps({**EVERYBODY, **changes}).encode())
    campaign = await campaigns.add(house.app, plan, house.operator.account_id)
    await campaigns.move(house.app, campaign, "start", house.operator.account_id)
    return campaign


async def until(house: House, campaign: str, state: str, steps: int = 400) -> campaigns.Counts:
    """One process works on it, until it stands so."""
    runner = campaigner.Runner(house.app)
    for _ in range(steps):
        await runner.step(campaign)
        shown = await campaigns.one(house.app, campaign)
        counts = shown.counts
        assert counts.gathered == counts.sent + counts.waiting + sum(counts.spared.values())
        if shown.campaign.state == state:
            await house.app.db.write(rows.leave, runner.me)
            return counts
        await asyncio.sleep(0)
    raise AssertionError(shown.campaign.state)


async def titles(house: House, name: str) -> list[str]:
    """The cards somebody got, the oldest first."""
    page = await reading.since(house.app, await house.mailbox(name), 0)
    return [entry.message.card["title"] for entry in page.entries if entry.message.card]


async def test_everybody_concerned_hears_once_and_who_does_not_want_to_is_spared(town: House) -> None:
    await pausing.choose(town.app, await town.mailbox("marcel"), pausing.STOPPED)
    campaign = await begin(town, per_second=5000)
    assert await until(town, campaign, "ended") == campaigns.Counts(0, 2, {"stopped": 1})
    again = await begin(town, per_second=5000)
    await pausing.choose(town.app, await town.mailbox("marcel"), pausing.OPEN)
    assert (await until(town, again, "ended")).sent == 3, "another campaign is another one"
    assert await titles(town, "dominique") == [WORDS["title"]] * 2
    assert await titles(town, "marcel") == [WORDS["title"]]
    (bot,) = [one for one in [await people.hosted(town.app, "rappels@pli.example")] if one]
    space = town.dominique.space_id
    await town.app.db.write(exchanges.record, space, bot.account_id, "block", "blocked", town.dominique.account_id)
    assert (await until(town, await begin(town, per_second=5000), "ended")).spared == {"stopped": 1}


async def test_it_is_for_an_age_and_a_sex(town: House) -> None:
    campaign = await begin(town, population=[{"from": "65y"}, {"sex": "F", "before": "18y"}], per_second=5000)
    assert (await until(town, campaign, "ended")).sent == 2
    assert [await titles(town, name) for name in ("dominique", "camille", "marcel")] == [
        [], [WORDS["title"]], [WORDS["title"]],
    ]  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": ""}, {"text_en": ""}, {"rule": "grippe"}, {"population": []}, {"hours": "18-10"}, {"nobody": 1},
        {"population": [{"situations": ["pregnancy"]}]}, {"starts": "2026-12-02", "ends": "2026-12-01"},
        {"population": [{"from": "old"}]}, {"season": "flu"}, {"per_second": 0}, {"name": ""},
    ],
)  # fmt: skip
def test_a_campaign_that_is_not_whole_is_refused_with_a_sentence(wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        campaigns.read(json.dumps({**EVERYBODY, **wrong}).encode())
    assert refused.value.detail.endswith((".", ")", "`")) or ":" in refused.value.detail


async def test_once_a_pause_is_committed_nothing_leaves_and_it_goes_on_where_it_was(town: House) -> None:
    await crowd(town, 150)
    campaign = await begin(town, per_second=5000)
    await until(town, campaign, "running")
    runner = campaigner.Runner(town.app)
    working = asyncio.create_task(runner.forever())
    while not (await campaigns.one(town.app, campaign)).counts.sent:
        pass
    await campaigns.move(town.app, campaign, "pause", town.operator.account_id)
    sent = (await campaigns.one(town.app, campaign)).counts.sent
    assert not await runner.step(campaign)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    paused = await campaigns.one(town.app, campaign)
    assert paused.counts.sent == sent, "not one after the pause"
    assert 0 < sent < 153
    await town.app.db.write(rows.leave, runner.me)
    await campaigns.move(town.app, campaign, "resume", town.operator.account_id)
    assert (await until(town, campaign, "ended")).sent == 153
    heard = await town.app.db.read(lambda tx: tx.run("SELECT space_id FROM messages"))
    assert set(Counter(row[0] for row in heard).values()) == {1}, "nobody heard twice"
    states = [(change.state, change.by) for change in (await campaigns.one(town.app, campaign)).changes]
    me = town.operator.account_id
    assert states == [
        ("draft", me), ("gathering", me), ("running", "pli"), ("paused", me), ("running", me), ("ended", "pli"),
    ]  # fmt: skip


async def test_two_processes_send_nothing_twice(town: House) -> None:
    """One took the campaign for dead, and it was not."""
    await crowd(town, 60)
    campaign = await begin(town, per_second=5000)
    await until(town, campaign, "running")
    row, plan = (await campaigns.one(town.app, campaign)).campaign, campaigns.read(json.dumps(EVERYBODY).encode())
    writer = await reminders.bot(town.app)
    spaces = [row[0] for row in await town.app.db.read(lambda tx: tx.run("SELECT space_id FROM campaign_spaces"))]
    tasks = [campaigner.write_to(town.app, writer, row, plan, space) for space in spaces * 2]
    done = Counter(await asyncio.gather(*tasks))
    assert done["sent"] == 63
    heard = await town.app.db.read(lambda tx: tx.run("SELECT COUNT(*) FROM messages"))
    assert heard[0][0] == 63


async def test_a_child_is_never_written_to_before_its_parents(town: House) -> None:
    camille, dominique = town.camille.space_id, town.dominique.space_id
    campaign = await begin(town, per_second=5000)
    await until(town, campaign, "running")
    row, plan = (await campaigns.one(town.app, campaign)).campaign, campaigns.read(json.dumps(EVERYBODY).encode())
    assert await campaigner.write_to(town.app, await reminders.bot(town.app), row, plan, camille) == "sent"
    order = await town.app.db.read(lambda tx: tx.run("SELECT space_id FROM messages ORDER BY at, id"))
    sql = "SELECT space_id, at FROM campaign_spaces WHERE state = 'sent'"
    sent = {row[0]: row[1] for row in await town.app.db.read(lambda tx: tx.run(sql))}
    assert {one[0] for one in order} == {camille, dominique}
    assert sent[dominique] <= sent[camille]


async def test_the_pace_is_kept_and_outside_the_hours_nobody_is_written_to(town: House) -> None:
    pace = campaigner._Pace()
    assert pace.may_send(120 / 60, 100.0) == 0
    assert pace.may_send(120 / 60, 100.4) == 0
    assert pace.may_send(120 / 60, 101.0) == 2
    pace.tokens -= 2
    assert pace.may_send(120 / 60, 500.0) == 2, "a long silence is not made up for at once"
    hour = wishes._local(now_ms()).hour
    campaign = await begin(town, per_second=5000, hours=f"{(hour + 2) % 24}-{(hour + 2) % 24 + 1}")
    await until(town, campaign, "running")
    runner = campaigner.Runner(town.app)
    for _ in range(5):
        await runner.step(campaign)
    assert (await campaigns.one(town.app, campaign)).counts == campaigns.Counts(3, 0, {})


async def test_a_message_of_a_closed_space_is_spared_and_access_is_decided_there(town: House) -> None:
    campaign = await begin(town, per_second=5000)
    await until(town, campaign, "running")
    await town.app.db.write(
        lambda tx: tx.run("UPDATE spaces SET state = 'closed' WHERE id = :s", s=town.marcel.space_id)
    )
    assert (await until(town, campaign, "ended")).spared == {"closed": 1}
    with pytest.raises(Refused):
        await access.space_to_write(town.app, await reminders.bot(town.app), town.marcel.space_id)


@pytest.mark.parametrize("rule", ["pertussis-pregnancy", "pneumococcus-risk", "dental-maternity"])
async def test_a_rule_that_hangs_on_a_health_situation_makes_no_campaign(town: House, rule: str) -> None:
    plan = campaigns.read(json.dumps({"name": "Une", "rule": rule, "population": [{"sex": "F"}]}).encode())
    with pytest.raises(Invalid, match="tient à une situation de santé"):
        await campaigns.add(town.app, plan, "op")


async def test_a_season_is_that_of_the_operator_s_dates_and_goes_to_whom_it_is_due(town: House) -> None:
    day = campaigns.today()
    dates = {"starts": f"{day - timedelta(days=10)}", "ends": f"{day + timedelta(days=60)}"}
    plan = {"name": "Grippe", "rule": "influenza", "season": "influenza", "any_day": True, "hours": "0-24", **dates}
    campaign = await campaigns.add(town.app, campaigns.read(json.dumps({**plan, "per_second": 5000}).encode()), "op")
    await campaigns.move(town.app, campaign, "start", "op")
    counts = await until(town, campaign, "ended")
    assert (counts.sent, counts.spared) == (1, {}), "whom only an illness would make concerned is not gathered"
    assert await titles(town, "marcel") == ["Votre vaccin contre la grippe"]
    assert await reminders.remind(town.app, town.marcel.space_id, "influenza") == 0
    again = await campaigns.add(town.app, campaigns.read(json.dumps({**plan, "per_second": 5000}).encode()), "op")
    await campaigns.move(town.app, again, "start", "op")
    assert (await until(town, again, "ended")).sent == 0, "he heard of it lately"
