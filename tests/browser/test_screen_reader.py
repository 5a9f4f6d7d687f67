"""What a screen reader reads, and when it speaks by itself: a thread in its order; one announcement a new message, none
for what was there, for a state or for typing; an error with the field it is about.
"""

from __future__ import annotations

from playwright.async_api import Browser, Page, expect

from tests.browser.chromium import window
from tests.browser.scenes import SUBJECT, appointment, letter_with_documents
from tests.browser.sockets import client
from tests.house import House
from tests.signing import IDENTIFIER, settle

# Everything a screen reader would say by itself (WAI-ARIA 1.2 § 6.6.2), as it is said; [hidden] says nothing.
LISTEN = """() => { window.heard = [];
  const speaks = node => { const region = node.closest?.("[role=status], [role=alert], [role=log], [aria-live], output");
    return region && (region.getAttribute("aria-live") ?? "polite") !== "off" && region.checkVisibility(); };
  new MutationObserver(all => { for (const change of all) {
      const at = change.target.nodeType === 1 ? change.target : change.target.parentElement;
      const said = change.type === "childList" ? [...change.addedNodes].map(n => n.textContent.trim()).join(" ") : at.textContent;
      if (said.trim() && speaks(at)) heard.push(said.trim());
  } }).observe(document.body, { childList: true, subtree: true, characterData: true }); }"""  # noqa: E501


async def heard(page: Page) -> list[str]:
    said: list[str] = await page.evaluate("window.heard")
    return said


async def test_a_thread_is_read_in_its_order(browser: Browser, house: House) -> None:
    receipt = await letter_with_documents(house)
    await house.answer("dominique", receipt.conversation, "Merci docteur.")
    async with window(browser, house, "dominique", viewport={"width": 390, "height": 800}) as seen:
        page = await seen.go(f"/c/{receipt.conversation}")
        read = await page.locator("body").aria_snapshot()
    order = (
        'link "Aller au contenu"', "- banner:", "Dominique PAT-TROIS", "- main:", 'link "Toutes les conversations"',
        f'heading "{SUBJECT}" [level=1]', '- log "Messages', "- article", "Dr Agathe MOREL", "Bonjour Madame,",
        'list "Pièces jointes"', "consignes.pdf", 'link "Ouvrir Consultation préanesthésique"', "Merci docteur.",
        "Remis", 'textbox "Écrire à Dr Agathe MOREL"', 'button "Envoyer"',
    )  # fmt: skip
    place = 0
    for words in order:
        found = read.find(words, place)
        assert found >= 0, (words, read)
        place = found + len(words)
    assert read.count("- main:") == read.count("- banner:") == read.count("- log") == 1
    assert read.count("[level=1]") == 1


async def test_a_new_message_is_said_once_and_nothing_else_is(browser: Browser, house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    async with window(browser, house, "dominique", reduced_motion="reduce") as seen, client(house, "morel") as doctor:
        page = await seen.go(f"/c/{receipt.conversation}")
        await seen.live()
        await page.evaluate(LISTEN)
        await doctor.ask("typing", {"conversation": receipt.conversation})
        await expect(page.locator("[data-typing]")).to_be_visible()
        assert await heard(page) == []
        await house.answer("morel", receipt.conversation, "Tout va bien.")
        await expect(page.locator(".letter", has_text="Tout va bien.")).to_be_visible()
        assert await heard(page) == ["Nouveau message du Dr MOREL"]
        assert await page.evaluate("document.getAnimations().length") == 0
        await page.fill("#text", "Merci")
        await page.keyboard.press("Control+Enter")  # one's own words, then each of their states
        await expect(page.locator(".bubble.mine .state")).to_contain_text("Remis")
        await house.answer("morel", receipt.conversation, "De rien.")
        await expect(page.locator(".bubble.mine .state")).to_contain_text("Répondu")
        assert [said for said in await heard(page) if "Brouillon" not in said] == ["Nouveau message du Dr MOREL"] * 2


async def test_the_unread_total_is_said_once_in_the_list(browser: Browser, house: House) -> None:
    receipt = await house.letter("morel", "dominique")
    async with window(browser, house, "dominique") as seen:
        page = await seen.go("/")
        await seen.live()
        await page.evaluate(LISTEN)
        await house.answer("morel", receipt.conversation, "Encore un mot")
        await expect(page.locator("[data-unread-said]")).to_have_text("2 non lus")
        assert await heard(page) == ["2 non lus"]


async def test_an_error_is_said_and_stands_with_its_field(browser: Browser, house: House) -> None:
    await settle(house)
    card = await appointment(house)
    sent = await house.answer("dominique", card.conversation, "D’accord")
    async with window(browser, house) as seen:
        page = await seen.go("/sign-in")
        await page.fill("#identifier", IDENTIFIER)
        await page.fill("#password", "pas le bon")
        await page.keyboard.press("Enter")
        await _with_its_field(page, "#password")
    async with window(browser, house, "dominique") as seen:
        page = await seen.go(f"/c/{card.conversation}/m/{sent.message}/correct")
        await page.fill("#text", "D’accord")
        await page.get_by_role("button", name="Envoyer la correction").click()
        await _with_its_field(page, "#text")


async def _with_its_field(page: Page, field: str) -> None:
    told = page.get_by_role("alert")
    await expect(told).to_be_visible()
    await expect(page.locator(field)).to_have_attribute("aria-invalid", "true")
    await expect(page.locator(field)).to_have_accessible_description(await told.inner_text())
    assert await page.locator(field).evaluate("field => field.required")
