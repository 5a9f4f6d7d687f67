"""A whole Pli for a test: real storage, real people, real doors on free ports; and its invariants checked when the test
ends.

`core` is storage, vault, hub and delivery, on the engine a test asks for. `house` is that with every door open.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

from server import access, demo, people, sessions, teams
from server.app import App, open_app, open_core
from server.drafts import Actor, Draft, Opening, Receipt
from server.handles import MailboxHandle
from server.posting import post
from server.settings import Settings
from storage import accounts, exchanges
from storage.database import Tx

PASSWORD = "un mot de passe assez long"
T = TypeVar("T")


@dataclass
class House:
    """An open Pli and its people: dominique, camille, marcel (holders); morel, petit, admissions, anesthesia; leroy (a
    general practitioner), lunel (an optician), benali (an emergency doctor), rossi and pharmacy; noel and the
    team aide (the help of Pli); lab, carnet, operator.
    """

    app: App
    people: dict[str, Actor]

    def __getattr__(self, name: str) -> Actor:
        try:
            return self.people[name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.app.ports['http']}"

    def ins(self, name: str) -> str:
        return demo.HOLDERS[name].ins

    def address(self, name: str) -> str:
        """A patient's mail address, or a writer's."""
        actor = self.people[name]
        return actor.address or f"{self.ins(name)}@{self.app.settings.patient_domain}"

    async def session(self, name: str) -> str:
        return await sessions.open_session(self.app, self.people[name].account_id)

    async def token(self, name: str) -> str:
        return await sessions.new_token(self.app, self.people[name].account_id)

    async def mailbox(self, name: str, mailbox_id: str = "") -> MailboxHandle:
        return await access.mailbox(self.app, self.people[name], mailbox_id)

    async def letter(
        self, writer: str, patient: str, text: str = "Bonjour", subject: str = "Consignes", **draft: object
    ) -> Receipt:
        """Somebody who may write to patients opens a conversation."""
        space = await access.patient(self.app, self.people[writer], self.ins(patient))
        return await post(self.app, self.people[writer], Draft(to=Opening(space, subject), text=text, **draft))  # type: ignore[arg-type]

    async def stand(self, writer: str, patient: str, kind: str, state: str) -> None:
        """The writer ended the exchange with the patient (replies: ended, open), or is blocked by them (block:
        blocked, free).
        """
        space, member = self.people[patient].space_id, self.people[writer].account_id
        await self.app.db.write(exchanges.record, space, member, kind, state, member)

    async def answer(self, writer: str, conversation: str, text: str = "Merci", **draft: object) -> Receipt:
        """Somebody answers in a conversation of their mailbox."""
        handle = await access.conversation(self.app, await self.mailbox(writer), conversation)
        return await post(self.app, self.people[writer], Draft(to=handle, text=text, **draft))  # type: ignore[arg-type]


def settings_for(folder: Path, **changes: object) -> Settings:
    """A demonstration's settings in `folder`, every door on a free port."""
    settings = Settings(data_dir=folder, http_port=0, smtp_port=0, submission_port=0, imap_port=0)
    return replace(demo.demo_settings(settings), **changes)  # type: ignore[arg-type]


_hashed: list[str] = []  # of PASSWORD: one costly hash a test run, not one a person


async def settle(app: App) -> dict[str, Actor]:
    """The cast, with one known password, and nothing in the mailboxes. All at once: they share what a commit costs."""
    if not _hashed:
        _hashed.append(await app.passwords.hash(PASSWORD))
    holders = await asyncio.gather(*(people.open_space(app, traits) for traits in demo.HOLDERS.values()))
    writers = await asyncio.gather(*(_writer(app, **who) for who in demo.WRITERS.values()))
    cast = dict(zip([*demo.HOLDERS, *demo.WRITERS], [*holders, *writers], strict=True))
    for team, members in demo.TEAMS.items():
        for member, role in members.items():
            await teams.join(app, cast[team].account_id, cast[member].account_id, role, "operator")
    await people.delegate(
        app, cast["camille"].space_id, cast["dominique"].account_id, "representative", None, "operator"
    )
    return cast


async def _writer(app: App, *, kind: str, name: str, local: str, **facts: str) -> Actor:
    writer = await people.add_writer(app, kind, name, f"{local}@{app.settings.mail_domain}", **facts)
    await app.db.write(accounts.set_password, writer.account_id, _hashed[0])
    return writer


@asynccontextmanager
async def open_core_house(settings: Settings) -> AsyncIterator[House]:
    async with open_core(settings) as app:
        yield House(app, await settle(app))
        await check(app)


@asynccontextmanager
async def open_house(settings: Settings, cast: dict[str, Actor] | None = None) -> AsyncIterator[House]:
    """`cast`: of the house that stands in this folder already."""
    async with open_app(settings, demo.add_sign_in) as app:
        yield House(app, cast or await settle(app))
        await check(app)


class Kept(Generic[T]):
    """A house made once, in `folder`, on the embedded database; whoever asks has a copy of it, opened afresh."""

    def __init__(self, folder: Path, make: Callable[[House], Awaitable[T]], **settings: object) -> None:
        self._folder = folder
        self._make = make
        self._settings = settings
        self._made: list[tuple[dict[str, Actor], T]] = []

    @asynccontextmanager
    async def opened(self, folder: Path) -> AsyncIterator[tuple[House, T]]:
        """And what `make` returned: a copy too."""
        if not self._made:
            async with open_house(settings_for(self._folder, **self._settings)) as house:
                told = await self._make(house)
            self._made.append((house.people, told))
        shutil.copytree(self._folder, folder)
        cast, told = deepcopy(self._made[0])
        async with open_house(settings_for(folder, **self._settings), cast) as house:
            yield house, told


def _invariants(tx: Tx) -> list[str]:
    """What must hold at every instant; each line returned is a fault."""
    faults = []

    def none(sentence: str, sql: str) -> None:
        rows = tx.run(sql)
        if rows:
            faults.append(f"{sentence}: {rows[:3]}")

    none("an entry without its message",
         "SELECT e.mailbox_id, e.seq FROM entries e LEFT JOIN messages m ON m.space_id = e.space_id AND m.id = "
         "e.message_id"
         " WHERE m.id IS NULL")  # fmt: skip
    none("a message that is in no mailbox",
         "SELECT m.id FROM messages m LEFT JOIN entries e ON e.message_id = m.id WHERE e.seq IS NULL")  # fmt: skip
    none("a message that its patient does not have",
         "SELECT m.id FROM messages m JOIN accounts a ON a.space_id = m.space_id AND a.kind = 'holder'"
         " LEFT JOIN entries e ON e.mailbox_id = a.mailbox_id AND e.message_id = m.id"
         " WHERE e.seq IS NULL AND m.kind <> 'bounce'")  # fmt: skip
    none("a message twice in a mailbox",
         "SELECT mailbox_id, message_id FROM entries WHERE kind = 'message' GROUP BY mailbox_id, message_id HAVING "
         "COUNT(*) > 1")  # fmt: skip
    none("a message of one space in another's mailbox",
         "SELECT e.mailbox_id, e.seq FROM entries e JOIN mailboxes m ON m.id = e.mailbox_id JOIN spaces s ON s.id = "
         "m.space_id"
         " WHERE s.kind = 'holder' AND e.space_id <> m.space_id")  # fmt: skip
    none("an attachment whose bytes are nowhere",
         "SELECT a.id FROM attachments a LEFT JOIN blobs b ON b.space_id = a.space_id AND b.id = a.blob_id WHERE b.id "
         "IS NULL")  # fmt: skip
    none("a raw mail whose bytes are nowhere",
         "SELECT m.id FROM messages m LEFT JOIN blobs b ON b.space_id = m.space_id AND b.id = m.raw_blob"
         " WHERE m.raw_blob <> '' AND b.id IS NULL")  # fmt: skip
    none("an unread count that is not the count of unread",
         "SELECT t.mailbox_id, t.unread FROM threads t WHERE t.unread <> (SELECT COUNT(*) FROM entries e WHERE"
         " e.mailbox_id = t.mailbox_id AND e.conversation_id = t.conversation_id AND e.kind = 'message' AND e.flags % "
         "2 = 0)")  # fmt: skip
    none("a count of stars that is not the count of stars",
         "SELECT t.mailbox_id, t.flagged FROM threads t WHERE t.flagged <> (SELECT COUNT(*) FROM entries e WHERE"
         " e.mailbox_id = t.mailbox_id AND e.conversation_id = t.conversation_id AND e.kind = 'message' AND (e.flags & "
         "4) <> 0)")  # fmt: skip
    none("a conversation whose last message is not the last that is there",
         "SELECT t.mailbox_id, t.last_seq FROM threads t WHERE t.last_seq <> (SELECT COALESCE(MAX(e.seq), 0) FROM "
         "entries e WHERE e.mailbox_id = t.mailbox_id AND e.conversation_id = t.conversation_id"
         " AND e.kind = 'message' AND e.folder <> 'gone')")  # fmt: skip
    none("a message that does not say who has its conversation",
         "SELECT e.mailbox_id, e.seq FROM entries e JOIN threads t ON t.mailbox_id = e.mailbox_id AND t.conversation_id"
         " = e.conversation_id WHERE e.kind = 'message' AND (e.flags & t.assigned) <> t.assigned")  # fmt: skip
    none("a message that is filed nowhere, or gone and somewhere",
         "SELECT e.mailbox_id, e.seq, e.folder FROM entries e WHERE e.kind = 'message' AND (CASE WHEN EXISTS (SELECT 1 "
         "FROM placements p WHERE p.mailbox_id = e.mailbox_id AND p.seq = e.seq) THEN e.folder = 'gone' ELSE e.folder ="
         " 'filed' END)")  # fmt: skip
    none("a place in a folder without its message",
         "SELECT p.mailbox_id, p.uid FROM placements p LEFT JOIN entries e ON e.mailbox_id = p.mailbox_id AND e.seq = "
         "p.seq AND e.kind = 'message' WHERE e.seq IS NULL")  # fmt: skip
    none("a number above the mailbox's last",
         "SELECT m.id FROM mailboxes m WHERE m.last_seq < (SELECT COALESCE(MAX(seq), 0) FROM entries e WHERE "
         "e.mailbox_id = m.id)")  # fmt: skip
    none("a message without its audit row",
         "SELECT m.id FROM messages m LEFT JOIN audit a ON a.space_id = m.space_id AND a.object = m.id AND a.act = "
         "'message:posted'"
         " WHERE a.id IS NULL")  # fmt: skip
    none("a health document that is no file of its message",
         "SELECT e.attachment_id FROM enclosed_documents e LEFT JOIN attachments a ON a.space_id = e.space_id"
         " AND a.id = e.attachment_id AND a.message_id = e.message_id WHERE a.id IS NULL")  # fmt: skip
    none("a document that was replaced, or was here before, by no message",
         "SELECT e.attachment_id FROM enclosed_documents e LEFT JOIN messages m ON m.space_id = e.space_id"
         " AND m.id = e.changed_by WHERE e.state <> 'current' AND m.id IS NULL")  # fmt: skip
    none("a document of the dossier that does not say what became of it",
         "SELECT d.id FROM documents d JOIN enclosed_documents e ON e.space_id = d.space_id"
         " AND e.attachment_id = d.attachment_id WHERE (e.state IN ('replaced', 'deleted') OR d.state <> 'current')"
         " AND (d.state <> e.state OR d.replaced_by <> e.changed_by)")  # fmt: skip
    none("an entry of somebody who does not take part",
         "SELECT e.mailbox_id FROM entries e JOIN mailboxes x ON x.id = e.mailbox_id LEFT JOIN participants p"
         " ON p.space_id = e.space_id AND p.conversation_id = e.conversation_id AND p.member_id = x.account_id"
         " WHERE p.member_id IS NULL")  # fmt: skip
    return faults


async def check(app: App) -> None:
    """Every invariant of the database; and each blob that a row names has its file."""
    faults = await app.db.read(_invariants)
    files = set(app.blobs.files())
    wanted = {row[0] for row in await app.db.read(lambda tx: tx.run("SELECT id FROM blobs WHERE content IS NULL"))}
    assert not faults, faults
    assert wanted <= files, "a blob's file is missing"
