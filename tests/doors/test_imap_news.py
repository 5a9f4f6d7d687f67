"""One mailbox in several clients: flags, expunging, IDLE, and the copy a client files in Sent."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server import reading
from tests.house import House
from tests.imap_client import client, exchange, imap_house, in_the_chat


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with imap_house(tmp_path) as opened:
        yield opened


# ---- flags, expunging, news -----------------------------------------------------------------------------------------


async def test_flags_are_kept_and_told_to_the_other_session(house: House) -> None:
    await exchange(house)
    async with client(house) as morel, client(house) as telephone:
        [told] = await morel.do("store", "1", "+FLAGS", "(\\Seen \\Flagged inconnu)")
        assert told == b"1 (FLAGS (\\Seen \\Flagged))"
        _, said = await telephone.raw("NOOP")
        assert said == [b"* 1 FETCH (UID 2 FLAGS (\\Seen \\Flagged))"]
        _, said = await telephone.raw("NOOP")
        assert said == []
        _, said = await telephone.raw("UID STORE 2 -FLAGS.SILENT (\\Flagged)")
        assert said == []
        _, said = await telephone.raw("STORE 1 FLAGS (\\Answered)")
        assert said == [b"* 1 FETCH (FLAGS (\\Answered))"]
        _, said = await morel.raw("CHECK")
        assert said == [b"* 1 FETCH (UID 2 FLAGS (\\Answered))"]
    async with client(house) as morel:
        assert await morel.do("fetch", "1", "(FLAGS)") == [b"1 (FLAGS (\\Answered))"]


async def test_what_is_read_in_the_chat_is_read_over_imap(house: House) -> None:
    conversation = await exchange(house)
    async with client(house) as morel:
        assert await morel.uids("UNSEEN") == [2]
        handle = await in_the_chat(house, "morel", conversation)
        await reading.mark_read(house.app, handle, 2)
        _, said = await morel.raw("NOOP")
        assert said == [b"* 1 FETCH (UID 2 FLAGS (\\Seen))"]


async def test_an_expunged_message_leaves_the_mailbox_and_stays_in_the_conversation(house: House) -> None:
    conversation = await exchange(house)
    await house.answer("dominique", conversation, "Encore une question.")
    await house.answer("dominique", conversation, "Et une autre.")
    async with client(house) as morel, client(house) as telephone:
        await morel.do("store", "1:2", "+FLAGS", "\\Deleted")
        answer, said = await morel.raw("UID EXPUNGE 3")
        assert (answer, said) == ("OK Done", [b"* 2 EXPUNGE"])
        assert await morel.uids("ALL") == [2, 4]
        # The other session is not told in the middle of what speaks of numbers (RFC 3501 § 7.4.1).
        _, said = await telephone.raw("FETCH 3 (UID)")
        assert b"* 3 FETCH (UID 4)" in said
        assert not [line for line in said if b"EXPUNGE" in line]
        _, said = await telephone.raw("NOOP")
        assert said == [b"* 2 EXPUNGE"]
        assert await morel.do("expunge") == [b"1"]
        await morel.do("store", "1", "+FLAGS", "\\Deleted")
        await morel.do("close")
        assert await morel.do("select", "INBOX") == [b"0"]
    page = await reading.thread(house.app, await in_the_chat(house, "morel", conversation))
    assert len(page.entries) == 4


async def test_closing_without_unselecting_is_the_clients_choice(house: House) -> None:
    await exchange(house)
    async with client(house) as morel:
        await morel.do("store", "1", "+FLAGS", "\\Deleted")
        await morel.do("unselect")
        assert await morel.do("select", "INBOX") == [b"1"]


async def test_idle_tells_of_a_new_message_and_of_a_flag_as_they_come(house: House) -> None:
    conversation = await exchange(house)
    async with client(house) as morel, client(house) as telephone:

        def send(line: bytes) -> bytes:
            telephone.imap.send(line)
            return telephone.imap.readline()

        assert (await asyncio.to_thread(send, b"i1 IDLE\r\n")).startswith(b"+ ")
        await house.answer("dominique", conversation, "Une dernière chose.")
        assert await asyncio.to_thread(telephone.imap.readline) == b"* 2 EXISTS\r\n"
        await morel.do("store", "1", "+FLAGS", "\\Flagged")
        assert await asyncio.to_thread(telephone.imap.readline) == b"* 1 FETCH (UID 2 FLAGS (\\Flagged))\r\n"
        await morel.do("store", "1", "+FLAGS", "\\Deleted")
        assert await asyncio.to_thread(telephone.imap.readline) == b"* 1 FETCH (UID 2 FLAGS (\\Flagged \\Deleted))\r\n"
        await morel.do("expunge")
        assert await asyncio.to_thread(telephone.imap.readline) == b"* 1 EXPUNGE\r\n"
        assert (await asyncio.to_thread(send, b"DONE\r\n")).startswith(b"i1 OK")
        assert await telephone.uids("ALL") == [3]


async def test_idle_looks_for_itself_when_no_wake_up_reaches_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mail_gateway.imap.desk.CHECK_S", 0.05)
    monkeypatch.setattr(house.app.hub, "wake", lambda mailboxes: None)
    conversation = await exchange(house)
    async with client(house) as morel:
        await asyncio.to_thread(morel.imap.send, b"i1 IDLE\r\n")
        assert (await asyncio.to_thread(morel.imap.readline)).startswith(b"+ ")
        await house.answer("dominique", conversation, "Encore.")
        assert await asyncio.to_thread(morel.imap.readline) == b"* 2 EXISTS\r\n"
        await asyncio.to_thread(morel.imap.send, b"DONE\r\n")
        assert (await asyncio.to_thread(morel.imap.readline)).startswith(b"i1 OK")


# ---- the copy of what was sent --------------------------------------------------------------------------------------


async def test_the_copy_a_client_files_in_sent_is_the_one_that_is_there(house: House) -> None:
    await exchange(house)
    async with client(house, folder="Sent") as morel:
        [uid] = await morel.uids("ALL")
        _, mail = await morel.fetch(uid)
        status, data = await asyncio.to_thread(morel.imap.append, "Sent", "(\\Seen)", "", mail)
        assert status == "OK"
        assert re.match(rb"\[APPENDUID \d+ %d\]" % uid, data[0])
        assert await morel.uids("ALL") == [uid]


async def test_a_copy_of_what_was_not_sent_here_is_refused_in_words(house: House) -> None:
    await exchange(house)
    async with client(house) as morel:
        mail = b"Message-ID: <ailleurs@example.org>\r\nSubject: Autre\r\n\r\n" + b"x" * 300_000
        for folder in ("Sent", "INBOX", "Brouillons"):
            status, data = await asyncio.to_thread(morel.imap.append, folder, "", "", mail)
            assert status == "NO"
            assert data[0].startswith(b"[CANNOT]")
        status, _ = await asyncio.to_thread(morel.imap.append, "Sent", "", "", b"\r\nsans identifiant")
        assert status == "NO"
        await morel.do("noop")
