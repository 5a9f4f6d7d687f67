"""What a mail client does to messages, and what the web shows of it; and the other way; on both engines."""

from __future__ import annotations

import asyncio
from types import ModuleType

import pytest

from server import access, filing, listing, marks, reading, search, teams
from server.drafts import MailFacts, Member, Receipt
from server.errors import Refused
from server.handles import MailboxHandle
from server.listing import Choice
from server.search import Asked
from storage import entries, placements
from storage import filing as rows
from storage.database import Tx
from storage.entries import ANSWERED, DELETED, FLAGGED, MDN_SENT, SEEN
from storage.placements import ARCHIVE, INBOX, SENT, TRASH
from tests.house import House


async def asked(core: House, subject: str = "Genou", words: tuple[str, ...] = ("J’ai mal.", "Encore.")) -> Receipt:
    """Dr Morel wrote to Dominique, who wrote back."""
    sent = await core.letter("morel", "dominique", subject=subject)
    for word in words:
        await core.answer("dominique", sent.conversation, word)
    return sent


async def uids(core: House, box: MailboxHandle, folder: str = INBOX) -> list[int]:
    return [row[0] for row in await core.app.db.read(placements.listed, box.mailbox_id, folder)]


async def flags(core: House, box: MailboxHandle, folder: str = INBOX) -> dict[int, int]:
    return {row[0]: row[2] for row in await core.app.db.read(placements.listed, box.mailbox_id, folder)}


async def shown(core: House, who: str, name: str = "all") -> list[str]:
    return [row.subject for row in (await listing.page(core.app, await core.mailbox(who), Choice(name), None, 40)).rows]


async def thread(core: House, who: str, sent: Receipt) -> list[str]:
    handle = await access.conversation(core.app, await core.mailbox(who), sent.conversation)
    return [entry.message.text for entry in (await reading.thread(core.app, handle)).entries]


async def keep(core: House, box: MailboxHandle, sent: Receipt, kind: str, on: bool = True) -> None:
    handle = await access.conversation(core.app, box, sent.conversation)
    await marks.put(core.app, box, handle, kind, on, "")


async def test_flags_are_set_for_many_at_once_and_what_moved_meanwhile_is_left(
    core: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filing, "TOGETHER", 2)  # five messages are three commits
    await asked(core, words=tuple(f"Message {number}" for number in range(5)))
    box = await core.mailbox("morel")
    every = await uids(core, box)
    known = await core.app.db.read(entries.last_seq, box.mailbox_id)
    changed, modified = await filing.store(core.app, box, INBOX, every[:1], lambda flags: flags | FLAGGED)
    assert ([one.uid for one in changed], modified) == (every[:1], [])
    assert changed[0].modseq > known
    changed, modified = await filing.store(core.app, box, INBOX, every, lambda flags: flags | SEEN, known)
    assert ([one.uid for one in changed], modified) == (every[1:], every[:1])
    assert await reading.unread(core.app, box) == 1

    def more(bit: int) -> object:
        return filing.store(core.app, box, INBOX, every, lambda flags: flags | bit)

    await asyncio.gather(*(more(bit) for bit in (ANSWERED, FLAGGED, SEEN)))  # type: ignore[call-overload]
    assert set((await flags(core, box)).values()) == {ANSWERED | FLAGGED | SEEN}
    await filing.store(core.app, box, INBOX, every, lambda flags: MDN_SENT)
    await filing.store(core.app, box, INBOX, every, lambda flags: 0)
    assert set((await flags(core, box)).values()) == {MDN_SENT}, "once it is there it stays (RFC 3503)"
    with pytest.raises(Refused):
        await filing.store(core.app, await core.mailbox("dominique"), INBOX, [1], lambda flags: flags)


async def test_what_leaves_the_inbox_last_is_archived_on_the_web_and_what_comes_back_is_not(core: House) -> None:
    sent = await asked(core)
    box = await core.mailbox("morel")
    first, second = await uids(core, box)
    ((_, there),) = await filing.move(core.app, box, INBOX, [first], ARCHIVE)
    assert await shown(core, "morel") == ["Genou"], "something of it is still in the inbox"
    await filing.move(core.app, box, INBOX, [second], TRASH)
    assert (await shown(core, "morel"), await shown(core, "morel", "archived")) == ([], ["Genou"])
    assert await shown(core, "dominique") == ["Genou"]
    assert await thread(core, "morel", sent) == ["Bonjour", "J’ai mal.", "Encore."]
    ((_, back),) = await filing.copy(core.app, box, ARCHIVE, [there], INBOX)
    assert await shown(core, "morel") == ["Genou"]
    assert (await uids(core, box), await uids(core, box, ARCHIVE)) == ([back], [there])
    changed, _ = await filing.store(core.app, box, ARCHIVE, [there], lambda flags: flags | SEEN | DELETED)
    assert changed[0].flags == SEEN | DELETED
    assert (await flags(core, box))[back] == SEEN, "one read state; thrown away in one place only"
    assert await filing.expunge(core.app, box, ARCHIVE) == [there]
    assert await uids(core, box) == [back]


async def test_what_is_archived_on_the_web_moves_in_the_mail_client_and_back(core: House) -> None:
    sent = await asked(core)
    box = await core.mailbox("morel")
    before = await uids(core, box)
    await keep(core, box, sent, "archived")
    assert (await uids(core, box), len(await uids(core, box, ARCHIVE)), len(await uids(core, box, SENT))) == ([], 2, 1)
    assert await core.app.db.read(placements.left_since, box.mailbox_id, INBOX, 0) == before
    await core.answer("dominique", sent.conversation, "Encore une chose.")
    assert (len(await uids(core, box)), await shown(core, "morel")) == (1, ["Genou"])
    await keep(core, box, sent, "archived")
    await keep(core, box, sent, "archived", on=False)
    assert (len(await uids(core, box)), await uids(core, box, ARCHIVE), await shown(core, "morel")) == (
        3,
        [],
        ["Genou"],
    )

    await filing.move(core.app, box, INBOX, await uids(core, box), TRASH)
    await keep(core, box, sent, "archived", on=False)
    assert (len(await uids(core, box)), await uids(core, box, TRASH)) == (3, [])

    await keep(core, box, sent, "muted")
    await keep(core, box, sent, "archived")
    await core.answer("dominique", sent.conversation, "Et une autre.")
    assert (len(await uids(core, box)), await shown(core, "morel")) == (1, []), "there it arrives, here it stays away"

    patient = await core.mailbox("dominique")
    await keep(core, patient, sent, "archived")
    assert len(await uids(core, patient)) == 1, "a patient's messages stand in no folders"


async def test_a_team_that_files_a_question_has_not_answered_it_and_hands_it_over_whole(core: House) -> None:
    sent = await core.letter("admissions", "dominique")
    await core.answer("dominique", sent.conversation, "À quelle heure ?")
    box = await access.mailbox(core.app, core.petit, core.admissions.mailbox_id)
    await keep(core, box, sent, "archived")
    await filing.move(core.app, box, SENT, await uids(core, box, SENT), ARCHIVE)
    (case,) = await teams.board(core.app, box)
    assert (case.state, bool(case.since)) == ("waiting", True)
    await core.answer("admissions", sent.conversation, "À huit heures.")
    await filing.move(core.app, box, SENT, await uids(core, box, SENT), TRASH)
    assert [case.state for case in await teams.board(core.app, box)] == ["answered"]
    await filing.store(core.app, box, ARCHIVE, await uids(core, box, ARCHIVE), lambda flags: flags | DELETED)
    await filing.expunge(core.app, box, ARCHIVE)
    await teams.hand_over(core.app, box, sent.conversation, core.anesthesia.account_id)
    other = await access.mailbox(core.app, core.morel, core.anesthesia.mailbox_id)
    handle = await access.conversation(core.app, other, sent.conversation)
    read = [entry.message.text for entry in (await reading.thread(core.app, handle)).entries]
    assert read[:3] == ["Bonjour", "À quelle heure ?", "À huit heures."]
    assert await reading.unread(core.app, other) == 1, "the line that tells of it: the rest was answered"


async def test_what_is_expunged_is_gone_for_the_professional_and_stays_for_everybody_else(core: House) -> None:
    sent = await asked(core)
    box = await core.mailbox("morel")
    first, second = await uids(core, box)
    await filing.store(core.app, box, INBOX, [first], lambda flags: flags | DELETED | FLAGGED)
    assert await filing.expunge(core.app, box, INBOX, [second]) == [], "what is not marked stays"
    assert await filing.expunge(core.app, box, INBOX) == [first]
    assert await reading.unread(core.app, box) == 1, "what is gone waits for nobody"
    assert await shown(core, "morel", "followed") == []
    assert await thread(core, "morel", sent) == ["Bonjour", "Encore."]
    assert await thread(core, "dominique", sent) == ["Bonjour", "J’ai mal.", "Encore."]
    page = await reading.since(core.app, box, 0)
    assert [entry.message.text for entry in page.entries if entry.kind == "message"] == ["Bonjour", "Encore."]
    assert (await search.search(core.app, box, Asked("mal"))).hits == 0
    assert (await search.search(core.app, await core.mailbox("dominique"), Asked("mal"))).hits == 1
    gone = (await reading.since(core.app, await core.mailbox("dominique"), 0)).entries[1].message.id
    with pytest.raises(Refused):
        await access.conversation_of_message(core.app, box, gone)

    for folder in (INBOX, SENT):
        every = await uids(core, box, folder)
        await filing.store(core.app, box, folder, every, lambda flags: flags | DELETED)
        await filing.expunge(core.app, box, folder)
    assert [await shown(core, "morel", name) for name in ("all", "archived", "unread", "waiting")] == [[]] * 4
    counts = (await listing.page(core.app, box, Choice(), None, 40)).counts
    assert set(counts.values()) == {0}
    assert await shown(core, "dominique") == ["Genou"]
    await core.answer("dominique", sent.conversation, "Docteur ?")
    assert await shown(core, "morel") == ["Genou"]
    assert await thread(core, "morel", sent) == ["Docteur ?"]

    def removed(tx: Tx) -> set[str]:
        return {row[0] for row in tx.run("SELECT actor_id FROM audit WHERE act = 'message:removed'")}

    assert await core.app.db.read(removed) == {core.morel.account_id}


async def test_the_answered_message_says_so_whatever_answered_it_and_nothing_waits(core: House) -> None:
    sent = await asked(core)
    box = await core.mailbox("morel")
    first, second = await uids(core, box)
    assert await shown(core, "morel", "waiting") == ["Genou"]
    known = (await reading.since(core.app, box, 0)).entries
    asked_first = next(entry.message.id for entry in known if entry.message.text == "J’ai mal.")
    await core.answer("morel", sent.conversation, "Depuis quand ?", in_reply_to=asked_first)
    assert await flags(core, box) == {first: ANSWERED, second: 0}
    await core.answer("dominique", sent.conversation, "Hier.")
    await core.answer("morel", sent.conversation, "Bien.")
    assert await flags(core, box) == {first: ANSWERED, second: 0, (await uids(core, box))[-1]: ANSWERED}
    assert await shown(core, "morel", "waiting") == []

    await core.answer("dominique", sent.conversation, "Et demain ?")
    last = (await uids(core, box))[-1]
    await filing.store(core.app, box, INBOX, [second], lambda flags: flags | ANSWERED)
    assert await shown(core, "morel", "waiting") == ["Genou"], "another one waits"
    await filing.store(core.app, box, INBOX, [last], lambda flags: flags | ANSWERED)
    assert await shown(core, "morel", "waiting") == []


async def test_a_client_is_told_that_the_receipt_is_pli_s_to_send(core: House) -> None:
    """RFC 3503: $MDNSent, on the first reading of a letter that asked for a receipt and whose author Pli tells."""
    leroy = core.leroy
    member = Member(leroy.account_id, leroy.mailbox_id, leroy.organisation_id, leroy.name, leroy.address, leroy.role)
    for receipt_to, expected in ((core.morel.address, SEEN | MDN_SENT), ("", SEEN)):
        facts = MailFacts(receipt_to=receipt_to, return_path=core.morel.address)
        await core.letter("morel", "dominique", raw=b"Subject: Genou\r\n\r\nBonjour\r\n", mail=facts, members=(member,))
        box = await core.mailbox("leroy")
        uid = (await uids(core, box))[-1]
        (changed,), _ = await filing.store(core.app, box, INBOX, [uid], lambda flags: flags | SEEN)
        assert changed.flags == expected == (await flags(core, box))[uid]
    (patient, *_) = await uids(core, await core.mailbox("dominique"))
    handle = await access.conversation_of_message(
        core.app, await core.mailbox("dominique"), (await reading.since(core.app, box, 0)).entries[0].message.id
    )
    await reading.mark_read(core.app, handle, patient)
    assert (await flags(core, await core.mailbox("dominique")))[patient] == SEEN | MDN_SENT


async def test_a_patient_s_word_costs_what_it_did_and_an_office_s_answer_two_statements(
    core: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, list[str]] = {}

    class Counting:
        def __init__(self, tx: Tx, what: str) -> None:
            self.engine, self._tx, self._what = tx.engine, tx, what

        def run(self, sql: str, **params: object) -> list[tuple[object, ...]]:
            told.setdefault(self._what, []).append(sql)
            return self._tx.run(sql, **params)

    def count(owner: ModuleType, name: str) -> None:
        inner = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda tx, *args, **more: inner(Counting(tx, name), *args, **more))

    sent = await asked(core)
    count(entries, "add")
    count(rows, "mark_answered")
    await core.answer("dominique", sent.conversation, "Un mot.")
    assert {what: len(run) for what, run in told.items()} == {"add": 2 * 3}
    told.clear()
    await core.answer("morel", sent.conversation, "Un mot.")
    assert {what: len(run) for what, run in told.items()} == {"add": 2 * 3, "mark_answered": 2}


async def test_a_star_is_one_on_the_web_and_in_the_mail_client(core: House) -> None:
    sent = await asked(core)
    box = await core.mailbox("morel")
    first, second = await uids(core, box)
    handle = await access.conversation(core.app, box, sent.conversation)
    for _ in range(2):
        await filing.follow(core.app, box, handle, True)
    assert await flags(core, box) == {first: 0, second: FLAGGED}
    await core.answer("morel", sent.conversation, "Je m’en occupe.")
    await filing.store(core.app, box, INBOX, [first], lambda flags: flags | FLAGGED)
    assert await shown(core, "morel", "followed") == ["Genou"]
    assert (await marks.state(core.app, box, sent.conversation))[0].followed
    await filing.follow(core.app, box, handle, False)
    assert not any(flag & FLAGGED for flag in (await flags(core, box)).values())
    assert await shown(core, "morel", "followed") == []
    patient = await core.mailbox("dominique")
    with pytest.raises(Refused):
        await filing.follow(core.app, patient, await access.conversation(core.app, patient, sent.conversation), True)
