"""Documents put in a dossier without a letter: what tests of the shelf begin from."""

from __future__ import annotations

from typing import Any

from server.dossier import filing
from server.drafts import FileFacts
from server.handles import DossierHandle
from storage.ids import now_ms
from tests.house import House


async def filed(
    core: House,
    handle: DossierHandle,
    title: str,
    *,
    author: str = "",
    data: bytes = b"",
    source: str = "api",
    **facts: Any,
) -> str:
    """A document of this dossier, deposited by `author` of the cast; returns its id."""
    octets = data or title.encode()
    if "author_name" in facts:
        facts["author"] = facts.pop("author_name")
    known = FileFacts(f"{title}.txt", "text/plain", len(octets), **{"title": title, "category": "reports", **facts})
    by = core.people[author].account_id if author else ""
    ready = await filing.of_octets(core.app, handle.keys, known, octets, source=source, author_id=by)
    return await core.app.db.write(
        filing.file, core.app.vault, handle.keys, ready, by or handle.actor.account_id, now_ms()
    )
