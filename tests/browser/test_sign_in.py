"""Coming in, with a real browser on a narrow screen: every page and state of it for every eye and ear."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyotp
from playwright.async_api import Browser, Page, expect

from tests.browser.chromium import Window, window
from tests.house import House
from tests.signing import IDENTIFIER, PASSWORD, link_for, open_outside, settle

NARROW: dict[str, Any] = {"viewport": {"width": 320, "height": 700}, "bypass_csp": True}  # axe-core is let in
SMALL = """() => [...document.querySelectorAll('main button, main a, main input:not([type=hidden], [type=checkbox])')]
  .filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 44 && !e.closest('p'))
  .map(e => e.outerHTML)"""


async def sound(seen: Window) -> None:
    """No fault of axe-core's, nothing wider than the screen, nothing too small for a finger."""
    assert await seen.faults() == [], seen.page.url
    assert not await seen.wider_than_screen(), seen.page.url
    assert await seen.page.evaluate(SMALL) == [], seen.page.url


async def press(page: Page, name: str) -> None:
    await page.get_by_role("button", name=name, exact=True).click()


async def test_dominiques_first_time_and_the_day_after(browser: Browser, tmp_path: Path, sqlite_url: str) -> None:
    async with open_outside(tmp_path / "pli", sqlite_url) as outside, window(browser, outside.house, **NARROW) as seen:
        house, page = outside.house, await seen.go(await link_for(outside.house, "dominique"))
        await press(page, "Entrer")
        await sound(seen)
        await page.get_by_label("Identifiant de votre choix").fill(IDENTIFIER)
        password = page.get_by_label("Nouveau mot de passe")
        await password.fill("azerty")
        await expect(page.locator("output")).to_have_text("Ce mot de passe est encore trop facile à deviner.")
        await password.fill(PASSWORD)
        await expect(page.locator("output")).to_have_text("Votre mot de passe est solide.")
        await page.get_by_role("button", name="Afficher").click()
        await expect(password).to_have_attribute("type", "text")
        await expect(page.get_by_role("button", name="Masquer : Nouveau mot de passe")).to_be_visible()
        await press(page, "Continuer")
        await sound(seen)
        await press(page, "Choisir l’application")
        await sound(seen)
        app = pyotp.TOTP((await page.locator("#app-key").inner_text()).replace(" ", ""))
        await page.get_by_label("Code de l’application").fill(app.now())
        await page.get_by_label("Se souvenir de cet appareil").check()
        await press(page, "Confirmer")
        await expect(page.locator(".recovery-codes li")).to_have_count(10)
        await sound(seen)
        await page.get_by_role("link", name="Ouvrir mon espace").click()
        await expect(page.locator(".whose")).to_contain_text("Dominique PAT-TROIS")
        await seen.go("/account/security")
        await press(page, "Ajouter une application")
        await sound(seen)
        await page.locator(".menu summary").click()
        await press(page, "Se déconnecter")
        await page.get_by_label("Identifiant").fill(IDENTIFIER)
        await page.get_by_label("Mot de passe").fill(PASSWORD)
        await page.keyboard.press("Enter")
        await expect(page.locator(".whose")).to_contain_text("Dominique PAT-TROIS")
        assert {url.split("/")[2] for url in seen.asked} == {house.http.removeprefix("http://")}
        assert seen.complaints == []


async def test_every_state_of_the_door_is_without_a_fault(browser: Browser, house: House) -> None:
    """In the dark and in English: the walk above is in the light and in French."""
    person = await settle(house)
    async with window(browser, house, **NARROW, color_scheme="dark") as seen:
        cookie = {"name": "pli-language", "value": "en", "url": house.http}
        await seen.page.context.add_cookies([cookie])  # type: ignore[list-item]
        page = await seen.go("/sign-in")
        await sound(seen)
        for password in ("faux", PASSWORD):
            await page.fill("#identifier", IDENTIFIER)
            await page.fill("#password", password)
            await page.keyboard.press("Enter")
            await page.wait_for_selector("#given" if password == PASSWORD else ".error")
            await sound(seen)
        await page.fill("#given", "000000")
        await page.keyboard.press("Enter")
        await page.wait_for_selector(".error")
        await page.click("[href$='with=recovery']")
        await sound(seen)
        await page.fill("#given", person.codes[0])
        await page.keyboard.press("Enter")
        await page.wait_for_selector("[href='/account/security']")
        await sound(seen)  # what failed since the last time
        await seen.go("/sign-in/lost")
        await sound(seen)
        for goal in ("password", "factor"):
            await seen.go(await link_for(house, "dominique"))
            await page.click("main form button")
            await sound(seen)
            await page.click(f"form:has([value={goal}]) button")
            await page.wait_for_selector("#given")
            await sound(seen)
