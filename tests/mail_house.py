"""The mail doors of a Pli, with its people, for the tests of those doors; no web page is opened.

`operator.example` is trusted by its certificate, as in the demonstration.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from ssl import SSLContext

from mail_gateway import trust
from mail_gateway.inbound import mx_door, submission_door
from mail_gateway.outbound import channels
from mail_gateway.verdict import QuarantineChannel
from server import reading
from server.app import open_core
from server.views import Entry
from storage import deliveries
from storage.ids import now_ms
from tests import letters
from tests.certificates import Certificates, Pair, client_context
from tests.house import House, check, settings_for, settle
from tests.letters import CAMILLE, DOMINIQUE, MARCEL
from tests.wire import connected

ELSEWHERE = ("Dr Paul BERTIN", "paul.bertin@operator.example")
TO_DOMINIQUE = f"{DOMINIQUE}@patient.pli.example"
TO_CAMILLE = f"{CAMILLE}@patient.pli.example"
TO_MARCEL = f"{MARCEL}@patient.pli.example"
FROM = ELSEWHERE[1]


class MailHouse(House):
    """`House` with the mail doors only. `certificates`: those of `data_dir/certificates`, where our own is too."""

    certificates: Certificates

    def peer(self, shown: Pair | None = None) -> SSLContext:
        """TLS of another operator's server: `operator.example` unless another certificate is shown."""
        return client_context(self.certificates.ours.certificate, shown or self.certificates.operator())

    def client(self) -> SSLContext:
        """TLS of an ordinary mail client."""
        return client_context(self.certificates.ours.certificate)

    async def entries(self, name: str) -> list[Entry]:
        """Everything in somebody's mailbox, in order."""
        box, cursor, found, more = await self.mailbox(name), 0, list[Entry](), True
        while more:
            page = await reading.since(self.app, box, cursor, 200)
            found, cursor, more = found + page.entries, page.cursor, page.more
        return found

    async def texts(self, name: str) -> list[str]:
        return [entry.message.text.strip() for entry in await self.entries(name)]

    async def holds(self, name: str, count: int) -> list[Entry]:
        """Everything in somebody's mailbox, once that is `count` entries or more."""
        woken = asyncio.Event()
        subscription = self.app.hub.subscribe([(await self.mailbox(name)).mailbox_id], woken.set)
        try:
            async with asyncio.timeout(60):
                while len(found := await self.entries(name)) < count:
                    await woken.wait()
                    woken.clear()
        finally:
            subscription.close()
        return found

    async def delivered(self) -> None:
        """Wait until nothing that is due now is left to deliver."""
        due: int | None = 0
        while due is not None and due <= now_ms():  # the worker may have looked just before what we wait for was owed
            idle = asyncio.Event()
            self.app.delivery.on_idle = idle.set
            self.app.delivery.wake()
            await asyncio.wait_for(idle.wait(), 30)
            due = await self.app.db.read(deliveries.next_due)


@asynccontextmanager
async def open_mail_house(
    folder: Path, database_url: str, *, deliver: bool = True, **changes: object
) -> AsyncIterator[MailHouse]:
    """Open until the block ends; the invariants of the database are checked then. `deliver`: what is owed leaves."""
    settings = settings_for(folder, database_url=database_url, **changes)
    async with open_core(settings) as app:
        house = MailHouse(app, await settle(app))
        house.certificates = Certificates.at(folder / "certificates")
        await trust.add(app, "operator.example", house.certificates.operator()[0].read_bytes())
        for channel in channels(app):
            app.delivery.add(channel)
        app.delivery.add(QuarantineChannel(app))
        if deliver:
            app.delivery.start()
        async with mx_door(app), submission_door(app):
            yield house
        await check(app)


async def bring(house: MailHouse, letter: bytes, *recipients: str, sender: str = FROM) -> str:
    """Bring a letter as operator.example; the reply to the letter, or to the first command refused."""
    async with connected(house.app.ports["smtp"], house.peer()) as wire:
        for said in await wire.envelope(sender, *(recipients or (TO_DOMINIQUE,))):
            if not said.startswith("250"):
                return said
        return await wire.data(letter)


def plain(text: str = "Bonjour Dominique", **more: object) -> bytes:
    return letters.plain(text, **{"from_": ELSEWHERE, "message_id": "<1@operator.example>", **more})  # type: ignore[arg-type]
