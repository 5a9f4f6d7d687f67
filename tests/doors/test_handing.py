"""A service and a person: who writes to a patient, and who goes on when the service cannot; the service of the README
is a program that runs as it stands there.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from server import handing, reading
from server.errors import Conflict, Invalid, NotAllowed
from server.views import MessageView
from storage import accounts
from tests.browser.visitor import visitor
from tests.house import House

README = Path(__file__).parents[2] / "README.md"


async def _read(house: House, name: str) -> list[MessageView]:
    page = await reading.since(house.app, await house.mailbox(name), 0)
    return [entry.message for entry in page.entries if entry.kind == "message"]


def _program() -> str:
    """The service of the README."""
    found: list[str] = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    return next(code for code in found if "PLI_TOKEN" in code)


@asynccontextmanager
async def _running(house: House, folder: Path) -> AsyncIterator[None]:
    (folder / "service.py").write_text(_program())
    env = {**os.environ, "PLI_URL": house.http, "PLI_TOKEN": await house.token("lab"), "SEEN": str(folder / "seen")}
    process = await asyncio.create_subprocess_exec(sys.executable, str(folder / "service.py"), env=env)
    try:
        yield
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_the_service_of_the_readme_answers_once_and_gives_way_to_a_person(house: House, tmp_path: Path) -> None:
    sent = await house.letter("lab", "dominique", "Bonjour, une question sur nos horaires ?")
    await house.answer("dominique", sent.conversation, "Quand êtes-vous ouverts ?")
    async with _running(house, tmp_path):
        await _told(house, "dominique", "du lundi au vendredi")
    (tmp_path / "seen").unlink()  # it forgets how far it had read
    await house.answer("dominique", sent.conversation, "J’ai mal compris mes résultats.")
    async with _running(house, tmp_path):
        await _told(house, "dominique", "L’aide de Pli vous répond")
    texts = [message.text for message in await _read(house, "dominique")]
    assert sum("du lundi au vendredi" in text for text in texts) == 1
    assert "n’y écrit plus" in texts[-1]
    assert len(_program().splitlines()) < 60


async def _told(house: House, name: str, words: str) -> None:
    """Until somebody has a message with these words."""
    moved = asyncio.Event()
    subscription = house.app.hub.subscribe([house.people[name].mailbox_id], moved.set)
    try:
        while not any(words in message.text for message in await _read(house, name)):
            await moved.wait()
            moved.clear()
    finally:
        subscription.close()


async def test_a_patient_asks_for_a_person_and_the_service_is_silent_until_it_is_given_back(house: House) -> None:
    sent = await house.letter("lab", "dominique", "Vos résultats sont prêts.")
    path = f"/c/{sent.conversation}"
    async with visitor(house, "dominique") as dominique:
        assert "Demander une personne" in (await dominique.get(path)).said
        assert (await dominique.post(f"{path}/person", {"client_key": "1"})).status == 303
        assert "Demander une personne" not in (await dominique.get(path)).said
        await dominique.post(path, {"text": "À qui puis-je parler ?", "client_key": "2"})
    with pytest.raises(Conflict, match="Une personne a pris le relais"):
        await house.answer("lab", sent.conversation, "Je suis une machine.")
    async with visitor(house, "noel") as noel:
        there = f"/for/{house.people['aide'].mailbox_id}{path}"
        page = await noel.get(there)
        assert "À qui puis-je parler ?" in page.said
        assert "Rendre au service automatique" in page.said
        assert "Vos résultats sont prêts." not in page.said, "another organisation reads what comes after it joined"
        assert (await noel.post(f"{there}/team", {"do": "return", "client_key": "3"})).status == 303
    await house.answer("lab", sent.conversation, "Me revoici.")
    assert [message.text for message in await _read(house, "dominique")][-1] == "Me revoici."


async def test_a_service_hands_over_to_its_own_people_who_read_what_was_said(core: House) -> None:
    sent = await core.letter("lab", "dominique", "Avez-vous un contrat d’assurance ?")
    await core.answer("dominique", sent.conversation, "Lequel, celui de mon mari ?")
    await core.app.db.write(
        lambda tx: tx.run("UPDATE accounts SET organisation_id = '1120459876' WHERE id = :id", id=core.lab.account_id)
    )
    own = await core.app.db.read(accounts.by_address, core.address("admissions"))
    assert own is not None
    await handing.ask(
        core.app, await core.mailbox("lab"), sent.conversation, core.address("admissions"), "Je passe la main."
    )
    texts = [message.text for message in await _read(core, "admissions")]
    assert texts[:2] == ["Avez-vous un contrat d’assurance ?", "Lequel, celui de mon mari ?"]
    assert texts[2].startswith("Je passe la main.\n\nAdmissions, CHU de Pli vous répond désormais ici.")
    with pytest.raises(Conflict):
        await handing.ask(core.app, await core.mailbox("lab"), sent.conversation)


async def test_only_the_service_or_the_patient_asks_and_of_a_team_that_exists(core: House) -> None:
    letter = await core.letter("morel", "dominique")
    with pytest.raises(Invalid, match="Aucun service"):
        await handing.ask(core.app, await core.mailbox("dominique"), letter.conversation)
    with pytest.raises(NotAllowed):
        await handing.ask(core.app, await core.mailbox("morel"), letter.conversation)
    sent = await core.letter("lab", "dominique")
    with pytest.raises(Invalid, match="Aucune équipe"):
        await handing.ask(core.app, await core.mailbox("lab"), sent.conversation, "personne@pli.example")
    with pytest.raises(Conflict, match="Aucun service"):
        await handing.give_back(core.app, await core.mailbox("lab"), sent.conversation)
    await core.stand("aide", "dominique", "block", "blocked")
    with pytest.raises(NotAllowed, match="ne souhaite pas"):
        await handing.ask(core.app, await core.mailbox("lab"), sent.conversation, core.address("aide"))
