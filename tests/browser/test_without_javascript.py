"""The whole of it by forms and reloads, with JavaScript turned off: what a page promises to everybody."""

from __future__ import annotations

from playwright.async_api import Browser, expect

from tests.browser.chromium import window
from tests.browser.scenes import SUBJECT, appointment, letter_with_documents, offer
from tests.house import House
from tests.signing import come_in


async def test_dominique_does_everything_without_javascript(browser: Browser, house: House) -> None:
    await offer(house)
    await appointment(house)
    await letter_with_documents(house)
    async with window(browser, house, java_script_enabled=False, viewport={"width": 390, "height": 800}) as seen:
        page = await seen.go("/")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Entrer dans votre espace")
        await come_in(house, page)
        await expect(page.get_by_role("heading", level=1)).to_contain_text("3 non lus")

        await page.get_by_role("link", name=SUBJECT).click()  # the newest, with its documents
        document = page.locator(".file", has_text="Consultation préanesthésique")
        await document.get_by_role("button", name="Ranger dans mon dossier").click()
        await expect(document.get_by_role("link", name="Rangé dans votre dossier")).to_be_visible()
        await page.locator(".add summary").click()
        await page.set_input_files(
            "#files", {"name": "photo.png", "mimeType": "image/png", "buffer": b"\x89PNG\r\n\x1a\n"}
        )
        await page.get_by_label("Écrire à Dr Agathe MOREL").fill("Voici la photo.\nMerci.")
        await page.get_by_role("button", name="Envoyer").click()
        bubble = page.locator(".bubble.mine")
        await expect(bubble).to_contain_text("photo.png")
        await expect(bubble).to_be_in_viewport()
        await document.get_by_role("link", name="Rangé dans votre dossier").click()
        await expect(page.get_by_role("heading", level=3)).to_have_text("Consultation préanesthésique")
        await page.get_by_role("link", name="Voir le message").click()
        await page.get_by_role("link", name="Toutes les conversations").click()

        await page.locator("a.row", has_text="Consultation préopératoire").click()
        await page.get_by_role("button", name="Accepter").click()
        await expect(page.locator(".answered")).to_contain_text("par vous")
        await page.get_by_role("link", name="Mon agenda").click()
        await expect(page.locator(".appointment")).to_contain_text("Accepté")
        await page.get_by_role("link", name="Messages", exact=True).click()

        await page.locator("a.row", has_text="Mon carnet de suivi").click()
        await page.get_by_label("Pendant").select_option("2")
        await page.get_by_role("button", name="Autoriser").click()
        await page.get_by_role("link", name="Mes services").click()
        await page.get_by_role("button", name="Retirer l’accès").click()
        await expect(page.get_by_role("heading", level=2)).to_have_text("Aucun service n’a accès à votre dossier")

        await page.locator(".menu summary").click()
        await page.get_by_role("button", name="English").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("My services")
        await page.locator(".spaces summary").click()
        await page.get_by_role("link", name="Camille PAT-TROIS").click()
        await expect(page.locator(".whose")).to_contain_text("You are acting for Camille PAT-TROIS")
        await page.get_by_role("link", name="Back to your own space").click()
        await page.locator(".menu summary").click()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("status")).to_have_text("You are signed out.")
        await seen.go("/documents")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Enter your space")
        assert seen.complaints == []
        assert {url.split("/")[2] for url in seen.asked} == {house.http.removeprefix("http://")}
