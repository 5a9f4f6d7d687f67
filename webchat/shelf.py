"""« Mes documents »: the shelf, with what may be asked of it. What is done with documents: `webchat.shelf_actions`.

Works by links and one GET form; each page of fifty, each category and each filter has its address.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from aiohttp import web

from server import access, scopes
from server.dossier import documents, folders, shelves, visibility
from server.dossier.shelves import Asked
from server.handles import MailboxHandle
from webchat.visit import Visit, nonce, number, route

if TYPE_CHECKING:
    from server.app import App

MOST_WORDS = 100  # characters searched for
# What was just done, as `shelf_actions` says it in an address; with what undoes it.
DONE = {
    "hide": "show",
    "show": "hide",
    "archive": "unarchive",
    "unarchive": "archive",
    "pin": "unpin",
    "unpin": "pin",
    "put": "",
    "delete": "",
    "added": "",
    "nothing": "",
    "always": "",
    "by_hand": "",
    "renamed": "",
    "reveal": "",
    "folder": "",
}


def add_routes(app: App, site: web.Application) -> None:
    """The shelf."""
    route(app, site, "GET", "/documents", show_shelf, ("dossier",))


async def show_shelf(visit: Visit) -> web.Response:
    """The documents of a dossier."""
    handle = await access.dossier(visit.app, visit.box)
    asked = asked_of(visit)
    found = await shelves.look(visit.app, handle, asked, visit.words.language, visit.desk.today.year)
    return visit.page(
        "documents.html",
        "documents",
        found=found,
        asked=replace(asked, page=found.page),
        categories=[(name, _label(visit, name), found.counts[name]) for name in documents.CATEGORIES],
        filtered=asked != Asked(sort=asked.sort, page=asked.page),
        choosing=visit.request.query.get("choose") == "1",
        link=linker(visit, asked),
        shares=may_share(visit.box),
        writes=visit.box.may(scopes.WRITE),
        most=visibility.MOST,
        most_name=folders.MOST_NAME,
        nonce=nonce(),
        **done(visit),
    )


def asked_of(visit: Visit) -> Asked:
    """What the address asks for; what it cannot mean is left out."""
    query = visit.request.query

    def one_of(name: str, known: tuple[str, ...]) -> str:
        return query.get(name, "") if query.get(name, "") in known else ""

    year = query.get("year", "")
    return Asked(
        category=one_of("category", tuple(documents.CATEGORIES)),
        year=year if len(year) == 4 and year.isdecimal() else "",
        who=query.get("who", "")[:40],
        source=one_of("source", shelves.SOURCES),
        show=one_of("show", shelves.SHOWN),
        folder=query.get("folder", "")[:40],
        words=query.get("q", "")[:MOST_WORDS].strip(),
        sort=one_of("sort", shelves.SORTS),
        page=number(visit, "page") or 1,
    )


def linker(visit: Visit, asked: Asked) -> Any:
    """`link(page=2)`: the address of this shelf with something else asked."""

    def link(*, choose: bool | None = None, **changes: Any) -> str:
        wanted = asdict(replace(asked, **{"page": 1, **changes}))
        wanted["q"] = wanted.pop("words")
        kept = {name: value for name, value in wanted.items() if value and (name, value) != ("page", 1)}
        if choose if choose is not None else visit.request.query.get("choose") == "1":
            kept["choose"] = "1"
        return f"{visit.desk.base}/documents" + (f"?{urlencode(kept)}" if kept else "")

    return link


def may_share(box: MailboxHandle) -> bool:
    """Whether who looks may hide and show: the holder, and who represents them by law."""
    return box.may(scopes.WRITE) and box.ground in {"self", "representative"}


def done(visit: Visit) -> dict[str, Any]:
    """What was just done, from the address one was led to."""
    query = visit.request.query
    name = query.get("done", "")
    ids = [one for one in query.get("ids", "").split(".") if one][: visibility.MOST]
    known = name in DONE
    return {
        "done": name if known else "",
        "done_ids": ids if known else [],
        "undo": DONE.get(name, "") if ids else "",
        "done_count": min(number(visit, "count") or len(ids), visibility.MOST),
    }


def _label(visit: Visit, category: str) -> str:
    return documents.CATEGORIES[category][1 if visit.words.language == "en" else 0]
