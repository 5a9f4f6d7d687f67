"""Dr Morel in her browser: from a letter to the dossier, to a document, and back; an optician on her telephone."""

from __future__ import annotations

import re

from playwright.async_api import Browser, FilePayload, expect

from tests.browser.chromium import window
from tests.doors.test_depositing import deposit
from tests.doors.test_record import BIOLOGY, EYES, allow
from tests.house import House
from tests.letters import pdf

NARROW = {"width": 320, "height": 800}


async def test_dr_morel_goes_from_a_letter_to_the_dossier_reads_and_deposits(browser: Browser, house: House) -> None:
    await deposit(house, "lab", "Ionogramme", kind=BIOLOGY)
    await allow(house, "morel")
    async with window(browser, house, "morel") as seen:
        page = await seen.go("/")
        await page.get_by_role("link", name=re.compile("De morel")).first.click()
        await page.locator("aside.context").get_by_role("link", name="Dossier du patient").click()
        await expect(page.get_by_role("region", name="Identité du patient")).to_contain_text("PAT-TROIS")
        await expect(page.locator(".record-ground")).to_contain_text("membre de l’équipe de soins")
        assert await seen.faults() == []
        await page.get_by_label("Chercher dans les documents").first.fill("ionogramme")
        await page.keyboard.press("Enter")
        await page.locator(".record-line a").first.click()
        await expect(page.get_by_role("region", name="Identité du patient")).to_contain_text("2 79 03 51 215 189 89")
        await expect(page.locator("main")).to_contain_text("Ionogramme :")
        assert await seen.faults() == []
        await page.get_by_role("link", name="Retour").first.click()
        await page.get_by_role("link", name="Déposer un document").click()
        file = FilePayload(name="cr.pdf", mimeType="application/pdf", buffer=pdf())
        await page.get_by_label("Le fichier").set_input_files(file)
        await page.get_by_label("Type de document").select_option("34874-8")
        await page.get_by_label("Titre").fill("Prothèse du genou")
        await page.get_by_label("Date de l’acte").fill("2026-11-20")
        await page.get_by_label(re.compile("^Pas le patient avant")).check()
        await page.get_by_role("button", name="Déposer", exact=True).click()
        await expect(page.get_by_role("status").first).to_contain_text("Le document est dans le dossier.")
        await page.get_by_role("button", name=re.compile("Annoncé aujourd’hui")).click()
        await expect(page.get_by_role("status").first).to_contain_text("Le patient voit maintenant ce document.")
        assert await seen.faults() == []
        assert seen.complaints == []


async def test_an_optician_on_her_telephone_finds_dominique_and_sees_what_is_hers(
    browser: Browser, house: House
) -> None:
    await deposit(house, "leroy", "Champ visuel", kind=EYES)
    await deposit(house, "lab", "Ionogramme", kind=BIOLOGY)
    await allow(house, "lunel")
    async with window(browser, house, "lunel", viewport=NARROW) as seen:
        page = await seen.go("/patients")
        await page.get_by_label("Matricule INS").fill("279035121518989")
        form = page.locator("main form").first
        await form.get_by_label("Nom de naissance").fill("pat-trois")
        await form.get_by_label("Date de naissance").fill("1979-03-28")
        await form.get_by_role("button", name="Chercher").click()
        await expect(page.locator(".record-lines")).to_contain_text("Champ visuel")
        await expect(page.locator("main")).not_to_contain_text("Ionogramme")
        assert not await seen.wider_than_screen()
        assert not [address for address in seen.asked if "27903" in address], "no identity in an address"
