"""The reminder bot: once, in order, at the right hour, for a household at a time, never to who does not want it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import time_machine

from server import access, demo, people, reading, wishes
from server.actions.acting import act
from server.bots import households, reminders
from server.delivery import DeliveryWorker
from server.errors import Conflict, Unavailable
from server.prevention import pausing, rounds
from server.prevention.rules import rules
from server.prevention.spans import Span, plus
from server.settings import PLACE
from server.views import Entry
from storage import notices, schema
from storage import rounds as rows
from storage.ids import now_ms
from tests.house import House, open_core_house, settings_for

PNEUMOCOCCUS = "pneumococcus-65"
MONDAY = "2026-11-23T10:30:00Z"  # half past eleven in Paris


@pytest.fixture
async def town(tmp_path: Path, sqlite_url: str) -> AsyncIterator[House]:
    """Dominique and Claude are the parents of Camille."""
    before = time_machine.travel("2026-11-02T08:00:00Z", tick=True)
    before.start()
    async with open_core_house(settings_for(tmp_path / "pli", database_url=sqlite_url)) as opened:
        claude = msgspec.structs.replace(demo.HOLDERS["dominique"], ins="180035121518902", given="Claude", sex="M")
        opened.people["claude"] = await people.open_space(opened.app, claude)
        for parent in ("dominique", "claude"):
            who = opened.people[parent].account_id
            await people.delegate(opened.app, opened.camille.space_id, who, "representative", None, "operator")
        before.stop()
        yield opened


async def cards(house: House, name: str) -> list[dict[str, Any]]:
    page = await reading.since(house.app, await house.mailbox(name), 0)
    return [entry.message.card for entry in page.entries if entry.message.card]


async def written(house: House) -> list[str]:
    """To whom the cards went, in order."""
    names = {actor.space_id: name for name, actor in house.people.items()}
    sql = "SELECT space_id FROM messages WHERE kind = 'card' ORDER BY at, id"
    found = await house.app.db.read(lambda tx: tx.run(sql))
    return [names[row[0]] for row in found]


async def entry(house: House, name: str) -> Entry:
    return (await reading.since(house.app, await house.mailbox(name), 0)).entries[0]


# ---- the household ----


async def test_a_child_s_reminder_goes_out_with_its_parents_and_never_before_them(town: House) -> None:
    with time_machine.travel(MONDAY, tick=True):
        await town.app.db.write(rows.begin, now_ms(), 10)
        while await households.go_round(town.app):
            pass
    order = await written(town)
    assert {"dominique", "claude", "camille"} <= set(order)
    of_the_family = [name for name in order if name != "marcel"]
    first = of_the_family.index("camille")
    assert set(of_the_family[:first]) == {"dominique", "claude"}, "both parents, before"
    assert set(of_the_family[first:]) == {"camille"}
    assert max(order.count(name) for name in set(order)) <= 3, "a few at a time"
    titles = [card["title"] for card in await cards(town, "camille")]
    assert all("Camille" in title for title in titles), "who reads it for her knows whose it is"
    assert "page « Prévention »" in (await cards(town, "marcel"))[-1]["text"], "the rest is offered there"


async def test_what_stops_a_parent_s_reminder_puts_the_child_s_off_and_nothing_is_said_twice(
    town: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    post, claude = reminders.post, town.people["claude"].space_id

    async def broken(app: Any, writer: Any, space: Any, *rest: Any) -> Any:
        if space.space_id == claude:
            raise Unavailable
        return await post(app, writer, space, *rest)

    leader = min(town.dominique.space_id, claude)
    with time_machine.travel(MONDAY, tick=True):
        monkeypatch.setattr(reminders, "post", broken)
        await town.app.db.write(rows.look_at, town.camille.space_id, now_ms())
        while await households.go_round(town.app):
            pass
        before = await written(town)
        assert "camille" not in before
        due = await town.app.db.read(rows.due_at, leader)
        assert due is not None
        assert due <= now_ms() + households.PUT_OFF_MS
        monkeypatch.setattr(reminders, "post", post)
    with time_machine.travel(datetime.fromtimestamp(due / 1000 + 1, UTC), tick=True):
        assert await households.go_round(town.app)
    after = await written(town)
    assert after[: len(before)] == before
    assert sorted(set(after)) == ["camille", "claude", "dominique"]
    assert max(after.count(name) for name in set(after)) <= 3
    for name in ("dominique", "claude", "camille"):
        said = [card["rule"] for card in await cards(town, name)]
        assert len(said) == len(set(said)), "each rule once"


async def test_a_parent_hears_once_outside_of_the_whole_round(town: House) -> None:
    parent = town.dominique
    box = town.camille.mailbox_id
    await wishes.save(town.app, parent.account_id, lambda wish: msgspec.structs.replace(wish, spaces=(box,)))
    with time_machine.travel(MONDAY, tick=True):
        assert await households.remind_everybody(town.app) > 5
    clocks = await town.app.db.read(
        lambda tx: tx.run("SELECT id FROM deliveries WHERE channel = :c", c=notices.CHANNEL)
    )
    assert [one[0] for one in clocks] == [f"notice-{parent.account_id}-{parent.mailbox_id}"]
    await pausing.choose(town.app, await town.mailbox("dominique"), pausing.STOPPED)
    with time_machine.travel("2028-01-11T10:30:00Z", tick=True):
        assert await households.remind_everybody(town.app)
    clocks = await town.app.db.read(
        lambda tx: tx.run("SELECT id FROM deliveries WHERE channel = :c AND id LIKE :b", c=notices.CHANNEL, b=f"%{box}")
    )
    assert len(clocks) == 1, "who has none of their own hears of the child's"


# ---- the hour ----


async def test_a_household_is_written_to_within_the_hours_and_looked_at_again_on_its_day(town: House) -> None:
    marcel = town.marcel.space_id
    with time_machine.travel("2026-11-21T11:00:00Z", tick=False):  # a Saturday
        due = await households.look(town.app, marcel)
        assert due is not None
        assert await written(town) == []
        opens = datetime.fromtimestamp(due / 1000, PLACE)
        assert (opens.date(), 10 <= opens.hour < 18) == (date(2026, 11, 23), True)
    with time_machine.travel(datetime.fromtimestamp(due / 1000, UTC), tick=False):
        again = await households.look(town.app, marcel)
        assert again is not None
        assert await written(town) == ["marcel"] * 3
        day = datetime.fromtimestamp(again / 1000, PLACE)
        assert timedelta(days=6) < day - opens < timedelta(days=10), "the rest, another week"
        assert 10 <= day.hour < 18
    with time_machine.travel(day, tick=False):
        await households.look(town.app, marcel)
    assert len(await written(town)) == 4


@pytest.mark.parametrize(
    ("at", "zone", "opens"),
    [
        ("2026-03-27T17:00:00+01:00", (), "2026-03-27T17:00:00+01:00"),
        ("2026-03-27T18:00:00+01:00", (), "2026-03-30T10:00:00+02:00"),  # the clocks went forward on Sunday
        ("2026-10-23T20:00:00+02:00", (), "2026-10-26T10:00:00+01:00"),  # and back
        ("2026-11-23T09:59:59+01:00", (), "2026-11-23T10:00:00+01:00"),
        ("2026-11-23T10:30:00+01:00", ("guyane",), "2026-11-23T10:00:00-03:00"),
        ("2026-11-23T08:30:00+01:00", ("mayotte",), "2026-11-23T10:30:00+03:00"),
        ("2026-05-08T11:00:00+02:00", (), "2026-05-11T10:00:00+02:00"),  # a public holiday, then a weekend
        ("2026-04-03T19:00:00+02:00", (), "2026-04-07T10:00:00+02:00"),  # Easter Monday
        ("2026-12-31T23:00:00+01:00", (), "2027-01-04T10:00:00+01:00"),
    ],
)  # fmt: skip
def test_the_hours_are_those_of_clocks_where_people_live(at: str, zone: tuple[str, ...], opens: str) -> None:
    asked, expected = (int(datetime.fromisoformat(one).timestamp() * 1000) for one in (at, opens))
    assert rounds.opening(asked, (10, 18), rounds.zone_of(zone)) == expected


def test_not_everybody_at_the_first_minute() -> None:
    day, zone = date(2026, 10, 26), PLACE
    moments = [rounds.at_opening(day, (10, 18), zone, part / 10) for part in range(11)]
    hours = [datetime.fromtimestamp(one / 1000, PLACE) for one in moments]
    assert {one.date() for one in hours} == {day}
    assert all(10 <= one.hour < 18 for one in hours)
    assert len(set(moments)) == 11


# ---- once ----


async def test_a_process_that_dies_after_a_post_says_it_no_second_time(town: House) -> None:
    """The lease of a dead process ends; two at once are one."""
    with time_machine.travel(MONDAY, tick=True):
        await town.app.db.write(rows.look_at, town.marcel.space_id, now_ms())
        ((space, _lease),) = await town.app.db.write(rows.claim, 1, 10)
        await asyncio.gather(*(households.look(town.app, space) for _ in range(4)))
        assert len(await cards(town, "marcel")) == 3
        await households.look(town.app, space)  # nobody settled the row
        assert len(await cards(town, "marcel")) == 3


async def test_a_screening_is_said_again_at_six_and_twelve_months_then_no_more(town: House) -> None:
    days = dict[int, date]()
    with time_machine.travel(MONDAY, tick=False) as clock:
        for _ in range(40):
            before = {card["rule"] for card in await cards(town, "dominique")}
            await reminders.remind(town.app, town.dominique.space_id, "cervix-b")
            found = len(await cards(town, "dominique"))
            days.setdefault(found, datetime.now(UTC).date())
            assert len(before) <= 1
            clock.shift(timedelta(days=15))
    first = days[1]
    assert sorted(days) == [1, 2, 3]
    assert plus(first, Span(6, "m")) <= days[2] < plus(first, Span(7, "m"))
    assert plus(first, Span(12, "m")) <= days[3] < plus(first, Span(13, "m"))


async def test_an_answer_ends_it_and_one_that_comes_as_it_is_written_wins(town: House) -> None:
    assert await reminders.remind(town.app, town.marcel.space_id, PNEUMOCOCCUS) == 1
    asked = await entry(town, "marcel")
    await act(town.app, await town.mailbox("marcel"), asked.message.id, "reminders.not_concerned", {}, "tap")
    with time_machine.travel("2028-11-23T10:30:00Z", tick=True):
        assert await reminders.remind(town.app, town.marcel.space_id, PNEUMOCOCCUS) == 0
    writer = await reminders.bot(town.app)
    space = await access.space_to_write(town.app, writer, town.marcel.space_id)
    seen = await town.app.db.read(lambda tx: reminders.look(town.app, tx, space, date(2026, 11, 23), only="zoster-65"))
    (planned,) = rounds.to_write(seen.standings, seen.spoken, date(2026, 11, 23))
    assert await reminders.remind(town.app, town.marcel.space_id, "zoster-65") == 1
    with pytest.raises(Conflict):
        await reminders.post(
            town.app,
            writer,
            space,
            reminders.card(planned.standing.rule, "", rules()),
            "late",
            reminders.sending(planned, ""),
        )


# ---- who wants none ----


async def test_who_paused_or_stopped_reminders_gets_none_and_what_was_put_off_waits(town: House) -> None:
    box, space = await town.mailbox("marcel"), town.marcel.space_id
    with time_machine.travel(MONDAY, tick=True) as clock:
        assert await reminders.remind(town.app, space, PNEUMOCOCCUS) == 1
        asked = await entry(town, "marcel")
        await act(town.app, box, asked.message.id, "reminders.later", {}, "tap")
        await pausing.choose(town.app, box, pausing.PAUSED, "3")
        assert await reminders.remind(town.app, space) == 0
        clock.shift(timedelta(days=45))
        await _work(town)
        assert len(await cards(town, "marcel")) == 1, "a pause holds what was asked for too"
        clock.shift(timedelta(days=60))
        await _work(town)
        assert [card["rule"] for card in await cards(town, "marcel")] == [PNEUMOCOCCUS] * 2
        assert await reminders.remind(town.app, space) == 2, "three a day, with the one that came back"
        await pausing.choose(town.app, box, pausing.STOPPED)
        clock.shift(timedelta(days=800))
        assert await reminders.remind(town.app, space) == 0
    told = [one.message.text for one in (await reading.since(town.app, box, 0)).entries]
    assert sum("appels de prév" in one for one in told) == 2, "each choice is a line"


async def test_what_was_put_off_comes_back_at_an_hour_when_reminders_are_written(town: House) -> None:
    box = await town.mailbox("marcel")
    with time_machine.travel("2026-11-20T10:30:00Z", tick=True) as clock:  # in a month it is a Sunday
        await reminders.remind(town.app, town.marcel.space_id, PNEUMOCOCCUS)
        await act(town.app, box, (await entry(town, "marcel")).message.id, "reminders.later", {}, "tap")
        clock.move_to(datetime(2026, 12, 20, 11, 0, tzinfo=PLACE))
        await _work(town)
        assert len(await cards(town, "marcel")) == 1
        clock.move_to(datetime(2026, 12, 21, 16, 30, tzinfo=PLACE))
        await _work(town)
        assert len(await cards(town, "marcel")) == 2


async def _work(house: House) -> None:
    """The delivery worker goes through what is due."""
    idle, worker = asyncio.Event(), DeliveryWorker(house.app)
    worker.add(reminders.ReminderChannel(house.app))
    worker.on_idle = idle.set
    worker.start()
    await asyncio.wait_for(idle.wait(), 60)
    await worker.close()


async def test_nothing_of_it_stands_in_clear(town: House) -> None:
    with time_machine.travel(MONDAY, tick=True):
        await households.remind_everybody(town.app)

    def texts(tx: Any) -> str:
        found = []
        for table in schema.metadata.tables.values():
            found += [str(row) for row in tx.run(f"SELECT * FROM {table.name}")]
        return "\n".join(found).lower()

    kept = await town.app.db.read(texts)
    assert not [word for word in ("pneumo", "cervix", "zoster", "dtp-65", "dtcap") if word in kept]
