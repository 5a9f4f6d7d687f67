"""The rules of the exchange between a patient and those who write to them: who may answer, who is blocked.

MSSanté (CNAM note § 7): a professional ends an exchange by `X-MSS-MES: FIN` or the exact subject `[FIN]`, and opens it
again by writing. It holds for every conversation with that professional, not for one. The patient may block somebody
(`server.blocking`): their letters are then refused or dropped, but documents they deposit still arrive.

Each change is a record with its author and date (`storage.exchanges`), and a line in the thread where it happened.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from server.errors import Conflict, NotAllowed
from server.handles import ConversationHandle
from storage import conversations, handovers
from storage import exchanges as rows
from storage.database import Tx
from storage.exchanges import Standing

if TYPE_CHECKING:
    from server.posting import Doing

BLOCKED = "writer_blocked"


def replies(tx: Tx, space_id: str, conversation_id: str, holder: str) -> str:
    """May the holder answer here? open; closed when everybody else ended the exchange; blocked when the holder blocked
    those who did not.
    """
    return rule(_standings(tx, space_id, conversation_id, holder))


def deaf(tx: Tx, space_id: str, conversation_id: str, holder: str) -> frozenset[str]:
    """May the holder write here, and not only act on what was asked? The members that take no answer. Raises
    `NotAllowed` when nobody does.
    """
    standings = _standings(tx, space_id, conversation_id, holder)
    may_answer(standings.values())
    return frozenset(member for member, standing in standings.items() if standing.ended or standing.blocked)


def silent(tx: Tx, to: ConversationHandle) -> None:
    """A service says nothing while a person has its place (`server.handing`). Raises `Conflict`."""
    known = handovers.standing(tx, to.space_id, to.conversation_id) if to.actor.kind == "bot" else None
    if known is not None and known.bot_id == to.actor.account_id:
        raise Conflict("handed_over", "Une personne a pris le relais ici : attendez qu’elle rende la conversation.")


def rule(standings: Mapping[str, Standing]) -> str:
    """As `replies`, for a reader that has the standings of everybody but the holder."""
    return _rule(standings.values())


def of(known: Mapping[str, Standing], members: Iterable[str]) -> dict[str, Standing]:
    """How these members stand, by what is recorded in the space."""
    return {member: known.get(member, Standing()) for member in members} if known else {}


def _rule(standings: Collection[Standing]) -> str:
    if not standings or any(not (standing.ended or standing.blocked) for standing in standings):
        return "open"
    return "blocked" if any(standing.blocked for standing in standings) else "closed"


def may_answer(standings: Collection[Standing]) -> None:
    """May the holder write to these? Raises `NotAllowed`, saying why and who can change it."""
    found = _rule(standings)
    if found == "closed":
        raise NotAllowed(
            "replies_closed", "Ce professionnel a mis fin à l’échange. Vous pourrez écrire s’il vous recontacte."
        )
    if found == "blocked":
        raise NotAllowed("blocked_by_you", "Vous avez bloqué ce correspondant. Débloquez-le pour lui écrire.")


def _standings(tx: Tx, space_id: str, conversation_id: str, holder: str) -> dict[str, Standing]:
    """Of everybody but the holder; empty when nothing was ever recorded about any of them."""
    known = rows.standings(tx, space_id)
    if not known:  # as in most spaces
        return {}
    members = conversations.participants(tx, space_id, conversation_id)
    return of(known, [member.member_id for member in members if member.member_id != holder])


def heard(doing: Doing, *, ends: bool, automatic: bool, others: Sequence[str] = ()) -> None:
    """The effect of a letter on the exchange with whoever wrote it (and `others` it speaks for): FIN ends it, any
    other word of a person opens it again. Raises `NotAllowed` (`BLOCKED`) when the holder wants none of their letters.
    """
    tx, space_id, member = doing.tx, doing.to.space_id, doing.to.member
    standing = rows.standing(tx, space_id, member)
    if standing.blocked or any(rows.standing(tx, space_id, other).blocked for other in others):
        raise NotAllowed(BLOCKED, "Ce patient ne souhaite pas recevoir vos messages.")
    if ends:
        rows.record(tx, space_id, member, rows.REPLIES, "ended", member, doing.message_id)
    elif standing.ended and not automatic:
        rows.record(tx, space_id, member, rows.REPLIES, "open", member, doing.message_id)
