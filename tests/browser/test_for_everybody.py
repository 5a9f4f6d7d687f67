"""What no rule of axe-core sees: text twice as large, as a browser's own setting makes it; a thread on paper."""

from __future__ import annotations

from playwright.async_api import Browser, expect

from tests.browser.chromium import chromium, window
from tests.browser.everything import Everything
from tests.browser.looking import CLIPPED, WIDE_ONES
from tests.browser.scenes import letter_with_documents
from tests.browser.states import ACCOUNT, LIST, OFFICES, READING, THREADS
from tests.house import House

TWICE = "--blink-settings=defaultFontSize=32"


async def test_text_twice_as_large_still_fits(everything: Everything) -> None:
    """WCAG 1.4.4."""
    faults = []
    async with chromium(TWICE) as browser:
        for who, states in (("dominique", [*LIST, *THREADS, *READING, *ACCOUNT]), ("petit", OFFICES)):
            async with window(browser, everything.house, who, viewport={"width": 640, "height": 800}) as seen:
                for state in (state for state in states if state.do is None and state.who == who):
                    page = await seen.go(everything.address(state.path))
                    assert await page.evaluate("getComputedStyle(document.body).fontSize") == "36px"
                    found = [*await page.evaluate(WIDE_ONES), *await page.evaluate(CLIPPED)]
                    faults += [f"{state.told}: {fault}" for fault in found]
    assert faults == []


async def test_a_printed_thread_is_the_letters_alone(browser: Browser, house: House) -> None:
    receipt = await letter_with_documents(house)
    async with window(browser, house, "dominique") as seen:
        page = await seen.go(f"/c/{receipt.conversation}")
        await page.emulate_media(media="print")
        await expect(page.locator(".letter")).to_be_visible()
        for hidden in (".composer", ".rubrics", "aside.list", "aside.context", ".menu", ".file-doing"):
            await expect(page.locator(hidden).first).to_be_hidden()
