"""Twenty mail clients of one professional's mailbox, while the patient writes in the chat and the professional by SMTP
and on the web: whatever they do at once, each is told what there is, and nothing is lost or doubled.

`PLI_STRESS_SECONDS` makes it longer (8 otherwise), `PLI_STRESS_SEED` draws other lots.
"""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random

import pytest

from mail_gateway.inbound import submission_door
from server import access, filing, marks, reading
from server.errors import Refused
from storage.marks import ARCHIVED
from tests import letters
from tests.house import PASSWORD, House
from tests.imap_client import imap_house, trusting
from tests.imap_oracle.crowd import Client, World
from tests.imap_oracle.normal import flags
from tests.imap_oracle.reader import fetched
from tests.imap_oracle.talk import Talk, connected
from tests.wire import connected as smtp

CLIENTS = 20
BEGUN = 40  # messages at first
BESIDE = 0.04  # of the commands, those beside which something happens elsewhere
SECONDS = float(os.environ.get("PLI_STRESS_SECONDS", "8"))
ROUNDS = max(3, int(SECONDS / 20))  # after each, everybody is still and all must agree
SEED = os.environ.get("PLI_STRESS_SEED", "pli")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with imap_house(tmp_path / "pli") as opened, submission_door(opened.app):
        yield opened


class Beside:
    """What happens at the other doors of the mailbox meanwhile."""

    def __init__(self, house: House, random: Random) -> None:
        self.posted = 0
        self.conversations: list[str] = []
        self._house, self._random = house, random

    async def act(self) -> None:
        act = self._random.choice((self.answers, self.answers, self.writes, self.reads, self.archives, self.follows))
        await act()

    async def answers(self) -> None:
        """Dominique, in the chat."""
        self.posted += 1
        await self._house.answer("dominique", self._random.choice(self.conversations), f"lettre {self.posted}")

    async def writes(self) -> None:
        """Dr Leroy, by SMTP."""
        self.posted += 1
        house, address = self._house, self._house.leroy.address
        letter = letters.plain(
            f"lettre {self.posted}", from_=("Dr Paul LEROY", address), to=house.address("dominique"),
            message_id=f"<{self.posted}@leroy.example>",
        )  # fmt: skip
        async with smtp(house.app.ports["submission"], trusting(house.app)) as wire:
            said = base64.b64encode(f"\0{address}\0{PASSWORD}".encode()).decode()
            assert (await wire.say(f"AUTH PLAIN {said}")).startswith("235")
            await wire.envelope(address, house.address("dominique"))
            assert (await wire.data(letter)).startswith("250")

    async def opens(self) -> None:
        self.posted += 1
        letter = await self._house.letter("leroy", "dominique", "lettre", f"lettre {self.posted}")
        self.conversations.append(letter.conversation)

    async def reads(self) -> None:
        """Dr Leroy, on the web."""
        box = await self._house.mailbox("leroy")
        handle = await access.conversation(self._house.app, box, self._random.choice(self.conversations))
        await reading.mark_read(self._house.app, handle, await reading.cursor(self._house.app, box))

    async def archives(self) -> None:
        box, app = await self._house.mailbox("leroy"), self._house.app
        handle = await access.conversation(app, box, self._random.choice(self.conversations))
        await marks.put(app, box, handle, ARCHIVED, self._random.random() < 0.5, "")

    async def follows(self) -> None:
        box, app = await self._house.mailbox("leroy"), self._house.app
        handle = await access.conversation(app, box, self._random.choice(self.conversations))
        await filing.follow(app, box, handle, self._random.random() < 0.5)


async def work(client: Client, beside: Beside, random: Random, until: float) -> None:
    while time.monotonic() < until:
        await client.act()
        if random.random() < BESIDE:
            try:
                await beside.act()
            except Refused:  # everything of that conversation was thrown away
                continue


async def what_there_is(eye: Talk) -> tuple[dict[str, dict[int, list[str]]], Counter[str]]:
    """(the flags of every message by folder and UID, how often each message is there)."""
    found: dict[str, dict[int, list[str]]] = {}
    places: Counter[str] = Counter()
    for folder in ("INBOX", "Archive", "Trash", "Sent", "Drafts"):
        found[folder] = {}
        await eye.say(f"EXAMINE {folder}")
        for one in (await eye.say("UID FETCH 1:* (FLAGS EMAILID)")).named("FETCH"):
            items = fetched(one.values[0])
            found[folder][int(str(items["UID"]))] = flags(items["FLAGS"])
            if folder != "Drafts":
                places[str(items["EMAILID"])] += 1
    return found, places


async def test_twenty_clients_at_once_are_told_what_there_is_and_nothing_is_lost(
    house: House, record_property: Callable[[str, object], None]
) -> None:
    world, beside = World(), Beside(house, Random(f"{SEED} beside"))
    await asyncio.gather(*(beside.opens() for _ in range(8)))
    await asyncio.gather(*(beside.answers() for _ in range(BEGUN)))
    async with AsyncExitStack() as stack:
        door = house.app.ports["imap"], house.leroy.address, PASSWORD, trusting(house.app)
        eye, *talks = await asyncio.gather(*(stack.enter_async_context(connected(*door)) for _ in range(CLIENTS + 1)))
        crowd = [
            Client(f"client {number}", talk, world, Random(f"{SEED} {number}"), keeps=number % 2 == 0)
            for number, talk in enumerate(talks)
        ]
        await asyncio.gather(*(client.start() for client in crowd))
        lots = [Random(f"{SEED} work {number}") for number in range(CLIENTS)]
        for _ in range(ROUNDS):
            until = time.monotonic() + SECONDS / ROUNDS
            await asyncio.gather(*(work(client, beside, lot, until) for client, lot in zip(crowd, lots, strict=True)))
            there, places = await what_there_is(eye)
            await asyncio.gather(*(client.agree(there) for client in crowd))
            assert not world.faults, "\n".join(world.faults[:20])
    seen = {*places, *(one for (folder, _), one in world.identity.items() if folder != "Drafts")}
    assert len(seen) == beside.posted
    kept = {one: count for one, count in places.items() if one not in world.thrown}
    assert kept == {one: 1 + world.copied[one] for one in seen - world.thrown}
    assert all(count <= 1 + world.copied[one] for one, count in places.items())
    assert {"SELECT", "FETCH", "STORE", "SEARCH", "COPY", "MOVE", "EXPUNGE", "APPEND", "IDLE"} <= set(world.said)
    record_property("said", dict(world.said))
    record_property("refused", dict(world.refused))
    record_property("messages", beside.posted)
