"""Our IMAP door and Dovecot, side by side: the same mailbox, the same session, the same answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from tests.house import PASSWORD
from tests.imap_client import imap_house, trusting
from tests.imap_oracle import hostile, mails, script, served
from tests.imap_oracle.differences import gone, unexplained
from tests.imap_oracle.mails import Mail
from tests.imap_oracle.same import differences
from tests.imap_oracle.sides import Side
from tests.imap_oracle.talk import connected
from tests.support import dovecot

CLIENTS = ("a", "b")


def everything() -> list[Mail]:
    return [*mails.texts(), *mails.parts(), *mails.enclosed(), *mails.named(), *hostile.hostile()]


@asynccontextmanager
async def both(folder: Path, holding: list[Mail]) -> AsyncIterator[tuple[Compared, list[str]]]:
    """Ours and theirs, holding the same: these mails and a conversation; the names of all."""
    async with AsyncExitStack() as stack:
        theirs = stack.enter_context(dovecot.dovecot())
        house = await stack.enter_async_context(imap_house(folder))
        names = [*await served.bring(house, holding), *await served.converse(house)]
        ours = house.app.ports["imap"], house.leroy.address, PASSWORD, trusting(house.app)
        doors = ours, (theirs.port, dovecot.USER, dovecot.PASSWORD, None)
        talks = [[await stack.enter_async_context(connected(*door)) for _ in (*CLIENTS, "eye")] for door in doors]
        await served.copy(talks[0][-1], talks[1][-1], holding)
        one, other = (Side(dict(zip(CLIENTS, three, strict=False)), three[-1], tuple(names)) for three in talks)
        yield Compared(one, other), names


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

    async def describe(self, names: list[str]) -> None:
        """What is said of every mail, and every piece of it."""
        named = {script.describing(name): name for name in names}
        for step in script.described(names):
            theirs = await self.say(step)
            if step in named:
                found = list(script.parts(theirs["fetch"][named[step]]["BODYSTRUCTURE"]))
                await self.all(script.pieces(named[step], found))

    async def session(self, names: list[str]) -> None:
        await self.all(script.steps(script.BASICS))
        await self.all(script.steps(script.OPENING))
        await self.describe(names)
        await self.all(script.steps(script.ASKING))
        await self.all(script.steps(script.MARKS))
        await self.all(script.searching(names))
        for chapter in (script.MOVING, script.DRAFTS, script.SYNCING):
            await self.all(script.steps(chapter))


async def test_every_answer_is_dovecots_but_for_those_that_a_clause_allows(tmp_path: Path) -> None:
    async with both(tmp_path / "pli", everything()) as (compared, names):
        await compared.session(names)
    assert compared.steps >= 300
    assert not unexplained(compared.found), "\n".join(unexplained(compared.found))
    assert not gone(compared.found), "\n".join(gone(compared.found))


async def test_letters_that_hold_health_documents_are_described_as_dovecot_does(samples: Path, tmp_path: Path) -> None:
    async with both(tmp_path / "pli", list(mails.samples(samples))) as (compared, names):
        await compared.say("SELECT INBOX")
        compared.found.clear()
        for name in names:
            said = await compared.say(script.describing(name))
            await compared.all(script.pieces(name, script.parts(said["fetch"][name]["BODYSTRUCTURE"])))
        await compared.say("FETCH 1:* BODY.PEEK[]")
    assert compared.found == {}
