"""IDLE (RFC 2177): news as they come, for as long as the client likes.

    a wake-up of the hub  →  the wire is nudged  →  what is new is read and told
    every few minutes, for all who idle at this door  →  one look at their mailboxes' counters; « Still here »

Promises: a session that idles has no task, timer or query of its own, so that thousands cost next to nothing; a wake-up
that was lost costs minutes, never a message; a network that forgets silent connections has no occasion to. There is no
end of its own: a client that is gone is found out by what is said to it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from mail_gateway.imap.wire import Wire
from server.rounds import every
from storage import entries

if TYPE_CHECKING:
    from server.app import App

TICK_S = 5  # between two rounds
HERE_S = 120  # how long a connection may be silent: some networks forget it after a few minutes
TOGETHER = 100  # sessions of one query, and between two turns of the loop


class Idler:
    """One session in IDLE: its wire, the mailbox of its open folder ("" for none) and the number it was told up to."""

    __slots__ = ("__weakref__", "known", "mailbox_id", "wire")

    def __init__(self, wire: Wire, mailbox_id: str, known: int) -> None:
        self.wire = wire
        self.mailbox_id = mailbox_id
        self.known = known


class Idlers:
    """Those who idle at one door, whoever waits longest first."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._due: dict[Idler, float] = {}

    def enter(self, idler: Idler) -> None:
        self._due[idler] = time.monotonic() + HERE_S

    def leave(self, idler: Idler) -> None:
        self._due.pop(idler, None)

    def rounds(self) -> AbstractAsyncContextManager[None]:
        """While the door is open."""
        return every(TICK_S, "imap.idlers", self._all)

    async def _all(self) -> None:
        while await self._some():
            pass

    async def _some(self) -> bool:
        """See to the first who are due; False when nobody is."""
        now = time.monotonic()
        due: list[Idler] = []
        for idler, at in self._due.items():
            if at > now or len(due) == TOGETHER:
                break
            due.append(idler)
        for idler in due:
            del self._due[idler]
            self.enter(idler)
        # Said first: also when the database gives no answer.
        for idler in due:
            idler.wire.write(b"* OK Still here\r\n")
        watched = sorted({idler.mailbox_id for idler in due} - {""})
        if watched:
            moved = await self._app.db.read(entries.last_seqs, watched)
            for idler in due:
                if moved.get(idler.mailbox_id, 0) > idler.known:
                    idler.wire.nudge()
        await asyncio.sleep(0)
        return bool(due)


async def idle(
    wire: Wire, idlers: Idlers, idler: Idler, tell: Callable[[], Awaitable[int]], still: Callable[[], Awaitable[None]]
) -> bool:
    """From the continuation to the client's next line; whether that is DONE. `tell` writes what is new and returns the
    number it is true at; `still` raises when the client may not stay. Raises Closed, TooMuch.
    """
    idlers.enter(idler)
    try:
        while (line := await wire.line_or_nudge()) is None:
            await still()
            idler.known = await tell()
            await wire.drain()
    finally:
        idlers.leave(idler)
    return line.strip().upper() == b"DONE"
