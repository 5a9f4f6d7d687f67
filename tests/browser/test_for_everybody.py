"""Every page for every eye and ear: axe-core, 320 pixels, text at 200 %, both lights and languages, keyboard alone."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Browser, expect

from server import access, reading
from server.actions import acting
from tests.browser.chromium import Window, chromium, window
from tests.browser.scenes import appointment, from_elsewhere, letter_with_documents, offer, reminded
from tests.house import House

NAMES = ("MOREL", "CHU", "opération", "Rendez-vous", "Mon carnet", "Rappels")  # not ours to translate
PRESSED = "button, summary, .button, select, .rubrics a, input:not([type=hidden], [type=radio])"
FRENCH = re.compile(r"\b(vous|votre|vos|des|avec|pour|aucun|dans|rendez|lettre|mes|mon|aux|une|est)\b", re.IGNORECASE)


async def pages(house: House) -> dict[str, list[str]]:
    """Who looks at what, when everything has happened once."""
    camille = f"/for/{house.camille.mailbox_id}"
    letter = await letter_with_documents(house)
    theirs = await letter_with_documents(house, "camille")
    thread = f"/c/{letter.conversation}"
    own = ["/", thread, f"/c/{(await appointment(house)).conversation}", f"/c/{(await offer(house)).conversation}"]
    own.append(f"/c/{(await from_elsewhere(house)).conversation}")
    own += [
        await _document(house, letter.conversation),
        "/documents",
        "/agenda",
        "/services",
        "/new",
        f"{thread}/new",
        "/search?q=Bonjour",
        "/nowhere",
    ]
    return {
        "dominique": [*own, f"{camille}/", f"{camille}/c/{theirs.conversation}", f"{camille}/documents"],
        "marcel": ["/documents", f"/c/{await reminded(house)}"],
        "morel": ["/", thread],
        "": ["/sign-in", "/sign-in/link"],
    }


async def _document(house: House, conversation: str) -> str:
    """The address of a health document laid out for reading."""
    handle = await access.conversation(house.app, await house.mailbox("dominique"), conversation)
    item = (await reading.thread(house.app, handle)).entries[0].message.attachments[1]
    return f"/files/{item.space}/{item.id}/read"


async def _fill(house: House) -> None:
    """Something in the dossier, the agenda and the services."""
    box = await house.mailbox("dominique")
    letter = await letter_with_documents(house)
    handle = await access.conversation(house.app, box, letter.conversation)
    entry = (await reading.thread(house.app, handle)).entries[0]
    document = entry.message.attachments[1].id
    await acting.act(house.app, box, letter.message, "dossier.file", {"attachment": document}, "1")
    await acting.act(house.app, box, (await appointment(house)).message, "agenda.accept", {}, "2")
    await acting.act(house.app, box, (await offer(house)).message, "catalogue.grant", {}, "3")
    await house.answer("dominique", letter.conversation, "Merci.\n\n> Bonjour,\n> lisez-les")


@pytest.mark.parametrize(
    ("width", "light", "language"),
    [(320, "light", "fr"), (768, "dark", "en"), (1280, "light", "en"), (1280, "dark", "fr")],
)
async def test_every_page_is_without_a_fault_and_fits(
    browser: Browser, house: House, width: int, light: str, language: str
) -> None:
    await _fill(house)
    looked = 0
    for who, paths in (await pages(house)).items():
        options = {"viewport": {"width": width, "height": 800}, "color_scheme": light, "bypass_csp": True}
        async with window(browser, house, who, **options) as seen:  # axe-core is not ours: let in for this window
            cookie = {"name": "pli-language", "value": language, "url": house.http}
            await seen.page.context.add_cookies([cookie])  # type: ignore[list-item]
            for path in paths:
                await _look(seen, path, language)
                looked += 1
    assert looked > 15


async def _look(seen: Window, path: str, language: str) -> None:
    page = await seen.go(path)
    assert await page.evaluate("document.documentElement.lang") == language
    for details in await page.locator("details:visible").all():
        await details.evaluate(
            "details => { details.open = !details.closest('.menu') && !details.closest('.original') }"
        )
    await page.evaluate("scrollTo(0, 0)")  # what stands half under the head of the page is not smaller for that
    assert await seen.faults() == [], path
    assert not await seen.wider_than_screen(), path
    if language == "en":
        for words in await page.locator("label, button, summary, .urgent, nav, footer, legend").all_inner_texts():
            if not any(name in words for name in NAMES):
                assert not FRENCH.search(words), (path, words)


async def test_what_one_presses_is_as_large_as_a_finger(browser: Browser, house: House) -> None:
    found = await pages(house)
    async with window(browser, house, "dominique", viewport={"width": 390, "height": 800}) as seen:
        for path in found["dominique"]:
            page = await seen.go(path)
            small = await page.evaluate(
                "pressed => [...document.querySelectorAll(pressed)].filter(e => e.checkVisibility()"
                " && e.getBoundingClientRect().height < 44).map(e => e.outerHTML)",
                PRESSED,
            )
            assert small == [], path


async def test_text_twice_as_large_still_fits(house: House) -> None:
    found = await pages(house)
    async with (
        chromium("--blink-settings=defaultFontSize=32") as browser,
        window(browser, house, "dominique", viewport={"width": 640, "height": 800}) as seen,
    ):
        for path in found["dominique"]:
            page = await seen.go(path)
            assert await page.evaluate("getComputedStyle(document.body).fontSize") == "36px"
            assert not await seen.wider_than_screen(), path
            clipped = await page.evaluate(
                """() => [...document.querySelectorAll('button, .button, h1, h2, h3, label')]
                .filter(e => e.checkVisibility() && !e.matches('.hidden-title') && e.scrollWidth > e.clientWidth + 2)
                .map(e => e.outerHTML)"""
            )
            assert clipped == [], path


async def test_everything_is_reached_by_the_keyboard_in_reading_order(browser: Browser, house: House) -> None:
    receipt = await letter_with_documents(house)
    async with window(browser, house, "dominique") as seen:
        page = await seen.go(f"/c/{receipt.conversation}")
        await seen.live()
        await page.evaluate("document.activeElement.blur()")
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.className") == "skip"
        await page.keyboard.press("Enter")
        assert await page.evaluate("location.hash") == "#main"
        order: list[str] = []
        for _ in range(60):
            await page.keyboard.press("Tab")
            at = await page.evaluate(
                """() => { const e = document.activeElement, s = getComputedStyle(e);
                return e === document.body ? null : [e.id || e.innerText.trim().slice(0, 30), s.outlineStyle] }"""
            )
            if at is None:
                break
            order.append(at[0])
            assert at[1] != "none" or at[0] == "main", at
        wanted = ["Ouvrir", "Télécharger", "Ranger dans mon dossier", "text", "Ajouter", "Envoyer"]
        places = [next(n for n, name in enumerate(order) if name.startswith(word)) for word in wanted]
        assert places[:3] == sorted(places[:3])
        assert places[2] < places[3] < places[5]

        await page.locator(".menu summary").click()
        await expect(page.get_by_role("button", name="Se déconnecter")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("button", name="Se déconnecter")).to_be_hidden()
        assert await page.evaluate("document.activeElement.tagName") == "SUMMARY"


async def test_a_screen_reader_meets_one_log_landmarks_and_names(browser: Browser, house: House) -> None:
    receipt = await letter_with_documents(house)
    async with window(browser, house, "dominique") as seen:
        page = await seen.go(f"/c/{receipt.conversation}")
        assert await page.get_by_role("log").count() == 1
        for role in ("banner", "main", "navigation", "contentinfo"):
            assert await page.get_by_role(role).count() <= 1
        await expect(page.get_by_role("main")).to_be_visible()
        await expect(page.get_by_role("article")).to_have_count(1)
        await expect(page.get_by_role("complementary", name="Personnes et documents")).to_be_visible()
        await expect(page.get_by_role("link", name="Appeler le 15")).to_be_visible()
        await expect(page.get_by_role("list", name="Pièces jointes").get_by_role("listitem")).to_have_count(2)


async def test_a_printed_thread_is_the_letters_alone(browser: Browser, house: House) -> None:
    receipt = await letter_with_documents(house)
    async with window(browser, house, "dominique") as seen:
        page = await seen.go(f"/c/{receipt.conversation}")
        await page.emulate_media(media="print")
        await expect(page.locator(".letter")).to_be_visible()
        for hidden in (".composer", ".rubrics", "aside.list", "aside.context", ".menu", ".file-doing"):
            await expect(page.locator(hidden).first).to_be_hidden()
