"""Mail that must not be shown, or that we cannot read: held whole, told to whoever sent it, and decided by a person."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

from mail_gateway import verdict
from mail_gateway.discretion import for_one
from mail_gateway.imap import imap_door
from server import access, blocking, doctor, listing, reading
from server.api import health
from server.formats.malformed import Malformed
from storage import quarantine
from storage.database import DatabaseDown
from tests import letters
from tests.doors.test_outbound import opened
from tests.doors.test_submission import submit
from tests.held_mail import POISON, Fault, break_reader, count, hurry, of_somebody_else, the_one, told, with_archive
from tests.imap_client import client
from tests.letters import CAMILLE, DOMINIQUE, MARCEL, MOREL
from tests.mail_house import FROM, TO_CAMILLE, TO_DOMINIQUE, MailHouse, bring, open_mail_house, plain
from tests.wire import connected


@pytest.fixture
async def house(tmp_path: Path, sqlite_url: str) -> AsyncIterator[MailHouse]:
    async with open_mail_house(tmp_path, sqlite_url, quarantine_retry_seconds="3600,3600") as one:
        yield one


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> Fault:
    return break_reader(monkeypatch)


# ---- a document about somebody else ----------------------------------------------------------------------------------


async def test_a_report_about_somebody_else_is_held_and_its_sender_told_with_the_code(house: MailHouse) -> None:
    assert (await bring(house, of_somebody_else(text="Glycémie 0,92 g/L"))).startswith("250")
    assert await house.entries("dominique") == []
    held = await the_one(house)
    assert (held["state"], held["reason"], held["code"]) == ("held", "wrong_patient", "904")
    ((to, mail),) = await told(house)
    assert to == FROM
    assert mail["Subject"] == "[KO Intégration système !][904] XDM/1.0/DDM+Compte rendu"
    assert (mail["Auto-Submitted"], mail["In-Reply-To"]) == ("auto-replied", "<1@operator.example>")
    assert mail.get_content_type() == "multipart/report"
    text = mail.as_string()
    assert "Glycémie" not in mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "IHE_XDM" not in text, "the headers come back, not the content"
    for trait in ("Dominique", "PAT-TROIS", "1979", MARCEL):
        assert trait not in text, "nothing of any patient but the address the sender used"


async def test_the_same_letter_brought_again_is_held_once_and_told_once(house: MailHouse) -> None:
    for _ in range(3):
        assert (await bring(house, of_somebody_else())).startswith("250")
    assert len(await verdict.listed(house.app)) == 1
    assert len(await told(house)) == 1


async def test_of_several_patients_only_the_one_it_is_not_about_does_not_get_it(house: MailHouse) -> None:
    letter = with_archive(letters.xdm_zip(), to=[TO_DOMINIQUE, TO_CAMILLE])
    assert (await bring(house, letter, TO_DOMINIQUE, TO_CAMILLE)).startswith("250")
    assert len(await house.entries("dominique")) == 1
    assert await house.entries("camille") == []
    assert await told(house, "dominique") == []
    ((_, mail),) = await told(house, "camille")
    assert CAMILLE in mail.as_string()
    assert DOMINIQUE not in mail.as_string()


async def test_who_does_not_want_a_letter_that_others_get_sends_it_back_and_nothing_is_kept(house: MailHouse) -> None:
    await bring(house, plain())
    (entry,) = await house.entries("dominique")
    box = await house.mailbox("dominique")
    conversation = await access.conversation(house.app, box, entry.conversation)
    (bertin,) = [one for one in await reading.people_in(house.app, conversation) if one.kind == "professional"]
    await blocking.block(house.app, box, entry.conversation, bertin.member_id)
    letter = plain("À vous deux", to=[TO_DOMINIQUE, TO_CAMILLE], message_id="<2@operator.example>", subject="Avis")
    for _ in range(2):
        assert (await bring(house, letter, TO_DOMINIQUE, TO_CAMILLE)).startswith("250")
    assert await house.texts("camille") == ["À vous deux"]
    assert "À vous deux" not in await house.texts("dominique")
    assert await verdict.listed(house.app) == [], "nobody has anything to decide"
    ((to, mail),) = await told(house)
    assert (to, mail["Subject"]) == (FROM, "Message non distribué : Avis")


async def test_the_notice_names_the_envelope_as_the_sender_named_it(house: MailHouse) -> None:
    async with connected(house.app.ports["smtp"], house.peer()) as wire:
        for line in (
            f"MAIL FROM:<{FROM}> RET=HDRS ENVID=QQ+2B314",
            f"RCPT TO:<{TO_DOMINIQUE}> NOTIFY=FAILURE ORCPT=rfc822;pat-trois+2Ba@operator.example",
            f"RCPT TO:<{TO_CAMILLE}> NOTIFY=FAILURE ORCPT=rfc822;camille@operator.example",
        ):
            assert (await wire.say(line)).startswith("250")
        assert (await wire.data(of_somebody_else(to=[TO_DOMINIQUE, TO_CAMILLE]))).startswith("250")
    ((_, mail),) = await told(house)
    text = mail.as_string()
    assert "Original-Envelope-Id: QQ+314" in text
    assert "Original-Recipient: rfc822; pat-trois+a@operator.example" in text
    assert "camille@operator.example" not in text


async def test_a_null_sender_is_never_told(house: MailHouse) -> None:
    letter = of_somebody_else(headers={"Auto-Submitted": "auto-generated"})
    assert (await bring(house, letter, sender="")).startswith("250")
    assert (await the_one(house))["state"] == "held"
    assert await told(house) == []


async def test_the_notice_reaches_the_sender_s_own_server_from_nobody(tmp_path: Path, sqlite_url: str) -> None:
    async with opened(tmp_path, sqlite_url) as (house, operator):
        assert (await bring(house, of_somebody_else())).startswith("250")
        await house.delivered()
        (got,) = operator.got
        assert (got.sender, got.recipients) == ("<>", [FROM]), "nothing answers it"
        assert got.letter["Subject"].startswith("[KO Intégration système !][904] ")
        assert got.letter["Auto-Submitted"] == "auto-replied"


async def test_what_is_kept_and_what_its_sender_is_owed_are_one_transaction(
    house: MailHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise DatabaseDown("gone")

    with monkeypatch.context() as broken:
        broken.setattr("storage.deliveries.insert", gone)
        assert (await bring(house, of_somebody_else())).startswith("451")
        broken.setattr("storage.quarantine.insert", gone)
        assert (await submit(house, of_somebody_else(from_=MOREL))).startswith("451")
    assert (await count(house, "quarantine"), await count(house, "blobs")) == (0, 0)
    assert await house.entries("morel") == []
    assert (await bring(house, of_somebody_else())).startswith("250"), "and it is kept when it comes again"
    assert len(await told(house)) == 1


async def test_dr_morel_reads_in_her_inbox_that_her_letter_is_held(house: MailHouse) -> None:
    letter = of_somebody_else(from_=MOREL, message_id="<7@pli.example>")
    for _ in range(2):
        assert (await submit(house, letter)).startswith("250")
    async with imap_door(house.app), client(house) as hers:
        (uid,) = await hers.uids("ALL")
        report = await hers.mail(uid)
    assert report["Subject"] == "[KO Intégration système !][904] XDM/1.0/DDM+Compte rendu"
    assert report["In-Reply-To"] == "<7@pli.example>"
    assert await house.entries("dominique") == []
    assert await listing.conversations(house.app, await house.mailbox("dominique")) == []


# ---- a letter we cannot read -----------------------------------------------------------------------------------------


async def test_a_letter_that_breaks_the_reader_waits_and_the_others_flow_on(house: MailHouse, fault: Fault) -> None:
    others = [bring(house, plain(f"Lettre {n}", message_id=f"<{n}@operator.example>")) for n in range(4)]
    said = await asyncio.gather(bring(house, plain(POISON, message_id="<p@operator.example>")), *others)
    assert {reply[:3] for reply in said} == {"250"}, "not a 451 for ever"
    assert sorted(await house.texts("dominique")) == [f"Lettre {n}" for n in range(4)]
    held = await the_one(house)
    assert (held["state"], held["reason"], held["attempts"]) == ("waiting", "unreadable", 1)
    assert await told(house) == [], "it may still arrive"


async def test_it_is_read_again_by_itself_and_arrives_in_its_thread_once(house: MailHouse, fault: Fault) -> None:
    assert (await bring(house, plain("Avant"))).startswith("250")
    hurry(house)
    fault.most = 2
    letter = plain(POISON, message_id="<2@operator.example>", in_reply_to="<1@operator.example>")
    assert (await bring(house, letter)).startswith("250")
    await house.delivered()
    assert (await bring(house, letter)).startswith("250")
    assert await house.texts("dominique") == ["Avant", POISON]
    assert len({entry.conversation for entry in await house.entries("dominique")}) == 1
    assert (await the_one(house))["state"] == "released"
    assert fault.met == 4, "at the door, twice by the worker, and when it came again"


async def test_after_three_readings_it_is_held_and_counted(
    house: MailHouse, fault: Fault, aiohttp_client: AiohttpClient
) -> None:
    hurry(house)
    assert (await bring(house, plain(POISON))).startswith("250")
    await house.delivered()
    held = await the_one(house)
    assert (held["state"], held["attempts"], fault.met) == ("held", 3, 3)
    site = web.Application()
    health.add(house.app, site)
    counted = await (await (await aiohttp_client(site)).get("/metrics")).text()
    assert 'pli_quarantine{reason="unreadable",state="held"} 1.0' in counted
    assert 'pli_quarantined_total{reason="unreadable"} 1.0' in counted
    assert await told(house) == [], "an operator decides"


async def test_a_letter_brought_again_while_it_waits_waits_once(house: MailHouse, fault: Fault) -> None:
    for _ in range(3):
        assert (await bring(house, plain(POISON))).startswith("250")
    assert len(await verdict.listed(house.app)) == 1


async def test_two_letters_alike_but_for_their_header_are_two(house: MailHouse, fault: Fault) -> None:
    for number in (1, 2):
        assert (await bring(house, plain(POISON, message_id=f"<{number}@operator.example>"))).startswith("250")
    assert len(await verdict.listed(house.app)) == 2


async def test_a_fault_met_for_one_patient_costs_the_others_nothing(
    house: MailHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(raw: bytes, ins: str, domain: str) -> bytes:
        if ins == CAMILLE:
            raise KeyError(ins)
        return for_one(raw, ins, domain)

    monkeypatch.setattr("mail_gateway.letterbox.for_one", broken)
    letter = plain("Bonjour", to=[TO_DOMINIQUE, TO_CAMILLE])
    assert (await bring(house, letter, TO_DOMINIQUE, TO_CAMILLE)).startswith("250")
    assert await house.texts("dominique") == ["Bonjour"]
    assert await house.texts("camille") == []
    detail = (await verdict.show(house.app, (await the_one(house))["id"], "alice"))["detail"]
    assert detail.startswith("KeyError in test_quarantine.broken:")
    assert CAMILLE not in detail, "where it broke, not on what"


async def test_a_letter_of_dr_morel_that_waits_arrives_in_her_name(house: MailHouse, fault: Fault) -> None:
    assert (await submit(house, plain(POISON, from_=MOREL))).startswith("250")
    assert await house.entries("morel") == []
    fault.error = None
    await verdict.release(house.app, (await the_one(house))["id"], "alice")
    (entry,) = await house.entries("dominique")
    assert (entry.message.text.strip(), entry.message.author.name) == (POISON, MOREL[0])
    assert await house.texts("morel") == [POISON], "among what she sent"


async def test_a_letter_that_turns_out_to_be_about_somebody_else_is_then_held_and_told(
    house: MailHouse, fault: Fault
) -> None:
    hurry(house)
    fault.most = 1
    assert (await bring(house, of_somebody_else(text=POISON))).startswith("250")
    await house.delivered()
    held = await the_one(house)
    assert (held["state"], held["reason"], held["code"]) == ("held", "wrong_patient", "904")
    assert len(await told(house)) == 1
    assert await house.entries("dominique") == []


async def test_a_letter_that_turns_out_to_be_no_letter_goes_back_to_its_sender(house: MailHouse, fault: Fault) -> None:
    hurry(house)
    fault.most, fault.then = 1, Malformed("mime", "Le message est mal formé.")
    assert (await bring(house, plain(POISON, subject="Consignes"))).startswith("250")
    await house.delivered()
    assert (await the_one(house))["state"] == "dropped"
    ((to, mail),) = await told(house)
    assert (to, mail["Subject"]) == (FROM, "Message non distribué : Consignes")
    assert "mal form" in mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]


async def test_what_is_no_fault_of_reading_stays_with_its_sender(house: MailHouse, fault: Fault) -> None:
    for error in (DatabaseDown("gone"), OSError(28, "No space left on device")):
        fault.error = error
        assert (await bring(house, plain(POISON))).startswith("45")
    assert await verdict.listed(house.app, everything=True) == []


async def test_the_doctor_says_what_nobody_decided_yet(tmp_path: Path, sqlite_url: str, fault: Fault) -> None:
    async with open_mail_house(tmp_path, sqlite_url) as house:
        assert (await bring(house, plain(POISON))).startswith("250")
        settings = house.app.settings
    (found,) = [one for one in await doctor.examine(settings) if one.text.startswith("quarantine:")]
    assert (found.good, found.text) == (False, "quarantine: 1 waiting (unreadable), the oldest for 0 hours")


async def test_what_waits_and_what_is_held_is_kept_the_same_way_by_both_engines(
    tmp_path: Path, database_url: str, fault: Fault
) -> None:
    async with open_mail_house(tmp_path, database_url, quarantine_retry_seconds="0,0") as house:
        fault.most = 2
        assert (await bring(house, plain(POISON))).startswith("250")
        assert (await bring(house, of_somebody_else(message_id="<2@operator.example>"))).startswith("250")
        await house.delivered()
        assert await house.texts("dominique") == [POISON]
        assert len(await told(house)) == 1
        shown = {row["reason"]: row for row in await verdict.listed(house.app, everything=True)}
        assert {reason: row["state"] for reason, row in shown.items()} == {
            "unreadable": "released",
            "wrong_patient": "held",
        }
        (counted,) = await house.app.db.read(quarantine.counts)
        assert counted[:3] == ("held", "wrong_patient", 1)
        await verdict.drop(house.app, shown["wrong_patient"]["id"], "alice")
        assert await house.app.db.read(quarantine.counts) == []
        clear = await house.app.db.read(lambda tx: tx.run("SELECT facts FROM quarantine"))
        assert all(FROM.encode() not in bytes(row[0]) and DOMINIQUE.encode() not in bytes(row[0]) for row in clear)
