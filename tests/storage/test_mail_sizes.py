"""What the mails of a mailbox weigh, folder by folder, and where one of a known name stands; on both engines."""

from __future__ import annotations

from mail_gateway import rendition
from server import filing, reading
from server.handles import MailboxHandle
from storage import entries, mail_sizes, placements
from storage.entries import DELETED, FLAGGED, SEEN
from storage.mail_sizes import Sums
from tests.house import House


async def made(core: House, box: MailboxHandle, message_id: str) -> int:
    """The octets of the mail that a message is read as."""
    entry = await core.app.db.read(entries.of_message, box.mailbox_id, message_id)
    assert entry is not None
    keys = await core.app.db.read(lambda tx: reading.space_keys(core.app, tx, entry.space_id))
    return (await rendition.rendered(core.app, keys, message_id)).size


async def test_a_folder_weighs_what_its_mails_do_and_a_mailbox_each_of_them_once(core: House) -> None:
    letter = await core.letter("morel", "dominique")
    first = await core.answer("dominique", letter.conversation, "Oui")
    second = await core.answer("dominique", letter.conversation, "Et encore une longue phrase")
    box = await core.mailbox("morel")
    read, mailbox = core.app.db.read, box.mailbox_id
    assert await read(mail_sizes.of_folder, mailbox, "inbox") == Sums(2, 2, 0, 0, 0, 2)
    uids = [row[0] for row in await read(placements.listed, mailbox, "inbox")]
    assert await read(mail_sizes.unmade, mailbox, "inbox", 1) == uids[:1]
    one, other, own = [await made(core, box, sent.message) for sent in (first, second, letter)]
    assert await read(mail_sizes.unmade, mailbox, "inbox", 10) == []
    await filing.copy(core.app, box, "inbox", uids[:1], "archive")
    await filing.store(core.app, box, "inbox", uids[1:], lambda flags: flags | DELETED)
    assert await read(mail_sizes.of_folder, mailbox, "inbox") == Sums(2, 2, 1, one + other, other, 0)
    assert await read(mail_sizes.of_folder, mailbox, "archive") == Sums(1, 1, 0, one, 0, 0)
    assert await read(mail_sizes.of_mailbox, mailbox) == (3, one + other + own)
    await filing.expunge(core.app, box, "inbox")
    assert await read(mail_sizes.of_mailbox, mailbox) == (2, one + own)


async def test_a_mail_is_found_by_its_name_wherever_it_stands_and_in_its_mailbox_alone(core: House) -> None:
    letter = await core.letter("morel", "dominique")
    await core.answer("dominique", letter.conversation, "Oui")
    box, other = await core.mailbox("morel"), await core.mailbox("leroy")

    [row] = await core.app.db.read(
        lambda tx: tx.run("SELECT reference_hash FROM refs WHERE message_id = :m LIMIT 1", m=letter.message)
    )
    [home] = await core.app.db.read(placements.listed, box.mailbox_id, "sent")
    assert await core.app.db.read(mail_sizes.places_of, box.mailbox_id, row[0]) == [("sent", home[0])]
    [(_, there)] = await filing.move(core.app, box, "sent", [home[0]], "trash")
    assert await core.app.db.read(mail_sizes.places_of, box.mailbox_id, row[0]) == [("trash", there)]
    assert await core.app.db.read(mail_sizes.places_of, other.mailbox_id, row[0]) == []


async def test_what_is_gone_from_a_mailbox_stands_there_again_when_its_mail_is_put_back(core: House) -> None:
    letter = await core.letter("morel", "dominique")
    answer = await core.answer("dominique", letter.conversation, "Oui")
    box, other = await core.mailbox("morel"), await core.mailbox("leroy")
    [row] = await core.app.db.read(
        lambda tx: tx.run("SELECT reference_hash FROM refs WHERE message_id = :m LIMIT 1", m=answer.message)
    )
    [home] = await core.app.db.read(placements.listed, box.mailbox_id, "inbox")
    assert await filing.bring_back(core.app, box, row[0], "archive", SEEN) == 0, "it is there"
    await filing.store(core.app, box, "inbox", [home[0]], lambda flags: flags | DELETED)
    await filing.expunge(core.app, box, "inbox")
    assert await reading.unread(core.app, box) == 0
    assert await filing.bring_back(core.app, other, row[0], "archive", SEEN) == 0
    there = await filing.bring_back(core.app, box, row[0], "archive", FLAGGED)
    [found] = await core.app.db.read(placements.listed, box.mailbox_id, "archive")
    assert (found[0], found[2] & (SEEN | FLAGGED | DELETED)) == (there, FLAGGED)
    assert await reading.unread(core.app, box) == 1
    assert await core.app.db.read(mail_sizes.gone, box.mailbox_id, row[0]) == ""
