"""A page of a PDF, or an image, as a small picture: the work of a process apart (`server.apart`).

    Wanted (kind, octets, page, side)  →  Picture (WebP, its sides, how many pages, the words of that page)

Promises: what leaves is pixels that were decoded and encoded anew here: no metadata (EXIF, GPS, ICC, comments), nothing
that runs or leads elsewhere. EXIF orientation is applied. An image is refused by its declared size before any pixel is
decoded (decompression bombs); whatever cannot be drawn is a `Picture` without octets, never an exception. PDFium is
used without its form filler and has no JavaScript engine: no action of a document is ever carried out.

Does not: decide who may see it. Imported by nobody but the worker: Pillow and PDFium stay out of the server.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable

import msgspec
import pypdfium2
from PIL import Image, ImageOps

from server.apart import serve
from server.thumbnails import Picture, Wanted

MAX_PIXELS = 40_000_000  # of an image: a worker has 256 MB, and a pixel may take four octets, twice
MAX_JPEG_PIXELS = 250_000_000  # libjpeg decodes it at an eighth: what a telephone of today takes
MAX_WORDS = 20_000  # characters of a page
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "TIFF")
WHITE = (255, 255, 255)


def draw(wanted: Wanted) -> Picture:
    """The picture, or one without octets."""
    try:
        return {"pdf": _pdf, "image": _image}[wanted.kind](wanted)
    except Exception:  # noqa: BLE001 - a hostile file may raise anything: it has no picture, and that is all
        return Picture()


def _pdf(wanted: Wanted) -> Picture:
    with pypdfium2.PdfDocument(wanted.data) as document:
        pages = len(document)
        page = document[max(1, min(wanted.page, pages)) - 1]
        width, height = page.get_size()
        scale = wanted.side / max(width, height, 1)
        if min(width, height) * scale < 1:
            return Picture(pages=pages)
        drawn = page.render(scale=scale, may_draw_forms=False).to_pil().convert("RGB")
        words = page.get_textpage().get_text_range(0, -1)[:MAX_WORDS] if wanted.words else ""
        return _encoded(drawn, pages, words)


def _image(wanted: Wanted) -> Picture:
    with Image.open(io.BytesIO(wanted.data), formats=FORMATS) as image:
        width, height = image.size
        if width * height > (MAX_JPEG_PIXELS if image.format == "JPEG" else MAX_PIXELS):
            return Picture()
        pages = int(getattr(image, "n_frames", 1)) if image.format == "TIFF" else 1
        if pages > 1:
            image.seek(max(1, min(wanted.page, pages)) - 1)
            if image.width * image.height > MAX_PIXELS:  # each page says its own size
                return Picture()
        image.thumbnail((wanted.side, wanted.side), reducing_gap=2.0)  # of a JPEG, only as much is decoded
        return _encoded(_on_white(ImageOps.exif_transpose(image)), pages, "")


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        seen = image.convert("RGBA")
        paper = Image.new("RGB", seen.size, WHITE)
        paper.paste(seen, mask=seen.getchannel("A"))
        return paper
    return image.convert("RGB")


def _encoded(image: Image.Image, pages: int, words: str) -> Picture:
    out = io.BytesIO()
    Image.frombytes("RGB", image.size, image.tobytes()).save(out, "WEBP", quality=80, method=3)  # pixels, and no more
    return Picture(out.getvalue(), image.width, image.height, pages, words)


def _answer(data: bytearray) -> bytes:
    try:
        return _encode(draw(_wanted.decode(data)))
    except MemoryError:
        return _encode(Picture())


_encode: Callable[[Picture], bytes] = msgspec.msgpack.Encoder().encode
_wanted = msgspec.msgpack.Decoder(Wanted)


def _warm() -> None:
    """Every module and plug-in that drawing needs is loaded while files may still be opened."""
    codecs.lookup("utf-16-le")  # how PDFium gives words
    Image.init()
    for kind in ("PNG", "TIFF"):
        out = io.BytesIO()
        Image.new("RGB", (8, 8)).save(out, kind)
        draw(Wanted("image", out.getvalue(), 1, 4))
    with pypdfium2.PdfDocument.new() as document:
        document.new_page(10, 10)
        document.save(out := io.BytesIO())
    draw(Wanted("pdf", out.getvalue(), 1, 4, words=True))


if __name__ == "__main__":
    Image.MAX_IMAGE_PIXELS = None  # our own measure stands before it, by kind
    _warm()
    serve(_answer)
