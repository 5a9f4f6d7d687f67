"""Large letters take turns: nobody is forgotten, nobody comes twice before the others came once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mail_gateway.smtp_turns import Turns


async def test_each_reads_on_in_the_order_of_asking_and_the_loop_turns_in_between() -> None:
    turns, done = Turns(), asyncio.Event()
    told: list[str] = []

    def session(name: str) -> Callable[[], None]:
        def read_on() -> None:
            told.append(name)
            asyncio.get_running_loop().call_soon(told.append, "somebody else")
            if told.count(name) < 2:
                turns.wait(read_on)
            if told.count("c") == 2:
                asyncio.get_running_loop().call_soon(done.set)

        return read_on

    for name in "abc":
        turns.wait(session(name))
    assert told == [], "the first one rests too"
    await asyncio.wait_for(done.wait(), 20)
    assert told == [word for name in "abcabc" for word in (name, "somebody else")]
