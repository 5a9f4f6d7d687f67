"""A thread a window at a time: its end, what lies before or after a place, or around a message or the first unread.

    page or script  →  window(handle, before | after | at)  →  entries in order, and where older and newer ones begin

Promises: the same few statements for a thread of ten messages or ten thousand; a window that opens by itself opens at
the first unread, a little of what was read before it, never beyond it; what was not shown is not marked read.

Does not: decide who may read (a handle does), or mark anything by itself (`reading.mark_read`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from server.drafts import FileFacts
from server.errors import Refused
from server.handles import ConversationHandle
from server.reading import MAX_PAGE, shown_in
from server.views import Entry
from storage import entries, pages
from storage.database import Tx
from storage.messages import Attachment
from storage.vault import CannotOpen

if TYPE_CHECKING:
    from server.app import App

LEAD = 5  # entries already read that stand before the first unread
REACH = 100  # messages on either side among which the file before and after is looked for
ENVELOPE = "ihe_xdm.zip"
_END = 2**62
_facts = msgspec.json.Decoder(FileFacts)


@dataclass(frozen=True, slots=True)
class Window:
    """Entries in order. `older`, `newer`: the number to ask `before` or `after` for more; None when there is no more.
    `new`: the number of the first unread as it was before this look, 0 for none. `unread`: how many there were.
    """

    entries: list[Entry]
    older: int | None
    newer: int | None
    new: int = 0
    unread: int = 0


async def window(
    app: App,
    to: ConversationHandle,
    *,
    before: int | None = None,
    after: int | None = None,
    at: str = "",
    limit: int = 50,
) -> Window:
    """A part of a conversation, `limit` entries at most: below the number `before`, above `after`, around the message
    `at`; else around the first unread, or the end when nothing or only its last page is unread. Raises `Refused` when
    `at` is no message of this conversation here.
    """
    limit = max(2, min(limit, MAX_PAGE))

    def pull(tx: Tx) -> Window:
        unread = entries.thread_unread(tx, to.through, to.conversation_id)
        new = pages.first_unseen(tx, to.through, to.conversation_id, unread) if unread else 0
        if before is not None:
            found = _before(app, tx, to, before, limit)
        elif after is not None:
            found = _after(app, tx, to, after, limit)
        elif at:
            entry = entries.present(tx, to.through, at)
            if entry is None or entry.conversation_id != to.conversation_id:
                raise Refused
            found = _around(app, tx, to, entry.seq, limit // 2, limit)
        else:
            found = _before(app, tx, to, _END, limit)
            if new and found.entries and new < found.entries[0].seq:
                found = _around(app, tx, to, new, LEAD, limit)
        return Window(found.entries, found.older, found.newer, new, unread if found.entries else 0)

    return await app.db.read(pull)


def _before(app: App, tx: Tx, to: ConversationHandle, before: int, limit: int) -> Window:
    found = entries.page(tx, to.through, to.conversation_id, before, limit + 1)
    shown = shown_in(app, tx, to.member, found[:limit])[::-1]
    more = len(found) > limit or (bool(shown) and shown[0].seq > found[-1].seq)
    beyond = before != _END and bool(pages.after(tx, to.through, to.conversation_id, before - 1, 1))
    return Window(shown, shown[0].seq if more else None, before - 1 if beyond else None)


def _after(app: App, tx: Tx, to: ConversationHandle, after: int, limit: int) -> Window:
    found = pages.after(tx, to.through, to.conversation_id, after, limit + 1)
    shown = shown_in(app, tx, to.member, found[:limit])
    more = len(found) > limit or (bool(shown) and shown[-1].seq < found[-1].seq)
    behind = bool(entries.page(tx, to.through, to.conversation_id, after + 1, 1))
    return Window(shown, after + 1 if behind else None, shown[-1].seq if more else None)


def _around(app: App, tx: Tx, to: ConversationHandle, seq: int, lead: int, limit: int) -> Window:
    behind = _before(app, tx, to, seq, lead)
    ahead = _after(app, tx, to, seq - 1, limit - lead)
    return Window([*behind.entries, *ahead.entries], behind.older, ahead.newer)


@dataclass(frozen=True, slots=True)
class Paper:
    """A file of the thread, to go to."""

    id: str
    name: str


async def papers_beside(app: App, to: ConversationHandle, file: Attachment) -> tuple[Paper | None, Paper | None]:
    """The file before this one in the thread, and the one after it: of the messages within `REACH`. Envelopes of
    documents that stand there themselves are passed over.
    """

    def pull(tx: Tx) -> tuple[Paper | None, Paper | None]:
        entry = entries.present(tx, to.through, file.message_id)
        if entry is None:
            raise Refused
        found = pages.files_beside(tx, to.through, to.conversation_id, entry.seq, REACH)
        here = next((place for place, other in enumerate(found) if other.id == file.id), 0)
        return _first(to, found[:here][::-1]), _first(to, found[here + 1 :])

    return await app.db.read(pull)


def _first(to: ConversationHandle, found: list[Attachment]) -> Paper | None:
    for file in found:
        try:
            facts = _facts.decode(to.keys.open("file", file.id, file.facts))
        except CannotOpen:
            continue
        if facts.name.lower() != ENVELOPE and not facts.damaged:
            return Paper(file.id, facts.title or facts.name)
    return None
