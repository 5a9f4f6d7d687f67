"""What time does to a closed space: after ten years, or when the deletion asked for is due, its key is destroyed.

Promises: it is decided when it is due, by the records as they stand then: a space that was opened again, or whose
deletion was taken back, is left alone. What was destroyed stays so when an older backup is put back: the ids of
destroyed spaces are also in a file of their own, kept apart from the backups, and applied at every start.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from server import audit
from server.audit import Act
from server.delivery import Parcel
from server.drafts import Actor
from server.enrolment.lifecycle import CHANNEL, DESTROYED, life
from storage import accounts, lifecycle
from storage.database import Tx
from storage.ids import now_ms

if TYPE_CHECKING:
    from server.app import App

log = structlog.get_logger()

ITSELF = Actor("", "system", "Pli")


class Endings:
    """The channel named `lifecycle`: its target is empty, for what is to be done is in the records."""

    name = CHANNEL

    def __init__(self, app: App) -> None:
        self._app = app

    async def send(self, parcel: Parcel) -> None:
        """Destroy the space, if it is due now."""
        app, space_id = self._app, parcel.keys.space_id
        if await app.db.read(_due, space_id):
            # The list first: should we fall between the two, the next start goes on with what was decided.
            await asyncio.to_thread(_write_down, app.settings.erased_file, space_id)
            await app.db.write(_destroy, space_id)
            app.vault.forget(space_id)
            log.info("space.destroyed")


def _due(tx: Tx, space_id: str) -> bool:
    known = life(tx, space_id)
    return known.state == "closed" and known.destroyed_on is not None and known.destroyed_on <= now_ms()


def _destroy(tx: Tx, space_id: str) -> None:
    if lifecycle.hold(tx, space_id) not in {None, DESTROYED}:
        lifecycle.destroy(tx, space_id)
        audit.record(tx, Act.SPACE_CHANGED, ITSELF, space_id, "system", space_id, DESTROYED)


def _write_down(file: Path, space_id: str) -> None:
    """One id a line, on the disk when it returns. Raises `OSError`."""
    with file.open("a") as list_:
        list_.write(f"{space_id}\n")
        list_.flush()
        os.fsync(list_.fileno())


async def apply(app: App) -> int:
    """At start: whatever the list names is destroyed, also when a backup brought it back. Returns how many were."""
    file = app.settings.erased_file
    named = set(file.read_text().split()) if file.exists() else set()

    def back(tx: Tx) -> list[str]:
        return [one for one in named if (space := accounts.space(tx, one)) is not None and space.state != DESTROYED]

    found = await app.db.read(back) if named else []
    for space_id in found:
        await app.db.write(_destroy, space_id)
        app.vault.forget(space_id)
    return len(found)
