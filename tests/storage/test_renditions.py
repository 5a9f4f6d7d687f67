"""Messages as mails: the same octets for ever, in their thread, and readable over IMAP; on both engines."""

from __future__ import annotations

import asyncio
import email
import email.policy
from email.message import EmailMessage

import pytest

from mail_gateway import describe, rendition
from mail_gateway.imap import imap_door
from server import access, attachments, reading
from server.drafts import Member
from storage import entries, renditions
from storage.vault import CannotOpen, SpaceKeys
from tests.house import House
from tests.imap_client import client


async def keys_of(core: House, name: str) -> SpaceKeys:
    return await core.app.db.read(lambda tx: reading.space_keys(core.app, tx, core.people[name].space_id))


async def octets(core: House, patient: str, message: str) -> bytes:
    keys = await keys_of(core, patient)
    return await rendition.as_mail(core.app, keys, await reading.open_unchecked(core.app, keys, message))


def parsed(raw: bytes) -> EmailMessage:
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


async def test_ten_who_read_a_message_first_all_see_the_same_mail(core: House) -> None:
    letter = await core.letter("morel", "dominique")
    upload = await attachments.upload(core.app, core.dominique, "bilan.pdf", "application/pdf", b"%PDF-1.7" * 10_000)
    answer = await core.answer("dominique", letter.conversation, "Voici.", uploads=(upload,))
    seen = await asyncio.gather(*(octets(core, "dominique", answer.message) for _ in range(10)))
    assert len(set(seen)) == 1
    [attached] = list(parsed(seen[0]).iter_attachments())
    assert attached.get_content() == b"%PDF-1.7" * 10_000


async def test_a_mail_that_was_read_does_not_change_when_somebody_joins(core: House) -> None:
    letter = await core.letter("morel", "dominique")
    before = await octets(core, "dominique", letter.message)
    admissions = Member(core.admissions.account_id, core.admissions.mailbox_id, core.admissions.organisation_id)
    joining = await core.answer("morel", letter.conversation, "Les admissions vous répondront.", members=(admissions,))
    assert await octets(core, "dominique", letter.message) == before
    assert parsed(await octets(core, "dominique", joining.message))["To"].addresses[0].addr_spec == core.address(
        "admissions"
    )


async def test_a_long_exchange_names_its_first_letter_and_the_nearest(core: House) -> None:
    """RFC 5322 § 3.6.4 lets References be cut; the root and the nearest are what clients thread by."""
    letter = await core.letter("morel", "dominique", "0")
    told = [letter]
    for number in range(1, 30):
        told.append(await core.answer("dominique", letter.conversation, str(number)))
    mails = [
        parsed(await octets(core, "dominique", receipt.message)) for receipt in (told[0], told[1], told[28], told[29])
    ]
    first, second, before, last = mails
    assert first["References"] is None
    assert first["Subject"] == "Consignes"
    assert second["In-Reply-To"] == second["References"] == first["Message-ID"]
    references = last["References"].split()
    assert len(references) == rendition.MAX_REFERENCES
    assert references[0] == first["Message-ID"]
    assert references[-1] == last["In-Reply-To"] == before["Message-ID"]
    assert last["Subject"] == "Re: Consignes"


async def test_an_answer_names_the_letter_it_answers_last(core: House) -> None:
    letter = await core.letter("morel", "dominique", "Question un")
    await core.answer("morel", letter.conversation, "Question deux")
    answer = await core.answer("dominique", letter.conversation, "À la première : oui.", in_reply_to=letter.message)
    first = parsed(await octets(core, "dominique", letter.message))
    mail = parsed(await octets(core, "dominique", answer.message))
    assert mail["In-Reply-To"] == first["Message-ID"]
    assert mail["References"].split()[-1] == first["Message-ID"]


async def test_a_bounce_comes_from_nobody_who_could_be_answered(core: House) -> None:
    letter = await core.letter("morel", "dominique")
    bounce = await core.answer("morel", letter.conversation, "Votre message n’a pas été distribué.", kind="bounce")
    mail = parsed(await octets(core, "dominique", bounce.message))
    assert mail["From"].addresses[0].addr_spec == f"no-reply@{core.app.settings.mail_domain}"
    assert mail["Auto-Submitted"] == "auto-generated"


async def test_what_an_older_version_said_of_a_mail_is_said_anew(core: House, monkeypatch: pytest.MonkeyPatch) -> None:
    letter = await core.letter("morel", "dominique")
    keys = await keys_of(core, "dominique")
    old = await rendition.rendered(core.app, keys, letter.message)
    monkeypatch.setattr(describe, "VERSION", describe.VERSION + 1)
    new = await rendition.rendered(core.app, keys, letter.message)
    assert new.facts.version == old.facts.version + 1
    assert (new.blob_id, new.size) == (old.blob_id, old.size)
    kept = await core.app.db.read(renditions.find, keys.space_id, letter.message)
    assert kept is not None
    assert rendition.known_facts(keys, letter.message, kept) == new.facts


async def test_another_patients_key_opens_nothing(core: House) -> None:
    letter = await core.letter("morel", "dominique")
    own = await keys_of(core, "dominique")
    kept = await rendition.rendered(core.app, own, letter.message)
    found = await core.app.db.read(renditions.find, own.space_id, letter.message)
    assert found is not None
    theirs = await keys_of(core, "marcel")
    with pytest.raises(CannotOpen):
        rendition.known_facts(theirs, letter.message, found)
    with pytest.raises(CannotOpen):
        await rendition.octets(core.app, theirs, kept.blob_id)


async def test_dr_morel_reads_flags_and_throws_away_over_imap(core: House) -> None:
    letter = await core.letter("morel", "dominique")
    for number in range(5):
        await core.answer("dominique", letter.conversation, f"Réponse {number}")
    async with imap_door(core.app), client(core) as morel:
        assert await morel.uids("UNSEEN") == [2, 4, 5, 6, 7]  # that hers was answered took 3
        assert (await morel.mail(5)).get_content().strip() == "Réponse 2"
        assert await morel.uids("BODY reponse", "NOT BODY 3") == [2, 4, 5, 7]
        await morel.do("uid", "STORE", "2:4", "+FLAGS", "(\\Seen \\Deleted)")
        await morel.do("expunge")
        assert await morel.uids("ALL") == [5, 6, 7]
        [status] = await morel.do("status", "INBOX", "(MESSAGES UNSEEN)")
        assert status == b"INBOX (MESSAGES 3 UNSEEN 3)"
    for who, left in (("morel", 4), ("dominique", 6)):  # what she threw away is the patient's still
        box = await core.mailbox(who)
        page = await reading.thread(core.app, await access.conversation(core.app, box, letter.conversation))
        assert len(page.entries) == left, who
    found = await core.app.db.read(entries.numbered, core.morel.mailbox_id, 2, 5)
    assert [(entry.seq, entry.folder) for entry in found] == [(2, "gone"), (4, "gone"), (5, "inbox")]


async def test_what_a_mail_client_lists_is_ready_before_it_asks_and_opens_no_letter(core: House) -> None:
    letter = await core.letter("morel", "dominique")
    box = core.morel.mailbox_id
    async with imap_door(core.app), client(core) as morel:
        await core.answer("dominique", letter.conversation, "Je viens à huit heures.")
        async with asyncio.timeout(10):
            while await core.app.db.read(renditions.wanting, box, 0, 2**62, 10):
                pass  # it is being made ready
        await core.app.db.write(lambda tx: tx.run("UPDATE messages SET body = :lost RETURNING id", lost=b"lost"))
        _, said = await morel.raw("UID FETCH 2:* (ENVELOPE BODYSTRUCTURE RFC822.SIZE BODY.PEEK[HEADER])")
        assert b"Dominique PAT-TROIS" in b"".join(said)


async def test_a_mailbox_that_no_mail_client_opens_costs_no_mail(core: House) -> None:
    letter = await core.letter("morel", "dominique")
    async with imap_door(core.app):
        await core.answer("dominique", letter.conversation, "Je viens à huit heures.")
        async with client(core, "admissions@pli.example"):
            await core.letter("admissions", "dominique")
            async with asyncio.timeout(10):
                while await core.app.db.read(renditions.wanting, core.admissions.mailbox_id, 0, 2**62, 10):
                    pass  # it is being made ready
        assert len(await core.app.db.read(renditions.wanting, core.morel.mailbox_id, 0, 2**62, 10)) == 2
