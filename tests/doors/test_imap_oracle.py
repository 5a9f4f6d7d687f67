"""Our IMAP door and Dovecot, side by side: the same mailbox, the same session, the same answers."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.house import PASSWORD
from tests.imap_client import imap_house, trusting
from tests.imap_oracle import hostile, mails, script, served
from tests.imap_oracle.differences import KNOWN
from tests.imap_oracle.mails import Mail
from tests.imap_oracle.same import differences
from tests.imap_oracle.sides import Side
from tests.imap_oracle.talk import connected
from tests.support import dovecot
from tests.support.samples import samples_folder

CLIENTS = ("a", "b")


def everything() -> list[Mail]:
    return [*mails.texts(), *mails.parts(), *mails.enclosed(), *mails.named(), *hostile.hostile()]


@asynccontextmanager
async def both(folder: Path, holding: list[Mail]) -> AsyncIterator[tuple[Side, Side]]:
    """Ours and theirs, holding the same."""
    async with AsyncExitStack() as stack:
        theirs = stack.enter_context(dovecot.dovecot())
        house = await stack.enter_async_context(imap_house(folder))
        names = tuple(await served.bring(house, holding))
        ours = house.app.ports["imap"], house.leroy.address, PASSWORD, trusting(house.app)
        doors = ours, (theirs.port, dovecot.USER, dovecot.PASSWORD, None)
        talks = [[await stack.enter_async_context(connected(*door)) for _ in (*CLIENTS, "eye")] for door in doors]
        await served.copy(talks[0][-1], talks[1][-1], holding)
        one, other = (Side(dict(zip(CLIENTS, three, strict=False)), three[-1], names) for three in talks)
        yield one, other


class Compared:
    """Steps said to both; what differed, by step and place."""

    def __init__(self, ours: Side, theirs: Side) -> None:
        self.ours, self.theirs = ours, theirs
        self.steps = 0
        self._said: Counter[str] = Counter()
        self.found: dict[tuple[str, str], tuple[str, str]] = {}

    async def say(self, step: str, *literals: bytes) -> dict[str, Any]:
        """Their answer."""
        self.steps += 1
        self._said[step] += 1
        again = f" ({self._said[step]})" if self._said[step] > 1 else ""
        one, other = await self.ours.do(step, *literals), await self.theirs.do(step, *literals)
        for where, mine, yours in differences(one, other):
            self.found[step + again, where] = mine, yours
        return other

    async def all(self, steps: Iterator[str]) -> None:
        for step in steps:
            drafts = [script.DRAFT % (self.steps, self.steps)] if "{}" in step else []
            await self.say(step, *drafts)

    async def describe(self, holding: list[Mail]) -> None:
        """What is said of every mail, and every piece of it."""
        for step in script.described(holding):
            said = await self.say(step)
            for name, _ in holding if said and "BODYSTRUCTURE" in step else ():
                if name in said["fetch"]:
                    found = list(script.parts(said["fetch"][name]["BODYSTRUCTURE"]))
                    await self.all(script.pieces(name, found))
                    await self.all(script.decoded(name, found))
