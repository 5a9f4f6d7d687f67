"""The appointment a letter brings: its calendar as a card, and what a cancellation does to the agenda (iMIP, RFC 6047).

Promises: nothing enters the agenda without the patient; the UID is the sender's word, and is scoped to the sender we
verified (security item 30); a calendar that cannot be read leaves a letter like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mail_gateway.calendar import Invitation, read_invitation
from mail_gateway.malformed import Malformed
from mail_gateway.mime import Letter
from server.actions import agenda
from server.drafts import Actor
from storage import documents

if TYPE_CHECKING:
    from server.posting import Doing

Effect = Callable[["Doing"], None] | None


def card(actor: Actor, letter: Letter, text: str, space_id: str) -> tuple[str, dict[str, Any] | None, Effect]:
    """(kind, card, effect) of a letter with a calendar; a calendar that cannot be read leaves a letter like any
    other.
    """
    if not letter.calendar:
        return "text", None, None
    try:
        invitation = read_invitation(letter.calendar)
    except Malformed:
        return "text", None, None
    if invitation.method not in ("REQUEST", "CANCEL") or not invitation.uid:
        return "text", None, None
    # The UID is the sender's word: it is scoped to the sender we verified, not to the ORGANIZER it claims (item 30).
    organizer = actor.address
    shown = agenda.appointment_card(
        title=invitation.summary or letter.subject or "Rendez-vous",
        text=(invitation.description or text)[:2000],
        uid=invitation.uid,
        sequence=invitation.sequence,
        start=_iso(invitation.start),
        end=_iso(invitation.end),
        all_day=invitation.all_day,
        location=invitation.location,
        organizer=organizer,
        # A name from elsewhere is only what its mail claims: the verified address stays beside it.
        organizer_name=f"{actor.name} ({organizer})" if actor.external else actor.name,
        ics=invitation.ics,
    )
    if invitation.method == "REQUEST":
        return "card", shown, None
    shown |= {"type": "cancellation", "title": f"Rendez-vous annulé : {shown['title']}", "ics": ""}
    return "card", shown, lambda doing: _cancel(doing, shown, space_id, organizer, invitation)


def _cancel(doing: Doing, card: dict[str, Any], space_id: str, organizer: str, invitation: Invitation) -> None:
    """The appointment leaves the agenda, if it is there and this sender put it there."""
    uid_hash = doing.app.vault.lookup("appointment", f"{space_id}|{organizer}|{invitation.uid}")
    known = documents.appointment_by_uid(doing.tx, space_id, uid_hash)
    if known is not None and invitation.sequence >= known.sequence:
        named = card | {"title": str(card["title"]).removeprefix("Rendez-vous annulé : ")}
        agenda.remember(doing, named, "cancelled", known.message_id)


def _iso(moment: Any) -> str:
    return moment.isoformat() if moment is not None else ""
