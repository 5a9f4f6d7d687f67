"""« Ajouter un document »: files or photos of one's own, in a form. Our script shows the pages of a scan to be turned,
cut and put in order (`static/adding.js`); without it the photos come as they are, and make one document all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from server import access, scanning
from server.dossier import adding, documents
from server.dossier.adding import Added, Wanted
from server.drafts import MAX_FILES_SIZE
from server.errors import PliError
from webchat.forms import Form, read_form
from webchat.security import told
from webchat.shelf import may_share
from webchat.visit import Visit, route

if TYPE_CHECKING:
    from server.app import App


def add_routes(app: App, site: web.Application) -> None:
    """The form, and what it sends."""
    route(app, site, "GET", "/documents/add", show, ("dossier",))
    route(app, site, "POST", "/documents/add", add, ("dossier",))


async def show(visit: Visit) -> web.Response:
    """What may be added, said beforehand; and the form."""
    await access.dossier(visit.app, visit.box)
    return _page(visit, Form())


def _page(visit: Visit, form: Form, added: Added | None = None, error: str = "", status: int = 200) -> web.Response:
    english = visit.words.language == "en"
    return visit.page(
        "documents_add.html",
        "documents",
        status=status,
        kept=form,
        added=added,
        error=error,
        categories=[(name, documents.CATEGORIES[name][english]) for name in (*adding.TYPES, documents.OTHER)],
        formats=adding.FORMATS.values(),
        accept=",".join((*adding.FORMATS, ".pdf", ".txt", ".rtf", ".tif")),
        most_mb=visit.app.settings.document_mb,
        most_in_all=MAX_FILES_SIZE // 1_048_576,
        most=adding.MOST,
        most_pages=scanning.MOST_PAGES,
        shares=may_share(visit.box),
        writes=visit.box.may("write"),
    )


async def add(visit: Visit) -> web.StreamResponse:
    """What was chosen is filed; what could not be is named, and the words that were typed stay."""
    handle = await access.dossier(visit.app, visit.box)
    form = await read_form(visit.request)
    try:
        if form.problem is not None:
            raise form.problem
        wanted = Wanted(
            title=form["title"],
            category=form["category"],
            day=form["day"][:10],
            one=form["one"] == "1",
            plain=form["plain"] == "1",
            hidden=form["hidden"] == "1",
        )
        added = await adding.add(visit.app, handle, [(name, data) for name, _, data in form.files], wanted)
    except PliError as error:
        if error.status == 404:
            raise
        return _page(visit, form, error=told(visit.words, error), status=error.status)
    if added.refused or not added.ids:
        return _page(visit, form, added, status=422 if not added.ids else 200)
    raise web.HTTPSeeOther(f"{visit.desk.base}/documents?done=added&count={len(added.ids)}&sort=filed")
