"""How often the assistant was asked, on each engine."""

from __future__ import annotations

from storage import asked
from storage.ids import now_ms
from tests.house import House
from tests.support import assistant as pli


async def test_what_one_wrote_in_a_conversation_is_counted_since_an_instant(core: House) -> None:
    before = now_ms()
    for words in ("mes rdv", "mes vaccins"):
        receipt = await pli.write(core, "dominique", words)
    await pli.answer_all(core)  # what Pli says is not counted
    space, me = core.dominique.space_id, core.dominique.account_id

    async def count(since: int, who: str = me) -> int:
        return await core.app.db.read(asked.since, space, receipt.conversation, who, since)

    assert await count(before) == 2
    assert await count(now_ms() + 1_000) == 0
    assert await count(before, core.marcel.account_id) == 0
