"""Letters in HTML: what is left to show runs nothing, asks nobody for anything, and says what was taken out."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mail_gateway import cleaning
from server.drafts import FETCHING_REMOVED
from tests.browser.visitor import visitor
from tests.house import House
from tests.mail_house import FROM, TO_DOMINIQUE, MailHouse, bring, open_mail_house, plain
from tests.support import vectors
from tests.wire import connected

GIF = base64.b64encode(b"GIF89a\x01\x00\x01\x00\x00\x00\x00;").decode()


@pytest.fixture
async def mail(tmp_path: Path, sqlite_url: str) -> AsyncIterator[MailHouse]:
    async with open_mail_house(tmp_path, sqlite_url) as opened:
        yield opened


class Left(HTMLParser):
    """Every (tag, attribute, value) of an HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [(tag, name, value or "") for name, value in attrs] or [(tag, "", "")]


async def test_no_letter_in_html_keeps_anything_that_runs_or_is_fetched(mail: MailHouse) -> None:
    html, _ = vectors.made("https://espion.example")
    async with connected(mail.app.ports["smtp"], mail.peer()) as wire:
        for number, vector in enumerate(html):
            letter = plain("Bonjour", html=f"<p>Bonjour</p>{vector}", message_id=f"<{number}@operator.example>")
            await wire.envelope(FROM, TO_DOMINIQUE)
            assert (await wire.data(letter)).startswith("250"), vector
    entries = await mail.entries("dominique")
    assert len(entries) == len(html)
    for entry in entries:
        assert "Bonjour" in entry.message.html
        for tag, name, value in Left(entry.message.html).found:
            assert tag in cleaning._TAGS | {"em"}, (tag, entry.message.html)
            assert name in {"", "rel", "title"} or (tag, name) == ("a", "href"), (name, entry.message.html)
            assert name != "href" or re.match(r"https?://", value), value


async def test_the_reader_is_told_in_their_language_that_images_were_taken_out(house: House) -> None:
    async def shown(html: str) -> str:
        receipt = await house.letter("morel", "dominique", "Bonjour", html=await cleaning.safe(html))
        return (await dominique.get(f"/c/{receipt.conversation}/m/{receipt.message}/html")).said

    async with visitor(house, "dominique") as dominique:
        tracked = '<p>Bonjour</p><img src="https://espion.example/1.gif" width=1 height=1>'
        assert "Les images distantes ont été retirées. Bonjour" in await shown(tracked)
        assert "retirées" not in await shown("<p>Bonjour <a href='https://pli.example/img'>ici</a></p>")
        await dominique.post("/language", {"language": "en", "back": "/"})
        said = await shown(tracked)
        assert "Remote images were removed. Bonjour" in said
        assert "retirées" not in said


@pytest.mark.parametrize(
    ("html", "left"),
    [
        (f'<img src="data:image/gif;base64,{GIF}" onerror="x()">', f'<img src="data:image/gif;base64,{GIF}">'),
        (f'<img src="data:image/png;base64,{GIF}">', ""),  # a GIF that says it is a PNG
        (f'<img src="data:image/svg+xml;base64,{GIF}">', ""),
        ('<img src="data:text/html,<script>x()</script>">', ""),
        (f'<a href="data:image/gif;base64,{GIF}">x</a>', '<a rel="noopener noreferrer nofollow">x</a>'),
        ('<img src="cid:logo@chu.example" alt="x">', ""),  # an attachment, and shown as one
        ('<a href="/sign-out">x</a>', '<a rel="noopener noreferrer nofollow">x</a>'),  # of our own pages
        ('<a href="//a.example">x</a>', '<a rel="noopener noreferrer nofollow">x</a>'),
        ('<a href="tel:15" target="_top">15</a>', '<a href="tel:15" rel="noopener noreferrer nofollow">15</a>'),
        ("<p><B>un<p>deux</b></p>", "<p><b>un</b></p><p>deux</p>"),
        ('<i title="a">x</I>', '<i title="a">x</i>'),
        ('<p id="pli" class="pli" style="color:red">x</p>', "<p>x</p>"),
    ],
)
def test_what_is_left_of_html_is_what_can_do_nothing(html: str, left: str) -> None:
    assert cleaning.clean(html).removeprefix(FETCHING_REMOVED) == left


def test_pictures_in_the_letter_itself_are_few() -> None:
    octets = b"GIF89a" + bytes(cleaning.MAX_PICTURES // 2)
    picture = f'<img src="data:image/gif;base64,{base64.b64encode(octets).decode()}">'
    assert cleaning.clean(picture * 3).count("<img") == 1


COSTLY = {
    "never closed": "<p>" + "".join(f"<b title={n}>" for n in range(1000)) + "<p>x" * 18_900,
    "as many of both": "<p>" + "".join(f"<font size={n}>" for n in range(9_900)) + "<p>x" * 9_900,
    "links": "<p>" + "".join(f"<a href=https://x/{n}>" for n in range(1000)) + "<p>x" * 18_900,
    "deep": "<div>" * 19_900,
    "tables": "<table><tr><td>" * 6_600,
    "attributes": "<p " + " ".join(f"a{n}" for n in range(43_000)) + ">",
    "beginnings": "<link " * 19_900,
}


@pytest.mark.parametrize("html", COSTLY.values(), ids=COSTLY.keys())
async def test_a_letter_that_a_browser_would_mend_for_ever_costs_little(html: str) -> None:
    """The first of these, left to the sanitiser, took 24 s and 5 GB."""
    assert len(html) <= cleaning.MAX_HTML
    assert len(await cleaning.safe(html)) <= 2 * cleaning.MAX_HTML


@pytest.mark.parametrize("html", ["<p>mot" * 30_000, "<p>" + "mot " * 90_000], ids=["tags", "length"])
async def test_html_too_large_to_show_is_read_as_text(html: str, mail: MailHouse) -> None:
    letter = plain("x", html=html).replace(b"text/plain", b"text/x-none")
    assert (await bring(mail, letter)).startswith("250")
    (entry,) = await mail.entries("dominique")
    assert entry.message.html == ""
    assert entry.message.text.count("mot") > 10_000
