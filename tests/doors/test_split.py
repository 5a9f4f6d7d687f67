"""Processes split over PostgreSQL and Redis: a letter taken by one wakes a reader in another."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from server import reading
from server.app import open_core
from server.hub import RedisHub
from server.settings import problems
from tests.house import House, open_core_house, settings_for


async def test_a_letter_taken_by_one_process_wakes_the_reader_of_another(
    postgres_url: str, redis_url: str, tmp_path: Path
) -> None:
    settings = settings_for(tmp_path / "pli", database_url=postgres_url, redis_url=redis_url)
    async with open_core_house(replace(settings, role="smtp")) as mail, open_core(replace(settings, role="web")) as web:
        assert isinstance(web.hub, RedisHub)
        woken = asyncio.Event()
        subscription = web.hub.subscribe([mail.dominique.mailbox_id], woken.set)
        # Redis tells nothing to who was not listening yet: the first letters may wake nobody, and lose nobody anything.
        sent = 0
        while not woken.is_set():
            await mail.letter("morel", "dominique", f"lettre {sent}")
            sent += 1
        elsewhere = House(web, mail.people)
        page = await reading.since(web, await elsewhere.mailbox("dominique"), 0, 200)
        assert [entry.message.text for entry in page.entries] == [f"lettre {number}" for number in range(sent)][:200]
        subscription.close()


def test_a_split_without_what_it_needs_is_refused(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "pli", role="web")
    assert any(line.startswith("role:") for line in problems(settings))
    split = replace(settings, database_url="postgresql://elsewhere/pli")
    assert any(line.startswith("redis_url:") for line in problems(split))
    assert problems(replace(split, redis_url="redis://elsewhere")) == []
