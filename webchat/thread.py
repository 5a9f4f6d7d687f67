"""A conversation on screen: its page, and one message of it alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from server import access, listing, people, reading
from server.drafts import MAX_FILES, MAX_FILES_SIZE, MAX_TEXT
from server.errors import Refused
from server.handles import ConversationHandle
from server.people import Traits
from server.views import ConversationView, Entry
from storage import exchanges
from storage.entries import thread_unread
from webchat import office, present
from webchat.lists import LIST
from webchat.visit import Visit, nonce, number, route
from webchat.words import instant

if TYPE_CHECKING:
    from server.app import App

THREAD = 50  # messages a page


def add_routes(app: App, site: web.Application) -> None:
    """A thread, and one message of it."""
    route(app, site, "GET", "/c/{conversation}", show_thread)
    route(app, site, "GET", "/c/{conversation}/m/{message}", show_message)


async def show_thread(visit: Visit) -> web.Response:
    """A conversation; opening it is reading it."""
    handle = await access.conversation(visit.app, visit.box, visit.request.match_info["conversation"])
    return await thread_page(visit, handle)


async def thread_page(
    visit: Visit, handle: ConversationHandle, *, error: str = "", kept: str = "", status: int = 200
) -> web.Response:
    """The page of a conversation; after a failed sending, with what was written and why it was not sent."""
    app, before = visit.app, number(visit, "before")
    cursor = await reading.cursor(app, visit.box)
    page = await reading.thread(app, handle, before, THREAD)
    rows = (await listing.page(app, visit.box, listing.Choice(), None, LIST)).rows
    unread = 0
    if before is None:  # the list may not show it: it is further down, or archived
        unread = await app.db.read(thread_unread, handle.through, handle.conversation_id)
    if unread and visit.request.method == "GET" and "prefetch" not in visit.request.headers.get("Sec-Purpose", ""):
        await reading.mark_read(app, handle, page.entries[-1].seq if page.entries else 0)
        rows = [_as_read(row) if row.id == handle.conversation_id else row for row in rows]
    contacts = await reading.people_in(app, handle)
    others = [contact for contact in contacts if contact.member_id != handle.member]
    mine = handle.member == handle.holder
    standings = await app.db.read(exchanges.standings, handle.space_id) if mine else {}
    offices = await office.in_thread(visit, handle)
    return visit.page(
        "thread.html",
        "messages",
        status=status,
        subject=handle.subject,
        conversation=handle.conversation_id,
        conversations=rows,
        entries=page.entries,
        older=page.cursor if page.more else None,
        before=before,
        cursor=cursor,
        unread_from=present.first_unread(page.entries, unread),
        names=", ".join(other.name for other in others[:3]),
        readers=", ".join(other.name for other in others if _takes_answers(standings.get(other.member_id))),
        people=others,
        patient=await _patient(visit, handle),
        closed=handle.replies if handle.replies == "left" or (mine and handle.replies != "open") else "",
        mine=mine,
        standings=standings,
        about=await _about(visit, handle),
        documents=[
            (entry.message.id, item)
            for entry in page.entries
            for item in entry.message.attachments
            if present.file_kind(item) != "archive"
        ],
        appointments=_appointments(visit, page.entries),
        nonce=nonce(),
        error=error,
        kept=kept or office.chosen(visit, offices),
        **offices,
        **limits(),
    )


def limits() -> dict[str, int]:
    """What a message may hold: said beforehand."""
    return {"most_text": MAX_TEXT, "most_files": MAX_FILES, "most_octets": MAX_FILES_SIZE}


def _as_read(row: ConversationView) -> ConversationView:
    return msgspec.structs.replace(row, unread=0)


def _takes_answers(standing: exchanges.Standing | None) -> bool:
    return standing is None or not (standing.ended or standing.blocked)


async def _about(visit: Visit, handle: ConversationHandle) -> tuple[str, str]:
    """(id, subject) of the conversation that this one follows, when it is in this mailbox."""
    if not handle.about:
        return "", ""
    try:
        before = await access.conversation(visit.app, visit.box, handle.about)
    except Refused:
        return "", ""
    return before.conversation_id, before.subject


async def _patient(visit: Visit, handle: ConversationHandle) -> dict[str, Any] | None:
    """Whose conversation this is, for a professional: the identity stands above what is written (INS référentiel)."""
    if visit.box.owner_kind == "holder":
        return None
    traits: Traits | None = await visit.app.db.read(lambda tx: people.traits(visit.app, tx, handle.space_id))
    born = instant(traits.birth_date) if traits else None
    return {"name": traits.name, "sex": traits.sex, "birth": born.date()} if traits and born else None


def _appointments(visit: Visit, entries: list[Entry]) -> list[dict[str, Any]]:
    found = []
    for entry in entries:
        card = entry.message.card
        stands = card and card.get("type") == "appointment" and (card["choices"] or "event" not in card)
        start = instant(str(card.get("start") or "")) if card and stands else None
        if start is not None:
            when = present.span(visit.words, start, None, bool(card and card.get("all_day")))
            found.append({"id": entry.message.id, "card": card, "when": when})
    return found


async def show_message(visit: Visit) -> web.Response:
    """One message as it stands now, alone."""
    match = visit.request.match_info
    handle = await access.conversation(visit.app, visit.box, match["conversation"])
    entry = await reading.message(visit.app, handle, match["message"])
    return web.Response(text=present.fragment(visit.desk, entry, handle.subject, nonce()), content_type="text/html")
