"""A thread in a browser: it opens at what is new, grows at both ends without moving what one reads, says aloud what is
new and nothing else; and a document is looked at by the keyboard alone.
"""

from __future__ import annotations

from playwright.async_api import Browser, Page, expect

from server import access, reading
from tests.browser.chromium import window
from tests.doors.test_thread_pages import many
from tests.doors.test_viewer import letter, three_pages
from tests.house import House

LISTENING = """() => { window.heard = []; window.changed = 0;
  const said = document.querySelector('[data-said]'), log = document.querySelector('[role=log]');
  const hear = (node) => heard.push(node.textContent);
  new MutationObserver((all) => all.forEach((one) => one.addedNodes.forEach(hear))).observe(said, { childList: true });
  new MutationObserver((all) => { changed += all.length; }).observe(log, { childList: true, subtree: true }); }"""
AT_END = "document.documentElement.scrollHeight - innerHeight - scrollY < 4"


def place(message: str) -> str:
    return f"document.getElementById('m-{message}').getBoundingClientRect().top"


async def wheel(page: Page, by: int) -> None:
    """Somebody moves over the thread."""
    await page.mouse.move(640, 400)
    await page.mouse.wheel(0, by)


async def count(page: Page, more_than: int) -> None:
    await page.wait_for_function(
        "count => document.querySelectorAll('.entries > .entry').length > count", arg=more_than
    )


async def test_older_messages_come_above_without_moving_what_one_reads_and_are_not_said(
    browser: Browser, house: House
) -> None:
    receipt = await house.letter("morel", "dominique", "Le début")
    ids = await many(house, receipt.conversation, 120, read=True)
    async with window(browser, house, "dominique", reduced_motion="reduce") as seen:
        await seen.go(f"/c/{receipt.conversation}")
        page = await seen.go(f"/c/{receipt.conversation}")
        await seen.live()
        assert await page.evaluate(AT_END)
        assert await page.locator(".entries > .entry").count() == 50
        await page.evaluate(LISTENING)
        held = ids[-50]
        await page.evaluate("scrollTo(0, 300)")
        before = await page.evaluate(place(held))
        await page.get_by_role("link", name="Messages plus anciens").evaluate("link => link.click()")
        await count(page, 50)
        after = await page.evaluate(place(held))
        moved = await page.evaluate("scrollY") - 300
        assert moved > 500, "what came stands above"
        assert abs(after - before) <= 1
        days = await page.eval_on_selector_all(".entries > .day", "all => all.map(line => line.dataset.day)")
        assert days == sorted(set(days))
        await wheel(page, -9_000)  # nearer the top the next part comes by itself
        await count(page, 100)
        await wheel(page, -9_000)
        await expect(page.get_by_text("Le début", exact=True)).to_have_count(1)
        await expect(page.get_by_role("link", name="Messages plus anciens")).to_be_hidden()
        numbers = await page.eval_on_selector_all(".entries > .entry", "all => all.map(entry => +entry.dataset.seq)")
        assert numbers == sorted(numbers)
        assert len(numbers) == 121
        assert await page.evaluate("window.changed") > 0
        assert await page.evaluate("window.heard") == []
        assert seen.complaints == []


async def test_a_message_that_arrives_while_one_reads_further_up_moves_nothing_and_is_said_once(
    browser: Browser, house: House
) -> None:
    receipt = await house.letter("morel", "dominique", "Le début")
    ids = await many(house, receipt.conversation, 120, read=True)
    async with window(browser, house, "dominique", reduced_motion="reduce") as seen:
        page = await seen.go(f"/c/{receipt.conversation}?at={ids[30]}#m-{ids[30]}")
        await seen.live()
        await page.evaluate(LISTENING)
        before = await page.evaluate(place(ids[30]))
        await house.answer("morel", receipt.conversation, "Une nouvelle")
        await expect(page.locator("[data-pill]")).to_be_visible()
        assert await page.evaluate(place(ids[30])) == before
        await expect(page.locator(".letter", has_text="Une nouvelle")).to_have_count(0)  # it stands at the end
        assert await page.evaluate("window.heard") == ["Nouveau message du Dr MOREL"]
        await page.locator("[data-pill]").click()
        await expect(page.locator(".letter", has_text="Une nouvelle")).to_be_in_viewport()
        assert seen.complaints == []


async def test_an_answer_changes_the_state_of_ones_words_and_only_itself_is_said(
    browser: Browser, house: House
) -> None:
    receipt = await house.letter("morel", "dominique", "Bonjour")
    await house.answer("dominique", receipt.conversation, "À jeun ?")
    async with window(browser, house, "dominique") as seen:
        page = await seen.go(f"/c/{receipt.conversation}")
        await seen.live()
        await page.evaluate(LISTENING)
        await expect(page.locator(".bubble .state")).to_have_text("Remis")
        await house.answer("morel", receipt.conversation, "Oui.")
        await expect(page.locator(".bubble .state")).to_contain_text("Répondu par Dr MOREL à")
        assert await page.evaluate("window.heard") == ["Nouveau message du Dr MOREL"]


async def test_with_hundreds_unread_one_reads_on_from_the_first_of_them(browser: Browser, house: House) -> None:
    receipt = await house.letter("morel", "dominique", "Le début")
    box = await house.mailbox("dominique")
    handle = await access.conversation(house.app, box, receipt.conversation)
    await reading.mark_read(house.app, handle, 1)
    ids = await many(house, receipt.conversation, 200)
    async with window(browser, house, "dominique", reduced_motion="reduce") as seen:
        page = await seen.go("/")
        await page.locator(".row", has_text="Consignes").click()
        await expect(page.locator("#new")).to_be_in_viewport()
        await expect(page.locator(f"#m-{ids[0]}")).to_be_in_viewport()
        await expect(page.locator(f"#m-{ids[-1]}")).to_have_count(0)
        await seen.live()
        left = await reading.unread(house.app, box)
        assert left > 100, "what was not shown is not read"
        shown = await page.locator(".entries > .entry").count()
        await page.get_by_role("link", name="Messages plus récents").click()
        await count(page, shown)
        await page.locator(f"#m-{ids[70]}").scroll_into_view_if_needed()
        async with page.expect_response(lambda answer: "/rows" in answer.url):
            await wheel(page, 300)
        assert await reading.unread(house.app, box) < left, "what was seen since is read"


async def test_a_document_is_looked_at_by_the_keyboard_and_one_comes_back_to_its_message(
    browser: Browser, house: House
) -> None:
    receipt = await letter(
        house, ("ordonnance.pdf", "application/pdf", three_pages()), ("suite.txt", "text/plain", b"Prenez-le le soir.")
    )
    await many(house, receipt.conversation, 120, read=True)
    async with window(browser, house, "dominique", reduced_motion="reduce") as seen:
        page = await seen.go(f"/c/{receipt.conversation}?at={receipt.message}#m-{receipt.message}")
        await page.get_by_role("link", name="Ouvrir ordonnance.pdf").press("Enter")
        turned, ready = page.locator(".turning").first, page.locator("[data-keys]")
        for key, told in (("ArrowRight", "2"), ("ArrowRight", "3"), ("ArrowLeft", "2"), ("ArrowRight", "3")):
            await expect(ready).to_be_visible()
            await page.keyboard.press(key)
            await expect(turned).to_contain_text(f"page {told} sur 3")
        await expect(ready).to_be_visible()
        await page.keyboard.press("ArrowRight")  # after the last page, the next document
        await expect(page.get_by_role("heading", level=1)).to_have_text("suite.txt")
        await expect(page.get_by_text("Prenez-le le soir.")).to_be_visible()
        await expect(ready).to_be_visible()
        await page.keyboard.press("ArrowLeft")
        await expect(page.get_by_role("heading", level=1)).to_have_text("ordonnance.pdf")
        await expect(ready).to_be_visible()
        await page.get_by_role("link", name="Agrandir 2 fois").press("Enter")
        await expect(page.locator(".zoom-2")).to_be_visible()
        assert await page.locator(".sheet-view").evaluate("view => view.scrollWidth > view.clientWidth")
        await page.go_back()  # pages turned and documents passed are no steps
        await expect(page.locator(f"#m-{receipt.message}")).to_be_in_viewport()
        await page.get_by_role("link", name="Ouvrir ordonnance.pdf").click()
        await expect(ready).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.locator(f"#m-{receipt.message}")).to_be_in_viewport()
        assert seen.complaints == []
