"""Filing what came in a message: the patient's one tap.

What its author replaced or withdrew is not filed anew; what was filed before stays, marked. What its author marked
restricted (R, V) stays in the message: it should not be in a record that is shared (CI-SIS, volet de transmission).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from server import reading
from server.actions.ask import Ask, Done
from server.dossier import filing
from server.errors import Invalid, NotAllowed, Refused
from server.versions import RESTRICTED
from storage import enclosed

if TYPE_CHECKING:
    from server.posting import Doing


async def prepare_file(ask: Ask) -> Done:
    """Values: `{"attachment": id}`. Raises `Conflict` when the document is there already."""
    wanted = ask.values.get("attachment")
    found = next(((a, f) for a, f in ask.opened.files if a.id == wanted), None)
    if found is None:
        raise Refused
    attachment, facts = found
    if facts.damaged:
        raise NotAllowed("damaged_document", f"Ce document ne peut pas être rangé : {facts.damaged}")
    if not RESTRICTED.isdisjoint(facts.confidentiality):
        raise NotAllowed("restricted_document", "Son auteur a marqué ce document confidentiel : il reste ici.")
    if not facts.size:
        raise Invalid("empty_document", "Ce fichier est vide.")
    author = ask.opened.body.author
    facts = msgspec.structs.replace(
        facts,
        title=facts.title or facts.name,
        category=facts.category or "other",
        author=facts.author or author.name,
        organisation=facts.organisation or author.organisation,
        created=facts.created or reading.iso(ask.opened.message.at),
    )
    ready = await filing.of_attachment(ask.app, ask.conversation.keys, attachment, facts)

    def effect(doing: Doing) -> None:
        _refuse_obsolete(doing, attachment.id)
        filing.file(doing.tx, doing.app.vault, doing.to.keys, ready, doing.actor.account_id, doing.at)

    return Done(f"« {facts.title} » est rangé dans votre dossier.", effect, private=True)


def _refuse_obsolete(doing: Doing, attachment_id: str) -> None:
    """In the transaction: its author may have replaced it since it was shown. Raises `NotAllowed`."""
    row = enclosed.find(doing.tx, doing.to.space_id, attachment_id)
    if row is not None and row.state == "replaced":
        raise NotAllowed("replaced_document", "Ce document a été remplacé par son auteur : rangez la nouvelle version.")
    if row is not None and row.state == "deleted":
        raise NotAllowed("deleted_document", "Ce document a été retiré par son auteur : il reste ici, sans être rangé.")
