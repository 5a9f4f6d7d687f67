"""Situations that mail brings about between people, each through real SMTP connections in both directions: threads that
go astray and come back, colleagues, one letter to five hundred, and how somebody spells themselves.

Another operator's server takes what leaves, and its people's mail clients answer what it took, in their own ways.
"""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import AsyncIterator
from datetime import timedelta
from email.message import EmailMessage
from email.utils import getaddresses
from pathlib import Path

import pytest
import time_machine

from server import access, people
from server.people import Traits
from storage.ids import now_ms
from tests import letters
from tests.doors.test_outbound import opened
from tests.doors.test_submission import ADMISSIONS, submit
from tests.house import PASSWORD
from tests.letters import MOREL, NOON
from tests.mail_house import ELSEWHERE, FROM, TO_DOMINIQUE, TO_MARCEL, MailHouse, bring, open_mail_house, plain
from tests.other_operator import OtherOperator
from tests.speed import crowd

PETIT = ("Dr Zoé PETIT", "zoe.petit@operator.example")
FIVE_HUNDRED = 500
FOURTEEN_MONTHS = timedelta(days=425)


@pytest.fixture
async def both(tmp_path: Path, sqlite_url: str) -> AsyncIterator[tuple[MailHouse, OtherOperator]]:
    async with opened(tmp_path, sqlite_url) as pair:
        yield pair


@pytest.fixture
async def house(tmp_path: Path, sqlite_url: str) -> AsyncIterator[MailHouse]:
    async with open_mail_house(tmp_path, sqlite_url, deliver=False) as opened_:
        yield opened_


def addresses(letter: EmailMessage, *fields: str) -> set[str]:
    """Everybody in these fields."""
    return {address for _, address in getaddresses([str(letter[field]) for field in fields if letter[field]])}


def back(letter: EmailMessage, text: str, **changed: object) -> bytes:
    """An answer to a mail that came from us, as a mail client makes it; `changed`: what went astray on the way."""
    facts: dict[str, object] = {
        "to": str(letter["Reply-To"].addresses[0].addr_spec),
        "subject": f"RE: {str(letter['Subject']).removeprefix('Re: ')}",
        "in_reply_to": str(letter["Message-ID"]),
        "references": f"{letter['References']} {letter['Message-ID']}",
        "message_id": "<back@operator.example>",
    } | changed
    return plain(text, **facts)


async def conversations(house: MailHouse, name: str = "dominique") -> list[str]:
    """The conversation of each entry of a mailbox, in order."""
    return [entry.conversation for entry in await house.entries(name)]


async def answered(house: MailHouse, operator: OtherOperator, text: str = "Merci docteur") -> EmailMessage:
    """Dominique answers the newest letter; the mail as the other operator took it."""
    before = len(operator.got)
    (*_, last) = await house.entries("dominique")
    await house.answer("dominique", last.conversation, text)
    await house.delivered()
    return operator.got[before].letter


# ---- colleagues ------------------------------------------------------------------------------------------------------


def from_outlook(text: str, original: str, *, from_: tuple[str, str], to: str) -> bytes:
    """Outlook's own ways: Thread-Index, an identifier in capitals, « RE : », a header in the text, HTML of Word's."""
    quoted = f"De : Dr Paul BERTIN <{FROM}>\nEnvoyé : lundi 23 novembre 2026 13:00\nÀ : {TO_DOMINIQUE}\nObjet : Avis"
    html = f'<div class="WordSection1"><p class="MsoNormal">{text}<o:p></o:p></p></div><hr><p><b>De :</b> Dr BERTIN</p>'
    headers = {"Cc": TO_DOMINIQUE, "Thread-Topic": "Avis", "Thread-Index": "AdtYy0pQZ8rA8Jc4S0CqK8sFq0b1dA=="}
    return plain(
        f"{text}\n\n________________________________\n{quoted}\n\nQu’en dites-vous ?", from_=from_, to=to, html=html,
        subject="RE : Avis", in_reply_to=original, headers=headers,
        message_id="<PR3PR08MB5643A1B2@PR3PR08MB5643.eurprd08.prod.outlook.com>",
    )  # fmt: skip


async def test_a_colleague_in_cc_answers_from_outlook_in_the_same_thread_and_both_see_what_follows(
    both: tuple[MailHouse, OtherOperator],
) -> None:
    house, operator = both
    asked = plain("Qu’en dites-vous ?", subject="Avis", headers={"Cc": f"{PETIT[0]} <{PETIT[1]}>, {MOREL[1]}"})
    for part in (TO_DOMINIQUE, MOREL[1]):  # their operator brings a part to each of our domains
        assert (await bring(house, asked, part)).startswith("250")
    answer = from_outlook("Je la vois jeudi.", "<1@operator.example>", from_=PETIT, to=FROM)
    assert (await bring(house, answer, sender=PETIT[1])).startswith("250")
    assert len(set(await conversations(house))) == 1
    (*_, shown) = await house.entries("dominique")
    assert shown.message.author.name == PETIT[0]
    assert shown.message.text.startswith("Je la vois jeudi.")
    mail = await answered(house, operator, "Jeudi me va.")
    reached = {recipient for got in operator.got for recipient in got.recipients}
    assert reached == {FROM, PETIT[1]}
    assert addresses(mail, "To", "Cc") >= {FROM, PETIT[1]}
    assert mail["In-Reply-To"] == "<PR3PR08MB5643A1B2@PR3PR08MB5643.eurprd08.prod.outlook.com>"
    texts = [text.partition("\n")[0] for text in await house.texts("morel")]
    assert texts == ["Qu’en dites-vous ?", "Je la vois jeudi.", "Jeudi me va."], "who is hosted here reads it all too"


# ---- five hundred ----------------------------------------------------------------------------------------------------


def traits(number: int) -> Traits:
    return Traits(
        crowd.ins(number), crowd.TEST_OID, crowd.NAME, crowd.given(number), crowd.BIRTH_DATE, crowd.SEX,
        crowd.BIRTH_PLACE,
    )  # fmt: skip


@pytest.mark.timeout(180)
async def test_five_hundred_patients_answer_one_letter_and_have_five_hundred_threads(house: MailHouse) -> None:
    names = [f"p{number}" for number in range(FIVE_HUNDRED)]
    opened_ = await asyncio.gather(*(people.open_space(house.app, traits(number)) for number in range(FIVE_HUNDRED)))
    house.people |= dict(zip(names, opened_, strict=True))
    to = [f"{crowd.ins(number)}@patient.pli.example" for number in range(FIVE_HUNDRED)]
    notice = letters.plain("Le service ferme lundi.", from_=("Admissions", ADMISSIONS), to=ADMISSIONS, subject="Avis")
    for start in range(0, FIVE_HUNDRED, 100):
        assert (await submit(house, notice, *to[start : start + 100], address=ADMISSIONS)).startswith("250")

    async def answer(name: str) -> None:
        (entry,) = await house.entries(name)
        await house.answer(name, entry.conversation, f"Je suis {name}")

    await asyncio.gather(*map(answer, names))
    inbox = [entry for entry in await house.entries("admissions") if entry.message.author.kind == "holder"]
    assert sorted(entry.message.text for entry in inbox) == sorted(f"Je suis {name}" for name in names)
    assert len({entry.conversation for entry in inbox}) == FIVE_HUNDRED
    everybody = await asyncio.gather(*map(house.texts, names))
    assert everybody == [["Le service ferme lundi.", f"Je suis {name}"] for name in names]

    own, other = await sent_by(house, names[0]), await sent_by(house, names[1])
    crossed = letters.plain(
        "Pour le premier", from_=("Admissions", ADMISSIONS), to=to[0], message_id="<2@pli.example>", subject="Re: Avis",
        in_reply_to=own, references=f"<1@pli.example> {own}",
    )  # fmt: skip
    assert (await submit(house, crossed, to[0], address=ADMISSIONS)).startswith("250")
    forged = crossed.replace(b"<2@", b"<3@").replace(own.encode(), other.encode())
    assert (await submit(house, forged, to[0], address=ADMISSIONS)).startswith("250")
    assert (await house.texts(names[0]))[2:] == ["Pour le premier"], (
        "the answer to somebody else's message is not shown"
    )
    assert len(await house.texts(names[1])) == 2
    held = await house.app.db.read(lambda tx: tx.run("SELECT space_id, reason FROM quarantine"))
    assert held == [(house.people[names[0]].space_id, "forged_reference")]


async def sent_by(house: MailHouse, name: str) -> str:
    """The Message-ID of somebody's newest message, as its recipients read it."""
    from mail_gateway.rendition import as_mail
    from server import reading
    from tests import mail_text

    (*_, last) = await house.entries(name)
    handle = await access.conversation(house.app, await house.mailbox(name), last.conversation)
    opened_ = await reading.open_unchecked(house.app, handle.keys, last.message.id)
    return mail_text.header(await as_mail(house.app, handle.keys, opened_))["Message-ID"]


# ---- threads that go astray ------------------------------------------------------------------------------------------


async def test_a_reply_with_a_new_subject_is_a_conversation_of_its_own_that_knows_the_old_one(
    both: tuple[MailHouse, OtherOperator],
) -> None:
    house, operator = both
    await bring(house, plain("Bonjour", subject="Votre opération"))
    mail = await answered(house, operator)
    other = back(mail, "Et pour votre certificat ?", subject="Certificat de sport")
    assert (await bring(house, other, str(mail["Reply-To"].addresses[0].addr_spec))).startswith("250")
    first, _, last = await house.entries("dominique")
    handle = await access.conversation(house.app, await house.mailbox("dominique"), last.conversation)
    assert (handle.subject, handle.about) == ("Certificat de sport", first.conversation)
    follows = await answered(house, operator, "Oui, volontiers")
    assert follows["Subject"] == "Re: Certificat de sport"
    assert follows["In-Reply-To"] == "<back@operator.example>"


@pytest.mark.parametrize("kept", ["the token", "the references"])
async def test_a_reply_of_fourteen_months_later_finds_its_thread_by_what_is_left(
    kept: str, both: tuple[MailHouse, OtherOperator]
) -> None:
    house, operator = both
    await bring(house, plain("Bonjour", subject="Votre opération"))
    mail = await answered(house, operator)
    later = NOON + FOURTEEN_MONTHS
    if kept == "the token":
        recipient = str(mail["Reply-To"].addresses[0].addr_spec)
        letter = back(mail, "Comment va ce genou ?", in_reply_to="", references="", date=later)
    else:
        recipient = TO_DOMINIQUE
        letter = back(mail, "Comment va ce genou ?", to=TO_DOMINIQUE, date=later)
    with time_machine.travel(now_ms() / 1000 + FOURTEEN_MONTHS.total_seconds(), tick=True):
        assert (await bring(house, letter, recipient)).startswith("250")
    assert len(set(await conversations(house))) == 1
    assert (await house.texts("dominique"))[-1] == "Comment va ce genou ?"


async def test_the_token_of_one_patients_thread_leads_nowhere_in_anothers(
    both: tuple[MailHouse, OtherOperator],
) -> None:
    house, operator = both
    await bring(house, plain("Bonjour"))
    token = str((await answered(house, operator))["Reply-To"].addresses[0].username).partition("+")[2]
    local, _, domain = TO_MARCEL.partition("@")
    said = await bring(house, plain("Pour Marcel", message_id="<9@operator.example>"), f"{local}+{token}@{domain}")
    assert said.startswith("550 5.1.1")
    assert await house.texts("marcel") == []


# ---- spelled otherwise -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spelled", ["Agathe.MOREL@PLI.example", "AGATHE.MOREL@pli.example", "agathe.morel@pli.EXAMPLE"]
)
async def test_dr_morel_is_herself_however_her_mail_client_spells_her_address(spelled: str, house: MailHouse) -> None:
    """At the port with TLS at once, which her client prefers."""
    letter = letters.plain("Bonjour", from_=(MOREL[0], spelled))

    def client() -> None:
        with smtplib.SMTP_SSL("localhost", house.app.ports["submissions"], context=house.client(), timeout=60) as smtp:
            smtp.login(spelled, PASSWORD)
            smtp.sendmail(spelled, [TO_DOMINIQUE], letter)

    await asyncio.to_thread(client)
    (entry,) = await house.entries("dominique")
    assert (entry.message.author.kind, entry.message.author.name) == ("professional", MOREL[0])
    await house.answer("dominique", entry.conversation)
    assert await house.texts("morel") == ["Bonjour", "Merci"]


async def test_a_correspondent_elsewhere_is_one_person_in_capitals_and_not(
    both: tuple[MailHouse, OtherOperator],
) -> None:
    house, operator = both
    await bring(house, plain("Bonjour"))
    mail = await answered(house, operator)
    shouted = back(mail, "C’est encore moi", from_=(ELSEWHERE[0], "PAUL.Bertin@Operator.EXAMPLE"))
    assert (await bring(house, shouted, sender="PAUL.Bertin@Operator.EXAMPLE")).startswith("250")
    assert len(set(await conversations(house))) == 1
    (entry, *_) = await house.entries("dominique")
    handle = await access.conversation(house.app, await house.mailbox("dominique"), entry.conversation)
    contacts = await house.app.db.read(
        lambda tx: tx.run("SELECT member_id FROM participants WHERE kind = 'contact' AND conversation_id = :c",
                          c=handle.conversation_id)
    )  # fmt: skip
    assert len(contacts) == 1
