"""A prescription sent to a pharmacy, and what the pharmacy answers: a card of their thread.

    server.pharmacy.send()  →  the document and a card with its lines  →  [C’est prêt] [Délivrée] [Nous ne l’avons pas]

The card holds `{"type": "prescription", "title", "text", "document", "lines": [{"id", "product", "quantity"}]}` and is
for the pharmacy (`for: them`), which answers it from its mail client by a number as well. « Délivrée » leaves in the
dossier what was dispensed, by whom. The paper stays the original: the card says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from server.actions.ask import Ask, Done
from server.dossier import filing
from server.dossier.prescriptions import Prescription
from server.formats.findings import Coded, Treatment

if TYPE_CHECKING:
    from server.posting import Doing

ORIGINAL: Final = "Apportez l’ordonnance papier à la pharmacie : elle reste l’original."


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
