"""The right thread: a letter finds its conversation by References or by the token of the address, in this patient's
space and from this sender; nothing else leads there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mail_gateway.rendition import as_mail
from server import access, reading
from server.drafts import Draft
from server.posting import post
from tests import mail_text
from tests.mail_house import FROM, TO_DOMINIQUE, TO_MARCEL, MailHouse, bring, open_mail_house, plain
from tests.wire import connected

COLLEAGUE = ("Dr Zoé PETIT", "zoe.petit@operator.example")


@pytest.fixture
async def mail(tmp_path: Path, sqlite_url: str) -> AsyncIterator[MailHouse]:
    async with open_mail_house(tmp_path, sqlite_url, deliver=False) as house:
        yield house


async def _threads(house: MailHouse, name: str = "dominique") -> list[str]:
    """The conversation of each entry, in order, numbered as they appear."""
    seen: dict[str, str] = {}
    return [seen.setdefault(entry.conversation, f"thread {len(seen) + 1}") for entry in await house.entries(name)]


async def _answer(house: MailHouse, name: str = "dominique", text: str = "Merci docteur") -> dict[str, str]:
    """The patient answers the newest letter; the header of the mail that leaves."""
    last = (await house.entries(name))[-1]
    box = await house.mailbox(name)
    handle = await access.conversation(house.app, box, last.conversation)
    receipt = await post(house.app, house.people[name], Draft(to=handle, text=text))
    opened = await reading.open_unchecked(house.app, handle.keys, receipt.message)
    return mail_text.header(await as_mail(house.app, handle.keys, opened))


def _back(sent: dict[str, str], text: str, **more: str) -> bytes:
    """An answer to a patient's mail, as a mail client makes it."""
    wanted = {
        "to": mail_text.address(sent["Reply-To"]),
        "in_reply_to": sent["Message-ID"],
        "message_id": "<back@operator.example>",
    } | more
    return plain(text, subject=sent["Subject"], **{name: value for name, value in wanted.items() if value})


async def test_a_patients_letter_asks_to_be_answered_at_an_address_that_names_its_conversation(mail: MailHouse) -> None:
    await bring(mail, plain("Un"))
    await bring(mail, plain("Deux", subject="Autre chose", message_id="<2@operator.example>"))
    first, second = await _answer(mail), await _answer(mail)
    local, _, token = mail_text.address(first["Reply-To"]).rpartition("@")[0].partition("+")
    assert mail_text.address(first["From"]) == TO_DOMINIQUE
    assert local == TO_DOMINIQUE.partition("@")[0]
    assert len(token) == 26
    assert mail_text.address(second["Reply-To"]) == mail_text.address(first["Reply-To"])


async def test_without_its_references_an_answer_finds_its_thread_by_the_token(mail: MailHouse) -> None:
    await bring(mail, plain("Opération"))
    sent = await _answer(mail)
    address = mail_text.address(sent["Reply-To"])
    assert (await bring(mail, _back(sent, "Quatorze mois après", in_reply_to=""), address)).startswith("250")
    assert await _threads(mail) == ["thread 1"] * 3


async def test_without_its_token_an_answer_finds_its_thread_by_the_references(mail: MailHouse) -> None:
    await bring(mail, plain("Opération"))
    sent = await _answer(mail)
    assert (await bring(mail, _back(sent, "Quatorze mois après", to=TO_DOMINIQUE))).startswith("250")
    assert await _threads(mail) == ["thread 1"] * 3


async def test_a_token_in_somebody_elses_hand_leads_nowhere(mail: MailHouse) -> None:
    await bring(mail, plain("Opération"))
    sent = await _answer(mail)
    stranger = _back(sent, "Je connais l’adresse", in_reply_to="", from_=COLLEAGUE)  # type: ignore[arg-type]
    assert (await bring(mail, stranger, mail_text.address(sent["Reply-To"]), sender=COLLEAGUE[1])).startswith("250")
    assert await _threads(mail) == ["thread 1", "thread 1", "thread 2"]


@pytest.mark.parametrize("spoilt", ["{0}+{1}{2}", "{0}+{1}+{1}", "{0}+{2}", "{0}+{1}x"])
async def test_a_doubled_or_altered_token_is_refused_in_words(mail: MailHouse, spoilt: str) -> None:
    await bring(mail, plain("Opération"))
    ins, _, token = mail_text.address((await _answer(mail))["Reply-To"]).rpartition("@")[0].partition("+")
    altered = token[:-1] + ("a" if token[-1] != "a" else "b")
    address = spoilt.format(ins, token, altered) + "@patient.pli.example"
    async with connected(mail.app.ports["smtp"], mail.peer()) as wire:
        _, said = await wire.envelope(FROM, address)
    too_long = len(address) > 64 + len("@patient.pli.example")  # RFC 5321 § 4.5.3.1.1
    assert said.startswith("553 5.1.3" if too_long else "550 5.1.1 Cette adresse de reponse est abimee")


async def test_an_answer_with_a_new_subject_opens_a_conversation_that_follows_the_old(mail: MailHouse) -> None:
    await bring(mail, plain("Opération"))
    sent = await _answer(mail)
    letter = plain(
        "Autre sujet", subject="Votre ordonnance", in_reply_to=sent["Message-ID"], message_id="<3@operator.example>"
    )
    assert (await bring(mail, letter)).startswith("250")
    assert await _threads(mail) == ["thread 1", "thread 1", "thread 2"]
    old, _, new = await mail.entries("dominique")
    handle = await access.conversation(mail.app, await mail.mailbox("dominique"), new.conversation)
    assert (handle.about, handle.subject) == (old.conversation, "Votre ordonnance")


@pytest.mark.parametrize(
    "subject",
    [
        "Re: Consignes",
        "RE : Ré: Consignes",
        "[EXTERNE] Re: Consignes",
        "consignes",
        "Re: Consignes - PAT-TROIS",
        "",
        "TR: Cons",
    ],
)
async def test_what_software_does_to_a_subject_opens_nothing(mail: MailHouse, subject: str) -> None:
    await bring(mail, plain("Opération", subject="Consignes"))
    sent = await _answer(mail)
    await bring(mail, plain("Oui", subject=subject, in_reply_to=sent["Message-ID"], message_id="<3@operator.example>"))
    assert await _threads(mail) == ["thread 1"] * 3


async def test_a_colleague_in_copy_answers_in_the_same_thread_and_reads_the_answers(mail: MailHouse) -> None:
    copied = plain(
        "Je mets ma consœur en copie", headers={"Cc": f"Dr Zoé PETIT <{COLLEAGUE[1]}>, intrus@nulle-part.example"}
    )
    await bring(mail, copied)
    answer = plain(
        "Je prends le relais", from_=COLLEAGUE, subject="RE: Préparation de votre admission",
        in_reply_to="<1@operator.example>", message_id="<OUTLOOK-2@operator.example>",
    )  # fmt: skip
    assert (await bring(mail, answer, sender=COLLEAGUE[1])).startswith("250")
    assert await _threads(mail) == ["thread 1", "thread 1"]
    sent = await _answer(mail)
    assert {mail_text.address(one) for one in sent["To"].split(",")} == {FROM, COLLEAGUE[1]}


@pytest.mark.parametrize("first", ["patient", "colleague"])
async def test_a_hosted_colleague_in_copy_of_a_letter_from_elsewhere_is_in_the_thread(
    mail: MailHouse, first: str
) -> None:
    morel = mail.address("morel")
    letter = plain("Pour la patiente et sa chirurgienne", headers={"Cc": morel})
    parts = {"patient": TO_DOMINIQUE, "colleague": morel}  # their operator sends one part to each domain
    second = "colleague" if first == "patient" else "patient"
    assert (await bring(mail, letter, parts[first])).startswith("250")
    assert (await bring(mail, letter, parts[second])).startswith("250")
    assert await mail.texts("dominique") == await mail.texts("morel") == ["Pour la patiente et sa chirurgienne"]


async def test_a_letter_to_a_hosted_professional_alone_is_refused(mail: MailHouse) -> None:
    said = await bring(mail, plain("Cher confrère", to=mail.address("morel")), mail.address("morel"))
    assert said.startswith("550 5.7.1 Aucun patient parmi les destinataires")


async def test_an_answer_to_another_patients_message_is_held_and_shown_to_nobody(mail: MailHouse) -> None:
    await bring(mail, plain("À Dominique"))
    sent = await _answer(mail)
    forged = plain("Pour Marcel ?", to=TO_MARCEL, in_reply_to=sent["Message-ID"], message_id="<3@operator.example>")
    assert (await bring(mail, forged, TO_MARCEL)).startswith("250")
    assert await mail.texts("marcel") == []
    assert await mail.texts("dominique") == ["À Dominique", "Merci docteur"]
    rows = await mail.app.db.read(lambda tx: tx.run("SELECT space_id, state, reason FROM quarantine"))
    assert rows == [(mail.marcel.space_id, "held", "forged_reference")]
