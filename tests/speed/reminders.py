"""Prevention at the size of the country: rules evaluated, campaign messages, a day's reminders against the clock.

In this process, on SQLite with `synchronous=FULL`: the real engine, the real post, no door. The country: 68 M spaces,
1.7 M reminders in the eight hours of a working day; a node takes its share of them.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import msgspec
import time_machine

from server import demo, people
from server.bots import campaigner, households
from server.prevention import campaigns
from server.prevention.engine import Given, Known, Person, Situation, evaluate
from server.prevention.rules import rules
from storage import rounds as rows
from storage.database import Tx
from storage.ids import now_ms
from tests.house import House, open_core_house, settings_for
from tests.speed.table import Row, rate

POPULATION: Final = 100_000
SAMPLE: Final = 5_000  # people evaluated; the population's figure follows, each is evaluated alone
MESSAGES: Final = 2_000
DAY_S: Final = 20.0  # eight hours of a national day, so many seconds of them
NATIONAL: Final = 1_700_000 / (8 * 3600)  # reminders a second
MORNING: Final = "2027-03-01T10:30:00Z"  # a Monday
TODAY: Final = date(2027, 3, 1)
WORDS: Final = {
    "name": "Mesure", "title": "Titre", "text": "Texte. " * 40, "title_en": "Title", "text_en": "Text. " * 40,
    "text_falc": "Texte.", "population": [{}], "any_day": True, "hours": "0-24", "per_second": 5_000,
}  # fmt: skip


async def rows_of(folder: Path, *, quick: bool) -> list[Row]:
    """The table."""
    found = _evaluations(SAMPLE // (10 if quick else 1))
    with time_machine.travel(MORNING, tick=True):
        found += await _campaign(folder / "campaign", MESSAGES // (10 if quick else 1))
        found += await _day(folder / "day", DAY_S / (5 if quick else 1))
    return found


def _evaluations(count: int) -> list[Row]:
    book, crowd = rules(), list(_population(count))
    began = time.perf_counter()
    due = sum(one.state in {"due", "late"} for who, known in crowd for one in evaluate(book, who, known, TODAY))
    took = time.perf_counter() - began
    every = len(book.active) * count / took
    whole = took / count * POPULATION
    return [
        Row("rules evaluated", "", rate(every), f"{len(book.active)} rules, {due / count:.1f} due a person"),
        Row(f"a population of {POPULATION:,}, one core", "", f"{whole:.0f} s", f"{rate(count / took)} people"),
    ]


def _population(count: int) -> Iterator[tuple[Person, Known]]:
    """People of every age, with what such people have: some vaccines, some situations."""
    choose = random.Random(5)
    slugs = sorted({slug for rule in rules().active for slug in rule.counts})
    for _ in range(count):
        birth = TODAY - timedelta(days=choose.randrange(100 * 365))
        given = tuple(
            Given(choose.choice(slugs), min(TODAY, birth + timedelta(days=choose.randrange(1, 30_000))), "document")
            for _ in range(choose.randrange(20))
        )
        known = {"chronic-disease": Situation(birth)} if choose.random() < 0.2 else {}
        yield Person(birth, choose.choice("FM"), known), Known(given)


async def _crowd(house: House, count: int) -> None:
    like = demo.HOLDERS["marcel"]
    for start in range(0, count, 200):
        some = range(start, min(count, start + 200))
        await asyncio.gather(
            *(people.open_space(house.app, msgspec.structs.replace(like, ins=f"15001{n:010}")) for n in some)
        )


async def _campaign(folder: Path, count: int) -> list[Row]:
    async with open_core_house(settings_for(folder)) as house:
        await _crowd(house, count)
        plan = campaigns.read(json.dumps(WORDS).encode())
        campaign = await campaigns.add(house.app, plan, "bench")
        await campaigns.move(house.app, campaign, "start", "bench")
        runner = campaigner.Runner(house.app)
        while (await campaigns.one(house.app, campaign)).campaign.state == "gathering":
            await runner.step(campaign)
        began = time.perf_counter()
        while (await campaigns.one(house.app, campaign)).campaign.state == "running":
            await runner.step(campaign)
        took = time.perf_counter() - began
        counts = (await campaigns.one(house.app, campaign)).counts
    if counts.sent != count + 3 or counts.waiting:
        raise RuntimeError(f"{counts} of {count + 3}")
    goal, each = f"{NATIONAL:.0f}/s", counts.sent / took
    said = f"100,000 in {100_000 / each / 60:.0f} min"
    return [Row(f"campaign messages, {count:,} spaces, SQLite", goal, rate(each), said, each >= NATIONAL)]


async def _day(folder: Path, seconds: float) -> list[Row]:
    """Households fall due as fast as those of the whole country would; how far behind the last one is."""
    count = int(NATIONAL * seconds)
    async with open_core_house(settings_for(folder, reminders_at_once=1)) as house:
        await _crowd(house, count)
        sql = "SELECT id FROM spaces WHERE kind = 'holder'"
        spaces = [row[0] for row in await house.app.db.read(lambda tx: tx.run(sql))]
        first, looked = now_ms(), 0

        def plan(tx: Tx) -> None:
            for number, space in enumerate(spaces):
                rows.look_at(tx, space, first + int(number * seconds * 1000 / len(spaces)))

        await house.app.db.write(plan)
        while looked < len(spaces):
            looked += await households.go_round(house.app)
            await asyncio.sleep(0.01)  # the round's own loop sleeps so, until the next one is due
        late = (now_ms() - first) / 1000 - seconds
        written = (await house.app.db.read(lambda tx: tx.run("SELECT COUNT(*) FROM messages")))[0][0]
    took = max(seconds + late, 0.001)
    what = f"a national day, {seconds:.0f} s of it: {written:,} reminders"
    beside = f"× {written / took / NATIONAL:.1f} of the country, {max(late, 0):.1f} s behind at the end"
    return [Row(what, f"{NATIONAL:.0f}/s", rate(written / took), beside, late < 2)]
