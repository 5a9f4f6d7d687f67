"""Mail that must not be shown, or that we cannot read: held whole, told to whoever sent it, and decided by a person."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP as POLICY
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mail_gateway import mime, verdict
from mail_gateway.discretion import for_one
from mail_gateway.imap import imap_door
from mail_gateway.malformed import Malformed
from server import reading
from server.admin import admin_door
from server.errors import Conflict, Invalid
from storage import quarantine
from storage.database import DatabaseDown, Tx
from storage.ids import now_ms
from tests import letters
from tests.doors.test_command_line import pli
from tests.doors.test_submission import submit
from tests.imap_client import client
from tests.letters import CAMILLE, DOMINIQUE, MARCEL, MOREL
from tests.mail_house import FROM, TO_CAMILLE, TO_DOMINIQUE, MailHouse, bring, open_mail_house, plain

POISON = "Ceci fait tomber le lecteur"


@pytest.fixture
async def house(tmp_path: Path, sqlite_url: str) -> AsyncIterator[MailHouse]:
    async with open_mail_house(tmp_path, sqlite_url, quarantine_retry_seconds="3600,3600") as opened:
        yield opened


@dataclass
class Fault:
    """A fault of ours: letters that hold `POISON` break the reader, `most` times, and raise `then` from then on."""

    error: Exception | None
    most: int = 1_000
    then: Exception | None = None
    met: int = 0


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> Fault:
    here, read = Fault(RecursionError("maximum recursion depth exceeded")), mime.read_with_root

    def broken(raw: bytes) -> Any:
        if POISON.encode() in raw:
            here.met += 1
            error = here.error if here.met <= here.most else here.then
            if error is not None:
                raise error
        return read(raw)

    monkeypatch.setattr(mime, "read_with_root", broken)
    return here


def with_archive(data: bytes, text: str = "Bonjour", **letter: object) -> bytes:
    return plain(text, **{"files": [("IHE_XDM.ZIP", "application/zip", data)], **letter})


def of_somebody_else(text: str = "Bonjour", **letter: object) -> bytes:
    """A report about Marcel, sent to whoever it is sent to."""
    return with_archive(letters.xdm_zip(ins=MARCEL), text, **{"subject": "XDM/1.0/DDM+Compte rendu", **letter})


async def told(house: MailHouse, name: str = "dominique") -> list[tuple[str, EmailMessage]]:
    """(to whom, the mail) of what is owed to senders elsewhere about letters to somebody."""
    space = house.people[name].space_id

    def owed(tx: Tx) -> list[tuple[str, bytes]]:
        keys = reading.space_keys(house.app, tx, space)
        rows = tx.run("SELECT id, target FROM deliveries WHERE space_id = :s AND channel = 'notice'", s=space)
        targets = [msgspec.json.decode(keys.open("delivery", row[0], row[1])) for row in rows]
        return [(target["to"], base64.b64decode(target["mail"])) for target in targets]

    return [(to, parsed(mail)) for to, mail in await house.app.db.read(owed)]


def parsed(mail: bytes) -> EmailMessage:
    return BytesParser(policy=POLICY).parsebytes(mail)


async def count(house: MailHouse, table: str) -> int:
    return int((await house.app.db.read(lambda tx: tx.run(f"SELECT COUNT(*) FROM {table}")))[0][0])


def hurry(house: MailHouse) -> None:
    """What waits is read again at once."""
    house.app.settings = replace(house.app.settings, quarantine_retry_seconds="0,0")


async def the_one(house: MailHouse) -> dict[str, Any]:
    (only,) = await verdict.listed(house.app, everything=True)
    return only


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


async def test_a_null_sender_is_never_told(house: MailHouse) -> None:
    letter = of_somebody_else(headers={"Auto-Submitted": "auto-generated"})
    assert (await bring(house, letter, sender="")).startswith("250")
    assert (await the_one(house))["state"] == "held"
    assert await told(house) == []


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
    assert await reading.conversations(house.app, await house.mailbox("dominique")) == []


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


async def test_after_three_readings_it_is_held_counted_and_shown_to_operators(house: MailHouse, fault: Fault) -> None:
    hurry(house)
    assert (await bring(house, plain(POISON))).startswith("250")
    await house.delivered()
    held = await the_one(house)
    assert (held["state"], held["attempts"], fault.met) == ("held", 3, 3)
    house.app.metrics.quarantine(await house.app.db.read(quarantine.counts), now_ms())
    counted = house.app.metrics.text().decode()
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
    assert detail.startswith("KeyError, broken:")
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


# ---- an operator decides ---------------------------------------------------------------------------------------------


async def test_a_letter_about_somebody_else_is_released_only_by_who_established_the_identity(house: MailHouse) -> None:
    assert (await bring(house, of_somebody_else(text="Voici vos résultats"))).startswith("250")
    held = (await the_one(house))["id"]
    with pytest.raises(Invalid, match="identity"):
        await verdict.release(house.app, held, "alice")
    assert await house.entries("dominique") == []
    await verdict.release(house.app, held, "alice", despite_identity=True)
    assert await house.texts("dominique") == ["Voici vos résultats"]
    acts = await house.app.db.read(
        lambda tx: tx.run("SELECT act, actor_id, outcome FROM audit WHERE object = :id ORDER BY at", id=held)
    )
    assert ("mail:released", "operator:alice", "despite_identity") in acts
    subject = "XDM/1.0/DDM+Compte rendu"
    assert {(to, mail["Subject"]) for to, mail in await told(house)} == {
        (FROM, f"[KO Intégration système !][904] {subject}"),
        (FROM, f"Message remis : {subject}"),
    }


async def test_one_that_is_marked_invisible_to_the_patient_is_never_released(house: MailHouse) -> None:
    hidden = letters.xdm_zip(confidentiality=("N", "INVISIBLE_PATIENT"))
    assert (await bring(house, with_archive(hidden))).startswith("250")
    held = await the_one(house)
    assert (held["reason"], held["code"]) == ("invisible_patient", "906")
    with pytest.raises(Invalid, match="invisible"):
        await verdict.release(house.app, held["id"], "alice", despite_identity=True)
    assert await house.entries("dominique") == []


async def test_what_is_dropped_is_gone_and_its_sender_told_once(house: MailHouse, fault: Fault) -> None:
    assert (await bring(house, plain(POISON, subject="Consignes"))).startswith("250")
    held = (await the_one(house))["id"]
    await verdict.drop(house.app, held, "alice")
    ((to, mail),) = await told(house)
    assert (to, mail["Subject"]) == (FROM, "Message non distribué : Consignes")
    assert "RecursionError" not in mail.as_string()
    assert await count(house, "blobs") == 0, "nothing of it stays"
    for decide in (verdict.drop, verdict.release):
        with pytest.raises(Conflict):
            await decide(house.app, held, "alice")
    fault.error = None
    await house.delivered()
    assert await house.entries("dominique") == []


async def test_a_sender_who_was_told_when_it_was_held_is_not_told_again_when_it_is_dropped(house: MailHouse) -> None:
    assert (await bring(house, of_somebody_else())).startswith("250")
    await verdict.drop(house.app, (await the_one(house))["id"], "alice")
    assert len(await told(house)) == 1
    assert await count(house, "blobs") == 0


async def test_dr_morel_is_told_of_a_letter_that_was_dropped(house: MailHouse, fault: Fault) -> None:
    assert (await submit(house, plain(POISON, from_=MOREL, subject="Consignes"))).startswith("250")
    await verdict.drop(house.app, (await the_one(house))["id"], "alice")
    (entry,) = await house.entries("morel")
    assert entry.message.subject == "Message non distribué : Consignes"


async def test_of_two_operators_who_decide_at_once_one_is_told_that_it_is_decided(
    house: MailHouse, fault: Fault
) -> None:
    assert (await bring(house, plain(POISON))).startswith("250")
    held = (await the_one(house))["id"]
    done = await asyncio.gather(
        verdict.drop(house.app, held, "alice"), verdict.drop(house.app, held, "bob"), return_exceptions=True
    )
    assert sorted(type(outcome).__name__ for outcome in done) == ["Conflict", "NoneType"]
    assert len(await told(house)) == 1


async def test_operators_see_who_sent_it_and_nothing_of_the_patient_or_the_letter(
    house: MailHouse, tmp_path: Path
) -> None:
    assert (await bring(house, of_somebody_else(text="Glycémie élevée"))).startswith("250")
    settings = house.app.settings
    environ = {"PLI_DATA_DIR": str(settings.data_dir), "PLI_DATABASE_URL": settings.database}
    async with admin_door(house.app):
        listed = await asyncio.to_thread(pli, "quarantine", "list", **environ)
        held = json.loads(listed.stdout)
        shown = await asyncio.to_thread(pli, "quarantine", "show", held["id"], **environ)
        refused = await asyncio.to_thread(pli, "quarantine", "release", held["id"], **environ)
        dropped = await asyncio.to_thread(pli, "quarantine", "drop", held["id"], **environ)
        again = await asyncio.to_thread(pli, "quarantine", "list", **environ)
        nobody = await asyncio.to_thread(pli, "quarantine", "release", "x-unknown", **environ)
    assert (held["from"], held["state"], held["reason"]) == ("operator.example", "held", "wrong_patient")
    assert json.loads(shown.stdout)["sender"] == FROM
    for secret in (DOMINIQUE, MARCEL, "PAT-TROIS", "Glycémie", "Compte rendu", "1@operator.example"):
        assert secret not in listed.stdout + shown.stdout
    assert FROM not in listed.stdout
    for wrong, word in ((refused, "--despite-identity"), (nobody, "x-unknown")):
        assert wrong.returncode == 2
        assert word in wrong.stderr
        assert wrong.stderr.count("\n") == 1
    assert (dropped.returncode, again.stdout) == (0, "")


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
