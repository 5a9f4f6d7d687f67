"""Services that asked a person to go on in a conversation; one record a change, the newest counts. Functions of one
transaction.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Tx
from storage.ids import new_id, now_ms


@dataclass(frozen=True, slots=True)
class Handover:
    """`state`: asked, or returned to the service. `to_id`: the team or the professional asked."""

    bot_id: str
    to_id: str
    state: str
    by: str
    at: int


def record(tx: Tx, space_id: str, conversation_id: str, bot_id: str, to_id: str, state: str, by: str) -> None:
    """It is later than the one before, also within one millisecond."""
    ((last,),) = tx.run(
        "SELECT COALESCE(MAX(at), 0) FROM handovers WHERE space_id = :s AND conversation_id = :c",
        s=space_id,
        c=conversation_id,
    )
    tx.run(
        "INSERT INTO handovers (space_id, conversation_id, id, bot_id, to_id, state, by, at)"
        " VALUES (:s, :c, :id, :bot, :to, :state, :by, :at)",
        s=space_id,
        c=conversation_id,
        id=new_id(),
        bot=bot_id,
        to=to_id,
        state=state,
        by=by,
        at=max(now_ms(), last + 1),
    )


def standing(tx: Tx, space_id: str, conversation_id: str) -> Handover | None:
    """The one in force: a person goes on, and the service is silent."""
    rows = tx.run(
        "SELECT bot_id, to_id, state, by, at FROM handovers WHERE space_id = :s AND conversation_id = :c"
        " ORDER BY at DESC, id DESC LIMIT 1",
        s=space_id,
        c=conversation_id,
    )
    return Handover(*rows[0]) if rows and rows[0][2] == "asked" else None
