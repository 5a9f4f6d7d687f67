"""The delivery worker: claims what is due, hands it to its channel, backs off, and tells the writer of a final failure.

    claim (one transaction, a lease)  →  Channel.send  →  done | due again later | failed, and a bounce through post()

A worker that dies loses its lease and the delivery is due again. Each delivery is a task of its own, so that a dead
peer delays nobody else's; a channel limits what it opens to one peer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import structlog

from server import posting, reading
from server.access import ConversationHandle
from server.drafts import Actor, Author, Draft
from server.errors import PliError
from server.settings import retry_waits
from storage import accounts, conversations, deliveries, messages
from storage.database import DatabaseDown, Tx
from storage.deliveries import Delivery
from storage.ids import now_ms
from storage.vault import SpaceKeys

if TYPE_CHECKING:
    from server.app import App

log = structlog.get_logger()

LEASE_MS = 10 * 60_000
AT_ONCE = 64  # deliveries under way in this process
LONGEST_SLEEP_S = 60.0


class Temporary(Exception):
    """Not now. `code`: a stable word for operators."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class Permanent(Exception):
    """Never. `detail`: for the person who wrote, in French."""

    def __init__(self, code: str, detail: str) -> None:
        self.code, self.detail = code, detail
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
    """A way out. `send` returns when it is done, or raises `Temporary` or `Permanent`."""

    name: str

    async def send(self, parcel: Parcel) -> None: ...


class DeliveryWorker:
    """One task a process; several processes share the table."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._channels: dict[str, Channel] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self._closing = False
        self._waits = retry_waits(app.settings)
        self.on_idle: Callable[[], None] | None = None

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

    async def _run(self) -> None:
        """Claim while there is room, each delivery in a task of its own: a slow peer holds up its own letters."""
        while not self._closing:  # a cancellation that meets a wake-up is lost in wait_for (fixed in Python 3.12)
            self._wake.clear()
            room = AT_ONCE - len(self._sending)
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
            channel = self._channels.get(delivery.channel)
            if channel is None:
                raise Temporary("no_channel")
            await channel.send(Parcel(delivery, keys, target, delivery.attempts))
        except Temporary as error:
            await self._again(delivery, keys, target, error.code)
        except Permanent as error:
            await self._give_up(delivery, keys, target, error)
        except Exception as error:  # noqa: BLE001 - one poisoned delivery must not stop the queue; it backs off like any other
            log.error("delivery.failed", channel=delivery.channel, error=type(error).__name__)
            await self._back_off(delivery, type(error).__name__)
        else:
            wake = await app.db.write(_done, delivery, target)
            app.hub.wake(wake)
            app.metrics.delivered(delivery.channel)

    async def _again(self, delivery: Delivery, keys: SpaceKeys, target: dict[str, Any], code: str) -> None:
        limit_ms = self._app.settings.mail_give_up_hours * 3_600_000
        if now_ms() - delivery.created_at > limit_ms:
            await self._give_up(
                delivery, keys, target, Permanent(code, "Le serveur du destinataire n’a pas répondu à temps.")
            )
        else:
            await self._back_off(delivery, code)

    async def _back_off(self, delivery: Delivery, code: str) -> None:
        wait = self._waits[min(delivery.attempts, len(self._waits)) - 1]
        await self._app.db.write(deliveries.retry, delivery, now_ms() + wait * 1000, code)

    async def _give_up(self, delivery: Delivery, keys: SpaceKeys, target: dict[str, Any], error: Permanent) -> None:
        await bounce(self._app, keys, delivery.message_id, str(target.get("contact", "")), error.detail)
        await self._app.db.write(deliveries.failed, delivery, error.code)
        self._app.metrics.bounced()


def _done(tx: Tx, delivery: Delivery, target: dict[str, Any]) -> set[str]:
    deliveries.done(tx, delivery)
    message = messages.find(tx, delivery.space_id, delivery.message_id) if delivery.channel == "mail" else None
    if message is None or not messages.add_receipt(
        tx, delivery.space_id, message.id, str(target.get("contact", "")), "delivered"
    ):
        return set()
    return reading.tell_author(tx, delivery.space_id, message)


SYSTEM = Actor("", "system", "Pli")


async def bounce(app: App, keys: SpaceKeys, message_id: str, member: str, detail: str) -> None:
    """Tell whoever wrote a message, in its thread, that it did not reach `member`. The same failure is told once."""

    def locate(tx: Tx) -> tuple[ConversationHandle, str, str] | None:
        message = messages.find(tx, keys.space_id, message_id)
        if message is None:
            return None
        people = conversations.participants(tx, keys.space_id, message.conversation_id)
        writer = next((p for p in people if p.member_id == message.author_id), None)
        header = conversations.header(tx, keys.space_id, message.conversation_id)
        if writer is None or header is None:
            return None
        holder = accounts.holder_of(tx, keys.space_id)
        card = conversations.contact_card(tx, keys.space_id, member)
        name = str(msgspec.json.decode(keys.open("contact", member, card))["name"]) if card else ""
        handle = ConversationHandle(
            SYSTEM,
            keys.space_id,
            keys,
            "system",
            holder.id if holder else "",
            holder.mailbox_id if holder else "",
            message.conversation_id,
            writer.member_id,
            writer.mailbox_id,
            keys.open("subject", message.conversation_id, header[0]).decode(),
            header[1],
        )
        return handle, writer.member_id, name

    found = await app.db.read(locate)
    if found is None:
        return
    handle, writer, name = found

    def effect(doing: posting.Doing) -> None:
        messages.add_receipt(doing.tx, keys.space_id, message_id, member, "failed")
        message = messages.find(doing.tx, keys.space_id, message_id)
        if message is not None:
            doing.wake.update(reading.tell_author(doing.tx, keys.space_id, message))

    whom = f" à {name}" if name else ""
    draft = Draft(
        to=handle,
        kind="bounce",
        text=f"Votre message n’a pas pu être remis{whom}. {detail} Votre texte est gardé ici.",
        retry_key=f"bounce:{message_id}:{member}",
        in_reply_to=message_id,
        only=frozenset({writer}),
        effect=effect,
        author=Author("system", "Pli"),
    )
    try:
        await posting.post(app, SYSTEM, draft)
    except PliError as error:
        log.error("delivery.bounce_failed", code=error.code)
        raise
