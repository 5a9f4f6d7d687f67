"""A draft is the same on the web and in the folder Drafts of a mail client: on both engines."""

from __future__ import annotations

import email
import email.policy
from datetime import timedelta
from email.message import EmailMessage

import pytest
import time_machine

from mail_gateway.imap.answers import No
from mail_gateway.imap.draft_shelf import DraftShelf
from mail_gateway.imap.shelves import Opened
from server import access, keeping, mail_drafts, sending, uploads
from server.errors import Conflict
from server.keeping import Kept, Writing
from server.sending import Letter
from storage import uploads as upload_rows
from storage.entries import DELETED, DRAFT, FLAGGED, SEEN
from storage.ids import new_id, now_ms
from tests.house import House


async def shelf_of(core: House) -> DraftShelf:
    return DraftShelf(core.app, await core.mailbox("morel"))


async def uids_of(shelf: DraftShelf) -> list[int]:
    return [row.uid for row in (await shelf.standing()).rows]


async def mail_of(shelf: DraftShelf, uid: int) -> tuple[bytes, EmailMessage]:
    (opened,) = [one async for one in shelf.open([uid], facts=True)]
    assert isinstance(opened, Opened)
    octets = await opened.octets()
    assert opened.size == len(octets)
    parsed = email.message_from_bytes(octets, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return octets, parsed


async def keep(core: House, draft: str, version: int, text: str, conversation: str = "", **more: object) -> Kept:
    writing = Writing(text=text, **more)  # type: ignore[arg-type]
    return await keeping.keep(core.app, await core.mailbox("morel"), draft, version, conversation, writing)


async def on_the_web(core: House, conversation: str | None = None) -> list[Kept]:
    return await keeping.kept(core.app, await core.mailbox("morel"), conversation)


def letter(text: str, *files: str, **fields: str) -> bytes:
    """What a mail client keeps. A field by its name in lower case, with underscores."""
    mail = EmailMessage()
    for name, value in fields.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(text)
    for name in files:
        mail.add_attachment(b"%PDF-1.4 " + name.encode(), maintype="application", subtype="pdf", filename=name)
    return mail.as_bytes(policy=email.policy.SMTP)


async def marked(shelf: DraftShelf, uid: int) -> None:
    await shelf.store([uid], lambda flags: flags | DELETED)
    assert await shelf.expunge([uid]) == [uid]


async def test_another_version_is_another_mail_and_what_was_sent_or_thrown_away_has_left(core: House) -> None:
    sent = await core.letter("morel", "dominique")
    shelf, box, draft = await shelf_of(core), await core.mailbox("morel"), new_id()
    await keep(core, draft, 0, "Bon", sent.conversation)
    before = await shelf.standing()
    await keep(core, draft, 1, "Bonjour", sent.conversation)
    news = await shelf.news(before.modseq)
    assert list(news.left) == [before.rows[0].uid]
    (moved,) = news.moved
    assert moved.uid > before.rows[0].uid
    assert "Bonjour" in (await mail_of(shelf, moved.uid))[0].decode()
    to = await access.conversation(core.app, box, sent.conversation)
    await sending.send(core.app, box, to, Letter("Bonjour", new_id(), draft=draft))
    assert list((await shelf.news(news.modseq)).left) == [moved.uid]
    other = new_id()
    await keep(core, other, 0, "Encore", sent.conversation)
    seen = await shelf.standing()
    await keeping.throw_away(core.app, box, other)
    assert list((await shelf.news(seen.modseq)).left) == [seen.rows[0].uid]
    assert await core.app.db.read(
        lambda tx: tx.run("SELECT COUNT(*) FROM renditions WHERE message_id = :d", d=draft)
    ) == [(0,)]


async def test_a_draft_of_a_mail_client_is_written_on_on_the_web_with_its_files(core: House) -> None:
    sent = await core.letter("morel", "dominique")
    named = f"<{sent.message}@{core.app.settings.mail_domain}>"
    raw = letter(
        "Je vous appelle.", "plan.pdf", to=core.address("dominique"), subject="Re: Consignes", in_reply_to=named
    )
    shelf, box = await shelf_of(core), await core.mailbox("morel")
    uid = await shelf.append(raw, frozenset({"\\draft", "\\flagged"}), None)
    assert (await mail_of(shelf, uid))[0] == raw
    assert (await shelf.standing()).rows[0].flags == DRAFT | SEEN | FLAGGED
    (kept,) = await on_the_web(core, sent.conversation)
    assert (kept.writing.text, kept.writing.in_reply_to) == ("Je vous appelle.", sent.message)
    taken = await mail_drafts.take_files(core.app, box, kept)
    assert [file.name for file in await uploads.listed(core.app, core.morel, taken.writing.uploads)] == ["plan.pdf"]
    assert await uids_of(shelf) == [uid], "looking at it changes no mail"
    again = await keep(
        core, kept.id, kept.version, "Je vous appelle lundi.", sent.conversation, uploads=taken.writing.uploads
    )
    assert (again.version, again.other) == (2, "")
    with time_machine.travel(timedelta(days=20), tick=True):  # a draft waits longer than what no draft names
        await core.app.db.write(upload_rows.sweep, now_ms())
        (now,) = await uids_of(shelf)
        assert now > uid
        _, mail = await mail_of(shelf, now)
    assert [one.get_filename() for one in mail.iter_attachments()] == ["plan.pdf"]


async def test_a_client_that_saves_anew_goes_on_with_one_draft(core: House) -> None:
    shelf, sent = await shelf_of(core), await core.letter("morel", "dominique")
    to = core.address("dominique")
    first = await shelf.append(letter("Bon", to=to, subject="Genou", message_id="<a@x>"), (), None)
    (begun,) = await on_the_web(core)
    assert (begun.writing.to, begun.writing.whom) == (sent.conversation, core.dominique.account_id)
    for text, name in (("Bonjour", "<a@x>"), ("Bonjour Dominique", "<b@x>")):  # one Message-ID for ever, or one a save
        later = await shelf.append(letter(text, to=to, subject="Genou", message_id=name), (), None)
        assert await uids_of(shelf) == [first, later], "what a client put there stays until it takes it away"
        if name == "<a@x>":
            assert [item.writing.text for item in await on_the_web(core)] == [text]
        await marked(shelf, first)
        first = later
    (kept,) = await on_the_web(core)
    assert (kept.id, kept.version, kept.writing.text) == (begun.id, 3, "Bonjour Dominique")
    assert await uids_of(shelf) == [first]
    await marked(shelf, first)
    assert await on_the_web(core) == []
    with pytest.raises(Conflict):
        await keep(core, kept.id, 3, "Trop tard")
    assert await core.app.db.read(lambda tx: tx.run("SELECT COUNT(*) FROM blobs")) == [(0,)]


async def test_two_who_write_at_once_lose_nothing_and_two_drafts_stay_two(core: House) -> None:
    sent = await core.letter("morel", "dominique")
    shelf, draft = await shelf_of(core), new_id()
    named = f"<{sent.message}@{core.app.settings.mail_domain}>"
    await keep(core, draft, 0, "Au bureau", sent.conversation)
    (uid,) = await uids_of(shelf)
    name = str((await mail_of(shelf, uid))[1]["Message-ID"])
    await keep(core, draft, 1, "Au bureau, puis sur la page", sent.conversation)
    await shelf.append(letter("Au bureau, puis dans le train", message_id=name, in_reply_to=named), (), None)
    assert await shelf.expunge([uid]) == [], "that version has left already"
    assert {item.writing.text for item in await on_the_web(core, sent.conversation)} == {
        "Au bureau, puis sur la page", "Au bureau, puis dans le train",
    }  # fmt: skip


async def test_drafts_are_their_writers_alone_and_have_a_limit_that_is_said(
    core: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = DraftShelf(core.app, await access.mailbox(core.app, core.morel, core.anesthesia.mailbox_id))
    await theirs.append(letter("Pour l’équipe"), (), None)
    assert await uids_of(await shelf_of(core)) == []
    assert await uids_of(DraftShelf(core.app, await core.mailbox("anesthesia"))) == []
    monkeypatch.setattr(keeping, "MAX_DRAFTS", 1)
    monkeypatch.setattr(mail_drafts, "MAX_DRAFTS", 1 - mail_drafts.ROOM_TO_SAVE)
    with pytest.raises(No, match="au plus"):
        await theirs.append(letter("Encore un"), (), None)
    monkeypatch.setattr(mail_drafts, "MAX_DRAFTS", 100)
    monkeypatch.setattr(mail_drafts, "MAX_OCTETS", 1_000)
    with pytest.raises(No, match="Mo de brouillons"):
        await theirs.append(letter("x" * 2_000), (), None)
    assert len(await uids_of(theirs)) == 1
