"""Debian's Chromium for a test: signed in as somebody, at a width, in a light; everything it complains of is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

from tests.house import House
from tests.support.programs import missing, program

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]  # no rule of theirs is left out
PATIENCE_MS = 30_000  # a machine that is busy is slow; what never comes is still missed
expect.set_options(timeout=PATIENCE_MS)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]


@dataclass
class Window:
    """A browser window. `complaints`: what its console and its scripts said; `asked`: every address it asked for."""

    page: Page
    house: House
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def go(self, path: str) -> Page:
        await self.page.goto(self.house.http + path)
        return self.page

    async def live(self) -> None:
        """Until the socket is in step."""
        await self.page.wait_for_selector("[data-connected]")

    async def faults(self, *rules: str) -> list[Any]:
        """What axe-core finds of WCAG 2.2 AA and good practice, or by these rules alone: each as (rule, elements)."""
        if not AXE.is_file():
            missing("node_modules/axe-core")
        if not await self.page.evaluate("'axe' in window"):
            await self.page.evaluate(AXE.read_text(encoding="utf-8"))
        only = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": TAGS}
        said = "r => r.violations.map(v => [v.id, v.nodes.map(n => n.html)])"
        # What a frame holds is somebody else's letter; style sheets are not fetched anew for rules that are not asked.
        options = {"runOnly": only, "resultTypes": ["violations"], "iframes": False, "preload": False}
        return list(await self.page.evaluate(f"options => axe.run(options).then({said})", options))

    async def wider_than_screen(self) -> bool:
        return bool(await self.page.evaluate("document.documentElement.scrollWidth > innerWidth"))


@asynccontextmanager
async def chromium(*arguments: str, whole: bool = False) -> AsyncIterator[Browser]:
    """The browser itself: its engine alone, which starts in half the time; or the `whole`, that shows notices and PDF
    files too.
    """
    path = program("chromium" if whole else "chromium-headless-shell")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *arguments])
        try:
            yield browser
        finally:
            await browser.close()


def _complains(said: ConsoleMessage) -> bool:
    return said.type in {"error", "warning"} and "blocked by Playwright" not in said.text


@asynccontextmanager
async def window(browser: Browser, house: House, who: str = "", **options: Any) -> AsyncIterator[Window]:
    """A window of its own, signed in as `who`. Options are Playwright's of a context. A service worker stands between
    a page and the network a test cuts or listens to: it is left out but where it is what is tested.
    """
    settings: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}, "locale": "fr-FR", **options}
    settings.setdefault("service_workers", "block")
    context = await browser.new_context(**settings)
    if who:
        await context.add_cookies([{"name": "pli", "value": await house.session(who), "url": house.http}])
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    opened = Window(page, house)
    page.on("console", lambda said: opened.complaints.append(said.text) if _complains(said) else None)
    page.on("pageerror", lambda error: opened.complaints.append(str(error)))
    context.on("request", lambda request: opened.asked.append(request.url))
    try:
        yield opened
    finally:
        await context.close()
