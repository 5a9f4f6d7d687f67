"""One's health as a browser shows it: the same page on paper, and a curve that says in words what it draws."""

from __future__ import annotations

from playwright.async_api import Browser, expect

from tests.browser.chromium import window
from tests.house import House
from tests.support.told import lived


async def test_the_page_is_printed_without_what_is_only_for_a_screen(browser: Browser, house: House) -> None:
    ids = await lived(house)
    async with window(browser, house, "dominique", viewport={"width": 320, "height": 800}) as seen:
        page = await seen.go("/health")
        await expect(page.get_by_role("button", name="Imprimer")).to_be_visible()
        await page.emulate_media(media="print")
        await expect(page.locator(".health-nav")).to_be_hidden()
        await expect(page.get_by_role("button", name="Imprimer")).to_be_hidden()
        await expect(page.get_by_role("heading", name="Allergies et intolérances")).to_be_visible()
        await page.emulate_media(media="screen")
        await page.get_by_role("link", name="Glucose à jeun").first.click()
        picture = page.get_by_role("img", name="Glucose à jeun : évolution")
        await expect(picture).to_have_accessible_name(
            "Glucose à jeun : évolution 2 résultats, du 20 novembre 2024 au 20 novembre 2026."
            " Le tableau dessous les donne tous."
        )
        rows = page.get_by_role("table", name="Glucose à jeun : tous les résultats").get_by_role("row")
        await expect(rows).to_have_count(3)  # with the head, which a phone shows in each cell
        assert ids["analyte"] in page.url
        assert seen.complaints == []
