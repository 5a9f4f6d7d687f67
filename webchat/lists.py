"""The list of conversations, alone or as a page, and what a search finds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from aiohttp import web

from server import filing, listing, search
from server.listing import Choice, Listed
from server.marks import state
from server.scopes import WRITE
from server.views import ConversationView
from webchat import present
from webchat.visit import Visit, number, route

if TYPE_CHECKING:
    from server.app import App

LIST = 40  # conversations a page
PAGES = 5  # « afficher plus » makes the page longer that often; then it begins a new one
FIRST = ("all", "unread")
OTHERS = ("followed", "waiting", "documents", "appointments", "machines", "pinned", "archived")


def add_routes(app: App, site: web.Application) -> None:
    """The list, its rows alone, search."""
    route(app, site, "GET", "/", show_list)
    route(app, site, "GET", "/rows", show_rows)
    route(app, site, "GET", "/search", show_search)


def choice(visit: Visit) -> Choice:
    """The filter that the address asks for."""
    query = visit.request.query
    return Choice(query.get("filter", "")[:20], query.get("label", "")[:40])


def place(chosen: Choice, **more: object) -> str:
    """The query of the list at that filter, with its question mark; nothing for the list itself."""
    told = {"filter": chosen.name} if chosen.name != "all" else {}
    if chosen.name == "label":
        told["label"] = chosen.label
    asked = urlencode({**told, **{name: value for name, value in more.items() if value}})
    return f"?{asked}" if asked else ""


async def _listed(visit: Visit) -> dict[str, Any]:
    """What the list shows: the filter's pages, as many as were asked for."""
    chosen, before = choice(visit), number(visit, "before")
    pages = max(1, min(number(visit, "pages") or 1, PAGES))
    found = await listing.page(visit.app, visit.box, chosen, before, LIST * pages)
    # Who is waiting for an answer is the first question of an office; a patient has few, and each row says it.
    first = FIRST if visit.box.owner_kind == "holder" else (*FIRST, "waiting")
    if found.counts["followed"]:
        first = (*first, "followed")
    return {
        "listed": found,
        "conversations": found.rows,
        "unread": found.unread,
        "chosen": chosen,
        "here_query": place(chosen, pages=pages if pages > 1 else 0, before=before),
        "all_query": place(chosen),
        "more_query": _more(found, chosen, pages, before),
        "may_keep": visit.box.may(WRITE),
        "may_ask": visit.box.owner_kind == "holder" and visit.box.may("dossier", WRITE),
        "windowed": before is not None,
        "first_filters": first,
        "other_filters": [n for n in OTHERS if n not in first and (found.counts[n] or n == chosen.name)],
    }


def _more(found: Listed, chosen: Choice, pages: int, before: int | None) -> str:
    """The way to what is further down, or ''."""
    if not found.more:
        return ""
    if pages < PAGES:
        return place(chosen, pages=pages + 1, before=before)
    return place(chosen, before=found.rows[-1].last_seq)


async def show_list(visit: Visit) -> web.Response:
    """The conversations of a mailbox, the newest first."""
    shown = await _listed(visit)
    found: Listed = shown["listed"]
    query = visit.request.query
    return visit.page(
        "list.html",
        "messages",
        cursor=found.cursor,
        waiting=_waiting(found.rows),
        can_write=bool(found.counts["everything"]),
        archived=query.get("c", "")[:40] if query.get("done") == "archived" else "",
        **shown,
    )


def _waiting(found: list[ConversationView]) -> ConversationView | None:
    """The letter to show at once: the first unread, else the latest, of those that somebody else wrote."""
    received = [item for item in found if not item.last.mine]
    unread = (item for item in received if item.unread and not item.kept.muted)
    return next(unread, received[0] if received else None)


async def show_rows(visit: Visit) -> web.Response:
    """The same list, alone: what a live page puts in the place of the one it has. `open`: the conversation on screen,
    beside which the list stands, how it is kept, and what a mail client threw away of it.
    """
    shown = await _listed(visit)
    open_ = visit.request.query.get("open", "")[:40]
    kept: dict[str, Any] = {}
    if open_:
        kept["kept_as"], _ = await state(visit.app, visit.box, open_)
        kept["gone"] = await filing.gone(visit.app, visit.box, open_)
    text = present.page("rows.html", desk=visit.desk, words=visit.words, conversation=open_, **kept, **shown)
    return web.Response(text=text, content_type="text/html", headers={"X-Unread": str(shown["unread"])})


async def show_search(visit: Visit) -> web.Response:
    """What holds every word, in its place: by conversation, the newest first."""
    query, chosen = visit.request.query, choice(visit)
    asked = search.Asked(
        query.get("q", "")[: search.LONG].strip(),
        chosen,
        query.get("from", "")[:100].strip(),
        query.get("files") == "1",
        search.day(query.get("since", "")),
        search.day(query.get("until", "")),
        visit.desk.today,
    )
    if asked.empty:
        raise web.HTTPSeeOther(f"{visit.desk.base}/{place(chosen)}")
    found = await search.search(visit.app, visit.box, asked, before=number(visit, "before"))
    told = {name: query[name][:100] for name in ("from", "files", "since", "until") if query.get(name)}
    narrowed = urlencode({"q": asked.words, **dict(_pairs(chosen)), **told})
    return visit.page(
        "search.html",
        "messages",
        asked=asked,
        found=found,
        chosen=chosen,
        told=told,
        all_query=place(chosen),
        first=number(visit, "before") is None,
        more_query=f"?{narrowed}&before={found.next}" if found.next else "",
        wider_query=f"?{urlencode({'q': asked.words})}" if asked.words and (told or chosen.name != "all") else "",
    )


def _pairs(chosen: Choice) -> list[tuple[str, str]]:
    if chosen.name == "all":
        return []
    return [("filter", chosen.name), *([("label", chosen.label)] if chosen.name == "label" else [])]
