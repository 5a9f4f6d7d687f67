"""What a draft is as a mail, and what a mail is as a draft: people, files, octets that are no mail, the trash."""

from __future__ import annotations

import pytest

from mail_gateway.imap.answers import No
from mail_gateway.imap.shelves import Opened
from server import uploads
from storage.entries import DRAFT, SEEN
from storage.ids import new_id
from tests.house import House
from tests.storage.test_mail_drafts import keep, letter, mail_of, marked, on_the_web, shelf_of, uids_of


async def test_what_dr_morel_writes_on_the_web_is_a_mail_in_its_thread_and_stays_the_same(house: House) -> None:
    sent = await house.letter("morel", "dominique")
    answer = await house.answer("dominique", sent.conversation, "J’ai mal.")
    shelf, draft = await shelf_of(house), new_id()
    file = await uploads.take_whole(house.app, house.morel, "plan.pdf", "application/pdf", b"%PDF-1.4")
    await keep(house, draft, 0, "Venez demain.", sent.conversation, uploads=(file,))
    (uid,) = await uids_of(shelf)
    octets, mail = await mail_of(shelf, uid)
    assert mail["From"].addresses[0].addr_spec == house.morel.address
    assert [one.addr_spec for one in mail["To"].addresses] == [house.address("dominique")]
    assert mail["Subject"] == "Re: Consignes"
    assert mail["In-Reply-To"] == f"<{answer.message}@{house.app.settings.mail_domain}>"
    assert mail["In-Reply-To"] in mail["References"]
    body = mail.get_body()
    assert body is not None
    assert body.get_content().strip() == "Venez demain."
    assert [one.get_filename() for one in mail.iter_attachments()] == ["plan.pdf"]
    assert (await mail_of(await shelf_of(house), uid))[0] == octets
    assert (await shelf.standing()).rows[0].flags == DRAFT | SEEN


async def test_what_a_page_cannot_hold_stays_a_mail_of_its_own(house: House) -> None:
    sent = await house.letter("morel", "dominique")
    named = f"<{sent.message}@{house.app.settings.mail_domain}>"
    shelf = await shelf_of(house)
    uid = await shelf.append(letter("Ci-joint.", "plan.pdf", in_reply_to=named), (), None)
    (kept,) = await on_the_web(house, sent.conversation)
    told = await keep(house, kept.id, kept.version, "Ci-joint, donc.", sent.conversation)
    assert told.other, "its file was not on the page that wrote over it"
    assert "plan.pdf" in (await mail_of(shelf, uid))[0].decode()
    assert {item.writing.text for item in await on_the_web(house, sent.conversation)} == {
        "Ci-joint.",
        "Ci-joint, donc.",
    }
    assert len(await uids_of(shelf)) == 2


async def test_whom_a_draft_is_for_is_asked_of_nobody(house: House) -> None:
    shelf = await shelf_of(house)
    known = await house.letter("morel", "dominique")
    asked = {
        house.address("marcel"): "people",  # has a space; never wrote with Dr Morel
        "184127512345640@patient.pli.example": "people",  # has none
        "": "nobody",
        f"{house.address('dominique')}, {house.address('camille')}": "people",
        house.address("dominique"): "",
    }
    for to, why in asked.items():
        uid = await shelf.append(letter("Bonjour", subject="Un mot", **({"to": to} if to else {})), (), None)
        (kept,) = await on_the_web(house)
        assert kept.writing.mail is not None
        assert (kept.writing.mail.why, kept.writing.to) == (why, "" if why else known.conversation)
        await marked(shelf, uid)


async def test_octets_that_are_no_mail_are_kept_as_they_came(house: House) -> None:
    shelf = await shelf_of(house)
    deep = b"".join(b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n) for n in range(300))
    for raw in (b"", b"\0" * 100, b"Subject: ?\r\n" + deep, b"X" * 200_000):
        uid = await shelf.append(raw, (), None)
        (opened,) = [one async for one in shelf.open([uid], facts=True, text=True)]
        assert isinstance(opened, Opened)
        assert await opened.octets() == raw
        assert len(await on_the_web(house)) == 1
        await marked(shelf, uid)


async def test_a_draft_goes_to_the_trash_for_good_and_nowhere_else(house: House) -> None:
    shelf = await shelf_of(house)
    uid = await shelf.append(letter("À jeter"), (), None)
    for to in ("inbox", "sent", "archive"):
        with pytest.raises(No, match="brouillon"):
            await shelf.move([uid], to)
    with pytest.raises(No, match="brouillon"):
        await shelf.copy([uid], "trash")
    standing = await shelf.standing()
    assert await shelf.move([uid], "trash") == [(uid, 0)]
    assert list((await shelf.news(standing.modseq)).left) == [uid]
    assert await on_the_web(house) == []
