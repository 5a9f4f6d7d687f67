"""What is being written, what comes in pieces, what is corrected: on both engines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import time_machine

from server import access, attachments, correcting, demo, keeping, lookups, reading, sending, uploads, writing_rules
from server.drafts import Draft, Member, Opening
from server.errors import Conflict, Invalid, NotAllowed, Refused, Throttled
from server.keeping import Writing
from server.posting import post
from server.sending import Letter
from storage import accounts, messages
from storage import uploads as upload_rows
from storage.ids import new_id, now_ms
from tests.house import House


async def _write(core: House, draft: str, version: int, text: str, conversation: str = "c") -> keeping.Kept:
    return await keeping.keep(
        core.app, await core.mailbox("dominique"), draft, version, conversation, Writing(text=text)
    )


async def test_a_draft_grows_version_by_version_and_is_its_writers_alone(core: House) -> None:
    draft = new_id()
    assert (await _write(core, draft, 0, "")).version == 0, "nothing is not kept"
    assert (await _write(core, draft, 0, "Bon")).version == 1
    assert (await _write(core, draft, 1, "Bonjour")).version == 2
    box = await core.mailbox("dominique")
    (kept,) = await keeping.kept(core.app, box, "c")
    assert (kept.id, kept.version, kept.writing.text) == (draft, 2, "Bonjour")
    assert await keeping.kept(core.app, box, "another") == []
    assert await keeping.one(core.app, await core.mailbox("marcel"), draft) is None
    stored = await core.app.db.read(lambda tx: tx.run("SELECT body FROM drafts"))
    assert b"Bonjour" not in bytes(stored[0][0])


async def test_dominiques_draft_for_camille_is_not_camilles_to_read(core: House) -> None:
    theirs = await core.mailbox("dominique", core.camille.mailbox_id)
    await keeping.keep(core.app, theirs, new_id(), 0, "c", Writing(text="Elle tousse."))
    assert [item.writing.text for item in await keeping.kept(core.app, theirs)] == ["Elle tousse."]
    assert await keeping.kept(core.app, await core.mailbox("camille")) == []


async def test_two_devices_that_write_at_once_lose_nothing(core: House) -> None:
    draft = new_id()
    await _write(core, draft, 0, "Bonjour")
    await _write(core, draft, 1, "Bonjour, écrit au salon")
    phone = await _write(core, draft, 1, "Bonjour, écrit dans le bus")
    assert phone.other
    found = {item.id: item.writing.text for item in await keeping.kept(core.app, await core.mailbox("dominique"), "c")}
    assert found == {draft: "Bonjour, écrit dans le bus", phone.other: "Bonjour, écrit au salon"}
    late = await _write(core, draft, 1, "Bonjour, écrit dans le bus, et la suite")
    assert late.other == "", "what only goes on hides nothing"


async def test_a_draft_ends_with_its_message_and_no_late_device_brings_it_back(core: House) -> None:
    sent = await core.letter("morel", "dominique")
    box = await core.mailbox("dominique")
    to = await access.conversation(core.app, box, sent.conversation)
    for saved_before in (True, False):
        draft = new_id()
        if saved_before:
            await _write(core, draft, 0, "Merci", sent.conversation)
        await sending.send(core.app, box, to, Letter("Merci docteur", new_id(), draft=draft))
        with pytest.raises(Conflict):
            await _write(core, draft, 1 if saved_before else 0, "Merc", sent.conversation)
    assert await keeping.kept(core.app, box) == []


# ---- files in pieces ------------------------------------------------------------------------------------------------


async def _octets(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def _cut(data: bytes) -> AsyncIterator[bytes]:
    yield data
    raise ConnectionResetError


async def test_a_file_goes_on_where_it_was_cut_and_is_whole_in_the_message(core: House) -> None:
    data = bytes(range(256)) * 6_000
    begun = await uploads.begin(core.app, core.dominique, "radio.jpg", "image/jpeg", len(data), "1700")
    with pytest.raises(ConnectionResetError):
        await uploads.add(core.app, core.dominique, begun.id, 0, _cut(data[:700_000]))
    again = await uploads.begin(core.app, core.dominique, "radio.jpg", "image/jpeg", len(data), "1700")
    assert (again.id, again.received) == (begun.id, uploads.PIECE)
    with pytest.raises(Conflict):
        await uploads.add(core.app, core.dominique, begun.id, 0, _octets(data))
    whole = await uploads.add(core.app, core.dominique, begun.id, again.received, _octets(data[again.received :]))
    assert whole.whole
    sent = await core.letter("morel", "dominique")
    box = await core.mailbox("dominique")
    to = await access.conversation(core.app, box, sent.conversation)
    receipt = await sending.send(core.app, box, to, Letter("", "k", uploads=(begun.id,)))
    assert (await sending.send(core.app, box, to, Letter("", "k", uploads=(begun.id,)))).message == receipt.message
    opened = await reading.open_unchecked(core.app, to.keys, receipt.message)
    ((file, facts),) = opened.files
    assert (facts.name, facts.size) == ("radio.jpg", len(data))
    assert (await attachments.opened_unchecked(core.app, to.keys, file))[1] == data
    assert await core.app.db.read(lambda tx: tx.run("SELECT COUNT(*) FROM upload_parts")) == [(0,)]


async def test_an_upload_is_its_owners_and_goes_after_a_day(core: House) -> None:
    begun = await uploads.begin(core.app, core.dominique, "a.txt", "text/plain", 10)
    await uploads.add(core.app, core.dominique, begun.id, 0, _octets(b"12345"))
    for somebody in (core.marcel, core.morel):
        with pytest.raises(Refused):
            await uploads.standing(core.app, somebody, begun.id)
    left = await uploads.begin(core.app, core.dominique, "b.txt", "text/plain", 3)
    await uploads.add(core.app, core.dominique, left.id, 0, _octets(b"abc"))
    held = await uploads.take_whole(core.app, core.dominique, "c.txt", "text/plain", b"abc")
    for who in (core.dominique, core.marcel):  # an answer of a form names them; Marcel cannot keep what is not his
        named = [held, begun.id] if who is core.dominique else [left.id]
        await core.app.db.write(uploads.hold, await access.own_space(core.app, who), named, ())
    with time_machine.travel(timedelta(hours=25), tick=True):
        with pytest.raises(Refused):
            await uploads.standing(core.app, core.dominique, begun.id)
        assert await core.app.db.write(upload_rows.sweep, now_ms()) == 2
        await core.app.db.write(messages.forget_uploads, core.dominique.space_id, now_ms())
    assert await core.app.db.read(messages.attachment, core.dominique.space_id, held)
    with time_machine.travel(timedelta(days=31), tick=True):
        assert await core.app.db.write(upload_rows.sweep, now_ms()) == 1
    assert await core.app.db.read(lambda tx: tx.run("SELECT COUNT(*) FROM blobs")) == [(0,)]
    assert await core.app.db.read(messages.attachment, core.dominique.space_id, left.id) is None


# ---- one of several, corrections ------------------------------------------------------------------------------------


async def _three(core: House) -> str:
    """Dr Morel writes to Dominique with the admissions team."""
    space = await access.patient(core.app, core.morel, core.ins("dominique"))
    team = core.admissions
    members = (Member(team.account_id, team.mailbox_id, team.organisation_id, team.name, team.address, team.role),)
    draft = Draft(to=Opening(space, "Votre entrée", members), text="Nous vous attendons.")
    return (await post(core.app, core.morel, draft)).conversation


async def _texts(core: House, who: str) -> list[str]:
    page = await reading.since(core.app, await core.mailbox(who), 0)
    return [entry.message.text for entry in page.entries if entry.kind == "message"]


async def test_a_word_for_dr_morel_alone_does_not_reach_the_team(core: House) -> None:
    conversation = await _three(core)
    box = await core.mailbox("dominique")
    to = await access.conversation(core.app, box, conversation)
    await sending.send(core.app, box, to, Letter("Pour vous seule", "k", only=core.morel.account_id))
    assert await _texts(core, "morel") == ["Nous vous attendons.", "Pour vous seule"]
    assert await _texts(core, "admissions") == ["Nous vous attendons."]
    own = (await reading.since(core.app, box, 0)).entries[-1].message
    assert own.addressed == ["Dr Agathe MOREL"]
    with pytest.raises(Invalid):
        await sending.send(core.app, box, to, Letter("À un inconnu", "k2", only=core.marcel.account_id))
    await core.stand("morel", "dominique", "replies", "ended")
    with pytest.raises(NotAllowed, match="mis fin"):
        await sending.send(core.app, box, to, Letter("Encore", "k3", only=core.morel.account_id))


async def test_a_correction_keeps_what_was_said_before_and_is_told_to_everybody(core: House) -> None:
    conversation = await _three(core)
    sent = await core.answer("dominique", conversation, "Je prends 50 mg")
    receipt = await correcting.correct(core.app, await core.mailbox("dominique"), sent.message, "Je prends 5 mg", "k")
    again = await correcting.correct(core.app, await core.mailbox("dominique"), sent.message, "Je prends 5 mg", "k")
    assert again.message == receipt.message
    for who in ("dominique", "morel", "admissions"):
        page = await reading.since(core.app, await core.mailbox(who), 0)
        first = next(e.message for e in page.entries if e.message.id == sent.message)
        assert first.text == "Je prends 5 mg"
        assert [wording.text for wording in first.before] == ["Je prends 50 mg"]
        assert page.entries[-1].message.kind == "correction"
    changed = await reading.since(core.app, await core.mailbox("morel"), 2)
    assert ("change", sent.message) in [(entry.kind, entry.message.id) for entry in changed.entries]


async def test_nobody_corrects_anothers_words_nor_old_ones_nor_with_the_same(core: House) -> None:
    letter = await core.letter("morel", "camille", "Venez lundi")
    theirs = await core.mailbox("dominique", core.camille.mailbox_id)
    to = await access.conversation(core.app, theirs, letter.conversation)
    hers = await post(core.app, core.dominique, Draft(to=to, text="Elle viendra."))
    with pytest.raises(NotAllowed, match="Seule la personne"):
        await correcting.correct(core.app, await core.mailbox("camille"), hers.message, "Je viendrai.")
    with pytest.raises(NotAllowed, match="Seule la personne"):
        await correcting.correct(core.app, theirs, letter.message, "Venez mardi")
    with pytest.raises(Invalid, match="le même"):
        await correcting.correct(core.app, theirs, hers.message, "Elle viendra.")
    with time_machine.travel(timedelta(hours=25), tick=True), pytest.raises(NotAllowed, match="trop ancien"):
        await correcting.correct(core.app, theirs, hers.message, "Elle ne viendra pas.")
    await correcting.correct(core.app, theirs, hers.message, "Elle viendra mardi.")


# ---- to whom --------------------------------------------------------------------------------------------------------


async def test_those_one_may_not_write_to_are_named_with_the_reason(core: House) -> None:
    for writer in ("morel", "admissions", "lab"):
        await core.letter(writer, "dominique")
    box = await core.mailbox("dominique")
    assert {one.name: one.why for one in await writing_rules.known(core.app, box)} == {
        core.morel.name: "", core.admissions.name: "", core.lab.name: "machine",
    }  # fmt: skip
    await core.stand("morel", "dominique", "replies", "ended")
    await core.stand("admissions", "dominique", "block", "blocked")
    await core.app.db.write(accounts.end, core.lab.account_id)
    found = {one.name: (one.why, bool(one.since)) for one in await writing_rules.known(core.app, box)}
    assert found == {
        core.morel.name: ("ended", True), core.admissions.name: ("blocked", True), core.lab.name: ("gone", True),
    }  # fmt: skip
    (patient,) = await writing_rules.known(core.app, await core.mailbox("admissions"))
    assert (patient.name, patient.why) == (core.dominique.name, "blocked_by_them")


async def test_a_patient_is_named_by_ins_and_birth_date_and_no_answer_tells_which_was_wrong(core: House) -> None:
    box = await core.mailbox("morel")
    ins, born = core.ins("marcel"), demo.HOLDERS["marcel"].birth_date
    space = await writing_rules.patient(core.app, core.morel, box, f"{ins[:1]} {ins[1:]}", born)
    assert space.holder == core.marcel.account_id
    said = set()
    for asked, day in ((ins, "1950-01-02"), ("184127512345640", born)) * (lookups.MOST // 2):
        with pytest.raises(Refused) as refused:
            await writing_rules.patient(core.app, core.morel, box, asked, day)
        said.add(refused.value.detail)
    assert len(said) == 1
    with pytest.raises(Throttled):
        await writing_rules.patient(core.app, core.morel, box, ins, born)
    with pytest.raises(Refused):
        await writing_rules.patient(core.app, core.dominique, await core.mailbox("dominique"), ins, born)
