"""Every page and state for every eye and hand: axe-core (WCAG 2.0 to 2.2 A and AA, good practice), a phone of 320
pixels, text as large as one may choose, both lights, targets, one title and one heading.
"""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Browser

from tests.browser.chromium import window
from tests.browser.everything import Everything
from tests.browser.looking import WIDE_ONES, at_table
from tests.browser.states import GROUPS

# Of people, services and letters: not ours to translate.
NAMES = re.compile(
    "MOREL|CHU|Mon carnet|Rappels|Votre espace|"
    "dmission|Rendez-vous|onsignes|Camille|opération|résultats|sortie|entrée|Bilan"
)
FRENCH = re.compile(r"\b(vous|votre|vos|des|avec|pour|aucun|dans|rendez|lettre|mes|mon|aux|une|est)\b", re.IGNORECASE)
HERS = ("list", "threads", "reading", "account")
OURS = "main label, main button, main summary, .urgent, nav, footer, main legend, h1"


@pytest.mark.parametrize("group", GROUPS)
async def test_every_page_and_state_is_for_everybody(browser: Browser, everything: Everything, group: str) -> None:
    faults = {state.told: found async for state, found in at_table(browser, everything, GROUPS[group]) if found}
    assert faults == {}


async def test_every_page_is_in_english_too_and_stands_in_more_contrast(
    browser: Browser, everything: Everything
) -> None:
    assert await _english(browser, everything) + await _contrasted(browser, everything) == []


async def _english(browser: Browser, scene: Everything) -> list[str]:
    faults = []
    async with window(browser, scene.house, "dominique", viewport={"width": 320, "height": 800}) as seen:
        cookie = {"name": "pli-language", "value": "en", "url": scene.house.http}
        await seen.page.context.add_cookies([cookie])  # type: ignore[list-item]
        for state in (state for name in HERS for state in GROUPS[name] if state.do is None):
            page = await seen.go(scene.address(state.path))
            assert await page.evaluate("document.documentElement.lang") == "en"
            faults += await page.evaluate(WIDE_ONES)
            for words in await page.locator(OURS).all_inner_texts():
                if FRENCH.search(words) and not NAMES.search(words):
                    faults.append(f"{state.told}: {words}")
    return faults


async def _contrasted(browser: Browser, scene: Everything) -> list[str]:
    """One's own space and another's, as somebody sees them who asked for more contrast."""
    faults = []
    async with window(browser, scene.house, "dominique", bypass_csp=True) as seen:
        look = {"name": "pli-look", "value": "contrast-more", "url": scene.house.http}
        await seen.page.context.add_cookies([look])  # type: ignore[list-item]
        for path in ("/", "/c/{several}", "/c/{answered}", "{camille}/c/{child}", "/account/notices"):
            page = await seen.go(scene.address(path))
            assert await page.evaluate("document.documentElement.dataset.contrast") == "more"
            for light in ("light", "dark"):
                await page.emulate_media(color_scheme=light)
                faults += [f"{path} {light}: {nodes}" for _, nodes in await seen.faults("color-contrast")]
    return faults
