"""The steps of coming in that need a telephone or a letter-box elsewhere: an SMS, an e-mail, an operator's link."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page

from tests.browser.chromium import Window, window
from tests.browser.looking import PHONE, look, look_further
from tests.signing import IDENTIFIER, PASSWORD, link_for, open_outside


async def test_every_step_by_sms_and_by_e_mail_is_for_everybody(
    browser: Browser, tmp_path: Path, sqlite_url: str
) -> None:
    faults: dict[str, list[str]] = {}

    async def step(seen: Window, name: str, button: str = "", **typed: str) -> None:
        page = seen.page
        for field, value in typed.items():
            await page.fill(f"[name={field}]", value)
        if button:
            await press(page, button)
        if found := await look(seen) + await look_further(seen):
            faults[name] = found

    async with open_outside(tmp_path / "pli", sqlite_url) as outside:
        house = outside.house
        options: dict[str, Any] = {"viewport": PHONE, "bypass_csp": True}
        async with window(browser, house, **options) as seen:
            await seen.go(await link_for(house, "dominique"))
            await step(seen, "a link")
            await step(seen, "a first time", "Entrer")
            await step(seen, "a password that is too short", "Continuer", identifier=IDENTIFIER, password="azertyuio")
            await step(seen, "a second factor to choose", "Continuer", identifier=IDENTIFIER, password=PASSWORD)
            await step(seen, "a number that is not whole", "Recevoir un code", number="06 12")
            await step(seen, "a code by SMS", "Recevoir un code", number="06 12 34 56 78")
            await step(seen, "a wrong code", "Confirmer", given="000001")
            await step(seen, "recovery codes", "Confirmer", given=outside.sms.code())
            await seen.page.context.clear_cookies()
            await seen.go("/sign-in")
            await step(seen, "a wrong password", "Continuer", identifier=IDENTIFIER, password="un autre mot de passe")
            await step(seen, "an SMS is offered", "Continuer", identifier=IDENTIFIER, password=PASSWORD)
            await seen.go("/sign-in/lost")
            await step(seen, "lost")
            await step(seen, "an e-mail", "Recevoir un code par e-mail", identifier=IDENTIFIER)
    assert faults == {}


async def press(page: Page, name: str) -> None:
    async with page.expect_navigation():
        await page.get_by_role("button", name=name).first.click()
