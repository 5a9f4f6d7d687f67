"""What a professional may rely on in an open folder: where messages are, what is said of them, and that every program
and every device agrees (RFC 4315, 4731, 5182, 6851, 7162, 8474, 8970).
"""

from __future__ import annotations

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


async def answers(house: House, conversation: str, *texts: str) -> None:
    for text in texts:
        await house.answer("dominique", conversation, text)


async def in_folder(program: Client, folder: str) -> list[int]:
    await program.do("select", folder)
    return await program.uids("ALL")


async def numbers(program: Client) -> list[int]:
    """Where imaplib does not know what is open."""
    _, said = await program.raw("UID SEARCH ALL")
    return [int(uid) for uid in said[0].split()[2:]]


def number(pattern: bytes, said: list[bytes]) -> int:
    """The number that a line of these says, as the pattern finds it."""
    [found] = [match for line in said if (match := re.search(pattern, line))]
    return int(found[1])


def copied(text: str) -> tuple[str, str]:
    found = re.search(r"\[COPYUID \d+ (\S+) (\S+)\]", text)
    assert found, text
    return found[1], found[2]


# ---- folders ---------------------------------------------------------------------------------------------------------


async def test_a_message_goes_to_the_archive_and_comes_back_and_its_numbers_only_rise(house: House) -> None:
    conversation = await exchange(house)
    await answers(house, conversation, "Encore.", "Et encore.")
    async with client(house) as morel:
        first, second, third = await morel.uids("ALL")
        answer, said = await morel.raw(f"UID MOVE {first},{third} Archive")
        assert answer == "OK Done"
        gone, there = copied(said[0].decode())  # RFC 6851 § 4.3: where they are now is said first
        assert gone == f"{first},{third}"
        assert said[1:] == [b"* 3 EXPUNGE", b"* 1 EXPUNGE"]
        assert await morel.uids("ALL") == [second]
        archived = await in_folder(morel, "Archive")
        assert [int(uid) for uid in there.split(",")] == archived
        assert (await morel.mail(archived[1])).get_content().startswith("Et encore.")
        answer, said = await morel.raw("MOVE 1:* INBOX")
        _, back = copied(said[0].decode())
        home = [int(uid) for uid in back.split(",")]
        assert await in_folder(morel, "INBOX") == [second, *home]
        assert home[0] > archived[1] > third


async def test_a_copy_has_the_read_state_of_what_it_is_a_copy_of(house: House) -> None:
    conversation = await exchange(house)
    async with client(house) as morel, client(house, folder="Archive") as telephone:
        answer, _ = await morel.raw("COPY 1 Archive")
        here, there = copied(answer)
        assert here == "2"
        _, said = await telephone.raw("NOOP")
        assert said == [b"* 1 EXISTS"]
        await morel.do("uid", "STORE", "2", "+FLAGS", "(\\Seen $Forwarded)")
        _, said = await telephone.raw("NOOP")
        assert said == [b"* 1 FETCH (UID %b FLAGS (\\Seen $Forwarded))" % there.encode()]
        # One message: the same identifiers wherever it is. Thrown away in one place, it stays in the other.
        _, one = await morel.raw("FETCH 1 (EMAILID THREADID)")
        _, other = await telephone.raw("FETCH 1 (EMAILID THREADID)")
        assert one == other == [one[0]]
        assert f"THREADID ({conversation})".encode() in one[0]
        await telephone.do("store", "1", "+FLAGS", "\\Deleted")
        assert await morel.uids("DELETED") == []
        await telephone.do("expunge")
        assert await morel.uids("ALL") == [2]
        assert await reading.unread(house.app, await house.mailbox("morel")) == 0


async def test_what_is_thrown_away_is_gone_for_the_professional_and_stays_with_the_patient(house: House) -> None:
    conversation = await exchange(house)
    async with client(house) as morel:
        await morel.raw("MOVE 1 Trash")
        assert await in_folder(morel, "Trash") != []
        await morel.do("store", "1:*", "+FLAGS", "\\Deleted")
        await morel.do("close")
        for folder in ("INBOX", "Archive", "Trash"):
            assert await in_folder(morel, folder) == []
    page = await reading.thread(house.app, await in_the_chat(house, "dominique", conversation))
    assert [entry.message.text for entry in page.entries] == ["Restez à jeun.", "D’accord, merci."]


async def test_two_sessions_see_each_others_moves_with_the_right_numbers(house: House) -> None:
    conversation = await exchange(house)
    await answers(house, conversation, "deux", "trois", "quatre")
    async with client(house) as morel, client(house) as telephone:
        await morel.raw("MOVE 2 Trash")
        await morel.do("store", "3", "+FLAGS", "\\Flagged")
        # Held back while numbers are spoken of; said as soon as they are not (RFC 9051 § 7.5.1).
        _, said = await telephone.raw("FETCH 4 (UID)")
        assert not [line for line in said if b"EXPUNGE" in line]
        _, said = await telephone.raw("NOOP")
        assert said[-1] == b"* 2 EXPUNGE"
        _, ours = await morel.raw("FETCH 1:* (UID FLAGS)")
        _, theirs = await telephone.raw("FETCH 1:* (UID FLAGS)")
        assert ours == theirs
        assert len(ours) == 3
        answer, said = await telephone.raw("FETCH 4 (UID)")
        assert answer.startswith("BAD")


async def test_what_is_no_longer_there_is_not_copied_and_what_is_only_looked_at_not_moved(house: House) -> None:
    await exchange(house)
    async with client(house) as morel, client(house) as telephone:
        await morel.raw("MOVE 1 Trash")
        answer, _ = await telephone.raw("COPY 1 Archive")
        assert answer.startswith("NO [EXPUNGEISSUED]")
        assert (await telephone.raw("UID COPY 4711 Archive"))[0] == "OK Done"
        assert (await telephone.raw("UID FETCH 2 BODY.PEEK[]"))[0] in ("OK Done", "OK [EXPUNGEISSUED] Done")
        await telephone.do("select", "Trash", True)
        for line in ("MOVE 1 INBOX", "STORE 1 +FLAGS (\\Seen)", "EXPUNGE"):
            assert (await telephone.raw(line))[0].startswith("NO [CANNOT]"), line
        await telephone.raw("FETCH 1 BODY[]")
        assert await telephone.uids("SEEN") == []


# ---- keywords, searches ----------------------------------------------------------------------------------------------


async def test_a_keyword_of_ones_own_is_kept_told_and_found(house: House) -> None:
    await exchange(house)
    async with client(house) as morel, client(house) as telephone:
        _, said = await morel.raw("STORE 1 +FLAGS (Urgent)")
        assert said[0].startswith(b"* FLAGS (")
        assert b" Urgent" in said[0]
        assert said[1].startswith(b"* OK [PERMANENTFLAGS (")
        assert said[2] == b"* 1 FETCH (FLAGS (Urgent))"
        _, said = await telephone.raw("NOOP")
        assert said[-1] == b"* 1 FETCH (UID 2 FLAGS (Urgent))"
        assert await telephone.uids("KEYWORD", "URGENT") == [2]
        assert await telephone.uids("UNKEYWORD", "urgent") == []
        await telephone.raw("STORE 1 -FLAGS (URGENT Jamais-vu)")
        assert await morel.uids("KEYWORD", "Urgent") == []
    async with client(house) as morel:
        _, said = await morel.raw("SELECT INBOX")
        [flags] = [line for line in said if line.startswith(b"* FLAGS")]
        assert b"Urgent" in flags
        assert b"Jamais-vu" not in flags


async def test_a_search_says_how_many_which_ends_and_keeps_what_it_found(house: House) -> None:
    conversation = await exchange(house)
    await answers(house, conversation, "Une photo du genou", "Merci")
    async with client(house) as morel:
        first, second, third = await morel.uids("ALL")
        _, said = await morel.raw("UID SEARCH RETURN (MIN MAX COUNT) ALL")
        assert said == [b'* ESEARCH (TAG "x1") UID MIN %d MAX %d COUNT 3' % (first, third)]
        assert (await morel.raw("SEARCH RETURN () ALL"))[1] == [b'* ESEARCH (TAG "x1") ALL 1:3']
        _, said = await morel.raw("SEARCH RETURN (COUNT MIN) BODY photo SUBJECT introuvable")
        assert said == [b'* ESEARCH (TAG "x1") COUNT 0']
        answer, said = await morel.raw("SEARCH RETURN (SAVE) BODY photo")
        assert (answer, said) == ("OK Done", [])
        _, said = await morel.raw("FETCH $ (UID)")
        assert said == [b"* 2 FETCH (UID %d)" % second]
        assert (await morel.raw("UID SEARCH NOT UID $"))[1] == [f"* SEARCH {first} {third}".encode()]
        await morel.raw("MOVE $ Archive")
        assert (await morel.raw("FETCH $ (UID)")) == ("OK Done", [])
        _, said = await morel.raw("ENABLE IMAP4rev2")
        assert said == [b"* ENABLED IMAP4rev2"]
        assert (await morel.raw("SEARCH ALL"))[1] == [b'* ESEARCH (TAG "x1") ALL 1:2']


async def test_the_first_words_and_the_parts_of_a_mail_come_decoded(house: House) -> None:
    await exchange(house)
    async with client(house) as morel:
        _, said = await morel.raw("FETCH 1 (PREVIEW)")
        assert b"D\xe2\x80\x99accord, merci." in b"".join(said)
        _, said = await morel.raw("FETCH 1 (BINARY.SIZE[1] BINARY.PEEK[1])")
        assert "D’accord, merci.".encode() in b"".join(said)
        size = number(rb"BINARY\.SIZE\[1\] (\d+)", said)
        assert number(rb"BINARY\[1\] \{(\d+)\}", said) == size
        assert await morel.uids("SEEN") == []
        _, said = await morel.raw("FETCH 1 (BINARY[1])")
        assert b"\\Seen" in said[0] + said[-1]


# ---- CONDSTORE, QRESYNC ----------------------------------------------------------------------------------------------


async def test_a_change_made_on_what_one_has_not_seen_is_refused(house: House) -> None:
    """RFC 7162 § 3.1.3: the other's change is not overwritten, and one is told which messages it concerns."""
    conversation = await exchange(house)
    await answers(house, conversation, "deux")
    async with client(house) as morel, client(house) as telephone:
        _, said = await morel.raw("FETCH 1:2 (MODSEQ)")
        assert said[0].startswith(b"* OK [HIGHESTMODSEQ ")
        highest = number(rb"HIGHESTMODSEQ (\d+)", said)
        await telephone.do("store", "2", "+FLAGS", "\\Flagged")
        answer, said = await morel.raw(f"STORE 1:2 (UNCHANGEDSINCE {highest}) +FLAGS.SILENT (\\Answered)")
        assert answer.startswith("OK [MODIFIED 2] ")
        changed = [line for line in said if b"MODSEQ" in line and line.startswith(b"* 1 ")]
        assert re.fullmatch(rb"\* 1 FETCH \(MODSEQ \(\d+\)\)", changed[0])
        assert await telephone.uids("ANSWERED") == [2]
        answer, said = await morel.raw("UID SEARCH MODSEQ 1")
        assert re.fullmatch(rb"\* SEARCH 2 4 \(MODSEQ \d+\)", said[-1])
        _, said = await morel.raw(f"FETCH 1:* (FLAGS) (CHANGEDSINCE {highest})")
        assert [line.split()[1] for line in said] == [b"1", b"2"]
        now = max(number(rb"MODSEQ \((\d+)\)", [line]) for line in said)
        assert (await morel.raw(f"FETCH 1:* (FLAGS) (CHANGEDSINCE {now})"))[1] == []


async def test_a_program_that_was_away_is_brought_back_in_step_by_what_changed_alone(house: House) -> None:
    conversation = await exchange(house)
    await answers(house, conversation, "deux", "trois", "quatre")
    async with client(house, folder=None) as morel:
        answer, _ = await morel.raw("SELECT INBOX (QRESYNC (1 1))")
        assert answer.startswith("BAD")
        await morel.raw("ENABLE QRESYNC")
        _, said = await morel.raw("SELECT INBOX")
        validity, known = number(rb"UIDVALIDITY (\d+)", said), number(rb"HIGHESTMODSEQ (\d+)", said)
        uids = await numbers(morel)
    async with client(house) as telephone:
        await telephone.raw(f"UID MOVE {uids[1]} Archive")
        await telephone.raw(f"UID STORE {uids[0]} +FLAGS (\\Flagged)")
        await answers(house, conversation, "cinq")
        new = (await telephone.uids("ALL"))[-1]
    async with client(house, folder=None) as morel:
        await morel.raw("ENABLE QRESYNC")
        answer, said = await morel.raw(f"SELECT INBOX (QRESYNC ({validity} {known}))")
        assert answer == "OK [READ-WRITE] Done"
        assert b"* VANISHED (EARLIER) %d" % uids[1] in said
        told = [line for line in said if b"FETCH" in line]
        assert [number(rb"UID (\d+)", [line]) for line in told] == [uids[0], new]
        assert b"FLAGS (\\Flagged) MODSEQ (" in told[0]
        # Of the known alone, when the client says which; nothing of what another UIDVALIDITY made void.
        await morel.raw("CLOSE")
        _, said = await morel.raw(f"SELECT INBOX (QRESYNC ({validity} {known} {uids[2]}:{new}))")
        assert not [line for line in said if b"VANISHED" in line]
        assert len([line for line in said if b"FETCH" in line]) == 1
        _, said = await morel.raw(f"SELECT INBOX (QRESYNC ({validity + 1} {known}))")
        assert not [line for line in said if b"VANISHED" in line or b"FETCH" in line]
        answer, said = await morel.raw(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {known} VANISHED)")
        assert said[0] == b"* VANISHED (EARLIER) %d" % uids[1]
        assert len(said) == 3


async def test_with_qresync_what_leaves_is_told_by_uid_and_up_to_where_one_knows(house: House) -> None:
    conversation = await exchange(house)
    await answers(house, conversation, "deux", "trois")
    async with client(house, folder=None) as morel, client(house) as telephone:
        await morel.raw("ENABLE QRESYNC")
        await morel.raw("SELECT INBOX")
        uids = await numbers(morel)
        await telephone.raw(f"UID MOVE {uids[0]} Archive")
        await telephone.raw(f"UID STORE {uids[1]} +FLAGS (\\Seen)")
        _, said = await morel.raw("NOOP")
        assert re.fullmatch(rb"\* 2 FETCH \(UID %d FLAGS \(\\Seen\) MODSEQ \(\d+\)\)" % uids[1], said[0])
        assert said[1] == b"* VANISHED %d" % uids[0]
        await morel.raw(f"UID STORE {uids[1]}:* +FLAGS (\\Deleted)")
        answer, said = await morel.raw(f"UID EXPUNGE {uids[1]}")
        assert said[-1] == b"* VANISHED %d" % uids[1]
        assert re.fullmatch(r"OK \[HIGHESTMODSEQ \d+\] .*", answer)
        _, again = await morel.raw("SELECT INBOX")
        assert number(rb"HIGHESTMODSEQ (\d+)", again) >= int(re.findall(r"\d+", answer)[0])
