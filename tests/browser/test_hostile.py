"""A letter may hold anything; what Chromium makes of it is only something to read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, expect

from mail_gateway.cleaning import clean
from server import access, posting
from server.drafts import Draft, File, FileFacts, Opening
from tests import letters
from tests.browser.chromium import window
from tests.house import House
from tests.support import vectors

VECTORS = """<script>window.__xss=1</script><img src=x onerror="window.__xss=1"><svg onload="window.__xss=1">
<iframe srcdoc="<script>parent.__xss=1</script>"></iframe><a href="javascript:window.__xss=1">a</a>
"><details open ontoggle=window.__xss=1>{{7*7}}${7*7}<math><mi//xlink:href="data:x,<script>window.__xss=1</script>">
<form action="https://evil.test"><input name=x autofocus onfocus=window.__xss=1></form>
<meta http-equiv="refresh" content="0;url=https://evil.test/"><base href="https://evil.test/">
<style>@import 'https://evil.test/x.css'; body{background:url(https://evil.test/x.png)}</style>"""

# Every letter in a frame as the page makes it, once each has loaded.
FRAMES = """addresses => Promise.all(addresses.map(address => new Promise(done => {
  const frame = document.createElement("iframe");
  frame.sandbox = "allow-popups allow-popups-to-escape-sandbox"; frame.onload = done; frame.src = address;
  document.body.append(frame);
})))"""
# Everything is pointed at, focused and pressed; no window opens for a link that leads nowhere.
TOUCHED = """() => { for (const one of document.querySelectorAll("section *")) {
  for (const event of ["mouseover", "pointerenter", "focus", "toggle", "animationstart", "load", "error"])
    one.dispatchEvent(new Event(event));
  one.focus?.(); one.click?.();
} }"""
# Attributes that could do something, and addresses that are not a link's.
LEFT = """() => { const all = [...document.querySelectorAll("section *")];
  return [all.flatMap(one => one.getAttributeNames().filter(name => /^on|style|srcset|action|background/.test(name))),
    all.flatMap(one => ["src", "href"].map(name => one.getAttribute(name)).filter(Boolean))]; }"""


@asynccontextmanager
async def canary() -> AsyncIterator[tuple[str, list[bytes]]]:
    """(An address, what was said there): one line for each connection, b"" when it closed without a word."""
    called: list[bytes] = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        called.append(await reader.readline())
        writer.close()

    async with await asyncio.start_server(hear, "127.0.0.1", 0) as listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", called


async def test_nothing_in_a_letter_runs_or_asks_for_anything(browser: Browser, house: House) -> None:
    """As if the cleaning at the door had failed: the HTML is kept as it came."""
    async with canary() as (address, called):
        await _read_everywhere(browser, house, VECTORS.replace("https://evil.test", address))
    assert called == []


async def _read_everywhere(browser: Browser, house: House, evil: str) -> None:
    receipt = await house.letter("morel", "dominique", evil, evil[:280], html=evil)
    thread = f"/c/{receipt.conversation}"
    async with window(browser, house, "dominique") as seen:
        for path in ("/", thread, f"{thread}/m/{receipt.message}/html"):
            page = await seen.go(path)
            assert await page.evaluate("window.__xss") is None, path
        page = await seen.go(thread)
        await seen.live()
        await house.answer("morel", receipt.conversation, evil, html=evil)  # and through the live socket
        await expect(page.locator(".letter")).to_have_count(2)
        for summary in await page.locator(".original summary").all():
            await summary.click()
        frame = page.frame_locator(".original iframe").first
        await expect(frame.locator("body")).to_contain_text("{{7*7}}")
        assert await page.evaluate("window.__xss") is None
        assert [await frame.evaluate("window.__xss") for frame in page.frames if not frame.is_detached()] == [None] * 3
        assert await page.evaluate("document.baseURI.startsWith(location.origin)")
        assert page.url.endswith(thread)


async def test_nothing_of_118_letters_and_11_texts_runs_or_asks_anybody_for_anything(
    browser: Browser, house: House
) -> None:
    """Each wall alone: what is left after cleaning, on a page that forbids nothing; what came, in our frame.

    For a frame within ours Chromium (156) connects ahead, then is forbidden to ask: a connection without a word, which
    the cleaning spares too.
    """
    async with canary() as (address, called), canary() as (other_address, other_called):
        await _in_our_frame(browser, house, *vectors.made(address))
        await _once_cleaned(browser, house, vectors.made(other_address)[0])
    assert [line for line in called if line] == []
    assert other_called == []


async def _in_our_frame(browser: Browser, house: House, html: list[str], texts: list[str]) -> None:
    assert (len(html), len(texts)) == (118, 11)
    first = await house.letter("morel", "dominique", texts[0], texts[0], html=html[0])
    framed = [first.message]
    for number, vector in enumerate(html[1:], 1):
        text = texts[number % len(texts)]
        framed.append((await house.answer("morel", first.conversation, text, subject=text, html=vector)).message)
    async with window(browser, house, "dominique") as seen:
        page = await seen.go(f"/c/{first.conversation}")
        await seen.live()
        await page.evaluate(FRAMES, [f"/c/{first.conversation}/m/{message}/html" for message in framed])
        shown = [frame for frame in page.frames if frame.url.endswith("/html")]
        assert len(shown) >= 118
        assert {await frame.evaluate("window.__xss") for frame in [page.main_frame, *shown]} == {None}
        assert page.url.endswith(f"/c/{first.conversation}")


async def _once_cleaned(browser: Browser, house: House, html: list[str]) -> None:
    async with window(browser, house) as seen:
        await seen.page.set_content("".join(f"<section>{clean(vector)}</section>" for vector in html))
        await seen.page.evaluate(TOUCHED)
        assert await seen.page.locator("section").count() == 118, "each mended vector stays in its place"
        assert await seen.page.evaluate("window.__xss") is None
        assert await seen.page.evaluate(LEFT) == [[], []]
        assert seen.asked == []
        await seen.page.set_content(html[0])
        await seen.page.wait_for_function("window.__xss")  # as it would have been


async def test_a_pdf_opens_in_a_window_of_its_own_and_a_disguised_page_does_not(
    whole_browser: Browser, house: House
) -> None:
    space = await access.patient(house.app, house.morel, house.ins("dominique"))
    sheet, page_ = letters.pdf("Consignes"), b"<script>window.__xss=1</script>"

    async def file(name: str, kind: str, data: bytes) -> File:
        return File(FileFacts(name, kind, len(data)), await house.app.blobs.put(space.keys, data))

    files = (
        await file("consignes.pdf", "application/pdf", sheet),
        await file("photo.png", "image/png", page_),
        await file("page.html", "text/html", page_),
        await file("dessin.svg", "image/svg+xml", b'<svg xmlns="http://www.w3.org/2000/svg" onload="window.__xss=1"/>'),
    )
    receipt = await posting.post(
        house.app, house.morel, Draft(to=Opening(space, "Fichiers"), text="Voici", files=files)
    )
    async with window(whole_browser, house, "dominique") as seen:
        page = await seen.go(f"/c/{receipt.conversation}")
        await page.get_by_role("link", name="Ouvrir consignes.pdf").click()
        await expect(page.locator(".sheet-view img")).to_be_visible()
        async with page.expect_popup() as opening:
            await page.get_by_role("link", name="Ouvrir dans le lecteur du navigateur").click()
        opened = await opening.value
        await opened.wait_for_load_state()
        assert await opened.evaluate("document.contentType") == "application/pdf"
        assert await opened.evaluate("window.opener") is None
        await page.go_back()
        await expect(page.get_by_role("link", name="Télécharger page.html")).to_be_visible()
        assert await page.get_by_role("link", name="Ouvrir page.html").count() == 0
        assert await page.get_by_role("link", name="Ouvrir dessin.svg").count() == 0
        for name in ("photo.png", "page.html", "dessin.svg"):
            url = await page.get_by_role("link", name=f"Télécharger {name}").get_attribute("href")
            for view in ("", "?view=1"):
                async with page.expect_download() as given:
                    await page.evaluate("url => { location.href = url }", f"{url}{view}")
                assert (await given.value).suggested_filename == name
        assert await page.evaluate("window.__xss") is None
