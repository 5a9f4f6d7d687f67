"""The ways in by a provider of identity, in a real browser: our own pages around them, for every eye and ear."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Browser, expect

from tests.browser.chromium import Window, window
from tests.house import House
from tests.oidc_house import DOMINIQUE, MOREL
from tests.support.oidc_provider import Providers

# The providers' authority is the tests' own.
PHONE: dict[str, Any] = {"viewport": {"width": 320, "height": 700}, "ignore_https_errors": True}


async def clean(shown: Window) -> None:
    assert await shown.faults() == []
    assert not await shown.wider_than_screen()


async def test_dominique_comes_in_by_franceconnect_on_a_phone(known: House, idp: Providers, browser: Browser) -> None:
    async with window(browser, known, **PHONE) as dominique:
        page = await dominique.go("/sign-in?said=oidc_denied")
        await expect(page.get_by_text("Vous avez arrêté avant la fin.")).to_be_visible()
        await clean(dominique)
        await page.get_by_role("link", name="S’identifier avec FranceConnect").click()
        await page.wait_for_url(f"{idp.url}/")
        cookies = {cookie["name"]: cookie for cookie in await page.context.cookies(f"{idp.url}/sign-out")}
        assert cookies["pli"]["httpOnly"]
        assert cookies["pli-out"]["path"] == "/sign-out"
        assert dominique.complaints == [], "our own policies let nobody stand in the way"
        page = await dominique.go("/sign-in?out=franceconnect")
        await expect(page.get_by_role("link", name="Fermer FranceConnect")).to_be_visible()
        await clean(dominique)


async def test_who_is_nobody_here_is_told_what_to_do_on_a_page_for_everybody(
    known: House, idp: Providers, browser: Browser
) -> None:
    await idp.tell("franceconnect", claims=DOMINIQUE | {"birthplace": "51216"})
    await idp.tell("psc", claims=MOREL | {"SubjectNameID": "810199999999", "preferred_username": "810199999999"})
    told = {"FranceConnect": "Nous ne vous retrouvons pas", "Pro Santé Connect": "Vous n’avez pas encore de boîte ici"}
    async with window(browser, known, **PHONE, color_scheme="dark") as stranger:
        for way, title in told.items():
            page = await stranger.go("/sign-in")
            await page.get_by_role("link", name=f"S’identifier avec {way}").click()
            await expect(page.get_by_role("heading", level=1)).to_have_text(title)
            await clean(stranger)
            await page.get_by_role("link", name="Revenir à l’entrée").click()
            await page.wait_for_url(f"{idp.url}/sign-in")
