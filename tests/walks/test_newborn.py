"""The first year of a newborn, a day at a time: what her mother is reminded of, when, and never before herself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

from time_machine import TimeMachineFixture

from server import access, people, reading
from server.actions import acting
from server.bots import households
from server.drafts import Actor
from server.people import Traits
from server.settings import PLACE
from server.views import Entry
from storage import rounds as rows
from tests.house import House

BORN = date(2026, 11, 24)
WEEK, MONTH = timedelta(days=7), timedelta(days=30.4)


async def newborn(house: House) -> Actor:
    lou = await people.open_space(
        house.app, Traits("226117505600131", "1.2.250.1.213.1.4.10", "PAT-TROIS", "Lou", BORN.isoformat(), "F", "75056")
    )
    await people.delegate(house.app, lou.space_id, house.dominique.account_id, "representative", None, "operator")
    return lou


def days() -> Iterator[date]:
    """Each day of her first year, and a month more."""
    return (BORN + timedelta(days=number) for number in range(395))


async def told(house: House, who: Actor) -> list[Entry]:
    """The reminders somebody has, the oldest first."""
    box = await access.mailbox(house.app, who)
    page = await reading.since(house.app, box, 0, 500)
    return [one for one in page.entries if one.message.card and one.message.card["type"] == "reminder"]


async def a_year(house: House, clock: TimeMachineFixture, lou: Actor, *, answers: bool) -> list[tuple[date, str]]:
    """(day, rule) of each reminder about her, in order. `answers`: her mother says « fait » the same day."""
    said: list[tuple[date, str]] = []
    seen: set[str] = set()
    mother = await access.mailbox(house.app, house.dominique, lou.mailbox_id, ("dossier", "write"))
    for day in days():
        clock.move_to(datetime(day.year, day.month, day.day, 17, 30, tzinfo=PLACE))
        await house.app.db.write(rows.begin, int(datetime.now(PLACE).timestamp() * 1000), 1000)
        while await households.go_round(house.app):
            pass
        for one in await told(house, lou):
            if one.message.id in seen:
                continue
            seen.add(one.message.id)
            card: dict[str, Any] = one.message.card or {}
            said.append((day, str(card["rule"])))
            assert "Lou" in card["title"], card["title"]
            if answers:
                values = {"on": day.isoformat()}
                await acting.act(house.app, mother, one.message.id, "reminders.done", values, one.message.id)
    return said


async def test_her_mother_is_told_of_each_vaccine_and_each_examination_in_its_time_and_once(
    sqlite_core: House, time_machine: TimeMachineFixture
) -> None:
    house = sqlite_core
    time_machine.move_to(datetime(2026, 11, 24, 9, 0, tzinfo=PLACE))
    lou = await newborn(house)
    said = await a_year(house, time_machine, lou, answers=True)
    count = Counter(rule for _, rule in said)
    assert [count[rule] for rule in ("hexavalent", "pneumococcus-infant", "meningococcus-b-infant")] == [3, 3, 3]
    assert [count[rule] for rule in ("meningococcus-acwy-infant", "measles-mumps-rubella")] == [2, 1]
    ages: dict[str, list[float]] = {}
    for day, rule in said:
        ages.setdefault(rule, []).append((day - BORN) / MONTH)
    for rule, expected in (
        ("hexavalent", (1.8, 4, 11)), ("pneumococcus-infant", (1.8, 4, 11)), ("meningococcus-b-infant", (3, 5, 12)),
        ("meningococcus-acwy-infant", (6, 12)), ("measles-mumps-rubella", (12,)),
    ):  # fmt: skip
        for age, planned in zip(ages[rule], expected, strict=True):
            assert planned - 0.1 <= age <= planned + 0.5, (rule, age, planned)
    exams = [rule for _, rule in said if rule.startswith("child-exam-")]
    assert exams == sorted(exams)
    assert set(exams) >= {f"child-exam-{number:02}" for number in (3, 4, 5, 6, 7, 8)}
    assert max(Counter(exams).values()) == 1
    assert all(day.weekday() < 5 for day, _ in said), "never on a Saturday or a Sunday"


async def test_nothing_is_repeated_to_a_mother_who_does_not_answer_beyond_what_the_rules_say(
    sqlite_core: House, time_machine: TimeMachineFixture
) -> None:
    house = sqlite_core
    time_machine.move_to(datetime(2026, 11, 24, 9, 0, tzinfo=PLACE))
    lou = await newborn(house)
    said = await a_year(house, time_machine, lou, answers=False)
    assert max(Counter(rule for _, rule in said).values()) <= 2
    first: dict[date, datetime] = {}
    for one in await told(house, house.dominique):
        at = datetime.fromisoformat(one.message.at)
        first.setdefault(at.astimezone(PLACE).date(), at)
    for one in await told(house, lou):
        at = datetime.fromisoformat(one.message.at)
        own = first.get(at.astimezone(PLACE).date())
        assert own is None or own <= at, "her mother's own reminder comes first"
    assert first, "her mother has reminders of her own"
