"""A letter may hold anything; what Chromium makes of it is only something to read."""

from __future__ import annotations

import asyncio

from playwright.async_api import Browser, expect

from server import access, posting
from server.drafts import Draft, File, FileFacts, Opening
from tests import letters
from tests.browser.chromium import window
from tests.house import House

VECTORS = """<script>window.__xss=1</script><img src=x onerror="window.__xss=1"><svg onload="window.__xss=1">
<iframe srcdoc="<script>parent.__xss=1</script>"></iframe><a href="javascript:window.__xss=1">a</a>
"><details open ontoggle=window.__xss=1>{{7*7}}${7*7}<math><mi//xlink:href="data:x,<script>window.__xss=1</script>">
<form action="https://evil.test"><input name=x autofocus onfocus=window.__xss=1></form>
<meta http-equiv="refresh" content="0;url=https://evil.test/"><base href="https://evil.test/">
<style>@import 'https://evil.test/x.css'; body{background:url(https://evil.test/x.png)}</style>"""


async def test_nothing_in_a_letter_runs_or_asks_for_anything(browser: Browser, house: House) -> None:
    """As if the cleaning at the door had failed: the HTML is kept as it came."""
    called: list[bytes] = []

    async def canary(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        called.append(await reader.readline())
        writer.close()

    listening = await asyncio.start_server(canary, "127.0.0.1", 0)
    evil = VECTORS.replace("https://evil.test", f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}")
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
    listening.close()
    assert called == []


async def test_a_pdf_opens_in_a_window_of_its_own_and_a_disguised_page_does_not(browser: Browser, house: House) -> None:
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
    async with window(browser, house, "dominique") as seen:
        page = await seen.go(f"/c/{receipt.conversation}")
        async with page.expect_popup() as opening:
            await page.get_by_role("link", name="Ouvrir consignes.pdf").click()
        opened = await opening.value
        await opened.wait_for_load_state()
        assert await opened.evaluate("document.contentType") == "application/pdf"
        assert await opened.evaluate("window.opener") is None
        assert await page.get_by_role("link", name="Ouvrir page.html").count() == 0
        assert await page.get_by_role("link", name="Ouvrir dessin.svg").count() == 0
        for name in ("photo.png", "page.html", "dessin.svg"):
            url = await page.get_by_role("link", name=f"Télécharger {name}").get_attribute("href")
            for view in ("", "?view=1"):
                async with page.expect_download() as given:
                    await page.evaluate("url => { location.href = url }", f"{url}{view}")
                assert (await given.value).suggested_filename == name
        assert await page.evaluate("window.__xss") is None
