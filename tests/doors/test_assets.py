"""Static parts are kept for ever under an address that names their content; a page asks for all it needs at once, and
is small on the wire.
"""

from __future__ import annotations

import re

import aiohttp
import pytest

from tests.browser.visitor import visitor
from tests.house import House
from webchat import assets


async def test_what_a_page_needs_is_named_by_its_content_and_kept_for_ever(house: House) -> None:
    sent = await house.letter("morel", "dominique")
    async with visitor(house, "dominique") as dominique:
        for path in ("/", f"/c/{sent.conversation}", "/sign-in", "/documents"):
            page = await dominique.get(path)
            parts = set(re.findall(r'(?:href|src)="(/static/[^"#]+)', page.text))
            assert parts
            assert all(part.startswith(f"{assets.place()}/") for part in parts), parts
            for part in parts:
                answer = await dominique.get(part)
                assert (answer.status, answer.headers["Cache-Control"]) == (200, assets.FOR_EVER), part


async def test_an_address_without_a_version_is_asked_about_each_time(house: House) -> None:
    async with visitor(house) as anybody:
        assert (await anybody.get("/static/pli.css")).headers["Cache-Control"] == "no-cache"
        assert (await anybody.get("/static/0123456789abcdef/pli.css")).status == 404


def test_a_page_asks_at_once_for_every_module_that_its_script_needs() -> None:
    needed = assets.modules("app.js")
    assert {"live.js", "thread.js", "little.js", "vendor/socket.io.esm.min.js"} <= set(needed)
    assert len(needed) == len(set(needed))


@pytest.mark.parametrize(("path", "packed"), [("/", True), ("/search?q=bonjour", False), ("/?filter=unread", False)])
async def test_a_page_is_packed_unless_its_address_could_put_words_beside_what_is_secret(
    house: House, path: str, packed: bool
) -> None:
    await house.letter("morel", "dominique")
    async with visitor(house, "dominique") as dominique:
        answer = await dominique.get(path, headers={"Accept-Encoding": "gzip"})
        plain = await dominique.get(path, headers={"Accept-Encoding": "identity"})
    assert answer.status == plain.status == 200
    assert (answer.headers.get("Content-Encoding") == "gzip") is packed
    assert "Content-Encoding" not in plain.headers


async def test_files_and_the_api_are_never_packed(house: House) -> None:
    await house.letter("morel", "dominique")
    headers = {"Authorization": f"Bearer {await house.token('dominique')}", "Accept-Encoding": "gzip"}
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.get(f"{house.http}/api/v1/entries") as answer:
            assert answer.status == 200
            assert "Content-Encoding" not in answer.headers
