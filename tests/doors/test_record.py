"""A patient's dossier as professionals read it: by profession, by ground, by what is hidden; found by identity."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from time_machine import TimeMachineFixture

from server import access, finding_patients
from server.audit import Act
from server.dossier import consents, visibility
from server.dossier.consents import Giving
from server.dossier.habilitation import HIDDEN
from server.errors import PliError, Refused, Throttled
from server.finding_patients import Sought
from storage.database import Tx
from tests.browser.visitor import Visitor, visitor
from tests.doors.test_depositing import deposit, record
from tests.house import House

LETS = "Vous lisez ce dossier"
NOTHING = "Rien ne vous autorise à lire ce dossier en ce moment."
BIOLOGY, EYES, REPORT, VACCINES = "11502-2", "78513-9", "34874-8", "11369-6"


async def allow(house: House, who: str, kind: str = "care_team") -> None:
    """Dominique lets somebody who wrote to her read."""
    await house.letter(who, "dominique", subject=f"De {who}")
    days = 90 if kind == "explicit" else 0
    giving = Giving(house.people[who].account_id, kind, (), days)
    await consents.give(house.app, await house.mailbox("dominique"), giving)


async def hide(house: House, document: str) -> None:
    handle = await access.dossier(house.app, await house.mailbox("dominique"))
    await visibility.change(house.app, handle, [document], HIDDEN, on=True)


def page(house: House, patient: str = "dominique") -> str:
    return f"/patient/{house.people[patient].space_id}"


async def see(house: House, who: str, query: str = "") -> str:
    async with visitor(house, who) as visit:
        answer = await visit.get(page(house) + query)
        assert answer.status == 200
        assert "PAT-TROIS" in answer.said, "whose dossier it is stands on every page"
        assert "2 79 03 51 215 189 89" in answer.said
        return answer.said


async def shown(visit: Visitor, document: str, house: House) -> set[int]:
    """What each address of a document answers."""
    ways = ("", "/view", "/read", "/page", "/thumbnail")
    return {(await visit.get(f"{page(house)}/documents/{document}{way}")).status for way in ways}


async def test_an_optician_sees_what_her_profession_may_and_nothing_tells_of_the_rest(house: House) -> None:
    analyses = await deposit(house, "lab", "Ionogramme", kind=BIOLOGY)
    eyes = await deposit(house, "leroy", "Champ visuel", kind=EYES)
    await allow(house, "lunel")
    said = await see(house, "lunel", "?all=1")
    assert LETS in said
    assert "table d’exemple" in said
    assert ("Champ visuel" in said, "Ionogramme" in said, "Biologie" in said) == (True, False, False)
    assert "0 document" in await see(house, "lunel", "?q=ionogramme")
    async with visitor(house, "lunel") as visit:
        assert await shown(visit, analyses, house) == {404}
        assert 404 not in await shown(visit, eyes, house)
        absent = await visit.get(f"{page(house)}/documents/{'A' * 22}/view")
        refused = await visit.get(f"{page(house)}/documents/{analyses}/view")
        assert (absent.said, absent.status) == (refused.said, refused.status)


async def test_with_no_ground_or_blocked_one_sees_ones_own_and_the_two_look_the_same(house: House) -> None:
    await deposit(house, "lab", "Ionogramme", kind=BIOLOGY)
    mine = await deposit(house, "morel", "Prothèse", kind=REPORT)
    await house.letter("morel", "dominique")
    before = await see(house, "morel")
    assert NOTHING in before
    assert ("Prothèse" in before, "Ionogramme" in before, "Biologie" in before) == (True, False, False)
    await allow(house, "morel")
    assert "Ionogramme" in await see(house, "morel")
    await house.stand("morel", "dominique", "block", "blocked")
    after = await see(house, "morel")
    assert (NOTHING in after, "Prothèse" in after, "Ionogramme" in after) == (True, True, False)
    async with visitor(house, "morel") as visit:
        assert 404 not in await shown(visit, mine, house)


async def test_what_dominique_hides_is_there_for_nobody_but_her_administrator_who_is_warned(house: House) -> None:
    hidden = await deposit(house, "lab", "Sérologie", kind=BIOLOGY)
    await deposit(house, "lab", "Ionogramme", kind=BIOLOGY)
    for who, kind in (("morel", "care_team"), ("leroy", "administrator")):
        await allow(house, who, kind)
    async with visitor(house, "morel") as visit:  # pictures are made, and known
        assert 404 not in await shown(visit, hidden, house)
    await hide(house, hidden)
    said = await see(house, "morel", "?category=biology")
    assert ("1 document" in said, "Ionogramme" in said, "Sérologie" in said) == (True, True, False)
    assert "0 document" in await see(house, "morel", "?q=sérologie")
    async with visitor(house, "morel") as visit:
        assert await shown(visit, hidden, house) == {404}
    assert "Masqué aux professionnels" in await see(house, "leroy", "?q=sérologie")
    async with visitor(house, "leroy") as visit:
        opened = await visit.get(f"{page(house)}/documents/{hidden}/view")
        assert "Ce document est masqué aux professionnels par le patient : n’en parlez pas" in opened.said


async def test_a_secretary_sees_whose_dossier_it_is_and_no_more(house: House) -> None:
    document = await deposit(house, "lab", "Ionogramme", kind=BIOLOGY)
    await house.letter("admissions", "dominique")
    async with visitor(house, "petit") as visit:
        answer = await visit.get(f"/for/{house.admissions.mailbox_id}{page(house)}")
        assert answer.status == 200
        assert "La vôtre n’en ouvre aucun." in answer.said
        assert ("PAT-TROIS" in answer.said, "Ionogramme" in answer.said) == (True, False)
        assert (await visit.get(f"{page(house)}/documents/{document}/view")).status == 404
        assert (await visit.get(f"{page(house)}/deposit")).status == 403


async def test_dr_morel_reads_in_the_name_of_her_team(house: House) -> None:
    await deposit(house, "lab", "Ionogramme", kind=BIOLOGY)
    await allow(house, "anesthesia")
    team = f"/for/{house.anesthesia.mailbox_id}"
    async with visitor(house, "morel") as visit:
        assert "Dominique PAT-TROIS" in (await visit.get(f"{team}/patients")).said
        said = (await visit.get(team + page(house))).said
        assert "L’accord est donné à « Anesthésie, CHU de Pli »." in said
        assert "Ionogramme" in said
        link = re.search(rf'href="({team}/patient/[^"]*/view)"', (await visit.get(team + page(house))).text)
        assert link
        assert (await visit.get(link[1])).status == 200


async def test_the_first_visit_shows_two_years_and_the_next_what_came_since(
    house: House, time_machine: TimeMachineFixture
) -> None:
    old = (datetime.now(UTC) - timedelta(days=800)).date().isoformat()
    await deposit(house, "lab", "Bilan ancien", kind=BIOLOGY, created=old)
    await deposit(house, "lab", "Carnet", kind=VACCINES, created=old)
    await deposit(house, "lab", "Bilan récent", kind=BIOLOGY)
    await allow(house, "leroy", "treating")
    first = await see(house, "leroy")
    assert "C’est votre première visite." in first
    assert "1 document de plus de deux ans n’est pas montré." in first
    assert ("Bilan récent" in first, "Carnet" in first, "Bilan ancien" in first) == (True, True, False)
    assert "Bilan ancien" in await see(house, "leroy", "?all=1")
    assert "Bilan ancien" in await see(house, "leroy", "?q=ancien")
    time_machine.move_to(datetime.now(UTC) + timedelta(hours=3))
    await deposit(house, "lab", "Scanner", kind="18748-4")
    again = await see(house, "leroy")
    new = again[again.index("Arrivés depuis le") : again.index("Voir tout ce qui est nouveau")]
    assert ("Scanner" in new, "Bilan récent" in new) == (True, False)


async def test_each_reading_of_a_document_is_in_the_log_with_its_ground(house: House) -> None:
    document = await deposit(house, "lab", "Ionogramme", kind=BIOLOGY)
    await allow(house, "leroy", "treating")
    async with visitor(house, "leroy") as visit:
        for way in ("/page", "/view", "/thumbnail"):
            await visit.get(f"{page(house)}/documents/{document}{way}")

    def rows(tx: Tx) -> list[tuple[str, str]]:
        found = tx.run(
            "SELECT actor_id, ground FROM audit WHERE act = :act AND object = :d",
            act=Act.DOCUMENT_READ.value[0], d=document,
        )  # fmt: skip
        return [(row[0], row[1]) for row in found]

    assert await house.app.db.read(rows) == [(house.leroy.account_id, "treating")]


async def test_an_emergency_stays_on_every_page_until_it_is_ended(house: House) -> None:
    document = await deposit(house, "lab", "Ionogramme", kind=BIOLOGY)
    await record(house, "benali")
    async with visitor(house, "benali") as visit:
        short = await visit.post(f"{page(house)}/emergency", {"ground": "emergency", "why": "?"})
        assert (short.status, "caractères au moins" in short.said) == (422, True)
        opened = await visit.post(f"{page(house)}/emergency", {"ground": "emergency", "why": "Inconsciente au sol"})
        assert (opened.status, opened.place) == (303, page(house))
        for path in (page(house), f"{page(house)}/documents/{document}/view", f"{page(house)}/deposit"):
            assert "Accès en urgence." in (await visit.get(path)).said
        await visit.post(f"{page(house)}/emergency/end")
        assert NOTHING in (await visit.get(page(house))).said


DOMINIQUE = {"birth_name": "Pat trois", "birth_date": "1979-03-28"}
TRAITS = {**DOMINIQUE, "given": "dominique", "sex": "F", "place": "51215"}


async def test_a_patient_is_found_by_number_or_by_every_strict_trait_and_never_otherwise(house: House) -> None:
    number = {**DOMINIQUE, "ins": "2 79 03 51 215 189 89"}
    async with visitor(house, "leroy") as visit:
        for sought in (number, TRAITS):
            found = await visit.post("/patients", sought)
            assert (found.status, found.place) == (303, page(house))
        assert (await visit.get(page(house))).status == 200
        answers = set()
        for wrong in (
            {**number, "ins": "279035121518990"},  # nobody's
            {**number, "birth_date": "1979-03-29"},
            {**number, "birth_name": "PAT-QUATRE"},
            {**TRAITS, "place": "75056"},
            {**TRAITS, "given": "Dominique Marie"},
        ):
            refused = await visit.post("/patients", wrong)
            answers.add((refused.status, re.search(r'role="alert"[^>]*>([^<]*)', refused.text)[1]))  # type: ignore[index]
        assert answers == {(404, "Aucun patient ne correspond exactement. Vérifiez chaque ligne.")}
        assert (await visit.get(page(house, "marcel"))).status == 404  # found by nobody, known to nobody
        assert not re.search(r"\?[^\"]*27903", (await visit.get("/patients")).text)
    async with visitor(house, "dominique") as visit:
        assert {(await visit.get("/patients")).status, (await visit.post("/patients", number)).status} == {404}


async def test_who_searches_for_nobody_too_often_waits_and_who_is_found_can_read_it(core: House) -> None:
    box = await core.mailbox("leroy")
    for _ in range(finding_patients.FAILED):
        with pytest.raises(Refused):
            await finding_patients.find(core.app, box, Sought(**{**TRAITS, "place": "75056"}))
    for sought in (TRAITS, {**TRAITS, "place": "75056"}):
        with pytest.raises(Throttled):
            await finding_patients.find(core.app, box, Sought(**sought))
    morel = await core.mailbox("morel")
    assert await finding_patients.find(core.app, morel, Sought(**TRAITS)) == core.dominique.space_id
    for lacking in ({**TRAITS, "sex": ""}, {"ins": "279035121518989"}, {**DOMINIQUE, "ins": "123"}):
        with pytest.raises(PliError):
            await finding_patients.find(core.app, morel, Sought(**lacking))

    def found(tx: Tx) -> list[tuple[str, str]]:
        rows = tx.run(
            "SELECT actor_id, outcome FROM audit WHERE act = :act AND space_id = :s",
            act=Act.PATIENT_FOUND.value[0], s=core.dominique.space_id,
        )  # fmt: skip
        return [(row[0], row[1]) for row in rows]

    assert await core.app.db.read(found) == [(core.morel.account_id, "done")]


async def test_from_a_thread_one_press_leads_to_the_dossier(house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    async with visitor(house, "morel") as visit:
        assert f'href="{page(house)}"' in (await visit.get(f"/c/{receipt.conversation}")).text
    async with visitor(house, "dominique") as visit:
        assert page(house) not in (await visit.get(f"/c/{receipt.conversation}")).text
        assert (await visit.get(page(house))).status == 404
