"""How many patients' dossiers one account opens: the leaks nearest to us were valid accounts and a robot (security.md,
amelipro and Mediboard).

    may_open(): the account's row is the lock  →  distinct patients within the window  →  the opening is counted, or
    refused; beyond the last limit a review is asked for, and stands though the opening does not

Promises: what counts is rows, the same for every process; opening the same patient again never counts; who is stopped
stays so until an operator closes the review, and counts anew from then.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from server import audit
from server.audit import Act
from server.dossier.delays import HOUR
from server.errors import NotAllowed, PliError, Throttled
from storage import accounts, delegations, openings, reviews
from storage.database import Tx
from storage.ids import now_ms

if TYPE_CHECKING:
    from server.app import App
    from server.drafts import Actor

FOUND_FOR_MS = 12 * HOUR


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """In distinct patients, within the window."""

    source: str
    window_minutes: int
    slowed_from: int
    pace_seconds: int
    stopped_at: int


LIMITS: Final = msgspec.json.decode((Path(__file__).parent / "data" / "volume.json").read_bytes(), type=Limits)


async def may_open(app: App, actor: Actor, space_id: str) -> None:
    """Before a dossier is opened, which it counts. Raises `Throttled`, `NotAllowed`."""
    refusal = await app.db.write(_count, actor, space_id)
    if refusal is not None:
        raise refusal


def _count(tx: Tx, actor: Actor, space_id: str) -> PliError | None:
    """The refusal is returned: what it leaves behind is committed."""
    if accounts.holder_of(tx, space_id) is None:
        return None  # nobody's: refused as such
    delegations.lock(tx, "", actor.account_id)
    now, known = now_ms(), reviews.of_account(tx, actor.account_id, reviews.VOLUME)
    since = max([now - LIMITS.window_minutes * 60_000, *(one.decided_at or 0 for one in known)])
    first = openings.first(tx, actor.account_id, since, openings.OPENED)
    if space_id in first:
        return None
    if any(one.state == reviews.OPEN for one in known):
        return _stopped()
    if len(first) >= LIMITS.stopped_at:
        review_id = reviews.ask(tx, reviews.VOLUME, actor.account_id)
        audit.record(tx, Act.OPENINGS_STOPPED, actor, "", "care", review_id, "stopped")
        return _stopped()
    wait = max(first.values(), default=0) + LIMITS.pace_seconds * 1000 - now
    if len(first) >= LIMITS.slowed_from and wait > 0:
        seconds = -(-wait // 1000)
        return Throttled(
            "openings_slowed",
            f"Vous avez ouvert {len(first)} dossiers en une heure. Le prochain s’ouvrira dans {seconds} secondes.",
        )
    opened(tx, actor.account_id, space_id)
    return None


def _stopped() -> NotAllowed:
    return NotAllowed(
        "openings_stopped",
        "Vous avez ouvert trop de dossiers en peu de temps. Aucun autre ne s’ouvrira avant que l’exploitant de Pli "
        "l’ait permis. Appelez-le.",
    )


def opened(tx: Tx, account_id: str, space_id: str) -> None:
    openings.record(tx, account_id, space_id, openings.OPENED, now_ms())


def found(tx: Tx, account_id: str, space_id: str) -> None:
    """A patient was found by their identity: their dossier may be asked for, for some hours."""
    openings.record(tx, account_id, space_id, openings.FOUND, now_ms())


def found_lately(tx: Tx, account_id: str, space_id: str) -> bool:
    return space_id in openings.since(tx, account_id, now_ms() - FOUND_FOR_MS, openings.FOUND)
