"""Finding what a mailbox holds. No index: what is sealed is opened and looked through, one mailbox at a time."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from server.handles import MailboxHandle
from server.reading import body_of, keys_of, shown_in
from server.views import Entry
from storage import entries, messages
from storage.database import Tx
from storage.vault import CannotOpen, SpaceKeys

if TYPE_CHECKING:
    from server.app import App


def fold(text: str) -> str:
    """Case and accents folded, for search."""
    return "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))


async def search(app: App, box: MailboxHandle, words: str, limit: int = 50) -> list[Entry]:
    """Entries whose subject, text, author or file names hold every word; the newest first."""
    wanted = fold(words).split()

    def scan(tx: Tx) -> list[Entry]:
        found: list[Entry] = []
        known: dict[str, SpaceKeys] = {}
        newest = sorted(
            entries.folder(tx, box.mailbox_id, "inbox") + entries.folder(tx, box.mailbox_id, "sent"),
            key=lambda e: -e.seq,
        )
        for entry in newest:
            message = messages.find(tx, entry.space_id, entry.message_id)
            if message is None:
                continue
            keys = keys_of(app, tx, entry.space_id, known)
            try:
                body = body_of(keys, message)
            except CannotOpen:
                continue
            text = fold(f"{body.subject} {body.text} {body.author.name}")
            if all(word in text for word in wanted):
                found += shown_in(app, tx, box.owner, [entry])
                if len(found) >= limit:
                    break
        return found

    return await app.db.read(scan) if wanted else []
