"""The patient blocks somebody, or lets them write again. What it changes stands in `server.exchanges`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server import access, audit, posting, reading
from server.audit import Act
from server.drafts import Draft, Receipt
from server.errors import Invalid, NotAllowed
from server.handles import MailboxHandle
from storage import exchanges

if TYPE_CHECKING:
    from server.app import App
    from server.posting import Doing


async def block(app: App, box: MailboxHandle, conversation_id: str, member_id: str, *, free: bool = False) -> Receipt:
    """The holder wants no more letters from somebody of this conversation, or wants them again (`free`).

    Raises `Refused`, `NotAllowed` (somebody else's space), `Invalid` (nobody to block).
    """
    conversation = await access.conversation(app, box, conversation_id)
    if conversation.member != conversation.holder:
        raise NotAllowed("not_yours", "Seul le titulaire de cet espace peut bloquer quelqu’un.")
    names = {contact.member_id: contact.name for contact in await reading.people_in(app, conversation)}
    if member_id == conversation.holder or member_id not in names:
        raise Invalid("nobody_to_block", "Cette personne ne prend pas part à la conversation.")

    def effect(doing: Doing) -> None:
        state = "free" if free else "blocked"
        exchanges.record(
            doing.tx, doing.to.space_id, member_id, exchanges.BLOCK, state, doing.actor.account_id, doing.message_id
        )
        act = Act.WRITER_FREED if free else Act.WRITER_BLOCKED
        audit.record(doing.tx, act, doing.actor, doing.to.space_id, doing.to.ground, member_id)

    name = names[member_id]
    text = (
        f"{name} peut de nouveau vous écrire."
        if free
        else f"{name} est bloqué : ses messages ne vous parviendront plus. Les documents de soins arrivent encore."
    )
    draft = Draft(to=conversation, kind="line", text=text, only=frozenset({conversation.holder}), effect=effect)
    return await posting.post(app, box.actor, draft)
