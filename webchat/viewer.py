"""A document to look at, in a frame of ours: what it is, from whom, and its pages, whatever the browser can show.

    /files/{space}/{attachment}/view   /documents/{document}/view      the page
    …/page?n=2                         …/thumbnail                     pictures of it

Promises: nothing of a file reaches the page but pixels drawn anew (`server.thumbnails`), words that are escaped, or the
sections of a health document built from a list of what is allowed (`webchat.narrative`); each picture is asked for with
the same right as the file. Every page of a PDF is a picture with its words beside it, for those who read and for the
telephones that show no PDF; the browser's own reader is one link away. Works by links alone.

Does not: change anything. Filing is the thread's own form.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from server import access, attachments, reading, windows
from server.dossier import contents, titles
from server.dossier import documents as shelf
from server.dossier.contents import Contents
from server.drafts import FileFacts
from server.errors import Refused
from server.thumbnails import LARGE, PAGE, SMALL, Picture
from server.windows import Paper
from storage.database import Tx
from webchat import narrative, present, structured
from webchat.narrative import Readable
from webchat.thread import patient_of
from webchat.visit import Visit, nonce, number, route

if TYPE_CHECKING:
    from server.app import App

ZOOMS = (1, 2, 3)
MOST_TEXT = 400_000  # characters shown of a text
CLEAR = base64.b64decode(
    "R0lGODlhAQABAIAAAAAAAAAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw=="
)  # one clear pixel: the icon stays
PICTURE_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"


async def _nothing() -> Contents:
    return Contents()


@dataclass(frozen=True, slots=True)
class Sheet:
    """A document that somebody may look at. `what`: its name among the pictures; `url`: its address; `back`: where one
    came from; `around`: reads what the page says besides the document; `contents`: what stands in it as data.
    """

    what: tuple[str, ...]
    url: str
    back: str
    section: str
    load: Callable[[], Awaitable[tuple[FileFacts, bytes]]]
    around: Callable[[], Awaitable[dict[str, Any]]]
    contents: Callable[[], Awaitable[Contents]] = _nothing

    async def drawable(self) -> bytes:
        """The octets a picture is made of: the file's, or those of the PDF that a health document carries."""
        facts, data = await self.load()
        if not _is_xml(facts.type):
            return data
        return (await _read(data)).pdf


def add_routes(app: App, site: web.Application) -> None:
    """The viewer and its pictures, for files of messages and documents of the dossier."""
    for path, opened, needs in (
        ("/files/{space}/{attachment}", of_message, ("messages",)),
        ("/documents/{document}", of_dossier, ("dossier",)),
    ):
        route(app, site, "GET", f"{path}/view", page_of(opened), needs)
        route(app, site, "GET", f"{path}/thumbnail", picture_of(opened, SMALL), needs)
        route(app, site, "GET", f"{path}/page", picture_of(opened, PAGE), needs)


Opened = Callable[[Visit], Awaitable[Sheet]]


async def of_message(visit: Visit) -> Sheet:
    """A file of a message of this mailbox, and what stands around it."""
    app, match = visit.app, visit.request.match_info
    handle, file = await access.attachment(app, visit.box, match["attachment"], match["space"])
    base = f"{visit.desk.base}/files/{match['space']}"
    back = f"{visit.desk.base}/c/{handle.conversation_id}?at={file.message_id}#m-{file.message_id}"

    async def load() -> tuple[FileFacts, bytes]:
        return await attachments.opened_unchecked(app, handle.keys, file)

    async def around() -> dict[str, Any]:
        entry = await reading.message(app, handle, file.message_id)
        item = next((item for item in entry.message.attachments if item.id == file.id), None)
        before, after = await windows.papers_beside(app, handle, file)
        return {
            "entry": entry,
            "item": item,
            "provenance": entry.message.author,
            "received": entry.message.at,
            "before": _to(before, base),
            "after": _to(after, base),
            "patient": await patient_of(visit, handle.space_id),
        }

    async def held() -> Contents:
        return await contents.of_file(app, handle.keys, file, *await load())

    return Sheet((match["space"], file.id), f"{base}/{file.id}", back, "messages", load, around, held)


async def of_dossier(visit: Visit) -> Sheet:
    """A document of the dossier, and those before and after it there."""
    app, document = visit.app, visit.request.match_info["document"]
    handle = await access.dossier(app, visit.box)
    await app.db.read(shelf.one_seen, handle, document)  # a picture made for somebody else is not asked for again
    base = f"{visit.desk.base}/documents"

    async def load() -> tuple[FileFacts, bytes]:
        return await shelf.open_document(app, handle, document)

    async def around() -> dict[str, Any]:
        def named(item: shelf.Seen) -> titles.Title:
            return titles.of(item, visit.words.language, visit.desk.today.year)

        def read(tx: Tx) -> dict[str, Any]:
            found = list(shelf.seen(tx, handle))
            here = next((place for place, item in enumerate(found) if item.row.id == document), None)
            if here is None:
                raise Refused
            before, after = (
                Paper(found[place].row.id, named(found[place]).text) if 0 <= place < len(found) else None
                for place in (here - 1, here + 1)
            )
            return {
                "entry": None,
                "item": None,
                "provenance": None,
                "received": reading.iso(found[here].row.filed_at),
                "before": _to(before, base),
                "after": _to(after, base),
                "patient": None,
                "named": named(found[here]),
            }

        return await app.db.read(read)

    what = (handle.space_id, "dossier", document)
    url, back = f"{base}/{document}", f"{base}#d-{document}"
    return Sheet(what, url, back, "documents", load, around, lambda: contents.of_document(app, handle, document))


def _to(paper: Paper | None, base: str) -> tuple[str, str] | None:
    return (f"{base}/{paper.id}/view", paper.name) if paper else None


def picture_of(opened: Opened, side: int) -> Callable[[Visit], Awaitable[web.StreamResponse]]:
    async def give(visit: Visit) -> web.Response:
        sheet = await opened(visit)
        wide = LARGE if side == PAGE and visit.request.query.get("large") == "1" else side
        picture = await _drawn(visit, sheet, wide, number(visit, "n") or 1)
        kind = "image/webp" if picture.data else "image/gif"
        headers = {"Content-Type": kind, "Content-Security-Policy": PICTURE_POLICY}
        return web.Response(body=picture.data or CLEAR, headers=headers)

    return give


async def _drawn(visit: Visit, sheet: Sheet, side: int, page: int) -> Picture:
    page = max(1, min(page, 100_000))
    return await visit.app.thumbnails.picture(sheet.what, sheet.drawable, side=side, page=page)


def page_of(opened: Opened) -> Callable[[Visit], Awaitable[web.StreamResponse]]:
    async def show(visit: Visit) -> web.Response:
        return await show_sheet(visit, await opened(visit))

    return show


async def show_sheet(visit: Visit, sheet: Sheet) -> web.Response:
    """The page of a document, as much of it as can be shown."""
    facts, data = await sheet.load()
    kind = facts.type.partition(";")[0].strip().lower()
    held = await sheet.contents()
    source = data if _is_xml(kind) else held.original
    readable = await _read(source) if source else Readable()
    text = _plain(facts.type, data) if kind == "text/plain" else ""
    zoom = number(visit, "zoom") or 1
    at = max(1, number(visit, "page") or 1)
    picture = Picture()
    if not text and (readable.pdf or not (readable.sections and _is_xml(kind))):
        del data, source
        picture = await _drawn(visit, sheet, LARGE if zoom > 1 else PAGE, at)
    return visit.page(
        "viewer.html",
        sheet.section,
        facts=facts,
        sheet=sheet,
        header=readable.header,
        parts=readable.sections,
        tables=structured.tables(held.findings, visit.words),
        text=text,
        cut=len(text) >= MOST_TEXT,
        picture=picture,
        at=min(at, picture.pages) or 1,
        zoom=zoom if zoom in ZOOMS else 1,
        zooms=ZOOMS,
        own_reader=_own_reader(sheet, facts, readable),
        nonce=nonce(),
        **await sheet.around(),
    )


def _own_reader(sheet: Sheet, facts: FileFacts, readable: Readable) -> str:
    """Where the browser shows it by itself, '' for what it is not let to."""
    if readable.pdf and _is_xml(facts.type):
        return f"{sheet.url}/read"
    return f"{sheet.url}?view=1" if facts.type.partition(";")[0].strip().lower() in present.IN_LINE else ""


def _is_xml(kind: str) -> bool:
    return kind.partition(";")[0].strip().lower() in present.XML


async def _read(data: bytes) -> Readable:
    try:
        return await asyncio.to_thread(narrative.read, data)  # lxml lets the loop go on meanwhile
    except narrative.Unreadable:
        return Readable()


def _plain(kind: str, data: bytes) -> str:
    """A text in the character set it says it is in, else in UTF-8, else as a Western one: never an error."""
    declared = kind.lower().partition("charset=")[2].partition(";")[0].strip(" \"'")[:40]
    for charset in ("utf-8-sig", declared, "cp1252"):
        try:
            return data[: MOST_TEXT * 4].decode(charset).replace("\0", "")[:MOST_TEXT]
        except (LookupError, UnicodeError, ValueError):
            continue
    return data[:MOST_TEXT].decode("latin-1")
