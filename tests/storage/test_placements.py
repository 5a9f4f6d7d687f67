r"""Where a mailbox keeps its messages: folders, their numbers, what left them; on both engines."""

from __future__ import annotations

from server import reading
from storage import entries, filing, placements, renditions
from storage.database import Tx
from storage.entries import DELETED, FLAGGED, SEEN
from storage.placements import ARCHIVE, INBOX, SENT, TRASH, Place
from storage.vault import Sealed
from tests.house import House


async def letters(core: House, count: int) -> str:
    """So many in Dr Morel's inbox; returns her mailbox. The first letter, which she wrote, is in Sent."""
    letter = await core.letter("morel", "dominique", "Bonjour")
    for number in range(count):
        await core.answer("dominique", letter.conversation, str(number))
    return core.morel.mailbox_id


def numbers(tx: Tx, mailbox: str, folder: str) -> list[int]:
    return [uid for uid, _, _, _ in placements.listed(tx, mailbox, folder)]


def move(tx: Tx, mailbox: str, folder: str, uid: int, to: str) -> int:
    [place] = placements.found(tx, mailbox, folder, [uid])
    there = placements.place(tx, mailbox, place.seq, to)
    placements.leave(tx, mailbox, folder, place)
    return there


def only(tx: Tx, mailbox: str, folder: str, uid: int) -> Place:
    [place] = placements.found(tx, mailbox, folder, [uid])
    return place


async def test_what_is_moved_has_a_new_number_above_all_and_leaves_a_trace(core: House) -> None:
    mailbox = await letters(core, 3)

    def work(tx: Tx) -> None:
        first, second, third = numbers(tx, mailbox, INBOX)
        before = entries.last_seq(tx, mailbox)
        there = move(tx, mailbox, INBOX, second, ARCHIVE)
        assert there > before
        assert numbers(tx, mailbox, INBOX) == [first, third]
        assert numbers(tx, mailbox, ARCHIVE) == [there]
        assert placements.left_since(tx, mailbox, INBOX, before) == [second]
        assert placements.left_since(tx, mailbox, INBOX, entries.last_seq(tx, mailbox)) == []
        assert [row[0] for row in placements.moved_since(tx, mailbox, ARCHIVE, before)] == [there]
        assert placements.moved_since(tx, mailbox, INBOX, before) == []
        home = move(tx, mailbox, ARCHIVE, there, INBOX)
        assert numbers(tx, mailbox, INBOX) == [first, third, home]
        assert [row[1] for row in placements.listed(tx, mailbox, INBOX)] == [first, third, second]
        assert placements.found(tx, mailbox, INBOX, [second, there]) == []
        assert [place.message_id for place in placements.found(tx, mailbox, INBOX, [home, first])] == [
            only(tx, mailbox, INBOX, first).message_id,
            only(tx, mailbox, INBOX, home).message_id,
        ]

    await core.app.db.write(work)


async def test_a_copy_shares_its_flags_and_is_deleted_on_its_own(core: House) -> None:
    mailbox = await letters(core, 2)

    def work(tx: Tx) -> None:
        entries.hold(tx, mailbox)
        first, _ = numbers(tx, mailbox, INBOX)
        copy = placements.place(tx, mailbox, first, ARCHIVE)
        since = entries.last_seq(tx, mailbox)
        entries.set_flags(tx, placements.entry_of(only(tx, mailbox, INBOX, first), mailbox, INBOX), SEEN | FLAGGED)
        assert only(tx, mailbox, ARCHIVE, copy).flags == SEEN | FLAGGED
        assert [row[0] for row in placements.moved_since(tx, mailbox, ARCHIVE, since)] == [copy]
        number = placements.mark_deleted(tx, mailbox, only(tx, mailbox, ARCHIVE, copy), True)
        assert only(tx, mailbox, ARCHIVE, copy).flags == SEEN | FLAGGED | DELETED
        assert only(tx, mailbox, ARCHIVE, copy).modseq == number
        assert only(tx, mailbox, INBOX, first).flags == SEEN | FLAGGED
        assert placements.counts(tx, mailbox, ARCHIVE) == (1, 0, 1)
        assert placements.counts(tx, mailbox, INBOX) == (2, 1, 0)
        placements.leave(tx, mailbox, ARCHIVE, only(tx, mailbox, ARCHIVE, copy))
        assert numbers(tx, mailbox, INBOX)[0] == first
        assert numbers(tx, mailbox, ARCHIVE) == []

    await core.app.db.write(work)


async def test_what_has_left_its_last_place_waits_for_nobody(core: House) -> None:
    mailbox = await letters(core, 2)

    def work(tx: Tx) -> None:
        entries.hold(tx, mailbox)
        first, second = numbers(tx, mailbox, INBOX)
        unread = entries.unread(tx, mailbox)
        trashed = move(tx, mailbox, INBOX, first, TRASH)
        assert entries.unread(tx, mailbox) == unread == 2
        placements.leave(tx, mailbox, TRASH, only(tx, mailbox, TRASH, trashed))
        assert entries.unread(tx, mailbox) == 1
        last = only(tx, mailbox, INBOX, second)
        placements.leave(tx, mailbox, INBOX, last)
        filing.settle(tx, mailbox, last.conversation_id)
        assert entries.unread(tx, mailbox) == 0
        assert all(not numbers(tx, mailbox, folder) for folder in (INBOX, TRASH, ARCHIVE))
        assert len(numbers(tx, mailbox, SENT)) == 1

    await core.app.db.write(work)
    assert await reading.unread(core.app, await core.mailbox("morel")) == 0


async def test_mails_are_read_by_their_numbers_in_the_folder(core: House) -> None:
    mailbox = await letters(core, 4)

    def work(tx: Tx) -> None:
        uids = numbers(tx, mailbox, INBOX)
        known = {place.uid: place for place in placements.found(tx, mailbox, INBOX, uids)}
        home = move(tx, mailbox, INBOX, uids[0], INBOX)
        there = move(tx, mailbox, INBOX, uids[1], ARCHIVE)
        inbox = placements.mails(tx, mailbox, INBOX, uids[0], home)
        assert [mail.uid for mail in inbox] == [uids[2], uids[3], home]
        assert inbox[-1].message_id == known[uids[0]].message_id
        assert {mail.conversation_id for mail in inbox} == {known[uids[0]].conversation_id}
        [archived] = placements.mails(tx, mailbox, ARCHIVE, 1, there)
        assert (archived.uid, archived.message_id) == (there, known[uids[1]].message_id)
        assert archived.structure is None
        assert archived.wrapped_key
        name = (archived.space_id, archived.message_id)
        kept = Sealed(b"sealed")
        renditions.insert(tx, *name, "blob", 3, kept)
        assert placements.described(tx, [archived], set()) == [
            archived._replace(blob_id="blob", size=3, structure=kept)
        ]
        assert placements.described(tx, [archived], {name}) == [archived]
        of = placements.of_conversation(tx, mailbox, INBOX, archived.conversation_id)
        assert [place.uid for place in of] == [uids[2], uids[3], home]
        assert placements.mails(tx, mailbox, INBOX, uids[0], uids[1]) == []

    await core.app.db.write(work)
