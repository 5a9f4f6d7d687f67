"""Sending a prescription of one's dossier to a pharmacy of choice: a message of their thread, with the document and
a card that the pharmacy answers (`server.actions.prescriptions`).

A patient may write to a pharmacy first, which is the one exception to « they write first » (CNAM FAQ).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from server import access, actions, audit, posting, sending
from server.actions.prescriptions import prescription_card
from server.audit import Act
from server.dossier import prescriptions
from server.drafts import Draft, Member, Opening, Receipt
from server.errors import Conflict, Invalid
from server.exchanges import may_answer
from storage import conversations, exchanges
from storage.accounts import Account
from storage.database import Tx

if TYPE_CHECKING:
    from server.app import App
    from server.handles import ConversationHandle, DossierHandle, MailboxHandle

MAX_NOTE: Final = 2_000


async def send(app: App, box: MailboxHandle, document_id: str, pharmacy_id: str, note: str, client_key: str) -> Receipt:
    """Send a prescription of this dossier. Raises `Refused`; `NotAllowed` when the pharmacy takes no messages;
    `Conflict` for one that is obsolete; `Invalid`; and as `post`.
    """
    if len(note) > MAX_NOTE:
        raise Invalid("word_too_long", f"Le mot pour la pharmacie est trop long ({MAX_NOTE} caractères au plus).")
    key = sending.retry_key(box.actor, client_key)
    if key and (known := await posting.receipt_again(app, box.actor, box.space_id, key)):
        return known
    handle = await access.dossier(app, box)
    found = await prescriptions.one(app, handle, document_id)
    if found.obsolete:
        raise Conflict("obsolete_prescription", "Cette ordonnance a été remplacée ou retirée par son auteur.")
    account = await app.db.read(_reachable, handle, pharmacy_id)
    card = prescription_card(found, note)
    subject = f"Ordonnance : {found.title}"[:200]
    draft = Draft(
        to=await _place(app, box, handle, account, subject),
        kind="card",
        text=actions.letter_form(card),
        card=card,
        files=await sending.copies(app, box, (document_id,)),
        retry_key=key,
        effect=lambda doing: audit.record(
            doing.tx, Act.DOCUMENT_SENT, doing.actor, doing.to.space_id, doing.to.ground, document_id
        ),
    )
    return await posting.post(app, box.actor, draft)


def _reachable(tx: Tx, handle: DossierHandle, pharmacy_id: str) -> Account:
    account = prescriptions.pharmacy(tx, pharmacy_id)
    may_answer([exchanges.standing(tx, handle.space_id, account.id)])
    return account


async def _place(
    app: App, box: MailboxHandle, handle: DossierHandle, account: Account, subject: str
) -> ConversationHandle | Opening:
    """The newest thread with that pharmacy, else a new one."""

    def newest(tx: Tx) -> str | None:
        return conversations.newest_with(tx, handle.space_id, account.id)

    known = await app.db.read(newest)
    if known is not None:
        return await access.conversation(app, box, known)
    member = Member(
        account.id, account.mailbox_id, account.organisation_id, account.name, account.address or "", account.role
    )
    return Opening(await access.dossier(app, box, "messages"), subject, (member,))
