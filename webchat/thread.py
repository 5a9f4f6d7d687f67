"""A conversation on screen: its page, a part of it alone, one message of it alone.

Promises: opens at the first unread, at a message that is named (`?at=`), before or after a number (`?before=`,
`?after=`), else at its end; what was shown is read, what was not is not; a thread of ten thousand messages costs what
one of fifty does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from server import access, listing, marks, people, reading, replies, windows
from server.agenda import clashes, days
from server.drafts import MAX_FILES, MAX_FILES_SIZE, MAX_TEXT
from server.errors import Refused
from server.handles import ConversationHandle
from server.people import Traits
from server.reading import Contact
from server.scopes import WRITE
from server.views import Entry
from server.windows import Window
from storage import exchanges
from storage.delegations import represented
from webchat import composing, office, present
from webchat.forms import Form
from webchat.lists import LIST
from webchat.visit import Visit, nonce, number, route
from webchat.words import instant

if TYPE_CHECKING:
    from server.app import App

THREAD = 50  # messages a page


def add_routes(app: App, site: web.Application) -> None:
    """A thread, a part of it, and one message of it."""
    route(app, site, "GET", "/c/{conversation}", show_thread)
    route(app, site, "GET", "/c/{conversation}/entries", show_part)
    route(app, site, "GET", "/c/{conversation}/m/{message}", show_message)


async def show_thread(visit: Visit) -> web.Response:
    """A conversation; opening it is reading it."""
    handle = await access.conversation(visit.app, visit.box, visit.request.match_info["conversation"])
    return await thread_page(visit, handle)


async def thread_page(
    visit: Visit, handle: ConversationHandle, *, error: str = "", form: Form | None = None, status: int = 200
) -> web.Response:
    """The page of a conversation; after a failed sending, with what was written and why it was not sent."""
    app = visit.app
    cursor = await reading.cursor(app, visit.box)
    part = await _part(visit, handle)
    if part.unread and visit.request.method == "GET" and "prefetch" not in visit.request.headers.get("Sec-Purpose", ""):
        await reading.mark_read(app, handle, part.entries[-1].seq, part.entries[0].seq)
    rows = (await listing.page(app, visit.box, listing.Choice(), None, LIST)).rows
    kept_as, _ = await marks.state(app, visit.box, handle.conversation_id)
    contacts = await reading.people_in(app, handle)
    others = [contact for contact in contacts if contact.member_id != handle.member]
    mine = handle.member == handle.holder
    standings = await app.db.read(exchanges.standings, handle.space_id) if mine else {}
    offices = await office.in_thread(visit, handle)
    planned, may_plan = _appointments(visit, part.entries), mine and visit.box.may("agenda")
    return visit.page(
        "thread.html",
        "messages",
        status=status,
        subject=handle.subject,
        conversation=handle.conversation_id,
        conversations=rows,
        kept_as=kept_as,
        may_keep=visit.box.may(WRITE),
        part=part,
        cursor=cursor,
        names=", ".join(other.name for other in others[:3]),
        readers=", ".join(other.name for other in others if _takes_answers(standings.get(other.member_id))),
        people=others,
        patient=await patient_of(visit, handle.space_id),
        readers_of=await _readers(visit, handle, others),
        closed=_closed(visit, handle, mine=mine),
        mine=mine,
        standings=standings,
        about=await _about(visit, handle),
        documents=[
            (entry.message.id, item)
            for entry in part.entries
            for item in entry.message.attachments
            if present.file_kind(item) != "archive"
        ],
        appointments=planned,
        may_plan=may_plan,
        planned=await days.planned(app, handle, [one["id"] for one in planned])
        if may_plan and planned
        else frozenset(),
        nonce=nonce(),
        error=error,
        **offices,
        **limits(),
        **await composing.composer(visit, handle, others, standings, part.entries, form, office.chosen(visit, offices)),
    )


def _closed(visit: Visit, handle: ConversationHandle, *, mine: bool) -> str:
    """Why nobody writes here, or not the one who looks; '' when they may."""
    if mine and not visit.box.may(WRITE):
        return "read_only"
    if mine and handle.replies == "told":
        return ""  # nobody is there but Pli itself, which answers (`server.bots.assistant`)
    return handle.replies if handle.replies == "left" or (mine and handle.replies != "open") else ""


def limits() -> dict[str, int]:
    """What a message may hold: said beforehand."""
    return {"most_text": MAX_TEXT, "most_files": MAX_FILES, "most_octets": MAX_FILES_SIZE}


async def _part(visit: Visit, handle: ConversationHandle) -> Window:
    at = visit.request.query.get("at", "")[:80]
    before, after = number(visit, "before"), number(visit, "after")
    part = await windows.window(visit.app, handle, before=before, after=after, at=at, limit=THREAD)
    await clashes.tell(visit.app, visit.box, part.entries)
    return part


async def show_part(visit: Visit) -> web.Response:
    """What lies before or after a number, alone: what a live page puts above or below what it has. Marks nothing: the
    page says what was seen.
    """
    handle = await access.conversation(visit.app, visit.box, visit.request.match_info["conversation"])
    part = await _part(visit, handle)
    text = present.page(
        "part.html", desk=visit.desk, words=visit.words, part=part, subject=handle.subject, nonce=nonce()
    )
    return web.Response(text=text, content_type="text/html")


async def _readers(visit: Visit, handle: ConversationHandle, others: list[Contact]) -> dict[str, Any]:
    """Who reads what is written here, in a sentence; and of each how soon they usually answer."""
    found = await replies.readers(visit.app, others)
    names = [present.reader_name(visit.words, reader.name, reader.roles) for reader in found]
    if visit.box.owner_kind != "holder" and await visit.app.db.read(represented, handle.space_id):
        names.append(visit.words("thread.representative"))
    return {
        "names": present.joined(visit.words, names),
        "usual": {reader.member_id: present.usual(visit.words, reader.days) for reader in found},
        "roles": {reader.member_id: ", ".join(reader.roles) for reader in found},
    }


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


async def patient_of(visit: Visit, space_id: str) -> dict[str, Any] | None:
    """Whose space this is, for a professional: the identity stands above what is read and written (référentiel INS).
    None for who is at home there.
    """
    if visit.box.owner_kind == "holder":
        return None
    traits: Traits | None = await visit.app.db.read(lambda tx: people.traits(visit.app, tx, space_id))
    born = instant(traits.birth_date) if traits else None
    if traits is None or born is None:
        return None
    return {"name": traits.name, "sex": traits.sex, "birth": born.date(), "space": space_id}


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
    await clashes.tell(visit.app, visit.box, [entry])
    return web.Response(text=present.fragment(visit.desk, entry, handle.subject, nonce()), content_type="text/html")
