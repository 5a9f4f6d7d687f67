"""One live connection: whose it is, the mailboxes it reads, and the cursor of each.

A socket is never handed a message: it is woken (a hint) and pulls `reading.since` from its own cursor. So what is
emitted at most once is never lost: the next pull, or the client's next `sync`, starts where the last one ended.
Between two pulls there is no task and no timer: an idle socket costs its connection and little else.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog

from server import access, people, reading
from server.access import ConversationHandle, MailboxHandle
from server.drafts import Actor
from server.errors import PliError, Unauthorised
from server.hub import Subscription
from server.views import Entry
from storage import entries
from storage.database import DatabaseDown, Tx
from webchat import present
from webchat.present import Desk
from webchat.visit import nonce

if TYPE_CHECKING:
    from server.app import App

log = structlog.get_logger()

PUSH = 50  # entries of one emission
QUEUED = 4  # emissions that may wait in a socket before its reader stops to push
PATIENCE = 5  # rounds a socket may stay that full before it is cut
TALKS = 30  # conversation handles kept by a socket
USE_EVERY_S = 60  # an event counts as a use of the session, at most that often

Emit = Callable[[str, str, dict[str, Any]], Awaitable[None]]


@dataclass(slots=True)
class Opened:
    """A mailbox a socket reads. `pushing` is off while the client is still catching up by `sync`."""

    box: MailboxHandle
    cursor: int
    pushing: bool = True
    busy: bool = False
    again: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    subscription: Subscription | None = None
    desk: Desk | None = None  # how to render, for a browser that asked
    shown: str = ""  # the conversation it has on screen, and its subject
    subject: str = ""


@dataclass(eq=False, slots=True)
class Live:
    """A signed-in socket. `waiting` tells how many emissions its connection still holds."""

    app: App
    sid: str
    actor: Actor
    secret: str = field(repr=False)
    kind: str  # session, bearer
    emit: Emit
    waiting: Callable[[], int]
    cut: Callable[[], None]
    boxes: dict[str, Opened] = field(default_factory=dict)
    talks: OrderedDict[tuple[str, str], ConversationHandle] = field(default_factory=OrderedDict)
    told: dict[str, float] = field(
        default_factory=dict
    )  # when typing or presence was last told, by event and conversation
    used: float = field(default_factory=time.monotonic)
    full: int = 0
    closed: bool = False
    pulls: set[asyncio.Task[None]] = field(default_factory=set)

    async def open(self, mailbox_id: str) -> Opened:
        """A mailbox to read, from its end. Raises `Refused`."""
        known = self.boxes.get(mailbox_id or self.actor.mailbox_id)
        if known is not None:
            return known
        box = await access.mailbox(self.app, self.actor, mailbox_id)
        opened = Opened(box, await reading.cursor(self.app, box))
        if self.closed:
            raise Unauthorised
        opened.subscription = self.app.hub.subscribe([box.mailbox_id], lambda: self.wake(opened))
        self.boxes[box.mailbox_id] = opened
        return opened

    async def talk(self, conversation_id: str, mailbox_id: str = "") -> ConversationHandle:
        """A conversation of one of the mailboxes of this socket: the one named, else wherever it is. Raises
        `Refused`.
        """
        wanted = (
            [mailbox_id]
            if mailbox_id
            else [self.actor.mailbox_id, *(m for m in self.boxes if m != self.actor.mailbox_id)]
        )
        refused: PliError | None = None
        for name in wanted:
            known = self.talks.get((name, conversation_id))
            if known is not None:
                self.talks.move_to_end((name, conversation_id))
                return known
            try:
                handle = await access.conversation(self.app, (await self.open(name)).box, conversation_id)
            except PliError as error:
                refused = error
                continue
            self.talks[(name, conversation_id)] = handle
            if len(self.talks) > TALKS:
                self.talks.popitem(last=False)
            return handle
        raise refused or Unauthorised

    async def use(self) -> None:
        """An event counts as a use of the session, and ends the socket when the session has ended. Raises
        `Unauthorised`.
        """
        if time.monotonic() - self.used < USE_EVERY_S:
            return
        find = people.actor_of_session if self.kind == "session" else people.actor_of_bearer
        await find(self.app, self.secret)
        self.used = time.monotonic()

    def seldom(self, event: str, conversation_id: str, every_s: float) -> bool:
        """True when this was not told within that time."""
        key, now = f"{event}:{conversation_id}", time.monotonic()
        if now - self.told.get(key, -every_s) < every_s:
            return False
        if len(self.told) > 2 * TALKS:
            self.told.clear()
        self.told[key] = now
        return True

    def wake(self, opened: Opened) -> None:
        """Something may be new there: pull, once at a time."""
        if self.closed or not opened.pushing:
            return
        if opened.busy:
            opened.again = True
            return
        opened.busy = True
        task = asyncio.get_running_loop().create_task(self._pull(opened))
        self.pulls.add(task)
        task.add_done_callback(self.pulls.discard)

    async def _pull(self, opened: Opened) -> None:
        try:
            more = True
            while more and not self.closed:
                opened.again = False
                async with opened.lock:
                    if not opened.pushing or self.waiting() > QUEUED:
                        return
                    await self.app.db.read(self._may, opened.box)
                    page = await reading.since(self.app, opened.box, opened.cursor, PUSH)
                    opened.cursor = page.cursor
                    if page.entries:
                        told = {
                            "mailbox": opened.box.mailbox_id,
                            "entries": self.shape(opened, page.entries),
                            "cursor": page.cursor,
                        }
                        await self.emit(self.sid, "entries", told)
                more = page.more or opened.again
        except PliError:
            self.cut()
        except DatabaseDown as error:
            log.warning("live.unavailable", error=type(error).__name__)  # the next round pulls again
        finally:
            opened.busy = False

    def _may(self, tx: Tx, box: MailboxHandle) -> None:
        if not people.still_signed_in(self.app, tx, self.secret, self.kind):
            raise Unauthorised
        access.still_open(self.app, tx, box)

    def behind(self, tx: Tx) -> list[Opened]:
        """The right to each mailbox again, and those that hold more than was pushed. Raises `Unauthorised`,
        `Refused`.
        """
        if not people.still_signed_in(self.app, tx, self.secret, self.kind):
            raise Unauthorised
        found = []
        for opened in tuple(self.boxes.values()):
            access.still_open(self.app, tx, opened.box)
            if entries.last_seq(tx, opened.box.mailbox_id) > opened.cursor:
                found.append(opened)
        return found

    def stuck(self) -> bool:
        """True when the other side has not read for too long."""
        self.full = self.full + 1 if self.waiting() > QUEUED else 0
        return self.full >= PATIENCE

    def shape(self, opened: Opened, found: list[Entry]) -> list[dict[str, Any]]:
        """Entries of the contract; those of the conversation on a browser's screen with their HTML besides."""
        desk = replace(opened.desk, now=datetime.now(UTC)) if opened.desk is not None else None
        out = []
        for entry in found:
            told = {"seq": entry.seq, "kind": entry.kind, "conversation": entry.conversation, "message": entry.message}
            if desk is not None and entry.conversation == opened.shown:
                told["fragment"] = present.fragment(desk, entry, opened.subject, nonce())
            out.append(told)
        return out

    def close(self) -> None:
        """Nothing is read any more."""
        self.closed = True
        for opened in self.boxes.values():
            if opened.subscription is not None:
                opened.subscription.close()
        for task in self.pulls:
            task.cancel()
