"""A thread in a browser: it opens at what is new, grows at both ends without moving what one reads, says aloud what is
new and nothing else; and a document is looked at by the keyboard alone.
"""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page, expect

from server import access, posting, reading
from server.drafts import Draft, Member, Opening
from tests.browser.chromium import Window, window
from tests.browser.scenes import appointment, letter_with_documents, offer, reminded
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


async def everything(house: House) -> tuple[str, str]:
    """A thread with each kind of entry and state, and a document of it."""
    letter_ = await letter_with_documents(house)
    text = "\n\n".join(f"Ligne {number}" for number in range(60))
    await house.answer("morel", letter_.conversation, f"{text}\n\n> Un\n>> Deux\n\n-- \nDr Morel\nCHU")
    await house.answer("dominique", letter_.conversation, "Merci.\n\n> Bonjour")
    space = await access.patient(house.app, house.morel, house.ins("dominique"))
    team = house.admissions
    joined = Member(team.account_id, team.mailbox_id, team.organisation_id, team.name, team.address, team.role)
    several = await posting.post(house.app, house.morel, Draft(to=Opening(space, "À plusieurs", (joined,)), text="Oui"))
    await house.answer("dominique", several.conversation, "Merci à tous.")
    return letter_.conversation, several.conversation


async def whole(seen: Window, path: str) -> None:
    page = await seen.go(path)
    await page.evaluate("document.querySelectorAll('main details').forEach(d => { d.open = !d.matches('.original') })")
    assert await seen.faults() == [], path
    assert not await seen.wider_than_screen(), path


@pytest.mark.parametrize("width", [320, 1280])
async def test_a_thread_of_every_kind_and_the_viewer_are_without_a_fault(
    browser: Browser, house: House, width: int
) -> None:
    first, several = await everything(house)
    other = await letter(house, ("pages.pdf", "application/pdf", three_pages()), ("note.txt", "text/plain", b"Note"))
    paths = [f"/c/{first}", f"/c/{several}", f"/c/{(await appointment(house)).conversation}"]
    paths += [f"/c/{(await offer(house)).conversation}"]
    options = {"viewport": {"width": width, "height": 800}, "bypass_csp": True}
    async with window(browser, house, "dominique", **options) as seen:  # axe-core is not ours: let in for this window
        for path in paths:
            await whole(seen, path)
        views = []
        for thread in (first, other.conversation):
            page = await seen.go(f"/c/{thread}")
            views += await page.eval_on_selector_all("a[data-view]", "all => all.map(a => a.getAttribute('href'))")
        assert len(views) == 4
        for view in [*views, f"{views[2]}?page=2&zoom=3"]:
            await whole(seen, view)
    async with window(browser, house, "morel", **options) as doctor:
        await whole(doctor, f"/c/{first}")
    async with window(browser, house, "marcel", **options) as marcel:
        await whole(marcel, f"/c/{await reminded(house)}")
