"""Somebody reads while somebody else writes: both are done, in whatever order, and neither is let go for the other."""

from __future__ import annotations

import asyncio

import pytest

from server import access, filing, reading
from storage import entries, postgres
from storage.database import Tx
from storage.entries import SEEN
from tests.house import House

CONVERSATIONS = 6


async def test_a_doctor_reads_at_two_places_while_the_patient_writes(
    core: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "TRIES", 1)  # a deadlock would be an error, and not a second in which nothing moves
    letters = await asyncio.gather(*(core.letter("leroy", "dominique") for _ in range(CONVERSATIONS)))
    box = await core.mailbox("leroy")
    await asyncio.gather(*(core.answer("dominique", letter.conversation) for letter in letters))
    handles = [await access.conversation(core.app, box, letter.conversation) for letter in letters]
    last = await reading.cursor(core.app, box)
    await asyncio.gather(
        *(core.answer("dominique", letter.conversation, "Encore") for letter in letters),
        *(filing.store(core.app, box, "inbox", [uid], lambda flags: flags | SEEN) for uid in range(1, last + 1)),
        *(reading.mark_read(core.app, handle, last) for handle in handles),
    )
    assert await reading.unread(core.app, box) == CONVERSATIONS  # what came meanwhile


async def test_what_is_read_together_is_of_one_instant(core: House) -> None:
    """A cursor that is read after its rows would be past what came in between: told to nobody, ever."""
    mailbox = core.leroy.mailbox_id

    def look(tx: Tx) -> set[int]:
        return {entries.last_seq(tx, mailbox) for _ in range(50)}

    writing = [core.app.db.write(entries.next_seq, mailbox) for _ in range(50)]
    looking = asyncio.ensure_future(core.app.db.read(look))
    await asyncio.gather(looking, *writing)
    assert len(looking.result()) == 1
