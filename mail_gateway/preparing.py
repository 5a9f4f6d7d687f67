"""What a mail client will ask for, made ready as soon as a message is there.

    commit → hub.wake(mailbox) → is it read by a mail client? → its new messages: the mail, its header block, ENVELOPE,
    BODYSTRUCTURE, size and preview, sealed (`rendition.rendered`)

Promises: listing a folder opens no message's body; a mailbox that no mail client opened for `FORGOTTEN_MS` costs one
look-up a wake-up and nothing else; the loop is given back between two messages. What was not made ready, because the
process died or a message does not open, is made when somebody asks for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog

from mail_gateway import rendition
from server.errors import Refused, Unavailable
from storage import entries, renditions
from storage.database import DatabaseDown
from storage.ids import now_ms
from storage.vault import CannotOpen

if TYPE_CHECKING:
    from server.app import App

log = structlog.get_logger()

FORGOTTEN_MS = 90 * 86_400_000
OPENED_EVERY_MS = 86_400_000
TOGETHER = 20  # messages whose mails are kept in one commit
_END = 2**62


async def opened_by_mail(app: App, mailbox_id: str) -> None:
    """A mail client opens this mailbox: from now on its messages are made ready, and those it has already."""
    at = now_ms()
    if not await app.db.read(renditions.read_by_mail, [mailbox_id], at - OPENED_EVERY_MS):
        await app.db.write(renditions.opened_by_mail, mailbox_id, at)
        app.hub.wake([mailbox_id])


@asynccontextmanager
async def prepared(app: App) -> AsyncIterator[None]:
    """While the block lasts, what comes for a mail client is made ready."""
    preparer = Preparer(app)
    task = asyncio.create_task(preparer.run(), name="prepare-mail")
    try:
        with app.hub.overheard(preparer.woken):
            yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Preparer:
    """The mailboxes that were woken, one after the other."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._woken: dict[str, None] = {}
        self._done: dict[str, int] = {}  # up to which number everything of a mailbox was looked at
        self._news = asyncio.Event()

    def woken(self, mailbox_id: str) -> None:
        self._woken[mailbox_id] = None
        self._news.set()

    async def run(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            some, self._woken = list(self._woken), {}
            for start in range(0, len(some), TOGETHER):
                try:
                    since = now_ms() - FORGOTTEN_MS
                    chosen = await self._app.db.read(renditions.read_by_mail, some[start : start + TOGETHER], since)
                    for mailbox_id in chosen:
                        await self._prepare(mailbox_id)
                except (DatabaseDown, OSError) as error:
                    log.warning("prepare.failed", error=type(error).__name__)

    async def _prepare(self, mailbox_id: str) -> None:
        above, before = self._done.get(mailbox_id, 0), _END
        end = await self._app.db.read(entries.last_seq, mailbox_id)
        while wanting := await self._app.db.read(renditions.wanting, mailbox_id, above, before, TOGETHER):
            await asyncio.gather(*(self._one(*row[1:]) for row in wanting))
            before = wanting[-1][0]
            await asyncio.sleep(0)
        self._done[mailbox_id] = end

    async def _one(self, space_id: str, message_id: str, wrapped_key: bytes) -> None:
        try:
            await rendition.rendered(self._app, self._app.vault.space(space_id, wrapped_key), message_id)
        except (CannotOpen, Refused, Unavailable):
            self._app.metrics.unopened()
