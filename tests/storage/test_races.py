"""A right that ends while it is used: what began after the end was committed is refused, whatever was under way."""

from __future__ import annotations

import asyncio
import time

from server import access, reading
from server.drafts import Draft
from server.errors import Refused
from server.handles import ConversationHandle
from server.posting import post
from storage import delegations
from tests.house import House

RACES = 40


async def _let_in(house: House, conversation: str) -> ConversationHandle:
    marcel, dominique = house.marcel, house.dominique
    grant = delegations.grant
    await house.app.db.write(grant, marcel.space_id, dominique.account_id, "helper", None, marcel.account_id)
    box = await access.mailbox(house.app, dominique, marcel.mailbox_id)
    return await access.conversation(house.app, box, conversation)


async def _end(house: House) -> float:
    """When it was committed."""
    await asyncio.sleep(0)
    await house.app.db.write(delegations.end, house.marcel.space_id, house.dominique.account_id)
    return time.perf_counter()


async def _use(house: House, handle: ConversationHandle, number: int) -> tuple[float, bool]:
    """When it began, and whether it was done."""
    for _ in range(number):
        await asyncio.sleep(0)
    began = time.perf_counter()
    try:
        if number % 2:
            await post(house.app, house.dominique, Draft(to=handle, text=f"Message {number}"))
        else:
            await reading.mark_read(house.app, handle, 2**40)
    except Refused:
        return began, False
    return began, True


async def test_nothing_begins_after_a_right_has_ended(core: House) -> None:
    """Item 15 of the security checklist: the check and the use are one transaction."""
    sent = await core.letter("morel", "marcel")
    done = 0
    for _ in range(RACES):
        handle = await _let_in(core, sent.conversation)
        ending = asyncio.create_task(_end(core))
        uses = await asyncio.gather(*(_use(core, handle, number) for number in range(6)))
        ended = await ending
        after = [await _use(core, handle, 1), await _use(core, handle, 2)]
        assert not any(good for began, good in (*uses, *after) if began > ended)
        assert [good for _, good in after] == [False, False]
        done += sum(good for _, good in uses)
    assert done, "nothing was ever done in time: the race was none"
