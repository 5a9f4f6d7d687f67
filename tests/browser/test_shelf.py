"""Dominique's shelf in a real browser: a scan of two pages, several documents hidden by the keyboard alone."""

from __future__ import annotations

import io

from PIL import Image
from playwright.async_api import Browser, FilePayload, expect

from server import access
from server.dossier import documents as shelf
from tests.browser.chromium import window
from tests.house import House
from tests.storage.shelf import filed

PHONE = {"width": 320, "height": 700}


def photo(name: str, colour: str) -> FilePayload:
    out = io.BytesIO()
    Image.new("RGB", (600, 800), colour).save(out, "JPEG")
    return {"name": name, "mimeType": "image/jpeg", "buffer": out.getvalue()}


async def test_two_photos_are_put_in_order_turned_cut_and_made_one_document(house: House, browser: Browser) -> None:
    async with window(browser, house, "dominique", viewport=PHONE, bypass_csp=True) as seen:
        page = await seen.go("/documents/add")
        await page.get_by_label("Ce sont les pages d’un seul document").check()
        await page.set_input_files("#files", [photo("verso.jpg", "red"), photo("recto.jpg", "blue")])
        sheets = page.locator(".sheet-one")
        await expect(sheets).to_have_count(2)
        await sheets.nth(1).get_by_role("button", name="Avant").click()
        await expect(page.locator("[data-status]")).to_have_text("La page est maintenant la 1 sur 2.")
        await expect(sheets.nth(0).get_by_role("img")).to_have_accessible_name("Page 1 sur 2, recto.jpg")
        await sheets.nth(0).get_by_role("button", name="Tourner").click()
        await sheets.nth(1).get_by_text("Couper les bords").click()
        await sheets.nth(1).get_by_label("En bas").fill("45")
        assert await sheets.nth(0).locator("canvas").evaluate("c => c.width > c.height")
        assert await sheets.nth(1).locator("canvas").evaluate("c => c.width > c.height"), "nearly half is cut"
        await page.get_by_label("Titre").fill("Carnet de vaccination")
        assert await seen.faults() == []
        assert not await seen.wider_than_screen()
        await page.get_by_role("button", name="Ajouter", exact=True).click()
        await expect(page.get_by_role("heading", name="Carnet de vaccination")).to_be_visible()
        handle = await access.dossier(house.app, await house.mailbox("dominique"))
        (only,) = await shelf.list_documents(house.app, handle)
        await seen.go(f"/documents/{only.id}/view")
        await expect(page.get_by_text("page 1 sur 2").first).to_be_visible()
        assert seen.complaints == []


async def test_several_are_hidden_by_the_keyboard_alone_and_shown_again(house: House, browser: Browser) -> None:
    handle = await access.dossier(house.app, await house.mailbox("dominique"))
    for title in ("Genou", "Épaule"):
        await filed(house, handle, title, author="morel")
    async with window(browser, house, "dominique", viewport=PHONE, bypass_csp=True) as seen:
        page = await seen.go("/documents")
        await page.get_by_role("link", name="Choisir plusieurs documents").focus()
        await page.keyboard.press("Enter")
        await page.get_by_role("checkbox", name="Choisir : Genou").focus()
        await page.keyboard.press("Space")
        await expect(page.locator("[data-count]")).to_have_text("Choisis : 1")
        await page.get_by_role("button", name="Tout cocher ou décocher").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("[data-count]")).to_have_text("Choisis : 2")
        assert await seen.faults() == []
        assert not await seen.wider_than_screen()
        await page.get_by_label("Avec les documents cochés").select_option(label="Masquer aux professionnels")
        await page.get_by_role("button", name="Faire").focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status").first).to_contain_text("2 documents sont masqués aux professionnels.")
        await page.get_by_role("button", name="Annuler").focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status").first).to_contain_text("voient de nouveau 2 documents")
        assert seen.complaints == []
