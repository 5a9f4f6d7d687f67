"""Files given to the reader: downloaded by default; a few kinds may be shown.

A file is the most hostile thing we hold. So: `attachment`, `nosniff`, nothing cached, and a sandbox that forbids it
everything (ASVS V3.2.1, V5.4). Shown are only the kinds of `present.IN_LINE`, when the first octets agree with the
kind, and in the same sandbox: Chromium (156) opens its PDF reader there, a test looks; a browser that does
not still downloads.

A mail's HTML is shown in a frame without scripts, of an opaque origin, that fetches nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from aiohttp import web

from server import access, attachments, reading
from server.dossier import documents as shelf
from server.drafts import FETCHING_REMOVED, FileFacts
from server.errors import Refused
from webchat import present, viewer
from webchat.visit import Visit, route

if TYPE_CHECKING:
    from server.app import App

_TYPE = re.compile(r"[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,100}")
_ACTIVE = re.compile(r"html|svg|script|wasm|xsl")  # what a browser might run, whatever the disposition says
_FIRST = {
    "application/pdf": (b"%PDF-",),
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/webp": (b"RIFF",),
    "text/plain": (b"",),
}
FILE_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"
LETTER_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
)
LETTER = (
    '<!doctype html><html><head><meta charset="utf-8"><meta name="color-scheme" content="light"><base target="_blank">'
    "<style>body{{font:16px/1.5 system-ui,sans-serif;margin:1rem;color:#1a2233;background:#fff;overflow-wrap:anywhere}}"
    "img,table{{max-width:100%}}</style></head><body>{}</body></html>"
)


def add_routes(app: App, site: web.Application) -> None:
    """Files of messages, documents of the dossier, the original layout of a letter."""
    route(app, site, "GET", "/files/{space}/{attachment}", give_file)
    route(app, site, "GET", "/files/{space}/{attachment}/read", read_file)
    route(app, site, "GET", "/documents/{document}", give_document, ("dossier",))
    route(app, site, "GET", "/documents/{document}/read", read_document, ("dossier",))
    route(app, site, "GET", "/c/{conversation}/m/{message}/html", show_letter)


async def give_file(visit: Visit) -> web.Response:
    """A file of a message of this mailbox."""
    match = visit.request.match_info
    facts, data = await attachments.opened(visit.app, visit.box, match["space"], match["attachment"])
    return serve(facts, data, shown=visit.request.query.get("view") == "1")


async def give_document(visit: Visit) -> web.Response:
    """A document of the dossier."""
    handle = await access.dossier(visit.app, visit.box)
    facts, data = await shelf.open_document(visit.app, handle, visit.request.match_info["document"])
    return serve(facts, data, shown=visit.request.query.get("view") == "1")


def serve(facts: FileFacts, data: bytes, *, shown: bool) -> web.Response:
    """The bytes of a file, shown when that is asked and safe."""
    kind = facts.type.partition(";")[0].strip().lower()
    shown = shown and kind in _FIRST and data.startswith(_FIRST[kind])
    if not shown and (not _TYPE.fullmatch(kind) or _ACTIVE.search(kind)):
        kind = "application/octet-stream"
    headers = {
        "Content-Type": f"{kind}; charset=utf-8" if kind == "text/plain" else kind,
        "Content-Disposition": disposition("inline" if shown else "attachment", facts.name),
        "Content-Security-Policy": FILE_POLICY,
    }
    return web.Response(body=data, headers=headers)


def disposition(how: str, name: str) -> str:
    """Content-Disposition with the name for every reader (RFC 6266 § 4.3, RFC 8187)."""
    plain = re.sub(r"[^A-Za-z0-9 ._()+-]", "_", name)[:150] or "fichier"
    return f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(name[:150], safe='')}"


async def read_file(visit: Visit) -> web.Response:
    """A health document among the files of a message, laid out for reading."""
    return await lay_out(visit, await viewer.of_message(visit))


async def read_document(visit: Visit) -> web.Response:
    """A document of the dossier, laid out for reading."""
    return await lay_out(visit, await viewer.of_dossier(visit))


async def lay_out(visit: Visit, sheet: viewer.Sheet) -> web.Response:
    """The PDF that a health document carries, for the browser's own reader; any other in our own."""
    facts, _ = await sheet.load()
    carried = await sheet.drawable() if facts.type.partition(";")[0].strip().lower() in present.XML else b""
    if not carried:
        return await viewer.show_sheet(visit, sheet)
    return serve(FileFacts(f"{facts.title or facts.name}.pdf", "application/pdf", len(carried)), carried, shown=True)


async def show_letter(visit: Visit) -> web.Response:
    """The HTML of a mail, already made safe when it came in, and framed as if it were not."""
    match = visit.request.match_info
    handle = await access.conversation(visit.app, visit.box, match["conversation"])
    entry = await reading.message(visit.app, handle, match["message"])
    if not entry.message.html:
        raise Refused
    headers = {
        "Content-Security-Policy": LETTER_POLICY,
        "X-Frame-Options": "SAMEORIGIN",
        "Referrer-Policy": "no-referrer",
    }
    html = entry.message.html
    if html.startswith(FETCHING_REMOVED):
        said = visit.words("message.fetching_removed")
        html = f"<p><em>{said}</em></p>{html.removeprefix(FETCHING_REMOVED)}"
    return web.Response(text=LETTER.format(html), content_type="text/html", headers=headers)
