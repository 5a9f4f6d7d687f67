"""A campaign is paused, killed with the server and resumed: everybody hears once, nobody is forgotten, and the counts
are exact. A process of its own, by the operator's token.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from server import demo, people
from server.app import open_core
from server.settings import Settings
from tests.house import check, settings_for
from tests.support.demo_server import Server

PEOPLE = 120
CAMPAIGN = {
    "name": "Chaleur", "title": "Il va faire chaud", "text": "Buvez.", "title_en": "It will be hot",
    "text_en": "Drink.", "text_falc": "Il fait chaud. Buvez.", "population": [{}], "per_second": 75,
    "hours": "0-24", "any_day": True,
}  # fmt: skip


class Operator:
    """Who holds the operator's token, and asks the API until something is so."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def ask(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._server.told['people']['operator']['token']}"}
        url = f"{self._server.told['http']}/api/v1/campaigns{path}"
        async with aiohttp.ClientSession(headers=headers) as session:
            async with session.request(method, url, json=body or None) as answer:
                assert answer.status < 300, await answer.text()
                found: dict[str, Any] = await answer.json()
        if "gathered" in found:
            assert found["gathered"] == found["sent"] + found["waiting"] + sum(found["spared"].values())
        return found

    async def move(self, campaign: str, what: str) -> dict[str, Any]:
        return await self.ask("POST", f"/{campaign}/moves", do=what)

    async def until(self, campaign: str, *, sent: int = 0, state: str = "") -> dict[str, Any]:
        deadline = time.monotonic() + 60
        while True:
            found = await self.ask("GET", f"/{campaign}")
            if found["sent"] >= sent and state in {"", found["state"]}:
                return found
            assert time.monotonic() < deadline, found
            await asyncio.sleep(0.03)  # another process: nothing but time tells


async def _crowd(folder: Path) -> None:
    """As many people as that have a space, before the server opens."""
    async with open_core(settings_for(folder)) as app:
        like = demo.HOLDERS["marcel"]
        await asyncio.gather(
            *(people.open_space(app, msgspec.structs.replace(like, ins=f"15001750{n:07}")) for n in range(PEOPLE))
        )


async def _heard(folder: Path) -> list[int]:
    """How many messages the bot wrote to each, in order; every invariant holds."""
    async with open_core(settings_for(folder)) as app:
        await check(app)
        bot = await people.hosted(app, f"rappels@{app.settings.mail_domain}")
        assert bot is not None
        wrote = "SELECT space_id FROM messages WHERE author_id = :bot"
        rows = await app.db.read(lambda tx: tx.run(wrote, bot=bot.account_id))
        kept = (
            "SELECT COUNT(*) FROM campaign_spaces c JOIN messages m ON m.space_id = c.space_id AND m.id = c.message_id"
        )
        assert (await app.db.read(lambda tx: tx.run(kept)))[0][0] == PEOPLE + 3
        return sorted(Counter(row[0] for row in rows).values())


async def test_a_campaign_paused_and_killed_goes_on_and_nobody_hears_twice(tmp_path: Path) -> None:
    folder = tmp_path / "pli"
    folder.mkdir()
    server = Server(folder)
    await _crowd(folder)
    server.start()
    operator = Operator(server)
    campaign = (await operator.ask("POST", "", campaign=CAMPAIGN))["id"]
    await operator.move(campaign, "start")
    await operator.until(campaign, sent=20)
    paused = await operator.move(campaign, "pause")
    assert 20 <= paused["sent"] < PEOPLE
    server.kill()
    server.start()
    assert (await operator.ask("GET", f"/{campaign}"))["sent"] == paused["sent"], "not one more while it was paused"
    await operator.move(campaign, "resume")
    await operator.until(campaign, sent=paused["sent"] + 40)
    server.kill()
    server.start()
    ended = await operator.until(campaign, state="ended")
    assert (ended["sent"], ended["waiting"], ended["spared"]) == (PEOPLE + 3, 0, {})
    by = [change["by"] == "pli" for change in ended["changes"]]
    assert [change["state"] for change in ended["changes"]] == [
        "draft", "gathering", "running", "paused", "running", "ended",
    ]  # fmt: skip
    assert by == [False, False, True, False, False, True]
    server.stop()
    heard = await _heard(folder)
    assert heard[:-1] == [1] * (PEOPLE + 2)
    assert heard[-1] == 1 + Settings().reminders_at_once, "and Marcel, who was reminded on the first day"
