"""What each scope of a helper opens and what it does not, by page, socket and API: scope × door."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from server import access, invitations
from server.agenda import book
from server.drafts import Draft, File, FileFacts, Opening, Receipt
from server.posting import post
from storage import delegations
from storage.delegations import EVERYTHING
from storage.ids import now_ms
from tests.browser.scenes import appointment, offer
from tests.browser.sockets import client
from tests.browser.visitor import Visitor, visitor
from tests.house import House

AREAS = ("dossier", "agenda", "services", "messages")  # messages last: a socket that loses them is ended


async def _helped(house: House, *scopes: str) -> None:
    """Dominique helps Marcel, for these things."""
    box = await house.mailbox("marcel")
    code = await invitations.invite(house.app, box, "helper", "Dominique", frozenset(scopes) or EVERYTHING, 12)
    await invitations.accept(house.app, house.dominique, code)


@dataclass
class Scene:
    """What there is in Marcel's space, and the ways Dominique goes at it."""

    house: House
    letter: Receipt
    appointment: Receipt
    offer: Receipt
    attachment: str
    document: str
    visitor: Visitor
    live: Any
    api: aiohttp.ClientSession

    @property
    def mailbox(self) -> str:
        return self.house.marcel.mailbox_id

    @property
    def base(self) -> str:
        return f"/for/{self.mailbox}"

    async def page(self, path: str) -> bool:
        return (await self.visitor.get(self.base + path)).status == 200

    async def form(self, path: str, **fields: str) -> bool:
        return (await self.visitor.post(self.base + path, fields)).status == 303

    async def event(self, name: str, **payload: Any) -> bool:
        return "error" not in await self.live.ask(name, {**payload, "mailbox": self.mailbox})

    async def call(self, path: str) -> bool:
        url = f"{self.house.http}/api/v1{path}"
        async with self.api.get(url, params={"mailbox": self.mailbox}) as answer:
            return answer.status == 200

    async def act(self, receipt: Receipt, action: str) -> bool:
        return await self.form(
            f"/c/{receipt.conversation}/act", message=receipt.message, action=action, client_key=f"{now_ms()}"
        )


Door = Callable[[Scene], Awaitable[bool]]
READING: dict[str, dict[str, Door]] = {
    "messages": {
        "list": lambda s: s.page("/"),
        "rows": lambda s: s.page("/rows"),
        "search": lambda s: s.page("/search?q=bonjour"),
        "thread": lambda s: s.page(f"/c/{s.letter.conversation}"),
        "message": lambda s: s.page(f"/c/{s.letter.conversation}/m/{s.letter.message}"),
        "file": lambda s: s.page(f"/files/{s.house.marcel.space_id}/{s.attachment}"),
        "sync": lambda s: s.event("sync", cursor=0),
        "read": lambda s: s.event("read", conversation=s.letter.conversation, up_to=1),
        "api entries": lambda s: s.call("/entries"),
        "api conversations": lambda s: s.call("/conversations"),
        "api conversation": lambda s: s.call(f"/conversations/{s.letter.conversation}"),
        "api attachment": lambda s: s.call(f"/attachments/{s.attachment}"),
    },
    "dossier": {
        "documents": lambda s: s.page("/documents"),
        "document": lambda s: s.page(f"/documents/{s.document}"),
        "api documents": lambda s: s.call("/documents"),
        "api document": lambda s: s.call(f"/documents/{s.document}"),
    },
    "agenda": {"agenda": lambda s: s.page("/agenda"), "api appointments": lambda s: s.call("/appointments")},
    "services": {"services": lambda s: s.page("/services"), "api grants": lambda s: s.call("/grants")},
}
WRITING: dict[str, tuple[frozenset[str], Door]] = {
    "write": (frozenset({"messages"}), lambda s: s.form(f"/c/{s.letter.conversation}", text="Bonjour")),
    "post": (frozenset({"messages"}), lambda s: s.event("post", conversation=s.letter.conversation, text="Oui")),
    "typing": (frozenset({"messages"}), lambda s: s.event("typing", conversation=s.letter.conversation)),
    "accept": (frozenset({"messages", "agenda"}), lambda s: s.act(s.appointment, "agenda.accept")),
}
NEVER: dict[str, Door] = {
    "share": lambda s: s.act(s.offer, "catalogue.grant"),
    "invite": lambda s: s.page("/account/people/invite"),
    "withdraw": lambda s: s.form("/account/people/withdraw", id="x"),
    "end": lambda s: s.form("/account/people/end", account=s.house.dominique.account_id),
    "change": lambda s: s.form(f"/account/people/change/{s.house.dominique.account_id}", months="12"),
}


async def _scene(house: House, visitor_: Visitor, live: Any, api: aiohttp.ClientSession) -> Scene:
    space = await access.patient(house.app, house.morel, house.ins("marcel"))
    blob = await house.app.blobs.put(space.keys, b"%PDF-1.4 rien")
    file = File(FileFacts("consignes.pdf", "application/pdf", 13), blob)
    draft = Draft(to=Opening(space, "Consignes"), text="Bonjour", files=(file,))
    letter = await post(house.app, house.morel, draft)
    async with visitor(house, "marcel") as marcel:
        filed = await marcel.press(f"/c/{letter.conversation}", "dossier.file")
        assert filed.status == 303
        [document] = re.findall(r'href="/documents/([\w-]{22})', (await marcel.get("/documents")).text)[:1]
    rows = await house.app.db.read(lambda tx: tx.run("SELECT id FROM attachments"))
    return Scene(
        house,
        letter,
        await appointment(house, "marcel"),
        await offer(house, "marcel"),
        rows[0][0],
        document,
        visitor_,
        live,
        api,
    )


async def _trusted(house: House, *scopes: str) -> None:
    """From now on Dominique may this for Marcel, and nothing else."""
    space, who = house.marcel.space_id, house.dominique.account_id
    await house.app.db.write(delegations.change, space, who, None, frozenset(scopes))


@asynccontextmanager
async def _helping(house: House) -> AsyncIterator[Scene]:
    headers = {"Authorization": f"Bearer {await house.token('dominique')}"}
    await _helped(house, "agenda")
    async with (
        visitor(house, "dominique") as dominique,
        client(house, "dominique") as live,
        aiohttp.ClientSession(headers=headers) as api,
    ):
        yield await _scene(house, dominique, live, api)


async def test_a_helper_reads_what_they_were_trusted_with_and_nothing_else_by_any_door(house: House) -> None:
    async with _helping(house) as scene:
        for area in AREAS:
            await _trusted(house, area)
            found = {(of, name): await door(scene) for of, doors in READING.items() for name, door in doors.items()}
            assert found == {(of, name): of == area for of, doors in READING.items() for name in doors}
            assert {name: await door(scene) for name, (_, door) in WRITING.items()} == dict.fromkeys(WRITING, False)
            assert {name: await door(scene) for name, door in NEVER.items()} == dict.fromkeys(NEVER, False)
            assert await scene.page("/account/people")
    said = await house.app.db.read(lambda tx: tx.run("SELECT COUNT(*) FROM answers"))
    assert said == [(0,)]


async def test_a_helper_who_may_write_writes_where_they_may_and_never_shares(house: House) -> None:
    async with _helping(house) as scene:
        for scopes in (frozenset({"messages", "write"}), EVERYTHING):
            await _trusted(house, *scopes)
            found = {name: await door(scene) for name, (_, door) in WRITING.items()}
            assert found == {name: needs <= scopes for name, (needs, _) in WRITING.items()}
            assert {name: await door(scene) for name, door in NEVER.items()} == dict.fromkeys(NEVER, False)
            space = await access.dossier(house.app, await house.mailbox("marcel"), "agenda")
            accepted = [item.state for item in await book.appointments(house.app, space)]
            assert accepted == (["accepted"] if "agenda" in scopes else [])


async def test_who_may_only_read_is_told_so_before_they_write(house: House) -> None:
    letter = await house.letter("morel", "marcel")
    await _helped(house, "messages")
    async with visitor(house, "dominique") as dominique:
        base = f"/for/{house.marcel.mailbox_id}"
        thread = await dominique.get(f"{base}/c/{letter.conversation}")
        refused = await dominique.post(f"{base}/c/{letter.conversation}", {"text": "Bonjour"})
        home = await dominique.get(f"{base}/documents")
    assert "Vous pouvez lire cet espace, pas y écrire." in thread.said
    assert "<textarea" not in thread.text
    assert (refused.status, "pas y écrire" in refused.said) == (403, True)
    assert home.status == 404


async def test_without_the_messages_the_switcher_leads_to_what_one_may_see(house: House) -> None:
    await house.letter("morel", "marcel")
    await _helped(house, "agenda")
    async with visitor(house, "dominique") as dominique:
        page = await dominique.get("/")
        assert f'href="/for/{house.marcel.mailbox_id}/agenda"' in page.text
        seen = await dominique.get(f"/for/{house.marcel.mailbox_id}/agenda")
    assert seen.status == 200
    assert f'href="/for/{house.marcel.mailbox_id}/documents"' not in seen.text
    assert "non lu" not in seen.said.split("Marcel PAT-DEUX")[-1]
