"""Who may answer whom: an exchange ended and opened again by mail, somebody blocked and let in again by the patient."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server import access, blocking, reading
from server.actions.acting import act
from server.drafts import Draft, Member
from server.errors import Invalid, NotAllowed, Refused
from server.handles import ConversationHandle
from server.posting import post
from tests import letters
from tests.browser.scenes import appointment, letter_with_documents
from tests.browser.visitor import visitor
from tests.house import House
from tests.mail_house import ELSEWHERE, TO_DOMINIQUE, TO_MARCEL, MailHouse, bring, open_mail_house, plain

FIN = {"X-MSS-MES": "FIN"}


@pytest.fixture
async def mail(tmp_path: Path, sqlite_url: str) -> AsyncIterator[MailHouse]:
    async with open_mail_house(tmp_path, sqlite_url, deliver=False) as house:
        yield house


async def _texts(house: House, name: str) -> list[str]:
    page = await reading.since(house.app, await house.mailbox(name), 0)
    return [entry.message.text for entry in page.entries if entry.kind == "message"]


async def _conversations(house: MailHouse) -> list[ConversationHandle]:
    box = await house.mailbox("dominique")
    names = dict.fromkeys(entry.conversation for entry in await house.entries("dominique"))
    return [await access.conversation(house.app, box, name) for name in names]


async def test_fin_ends_every_conversation_with_that_professional_and_with_nobody_else(mail: MailHouse) -> None:
    await bring(mail, plain("Premier sujet", subject="Cicatrice", message_id="<1@operator.example>"))
    other = plain("Autre médecin", from_=("Dr Autre", "autre@operator.example"), message_id="<2@operator.example>")
    await bring(mail, other, sender="autre@operator.example")
    await bring(mail, plain("Terminé", subject="Ordonnance", message_id="<3@operator.example>", headers=FIN))
    first, another, last = await _conversations(mail)
    assert (first.replies, another.replies, last.replies) == ("closed", "open", "closed")
    with pytest.raises(NotAllowed, match="mis fin"):
        await post(mail.app, mail.dominique, Draft(to=first, text="Et pourtant"))
    await post(mail.app, mail.dominique, Draft(to=another, text="Merci"))


async def test_after_fin_the_patient_may_not_begin_anew_either(mail: MailHouse) -> None:
    await bring(mail, plain("Terminé", headers=FIN))
    space = await access.own_space(mail.app, mail.dominique)
    with pytest.raises(NotAllowed, match="mis fin"):
        await access.correspondent(mail.app, space, "paul.bertin@operator.example")


async def test_the_subject_fin_alone_ends_the_exchange_in_the_last_conversation(mail: MailHouse) -> None:
    await bring(mail, plain("Bonjour"))
    assert (await bring(mail, plain("", subject="[FIN]", message_id="<2@operator.example>"))).startswith("250")
    (conversation,) = await _conversations(mail)
    assert conversation.replies == "closed"
    assert (await mail.texts("dominique"))[-1] == "Dr Paul BERTIN a mis fin à cet échange."


@pytest.mark.parametrize("subject", ["[fin]", "Re: [FIN]", "FIN", "[FIN] de traitement"])
async def test_a_subject_that_only_looks_like_fin_is_an_ordinary_letter(mail: MailHouse, subject: str) -> None:
    await bring(mail, plain("Bonjour", subject=subject))
    (conversation,) = await _conversations(mail)
    assert conversation.replies == "open"


async def test_the_next_ordinary_letter_gives_the_answer_back_and_an_automatic_one_does_not(mail: MailHouse) -> None:
    await bring(mail, plain("Terminé", headers=FIN))
    absence = plain("Absent", message_id="<2@operator.example>", headers={"Auto-Submitted": "auto-replied"})
    await bring(mail, absence)
    assert {handle.replies for handle in await _conversations(mail)} == {"closed"}
    await bring(mail, plain("Encore un mot", message_id="<3@operator.example>"))
    assert {handle.replies for handle in await _conversations(mail)} == {"open"}


async def test_who_ended_the_exchange_gets_no_answer_while_a_colleague_still_does(core: House) -> None:
    sent = await core.letter("morel", "dominique")
    handle = await access.conversation(core.app, await core.mailbox("morel"), sent.conversation)
    desk = core.admissions
    joining = Member(desk.account_id, desk.mailbox_id, desk.organisation_id, desk.name, desk.address)
    await post(core.app, core.morel, Draft(to=handle, text="Je mets les admissions en copie.", members=(joining,)))
    await core.stand("morel", "dominique", "replies", "ended")
    await core.answer("dominique", sent.conversation, "Merci à tous")
    assert await _texts(core, "morel") == ["Bonjour", "Je mets les admissions en copie."]
    assert (await _texts(core, "admissions"))[-1] == "Merci à tous"


async def test_what_an_ended_exchange_brought_can_still_be_filed_and_answered(house: House) -> None:
    await letter_with_documents(house)
    await appointment(house)
    await house.stand("morel", "dominique", "replies", "ended")
    box = await house.mailbox("dominique")
    entries = (await reading.since(house.app, box, 0)).entries
    document = next(file.id for file in entries[0].message.attachments if file.category)
    await act(house.app, box, entries[0].message.id, "dossier.file", {"attachment": document}, "a")
    await act(house.app, box, entries[1].message.id, "agenda.accept", {}, "b")
    said, heard = await _texts(house, "dominique"), await _texts(house, "morel")
    assert ("dans votre dossier" in said[-2], said[-1].startswith("Rendez-vous accepté")) == (True, True)
    assert heard[-1] == said[-1]


async def test_the_patient_blocks_somebody_and_lets_them_write_again(house: House) -> None:
    sent = await house.letter("morel", "dominique")
    async with visitor(house, "dominique") as dominique:
        place = f"/c/{sent.conversation}"
        assert "Ne plus recevoir ses messages" in (await dominique.get(place)).said
        form = {"member": house.morel.account_id, "free": "0"}
        assert (await dominique.post(f"{place}/block", form)).status == 303
        blocked = await dominique.get(place)
        assert "Dr Agathe MOREL est bloqué" in blocked.said
        assert "Vous avez bloqué Dr MOREL le" in blocked.said
        assert "<textarea" not in blocked.text
        assert (await dominique.post(place, {"text": "Bonjour"})).status == 403
        assert (await dominique.post(f"{place}/block", {**form, "free": "1"})).status == 303
        assert (await dominique.post(place, {"text": "Bonjour"})).status == 303
    async with visitor(house, "morel") as morel:
        assert "bloqué" not in (await morel.get(place)).said


async def test_nobody_blocks_in_the_name_of_somebody_else(core: House) -> None:
    sent = await core.letter("morel", "dominique")
    with pytest.raises(NotAllowed):
        await blocking.block(core.app, await core.mailbox("morel"), sent.conversation, core.dominique.account_id)
    with pytest.raises(Refused):
        await blocking.block(core.app, await core.mailbox("marcel"), sent.conversation, core.morel.account_id)
    with pytest.raises(Invalid):
        await blocking.block(core.app, await core.mailbox("dominique"), sent.conversation, core.lab.account_id)


# ---- letters of somebody who is blocked ------------------------------------------------------------------------------


async def _block_bertin(house: MailHouse) -> None:
    await bring(house, plain("Bonjour"))
    box = await house.mailbox("dominique")
    (entry,) = await house.entries("dominique")
    conversation = await access.conversation(house.app, box, entry.conversation)
    (bertin,) = [one for one in await reading.people_in(house.app, conversation) if one.kind == "professional"]
    await blocking.block(house.app, box, entry.conversation, bertin.member_id)


async def test_a_blocked_professional_is_told_and_the_patient_is_left_in_peace(mail: MailHouse) -> None:
    await _block_bertin(mail)
    before = await mail.texts("dominique")
    said = await bring(mail, plain("Encore moi", message_id="<2@operator.example>"))
    assert said.startswith("550 5.7.1 Ce patient ne souhaite pas recevoir vos messages")
    assert await mail.texts("dominique") == before
    assert (await bring(mail, plain("À Marcel", message_id="<3@operator.example>"), TO_MARCEL)).startswith("250")


async def test_another_patient_of_the_same_letter_has_it_all_the_same(mail: MailHouse) -> None:
    await _block_bertin(mail)
    before = await mail.texts("dominique")
    both = plain("À tous deux", message_id="<2@operator.example>")
    assert (await bring(mail, both, TO_DOMINIQUE, TO_MARCEL)).startswith("250")
    assert await mail.texts("marcel") == ["À tous deux"]
    assert await mail.texts("dominique") == before


async def test_where_silence_is_chosen_a_blocked_professional_learns_nothing(tmp_path: Path, sqlite_url: str) -> None:
    async with open_mail_house(tmp_path, sqlite_url, deliver=False, blocked_senders="silent") as house:
        await _block_bertin(house)
        before = await house.texts("dominique")
        assert (await bring(house, plain("Encore moi", message_id="<2@operator.example>"))).startswith("250")
        assert await house.texts("dominique") == before


async def test_a_blocked_professional_still_deposits_a_document_without_a_word(mail: MailHouse) -> None:
    await _block_bertin(mail)
    archive = letters.with_attachments(
        ("IHE_XDM.ZIP", "application/zip", letters.xdm_zip()), ("injure.txt", "text/plain", b"Un mot de plus"),
        text="Un mot que personne ne veut lire", from_=ELSEWHERE, message_id="<2@operator.example>",
    )  # fmt: skip
    assert (await bring(mail, archive)).startswith("250")
    last = (await mail.entries("dominique"))[-1].message
    assert last.text.startswith("Un document a été déposé par ce professionnel, que vous avez bloqué.")
    assert [file.name for file in last.attachments if not file.label] == ["IHE_XDM.ZIP"]
    assert [file.label for file in last.attachments if file.label]
    assert last.html == ""


# ---- whom a letter is for --------------------------------------------------------------------------------------------


async def test_a_childs_letter_goes_to_the_childs_own_space(mail: MailHouse) -> None:
    await bring(mail, plain("Vaccin de Camille"), mail.address("camille"))
    assert await mail.texts("camille") == ["Vaccin de Camille"]
    assert await mail.texts("dominique") == []


# ---- the same rules on the web and by the API ------------------------------------------------------------------------


async def test_somebody_blocked_does_not_get_in_by_the_chat_either(house: House) -> None:
    sent = await house.letter("morel", "dominique")
    await house.stand("morel", "dominique", "block", "blocked")
    async with visitor(house, "morel") as morel:
        answer = await morel.post(f"/c/{sent.conversation}", {"text": "Une dernière chose."})
    async with visitor(house, "dominique") as dominique:
        thread = await dominique.get(f"/c/{sent.conversation}")
    assert answer.status == 403
    assert "Ce patient ne souhaite pas recevoir vos messages." in answer.said
    assert "Une dernière chose." in answer.text  # what was written is kept
    assert "Une dernière chose." not in thread.said


async def test_an_exchange_that_was_ended_opens_again_when_the_professional_writes_in_the_chat(house: House) -> None:
    sent = await house.letter("morel", "dominique")
    await house.stand("morel", "dominique", "replies", "ended")
    await house.answer("morel", sent.conversation, "Finalement, une question.")
    assert (await house.answer("dominique", sent.conversation, "Oui ?")).message
