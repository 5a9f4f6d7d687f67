"""How long everybody else waits while one letter is dealt with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass
class Heart:
    """`longest`: seconds between two beats that were to be a hundredth apart."""

    longest: float = 0.0


@asynccontextmanager
async def heartbeat() -> AsyncIterator[Heart]:
    """Beats on the loop while the block lasts."""
    heart, loop = Heart(), asyncio.get_running_loop()

    async def beat() -> None:
        while True:
            began = loop.time()
            await asyncio.sleep(0.01)
            heart.longest = max(heart.longest, loop.time() - began)

    beating = asyncio.create_task(beat())
    try:
        yield heart
    finally:
        beating.cancel()
