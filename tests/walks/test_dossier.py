"""The dossier as people use it: a patient and her surgeon, a child's mother, an optician, an emergency doctor."""

from __future__ import annotations

import asyncio
import re

from playwright.async_api import Browser, Page, expect

from server import access
from server.dossier import consents, filing, visibility
from server.dossier.consents import Giving
from server.dossier.habilitation import HIDDEN
from server.drafts import FileFacts
from storage import reviews
from storage.database import Tx
from storage.ids import now_ms
from tests import letters
from tests.browser.chromium import window
from tests.house import House
from tests.support import cda_documents as made
from tests.walks.mail import submit
from tests.walks.test_screens import PHONE

REPORT = "Bilan sanguin du 20 novembre"


async def in_the_dossier(house: House, name: str, title: str, code: str, category: str, *marks: str) -> str:
    """A document of somebody's dossier; returns its id."""
    handle = await access.dossier(house.app, await house.mailbox(name))
    facts = FileFacts(
        f"{title}.txt", "text/plain", 4, title, code, "", category, "Dr Paul LEROY", "", "2026-11-20",
        confidentiality=("N", *marks),
    )  # fmt: skip
    account = house.leroy.account_id
    ready = await filing.of_octets(house.app, handle.keys, facts, title.encode(), source="letter", author_id=account)

    def keep(tx: Tx) -> str:
        return filing.file(tx, house.app.vault, handle.keys, ready, account, now_ms())

    return await house.app.db.write(keep)


async def press(page: Page, name: str) -> None:
    await page.locator("main").get_by_role("button", name=name, exact=True).first.click()


async def test_dominique_files_what_dr_morel_sends_lets_her_read_it_and_sees_that_she_did(
    browser: Browser, house: House
) -> None:
    hidden = await in_the_dossier(house, "dominique", "Ancienne histoire", "11488-4", "reports")
    mine = await access.dossier(house.app, await house.mailbox("dominique"))
    await visibility.change(house.app, mine, [hidden], HIDDEN, on=True)
    report = made.cda(results=[made.GLUCOSE], allergies=[made.PENICILLIN], title=REPORT)
    letter = letters.plain(
        "Voici votre bilan.", subject="Votre bilan", message_id="<bilan@pli.example>",
        files=[("bilan.xml", "text/xml", report)],
    )  # fmt: skip
    await asyncio.to_thread(submit, house, "morel", letter, [house.address("dominique")])
    async with window(browser, house, "dominique", **PHONE) as phone, window(browser, house, "morel") as office:
        page = await phone.go("/")
        await page.get_by_role("link", name=re.compile("Votre bilan")).first.click()
        await press(page, "Ranger dans mon dossier")
        await expect(page.locator("main")).to_contain_text("est rangé dans votre dossier")
        page = await phone.go("/health")
        await expect(page.locator("main")).to_contain_text("Pénicillines")
        await expect(page.locator("main")).to_contain_text("mmol/L")

        screen = await office.go("/")
        await screen.get_by_role("link", name=re.compile("Votre bilan")).first.click()
        await screen.get_by_role("link", name="Dossier du patient").first.click()
        await expect(screen.locator("main")).to_contain_text("Rien ne vous autorise à lire ce dossier")
        await screen.get_by_role("link", name="Préparer la demande").click()
        await screen.locator("main").get_by_role("checkbox").first.check()
        await screen.get_by_label(re.compile("Pourquoi")).fill("Préparer votre opération")
        await press(screen, "Envoyer la demande")

        page = await phone.go("/")
        await page.get_by_role("link", name=re.compile("Dr Agathe MOREL")).first.click()
        await expect(page.locator(".card")).to_contain_text("Préparer votre opération")
        await press(page, "Autoriser")
        await expect(page.locator("main")).to_contain_text("Retirer")

        screen = await office.go(f"/patient/{house.dominique.space_id}")
        await expect(screen.locator("main")).to_contain_text("PAT-TROIS")
        await expect(screen.locator("main")).to_contain_text(REPORT)
        await expect(screen.locator("main")).not_to_contain_text("Ancienne histoire")

        page = await phone.go("/journal")
        await expect(page.locator("main")).to_contain_text("Dr Agathe MOREL")
        assert phone.complaints + office.complaints == []


async def test_an_optician_reads_what_her_profession_may_and_nothing_of_the_rest(
    browser: Browser, house: House
) -> None:
    await in_the_dossier(house, "marcel", "Examen des yeux", "78513-9", "reports")
    blood = await in_the_dossier(house, "marcel", "Prise de sang", "11502-2", "biology")
    await house.letter("lunel", "marcel", "Vos lunettes sont prêtes.")
    await consents.give(house.app, await house.mailbox("marcel"), Giving(house.lunel.account_id, "care_team"))
    space = house.marcel.space_id
    async with window(browser, house, "lunel") as shop:
        screen = await shop.go(f"/patient/{space}")
        await expect(screen.locator("main")).to_contain_text("Examen des yeux")
        await expect(screen.locator("main")).not_to_contain_text("Prise de sang")
        answer = await screen.goto(f"{house.http}/patient/{space}/documents/{blood}/view")
        assert answer is not None
        assert answer.status == 404


async def test_an_emergency_doctor_opens_a_dossier_and_the_patient_is_told_at_once(
    browser: Browser, house: House
) -> None:
    await in_the_dossier(house, "marcel", "Compte rendu de cardiologie", "11488-4", "reports")
    async with window(browser, house, "benali") as doctor, window(browser, house, "marcel", **PHONE) as phone:
        screen = await doctor.go("/patients")
        await screen.get_by_label(re.compile("Matricule INS")).fill(house.ins("marcel"))
        await screen.get_by_label("Nom de naissance").first.fill("PAT-DEUX")
        await screen.get_by_label("Date de naissance").first.fill("1950-01-09")
        await press(screen, "Chercher")
        await expect(screen.locator("main")).to_contain_text("Rien ne vous autorise à lire ce dossier")
        await expect(screen.locator("main")).not_to_contain_text("cardiologie")
        await screen.get_by_text("C’est une urgence").click()
        await screen.locator("#why-emergency").fill("Douleur thoracique, patient inconscient aux urgences")
        await screen.locator("form:has(#why-emergency)").get_by_role("button").click()
        await expect(screen.locator("main")).to_contain_text("Compte rendu de cardiologie")

        page = await phone.go("/")
        await page.get_by_role("link", name=re.compile("Votre espace")).first.click()
        await expect(page.locator("main")).to_contain_text("Dr Karim BENALI")
        await expect(page.locator("main")).to_contain_text("Douleur thoracique")
        page = await phone.go("/journal")
        await expect(page.locator("main")).to_contain_text("Dr Karim BENALI")
    waiting = await house.app.db.read(reviews.listed)
    assert [(one.kind, one.account_id) for one in waiting] == [("emergency", house.benali.account_id)]


async def test_camilles_mother_reads_her_childs_dossier_but_not_what_her_child_may_keep_to_herself(
    browser: Browser, house: House
) -> None:
    await in_the_dossier(house, "camille", "Vaccins de l’école", "11369-6", "prevention")
    secret = await in_the_dossier(
        house, "camille", "Consultation confidentielle", "11488-4", "reports", "INVISIBLE_REPRESENTANTS_LEGAUX"
    )
    base = f"/for/{house.camille.mailbox_id}"
    async with window(browser, house, "dominique", **PHONE) as phone:
        page = await phone.go(f"{base}/documents")
        await expect(page.locator("main")).to_contain_text("Vaccins de l’école")
        await expect(page.locator("main")).not_to_contain_text("confidentielle")
        answer = await page.goto(f"{house.http}{base}/documents/{secret}/view")
        assert answer is not None
        assert answer.status == 404
        page = await phone.go(f"{base}/journal")
        await expect(page.locator("main")).not_to_contain_text("confidentielle")
    async with window(browser, house, "camille") as hers:
        page = await hers.go("/documents")
        await expect(page.locator("main")).to_contain_text("Consultation confidentielle")
