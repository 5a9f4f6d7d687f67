"""Small pictures of files: drawn apart, upright, without what a photograph tells of its place; a hostile file has none,
harms nobody, and keeps nobody waiting.
"""

from __future__ import annotations

import asyncio
import io
import os
import signal
import struct
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pypdfium2
import pytest
from PIL import Image

from server import thumbnails
from server.thumbnails import AT_ONCE, NONE, PAGE, SMALL, Picture, Thumbnails
from tests import letters


@pytest.fixture
async def pictures() -> AsyncIterator[Thumbnails]:
    opened = Thumbnails()
    yield opened
    opened.close()


async def drawn(pictures: Thumbnails, data: bytes, *, side: int = SMALL, page: int = 1, name: str = "") -> Picture:
    async def load() -> bytes:
        return data

    return await pictures.picture((name or str(zlib.crc32(data)),), load, side=side, page=page)


def opened(picture: Picture) -> Image.Image:
    return Image.open(io.BytesIO(picture.data))


def photograph(size: tuple[int, int] = (1200, 600), orientation: int = 6) -> bytes:
    """A photograph taken with the telephone on its side, that says where and by what."""
    image, facts, out = Image.new("RGB", size, "navy"), Image.Exif(), io.BytesIO()
    image.paste("white", (0, 0, size[0] // 2, size[1]))
    facts[0x0112], facts[0x010F] = orientation, "Téléphone de Dominique"
    facts.get_ifd(0x8825)[1] = "48° 51′ N"
    image.save(out, "JPEG", exif=facts, comment=b"chez Dominique")
    return out.getvalue()


def pdf(pages: int, *, dictionary: bytes = b"", start: bytes = b"") -> bytes:
    """A PDF of that many pages that are one object; `start`: what its catalogue does when it is opened."""
    kids = b" ".join([b"3 0 R"] * pages)
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R " + start + b" >>",
        b"<< /Type /Pages /Kids [" + kids + b"] /Count %d >>" % pages,
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] " + dictionary + b" >>",
    )
    body = b"".join(b"%d 0 obj\n%s\nendobj\n" % (number, text) for number, text in enumerate(objects, 1))
    return b"%PDF-1.7\n" + body + b"trailer\n<< /Root 1 0 R /Size 4 >>\n%%EOF\n"


def png_bomb(side: int = 60_000) -> bytes:
    """A few octets that ask for 3.6 thousand million pixels (PNG, § 5)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(7_501) * 1_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


async def test_the_first_page_of_a_pdf_and_a_photograph_become_small_pictures(pictures: Thumbnails) -> None:
    page = await drawn(pictures, letters.pdf("Consignes"))
    assert (page.height, page.pages, page.words) == (SMALL, 1, "")
    assert opened(page).size == (page.width, page.height)
    photo = await drawn(pictures, photograph(orientation=1))
    assert opened(photo).size == (320, 160)
    assert max(len(page.data), len(photo.data)) < 6_000


async def test_a_photograph_stands_upright_and_no_longer_says_where_it_was_taken(pictures: Thumbnails) -> None:
    picture = await drawn(pictures, photograph())
    image = opened(picture)
    assert image.size == (160, 320), "it was turned"
    assert image.getpixel((80, 20)) == (255, 255, 255)
    assert not image.getexif()
    assert image.info.keys() <= {"loop", "background", "timestamp", "duration"}
    for told in (b"Dominique", b"48", b"Exif", b"EXIF"):
        assert told not in picture.data


async def test_a_page_is_drawn_with_its_words_for_those_who_do_not_see_it(pictures: Thumbnails) -> None:
    whole = pypdfium2.PdfDocument.new()
    for text in ("Un", "Deux", "Trois"):
        whole.import_pages(pypdfium2.PdfDocument(letters.pdf(text)))
    whole.save(out := io.BytesIO())
    second = await drawn(pictures, out.getvalue(), side=PAGE, page=2)
    assert (second.words, second.pages, second.height) == ("Deux", 3, PAGE)
    beyond = await drawn(pictures, out.getvalue(), side=PAGE, page=99)
    assert beyond.words == "Trois"


@pytest.mark.parametrize(
    "hostile",
    [
        png_bomb(),
        photograph()[:2_000],
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a\xff\xff\xff\xff\xf7\x00\x00" + bytes(900),
        b"RIFF\xff\xff\xff\xffWEBPVP8 " + bytes(60),
        b"%PDF-1.7\n" + bytes(2_000),
        b"%PDF-1.7\n" + b"<<" * 50_000,
        pdf(1).replace(b"[0 0 595 842]", b"[0 0 99999999 1]"),
        pdf(1).replace(b"/Kids [3 0 R]", b"/Kids [2 0 R]"),
        b"<html><script>alert(1)</script>",
        b"",
    ],
    ids=["bomb", "cut", "empty png", "gif", "webp", "zeros", "deep", "ribbon", "loop", "html", "nothing"],
)
async def test_a_hostile_file_has_no_picture_and_the_next_one_is_drawn(pictures: Thumbnails, hostile: bytes) -> None:
    assert not (await drawn(pictures, hostile)).data
    assert (await drawn(pictures, photograph(), name="next")).data


@pytest.mark.parametrize(
    "start",
    [
        b"/OpenAction << /S /JavaScript /JS (while(1){}) >>",
        b"/OpenAction << /S /Launch /F (/bin/sh) >>",
        b"/OpenAction << /S /URI /URI (http://127.0.0.1:9/) >>",
        b"/AA << /WC << /S /JavaScript /JS (app.alert(1)) >> >>",
    ],
)
async def test_what_a_pdf_would_do_is_not_done_and_its_page_is_drawn(pictures: Thumbnails, start: bytes) -> None:
    picture = await drawn(pictures, pdf(1, start=start), side=PAGE)
    assert picture.pages == 1
    assert picture.height == PAGE


async def test_ten_thousand_pages_cost_no_more_than_the_one_that_is_asked_for(pictures: Thumbnails) -> None:
    picture = await drawn(pictures, pdf(10_000), side=PAGE, page=9_999)
    assert (picture.pages, picture.height) == (10_000, PAGE)


async def test_who_draws_has_their_measure_of_everything(pictures: Thumbnails) -> None:
    await drawn(pictures, photograph())
    for pid in thumbnails._workers.pids():
        process = Path(f"/proc/{pid}")
        limits = {line[:26].strip(): line[26:].split()[0] for line in (process / "limits").read_text().splitlines()[1:]}
        assert (limits["Max file size"], limits["Max open files"], limits["Max processes"]) == ("0", "0", "0")
        assert int(limits["Max cpu time"]) > 0
        assert int(limits["Max address space"]) > 0
        assert {os.readlink(fd).partition(":")[0] for fd in (process / "fd").iterdir()} == {"socket", "/dev/null"}


async def test_who_does_not_answer_is_ended_and_nobody_waits_for_the_same_file_again(
    pictures: Thumbnails, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):  # both workers stand ready
        await asyncio.gather(drawn(pictures, photograph(), name=name), drawn(pictures, photograph(), name=name + "2"))
    stopped = thumbnails._workers.pids()
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
        await asyncio.to_thread(os.waitpid, pid, os.WUNTRACED)
    with monkeypatch.context() as hurried:
        hurried.setattr(thumbnails._workers, "wait_s", 0.2)
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        beside = asyncio.create_task(tick())
        assert await drawn(pictures, photograph(), name="stuck") == NONE
        beside.cancel()
        assert ticks > 5, "everybody else went on"
        for _ in stopped:
            await drawn(pictures, photograph(), name=os.urandom(4).hex())
    assert await drawn(pictures, photograph(), name="stuck") == NONE, "it is not tried again for a while"
    assert (await drawn(pictures, photograph(), name="another")).data
    assert not set(stopped) & set(thumbnails._workers.pids())


async def test_few_files_are_held_at_once_whoever_asks_and_what_was_drawn_is_not_read_again(
    pictures: Thumbnails,
) -> None:
    held, most, reads = 0, 0, 0

    async def load() -> bytes:
        nonlocal held, most, reads
        held, reads = held + 1, reads + 1
        most = max(most, held)
        await asyncio.sleep(0)
        held -= 1
        return photograph((64, 64))

    names = [str(number % 20) for number in range(60)]
    found = await asyncio.gather(*(pictures.picture((name,), load) for name in names))
    assert all(picture.data for picture in found)
    assert most <= AT_ONCE
    assert reads <= 20 + AT_ONCE
    before = reads
    await pictures.picture(("7",), load)
    assert reads == before


async def test_what_is_kept_stays_within_its_measure(pictures: Thumbnails, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thumbnails, "KEPT", 3_000)
    for number in range(12):
        await drawn(pictures, photograph((64, 64)), name=str(number))
        assert pictures._octets <= 3_000
    assert 0 < len(pictures._kept) < 12
