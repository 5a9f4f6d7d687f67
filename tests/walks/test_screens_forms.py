"""The whole of it by forms and reloads: a browser that runs no script at all, from the door to the way out."""

from __future__ import annotations

import re

from playwright.async_api import Browser, FilePayload, Page, expect

from tests.browser.chromium import window
from tests.browser.scenes import SUBJECT, appointment, letter_with_documents
from tests.house import House
from tests.imap_client import client
from tests.signing import come_in

PHOTO: FilePayload = {"name": "photo.png", "mimeType": "image/png", "buffer": b"\x89PNG\r\n\x1a\n"}


async def test_dominique_does_it_all_with_a_browser_that_runs_no_script(browser: Browser, house: House) -> None:
    await appointment(house)
    await letter_with_documents(house)
    async with window(browser, house, java_script_enabled=False, viewport={"width": 390, "height": 844}) as seen:
        page = seen.page
        await come_in(house, page)
        await expect(page.get_by_role("heading", level=1)).to_contain_text("2 non lus")
        await _reads_and_files(page)
        await _writes_with_a_file(page)
        await _finishes_a_draft(page)
        await _corrects(page)
        await _says_yes(page)
        await _puts_away(page)
        await _finds(page)
        await _chooses_how_to_be_told(page)
        await _invites(page)
        await _goes(page)
        assert seen.complaints == []
    async with client(house, house.address("morel")) as program:
        photo, finished, corrected, accepted = [await program.mail(uid) for uid in await program.uids("ALL")]
        assert [file.get_filename() for file in photo.iter_attachments()] == ["photo.png"]
        assert finished.get_content().startswith("Je prends 50 mg le soir")
        assert corrected.get_content().startswith("Correction du message du ")
        assert "Je prends 5 mg le soir" in corrected.get_content()
        assert "Rendez-vous accepté" in accepted.get_content()


async def _conversations(page: Page) -> None:
    """From a thread, whose back arrow leads there on a phone."""
    await page.get_by_role("link", name="Toutes les conversations").click()


async def _reads_and_files(page: Page) -> None:
    await page.locator("a.row", has_text=SUBJECT).click()
    await expect(page.locator(".letter")).to_contain_text("Ne mangez plus après minuit.")
    document = page.locator(".file", has_text="Consultation préanesthésique")
    await document.get_by_role("link", name=re.compile("^Ouvrir")).click()
    await expect(page.locator(".narrative").last).to_contain_text("Restez à jeun dès minuit.")
    await page.get_by_role("link", name="Retour").click()
    await document.get_by_role("button", name="Ranger dans mon dossier").click()
    await expect(document.get_by_role("link", name="Rangé dans votre dossier")).to_be_visible()
    await expect(page.locator(".record")).to_contain_text("rangé dans votre dossier")


async def _writes_with_a_file(page: Page) -> None:
    await page.locator(".add summary").click()
    await page.set_input_files("#files", PHOTO)
    await page.get_by_label("Écrire à Dr Agathe MOREL").fill("Voici la photo.")
    await page.get_by_role("button", name="Envoyer").click()
    bubble = page.locator(".bubble.mine")
    await expect(bubble).to_contain_text("photo.png")
    await expect(bubble).to_be_in_viewport()
    await expect(bubble.locator(".state")).to_have_text("Remis")


async def _finishes_a_draft(page: Page) -> None:
    await page.locator("#text").fill("Je prends 50 mg")
    await page.get_by_role("button", name="Garder le brouillon").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Brouillons")
    await expect(page.locator(".paper")).to_contain_text("Je prends 50 mg")
    await page.get_by_role("link", name="Messages", exact=True).click()
    row = page.locator("li", has=page.locator("a.row", has_text=SUBJECT))
    await expect(row.locator(".tag.warn")).to_have_text("Brouillon")
    await row.locator("a.row").click()
    await expect(page.locator("#text")).to_have_value("Je prends 50 mg")
    await page.locator("#text").fill("Je prends 50 mg le soir")
    await page.get_by_role("button", name="Envoyer").click()
    await expect(page.locator(".bubble.mine .text").last).to_have_text("Je prends 50 mg le soir")
    await expect(page.locator("#text")).to_have_value("")


async def _corrects(page: Page) -> None:
    last = page.locator(".bubble.mine").last
    await last.get_by_role("link", name="Corriger").click()
    await page.get_by_label("Nouveau texte").fill("Je prends 5 mg le soir")
    await page.get_by_role("button", name="Envoyer la correction").click()
    await expect(last.locator(".text")).to_have_text("Je prends 5 mg le soir")
    await last.locator("summary", has_text="voir le texte d’avant").click()
    await expect(last.locator("blockquote")).to_have_text("Je prends 50 mg le soir")


async def _says_yes(page: Page) -> None:
    await _conversations(page)
    await expect(page.locator("[data-unread]")).to_have_text("1 non lu")
    await page.locator("a.row", has_text="Consultation préopératoire").click()
    await page.get_by_role("button", name="Accepter").click()
    await expect(page.locator(".answered")).to_contain_text("par vous")


async def _puts_away(page: Page) -> None:
    """Archived from the list, brought back; a label of one's own on it."""
    await _conversations(page)
    await page.get_by_label("Ranger « Rendez-vous »").click()
    await page.get_by_role("button", name="Archiver").locator("visible=true").click()
    await expect(page.get_by_role("status").filter(has_text="La conversation est archivée.")).to_be_visible()
    await expect(page.locator("a.row")).to_have_count(1)
    await page.get_by_role("button", name="Annuler").click()
    await expect(page.locator("a.row")).to_have_count(2)
    await page.get_by_label("Ranger « Rendez-vous »").click()
    await page.get_by_role("link", name="Étiquettes…").locator("visible=true").click()
    await page.get_by_label("Nouvelle étiquette").fill("Genou")
    await page.get_by_role("button", name="Enregistrer").click()
    await expect(page.locator(".tag.label")).to_have_text("Genou")


async def _finds(page: Page) -> None:
    """Without its accents; the hit leads to its place."""
    await page.get_by_role("searchbox").fill("RADIOGRAPHIES")
    await page.get_by_role("button", name="Chercher").click()
    hit = page.locator("a.found", has_text="Apportez vos radiographies")
    await expect(hit.locator("mark")).to_have_text("radiographies")
    await hit.click()
    await expect(page.locator(".entry:target")).to_contain_text("Apportez vos radiographies")
    await expect(page.locator(".entry:target")).to_be_in_viewport()


async def _account(page: Page, part: str) -> None:
    await page.locator(".menu summary").click()
    await page.get_by_role("link", name="Mon compte").click()
    await page.get_by_role("link", name=part).click()


async def _chooses_how_to_be_told(page: Page) -> None:
    await _account(page, "Être prévenu")
    await page.get_by_label("Une seule fois par jour, pour tous les messages").check()
    await page.get_by_label("Les rappels et les services automatiques").uncheck()
    await page.get_by_role("button", name="Enregistrer").click()
    await expect(page.get_by_role("status")).to_have_text("C’est enregistré.")
    await expect(page.get_by_label("Une seule fois par jour, pour tous les messages")).to_be_checked()
    await expect(page.get_by_label("Les rappels et les services automatiques")).not_to_be_checked()


async def _invites(page: Page) -> None:
    await _account(page, "Les personnes qui agissent")
    await page.get_by_role("link", name="Inviter un aidant").click()
    await page.get_by_label("Son prénom et son nom").fill("Marcel")
    await page.get_by_role("button", name="Obtenir le code").click()
    await expect(page.locator(".code span")).to_have_count(4)
    await page.get_by_role("link", name="J’ai noté le code").click()
    await expect(page.get_by_role("heading", level=4)).to_have_text("Marcel")


async def _goes(page: Page) -> None:
    await page.locator(".menu summary").click()
    await page.get_by_role("button", name="Se déconnecter").click()
    await expect(page.get_by_role("status")).to_have_text("Vous êtes déconnecté.")
    await page.go_back()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Entrer dans votre espace")
