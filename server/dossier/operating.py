"""What an operator decides about the reading of dossiers, by command: the reviews of emergencies, of accounts that open
too much, of people a patient does not know.

Promises: an operator sees who read, when and on which ground, never whose dossier nor what stands in it: a space is an
opaque id here. Closing a review of volume lets the account go on. Each decision is dated and signed, and has its audit
row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server import audit, reading
from server.audit import Act
from server.drafts import Actor
from server.errors import Invalid
from storage import accounts, reviews
from storage.database import Tx
from storage.reviews import Review

if TYPE_CHECKING:
    from server.app import App

LONGEST = 500  # characters of a decision


async def listed(app: App, *, everything: bool = False) -> list[dict[str, Any]]:
    """Reviews, the oldest first; those decided too when asked for. No patient's name, and no reason: that is theirs."""

    def pull(tx: Tx) -> list[dict[str, Any]]:
        return [_shown(tx, one) for one in reviews.listed(tx, everything=everything)]

    return await app.db.read(pull)


def _shown(tx: Tx, one: Review) -> dict[str, Any]:
    """A professional or a team by name; a holder (a helper whom a patient does not know) by their account alone."""
    known = accounts.even_ended(tx, one.account_id)
    named = known is not None and known[0].kind != "holder"
    decided = reading.iso(one.decided_at) if one.decided_at is not None else ""
    return {
        "review": one.id,
        "kind": one.kind,
        "state": one.state,
        "at": reading.iso(one.at),
        "who": known[0].name if known and named else "",
        "organisation": known[0].organisation if known and named else "",
        "account": one.account_id,
        "space": one.space_id,
        "about": one.object,
        "decided": decided,
        "decided_by": one.decided_by,
        "decision": one.decision,
    }


async def close(app: App, review_id: str, by: str, decision: str) -> dict[str, Any]:
    """Decided, once. `by`: who gives the command. Raises `Invalid`."""
    said = " ".join(decision.split())
    if not 3 <= len(said) <= LONGEST:
        raise Invalid("no_decision", f"Dites ce qui est décidé, en {LONGEST} caractères au plus.")

    def write(tx: Tx) -> dict[str, Any]:
        one = reviews.one(tx, review_id)
        if one is None or not reviews.close(tx, review_id, by, said):
            raise Invalid("no_such_review", f"Aucun examen « {review_id} » n’attend de décision.")
        audit.record(tx, Act.REVIEW_CLOSED, Actor("", "operator", by), one.space_id, "operator", one.id)
        return {"review": one.id, "kind": one.kind, "account": one.account_id, "decision": said}

    return await app.db.write(write)
