"""A form in a real browser: begun on a phone with the keyboard alone, left, taken up on a tablet, checked, sent."""

from __future__ import annotations

import re

from playwright.async_api import Browser, Page, expect

from server import access
from server.dossier import measures
from server.forms import cards
from tests.browser.chromium import Window, window
from tests.doors.test_forms import asked
from tests.house import House

PHONE, TABLET = {"width": 320, "height": 640}, {"width": 1280, "height": 800}


async def press(page: Page, *keys: str) -> None:
    for key in keys:
        await page.keyboard.press(key)


async def fine(seen: Window) -> None:
    """Nothing wider than the screen, nothing that axe finds."""
    assert not await seen.wider_than_screen()
    assert await seen.faults() == []


async def test_dominique_begins_on_her_phone_and_ends_on_her_tablet(browser: Browser, house: House) -> None:
    receipt = await asked(house)
    thread = f"/c/{receipt.conversation}"
    async with window(browser, house, "dominique", viewport=PHONE) as phone:
        page = await phone.go(thread)
        await page.get_by_role("link", name="Répondre aux questions").focus()
        await press(page, "Enter")
        await expect(page.locator("#progress")).to_contain_text("Question 1 sur 3")
        await fine(phone)
        await page.get_by_label("Oui").focus()
        await press(page, "Space", "Enter")
        await expect(page.locator("#progress")).to_contain_text("Question 2 sur 4")
        await page.get_by_label("Combien par jour").focus()
        await page.keyboard.type("dix")
        await press(page, "Enter")
        await expect(page.get_by_role("alert")).to_contain_text("Écrivez un nombre entier")
        await expect(page.get_by_label("Combien par jour")).to_have_value("dix")
        await fine(phone)
        await page.get_by_label("Combien par jour").fill("10")
        await page.get_by_role("button", name="M’arrêter ici").press("Enter")
        await page.wait_for_url(re.compile("#m-"))
        assert phone.complaints == [] or all("422" in one for one in phone.complaints)
    async with window(browser, house, "dominique", viewport=TABLET) as tablet:
        page = await tablet.go(thread)
        await expect(page.locator(".card")).to_contain_text("Commencé : 2 réponses sur 4.")
        await page.get_by_role("link", name="Reprendre").click()
        await expect(page.locator("#progress")).to_contain_text("Question 3 sur 4")
        await page.get_by_label("Votre poids").fill("72,5")
        await press(page, "Enter")
        await page.get_by_label("Vos allergies").fill("pollen\nlatex")
        await page.get_by_role("button", name="Vérifier").click()
        await expect(page.locator("main")).to_contain_text("72,5 kg")
        await fine(tablet)
        await page.get_by_label("Vos allergies").uncheck()
        await page.get_by_role("button", name="Envoyer mes réponses").click()
        await page.wait_for_url(re.compile("#m-"))
        await expect(page.locator(".record")).to_contain_text("Réponses envoyées")
        await expect(page.get_by_role("link", name="Voir ou corriger mes réponses")).to_be_visible()
        assert tablet.complaints == []
    handle = await access.dossier(house.app, await house.mailbox("dominique"))
    assert [one.values for one in await measures.series(house.app, handle, "weight")] == [("72.5",)]


async def test_the_way_to_send_one_opens_at_the_first_press_on_a_phone(browser: Browser, house: House) -> None:
    receipt = await asked(house)
    thread = f"/for/{house.admissions.mailbox_id}/c/{receipt.conversation}"
    async with window(browser, house, "petit", viewport=PHONE) as phone:
        page = await phone.go(thread)
        sheet = page.locator("form.composer")
        await sheet.locator("summary", has_text="Ajouter").click()
        await sheet.get_by_role("link", name="Envoyer un questionnaire ou une liste").click()
        await page.get_by_label("Titre").fill("La veille")
        await page.get_by_role("textbox", name="Choses à faire").fill("Douche\nÀ jeun")
        await page.get_by_role("button", name="Envoyer la liste").press("Enter")
        await page.wait_for_url(re.compile("#m-"))
        await expect(page.locator(".ticks")).to_contain_text("À jeun à faire")
        await fine(phone)


async def test_things_are_ticked_on_their_card_and_the_office_sees_it_live(browser: Browser, house: House) -> None:
    things = cards.checklist_card("La veille", "", ["Douche", "À jeun"])
    receipt = await asked(house, **things, form=None)
    office = f"/for/{house.admissions.mailbox_id}/c/{receipt.conversation}"
    async with (
        window(browser, house, "dominique", viewport=PHONE) as hers,
        window(browser, house, "petit", viewport=TABLET) as theirs,
    ):
        seen = await theirs.go(office)
        await theirs.live()
        page = await hers.go(f"/c/{receipt.conversation}")
        await hers.live()
        await page.get_by_label("Douche").check()
        await page.get_by_role("button", name="Enregistrer").click()
        await expect(seen.locator(".ticks .tick-done")).to_contain_text(house.dominique.name)
        await expect(page.locator(".record")).to_contain_text("Fait : Douche. Reste : 1.")
        await fine(hers)
        await page.get_by_role("button", name="Tout est fait").click()
        await expect(seen.locator(".ticks .tick-done")).to_have_count(2)
        await expect(page.get_by_role("button", name="Tout est fait")).to_have_count(0)
