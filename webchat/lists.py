"""The list of conversations, alone or as a page, and what a search finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from server import reading, search
from server.views import ConversationView
from webchat import present
from webchat.visit import Visit, number, route

if TYPE_CHECKING:
    from server.app import App

LIST = 40  # conversations a page


def add_routes(app: App, site: web.Application) -> None:
    """The list, its rows alone, search."""
    route(app, site, "GET", "/", show_list)
    route(app, site, "GET", "/rows", show_rows)
    route(app, site, "GET", "/search", show_search)


async def show_list(visit: Visit) -> web.Response:
    """The conversations of a mailbox, the newest first."""
    cursor = await reading.cursor(visit.app, visit.box)
    found = await reading.conversations(visit.app, visit.box, number(visit, "before"), LIST)
    unread = await reading.unread(visit.app, visit.box)
    return visit.page(
        "list.html",
        "messages",
        cursor=cursor,
        conversations=found,
        unread=unread,
        waiting=_waiting(found),
        older=found[-1].last_seq if len(found) == LIST else None,
        can_write=bool(found),
    )


def _waiting(found: list[ConversationView]) -> ConversationView | None:
    """The letter to show at once: the first unread, else the latest, of those that somebody else wrote."""
    received = [item for item in found if not item.last.mine]
    return next((item for item in received if item.unread), received[0] if received else None)


async def show_rows(visit: Visit) -> web.Response:
    """The same list, alone: what a live page puts in the place of the one it has."""
    found = await reading.conversations(visit.app, visit.box, None, LIST)
    unread = await reading.unread(visit.app, visit.box)
    open_ = visit.request.query.get("open", "")
    text = present.page("rows.html", desk=visit.desk, words=visit.words, conversations=found, open=open_, unread=unread)
    return web.Response(text=text, content_type="text/html", headers={"X-Unread": str(unread)})


async def show_search(visit: Visit) -> web.Response:
    """Messages that hold every word."""
    asked = visit.request.query.get("q", "")[:200].strip()
    if not asked:
        raise web.HTTPSeeOther(f"{visit.desk.base}/")
    found = await search.search(visit.app, visit.box, asked)
    return visit.page("search.html", "messages", asked=asked, found=found)
