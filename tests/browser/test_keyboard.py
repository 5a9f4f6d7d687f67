"""Nothing but a keyboard: coming in, reading, answering, writing, going to somebody else's space and back; Tab follows
the reading, shows where it is, and never stands behind what sticks to the screen (WCAG 2.1.1, 2.4.3, 2.4.7, 2.4.11).
"""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.chromium import window
from tests.browser.scenes import REPORT, SUBJECT, appointment, letter_with_documents
from tests.house import House
from tests.signing import IDENTIFIER, PASSWORD, settle

CALLED = """() => { const e = document.activeElement;
  if (e === document.body) return "";  // nothing has the focus, though the whole page's words are in it
  return e.getAttribute("aria-label") || e.labels?.[0]?.innerText || e.innerText || e.tagName }"""
# Of what has the focus: whether it follows, in the page, what had it before; whether one sees that it has it; whether
# some part of it is not behind something else. None at the end of the page, or when it begins again.
FOCUSED = """() => { const e = document.activeElement, box = e.getBoundingClientRect(), before = window.before;
  if (e === document.body || e === document.documentElement || e.matches('.skip')) return null;
  window.before = e;
  const follows = !before || before === e || Boolean(before.compareDocumentPosition(e) & Node.DOCUMENT_POSITION_FOLLOWING);
  const outlined = e.type === "date" || getComputedStyle(e).outlineStyle !== "none"; // a date’s parts have theirs inside
  const spots = [.05, .25, .5, .75, .95].flatMap(x => [.1, .5, .9].map(y => [box.x + box.width * x, box.y + box.height * y]));
  const there = spots.some(([x, y]) => { const top = document.elementFromPoint(x, y); return top && (e.contains(top) || top.contains(e) && top.tagName === "LABEL"); });
  return [follows, outlined, there, e.outerHTML.slice(0, 120)]; }"""  # noqa: E501


async def tab_to(page: Page, name: str, key: str = "Tab") -> None:
    """Press Tab until what has the focus is called that."""
    called = []
    for _ in range(80):
        await page.keyboard.press(key)
        called.append(await page.evaluate(CALLED))
        if name in called[-1]:
            return
    raise AssertionError(f"{name} not in {called}")


async def test_dominique_comes_in_reads_a_document_and_comes_back_to_it(browser: Browser, house: House) -> None:
    person, receipt = await settle(house), await letter_with_documents(house)
    async with window(browser, house) as seen:
        page = await seen.go("/sign-in")
        for label, typed in (("Identifiant", IDENTIFIER), ("Mot de passe", PASSWORD)):
            await tab_to(page, label)
            await page.keyboard.type(typed)
        await page.keyboard.press("Enter")
        await page.wait_for_selector("#given")
        await tab_to(page, "Code de l’application")
        await page.keyboard.type(person.telephone.code())
        await page.keyboard.press("Enter")
        await expect(page.locator(".whose")).to_contain_text("Dominique PAT-TROIS")
        await seen.live()

        await tab_to(page, "Aller au contenu")
        await page.keyboard.press("Enter")
        assert await page.evaluate("location.hash") == "#main"
        await tab_to(page, SUBJECT)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text(SUBJECT)
        await tab_to(page, f"Ouvrir {REPORT}")
        await page.keyboard.press("Enter")
        await expect(page.locator("[data-keys]")).to_be_visible()
        await page.keyboard.press("Escape")
        await page.wait_for_url(f"**/c/{receipt.conversation}**")
        await page.keyboard.press("Tab")  # goes on from the message, not from the top of the page
        assert await page.evaluate("document.activeElement.closest('.entry')?.id") == f"m-{receipt.message}"


async def test_a_card_is_answered_and_a_letter_written_and_sent(browser: Browser, house: House) -> None:
    card = await appointment(house)
    async with window(browser, house, "dominique") as seen:
        page = await seen.go(f"/c/{card.conversation}")
        await seen.live()
        await tab_to(page, "Accepter")
        await page.keyboard.press("Enter")
        await expect(page.locator(".answered")).to_contain_text("par vous")
        await tab_to(page, "Écrire à Dr Agathe MOREL")
        await page.keyboard.type("Merci, à bientôt.")
        await page.keyboard.press("Enter")  # a new line: it sends only for who chose so
        await page.keyboard.press("Control+Enter")
        await expect(page.locator(".bubble.mine:not(.pending)")).to_contain_text("Merci, à bientôt.")
        await expect(page.locator("#text")).to_be_focused()
        assert seen.complaints == []


async def test_menus_open_close_and_lead_to_another_space_and_back(browser: Browser, house: House) -> None:
    await house.letter("morel", "dominique", subject="Bilan")
    await house.letter("morel", "dominique", subject="Suite")
    async with window(browser, house, "dominique") as seen:
        page = await seen.go("/")
        await seen.live()
        await tab_to(page, "Menu")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("button", name="Se déconnecter")).to_be_visible()
        await tab_to(page, "Se déconnecter")
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("button", name="Se déconnecter")).to_be_hidden()
        assert await page.evaluate("document.activeElement.matches('.menu > summary')")

        await tab_to(page, "Ranger « Suite »")
        await page.keyboard.press("Enter")
        await tab_to(page, "Archiver")
        await page.keyboard.press("Enter")
        await expect(page.locator(".row-subject")).to_have_text(["Bilan"])
        await tab_to(page, "Annuler", "Shift+Tab")
        await page.keyboard.press("Enter")
        await expect(page.locator(".row-subject")).to_have_text(["Suite", "Bilan"])

        await page.reload()
        await seen.live()
        await tab_to(page, "Changer d’espace")
        await page.keyboard.press("Enter")
        await tab_to(page, "Camille PAT-TROIS")
        await page.keyboard.press("Enter")
        await expect(page.locator(".whose")).to_contain_text("Vous agissez pour Camille PAT-TROIS")
        await tab_to(page, "Revenir à votre espace")
        await page.keyboard.press("Enter")
        await expect(page.locator(".whose")).not_to_contain_text("Camille")
        assert seen.complaints == []


@pytest.mark.parametrize("width", [320, 1280])
async def test_tab_follows_the_reading_and_is_always_seen(browser: Browser, house: House, width: int) -> None:
    letter = await letter_with_documents(house)
    for _ in range(2):
        await house.answer("morel", letter.conversation, "Encore un mot.\n" * 12)
    paths = ("/", f"/c/{letter.conversation}", "/new", "/account/notices", "/account/people/invite", "/sign-in")
    faults = []
    async with window(browser, house, "dominique", viewport={"width": width, "height": 640}) as seen:
        for path in paths:
            page = await seen.go(path)
            if path.startswith("/c/"):
                await seen.live()
                await page.evaluate("scrollTo(0, 0)")
            await page.evaluate("document.querySelector('.top a').focus({ preventScroll: true })")
            count = 0
            while (at := await page.evaluate(FOCUSED)) is not None:
                follows, outlined, there, what = at
                faults += [f"{path} {word}: {what}" for word, good in (
                    ("not in order", follows), ("nothing shows it", outlined or 'id="main"' in what),
                    ("behind something", there)) if not good]  # fmt: skip
                count += 1
                await page.keyboard.press("Tab")
            assert count > 8, path
    assert faults == []
