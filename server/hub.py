"""The hub wakes readers. It is a hint, never the truth: a reader that is not woken still finds everything from its
cursor.

Within one process it is a set of events a mailbox. Between processes (roles split over PostgreSQL) the ids of
mailboxes, and nothing else, go over a Redis channel.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import structlog

log = structlog.get_logger()

CHANNEL = "pli:wake"


class Subscription:
    """Calls `on_wake` when one of its mailboxes may have something new. Use `close` when the reader leaves."""

    __slots__ = ("_hub", "mailboxes", "on_wake")

    def __init__(self, hub: Hub, mailboxes: Iterable[str], on_wake: Callable[[], None]) -> None:
        self._hub = hub
        self.mailboxes = frozenset(mailboxes)
        self.on_wake = on_wake
        for mailbox in self.mailboxes:
            hub._readers.setdefault(mailbox, set()).add(self)

    def close(self) -> None:
        for mailbox in self.mailboxes:
            readers = self._hub._readers.get(mailbox)
            if readers is not None:
                readers.discard(self)
                if not readers:
                    del self._hub._readers[mailbox]


class Hub:
    """Wake-ups in this process."""

    def __init__(self) -> None:
        self._readers: dict[str, set[Subscription]] = {}
        self._listeners: set[Callable[[str], None]] = set()

    def subscribe(self, mailboxes: Iterable[str], on_wake: Callable[[], None]) -> Subscription:
        return Subscription(self, mailboxes, on_wake)

    @contextmanager
    def overheard(self, on_wake: Callable[[str], None]) -> Iterator[None]:
        """While the block lasts, `on_wake` is told the id of every mailbox that is woken."""
        self._listeners.add(on_wake)
        try:
            yield
        finally:
            self._listeners.discard(on_wake)

    def wake(self, mailboxes: Iterable[str]) -> None:
        """Never fails and never waits."""
        for mailbox in mailboxes:
            for listener in tuple(self._listeners):
                listener(mailbox)
            for reader in tuple(self._readers.get(mailbox, ())):
                reader.on_wake()

    async def open(self) -> None:
        """Nothing to open here."""

    async def close(self) -> None:
        self._readers.clear()


class RedisHub(Hub):
    """The same, told to every process that listens on the channel."""

    def __init__(self, url: str) -> None:
        super().__init__()
        import redis.asyncio

        self._redis = redis.asyncio.from_url(url)
        self._outbox: asyncio.Queue[str] = asyncio.Queue(10_000)
        self._tasks: list[asyncio.Task[None]] = []

    def wake(self, mailboxes: Iterable[str]) -> None:
        names = list(mailboxes)
        super().wake(names)
        try:
            for name in names:
                self._outbox.put_nowait(name)
        except asyncio.QueueFull:
            log.warning("hub.outbox_full")

    async def open(self) -> None:
        self._tasks = [
            asyncio.create_task(self._send(), name="hub-send"),
            asyncio.create_task(self._listen(), name="hub-listen"),
        ]

    async def _send(self) -> None:
        while True:
            name = await self._outbox.get()
            try:
                await self._redis.publish(CHANNEL, name)
            except Exception as error:  # noqa: BLE001 - a lost hint costs latency only
                log.warning("hub.publish_failed", error=type(error).__name__)

    async def _listen(self) -> None:
        while True:
            try:
                pubsub = self._redis.pubsub()
                await pubsub.subscribe(CHANNEL)
                async for message in pubsub.listen():
                    if message["type"] == "message":
                        super().wake([message["data"].decode()])
            except Exception as error:  # noqa: BLE001 - reconnect; readers poll meanwhile
                log.warning("hub.listen_failed", error=type(error).__name__)
                await asyncio.sleep(1)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._redis.aclose()
        await super().close()
