"""What a delegation is for: messages, dossier, agenda, services, to be read; and to write. And what it never is for.

`server.access` asks here when it makes a handle, a reader when it uses one, a write inside its own transaction. A legal
representative has every scope; a helper those the holder gave. What is not theirs to read is not there; who may read
and not write is told so.

Does not: say who acts for whom (`server.delegates`).
"""

from __future__ import annotations

from server.errors import NotAllowed, Refused
from server.handles import MailboxHandle, SpaceHandle
from storage import accounts, delegations
from storage.database import Tx
from storage.delegations import AREAS, EVERYTHING, WRITE

__all__ = ["AREAS", "EVERYTHING", "MESSAGES", "WRITE", "may", "need", "own_affairs", "reads"]

DELEGATED = frozenset({"representative", "helper"})
MESSAGES = "messages"
READ_ONLY = "Vous pouvez lire cet espace, pas y écrire. Son titulaire peut changer cela."


def need(scopes: frozenset[str], *needs: str) -> None:
    """Raises `Refused`, or `NotAllowed` when writing is all that is missing."""
    missing = set(needs) - scopes
    if missing == {WRITE}:
        raise NotAllowed("read_only", READ_ONLY)
    if missing:
        raise Refused


def reads(box: MailboxHandle, area: str = MESSAGES) -> None:
    """Every reader of what a mailbox holds begins here: the handle may be for other things. Raises `Refused`."""
    need(box.scopes, area)


def may(tx: Tx, to: SpaceHandle, *needs: str) -> None:
    """Inside the write: the delegation is still in force, and for that. Raises `Refused`, `NotAllowed`."""
    if to.ground not in DELEGATED:
        return
    known = delegations.in_force(tx, to.space_id, to.actor.account_id)
    need(known.scopes if known else frozenset(), *needs)


def shares(tx: Tx, to: SpaceHandle) -> None:
    """Inside the write: who may read the holder's things is the holder's to say, never a helper's. Raises
    `NotAllowed`, `Refused`.
    """
    if to.ground not in DELEGATED:
        return
    known = delegations.in_force(tx, to.space_id, to.actor.account_id)
    if known is None:
        raise Refused
    if known.kind != "representative":
        raise holders_only()


def own_affairs(tx: Tx, box: MailboxHandle) -> None:
    """Inside the write: what only the holder settles, or who represents them by law: who acts for them, what is shared
    with whom, contacts and credentials, closing, deleting, exporting. Never a helper (mssante.md § 1.5, product.md
    § 2.8). Raises `NotAllowed`, `Refused`.
    """
    if box.owner_kind != "holder" or not accounts.in_force(tx, box.actor.account_id):
        raise Refused
    known = delegations.in_force(tx, box.space_id, box.actor.account_id)
    if box.ground != "self" and known is None:
        raise Refused
    if box.ground != "self" and known is not None and known.kind != "representative":
        raise holders_only()


def holders_only() -> NotAllowed:
    return NotAllowed("holders_only", "Seul le titulaire de cet espace peut faire cela.")
