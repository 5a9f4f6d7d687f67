"""A prescription sent to a pharmacy, and what the pharmacy answers: a card of their thread.

    send()  →  the document and a card with its lines  →  [C’est prêt] [Délivrée] [Nous ne l’avons pas]

The card holds `{"type": "prescription", "title", "text", "document", "lines": [{"id", "product", "quantity"}]}` and is
for the pharmacy (`for: them`), which answers it from its mail client by a number as well. « Délivrée » leaves in the
dossier what was dispensed, by whom. The paper stays the original: the card says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from server import access, actions, audit, posting, sending
from server.actions.ask import Ask, Done
from server.audit import Act
from server.dossier import filing, prescriptions
from server.dossier.prescriptions import Prescription
from server.drafts import Draft, Member, Opening, Receipt
from server.errors import Conflict, Invalid
from server.exchanges import may_answer
from server.formats.findings import Coded, Treatment
from storage import conversations, exchanges
from storage.accounts import Account
from storage.database import Tx

if TYPE_CHECKING:
    from server.app import App
    from server.handles import ConversationHandle, DossierHandle, MailboxHandle
    from server.posting import Doing

MAX_NOTE: Final = 2_000
ORIGINAL: Final = "Apportez l’ordonnance papier à la pharmacie : elle reste l’original."


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


def prescription_card(found: Prescription, note: str) -> dict[str, Any]:
    """The card for the pharmacy."""
    told = [f"- {line.product}{f' : {line.dose}' if line.dose else ''}" for line in found.lines]
    words = [note.strip(), *told, ORIGINAL]
    return {
        "type": "prescription",
        "for": "them",
        "title": f"Ordonnance à préparer : {found.title}",
        "title_en": f"Prescription to prepare: {found.title}",
        "text": "\n".join(word for word in words if word),
        "document": found.document,
        "lines": [{"id": line.id, "product": line.product, "quantity": line.quantity} for line in found.lines],
    }


async def prepare_ready(ask: Ask) -> Done:
    return Done("Votre ordonnance est prête à la pharmacie.", text_en="Your prescription is ready at the pharmacy.")


async def prepare_missing(ask: Ask) -> Done:
    return Done(
        "La pharmacie n’a pas ce qui est prescrit. Écrivez-lui, ou choisissez-en une autre.",
        text_en="The pharmacy does not have what is prescribed. Write to it, or choose another one.",
    )


async def prepare_dispensed(ask: Ask) -> Done:
    """What is dispensed: every line of the card."""
    lines = (ask.card or {}).get("lines", [])

    def effect(doing: Doing) -> None:
        by = doing.actor.account_id or doing.to.member
        for line in lines:
            found = Treatment(
                mood="DISP", product=Coded(label=str(line.get("product", ""))), answers=str(line.get("id", "")),
                quantity=str(line.get("quantity", "")),
            )  # fmt: skip
            filing.add_finding(
                doing.tx, doing.to.keys, found, "professional", by, doing.at, message_id=doing.message_id
            )

    return Done("Votre ordonnance a été délivrée.", effect, text_en="Your prescription was dispensed.")
