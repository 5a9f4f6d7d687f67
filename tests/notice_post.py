"""The world outside for notices: a relay and an SMS gateway that keep all that reached them, and a clock to move."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import msgspec
import time_machine
from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope

from server import access, notices, people, reading, wishes
from server.settings import PLACE
from server.wishes import Wishes
from storage import contact_points, deliveries
from storage.database import Tx
from storage.ids import new_id, now_ms
from tests.house import House, open_core_house, open_house, settings_for

MINUTE, HOUR, DAY = 60, 3_600, 86_400
MORNING = datetime(2026, 11, 24, 10, 0, tzinfo=PLACE)


class Relay:
    """Takes every mail, and keeps it as it came. `refuses`: what it answers to the next recipients."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.refuses: list[str] = []

    async def handle_RCPT(self, _server: SMTP, _session: Any, envelope: Envelope, to: str, _options: list[str]) -> str:  # noqa: N802 - named by aiosmtpd
        if self.refuses:
            return self.refuses.pop(0)
        envelope.rcpt_tos.append(to)
        return "250 ok"

    async def handle_DATA(self, _server: SMTP, _session: Any, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.got.append(envelope.content)
        return "250 ok"


@dataclass
class Post:
    """The world outside: a relay and an SMS gateway, and all that reached them."""

    house: House
    clock: time_machine.Traveller
    relay: Relay
    texts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def mails(self) -> list[Message]:
        return [message_from_bytes(got) for got in self.relay.got]

    async def told(self) -> tuple[int, int]:
        """(e-mails, SMS) that left until now."""
        await settled(self.house)
        return len(self.relay.got), len(self.texts)

    async def after(self, seconds: float) -> tuple[int, int]:
        """As `told`, once the time has passed; whatever is due in between is done in its time."""
        until = now_ms() + int(seconds * 1000)
        while (due := await self.house.app.db.read(deliveries.next_due)) is not None and due <= until:
            self.clock.shift(max(0.0, (due - now_ms()) / 1000))
            await settled(self.house)
        self.clock.shift(max(0.0, (until - now_ms()) / 1000))
        return await self.told()


async def settled(house: House) -> None:
    """Until nothing that is due now is left."""
    due: int | None = 0
    while due is not None and due <= now_ms():
        idle = asyncio.Event()
        house.app.delivery.on_idle = idle.set
        house.app.delivery.wake()
        await asyncio.wait_for(idle.wait(), 30)
        due = await house.app.db.read(deliveries.next_due)


async def reached(house: House, name: str, kind: str, value: str) -> None:
    """Somebody proved an address or a number."""
    account, point = house.people[name].account_id, new_id()

    def write(tx: Tx) -> None:
        sealed = people.own_keys(house.app, tx, account).seal("contact", point, value.encode())
        contact_points.insert(tx, account, point, kind, sealed)
        contact_points.verify(tx, account, point)

    await house.app.db.write(write)


async def wish(house: House, name: str, **changes: Any) -> Wishes:
    return await wishes.save(
        house.app, house.people[name].account_id, lambda before: msgspec.structs.replace(before, **changes)
    )


async def read_all(house: House, name: str, conversation: str) -> None:
    handle = await access.conversation(house.app, await house.mailbox(name), conversation)
    page = await reading.thread(house.app, handle)
    await reading.mark_read(house.app, handle, page.entries[-1].seq)


@asynccontextmanager
async def outside(folder: Path, url: str, at: datetime = MORNING, doors: bool = False) -> AsyncIterator[Post]:
    """A Pli with a relay and a gateway, at an hour that the test moves."""
    texts: list[dict[str, Any]] = []

    async def take(request: web.Request) -> web.Response:
        texts.append(await request.json())
        return web.Response()

    gateway = web.Application()
    gateway.router.add_post("/sms", take)
    runner = web.AppRunner(gateway)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    relay = Relay()
    listening = await asyncio.get_running_loop().create_server(lambda: SMTP(relay), "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    settings = settings_for(
        folder / "pli",
        database_url=url,
        mail_retry_seconds="300",
        notice_smtp=f"127.0.0.1:{port}",
        notice_tls="none",
        notice_from="avis@pli.example",
        sms_url=f"http://127.0.0.1:{runner.addresses[0][1]}/sms",
        sms_body='{"to": "{number}", "text": "{text}"}',
        sms_private=True,
    )
    try:
        with time_machine.travel(at, tick=True) as clock:
            async with (open_house if doors else open_core_house)(settings) as house:
                if not doors:
                    for channel in notices.channels(house.app):
                        house.app.delivery.add(channel)
                    house.app.delivery.start()
                await reached(house, "dominique", "email", "dominique@exemple.fr")
                yield Post(house, clock, relay, texts)
    finally:
        listening.close()
        await runner.cleanup()


def body(mail: Message) -> str:
    part = mail.get_payload()[0] if mail.is_multipart() else mail  # type: ignore[index]
    return bytes(part.get_payload(decode=True)).decode()  # type: ignore[union-attr]
