"""What others' software says of the letters that left: each as it is really written, none shown as a message."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mail_gateway.compose import failure_report
from mail_gateway.headers import Mailbox
from server import reading
from tests.doors.test_delivery_queue import conversation, opened, state_of
from tests.letters import NOON
from tests.mail_house import FROM, TO_DOMINIQUE, MailHouse, bring

DISPOSITION = "Content-Type: message/disposition-notification"
STATUS = "Content-Type: message/delivery-status"


@dataclass
class Sent:
    """A letter of Dominique's that Dr Bertin's server took. `envelope`: what went out as ENVID."""

    house: MailHouse
    message: str
    raw: bytes
    name: str
    envelope: str

    async def state(self) -> str:
        return await state_of(self.house, self.message)

    async def kinds(self) -> list[str]:
        return [entry.message.kind for entry in await self.house.entries("dominique")]

    def dropped(self) -> int:
        found = re.search(rb"^pli_reports_dropped_total (\d+)", self.house.app.metrics.text(), re.MULTILINE)
        assert found is not None
        return int(found[1])


@pytest.fixture
async def sent(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Sent]:
    async with opened(tmp_path, sqlite_url) as (house, peer):
        message = (await house.answer("dominique", await conversation(house), "Merci docteur")).message
        await house.delivered()
        (row,) = await house.app.db.read(lambda tx: tx.run("SELECT space_id, id FROM deliveries"))
        yield Sent(house, message, peer.got[0], str(peer.letters[0]["Message-ID"]), ".".join(row))


def report(kind: str, *parts: str, headers: str = "", by: str = FROM) -> bytes:
    """A multipart/report; each part is a field, lines and a body."""
    body = "".join(f"--b\r\n{part}\r\n" for part in parts)
    return (
        f"From: <{by}>\r\nTo: <{TO_DOMINIQUE}>\r\nMessage-ID: <r@operator.example>\r\n{headers}MIME-Version: 1.0\r\n"
        f'Content-Type: {kind}; boundary="b"\r\n\r\n{body}--b--\r\n'
    ).encode()


def receipt(fields: str, *, words: str = "Lu.", headers: str = "", returned: str = "") -> bytes:
    """A receipt of reading: words, and the machine's part."""
    parts = [f"\r\n{words}", f"{DISPOSITION}\r\n\r\n{fields}", *([returned] if returned else [])]
    return report("multipart/report; report-type=disposition-notification", *parts, headers=headers)


def status(fields: str, first: str = "Reporting-MTA: dns; mx.operator.example\r\n", returned: str = "") -> bytes:
    """A report of delivery."""
    parts = ["\r\nVoir ci-dessous.", f"{STATUS}\r\n\r\n{first}\r\n{fields}", *([returned] if returned else [])]
    return report("multipart/report; report-type=delivery-status", *parts)


def not_delivered(raw: bytes, recipient: str = FROM) -> bytes:
    return failure_report(
        message_id="<dsn@operator.example>", date=NOON, from_=Mailbox("", "mailer-daemon@operator.example"),
        to=Mailbox("", TO_DOMINIQUE), original=raw, recipient=recipient, reason="Boîte pleine", status="5.2.2",
        reporting_mta="mx.operator.example",
    )  # fmt: skip


FINAL = f"Final-Recipient: rfc822;{FROM}\r\n"
READ = "Disposition: manual-action/MDN-sent-manually; displayed\r\n"


async def test_a_report_of_failure_becomes_a_line_in_the_thread_once(sent: Sent) -> None:
    for _ in range(2):
        assert (await bring(sent.house, not_delivered(sent.raw), sender="")).startswith("250")
    bounces = [entry.message for entry in await sent.house.entries("dominique") if entry.message.kind == "bounce"]
    assert [bounce.in_reply_to for bounce in bounces] == [sent.message]
    assert await sent.state() == "failed"


async def test_a_receipt_says_that_it_was_read(sent: Sent) -> None:
    box = await sent.house.mailbox("dominique")
    before = await reading.cursor(sent.house.app, box)
    mail = receipt(f"{FINAL}Original-Message-ID: {sent.name}\r\n{READ}")
    assert (await bring(sent.house, mail, sender="")).startswith("250")
    (change,) = (await reading.since(sent.house.app, box, before)).entries
    assert (change.kind, change.message.id, change.message.status) == ("change", sent.message, "read")


NAMED = "Original-Message-ID: NAME\r\n"
MDN = "multipart/report; report-type=disposition-notification"
BY_ROBOT = "Disposition: automatic-action/MDN-sent-automatically; processed\r\n"
UNTYPED = "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
WRITTEN = {
    "answers only": receipt(f"{FINAL}{READ}", headers="In-Reply-To: NAME\r\n"),
    "refers only": receipt(f"{FINAL}{READ}", headers="References: <autre@x.example> NAME\r\n"),
    "returns the header": receipt(READ, returned="Content-Type: text/rfc822-headers\r\n\r\nMessage-ID: NAME\r\n"),
    "in short": receipt(f"{FINAL}{NAMED}Disposition: displayed\r\n"),
    "by a robot": receipt(f"{FINAL}{NAMED}{BY_ROBOT}"),
    "loud": receipt(f"FINAL-RECIPIENT: RFC822; <{FROM.upper()}>\r\noriginal-message-id: NAME\r\n{READ}"),
    "by Exchange": receipt(f"Final-Recipient: x-exchange;/o=OP/cn=BERTIN\r\n{NAMED}{READ}"),
    "in words": report(MDN, "\r\nVotre message a été lu.", headers="Subject: Lu : Consignes\r\nIn-Reply-To: NAME\r\n"),
    "as attachments": report("multipart/mixed", "\r\nLu.", f"{DISPOSITION}\r\n\r\n{FINAL}{NAMED}{READ}"),
    "as text": report(MDN, "\r\nLu.", f"Content-Type: text/plain\r\n\r\n{FINAL}{NAMED}{READ}"),
    "untyped": report("multipart/report", "\r\nLu.", f"{UNTYPED}{FINAL}{NAMED}{READ}"),
}


@pytest.mark.parametrize("how", WRITTEN)
async def test_a_reading_is_understood_however_it_is_written(how: str, sent: Sent) -> None:
    mail = WRITTEN[how].replace(b"NAME", sent.name.encode())
    assert (await bring(sent.house, mail, sender="")).startswith("250")
    assert await sent.state() == "read"
    assert await sent.kinds() == ["text", "text"], "a receipt is no message"


@pytest.mark.parametrize(
    "said",
    [
        "manual-action/MDN-sent-manually; deleted", "manual-action/MDN-sent-manually; denied",
        "automatic-action/MDN-sent-automatically; processed/error", "automatic-action/MDN-sent-automatically; failed",
        "automatic-action/MDN-sent-automatically; processed/Error: 904^INS", "nonsense",
    ],
)  # fmt: skip
async def test_what_was_not_read_is_not_called_read(said: str, sent: Sent) -> None:
    mail = receipt(f"{FINAL}Original-Message-ID: {sent.name}\r\nDisposition: {said}\r\n")
    assert (await bring(sent.house, mail, sender="")).startswith("250")
    assert await sent.state() == "delivered"
    unread = report(
        "multipart/report; report-type=disposition-notification", "\r\nVotre message a été supprimé sans être lu.",
        headers=f"Subject: Non lu : Consignes\r\nIn-Reply-To: {sent.name}\r\n",
    )  # fmt: skip
    assert (await bring(sent.house, unread, sender="")).startswith("250")
    assert await sent.state() == "delivered"


async def test_a_delay_is_no_failure_and_an_arrival_ends_it(sent: Sent) -> None:
    returned = f"Content-Type: text/rfc822-headers\r\n\r\nMessage-ID: {sent.name}\r\n"
    for action, state in (("delayed", "delayed"), ("delivered", "delivered")):
        mail = status(f"{FINAL}Action: {action}\r\nStatus: 4.4.1\r\n", returned=returned)
        assert (await bring(sent.house, mail, sender="")).startswith("250")
        assert await sent.state() == state
    assert await sent.kinds() == ["text", "text"]


@pytest.mark.parametrize("action", ["delivered", "relayed", "expanded", "Delivered (to mailbox)"])
async def test_good_news_is_a_state_and_no_message(action: str, sent: Sent) -> None:
    returned = f"Content-Type: message/rfc822\r\n\r\nMessage-ID: {sent.name}\r\nSubject: x\r\n\r\nMerci\r\n"
    mail = status(f"{FINAL}Action: {action}\r\nStatus: 2.0.0\r\n", returned=returned)
    assert (await bring(sent.house, mail, sender="")).startswith("250")
    assert await sent.state() == "delivered"
    assert await sent.kinds() == ["text", "text"]
    assert sent.dropped() == 0


async def test_our_envelope_id_is_enough_even_when_it_was_forwarded(sent: Sent) -> None:
    """Nothing of our letter comes back, and it failed for an address we never wrote to: ENVID says which one it was."""
    first = f"Original-Envelope-Id: {sent.envelope}\r\nReporting-MTA: dns; mx.operator.example\r\n"
    mail = status("Final-Recipient: rfc822; chirurgie@ailleurs.example\r\nAction: failed\r\nStatus: 5.1.1\r\n", first)
    assert (await bring(sent.house, mail, sender="")).startswith("250")
    assert await sent.state() == "failed"


async def test_the_address_we_wrote_to_is_taken_from_what_we_asked_to_hear(sent: Sent) -> None:
    returned = f"Content-Type: text/rfc822-headers\r\n\r\nMessage-ID: {sent.name}\r\n"
    fields = f"Original-Recipient: rfc822;{FROM}\r\nFinal-Recipient: rfc822; p.b@interne.example\r\nAction: failed\r\n"
    assert (await bring(sent.house, status(fields, returned=returned), sender="")).startswith("250")
    assert await sent.state() == "failed"


async def test_a_report_about_nothing_of_ours_is_taken_and_changes_nothing(sent: Sent) -> None:
    """To refuse it would make its sender's server write one more."""
    elsewhere = "Content-Type: text/rfc822-headers\r\n\r\nMessage-ID: <x@y.example>\r\n"
    theirs = "<1@operator.example>"  # Dr Bertin's own letter
    mails = (
        not_delivered(sent.raw, "autre@operator.example"),
        not_delivered(sent.raw, "paul.bertin@autre.example"),
        not_delivered(b""),
        status(f"{FINAL}Action: failed\r\n", returned=elsewhere),
        status(f"{FINAL}Action: failed\r\n", "Original-Envelope-Id: AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA\r\n"),
        receipt(f"{FINAL}Original-Message-ID: <x@y.example>\r\n{READ}"),
        receipt(f"{FINAL}Original-Message-ID: {theirs}\r\n{READ}"),
    )
    for mail in mails:
        assert (await bring(sent.house, mail, sender="")).startswith("250"), mail
    assert await sent.state() == "delivered"
    assert await sent.kinds() == ["text", "text"]
    assert sent.dropped() == len(mails)
    owed = await sent.house.app.db.read(lambda tx: tx.run("SELECT channel, state FROM deliveries"))
    assert owed == [("mail", "done")], "and nothing is sent about it"


async def test_what_says_it_is_a_report_and_holds_none_is_refused(sent: Sent) -> None:
    mail = report("multipart/report; report-type=delivery-status", "\r\nBonjour Dominique", "\r\nÀ demain")
    assert (await bring(sent.house, mail, sender="")).startswith("550 5.6.0")


async def test_an_operator_speaks_for_its_own_recipients_only(sent: Sent) -> None:
    """`autre.example` may deliver here, and says that Dr Bertin of operator.example has read."""
    from mail_gateway import trust
    from tests.wire import connected

    made = sent.house.certificates.operator("autre.example")
    await trust.add(sent.house.app, "autre.example", made[0].read_bytes())
    async with connected(sent.house.app.ports["smtp"], sent.house.peer(made)) as wire:
        await wire.envelope("", TO_DOMINIQUE)
        said = await wire.data(receipt(f"{FINAL}Original-Message-ID: {sent.name}\r\n{READ}"))
    assert said.startswith("250")
    assert await sent.state() == "delivered"
