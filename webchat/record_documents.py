"""A document of a patient's dossier, looked at by a professional: its page, its pictures, the file.

    /patient/{space}/documents/{document}[/view, /read, /page, /thumbnail]

Promises: each is opened by `documents.open_document`, which decides and writes it down; what may not be seen is not
there. Whose it is, and what must not be said of it (DMP EX_3.2-1025), stand above it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from server.dossier import contents
from server.dossier import documents as shelf
from server.dossier import record as records
from server.drafts import FileFacts
from server.thumbnails import PAGE, SMALL
from webchat import files, viewer
from webchat.record import SECTION, opened, whose
from webchat.viewer import Sheet
from webchat.visit import Visit, route

if TYPE_CHECKING:
    from server.app import App

ROOT = "/patient/{space}/documents/{document}"


def add_routes(app: App, site: web.Application) -> None:
    """The file, its page, its pictures."""
    route(app, site, "GET", ROOT, give)
    route(app, site, "GET", f"{ROOT}/read", read)
    route(app, site, "GET", f"{ROOT}/view", viewer.page_of(sheet_of))
    route(app, site, "GET", f"{ROOT}/page", viewer.picture_of(sheet_of, PAGE))
    route(app, site, "GET", f"{ROOT}/thumbnail", viewer.picture_of(sheet_of, SMALL))


async def sheet_of(visit: Visit) -> Sheet:
    """The document that this request names, and what stands around it."""
    app, document = visit.app, visit.request.match_info["document"]
    handle = await opened(visit)
    await records.one(app, handle, document, visit.words.language)
    await app.db.write(shelf.opening, handle, document)  # also for a picture that is known already
    base = f"{visit.desk.base}/patient/{handle.space_id}"

    async def load() -> tuple[FileFacts, bytes]:
        return await shelf.open_document(app, handle, document)

    async def around() -> dict[str, Any]:
        here = await records.one(app, handle, document, visit.words.language)
        return {
            "entry": None,
            "item": here.view,
            "provenance": None,
            "received": here.view.filed_at,
            "before": None,
            "after": None,
            "patient": None,
            "whose": await whose(visit, handle),
            "warning": here.view.warning,
        }

    what = (handle.space_id, "record", document)
    url, back = f"{base}/documents/{document}", f"{base}#d-{document}"
    return Sheet(what, url, back, SECTION, load, around, lambda: contents.of_document(app, handle, document))


async def give(visit: Visit) -> web.Response:
    """The file itself."""
    handle = await opened(visit)
    await records.one(visit.app, handle, visit.request.match_info["document"], visit.words.language)
    facts, data = await shelf.open_document(visit.app, handle, visit.request.match_info["document"])
    return files.serve(facts, data, shown=visit.request.query.get("view") == "1")


async def read(visit: Visit) -> web.Response:
    """Laid out for reading: the PDF that it carries, in the browser's own reader."""
    return await files.lay_out(visit, await sheet_of(visit))
