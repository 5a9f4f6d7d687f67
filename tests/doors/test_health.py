"""One's health on one page: every line says who says so, the same thing is said once, and nothing is invented."""

from __future__ import annotations

import re
from pathlib import Path

from msgspec.structs import replace

from server.dossier import consents, findings, profile
from server.dossier import documents as shelf
from server.formats.findings import MASKED, Coded, Immunisation, Quantity, Result, Treatment
from storage.ids import now_ms
from tests.browser.visitor import Answer, visitor
from tests.house import House
from tests.support import cda_documents as made
from tests.support.api import open_api
from tests.support.told import analytes, handle_of, told

FLU = Immunisation(at="2024-10", done=False, atc=Coded("J07BB02", made.ATC, "vaccin grippal"), reason="Refus")


def section(page: Answer, name: str) -> str:
    """The words of a section of the synthèse."""
    (found,) = re.findall(rf'<section class="health-section" id="health-{name}".*?</section>', page.text, re.DOTALL)
    return Answer(200, None, found, "").said


async def test_the_same_thing_in_two_documents_is_one_line_with_both_and_their_authors(house: House) -> None:
    await told(house, "dominique", made.cda(allergies=[made.PENICILLIN], problems=[made.DIABETES]), "Bilan d’entrée")
    letter = made.cda(allergies=[made.PENICILLIN], document_id="1.2.3.9")
    await told(house, "dominique", letter, "Lettre de sortie", "2026-11-22", author="Dr Agathe MOREL")
    async with visitor(house, "dominique") as dominique:
        page = await dominique.get("/health")
    said = section(page, "allergies")
    assert said.count("Pénicillines") == 1
    assert "Bilan d’entrée , Laboratoire de Pli , 20 novembre 2026" in said
    assert "Lettre de sortie , Dr Agathe MOREL , 22 novembre 2026" in said
    assert "depuis 2021" in section(page, "problems")
    assert 'style="' not in page.text


async def test_one_damaged_document_or_line_is_missing_alone(core: House) -> None:
    data = made.cda(results=[made.GLUCOSE], allergies=[made.PENICILLIN])
    await told(core, "dominique", data, "Entier")
    spoilt = await told(core, "dominique", made.cda(document_id="1.2.3.8"), "Abîmé")
    flipped = "UPDATE documents SET facts = :bad WHERE id = :id", "UPDATE findings SET content = :bad WHERE kind = :k"
    await core.app.db.write(lambda tx: tx.run(flipped[0], bad=b"no longer sealed", id=spoilt))
    await core.app.db.write(lambda tx: tx.run(flipped[1], bad=b"no longer sealed", k="allergy"))
    handle = await handle_of(core, "dominique")
    assert [view.title for view in await shelf.list_documents(core.app, handle)] == ["Entier"]
    assert [one.finding.kind for one in await findings.of(core.app, handle)] == ["result"]


async def test_no_allergy_stands_only_where_somebody_said_so(house: House) -> None:
    async with visitor(house, "marcel") as marcel:
        before = section(await marcel.get("/health"), "allergies")
        await told(house, "marcel", made.cda("marcel", allergies=[made.NO_ALLERGY]), "Lettre")
        after = section(await marcel.get("/health"), "allergies")
    assert "Rien n’est noté" in before
    assert "Aucune" not in before
    assert "Aucune allergie connue" in after
    assert "Lettre , Laboratoire de Pli" in after


async def test_what_its_author_masked_is_said_to_be_masked(house: House) -> None:
    hidden = Result(at="2026-11-20", analyte=Coded("1988-5", made.LOINC, "CRP"), value=Quantity(MASKED))
    await told(house, "dominique", made.cda(results=[hidden]))
    async with visitor(house, "dominique") as dominique:
        said = section(await dominique.get("/health"), "results")
        (crp,) = await analytes(house, "dominique")
        trend = await dominique.get(f"/health/results/{crp.key}")
    assert "CRP masqué par son auteur" in said
    assert "masqué par son auteur" in trend.said
    assert '<svg class="chart"' not in trend.text
    assert MASKED not in trend.said.split(), "never the word of our own code"


async def test_a_treatment_is_of_now_until_its_end_and_then_of_before(house: House) -> None:
    today = made.cda(treatments=[made.PARACETAMOL])
    await told(house, "dominique", today)
    years_ago = Treatment(at="2019-05-02", mood="INT", product=Coded("", "", "Oméprazole"))
    await told(house, "dominique", made.cda(treatments=[years_ago], document_id="1.9"), "Ordonnance", "2019-05-02")
    chronic = replace(made.PARACETAMOL, at="2010", until="", mood="EVN", product=Coded("", "", "Lévothyroxine"))
    chronic = replace(chronic, atc=Coded())
    await told(house, "dominique", made.cda(treatments=[chronic], document_id="1.8"), "Synthèse", "2026-10-01")
    async with visitor(house, "dominique") as dominique:
        page = await dominique.get("/health")
    assert "PARACETAMOL" in section(page, "treatments")
    assert "Lévothyroxine" in section(page, "treatments"), "begun long ago, said lately"
    assert "Oméprazole" in section(page, "old_treatments")


async def test_a_vaccination_that_was_not_done_says_why_and_stands_under_its_disease(house: House) -> None:
    await told(house, "dominique", made.cda(immunisations=[made.TETANUS, FLU]))
    await told(house, "dominique", made.cda(immunisations=[made.TETANUS], document_id="1.7"), "Carnet", "2026-11-21")
    async with visitor(house, "dominique") as dominique:
        by_date = (await dominique.get("/health/vaccinations")).said
        by_disease = (await dominique.get("/health/vaccinations?order=disease")).said
    assert re.search(r"vaccin grippal Non faite octobre 2024 .*Raison Refus", by_date)
    assert by_date.count("4456672") == 1
    assert by_date.index("grippal") < by_date.index("28 septembre 2009")
    assert re.search(r"Grippe vaccin grippal .* Tétanos vaccins tétaniques", by_disease)


async def test_what_must_be_told_first_and_a_childs_secret_are_not_there(house: House) -> None:
    untold = made.cda(results=[made.GLUCOSE], confidentiality=("N", "INVISIBLE_PATIENT"))
    await told(house, "dominique", untold, "Résultat grave", confidentiality=("N", "INVISIBLE_PATIENT"))
    secret = made.cda("camille", immunisations=[made.TETANUS], document_id="1.6")
    await told(house, "camille", secret, "Acte gardé", confidentiality=("N", "INVISIBLE_REPRESENTANTS_LEGAUX"))
    async with visitor(house, "dominique") as dominique:
        hers = (await dominique.get("/health")).said + (await dominique.get("/health/results?by=document")).said
        childs = f"/for/{house.camille.mailbox_id}/health"
        pages = [(await dominique.get(path)).said for path in (childs, f"{childs}/vaccinations")]
    assert "Glucose" not in hers
    assert "Résultat grave" not in hers
    assert all("tétan" not in page and "Acte gardé" not in page for page in pages)
    async with visitor(house, "camille") as camille:
        assert "tétan" in (await camille.get("/health/vaccinations")).said


async def test_a_patient_has_her_own_page_as_json_and_nobody_elses(tmp_path: Path, sqlite_url: str) -> None:
    async with open_api(tmp_path, database_url=sqlite_url) as api:
        await told(api.house, "dominique", made.cda(allergies=[made.PENICILLIN], results=[made.GLUCOSE]))
        answer = await api.get("dominique", "/health")
        other = await api.get("marcel", "/health")
    sections = {one["name"]: one for one in answer.json["sections"]}
    assert sections["allergies"]["lines"][0]["text"] == "Pénicillines"
    assert sections["allergies"]["lines"][0]["sources"][0]["title"] == "Bilan"
    assert b"nicilline" not in other.data


async def test_the_doctor_she_named_and_whom_to_tell_stand_with_who_said_so(house: House) -> None:
    handle, box = await handle_of(house, "dominique"), await house.mailbox("dominique")
    await house.letter("leroy", "dominique")
    await consents.give(house.app, box, consents.Giving(house.leroy.account_id, "treating"))
    await profile.enter(house.app, box, handle, "emergency", {"what": "Paul PAT-TROIS", "phone": "06 12 34 56 78"})
    async with visitor(house, "dominique") as dominique:
        said = section(await dominique.get("/health"), "people")
    assert re.search(r"Dr .*LEROY Rôle Médecin traitant .*Saisi par vous le", said)
    assert re.search(r"Paul PAT-TROIS Rôle À prévenir en cas d’urgence Téléphone 06 12 34 56 78 Saisi par vous", said)


async def test_an_old_document_s_lines_end_with_it(house: House) -> None:
    first = await told(house, "dominique", made.cda(problems=[made.DIABETES]))
    handle = await handle_of(house, "dominique")
    async with visitor(house, "dominique") as dominique:
        assert "Diabète" in section(await dominique.get("/health"), "problems")
        await house.app.db.write(
            lambda tx: tx.run(
                "UPDATE documents SET state = 'deleted', changed_at = :at WHERE space_id = :s AND id = :d",
                at=now_ms(), s=handle.space_id, d=first,
            )
        )  # fmt: skip
        assert "Rien n’est noté" in section(await dominique.get("/health"), "problems")
