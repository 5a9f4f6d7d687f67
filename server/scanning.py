"""Photos of pages, made one PDF: the work of a process apart (`server.apart`).

    Scan (photos in their order, colours or not)  →  Sheets (a PDF, or which photo could not be read)

Promises: what leaves is pixels that were decoded and encoded anew here, as `server.pictures` does: no metadata (EXIF,
GPS), nothing that runs. EXIF orientation is applied; each page is A4 wide or high, with its picture at 200 dots an inch
at most. A picture is refused by its declared size before any pixel is decoded. Never an exception.

Does not: decide who may add it. `make` is all that the server calls; Pillow is imported by the worker alone.
"""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Any, Final

import msgspec

from server.apart import Died, Workers, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MOST_PAGES: Final = 30
SIDE: Final = 2339  # pixels of the longer side of an A4 sheet at 200 dots an inch
LONG, SHORT = 842, 595  # points of an A4 sheet
MAX_PIXELS: Final = 40_000_000
MAX_JPEG_PIXELS: Final = 250_000_000  # libjpeg decodes it at an eighth
QUALITY: Final = 75
WAIT_S: Final = 20


class Scan(msgspec.Struct, frozen=True):
    """`plain`: black and white."""

    photos: tuple[bytes, ...]
    plain: bool = False


class Sheets(msgspec.Struct, frozen=True):
    """`bad`: the first photo that could not be read, from 1; then there is no PDF."""

    pdf: bytes = b""
    bad: int = 0


_workers: Final = Workers("server.scanning", 1, WAIT_S)  # started when somebody first scans
_encode = msgspec.msgpack.Encoder().encode
_sheets = msgspec.msgpack.Decoder(Sheets)
_one = msgspec.msgpack.Decoder(bytes)


async def make(photos: Sequence[bytes], *, plain: bool) -> Sheets:
    """One PDF of these photos, a page each. A photo that ends its worker is a bad one."""
    pages: list[bytes] = []
    for number, photo in enumerate(photos[:MOST_PAGES], 1):
        page = await asyncio.to_thread(_page, _encode(Scan((photo,), plain)))
        if not page:
            return Sheets(bad=number)
        pages.append(page)
    return Sheets(bound(pages))


def _page(scan: bytes) -> bytes:
    try:
        return _workers.ask(scan, _one.decode)
    except (Died, OSError):
        return b""


# ---- a PDF of JPEG pictures (ISO 32000-1 §§ 7.5, 8.9.5) --------------------------------------------------------------


def bound(pages: Sequence[bytes]) -> bytes:
    """The PDF of these pages: JPEGs of our own making, each after its width, height and number of colours."""
    objects: list[bytes] = [b"<< /Type /Catalog /Pages 2 0 R >>", b""]
    kids = []
    for page in pages:
        width, height, colours = (int.from_bytes(page[at : at + 4], "big") for at in (0, 4, 8))
        jpeg, first = page[12:], len(objects) + 1
        kids.append(b"%d 0 R" % first)
        box = (SHORT, LONG) if height >= width else (LONG, SHORT)
        scale = min(box[0] / width, box[1] / height)
        wide, high = round(width * scale), round(height * scale)
        draw = b"q %d 0 0 %d 0 0 cm /Page Do Q" % (wide, high)
        space = b"/DeviceGray" if colours == 1 else b"/DeviceRGB"
        objects += [
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents %d 0 R"
            b" /Resources << /XObject << /Page %d 0 R >> >> >>" % (wide, high, first + 1, first + 2),
            b"<< /Length %d >>\nstream\n%b\nendstream" % (len(draw), draw),
            b"<< /Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace %b /BitsPerComponent 8"
            b" /Filter /DCTDecode /Length %d >>\nstream\n%b\nendstream" % (width, height, space, len(jpeg), jpeg),
        ]
    objects[1] = b"<< /Type /Pages /Kids [%b] /Count %d >>" % (b" ".join(kids), len(kids))
    out, places = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"), []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bytes(out)


# ---- the worker's ----------------------------------------------------------------------------------------------------


def drawn(scan: Scan) -> bytes:
    """A page for `bound`; b"" when the photo cannot be read."""
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(scan.photos[0]), formats=("JPEG", "PNG", "TIFF")) as photo:
            width, height = photo.size
            if width * height > (MAX_JPEG_PIXELS if photo.format == "JPEG" else MAX_PIXELS):
                return b""
            photo.thumbnail((SIDE, SIDE), reducing_gap=2.0)
            seen: Any = ImageOps.exif_transpose(photo)
            if seen.mode in {"RGBA", "LA", "PA"} or "transparency" in seen.info:
                clear = seen.convert("RGBA")
                seen = Image.new("RGB", clear.size, (255, 255, 255))
                seen.paste(clear, mask=clear.getchannel("A"))
            seen = ImageOps.autocontrast(seen.convert("L"), cutoff=2) if scan.plain else seen.convert("RGB")
            out = io.BytesIO()
            Image.frombytes(seen.mode, seen.size, seen.tobytes()).save(out, "JPEG", quality=QUALITY)
    except Exception:  # noqa: BLE001 - a hostile file may raise anything: it is no photo, and that is all
        return b""
    sizes = b"".join(number.to_bytes(4, "big") for number in (*seen.size, len(seen.getbands())))
    return sizes + out.getvalue()


def _answer(data: bytearray) -> bytes:
    try:
        return _encode(drawn(_scan.decode(data)))
    except MemoryError:
        return _encode(b"")


_scan = msgspec.msgpack.Decoder(Scan)


def _warm() -> None:
    """Every module and plug-in that drawing needs is loaded while files may still be opened."""
    from PIL import Image

    Image.init()
    Image.MAX_IMAGE_PIXELS = None  # our own measure stands before it, by kind
    for kind in ("PNG", "JPEG", "TIFF"):
        out = io.BytesIO()
        Image.new("RGB", (8, 8)).save(out, kind)
        drawn(Scan((out.getvalue(),), plain=True))


if __name__ == "__main__":
    answer: Callable[[bytearray], bytes] = _answer
    _warm()
    serve(answer)
