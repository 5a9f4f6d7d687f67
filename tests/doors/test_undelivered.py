"""Who is told that a letter is late or lost: whoever wrote it, where they read, in words or for their software."""

from __future__ import annotations

from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any, cast

import pytest
import time_machine

from mail_gateway.compose import failure_report
from mail_gateway.headers import Mailbox
from server import attachments, reading
from storage import deliveries, messages
from storage.ids import now_ms
from tests import letters
from tests.doors.test_delivery_queue import conversation, lines, opened, until_due
from tests.doors.test_submission import plain_auth
from tests.mail_house import FROM, TO_DOMINIQUE, MailHouse, bring
from tests.wire import connected


async def submit(house: MailHouse, notify: str) -> None:
    """Dr Morel writes to Dominique with a copy to Dr Bertin, asking what NOTIFY says of reports."""
    letter = letters.plain("Bonjour", to=[TO_DOMINIQUE, ("Dr Paul BERTIN", FROM)])
    async with connected(house.app.ports["submission"], house.client()) as wire:
        assert (await wire.say(plain_auth())).startswith("235")
        await wire.say("MAIL FROM:<agathe.morel@pli.example> RET=HDRS ENVID=QQ1")
        await wire.say(f"RCPT TO:<{TO_DOMINIQUE}>")
        assert (await wire.say(f"RCPT TO:<{FROM}>{notify}")).startswith("250")
        assert (await wire.data(letter)).startswith("250")


async def reports_for_morel(house: MailHouse) -> list[Message]:
    """The mails of Dr Morel's mailbox that tell of delivery."""
    found = []
    for entry in await house.entries("morel"):
        if entry.message.kind == "bounce":
            keys = await house.app.db.read(lambda tx: reading.space_keys(house.app, tx, house.dominique.space_id))
            message = await house.app.db.read(messages.find, keys.space_id, entry.message.id)
            assert message is not None
            raw = await attachments.raw_unchecked(house.app, keys, message)
            assert raw is not None, "a mail client understands it"
            found.append(message_from_bytes(raw))
    return found


def status_of(report: Message) -> Any:
    """The fields about the recipient."""
    (part,) = [part for part in report.walk() if part.get_content_type() == "message/delivery-status"]
    return cast(list[Any], part.get_payload())[-1]


@pytest.mark.parametrize(
    ("notify", "told"), [("", ["delayed", "failed"]), (" NOTIFY=FAILURE", ["failed"]), (" NOTIFY=NEVER", [])]
)
async def test_a_professional_reads_at_her_mail_client_what_became_of_her_letter(
    notify: str, told: list[str], tmp_path: Path, sqlite_url: str
) -> None:
    async with opened(tmp_path, sqlite_url, retry="36000") as (house, peer):
        await peer.go()
        with time_machine.travel(now_ms() / 1000, tick=True) as clock:
            await submit(house, notify)
            await house.delivered()
            while await house.app.db.read(deliveries.next_due) is not None:
                await until_due(house, clock)
        found = await reports_for_morel(house)
        assert [status_of(report)["Action"] for report in found] == told
        for report in found:
            assert status_of(report)["Final-Recipient"] == f"rfc822; {FROM}"
            assert "Original-Envelope-Id: QQ1" in report.as_string()
            assert report["Auto-Submitted"] == "auto-replied"
        assert [entry.message.kind for entry in await house.entries("dominique")] == ["text"], "it is not her affair"
        await peer.come()


async def test_a_report_on_a_professionals_letter_finds_her_by_our_envelope_id(tmp_path: Path, sqlite_url: str) -> None:
    """It comes to her address, not to a patient's, and returns nothing of the letter."""
    async with opened(tmp_path, sqlite_url, "DSN") as (house, peer):
        await submit(house, "")
        await house.delivered()
        envelope = next(said for said in peer.said if said.startswith("MAIL")).partition("ENVID=")[2]
        for action in ("delivered", "delayed", "failed"):
            mail = failure_report(
                message_id="<r@operator.example>", date=letters.NOON, to=Mailbox("", letters.MOREL[1]),
                from_=Mailbox("", "mailer-daemon@operator.example"), original=b"", recipient=FROM, reason="",
                status="5.1.1", reporting_mta="mx.operator.example", envelope_id=envelope, action=action,
            )  # fmt: skip
            assert (await bring(house, mail, letters.MOREL[1], sender="")).startswith("250")
        assert [status_of(report)["Action"] for report in await reports_for_morel(house)] == ["failed"]


async def test_who_was_told_that_it_failed_can_still_write_in_the_thread(tmp_path: Path, sqlite_url: str) -> None:
    """What Pli says in a thread makes nobody take part in it."""
    async with opened(tmp_path, sqlite_url) as (house, peer):
        thread = await conversation(house)
        peer.answers.append("550 5.1.1 no such user")
        await house.answer("dominique", thread, "un")
        await house.delivered()
        await house.answer("dominique", thread, "deux")
        await house.delivered()
        assert len(peer.got) == 1
        assert len(await lines(house, "bounce")) == 1
        everybody = await house.app.db.read(lambda tx: tx.run("SELECT kind FROM participants"))
        assert sorted(everybody) == [("account",), ("contact",)]
