"""Reports of delivery (RFC 3461, 3464): who asked is told, once; who did not, or must not be answered, is not."""

from __future__ import annotations

import asyncio
import base64
import smtplib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP as POLICY
from pathlib import Path

import pytest

from mail_gateway import dsn
from mail_gateway.imap import imap_door
from mail_gateway.smtp_syntax import Asked, Refusal, from_xtext, mail_path, rcpt_path, to_xtext
from server import access, attachments, reading
from server.drafts import MailFacts
from tests import imap_client, letters
from tests.certificates import Certificates
from tests.house import PASSWORD
from tests.letters import MOREL
from tests.mail_house import FROM, TO_CAMILLE, TO_DOMINIQUE, TO_MARCEL, MailHouse, open_mail_house, plain
from tests.other_operator import OtherOperator, other_operator
from tests.wire import Wire, connected

SUCCESS = "NOTIFY=SUCCESS,FAILURE"


@pytest.fixture
async def both(tmp_path: Path, sqlite_url: str) -> AsyncIterator[tuple[MailHouse, OtherOperator]]:
    """A Pli, and the operator that its peers' reports go to."""
    made = Certificates.at(tmp_path / "certificates")
    async with (
        other_operator(made.operator(), made.ours.certificate) as operator,
        open_mail_house(tmp_path, sqlite_url, mail_relay=f"127.0.0.1:{operator.port}") as house,
    ):
        yield house, operator


@asynccontextmanager
async def bringing(house: MailHouse) -> AsyncIterator[Wire]:
    async with connected(house.app.ports["smtp"], house.peer()) as wire:
        yield wire


async def brought(house: MailHouse, letter: bytes, *recipients: str, sender: str = f"<{FROM}>") -> str:
    """Bring a letter with parameters as they are given: `<address> NOTIFY=…`."""
    async with bringing(house) as wire:
        assert (await wire.say(f"MAIL FROM:{sender}")).startswith("250")
        for recipient in recipients:
            assert (await wire.say(f"RCPT TO:{recipient}")).startswith("250"), recipient
        return await wire.data(letter)


def parsed(raw: bytes) -> EmailMessage:
    return BytesParser(policy=POLICY).parsebytes(raw)


def blocks(report: EmailMessage) -> list[EmailMessage]:
    """The fields of a report: about the mail, then about each recipient."""
    assert report.get_content_type() == "multipart/report"
    status = next(part for part in report.walk() if part.get_content_type() == "message/delivery-status")
    return [block for block in status.get_payload() if isinstance(block, EmailMessage)]


# ---- other operators -------------------------------------------------------------------------------------------------


async def test_who_asks_is_told_that_the_letter_is_in_the_mailbox(both: tuple[MailHouse, OtherOperator]) -> None:
    house, operator = both
    said = await brought(
        house, plain("Venez à jeun", subject="Votre admission"),
        f"<{TO_DOMINIQUE}> {SUCCESS} ORCPT=rfc822;dominique+2Balias@operator.example",
        sender=f"<{FROM}> RET=FULL ENVID=envoi+2B42",
    )  # fmt: skip
    assert said.startswith("250")
    await house.delivered()
    (got,) = operator.got
    assert (got.sender, got.recipients) == ("<>", [FROM]), "nothing answers a report (RFC 3464 § 2)"
    about, recipient = blocks(got.letter)
    assert about["Original-Envelope-Id"] == "envoi+42"
    assert about["Reporting-MTA"] == "dns; pli.example"
    assert recipient["Action"] == "delivered"
    assert recipient["Status"] == "2.0.0"
    assert recipient["Final-Recipient"] == f"rfc822; {TO_DOMINIQUE}"
    assert recipient["Original-Recipient"] == "rfc822; dominique+alias@operator.example"
    assert got.letter["Subject"] == "Message remis : Votre admission"
    assert got.letter["Auto-Submitted"] == "auto-replied"
    assert b"jeun" not in got.raw, "good news bring back no content, asked or not (RFC 3461 § 4.3)"
    assert b"<1@operator.example>" in got.raw
    assert await house.texts("dominique") == ["Venez à jeun"]


async def test_a_letter_brought_again_is_reported_once(both: tuple[MailHouse, OtherOperator]) -> None:
    house, operator = both
    for _ in range(3):
        assert (await brought(house, plain(), f"<{TO_DOMINIQUE}> {SUCCESS}")).startswith("250")
        await house.delivered()
    assert len(operator.got) == 1
    again = plain("autre chose", message_id="<2@operator.example>")
    assert (await brought(house, again, f"<{TO_DOMINIQUE}> {SUCCESS}")).startswith("250")
    await house.delivered()
    assert len(operator.got) == 2


@pytest.mark.parametrize("asked", ["", "NOTIFY=NEVER", "NOTIFY=FAILURE,DELAY"])
async def test_who_did_not_ask_for_good_news_gets_none(asked: str, both: tuple[MailHouse, OtherOperator]) -> None:
    house, operator = both
    assert (await brought(house, plain(), f"<{TO_DOMINIQUE}> {asked}".strip())).startswith("250")
    await house.delivered()
    assert operator.got == []


async def test_nobody_is_told_of_a_letter_from_nobody(both: tuple[MailHouse, OtherOperator]) -> None:
    house, operator = both
    notice = plain("Absent jusqu’à lundi", headers={"Auto-Submitted": "auto-replied"})
    assert (await brought(house, notice, f"<{TO_DOMINIQUE}> {SUCCESS}", sender="<>")).startswith("250")
    await house.delivered()
    assert operator.got == []


async def test_each_recipient_who_was_asked_about_has_a_report_that_names_no_other(
    both: tuple[MailHouse, OtherOperator],
) -> None:
    house, operator = both
    letter = plain(to=[TO_DOMINIQUE, TO_MARCEL, TO_CAMILLE])
    await brought(
        house, letter, f"<{TO_DOMINIQUE}> {SUCCESS}", f"<{TO_MARCEL}>", f"<{TO_CAMILLE}> {SUCCESS}",
        f"<{TO_DOMINIQUE.upper()}> {SUCCESS}",
    )  # fmt: skip
    await house.delivered()
    told = sorted(blocks(got.letter)[1]["Final-Recipient"] for got in operator.got)
    assert told == sorted(f"rfc822; {address}" for address in (TO_DOMINIQUE, TO_CAMILLE))
    for got in operator.got:
        assert TO_MARCEL.encode() not in got.raw


async def test_a_letter_that_is_held_is_no_success(both: tuple[MailHouse, OtherOperator]) -> None:
    """Documents of somebody else: nobody sees it, and the sender is told why instead."""
    house, operator = both
    wrong = letters.xdm_zip(ins=letters.MARCEL, birth_name="PAT-DEUX", given="MARCEL", birth_date="19500109", sex="M")
    letter = plain("Résultats", files=[("IHE_XDM.ZIP", "application/zip", wrong)])
    assert (await brought(house, letter, f"<{TO_DOMINIQUE}> {SUCCESS}")).startswith("250")
    await house.delivered()
    assert [blocks(got.letter)[1]["Action"] for got in operator.got] == ["failed"]
    assert await house.entries("dominique") == []


# ---- professionals hosted here ---------------------------------------------------------------------------------------


async def test_dr_morel_reads_in_her_mail_client_that_it_was_delivered(both: tuple[MailHouse, OtherOperator]) -> None:
    house, operator = both
    letter = letters.plain("Venez à jeun", subject="Consignes", to=[TO_DOMINIQUE, "admissions@pli.example"])

    def send() -> None:
        with smtplib.SMTP("localhost", house.app.ports["submission"]) as client:
            client.starttls(context=house.client())
            client.login(MOREL[1], PASSWORD)
            client.sendmail(
                MOREL[1], [TO_DOMINIQUE, "admissions@pli.example"], letter,
                mail_options=["RET=HDRS", "ENVID=7"], rcpt_options=["NOTIFY=SUCCESS"],
            )  # fmt: skip

    for _ in range(2):  # a client that lost the 250 sends it again
        await asyncio.to_thread(send)
    async with imap_door(house.app), imap_client.client(house) as client:
        mails = [await client.mail(uid) for uid in await client.uids("UNSEEN")]
    reports = [mail for mail in mails if mail.get_content_type() == "multipart/report"]
    assert sorted(blocks(report)[1]["Final-Recipient"] for report in reports) == [
        f"rfc822; {TO_DOMINIQUE}", "rfc822; admissions@pli.example",
    ]  # fmt: skip
    assert {str(report["Subject"]) for report in reports} == {"Message remis : Consignes"}
    assert {blocks(report)[0]["Original-Envelope-Id"] for report in reports} == {"7"}
    assert {str(report["In-Reply-To"]) for report in reports} == {"<1@pli.example>"}
    assert operator.got == []
    assert await house.texts("dominique") == ["Venez à jeun"], "a report is nobody else's"
    assert await house.texts("admissions") == ["Venez à jeun"]


async def test_what_she_asks_about_somebody_elsewhere_goes_with_the_letter(
    both: tuple[MailHouse, OtherOperator],
) -> None:
    house, operator = both
    letter = letters.plain("Bonjour", to=[TO_DOMINIQUE, FROM])
    async with connected(house.app.ports["submission"], house.client()) as wire:
        secret = base64.b64encode(f"\0{MOREL[1]}\0{PASSWORD}".encode()).decode()
        assert (await wire.say(f"AUTH PLAIN {secret}")).startswith("235")
        assert (await wire.say(f"MAIL FROM:<{MOREL[1]}> RET=FULL ENVID=a+2Bb")).startswith("250")
        assert (await wire.say(f"RCPT TO:<{TO_DOMINIQUE}>")).startswith("250")
        assert (await wire.say(f"RCPT TO:<{FROM}> NOTIFY=SUCCESS,DELAY")).startswith("250")
        assert (await wire.data(letter)).startswith("250")
    (entry,) = await house.entries("dominique")
    await house.delivered()
    assert [got.recipients for got in operator.got] == [[FROM]]
    (news,) = [entry for entry in await house.entries("morel") if entry.message.kind == "bounce"]
    assert news.message.subject == "Message transmis : Préparation de votre admission"
    handle = await access.conversation(house.app, await house.mailbox("morel"), news.conversation)
    opened = await reading.open_unchecked(house.app, handle.keys, news.message.id)
    raw = await attachments.raw_unchecked(house.app, handle.keys, opened.message)
    about, recipient = blocks(parsed(raw or b""))
    assert (about["Original-Envelope-Id"], recipient["Action"]) == ("a+b", "relayed")
    assert recipient["Final-Recipient"] == f"rfc822; {FROM}"
    handle = await access.conversation(house.app, await house.mailbox("dominique"), entry.conversation)
    opened = await reading.open_unchecked(house.app, handle.keys, entry.message.id)
    assert opened.body.mail is not None
    kept = opened.body.mail
    assert (kept.dsn_envid, kept.dsn_ret, kept.dsn_notify) == ("a+2Bb", "FULL", "DELAY,SUCCESS")


async def test_never_is_said_only_when_it_is_said_of_everybody_elsewhere(both: tuple[MailHouse, OtherOperator]) -> None:
    house, _ = both
    never, failure = ("a@operator.example", "NEVER", ""), ("b@operator.example", "FAILURE", "")
    here = (TO_DOMINIQUE, "SUCCESS", "")
    for recipients, notify in (((never, here), "NEVER"), ((never, failure), "FAILURE"), ((here,), "")):
        assert dsn.noted(house.app, MailFacts(), Asked("", "", recipients)).dsn_notify == notify


# ---- parameters, read strictly ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "RET=BODY", "RET", "ENVID=", "ENVID=a+2b", "ENVID=a+0D+0A", "ENVID=a+C3+A9", "ENVID=" + "x" * 101, "ENVID=+",
        "RET=FULL RET=HDRS", "ENVID=a ENVID=b",
    ],
)  # fmt: skip
def test_what_is_asked_of_a_letter_is_read_strictly(line: str) -> None:
    with pytest.raises(Refusal) as refused:
        mail_path(f"FROM:<a@b.example> {line}", 1000)
    assert (refused.value.code, refused.value.status) == (501, "5.5.4")


@pytest.mark.parametrize(
    "line",
    [
        "NOTIFY=", "NOTIFY", "NOTIFY=ALWAYS", "NOTIFY=NEVER,FAILURE", "NOTIFY=FAILURE,NEVER", "NOTIFY=SUCCESS,,DELAY",
        "NOTIFY=SUCCESS NOTIFY=DELAY", "ORCPT=a@b.example", "ORCPT=rfc822;", "ORCPT=;a@b.example",
        "ORCPT=x400;a", "ORCPT=rfc822;a+b@c.example", "ORCPT=rfc822;a+0Ab", "ORCPT=rfc822;é@b.example",
        "ORCPT=rfc822;" + "a" * 500, "ORCPT",
    ],
)  # fmt: skip
def test_what_is_asked_of_a_recipient_is_read_strictly(line: str) -> None:
    with pytest.raises(Refusal) as refused:
        rcpt_path(f"TO:<a@b.example> {line}")
    assert (refused.value.code, refused.value.status) == (501, "5.5.4")


def test_what_is_well_asked_is_kept_as_it_was_given() -> None:
    sender = mail_path("FROM:<a@b.example> RET=hdrs ENVID=QQ+2B314+3D+20", 1000)
    assert (sender.ret, sender.envid) == ("HDRS", "QQ+2B314+3D+20")
    recipient = rcpt_path("TO:<a@b.example> NOTIFY=success,Delay ORCPT=RFC822;a+2Bb@c.example")
    assert (recipient.notify, recipient.orcpt) == (("SUCCESS", "DELAY"), "RFC822;a+2Bb@c.example")
    assert rcpt_path("TO:<a@b.example> ORCPT=utf-8;zoé@b.example").orcpt == "utf-8;zoé@b.example"
    assert rcpt_path("TO:<a@b.example> NOTIFY=NEVER").notify == ("NEVER",)


def test_xtext_and_back() -> None:
    plain_text = "".join(map(chr, range(32, 127)))
    assert from_xtext(to_xtext(plain_text)) == plain_text
    assert to_xtext("a+b=c d") == "a+2Bb+3Dc+20d"
    with pytest.raises(UnicodeEncodeError):
        to_xtext("é")


def test_a_letter_comes_back_whole_with_bad_news_only_when_asked_and_short() -> None:
    assert Asked(ret="FULL").whole(b"x" * 65_536)
    assert not Asked(ret="FULL").whole(b"x" * 65_537)
    assert not Asked(ret="HDRS").whole(b"x")
