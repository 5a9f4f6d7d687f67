"""What a mail client puts into a folder itself: drafts, copies of what is there already, and nothing else; and how much
it may keep.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from mail_gateway.imap.wire import Room
from server import keeping, reading
from tests.house import House
from tests.imap_client import Client, client, exchange, imap_house, in_the_chat

DRAFT = (
    b"Message-ID: <brouillon@cabinet.example>\r\nFrom: agathe.morel@pli.example\r\n"
    b"To: 279035121518989@patient.pli.example\r\nSubject: Consignes\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n\r\nVenez \xc3\xa0 jeun.\r\n"
)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with imap_house(tmp_path) as opened:
        yield opened


async def append(program: Client, folder: str, mail: bytes, flags: str = "") -> str:
    status, data = await asyncio.to_thread(program.imap.append, folder, flags, "", mail)
    return f"{status} {bytes(data[0]).decode()}"


async def test_the_copy_a_client_files_in_sent_is_the_one_that_is_there(house: House) -> None:
    await exchange(house)
    async with client(house, folder="Sent") as morel:
        [uid] = await morel.uids("ALL")
        _, mail = await morel.fetch(uid)
        assert re.match(rf"OK \[APPENDUID \d+ {uid}\]", await append(morel, "Sent", mail, "(\\Seen)"))
        assert await morel.uids("ALL") == [uid]


async def test_a_mail_that_is_there_is_placed_in_another_folder_too_and_stays_one(house: House) -> None:
    """As a client does that copies between folders by itself."""
    await exchange(house)
    async with client(house) as morel:
        [uid] = await morel.uids("ALL")
        _, mail = await morel.fetch(uid)
        answer = await append(morel, "Archive", mail)
        there = re.match(r"OK \[APPENDUID \d+ (\d+)\]", answer)
        assert there is not None, answer
        assert await append(morel, "Archive", mail) == answer
        await morel.do("store", "1", "+FLAGS", "\\Flagged")
        await morel.do("select", "Archive")
        assert await morel.uids("FLAGGED") == [int(there[1])]


async def test_what_a_program_takes_away_before_it_puts_it_elsewhere_is_not_lost(house: House) -> None:
    """As mbsync moves: the folder that a mail left is brought in step before the one in which it is now."""
    conversation = await exchange(house)
    async with client(house) as morel:
        _, mail = await morel.fetch(2)
        for folder, flags in (("Archive", "(\\Flagged)"), ("INBOX", "(\\Seen)")):
            await morel.do("store", "1", "+FLAGS", "(\\Deleted)")
            await morel.do("expunge")
            answer = await append(morel, folder, mail, flags)
            there = re.match(r"OK \[APPENDUID \d+ (\d+)\]", answer)
            assert there is not None, answer
            assert await append(morel, folder, mail) == answer
            await morel.do("select", folder)
            assert await morel.uids("FLAGGED" if folder == "Archive" else "SEEN") == [int(there[1])]
            assert (await morel.fetch(int(there[1])))[1] == mail
            assert await reading.unread(house.app, await house.mailbox("morel")) == (folder == "Archive")
    handle = await in_the_chat(house, "morel", conversation)
    assert [entry.message.text for entry in (await reading.thread(house.app, handle)).entries][-1] == "D’accord, merci."
    async with client(house, house.address("leroy")) as leroy:
        assert (await append(leroy, "Archive", mail)).startswith("NO [CANNOT]")


async def test_what_did_not_come_through_pli_is_refused_in_words(house: House) -> None:
    await exchange(house)
    async with client(house) as morel:
        mail = b"Message-ID: <ailleurs@example.org>\r\nSubject: Autre\r\n\r\n" + b"x" * 300_000
        for folder in ("Sent", "INBOX", "Archive", "Trash"):
            assert (await append(morel, folder, mail)).startswith("NO [CANNOT]"), folder
        assert (await append(morel, "Brouillons", mail)).startswith("NO [NONEXISTENT]")
        assert (await append(morel, "Sent", b"\r\nsans identifiant")).startswith("NO [CANNOT]")
        await morel.do("noop")


async def test_a_message_id_of_somebody_else_s_mail_tells_nothing(house: House) -> None:
    await exchange(house)
    async with client(house) as morel:
        _, mail = await morel.fetch((await morel.uids("ALL"))[0])
    async with client(house, house.address("leroy")) as leroy:
        for folder in ("INBOX", "Sent", "Archive"):
            assert (await append(leroy, folder, mail)).startswith("NO [CANNOT]")


async def test_a_draft_is_kept_octet_for_octet_and_is_a_draft_on_the_web(house: House) -> None:
    large = DRAFT + b"Longue phrase.\r\n" * 40_000
    async with client(house, folder=None) as morel:
        answer = await append(morel, "Drafts", large, "(\\Draft \\Seen)")
        uid = re.match(r"OK \[APPENDUID \d+ (\d+)\]", answer)
        assert uid is not None, answer
        assert await morel.do("select", "Drafts") == [b"1"]
        _, octets = await morel.fetch(int(uid[1]))
        assert octets == large
    [kept] = await keeping.kept(house.app, await house.mailbox("morel"))
    assert kept.writing.subject == "Consignes"
    assert kept.writing.text.startswith("Venez à jeun.")


async def test_a_mail_over_the_limit_is_refused_before_it_is_sent(house: House) -> None:
    async with client(house, folder=None) as morel:
        answer, _ = await morel.raw("APPEND Drafts (\\Draft) {26214401}")
        assert answer.startswith("NO [TOOBIG]")
        [status] = await morel.do("status", "Drafts", "(APPENDLIMIT)")
        assert status == b"Drafts (APPENDLIMIT 26214400)"


async def test_too_many_drafts_sent_at_once_ask_for_patience_and_fill_no_memory(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms: list[Room] = []
    take = Room.take

    def full(room: Room, octets: int) -> bool:
        rooms.append(room)
        return len(rooms) < 3 and take(room, octets)

    monkeypatch.setattr(Room, "take", full)
    async with client(house, folder=None) as morel:
        large = DRAFT + b"x" * 300_000
        assert (await append(morel, "Drafts", large)).startswith("NO [LIMIT]")
        monkeypatch.undo()
        assert (await append(morel, "Drafts", large)).startswith("OK")
        await morel.do("noop")
        assert rooms[0].left == Room().left


async def test_a_mail_in_utf_8_is_taken_once_the_client_said_that_it_reads_it(house: House) -> None:
    mail = "Subject: Consignes préopératoires\r\nFrom: agathe.morel@pli.example\r\n\r\nÀ jeun.\r\n".encode()

    async with client(house, folder=None) as morel:

        def send(tag: bytes) -> bytes:
            morel.imap.send(tag + b" APPEND Drafts (\\Draft) UTF8 (~{%d+}\r\n%b)\r\n" % (len(mail), mail))
            return morel.imap.readline()

        assert (await asyncio.to_thread(send, b"u1")).startswith(b"u1 BAD")
        await morel.raw("ENABLE UTF8=ACCEPT")
        said = await asyncio.to_thread(send, b"u2")
        assert said.startswith(b"u2 OK [APPENDUID"), said
        assert await morel.do("select", "Drafts") == [b"1"]
        _, octets = await morel.fetch((await morel.uids("ALL"))[0])
        assert octets == mail
        answer, _ = await morel.raw("APPEND Drafts ~{20+}\r\nSubject: a\r\n\r\n\0\0\0\0\0\0")
        assert answer.startswith("NO [UNKNOWN-CTE]"), "it could not be shown again as it is"


async def test_a_mailbox_says_what_it_holds_and_refuses_drafts_beyond_it_but_no_letter(house: House) -> None:
    conversation = await exchange(house)
    async with client(house, folder=None) as morel:
        answer, said = await morel.raw("GETQUOTAROOT Sent")
        assert said == [b"* QUOTAROOT Sent INBOX", b"* QUOTA INBOX (MESSAGE 2 4294967295)"]
        house.app.settings = replace(house.app.settings, mailbox_quota_mb=1)
        await morel.raw("STATUS INBOX (SIZE)")
        _, [said_quota] = await morel.raw("GETQUOTA INBOX")
        assert re.fullmatch(rb"\* QUOTA INBOX \(STORAGE [1-9]\d* 1024 MESSAGE 2 4294967295\)", said_quota)
        for name in ("Sent", "Ailleurs", "Equipes"):
            answer, _ = await morel.raw(f"GETQUOTA {name}")
            assert answer.startswith("NO [NONEXISTENT]"), name
        assert (await append(morel, "Drafts", DRAFT)).startswith("OK")
        assert (await append(morel, "Drafts", DRAFT + b"x" * 1_100_000)).startswith("NO [OVERQUOTA]")
        await house.answer("dominique", conversation, "x" * 3000)
        [status] = await morel.do("status", "INBOX", "(MESSAGES)")
        assert status == b"INBOX (MESSAGES 2)"
