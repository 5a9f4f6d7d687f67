"""The reading half of the API: the caller's mailbox from a cursor, conversations, documents, permissions."""

from __future__ import annotations

import asyncio

from server import access, listing, reading, sessions
from server.actions import catalogue
from server.agenda import book
from server.api import shapes
from server.api.door import Call
from server.api.shapes import (
    Conversation,
    Conversations,
    Documents,
    EntriesQuery,
    Grants,
    Nothing,
    PageQuery,
    SpaceQuery,
)
from server.dossier import documents as shelf
from server.dossier import synthesis
from server.dossier.synthesis import Synthesis
from server.errors import Unauthorised
from server.prevention import summary
from server.prevention.summary import Summary
from server.views import AuthorView, Page
from storage import entries as rows

STILL_S = 4  # how old the last look at a token may be while a poll waits


async def entries(call: Call[EntriesQuery, None]) -> Page:
    """`GET /entries`. With `wait`, answers as soon as something is new, or empty when the time is up.

    A wake-up is a hint: the page is read again from the cursor, after the token was checked again.
    """
    app, query = call.app, call.query
    box = await access.mailbox(app, call.actor, query.mailbox)
    clock = asyncio.get_running_loop().time
    until = clock() + query.wait
    with call.door.polling(call.actor.account_id) as ended:
        woken = asyncio.Event()
        subscription = app.hub.subscribe([box.mailbox_id], woken.set)
        leaving = asyncio.ensure_future(ended.wait())
        try:
            while True:
                woken.clear()
                page = await reading.since(app, box, query.cursor, query.limit)
                left = until - clock()
                if page.entries or left <= 0 or ended.is_set():
                    return page
                waiting = asyncio.ensure_future(woken.wait())
                try:
                    # In short steps: a token that ended lets go of its polls too, although nothing woke them.
                    step = min(left, STILL_S)
                    await asyncio.wait({waiting, leaving}, timeout=step, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    waiting.cancel()
                if not await app.db.read(lambda tx: sessions.still_signed_in(app, tx, call.secret, "bearer")):
                    raise Unauthorised
                await app.db.read(lambda tx: access.still_open(app, tx, box))
        finally:
            leaving.cancel()
            subscription.close()


async def list_conversations(call: Call[PageQuery, None]) -> Conversations:
    """`GET /conversations`."""
    box = await access.mailbox(call.app, call.actor, call.query.mailbox)
    limit = call.query.limit
    found = await listing.conversations(call.app, box, call.query.before or None, limit + 1)
    more, found = len(found) > limit, found[:limit]
    return Conversations(found, found[-1].last_seq if found else 0, more)


async def one_conversation(call: Call[PageQuery, None]) -> Conversation:
    """`GET /conversations/{id}`."""
    app = call.app
    box = await access.mailbox(app, call.actor, call.query.mailbox)
    handle = await access.conversation(app, box, call.at["id"])
    page = await reading.thread(app, handle, call.query.before or None, call.query.limit)
    others = [
        AuthorView(other.kind, other.name, other.role, other.organisation)
        for other in await reading.people_in(app, handle)
        if other.member_id != handle.member
    ]
    unread = await app.db.read(rows.thread_unread, box.mailbox_id, handle.conversation_id)
    return Conversation(
        handle.conversation_id, handle.subject, others, handle.replies, unread, page.entries, page.cursor, page.more
    )


async def documents(call: Call[SpaceQuery, None]) -> Documents:
    """`GET /documents`: the dossier of the patient who calls, or for whom they act."""
    box = await access.mailbox(call.app, call.actor, call.query.mailbox, ("dossier",))
    return Documents(await shelf.list_documents(call.app, await access.dossier(call.app, box)))


async def health(call: Call[SpaceQuery, None]) -> Synthesis:
    """`GET /health`: the synthèse of the patient who calls, or for whom they act."""
    box = await access.mailbox(call.app, call.actor, call.query.mailbox, ("dossier",))
    handle = await access.dossier(call.app, box)
    return await call.app.db.read(lambda tx: synthesis.of(call.app, tx, handle))


async def prevention(call: Call[SpaceQuery, None]) -> Summary:
    """`GET /prevention`: where the patient who calls stands, or for whom they act; in their language."""
    box = await access.mailbox(call.app, call.actor, call.query.mailbox, ("dossier",))
    return await summary.of(call.app, await access.dossier(call.app, box), call.actor.language)


async def appointments(call: Call[SpaceQuery, None]) -> shapes.Appointments:
    """`GET /appointments`: the agenda of the patient who calls, or for whom they act."""
    box = await access.mailbox(call.app, call.actor, call.query.mailbox, ("agenda",))
    return shapes.Appointments(await book.appointments(call.app, await access.dossier(call.app, box, "agenda")))


async def grants(call: Call[SpaceQuery, None]) -> Grants:
    """`GET /grants`: what a patient allowed, or what a service is allowed."""
    if call.actor.kind != "holder":
        return Grants(await catalogue.grants_to(call.app, call.actor))
    box = await access.mailbox(call.app, call.actor, call.query.mailbox, ("services",))
    return Grants(await catalogue.grants(call.app, await access.dossier(call.app, box, "services")))


async def granted_appointments(call: Call[Nothing, None]) -> shapes.Appointments:
    """`GET /grants/{id}/appointments`: for the service a patient allowed to see the agenda."""
    return shapes.Appointments(await catalogue.granted_appointments(call.app, call.actor, call.at["id"]))


async def granted_documents(call: Call[Nothing, None]) -> Documents:
    """`GET /grants/{id}/documents`: for the service a patient allowed to see the list."""
    return Documents(await catalogue.granted_documents(call.app, call.actor, call.at["id"]))
