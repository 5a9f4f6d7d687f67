"""One mailbox in several clients: flags, expunging, IDLE."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server import reading
from tests.house import House
from tests.imap_client import Client, client, exchange, imap_house, in_the_chat


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with imap_house(tmp_path) as opened:
        yield opened


# ---- flags, expunging, news -----------------------------------------------------------------------------------------


async def test_flags_are_kept_and_told_to_the_other_session(house: House) -> None:
    await exchange(house)
    async with client(house) as morel, client(house) as telephone:
        [told] = await morel.do("store", "1", "+FLAGS", "(\\Seen \\Flagged)")
        assert told == b"1 (FLAGS (\\Flagged \\Seen))"
        _, said = await telephone.raw("NOOP")
        assert said == [b"* 1 FETCH (UID 2 FLAGS (\\Flagged \\Seen))"]
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
        answer, said = await morel.raw("UID EXPUNGE 4")
        assert (answer.startswith("OK"), said) == (True, [b"* 2 EXPUNGE"])
        assert "le patient garde la conversation" in answer
        assert await morel.uids("ALL") == [2, 5]
        # The other session is not told in the middle of what speaks of numbers (RFC 3501 § 7.4.1).
        _, said = await telephone.raw("FETCH 3 (UID)")
        assert b"* 3 FETCH (UID 5)" in said
        assert not [line for line in said if b"EXPUNGE" in line]
        _, said = await telephone.raw("NOOP")
        assert said == [b"* 2 EXPUNGE"]
        assert await morel.do("expunge") == [b"1"]
        await morel.do("store", "1", "+FLAGS", "\\Deleted")
        await morel.do("close")
        assert await morel.do("select", "INBOX") == [b"0"]
    page = await reading.thread(house.app, await in_the_chat(house, "dominique", conversation))
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
        assert await telephone.uids("ALL") == [4]


# ---- several at once -----------------------------------------------------------------------------------------------


class Picture:
    """What a client believes of a folder, from untagged responses alone: each message's flags, None when unknown."""

    def __init__(self, morel: Client) -> None:
        self.client = morel
        self.flags: list[set[bytes] | None] = []

    async def say(self, line: str) -> None:
        answer, said = await self.client.raw(line)
        assert answer.startswith("OK"), (line, answer)
        for heard in said:
            self.hear(heard, line)

    def hear(self, heard: bytes, line: str) -> None:
        if found := re.fullmatch(rb"\* (\d+) EXISTS", heard):
            assert int(found[1]) >= len(self.flags), (line, heard)
            self.flags.extend([None] * (int(found[1]) - len(self.flags)))
        elif found := re.fullmatch(rb"\* (\d+) EXPUNGE", heard):
            assert not line.startswith(("FETCH", "STORE", "SEARCH")), line  # RFC 3501 § 7.4.1
            del self.flags[int(found[1]) - 1]
        elif found := re.fullmatch(rb"\* (\d+) FETCH \((?:UID \d+ )?FLAGS \((.*)\)\)", heard):
            self.flags[int(found[1]) - 1] = set(found[2].split())


async def test_clients_that_do_whatever_they_like_agree_in_the_end(house: House) -> None:
    """As Dovecot's imaptest does: random commands, each answer held against a model of the mailbox."""
    conversation = await exchange(house)
    for number in range(20):
        await house.answer("dominique", conversation, f"Question {number}")
    chance = random.Random(20261123)
    written = 0

    async def play(picture: Picture, rounds: int) -> None:
        nonlocal written
        await picture.say("SELECT INBOX")
        await picture.say("FETCH 1:* (FLAGS)")
        for _ in range(rounds):
            if not picture.flags:  # nothing has a number
                await house.answer("dominique", conversation, "Encore")
                await picture.say("NOOP")
                written += 1
            number = chance.randint(1, len(picture.flags))
            flag = chance.choice(["\\Seen", "\\Flagged", "\\Answered", "\\Deleted"])
            match chance.randrange(8):
                case 0 | 1 | 2:
                    await picture.say(f"STORE {number} {chance.choice('+-')}FLAGS ({flag})")
                case 3:
                    await picture.say(f"UID STORE {number + 1}:* FLAGS ({flag})")
                case 4:
                    await picture.say("EXPUNGE" if chance.random() < 0.3 else "NOOP")
                case 5:
                    await picture.say(f"FETCH {number}:* (FLAGS BODY.PEEK[HEADER.FIELDS (Subject)])")
                case 6:
                    await picture.say(f"SEARCH NOT {flag.removeprefix(chr(92)).upper()}")
                case _:
                    written += 1
                    await house.answer("dominique", conversation, "Encore")

    async with client(house) as one, client(house) as two, client(house) as three:
        pictures = [Picture(one), Picture(two), Picture(three)]
        await asyncio.gather(*(play(picture, 60) for picture in pictures))
        for picture in pictures:
            await picture.say("NOOP")
        ends = []
        for picture in pictures:
            believed = list(picture.flags)
            _, said = await picture.client.raw("UID FETCH 1:* (FLAGS)")
            told = [re.fullmatch(rb"\* (\d+) FETCH \(UID (\d+) FLAGS \((.*)\)\)", line) for line in said]
            ends.append([(match[2], frozenset(match[3].split())) for match in told if match])
            assert len(ends[-1]) == len(believed)
            for (_, flags), belief in zip(ends[-1], believed, strict=True):
                assert belief is None or belief == flags
        assert ends[0] == ends[1] == ends[2]
    assert written
    page = await reading.thread(house.app, await in_the_chat(house, "dominique", conversation), limit=200)
    assert len(page.entries) == 22 + written


async def test_two_clients_that_set_flags_at_once_each_keep_theirs(house: House) -> None:
    await exchange(house)
    async with client(house) as one, client(house) as two:
        for _ in range(20):
            await asyncio.gather(
                one.raw("STORE 1 +FLAGS.SILENT (\\Seen)"), two.raw("STORE 1 +FLAGS.SILENT (\\Flagged)")
            )
            _, said = await one.raw("FETCH 1 (FLAGS)")
            assert said[-1] == b"* 1 FETCH (FLAGS (\\Flagged \\Seen))"
            await one.raw("STORE 1 FLAGS.SILENT ()")
            await two.do("noop")
