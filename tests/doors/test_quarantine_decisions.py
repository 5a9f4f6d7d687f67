"""Held mail, decided by an operator who reads none of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mail_gateway import verdict
from server.admin import admin_door
from server.errors import Conflict, Invalid
from tests import letters
from tests.doors.test_submission import submit
from tests.held_mail import POISON, Fault, break_reader, count, of_somebody_else, the_one, told, with_archive
from tests.letters import DOMINIQUE, MARCEL, MOREL
from tests.mail_house import FROM, MailHouse, bring, open_mail_house, plain
from tests.support.command import pli


@pytest.fixture
async def house(tmp_path: Path, sqlite_url: str) -> AsyncIterator[MailHouse]:
    async with open_mail_house(tmp_path, sqlite_url, quarantine_retry_seconds="3600,3600") as one:
        yield one


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> Fault:
    return break_reader(monkeypatch)


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


async def test_a_letter_with_forged_references_is_released_into_a_conversation_of_its_own(house: MailHouse) -> None:
    ours = await house.letter("morel", "marcel", "Bonjour Marcel")
    forged = plain("Ma réponse", in_reply_to=f"<{ours.message}@pli.example>")
    assert (await bring(house, forged)).startswith("250")
    held = await the_one(house)
    assert (held["state"], held["reason"], held["code"]) == ("held", "forged_reference", "")
    ((_, mail),) = await told(house)
    assert mail["Subject"].startswith("Message non distribué : ")
    await verdict.release(house.app, held["id"], "alice")
    assert await house.texts("dominique") == ["Ma réponse"]
    assert await house.texts("marcel") == ["Bonjour Marcel"]


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


async def test_a_letter_whose_octets_are_lost_can_still_be_given_up_aloud(house: MailHouse, fault: Fault) -> None:
    assert (await bring(house, plain(POISON))).startswith("250")
    held = (await the_one(house))["id"]
    await house.app.db.write(lambda tx: tx.run("DELETE FROM blobs"))
    with pytest.raises(Invalid, match="still_held"):
        await verdict.release(house.app, held, "alice")
    await verdict.drop(house.app, held, "alice")
    assert len(await told(house)) == 1


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
