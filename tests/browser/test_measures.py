"""A measure in a real browser: typed in words, corrected on its card, kept, taken back."""

from __future__ import annotations

import re

from playwright.async_api import Browser, expect

from tests.browser.chromium import window
from tests.house import House


async def test_dominique_types_a_measure_corrects_it_on_the_card_and_takes_it_back(
    browser: Browser, house: House
) -> None:
    async with window(browser, house, "dominique", viewport={"width": 360, "height": 740}) as seen:
        page = await seen.go("/measures")
        await page.get_by_label("Notez une mesure, en vos mots").fill("tension 13/8")
        await page.keyboard.press("Enter")
        await page.wait_for_url(re.compile("/c/"))
        await seen.live()
        card = page.locator(".card")
        await expect(card).to_contain_text("Noter : tension artérielle 130/80")
        await card.get_by_text("Corriger").click()
        await card.get_by_label("La mesure corrigée").fill("tension 13,5/8,5")
        await card.get_by_role("button", name="Noter la correction").click()
        line = page.locator(".record", has_text="Noté : tension artérielle 135/85")
        await expect(line).to_be_visible()
        await expect(card).to_contain_text("Mesure corrigée et notée")
        await card.get_by_role("button", name="Annuler").click()
        await expect(page.locator(".record", has_text="Mesure retirée.")).to_be_visible()
        page = await seen.go("/measures/blood-pressure")
        await expect(page.locator("main")).to_contain_text("Aucune mesure pour le moment.")
        assert seen.complaints == []
