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

from server import access, reading, sessions
from server.drafts import Actor
from server.errors import PliError, Unauthorised
from server.handles import ConversationHandle, MailboxHandle
from server.hub import Subscription
from server.views import Entry, Page
from storage import entries
from storage.database import DatabaseDown, Tx
from storage.vault import CannotOpen
from webchat import present
from webchat.present import Desk
from webchat.visit import nonce

if TYPE_CHECKING:
    from server.app import App

log = structlog.get_logger()

TOGETHER = 50  # sockets served by one read
PUSH = 50  # entries of one emission
QUEUED = 4  # emissions that may wait in a socket before its reader stops to push
PATIENCE = 5  # rounds a socket may stay that full before it is cut
TALKS = 30  # conversation handles kept by a socket
QUIET_S = 2  # a client that was told there is more asks for it within that time; else it is pushed
USE_EVERY_S = 60  # an event counts as a use of the session, at most that often

Emit = Callable[[list[str], str, dict[str, Any]], Awaitable[None]]


@dataclass(slots=True)
class Opened:
    """A mailbox a socket reads. Nothing is pushed before `quiet_until`: the client is catching up by `sync`."""

    box: MailboxHandle
    cursor: int
    quiet_until: float = 0.0
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
    waiting: Callable[[], int]
    wake: Callable[[Live, Opened], None]
    boxes: dict[str, Opened] = field(default_factory=dict)
    talks: OrderedDict[tuple[str, str], ConversationHandle] = field(default_factory=OrderedDict)
    told: dict[str, float] = field(
        default_factory=dict
    )  # when typing or presence was last told, by event and conversation
    used: float = field(default_factory=time.monotonic)
    full: int = 0
    closed: bool = False

    async def open(self, mailbox_id: str) -> Opened:
        """A mailbox to read, from its end. Raises `Refused`."""
        known = self.boxes.get(mailbox_id or self.actor.mailbox_id)
        if known is not None:
            return known
        box = await access.mailbox(self.app, self.actor, mailbox_id)
        opened = Opened(box, await reading.cursor(self.app, box))
        if self.closed:
            raise Unauthorised
        opened.subscription = self.app.hub.subscribe([box.mailbox_id], lambda: self.wake(self, opened))
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
        find = sessions.actor_of_session if self.kind == "session" else sessions.actor_of_bearer
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

    def may_hear(self, opened: Opened) -> bool:
        """Whether something may be pushed to it now."""
        return not self.closed and time.monotonic() >= opened.quiet_until and self.waiting() <= QUEUED

    def confirm(self, tx: Tx) -> None:
        """Whether the sign-in is still good. Raises `Unauthorised`."""
        if not sessions.still_signed_in(self.app, tx, self.secret, self.kind):
            raise Unauthorised

    def behind(self, tx: Tx) -> list[Opened]:
        """The right to each mailbox again, and those that hold more than was pushed. Raises `Unauthorised`,
        `Refused`.
        """
        if not sessions.still_signed_in(self.app, tx, self.secret, self.kind):
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
                try:
                    told["fragment"] = present.fragment(desk, entry, opened.subject, nonce())
                except Exception as error:  # noqa: BLE001 - a message that cannot be drawn does not silence the others
                    log.error("live.not_drawn", error=type(error).__name__)
            out.append(told)
        return out

    def close(self) -> None:
        """Nothing is read any more."""
        self.closed = True
        for opened in self.boxes.values():
            if opened.subscription is not None:
                opened.subscription.close()


class Pull:
    """Brings what is new to the sockets that were woken: one read for all of them, however many they are.

    A thousand sockets woken at once are twenty reads, not two thousand; five windows of one person are one page.
    """

    def __init__(self, app: App, emit: Emit, cut: Callable[[Live], None]) -> None:
        self._app = app
        self._emit = emit
        self._cut = cut
        self._wanted: dict[int, tuple[Live, Opened]] = {}
        self._task: asyncio.Task[None] | None = None

    def want(self, live: Live, opened: Opened) -> None:
        """Something may be new there. Never waits."""
        self._wanted[id(opened)] = (live, opened)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="live-pull")

    async def _run(self) -> None:
        try:
            while self._wanted:
                names = list(self._wanted)[:TOGETHER]
                # One that is in the middle of a `sync` is left out: the sync wakes it again when it ends.
                some = [pair for name in names if (pair := self._wanted.pop(name))[0].may_hear(pair[1])]
                some = [pair for pair in some if not pair[1].lock.locked()]
                if some:
                    await self._bring(some)
        finally:
            self._task = None

    async def _bring(self, some: list[tuple[Live, Opened]]) -> None:
        for _, opened in some:
            await opened.lock.acquire()  # free, as was just seen: this does not wait
        try:
            pages = await self._app.db.read(_pages, self._app, some)
            alike: dict[tuple[str, int], tuple[dict[str, Any], list[str]]] = {}
            for (live, opened), page in zip(some, pages, strict=True):
                if page is None:
                    self._cut(live)
                    continue
                before, opened.cursor = opened.cursor, page.cursor
                if page.more:
                    self.want(live, opened)
                # A browser hears that the mailbox moved even when no message did: read, archived, labelled elsewhere.
                if live.closed or not (page.entries or (opened.desk is not None and page.cursor > before)):
                    continue
                told = {
                    "mailbox": opened.box.mailbox_id,
                    "entries": live.shape(opened, page.entries),
                    "cursor": page.cursor,
                }
                if opened.desk is None:
                    alike.setdefault((opened.box.mailbox_id, before), (told, []))[1].append(live.sid)
                else:
                    await self._emit([live.sid], "entries", told)
            for told, sids in alike.values():
                await self._emit(sids, "entries", told)
        except (DatabaseDown, CannotOpen, OSError) as error:
            log.warning("live.unavailable", error=type(error).__name__)  # the next round wakes them again
        finally:
            for _, opened in some:
                opened.lock.release()


def _pages(tx: Tx, app: App, some: list[tuple[Live, Opened]]) -> list[Page | None]:
    """For each socket what lies after its cursor, or None when it may read no longer."""
    found: list[Page | None] = []
    known: dict[tuple[str, int], Page] = {}
    for live, opened in some:
        try:
            live.confirm(tx)
            access.still_open(app, tx, opened.box)
            key = (opened.box.mailbox_id, opened.cursor)
            if key not in known:
                known[key] = reading.since_in(tx, app, opened.box, opened.cursor, PUSH)
            found.append(known[key])
        except PliError:
            found.append(None)
    return found
