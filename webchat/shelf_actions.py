"""What is done with documents: one, by its page « Gérer », or several chosen on the shelf, fifty at most.

Each form says one act; what it did stands on the page one is led to, with what undoes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from aiohttp import web

from server import access
from server.dossier import adding, by_itself, documents, folders, titles, visibility
from server.dossier.habilitation import ARCHIVED, HIDDEN, SECRET
from server.errors import Invalid, PliError, Refused
from server.handles import DossierHandle
from server.reading import iso
from storage.database import Tx
from storage.folders import PINNED
from webchat.forms import Form, read_form
from webchat.security import told
from webchat.shelf import done, may_share
from webchat.visit import Visit, nonce, route

if TYPE_CHECKING:
    from server.app import App

# What a form says → the mark, and whether it is put or taken off.
MARKS = {
    "hide": (HIDDEN, True),
    "show": (HIDDEN, False),
    "reveal": (SECRET, False),
    "archive": (ARCHIVED, True),
    "unarchive": (ARCHIVED, False),
}
PINS = {"pin": True, "unpin": False}


def add_routes(app: App, site: web.Application) -> None:
    """Every form of the shelf."""
    route(app, site, "POST", "/documents/act", act, ("dossier",))
    route(app, site, "POST", "/documents/folders", change_folders, ("dossier",))
    route(app, site, "POST", "/documents/by-itself", choose_by_itself, ("dossier",))
    route(app, site, "GET", "/documents/{document}/manage", manage, ("dossier",))
    route(app, site, "POST", "/documents/{document}/manage", rename, ("dossier",))


async def act(visit: Visit) -> web.StreamResponse:
    """One act on the chosen documents (`d.ID`)."""
    form = await read_form(visit.request)
    ids = [name[2:][:40] for name in form.fields if name.startswith("d.")]
    form.fields["act"], _, folder = form["act"].partition(":")
    if folder:  # of a list of choices, where a folder is one
        form.fields["folder"] = folder
    if form["act"] == "send":
        chosen = visibility.few(ids)
        raise web.HTTPSeeOther(f"{visit.desk.base}/new?{urlencode({'documents': '.'.join(chosen)})}")
    handle = await access.dossier(visit.app, visit.box)
    if form["act"] == "delete" and form["sure"] != "1":
        return await _ask_to_delete(visit, handle, ids, form)
    changed = await _do(visit, handle, form, ids)
    raise web.HTTPSeeOther(_back(visit, form, form["act"], changed))


async def _do(visit: Visit, handle: DossierHandle, form: Form, ids: list[str]) -> list[str]:
    """Returns those that it changed."""
    app, name = visit.app, form["act"]
    if name in MARKS:
        mark, on = MARKS[name]
        if name == "reveal" and form["sure"] != "1":
            raise Invalid("not_confirmed", "Cochez la case pour confirmer : ce choix est définitif.")
        return await visibility.change(app, handle, ids, mark, on=on)
    if name in PINS:
        await folders.put(app, handle, PINNED, ids, on=PINS[name])
    elif name in {"put", "take_out"}:
        folder = form["folder"][:40]
        if name == "put" and not folder and form["name"].strip():
            folder = await folders.create(app, handle, form["name"])
        await folders.put(app, handle, folder, ids, on=name == "put")
    elif name == "delete":
        return await adding.remove(app, handle, ids)
    else:
        raise Invalid("not_a_change", "Ce changement n’existe pas.")
    return ids


def _back(visit: Visit, form: Form, act: str, changed: list[str]) -> str:
    """Where one was, with what was done."""
    document, kept = form["manage"][:40], form["query"][:500]
    act = "put" if act == "take_out" else act
    said = urlencode({"done": act if changed else "nothing", "ids": ".".join(changed)})
    if document and act != "delete":
        return f"{visit.desk.base}/documents/{document}/manage?{said}"
    if act == "delete":
        said = urlencode({"done": act, "count": len(changed)})
    return f"{visit.desk.base}/documents?{kept + '&' if kept else ''}{said}"


async def _ask_to_delete(visit: Visit, handle: DossierHandle, ids: list[str], form: Form) -> web.Response:
    """What would go, and what cannot: said before."""
    wanted = visibility.few(ids)
    seen = await visit.app.db.read(lambda tx: [documents.one_seen(tx, handle, document) for document in wanted])
    named = [(item.row.id, titles.of(item, visit.words.language).text, adding.removable(item)) for item in seen]
    return visit.page(
        "documents_delete.html",
        "documents",
        mine=[(document, title) for document, title, own in named if own],
        others=[(document, title) for document, title, own in named if not own],
        query=form["query"][:500],
    )


async def change_folders(visit: Visit) -> web.StreamResponse:
    """Create, rename or remove a folder."""
    handle = await access.dossier(visit.app, visit.box)
    form = await read_form(visit.request)
    folder = form["folder"][:40]
    if form["act"] == "create":
        folder = await folders.create(visit.app, handle, form["name"])
    elif form["act"] == "rename":
        await folders.rename(visit.app, handle, folder, form["name"])
    elif form["act"] == "remove":
        await folders.remove(visit.app, handle, folder)
        folder = ""
    else:
        raise Invalid("not_a_change", "Ce changement n’existe pas.")
    said = urlencode({**({"folder": folder} if folder else {}), "done": "folder"})
    raise web.HTTPSeeOther(f"{visit.desk.base}/documents?{said}")


async def choose_by_itself(visit: Visit) -> web.StreamResponse:
    """Whether what professionals send is filed by itself."""
    on = (await read_form(visit.request))["on"] == "1"
    await by_itself.settle(visit.app, visit.box, on=on)
    raise web.HTTPSeeOther(f"{visit.desk.base}/documents?done={'always' if on else 'by_hand'}")


# ---- one document ----------------------------------------------------------------------------------------------------


async def manage(visit: Visit) -> web.Response:
    """Who may see a document, where it stands, what was done with it."""
    return await _manage(visit)


async def _manage(visit: Visit, error: str = "", kept: str = "", status: int = 200) -> web.Response:
    handle = await access.dossier(visit.app, visit.box)
    document = visit.request.match_info["document"]
    this_year = visit.desk.today.year

    def read(tx: Tx) -> dict[str, Any]:
        item = documents.one_seen(tx, handle, document)
        title = titles.of(item, visit.words.language, this_year)
        known = folders.listed(tx, handle)
        return {
            "item": documents.view(tx, handle, item),
            "title": title,
            "own": adding.removable(item),
            "folders": [folder for folder in known if document in folder.documents],
            "other_folders": [folder for folder in known if document not in folder.documents],
            "pinned": document in folders.pinned(tx, handle),
            "changes": visibility.history(visit.app, tx, handle, item),
            "former": [(one.title, iso(one.at)) for one in titles.former(handle, item)],
        }

    found = await visit.app.db.read(read)
    return visit.page(
        "documents_one.html",
        "documents",
        status=status,
        shares=may_share(visit.box),
        writes=visit.box.may("write"),
        error=error,
        kept=kept,
        most_title=titles.MOST,
        most_name=folders.MOST_NAME,
        nonce=nonce(),
        **found,
        **done(visit),
    )


async def rename(visit: Visit) -> web.StreamResponse:
    """Another title, for what one added."""
    handle = await access.dossier(visit.app, visit.box)
    document = visit.request.match_info["document"]
    form = await read_form(visit.request)
    try:
        await titles.rename(visit.app, handle, document, form["title"])
    except Refused:
        raise
    except PliError as error:
        return await _manage(visit, told(visit.words, error), form["title"][:300], error.status)
    raise web.HTTPSeeOther(f"{visit.desk.base}/documents/{document}/manage?done=renamed")
