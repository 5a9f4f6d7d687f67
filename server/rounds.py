"""Something done again and again while a door is open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from storage.database import DatabaseDown

log = structlog.get_logger()


@asynccontextmanager
async def every(seconds: float, name: str, doing: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """While the block lasts, `doing` that often. When the storage does not answer, that is logged under `name`, and it
    is done again at its time.
    """

    async def go_round() -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await doing()
            except (DatabaseDown, OSError) as error:
                log.warning(name, error=type(error).__name__)

    task = asyncio.create_task(go_round(), name=name)
    try:
        yield
    finally:
        task.cancel()
