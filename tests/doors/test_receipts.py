"""« Lu » : what a professional asked to be told when the patient opens her letter (RFC 8098)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from email.message import Message
from pathlib import Path
from typing import Any, cast

import pytest

from server import access, reading
from storage import entries
from storage.database import Tx
from tests import letters
from tests.doors.test_delivery_queue import opened
from tests.doors.test_submission import submit
from tests.doors.test_undelivered import reports_for_morel
from tests.letters import MOREL
from tests.mail_house import FROM, TO_DOMINIQUE, MailHouse, bring, plain
from tests.scripted_peer import ScriptedPeer

ASKED = {"Disposition-Notification-To": f"Dr Paul BERTIN <{FROM}>"}


@pytest.fixture
async def both(tmp_path: Path, sqlite_url: str) -> AsyncIterator[tuple[MailHouse, ScriptedPeer]]:
    async with opened(tmp_path, sqlite_url) as pair:
        yield pair


async def open_letter(house: MailHouse, name: str = "dominique", owner: str = "dominique") -> None:
    """Somebody opens every letter of a mailbox, as at the chat."""
    box = await house.mailbox(name, house.people[owner].mailbox_id)
    for entry in (await reading.since(house.app, box, 0)).entries:
        conversation = await access.conversation(house.app, box, entry.conversation)
        await reading.mark_read(house.app, conversation, entry.seq)
    await house.delivered()


def fields_of(receipt: Message) -> Any:
    (part,) = [part for part in receipt.walk() if part.get_content_type() == "message/disposition-notification"]
    return cast(list[Any], part.get_payload())[0]


async def test_who_asked_is_told_when_the_patient_opens_the_letter_and_not_before(
    both: tuple[MailHouse, ScriptedPeer],
) -> None:
    house, peer = both
    asked = plain(
        "Venez à jeun", subject="Consignes", headers={**ASKED, "Original-Recipient": f"rfc822;{TO_DOMINIQUE}"}
    )
    assert (await bring(house, asked)).startswith("250")
    await house.delivered()
    assert peer.got == []
    await open_letter(house)
    (receipt,) = peer.letters
    assert peer.said.count("MAIL FROM:<>") == 1, "nothing answers a receipt"
    assert receipt.get_content_type() == "multipart/report"
    assert receipt.get_param("report-type") == "disposition-notification"
    assert (receipt["From"].addresses[0].addr_spec, receipt["To"].addresses[0].addr_spec) == (TO_DOMINIQUE, FROM)
    assert receipt["Subject"] == "Lu : Consignes"
    assert receipt["In-Reply-To"] == "<1@operator.example>"
    fields = fields_of(receipt)
    assert fields["Original-Message-ID"] == "<1@operator.example>"
    assert fields["Final-Recipient"] == f"rfc822;{TO_DOMINIQUE}"
    assert fields["Original-Recipient"] == f"rfc822;{TO_DOMINIQUE}"
    assert fields["Disposition"] == "manual-action/MDN-sent-automatically; displayed"
    assert "Votre message a été ouvert." in receipt.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert b"jeun" not in peer.got[0], "of the letter only its header goes back"


async def test_a_letter_is_opened_once_whatever_is_done_with_it_later(both: tuple[MailHouse, ScriptedPeer]) -> None:
    house, peer = both
    await bring(house, plain("Bonjour", headers=ASKED))
    await open_letter(house)
    ((entry), *_) = await house.entries("dominique")

    def unread(tx: Tx) -> None:
        known = entries.of_message(tx, house.dominique.mailbox_id, entry.message.id)
        assert known is not None
        entries.set_flags(tx, known, known.flags & ~entries.SEEN)

    await house.app.db.write(unread)
    await open_letter(house)
    assert len(peer.got) == 1


async def test_a_mother_who_opens_her_childs_letter_is_the_reader(both: tuple[MailHouse, ScriptedPeer]) -> None:
    house, peer = both
    to = house.address("camille")
    assert (await bring(house, plain("Bonjour", to=to, headers=ASKED), to)).startswith("250")
    await open_letter(house, "dominique", "camille")
    (receipt,) = peer.letters
    assert receipt["From"].addresses[0].addr_spec == to


@pytest.mark.parametrize(
    ("headers", "sender"),
    [
        ({}, FROM),
        ({"Disposition-Notification-To": "autre@operator.example"}, FROM),
        ({"Disposition-Notification-To": f"{FROM}, autre@operator.example"}, FROM),
        (ASKED, "secretariat@operator.example"),
        ({**ASKED, "Auto-Submitted": "auto-generated"}, FROM),
        ({**ASKED, "Auto-Submitted": "auto-replied"}, ""),
    ],
    ids=["not asked", "to somebody else", "to two", "from somebody else", "by a robot", "from nobody"],
)
async def test_no_receipt_goes_where_it_could_do_harm(
    headers: dict[str, str], sender: str, both: tuple[MailHouse, ScriptedPeer]
) -> None:
    house, peer = both
    assert (await bring(house, plain("Bonjour", headers=headers), sender=sender)).startswith("250")
    await open_letter(house)
    assert [entry.message.kind for entry in await house.entries("dominique")] == ["text"]
    assert peer.got == []


async def test_dr_morel_reads_the_receipt_in_her_mailbox_and_nobody_else(both: tuple[MailHouse, ScriptedPeer]) -> None:
    house, peer = both
    asked = letters.plain("Bonjour", headers={"Disposition-Notification-To": MOREL[1]})
    assert (await submit(house, asked)).startswith("250")
    await open_letter(house)
    (receipt,) = await reports_for_morel(house)
    assert fields_of(receipt)["Disposition"].endswith("; displayed")
    assert fields_of(receipt)["Original-Message-ID"] == "<1@pli.example>"
    assert [entry.message.kind for entry in await house.entries("dominique")] == ["text"]
    assert peer.got == []


async def test_a_receipt_their_server_refuses_is_dropped(both: tuple[MailHouse, ScriptedPeer]) -> None:
    house, peer = both
    await bring(house, plain("Bonjour", headers=ASKED))
    peer.answers.append("550 5.1.1 gone")
    await open_letter(house)
    rows = await house.app.db.read(lambda tx: tx.run("SELECT channel, state FROM deliveries"))
    assert rows == [("receipt", "failed")]
    assert len(await house.entries("dominique")) == 1
