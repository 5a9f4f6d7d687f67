"""A professional asks to read a dossier: in a thread, or on first access. What the card is and who may ask stands in
`server.actions.consent`; the answer comes back into the same thread.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from server import access, posting
from server.actions.consent import Wish, asking
from server.drafts import Draft, Opening, Receipt
from server.handles import ConversationHandle, DossierHandle, MailboxHandle, SpaceHandle
from storage import accounts, conversations

if TYPE_CHECKING:
    from server.app import App

SUBJECT: Final = "Demande à lire votre dossier"


async def ask(
    app: App, box: MailboxHandle, to: ConversationHandle | SpaceHandle, asked: Wish, retry_key: str = ""
) -> Receipt:
    """Ask in a thread, or in a new one. Raises as `post`, and `NotAllowed` (see above)."""
    name = ""
    if box.ground == access.TEAM:
        owner = await app.db.read(accounts.by_id, box.owner)
        name = owner.name if owner else ""
    card, effect = asking(box.actor, asked, name)
    draft = Draft(
        to=to if isinstance(to, ConversationHandle) else Opening(to, SUBJECT),
        text=str(card["text"]),
        kind="card",
        card=card,
        retry_key=retry_key,
        effect=effect,
    )
    return await posting.post(app, box.actor, draft)


async def ask_first(app: App, box: MailboxHandle, record: DossierHandle, asked: Wish, retry_key: str = "") -> Receipt:
    """On first access: in the newest conversation with this patient, else in a new one. Raises as `ask`."""
    known = await app.db.read(conversations.newest_with, record.space_id, box.owner)
    if known is not None:
        return await ask(app, box, await access.conversation(app, box, known), asked, retry_key)
    space = await access.space_to_write(app, box.actor, record.space_id)
    if box.ground == access.TEAM:
        space = replace(space, ground=access.TEAM, team=box)
    return await ask(app, box, space, asked, retry_key)
