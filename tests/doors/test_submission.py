"""The submission door: professionals hosted here write from an ordinary mail client."""

from __future__ import annotations

import asyncio
import base64
import smtplib
from collections.abc import AsyncIterator
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP as POLICY
from pathlib import Path

import aiosmtplib
import pytest

from server import access, actions, attachments, reading
from tests import letters
from tests.house import PASSWORD
from tests.letters import CAMILLE, DOMINIQUE, MARCEL, MOREL
from tests.mail_house import MailHouse, open_mail_house
from tests.wire import connected

TO_DOMINIQUE = f"{DOMINIQUE}@patient.pli.example"
TO_MARCEL = f"{MARCEL}@patient.pli.example"
ADMISSIONS = "admissions@pli.example"
LEROY = ("Dr Paul LEROY", "paul.leroy@pli.example")


@pytest.fixture
async def house(tmp_path: Path, sqlite_url: str) -> AsyncIterator[MailHouse]:
    async with open_mail_house(tmp_path, sqlite_url) as opened:
        yield opened


def plain_auth(address: str = MOREL[1], password: str = PASSWORD) -> str:
    return "AUTH PLAIN " + base64.b64encode(f"\0{address}\0{password}".encode()).decode()


async def submit(house: MailHouse, letter: bytes, *recipients: str, address: str = MOREL[1]) -> str:
    """Sign in and hand over a letter; the reply to the letter, or to the first command refused."""
    async with connected(house.app.ports["submission"], house.client()) as wire:
        assert (await wire.say(plain_auth(address))).startswith("235")
        for said in await wire.envelope(address, *(recipients or (TO_DOMINIQUE,))):
            if not said.startswith("250"):
                return said
        return await wire.data(letter)


async def test_dr_morel_writes_with_the_library_everybody_has(house: MailHouse) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = (
        "Dr Agathe MOREL <agathe.morel@pli.example>",
        TO_DOMINIQUE,
        "Consignes",
    )
    message.set_content("Venez à jeun.")

    def send() -> None:
        with smtplib.SMTP("localhost", house.app.ports["submission"]) as client:
            client.starttls(context=house.client())
            client.login(MOREL[1], PASSWORD)
            client.send_message(message)

    await asyncio.to_thread(send)
    (entry,) = await house.entries("dominique")
    assert entry.message.author.name == "Dr Agathe MOREL"
    assert entry.message.author.role == "Chirurgienne orthopédiste"
    (own,) = await house.entries("morel")
    assert own.message.mine


async def test_and_with_another(house: MailHouse) -> None:
    client = aiosmtplib.SMTP(
        hostname="localhost", port=house.app.ports["submission"], start_tls=True, tls_context=house.client(),
        username=MOREL[1], password=PASSWORD,
    )  # fmt: skip
    async with client:
        await client.sendmail(MOREL[1], [TO_DOMINIQUE], letters.plain("Bonjour"))
    assert await house.texts("dominique") == ["Bonjour"]


# ---- signing in ------------------------------------------------------------------------------------------------------


async def test_a_password_is_never_asked_in_clear(house: MailHouse) -> None:
    async with connected(house.app.ports["submission"]) as wire:
        assert "AUTH" not in await wire.say("EHLO a.example")
        assert (await wire.say(plain_auth())).startswith("538 5.7.11")
        assert "AUTH PLAIN LOGIN" in await wire.secure(house.client())


async def test_nobody_writes_without_signing_in(house: MailHouse) -> None:
    async with connected(house.app.ports["submission"], house.client()) as wire:
        assert (await wire.envelope(MOREL[1], TO_DOMINIQUE))[0].startswith("530 5.7.0")


@pytest.mark.parametrize("way", ["plain at once", "plain when asked", "login"])
async def test_three_ways_to_sign_in(way: str, house: MailHouse) -> None:
    plain = base64.b64encode(f"\0{MOREL[1]}\0{PASSWORD}".encode()).decode()
    user, password = (base64.b64encode(text.encode()).decode() for text in (MOREL[1], PASSWORD))
    steps = {
        "plain at once": [f"AUTH PLAIN {plain}"],
        "plain when asked": ["AUTH PLAIN", plain],
        "login": ["AUTH LOGIN", user, password],
    }[way]
    async with connected(house.app.ports["submission"], house.client()) as wire:
        said = [await wire.say(step) for step in steps]
        assert [reply[:3] for reply in said] == ["334"] * (len(steps) - 1) + ["235"]
        assert (await wire.say(plain_auth())).startswith("503")


async def test_wrong_passwords_get_one_answer_for_everybody_and_then_the_door(house: MailHouse) -> None:
    async with connected(house.app.ports["submission"], house.client()) as wire:
        known = await wire.say(plain_auth(password="pas le bon"))
        unknown = await wire.say(plain_auth("personne@pli.example"))
        assert known == unknown
        assert known.startswith("535 5.7.8")
        assert (await wire.say(plain_auth("", ""))).startswith("535")
        assert await wire.ended()


async def test_a_robot_that_guesses_is_slowed_even_with_the_right_one(house: MailHouse) -> None:
    for _ in range(4):
        async with connected(house.app.ports["submission"], house.client()) as wire:
            for _ in range(3):
                await wire.say(plain_auth(password="pas le bon"))
    async with connected(house.app.ports["submission"], house.client()) as wire:
        assert (await wire.say(plain_auth())).startswith("454 4.7.0")


@pytest.mark.parametrize("line", ["AUTH", "AUTH XOAUTH2 x", "AUTH PLAIN !!!", "AUTH PLAIN AAAA", "AUTH LOGIN /w=="])
async def test_a_malformed_sign_in_is_refused_and_the_next_taken(line: str, house: MailHouse) -> None:
    async with connected(house.app.ports["submission"], house.client()) as wire:
        assert (await wire.say(line))[0] == "5"
        assert (await wire.say(plain_auth())).startswith("235")


async def test_a_sign_in_can_be_given_up(house: MailHouse) -> None:
    async with connected(house.app.ports["submission"], house.client()) as wire:
        await wire.say("AUTH LOGIN")
        assert (await wire.say("*")).startswith("501")
        assert (await wire.say("NOOP")).startswith("250")


# ---- in whose name ---------------------------------------------------------------------------------------------------


async def test_nobody_writes_in_somebody_elses_name(house: MailHouse) -> None:
    async with connected(house.app.ports["submission"], house.client()) as wire:
        await wire.say(plain_auth())
        assert (await wire.say(f"MAIL FROM:<{ADMISSIONS}>")).startswith("553 5.7.1")
        assert (await wire.say("MAIL FROM:<>")).startswith("553 5.7.1")
    other = letters.plain(from_=("Dr Agathe MOREL", ADMISSIONS))
    assert (await submit(house, other)).startswith("550 5.7.1")
    two = letters.plain().replace(b"From:", b"From: x@pli.example,")
    assert (await submit(house, two)).startswith("550 5.7.1")
    assert await house.entries("dominique") == []


@pytest.mark.parametrize(
    ("login", "sender", "from_"),
    [
        ("Agathe.Morel@Pli.Example", "Agathe.Morel@pli.example", "Agathe.Morel@PLI.example"),
        ("AGATHE.MOREL@PLI.EXAMPLE", MOREL[1], MOREL[1]),
        ("ａｇａｔｈｅ．ｍｏｒｅｌ＠ｐｌｉ．ｅｘａｍｐｌｅ", "AGATHE.morel@pli.example", MOREL[1]),
        (" agathe.morel@pli.example ", MOREL[1], "agathe.morel@Pli.Example"),
        (MOREL[1], "ａｇａｔｈｅ.morel@pli.example", MOREL[1]),
    ],
    ids=["case", "capitals", "wide letters", "blanks", "wide envelope"],
)
@pytest.mark.parametrize("way", ["PLAIN", "LOGIN"])
async def test_a_login_spelled_otherwise_is_the_same_person(
    login: str, sender: str, from_: str, way: str, house: MailHouse
) -> None:
    """In the same conversation, by the name the directory knows and not the one the client was told."""
    await submit(house, letters.plain("un", message_id="<1@pli.example>"))
    answer = letters.plain(
        "deux", from_=("Docteure A. Morel-Petit", from_), message_id="<2@pli.example>", in_reply_to="<1@pli.example>"
    )
    async with connected(house.app.ports["submission"], house.client()) as wire:
        if way == "PLAIN":
            assert (await wire.say(plain_auth(login))).startswith("235")
        else:
            for said in ("AUTH LOGIN", *(base64.b64encode(text.encode()).decode() for text in (login, PASSWORD))):
                reply = await wire.say(said)
            assert reply.startswith("235")
        utf8 = "" if sender.isascii() else " SMTPUTF8"
        assert (await wire.say(f"MAIL FROM:<{sender}>{utf8}")).startswith("250")
        assert (await wire.say(f"RCPT TO:<{TO_DOMINIQUE.upper()}>")).startswith("250")
        assert (await wire.data(answer)).startswith("250")
    entries = await house.entries("dominique")
    assert [entry.message.text.strip() for entry in entries] == ["un", "deux"]
    assert {entry.message.author.name for entry in entries} == {"Dr Agathe MOREL"}
    assert len({entry.conversation for entry in entries}) == 1


async def test_nor_is_somebody_else_whose_address_looks_alike(house: MailHouse) -> None:
    async with connected(house.app.ports["submission"], house.client()) as wire:
        assert (await wire.say(plain_auth("аgathe.morel@pli.example"))).startswith("535"), "a Cyrillic а"
        await wire.say(plain_auth())
        for other in ("agathe.morel+x@pli.example", "agathemorel@pli.example", "agathe.morel@pli.example.test"):
            assert (await wire.say(f"MAIL FROM:<{other}>")).startswith("553 5.7.1")
        assert (await wire.say("MAIL FROM:<аgathe.morel@pli.example> SMTPUTF8")).startswith("553 5.7.1")


async def test_we_relay_for_nobody(house: MailHouse) -> None:
    async with connected(house.app.ports["submission"], house.client()) as wire:
        await wire.say(plain_auth())
        assert (await wire.say(f"MAIL FROM:<{MOREL[1]}>")).startswith("250")
        for trick in (
            "x@else.example", f"@pli.example:{TO_DOMINIQUE}", "x%else.example@pli.example", "x@[127.0.0.1]",
            f"{TO_DOMINIQUE}@else.example", "else.example!x@pli.example", '"x@else.example"@patient.pli.example',
            "", "x@operator.example.else.example", "x@sub.operator.example",
        ):  # fmt: skip
            assert (await wire.say(f"RCPT TO:<{trick}>"))[0] == "5", trick


# ---- to whom ---------------------------------------------------------------------------------------------------------


async def test_a_colleague_in_copy_takes_part_in_the_patients_conversation(house: MailHouse) -> None:
    letter = letters.plain("Bonjour", to=[TO_DOMINIQUE, ADMISSIONS])
    assert (await submit(house, letter, ADMISSIONS, TO_DOMINIQUE)).startswith("250")
    assert await house.texts("admissions") == ["Bonjour"]
    (entry,) = await house.entries("dominique")
    await house.answer("dominique", entry.conversation, "Merci à tous les deux")
    assert (await house.texts("admissions"))[-1] == "Merci à tous les deux"
    assert (await house.texts("morel"))[-1] == "Merci à tous les deux"


async def test_without_a_patient_there_is_nothing_to_do_here(house: MailHouse) -> None:
    said = await submit(house, letters.plain(to=ADMISSIONS), ADMISSIONS)
    assert said.startswith("550 5.7.1 Aucun patient parmi les destinataires")


async def test_health_mail_leaves_for_trusted_domains_only(house: MailHouse) -> None:
    async with connected(house.app.ports["submission"], house.client()) as wire:
        await wire.say(plain_auth())
        said = await wire.envelope(
            MOREL[1], "x@mail.example", "paul.bertin@operator.example", "personne@pli.example", TO_DOMINIQUE
        )
    assert [reply[:9] for reply in said] == ["250 2.1.0", "550 5.7.1", "250 2.1.5", "550 5.1.1", "250 2.1.5"]


async def test_an_account_that_tries_the_register_of_the_insured_is_stopped(house: MailHouse) -> None:
    async with connected(house.app.ports["submission"], house.client()) as wire:
        await wire.say(plain_auth())
        await wire.say(f"MAIL FROM:<{MOREL[1]}>")
        for number in range(20):
            await wire.say(f"RCPT TO:<2999999999999{number:02}@patient.pli.example>")
    async with connected(house.app.ports["submission"], house.client()) as wire:
        await wire.say(plain_auth())
        assert (await wire.envelope(MOREL[1], TO_DOMINIQUE))[1].startswith("450 4.7.1")
    async with connected(house.app.ports["submission"], house.client()) as wire:
        await wire.say(plain_auth(ADMISSIONS))
        assert (await wire.envelope(ADMISSIONS, TO_DOMINIQUE))[1].startswith("250"), "others are not concerned"


async def test_answers_of_patients_that_carry_each_others_references_never_meet(house: MailHouse) -> None:
    await submit(house, letters.plain("à tous", to=[TO_DOMINIQUE, TO_MARCEL]), TO_DOMINIQUE, TO_MARCEL)
    ids = {}
    for name in ("dominique", "marcel"):
        (entry,) = await house.entries(name)
        receipt = await house.answer(name, entry.conversation, f"réponse de {name}")
        handle = await access.conversation(house.app, await house.mailbox(name), entry.conversation)
        opened = await reading.open_unchecked(house.app, handle.keys, receipt.message)
        assert opened.body.mail is not None
        ids[name] = f"<{opened.body.mail.message_id}>"
    crossed = letters.plain(
        "pour Dominique",
        message_id="<3@pli.example>",
        in_reply_to=ids["marcel"],
        references=f"{ids['marcel']} {ids['dominique']}",
    )
    assert (await submit(house, crossed, TO_DOMINIQUE)).startswith("250")
    assert await house.texts("marcel") == ["à tous", "réponse de marcel"]
    assert await house.texts("dominique") == ["à tous", "réponse de dominique"], "it answers Marcel: it is held"
    assert len({entry.conversation for entry in await house.entries("dominique")}) == 1
    answers = [entry for entry in await house.entries("morel") if entry.message.author.kind == "holder"]
    assert len({entry.conversation for entry in answers}) == 2


async def test_a_colleague_of_the_same_house_answers_in_the_thread(house: MailHouse) -> None:
    await submit(house, letters.plain("Bonjour", message_id="<1@pli.example>"))
    answer = letters.plain(
        "Pour le Dr Morel",
        from_=("Admissions", ADMISSIONS),
        message_id="<2@pli.example>",
        in_reply_to="<1@pli.example>",
    )
    assert (await submit(house, answer, address=ADMISSIONS)).startswith("250")
    assert len({entry.conversation for entry in await house.entries("dominique")}) == 1


async def test_a_number_sent_back_by_mail_is_the_answer_to_a_card(house: MailHouse) -> None:
    """Law 6, for a card that anyone in the conversation may answer."""
    card = {
        "type": "service",
        "title": "Suivi",
        "text": "Autoriser ?",
        "for": "anyone",
        "service": house.lab.account_id,
    }
    receipt = await house.letter("leroy", "dominique", "", kind="card", card=card)
    entry = (await house.entries("dominique"))[0]
    assert entry.message.card is not None
    assert actions.choice(entry.message.card, 2) == "catalogue.refuse"
    handle = await access.conversation(house.app, await house.mailbox("leroy"), receipt.conversation)
    opened = await reading.open_unchecked(house.app, handle.keys, receipt.message)
    assert opened.body.mail is not None
    answer = letters.plain(
        f"2\n\nLe 23 nov. 2026 à 10:00, Pli a écrit :\n> {card['text']}\n", from_=LEROY,
        subject="Re: Consignes", message_id="<r@pli.example>", in_reply_to=f"<{opened.body.mail.message_id}>",
    )  # fmt: skip
    assert (await submit(house, answer, address=LEROY[1])).startswith("250")
    entry = (await house.entries("dominique"))[0]
    assert entry.message.card is not None
    assert entry.message.card["answered"]["action"] == "catalogue.refuse"


async def test_a_letter_without_an_identifier_gets_one_and_comes_again_as_the_same(house: MailHouse) -> None:
    """RFC 6409 § 8: what is answered must have a name to be answered by."""
    bare = letters.plain("Bonjour", message_id="").replace(b"Date: ", b"X-Date: ")
    for _ in range(2):
        assert (await submit(house, bare)).startswith("250")
    (entry,) = await house.entries("dominique")
    handle = await access.conversation(house.app, await house.mailbox("dominique"), entry.conversation)
    opened = await reading.open_unchecked(house.app, handle.keys, entry.message.id)
    raw = await attachments.raw_unchecked(house.app, handle.keys, opened.message)
    assert raw is not None
    assert opened.body.mail is not None
    letter = BytesParser(policy=POLICY).parsebytes(raw)
    assert letter["Message-ID"] == f"<{opened.body.mail.message_id}>"
    assert letter["Message-ID"].endswith("@pli.example>")
    assert letter["Date"] is not None


async def test_a_childs_address_is_the_childs(house: MailHouse) -> None:
    """CNAM note § 2: one writes to the child, never to the parents; the parent reads it in the child's mailbox."""
    assert (
        await submit(
            house, letters.plain("Vaccin", to=f"{CAMILLE}@patient.pli.example"), f"{CAMILLE}@patient.pli.example"
        )
    ).startswith("250")
    assert await house.texts("camille") == ["Vaccin"]
    assert await house.entries("dominique") == []


async def test_the_session_goes_on_after_a_letter(house: MailHouse) -> None:
    async with connected(house.app.ports["submission"], house.client()) as wire:
        await wire.say(plain_auth())
        for number in range(3):
            await wire.envelope(MOREL[1], TO_DOMINIQUE)
            assert (await wire.data(letters.plain(f"{number}", message_id=f"<{number}@pli.example>"))).startswith("250")
        assert (await wire.say("QUIT")).startswith("221 2.0.0")
        assert await wire.ended()
    assert await house.texts("dominique") == ["0", "1", "2"]
