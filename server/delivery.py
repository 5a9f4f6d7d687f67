"""The delivery worker: claims what is due, hands it to its channel, backs off, and tells the writer what becomes of it.

    claim (one transaction, a lease)  →  Channel.send  →  done | due again later | failed, and a bounce through post()

A worker that dies loses its lease and the delivery is due again. Each delivery is a task of its own, so that a dead
peer delays nobody else's; a channel limits what it opens to one peer, and hands back (`Held`) what has to wait for it.

The waits are those of `mail_retry_seconds` (5 minutes first), each longer by up to a fifth that the delivery's own id
decides, so that what failed together is not tried together. After `mail_warn_hours` whoever wrote is told that it is
late, after `mail_give_up_hours` that it failed (RFC 5321 § 4.5.4.1). What tells this is `server.undelivered`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import structlog

from server import reading, undelivered
from server.errors import Refused
from server.settings import retry_waits
from server.undelivered import Reporter
from storage import deliveries, messages
from storage.database import DatabaseDown, Tx
from storage.deliveries import Delivery
from storage.ids import now_ms
from storage.vault import CannotOpen, SpaceKeys

if TYPE_CHECKING:
    from server.app import App

log = structlog.get_logger()

LEASE_MS = 15 * 60_000  # longer than the longest sending: a channel waits ten minutes for a peer's last word
SEND_S = 14 * 60.0
AT_ONCE = 5000  # deliveries in hand in this process; most of them wait for their peer's turn
CLAIM = 256  # deliveries of one claim: others write too
LONGEST_SLEEP_S = 60.0
SPREAD = 0.2  # of a wait
TRIES = 20  # of what is no mail, at least, before it is given up
FAR_MS = 400 * 86_400_000


class Temporary(Exception):
    """Not now. `code`: a stable word for operators."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class Held(Temporary):
    """Not even tried: its turn comes at `until` (ms). Counts as no attempt."""

    def __init__(self, code: str, until: int) -> None:
        self.until = until
        super().__init__(code)


class Settled(Exception):
    """The channel wrote itself, in its own transaction, what becomes of the delivery (`server.notices`)."""


class Permanent(Exception):
    """Never. `detail`: for the person who wrote, in French. `status`: RFC 3463, for mail software."""

    def __init__(self, code: str, detail: str, status: str = "5.0.0") -> None:
        self.code, self.detail, self.status = code, detail, status
        super().__init__(code)


@dataclass(frozen=True, slots=True)
class Parcel:
    """What a channel is handed: the delivery, the keys to open its message, its target and which attempt this is (from
    1).
    """

    delivery: Delivery
    keys: SpaceKeys
    target: dict[str, Any]
    attempt: int


class Channel(Protocol):
    """A way out. `send` returns when it is done, or raises `Temporary` (`Held`) or `Permanent`."""

    name: str

    async def send(self, parcel: Parcel) -> None: ...


class DeliveryWorker:
    """One task a process; several processes share the table. `reporter`: writes the mail that tells a professional, at
    her mail client, what became of hers.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._channels: dict[str, Channel] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self._closing = False
        self._waits = retry_waits(app.settings)
        self.on_idle: Callable[[], None] | None = None
        self.on_close: list[Callable[[], None]] = []
        self.reporter: Reporter | None = None

    def add(self, channel: Channel) -> None:
        self._channels[channel.name] = channel

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="delivery")

    def wake(self) -> None:
        """Something may be due."""
        self._wake.set()

    async def close(self) -> None:
        """Stop claiming, then leave what is under way: its lease ends, and it is due again."""
        self._closing = True
        claiming = [self._task] if self._task is not None else []
        for tasks in (claiming, list(self._sending)):
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for close in self.on_close:
            close()

    async def _run(self) -> None:
        """Claim while there is room, each delivery in a task of its own: a slow peer holds up its own letters."""
        while not self._closing:  # a cancellation that meets a wake-up is lost in wait_for (fixed in Python 3.12)
            self._wake.clear()
            room = min(CLAIM, AT_ONCE - len(self._sending))
            try:
                batch = await self._app.db.write(deliveries.claim, LEASE_MS, room) if room else []
                due = None if batch or not room else await self._app.db.read(deliveries.next_due)
            except DatabaseDown as error:
                log.warning("delivery.database_down", error=type(error).__name__)
                batch, due = [], now_ms() + 5_000
            for delivery in batch:
                task = asyncio.create_task(self._deliver(delivery), name="delivery-one")
                self._sending.add(task)
                task.add_done_callback(self._over)
            if batch:
                continue
            idle = not self._sending and not self._wake.is_set()
            if idle and self.on_idle is not None:
                self.on_idle()
            wait = LONGEST_SLEEP_S if due is None else min(LONGEST_SLEEP_S, max(0.0, (due - now_ms()) / 1000))
            try:
                await asyncio.wait_for(self._wake.wait(), wait)
            except TimeoutError:
                continue

    def _over(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("delivery.unsettled", error=type(error).__name__)  # its lease ends, and it is tried again
        self._wake.set()

    async def _deliver(self, delivery: Delivery) -> None:
        app = self._app
        try:
            keys = await app.db.read(lambda tx: reading.space_keys(app, tx, delivery.space_id))
            target = msgspec.json.decode(keys.open("delivery", delivery.id, delivery.target))
        except (Refused, CannotOpen):  # the space was forgotten, and what it owed with it
            await app.db.write(deliveries.failed, delivery, "forgotten")
            return
        parcel = Parcel(delivery, keys, target, delivery.attempts)
        try:
            channel = self._channels.get(delivery.channel)
            if channel is None:
                raise Temporary("no_channel")
            async with asyncio.timeout(SEND_S):  # well within the lease: nobody else sends it meanwhile
                await channel.send(parcel)
        except Settled:
            app.metrics.delivered(delivery.channel)
        except Temporary as error:
            await self._later(parcel, error)
        except Permanent as error:
            await self._give_up(parcel, error)
        except Exception as error:  # noqa: BLE001 - one poisoned delivery must not stop the queue; it backs off like any other
            log.error("delivery.failed", channel=delivery.channel, error=type(error).__name__)
            await self._later(parcel, Temporary(type(error).__name__))
        else:
            wake = await app.db.write(_done, delivery, target)
            app.hub.wake(wake)
            app.metrics.delivered(delivery.channel)

    async def _later(self, parcel: Parcel, error: Temporary) -> None:
        """Due again: after the next wait, or when its turn comes; told of once it is late, given up in the end."""
        delivery, settings, now = parcel.delivery, self._app.settings, now_ms()
        # What was owed for a day far ahead was made long before it was due: its turns may still be waited for.
        tried = delivery.channel == "mail" or (delivery.attempts > TRIES and not isinstance(error, Held))
        give_up = delivery.created_at + settings.mail_give_up_hours * 3_600_000
        give_up = give_up if tried else max(give_up, now + FAR_MS)
        warn = delivery.created_at + settings.mail_warn_hours * 3_600_000
        if now >= give_up:
            detail = "Le serveur du destinataire n’a pas répondu à temps."
            await self._give_up(parcel, Permanent(error.code, detail, "4.4.7"))
            return
        warns = delivery.channel == "mail" and delivery.warned_at is None and bool(settings.mail_warn_hours)
        if warns and now >= warn:
            await undelivered.late(self._app, parcel, error.code, give_up, self.reporter)
        wait = self._waits[min(max(delivery.attempts, 1), len(self._waits)) - 1] * 1000
        wait = max(error.until - now, 0) if isinstance(error, Held) else wait
        due = min(now + wait + int(wait * SPREAD * spread(delivery.id)), give_up)
        due = min(due, warn) if warns and now < warn else due
        again = deliveries.put_back if isinstance(error, Held) else deliveries.retry
        await self._app.db.write(again, delivery, due, error.code)

    async def _give_up(self, parcel: Parcel, error: Permanent) -> None:
        """What a person wrote comes back to them; what is automatic is dropped, and counted (RFC 3834 § 2)."""
        delivery = parcel.delivery
        if delivery.channel == "mail":
            member = str(parcel.target.get("contact", ""))
            await undelivered.never(
                self._app, parcel.keys, delivery.message_id, member, error.detail, error.status, self.reporter
            )
        else:
            log.warning("delivery.dropped", channel=delivery.channel, code=error.code)
        await self._app.db.write(deliveries.failed, delivery, error.code)
        self._app.metrics.bounced()


def spread(delivery_id: str) -> float:
    """Between 0 and 1, the same for the same delivery."""
    return int.from_bytes(hashlib.blake2b(delivery_id.encode(), digest_size=4).digest()) / 2**32


def _done(tx: Tx, delivery: Delivery, target: dict[str, Any]) -> set[str]:
    deliveries.done(tx, delivery)
    message = messages.find(tx, delivery.space_id, delivery.message_id) if delivery.channel == "mail" else None
    if message is None or not messages.add_receipt(
        tx, delivery.space_id, message.id, str(target.get("contact", "")), "delivered"
    ):
        return set()
    return reading.tell_author(tx, delivery.space_id, message)
