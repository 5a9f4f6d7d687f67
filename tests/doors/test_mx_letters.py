"""What a letter of another operator becomes in the mailbox of the patient it is for."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mail_gateway import verdict
from server import access, actions, attachments, reading
from server.agenda import book
from storage import accounts
from tests import letters
from tests.letters import CAMILLE, DOMINIQUE, MARCEL
from tests.mail_house import (
    ELSEWHERE,
    FROM,
    TO_CAMILLE,
    TO_DOMINIQUE,
    TO_MARCEL,
    MailHouse,
    bring,
    open_mail_house,
    plain,
)


@pytest.fixture
async def house(tmp_path: Path, sqlite_url: str) -> AsyncIterator[MailHouse]:
    async with open_mail_house(tmp_path, sqlite_url) as opened:
        yield opened


async def test_a_letter_that_names_one_of_the_thread_joins_it(house: MailHouse) -> None:
    await bring(house, plain("un"))
    await bring(house, plain("deux", message_id="<2@operator.example>", in_reply_to="<1@operator.example>"))
    one, two = await house.entries("dominique")
    assert one.conversation == two.conversation
    assert two.message.in_reply_to == one.message.id


async def test_the_subject_alone_never_joins_two_letters_nor_does_a_stranger_with_the_right_reference(
    house: MailHouse,
) -> None:
    await bring(house, plain("un"))
    await bring(house, plain("deux", message_id="<2@operator.example>"))
    other = ("Dr Autre", "autre@operator.example")
    await bring(
        house, plain("trois", message_id="<3@operator.example>", in_reply_to="<1@operator.example>", from_=other)
    )
    assert len({entry.conversation for entry in await house.entries("dominique")}) == 3


async def test_references_of_another_patient_lead_nowhere(house: MailHouse) -> None:
    await bring(house, plain("à Dominique"))
    answer = plain("à Marcel", message_id="<2@operator.example>", in_reply_to="<1@operator.example>", to=TO_MARCEL)
    assert (await bring(house, answer, TO_MARCEL)).startswith("250")
    assert await house.texts("dominique") == ["à Dominique"]
    assert await house.texts("marcel") == ["à Marcel"]


async def test_fin_ends_the_answers_and_the_next_letter_reopens_them(house: MailHouse) -> None:
    await bring(house, plain("Terminé.", headers={"X-MSS-MES": "FIN"}))
    (entry,) = await house.entries("dominique")
    box = await house.mailbox("dominique")
    assert (await access.conversation(house.app, box, entry.conversation)).replies == "closed"
    await bring(house, plain("Encore un mot", message_id="<2@operator.example>", in_reply_to="<1@operator.example>"))
    assert (await access.conversation(house.app, box, entry.conversation)).replies == "open"


async def test_reply_to_takes_part_instead_of_the_one_who_wrote(house: MailHouse) -> None:
    await bring(house, plain("Votre rendez-vous", headers={"Reply-To": "Secrétariat <secretariat@operator.example>"}))
    (entry,) = await house.entries("dominique")
    assert entry.message.author.name == "Dr Paul BERTIN"
    handle = await access.conversation(house.app, await house.mailbox("dominique"), entry.conversation)
    others = [one.address for one in await reading.people_in(house.app, handle) if one.kind == "professional"]
    assert others == ["secretariat@operator.example"]


async def test_reply_to_another_operator_is_not_believed(house: MailHouse) -> None:
    await bring(house, plain("Bonjour", headers={"Reply-To": "agathe.morel@pli.example"}))
    (entry,) = await house.entries("dominique")
    handle = await access.conversation(house.app, await house.mailbox("dominique"), entry.conversation)
    others = [one.address for one in await reading.people_in(house.app, handle) if one.kind == "professional"]
    assert others == [FROM]


async def test_the_prefix_of_the_senders_software_is_not_shown(house: MailHouse) -> None:
    await bring(house, plain(subject="XDM/1.0/DDM+Compte rendu PAT-TROIS DOMINIQUE 28/03/1979"))
    (entry,) = await house.entries("dominique")
    assert entry.message.subject == "Compte rendu PAT-TROIS DOMINIQUE 28/03/1979"


async def test_a_text_too_long_to_read_is_cut_and_enclosed_whole(house: MailHouse) -> None:
    long = "\n".join(f"ligne {number} du très long message" for number in range(10_000))
    assert (await bring(house, plain(long))).startswith("250")
    (entry,) = await house.entries("dominique")
    assert "fichier joint" in entry.message.text[-80:]
    (file,) = entry.message.attachments
    _, data = await attachments.opened(house.app, await house.mailbox("dominique"), file.space, file.id)
    assert data.decode().replace("\r\n", "\n").strip() == long


async def test_a_letter_comes_in_the_same_way_on_both_engines(tmp_path: Path, database_url: str) -> None:
    async with open_mail_house(tmp_path, database_url) as house:
        for number in range(2):
            files = [
                ("IHE_XDM.ZIP", "application/zip", letters.xdm_zip()),
                ("a.bin", "application/zip", bytes(200_000)),
            ]
            letter = plain(
                f"n° {number}",
                files=files,
                message_id=f"<{number}@operator.example>",
                in_reply_to="<0@operator.example>",
            )
            assert (await bring(house, letter)).startswith("250")
            assert (await bring(house, letter)).startswith("250"), "again"
        one, two = await house.entries("dominique")
        assert one.conversation == two.conversation
        assert [file.damaged for file in two.message.attachments] == ["", "", ""]


async def test_a_letter_with_files_keeps_them_readable(house: MailHouse) -> None:
    pdf = letters.pdf("A jeun depuis minuit")
    letter = letters.with_attachments(
        ("consignes.pdf", "application/pdf", pdf), ("note.txt", "text/plain", b"bonjour"), from_=ELSEWHERE
    )
    assert (await bring(house, letter)).startswith("250")
    (entry,) = await house.entries("dominique")
    box = await house.mailbox("dominique")
    files = {file.name: file for file in entry.message.attachments}
    assert (files["consignes.pdf"].type, files["consignes.pdf"].size) == ("application/pdf", len(pdf))
    _, opened = await attachments.opened(house.app, box, files["consignes.pdf"].space, files["consignes.pdf"].id)
    assert opened == pdf
    _, opened = await attachments.opened(house.app, box, files["note.txt"].space, files["note.txt"].id)
    assert opened == b"bonjour"


async def test_more_files_than_one_can_look_through_are_refused_with_the_reason(house: MailHouse) -> None:
    files = [(f"{number}.txt", "text/plain", b"x") for number in range(41)]
    assert (await bring(house, plain(files=files))).startswith("552 5.3.4 Trop de pieces jointes")
    assert (await bring(house, plain(files=files[:40]))).startswith("250")
    (entry,) = await house.entries("dominique")
    assert len(entry.message.attachments) == 40


async def test_html_comes_in_without_scripts_nor_anything_to_fetch(house: MailHouse) -> None:
    html = (
        '<p onclick="x()">Bonjour <b>Dominique</b></p><script>alert(1)</script><img src="https://espion.example/1.gif">'
    )
    assert (await bring(house, plain("Bonjour", html=html))).startswith("250")
    (entry,) = await house.entries("dominique")
    assert "<b>Dominique</b>" in entry.message.html
    assert not re.search("script|img|onclick|espion", entry.message.html)


async def test_two_patients_of_one_letter_never_learn_of_each_other(house: MailHouse) -> None:
    to: list[letters.Who] = [("Dominique PAT-TROIS", TO_DOMINIQUE), ("Marcel PAT-DEUX", TO_MARCEL), letters.MOREL]
    letter = plain("Réunion d’information", to=to, headers={"X-Original-To": TO_MARCEL, "Bcc": TO_CAMILLE})
    assert (await bring(house, letter, TO_DOMINIQUE, TO_MARCEL)).startswith("250")
    for name, own, other in (("dominique", DOMINIQUE, MARCEL), ("marcel", MARCEL, DOMINIQUE)):
        (entry,) = await house.entries(name)
        handle = await access.conversation(house.app, await house.mailbox(name), entry.conversation)
        opened = await reading.open_unchecked(house.app, handle.keys, entry.message.id)
        raw = await attachments.raw_unchecked(house.app, handle.keys, opened.message)
        assert raw is not None
        assert own.encode() in raw
        assert not re.search(rf"{other}|PAT-(?:DEUX|TROIS)|{CAMILLE}".encode(), raw)
        assert opened.body.mail is not None
        assert opened.body.mail.to == (f"{own}@patient.pli.example", letters.MOREL[1])


# ---- documents -------------------------------------------------------------------------------------------------------


def with_archive(data: bytes) -> bytes:
    return letters.with_attachments(("IHE_XDM.ZIP", "application/zip", data), from_=ELSEWHERE)


async def test_a_document_of_an_archive_is_offered_with_what_its_header_says(house: MailHouse) -> None:
    assert (await bring(house, with_archive(letters.xdm_zip()))).startswith("250")
    (entry,) = await house.entries("dominique")
    archive, document = entry.message.attachments
    assert (archive.name, archive.damaged) == ("IHE_XDM.ZIP", "")
    assert (document.title, document.category, document.author) == (
        "Compte rendu d’examens biologiques", "biology", "Dr Marcel CAMPARINI",
    )  # fmt: skip
    assert document.created.startswith("2026-11-20")
    facts, data = await attachments.opened(house.app, await house.mailbox("dominique"), document.space, document.id)
    assert data.startswith(b"%PDF-")
    assert facts.type == "application/pdf"
    assert facts.unique_id


async def test_the_packages_of_the_ans_are_read(house: MailHouse, samples: Path) -> None:
    taken = 0
    for number, path in enumerate(sorted((samples / "xdm").glob("*.[zZ][iI][pP]"))):
        letter = letters.with_attachments(
            ("IHE_XDM.ZIP", "application/zip", path.read_bytes()),
            from_=ELSEWHERE,
            message_id=f"<{number}@operator.example>",
        )
        assert (await bring(house, letter)).startswith("250"), path.name
        taken += 1
    assert taken
    for entry in await house.entries("dominique"):
        assert [file.damaged for file in entry.message.attachments] == ["", ""]
        assert entry.message.attachments[1].title


@pytest.mark.parametrize(
    "data",
    [
        letters.xdm_zip(damage=True),
        letters.xdm_zip()[:-300],
        b"PK\x03\x04 pas une archive",
        letters.xdm_zip(documents=[b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>' + letters.cda()]),
        letters.archive([("IHE_XDM/SUBSET01/METADATA.XML", b"<a/>")]),
    ],
    ids=["wrong hash", "cut", "no zip", "DOCTYPE", "no metadata"],
)
async def test_an_archive_that_cannot_be_read_is_delivered_and_says_so(data: bytes, house: MailHouse) -> None:
    assert (await bring(house, with_archive(data))).startswith("250")
    (entry,) = await house.entries("dominique")
    (file,) = entry.message.attachments
    assert file.damaged
    box = await house.mailbox("dominique")
    with pytest.raises(Exception, match="damaged"):
        await actions.acting.act(house.app, box, entry.message.id, "dossier.file", {"attachment": file.id}, "1")


@pytest.mark.parametrize(
    "data",
    [
        letters.xdm_zip(ins=MARCEL),
        letters.xdm_zip(metadata_ins=MARCEL),
        letters.xdm_zip(metadata_ins=DOMINIQUE, ins=MARCEL),
        letters.xdm_zip(birth_date="19790329"),
        letters.xdm_zip(birth_name="AUTRE"),
        letters.xdm_zip(confidentiality=("N", "INVISIBLE_PATIENT")),
    ],
    ids=["both", "metadata", "document", "birth date", "birth name", "hidden from the patient"],
)
async def test_a_document_of_somebody_else_never_gets_in(data: bytes, house: MailHouse) -> None:
    said = await bring(house, with_archive(data))
    assert said.startswith("250"), said
    assert await house.entries("dominique") == []
    (held,) = await verdict.listed(house.app)
    assert held["code"] == ("906" if held["reason"] == "invisible_patient" else "904")


# ---- appointments ----------------------------------------------------------------------------------------------------


def invited(**more: object) -> bytes:
    facts: dict[str, object] = {"organizer": ELSEWHERE, "message_id": "<rdv@operator.example>", **more}
    return letters.invitation(**facts)  # type: ignore[arg-type]


async def test_an_invitation_is_a_card_and_a_cancellation_takes_it_out_of_the_agenda(house: MailHouse) -> None:
    await bring(house, invited())
    (entry,) = await house.entries("dominique")
    assert entry.message.card is not None
    assert entry.message.card["title"] == "Consultation d’anesthésie"
    offered = [choice["action"] for choice in entry.message.card["choices"]]
    assert offered == ["agenda.accept", "agenda.decline", "agenda.counter"]
    box = await house.mailbox("dominique")
    await actions.acting.act(house.app, box, entry.message.id, "agenda.accept", {}, "1")
    agenda = await access.dossier(house.app, box)
    assert [one.state for one in await book.appointments(house.app, agenda)] == ["accepted"]
    stranger = ("Dr Autre", "autre@operator.example")
    await bring(house, invited(method="CANCEL", sequence=1, organizer=stranger, message_id="<x@operator.example>"))
    assert [one.state for one in await book.appointments(house.app, agenda)] == ["accepted"]
    await bring(house, invited(method="CANCEL", sequence=1, message_id="<c@operator.example>"))
    (after,) = await book.appointments(house.app, agenda)
    assert (after.state, after.title) == ("cancelled", "Consultation d’anesthésie")


async def test_an_invitation_that_cannot_be_read_is_a_letter(house: MailHouse) -> None:
    letter = invited()
    broken = letter.replace(b"BEGIN:VEVENT", b"BEGIN:VEVEXT")
    assert broken != letter
    assert (await bring(house, broken)).startswith("250")
    (entry,) = await house.entries("dominique")
    assert (entry.message.card, entry.message.kind) == (None, "text")


# ---- automatic mail --------------------------------------------------------------------------------------------------


async def test_the_null_sender_brings_automatic_notices_only(house: MailHouse) -> None:
    assert (await bring(house, plain(), sender="")).startswith("550 5.7.1")
    notice = plain("Je suis absent jusqu’à lundi.", headers={"Auto-Submitted": "auto-replied"})
    assert (await bring(house, notice, sender="")).startswith("250")
    assert await house.texts("dominique") == ["Je suis absent jusqu’à lundi."]


async def test_everything_of_a_closed_account_is_refused(house: MailHouse) -> None:
    gone = house.people["dominique"].account_id
    await house.app.db.write(accounts.end, gone)
    assert (await bring(house, plain()))[:3] == "550"
