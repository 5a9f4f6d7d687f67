"""« Demander à Pli » in a real browser: asked, answered on a card, tapped, taken back; not understood; a person."""

from __future__ import annotations

import re

from playwright.async_api import Browser, expect

from tests.browser.chromium import window
from tests.browser.visitor import visitor
from tests.house import House


async def test_dominique_asks_pli_taps_takes_back_and_reaches_a_person(browser: Browser, house: House) -> None:
    async with window(browser, house, "dominique", viewport={"width": 320, "height": 740}) as seen:
        page = await seen.go("/ask")
        assert await seen.faults() == []
        await page.get_by_label("Votre demande").fill("dantiste mardi 14 h")
        await page.keyboard.press("Enter")
        await page.wait_for_url(re.compile("/c/"))
        await seen.live()
        card = page.locator(".card").last
        await expect(card).to_contain_text("Noter : Dentiste, mardi")
        await card.get_by_role("button", name="Noter", exact=True).click()
        await expect(page.locator(".record", has_text="Noté : Dentiste, mardi")).to_be_visible()
        await card.locator("summary").click()
        await card.get_by_role("button", name="Annuler").click()
        await expect(page.locator(".record", has_text="Retiré de votre agenda.")).to_be_visible()
        await page.get_by_label("Demander à Pli").fill("le prix de l’essence")
        await page.get_by_role("button", name="Envoyer").click()
        await expect(page.locator(".card").last).to_contain_text("Je n’ai pas compris")
        await page.locator(".card").last.get_by_role("button", name="Demander l’aide d’une personne").click()
        await expect(page.locator(".card").last).to_contain_text("Votre demande est chez L’aide de Pli")
        await page.get_by_label("Demander à Pli").fill("jveux mourrir")
        await page.get_by_role("button", name="Envoyer").click()
        call = page.get_by_role("link", name="Appeler le 3114")
        await expect(call).to_have_attribute("href", "tel:3114")
        await expect(call).to_be_in_viewport()  # nobody in distress looks for it below the screen
        assert await seen.faults() == []
        assert not await seen.wider_than_screen()
        assert seen.complaints == []
    async with visitor(house, "noel") as noel:
        shown = await noel.get(f"/for/{house.aide.mailbox_id}/")
        assert "Demande d’aide" in shown.said


async def test_without_javascript_a_question_is_a_form_and_letters_lead_to_it(house: House) -> None:
    letter = await house.letter("morel", "dominique")
    async with visitor(house, "dominique") as dominique:
        assert 'href="/ask"' in (await dominique.get(f"/c/{letter.conversation}")).text
        empty = await dominique.post("/ask", {"text": " ", "client_key": "a"})
        assert (empty.status, "Écrivez votre question" in empty.said) == (422, True)
        first = await dominique.post("/ask", {"text": "mes rdv", "client_key": "b"})
        again = await dominique.post("/ask", {"text": "mes rdv", "client_key": "b"})
        assert first.status == 303
        assert first.place == again.place, "asked twice, it is asked once"
        thread = await dominique.get(first.place.partition("#")[0])
        assert "Pli, service automatique" in thread.said
        assert 'name="text"' in thread.text
    async with visitor(house, "morel") as morel:
        assert (await morel.get("/ask")).status == 404
