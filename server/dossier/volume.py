"""How many patients' dossiers one account opens: the leaks nearest to us were valid accounts and a robot (security.md,
amelipro and Mediboard).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.dossier.delays import HOUR
from storage import openings
from storage.database import Tx
from storage.ids import now_ms

if TYPE_CHECKING:
    from server.app import App
    from server.drafts import Actor

FOUND_FOR_MS = 12 * HOUR


async def may_open(app: App, actor: Actor, space_id: str) -> None:
    """Before a dossier is opened. Raises `Throttled`, `NotAllowed`."""


def opened(tx: Tx, account_id: str, space_id: str) -> None:
    openings.record(tx, account_id, space_id, openings.OPENED, now_ms())


def found(tx: Tx, account_id: str, space_id: str) -> None:
    """A patient was found by their identity: their dossier may be asked for, for some hours."""
    openings.record(tx, account_id, space_id, openings.FOUND, now_ms())


def found_lately(tx: Tx, account_id: str, space_id: str) -> bool:
    return space_id in openings.since(tx, account_id, now_ms() - FOUND_FOR_MS, openings.FOUND)
