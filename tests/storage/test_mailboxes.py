"""Mailboxes: everything, in order, once; on both engines."""

from __future__ import annotations

import asyncio

import pytest

from server import access, reading
from server.drafts import Draft
from server.errors import NotAllowed, Refused
from server.handles import ConversationHandle, SpaceHandle
from server.posting import post
from server.views import Entry
from storage import accounts, entries
from storage.database import Tx
from tests.house import House


async def _all(core: House, name: str, cursor: int = 0, limit: int = 7) -> tuple[list[Entry], int]:
    """What a device does when it comes back: pages from its cursor until nothing more waits."""
    box, found = await core.mailbox(name), []
    while True:
        page = await reading.since(core.app, box, cursor, limit)
        found += page.entries
        cursor = page.cursor
        if not page.more:
            return found, cursor


async def test_whoever_was_away_has_everything_in_order_once(core: House) -> None:
    sent = await core.letter("morel", "dominique", "0")
    await asyncio.gather(*(core.answer("morel", sent.conversation, str(number)) for number in range(1, 40)))

    entries, cursor = await _all(core, "dominique")
    assert [entry.seq for entry in entries] == list(range(1, 41))
    assert sorted(int(entry.message.text) for entry in entries) == list(range(40))
    assert await _all(core, "dominique", cursor) == ([], cursor)


async def test_the_same_letter_sent_again_has_the_same_receipt(core: House) -> None:
    sent = await core.letter("morel", "dominique", retry_key="letter 1")
    again = await asyncio.gather(*(core.letter("morel", "dominique", retry_key="letter 1") for _ in range(10)))

    assert {receipt.message for receipt in again} == {sent.message}
    assert {receipt.seq for receipt in again} == {sent.seq}
    assert all(receipt.again for receipt in again)
    entries, _ = await _all(core, "dominique")
    assert len(entries) == 1


async def test_reading_is_one_number_everywhere_and_the_writer_learns_of_it(core: House) -> None:
    sent = await core.letter("morel", "dominique", "un")
    await core.answer("morel", sent.conversation, "deux")
    box = await core.mailbox("dominique")
    assert await reading.unread(core.app, box) == 2
    _, before = await _all(core, "morel")

    conversation = await access.conversation(core.app, box, sent.conversation)
    assert await reading.mark_read(core.app, conversation, 1) == 1
    assert await reading.mark_read(core.app, conversation, 2) == 0
    assert await reading.mark_read(core.app, conversation, 2) == 0

    news, _ = await _all(core, "morel", before)
    assert [(entry.kind, entry.message.text, entry.message.status) for entry in news] == [
        ("change", "un", "read"),
        ("change", "deux", "read"),
    ]
    fresh, _ = await _all(core, "morel")
    assert [(entry.kind, entry.message.status) for entry in fresh] == [("message", "read"), ("message", "read")]


async def test_what_one_may_not_have_looks_like_what_is_not_there(core: House) -> None:
    sent = await core.letter("morel", "dominique")
    marcel = await core.mailbox("marcel")
    refusals = []
    for conversation in (sent.conversation, "no-such-conversation"):
        with pytest.raises(Refused) as refusal:
            await access.conversation(core.app, marcel, conversation)
        refusals.append((refusal.value.code, refusal.value.detail))
    for mailbox in (core.dominique.mailbox_id, "no-such-mailbox"):
        with pytest.raises(Refused) as refusal:
            await access.mailbox(core.app, core.marcel, mailbox)
        refusals.append((refusal.value.code, refusal.value.detail))
    assert len(set(refusals)) == 1


async def test_a_representative_acts_in_her_own_name_until_her_right_ends(core: House) -> None:
    sent = await core.letter("morel", "camille", "Vaccin de Camille")
    box = await core.mailbox("dominique", core.camille.mailbox_id)
    handle = await access.conversation(core.app, box, sent.conversation)
    await post(core.app, core.dominique, Draft(to=handle, text="Merci pour elle."))

    entries, _ = await _all(core, "morel")
    author = entries[-1].message.author
    assert (author.name, author.acting_for) == ("Dominique PAT-TROIS", "Camille PAT-TROIS")

    def revoke(tx: Tx) -> None:
        tx.run("UPDATE delegations SET revoked_at = 1 WHERE account_id = :a", a=core.dominique.account_id)

    await core.app.db.write(revoke)
    with pytest.raises(Refused):  # the handle was obtained before: the write decides again
        await post(core.app, core.dominique, Draft(to=handle, text="Trop tard."))
    assert len((await _all(core, "morel"))[0]) == 2


async def test_an_account_that_ended_posts_nothing_with_an_old_handle(core: House) -> None:
    sent = await core.letter("morel", "dominique")
    handle = await access.conversation(core.app, await core.mailbox("morel"), sent.conversation)
    await core.app.db.write(accounts.end, core.morel.account_id)
    with pytest.raises(Refused):
        await post(core.app, core.morel, Draft(to=handle, text="Encore moi."))


async def test_an_exchange_that_was_ended_refuses_the_patient_and_says_why(core: House) -> None:
    sent = await core.letter("morel", "dominique")
    await core.stand("morel", "dominique", "replies", "ended")
    with pytest.raises(NotAllowed) as refusal:
        await core.answer("dominique", sent.conversation)
    assert "mis fin" in refusal.value.detail


async def test_each_others_references_never_join_two_patients(core: House) -> None:
    hers = await core.letter("morel", "dominique", "Pour Dominique")
    his = await core.letter("morel", "marcel", "Pour Marcel")
    domain = core.app.settings.mail_domain
    hers_id, his_id = f"{hers.message}@{domain}", f"{his.message}@{domain}"

    found = await access.correspondence(core.app, core.morel, core.ins("dominique"), [his_id, hers_id])
    assert isinstance(found, tuple)
    assert found[0].conversation_id == hers.conversation
    assert isinstance(await access.correspondence(core.app, core.morel, core.ins("dominique"), [his_id]), SpaceHandle)


async def test_a_stranger_who_quotes_a_reference_does_not_enter_the_thread(core: House) -> None:
    sent = await core.letter("morel", "dominique")
    reference = f"{sent.message}@{core.app.settings.mail_domain}"
    found = await access.correspondence(core.app, core.lab, core.ins("dominique"), [reference])
    assert isinstance(found, SpaceHandle)
    assert not isinstance(found, ConversationHandle)
    colleague = await access.correspondence(core.app, core.admissions, core.ins("dominique"), [reference])
    assert isinstance(colleague, tuple), "the team of the same hospital goes on in the thread"


async def test_a_message_that_no_longer_opens_is_shown_as_damaged_alone(core: House) -> None:
    sent = await core.letter("morel", "dominique", "intact")
    broken = await core.answer("morel", sent.conversation, "abîmé")

    def damage(tx: Tx) -> None:
        tx.run("UPDATE messages SET body = :b WHERE id = :id", b=b"\x01" + bytes(60), id=broken.message)

    await core.app.db.write(damage)
    entries, _ = await _all(core, "dominique")
    assert [entry.message.text for entry in entries] == [
        "intact", "Ce message est abîmé et ne peut pas être affiché. Il a été signalé."
    ]  # fmt: skip


async def test_many_devices_that_read_at_the_same_instant_count_a_message_down_once(core: House) -> None:
    sent = await core.letter("morel", "dominique")
    handle = await access.conversation(core.app, await core.mailbox("dominique"), sent.conversation)
    for _ in range(5):
        await core.answer("morel", sent.conversation)
        left = await asyncio.gather(*(reading.mark_read(core.app, handle, 2**40) for _ in range(6)))
        assert left[-1] == await reading.unread(core.app, await core.mailbox("dominique")) == 0


async def test_after_an_older_backup_no_mailbox_says_a_validity_it_ever_said(core: House) -> None:
    mailbox = core.morel.mailbox_id
    before = await core.app.db.read(entries.validity, mailbox)
    assert await core.app.db.write(entries.renumbered, before + 60) >= len(core.people)
    assert await core.app.db.read(entries.validity, mailbox) == before + 60
    await core.app.db.write(entries.renumbered, before)  # a clock that went back
    assert await core.app.db.read(entries.validity, mailbox) == before + 61
