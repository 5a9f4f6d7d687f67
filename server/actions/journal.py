"""« Je ne connais pas cette personne »: the answer to a line that says who opened the dossier.

It opens a report for the operator, blocks that person, and withdraws what they were allowed; of a helper it ends the
right to act. All of it in the transaction of the answer. « Finalement, je la connais » takes the block and the report
back; what was withdrawn is allowed anew, knowingly, or not at all.

The card holds `{"type": "access", "title", "text", "account", "row"}`: the person, and the row of the audit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from server import audit, scopes
from server.actions.ask import Ask, Done
from server.audit import Act
from server.delegates import traits_of
from server.errors import Conflict, NotAllowed
from storage import accounts, consents, delegations, exchanges, reviews
from storage.database import Tx

if TYPE_CHECKING:
    from server.posting import Doing

TAKEN_BACK = "taken_back"  # what becomes of the report when the patient knows them after all


async def prepare_unknown(ask: Ask) -> Done:
    """Raises `NotAllowed` for oneself; what `scopes.may` raises for a helper who may not write in the dossier."""
    account_id, row = _about(ask)
    name, kind = await _known(ask, account_id)

    def effect(doing: Doing) -> None:
        tx, space_id, actor = doing.tx, doing.to.space_id, doing.actor
        scopes.may(tx, doing.to, "dossier", scopes.WRITE)
        if account_id == actor.account_id:
            raise NotAllowed("yourself", "Cette ligne parle de vous.")
        reviews.ask(tx, reviews.UNKNOWN_PERSON, account_id, space_id=space_id, about=row, by=actor.account_id)
        if kind == "holder":
            _send_away(doing, account_id)
            return
        exchanges.record(tx, space_id, account_id, exchanges.BLOCK, "blocked", actor.account_id, doing.message_id)
        audit.record(tx, Act.WRITER_BLOCKED, actor, space_id, doing.to.ground, account_id)
        for given in consents.in_force(tx, space_id, {account_id}):
            consents.end(tx, space_id, given.id, actor.account_id)
            audit.record(tx, Act.CONSENT_WITHDRAWN, actor, space_id, doing.to.ground, given.id, why=given.id)

    fr = f"Vous ne connaissez pas {name}. Cette personne ne peut plus lire votre dossier ni vous écrire"
    en = f"You do not know {name}. This person can no longer read your record or write to you"
    if kind == "holder":
        fr, en = f"Vous ne connaissez pas {name}", f"You do not know {name}"
    return Done(
        f"{fr}. Votre signalement est transmis : l’équipe qui fait fonctionner Pli va vérifier cet accès.",
        effect,
        private=True,
        text_en=f"{en}. Your report is sent: the team that runs Pli will check this access.",
    )


async def prepare_known(ask: Ask) -> Done:
    """Raises as `prepare_unknown`."""
    account_id, row = _about(ask)
    name, kind = await _known(ask, account_id)

    def effect(doing: Doing) -> None:
        tx, space_id, actor = doing.tx, doing.to.space_id, doing.actor
        scopes.may(tx, doing.to, "dossier", scopes.WRITE)
        for review in reviews.of_account(tx, account_id, reviews.UNKNOWN_PERSON):
            if review.space_id == space_id and review.object == row:
                reviews.close(tx, review.id, actor.account_id, TAKEN_BACK)
        if kind != "holder":
            exchanges.record(tx, space_id, account_id, exchanges.BLOCK, "free", actor.account_id, doing.message_id)
            audit.record(tx, Act.WRITER_FREED, actor, space_id, doing.to.ground, account_id)

    fr = f"Vous connaissez {name} : votre signalement est retiré."
    en = f"You know {name}: your report is withdrawn."
    if kind == "holder":
        fr += " Pour agir ici, cette personne doit être invitée de nouveau."
        en += " To act here, they must be invited again."
    else:
        fr += " Cette personne peut de nouveau vous écrire ; elle lira votre dossier si vous l’autorisez de nouveau."
        en += " They may write to you again; they read your record only if you allow it again."
    return Done(fr, effect, private=True, text_en=en)


def _about(ask: Ask) -> tuple[str, str]:
    card = ask.card or {}
    account_id = str(card.get("account", ""))
    if card.get("type") != "access" or not account_id:
        raise Conflict("nobody_named", "Cette ligne ne nomme personne qui ait un compte ici.")
    return account_id, str(card.get("row", ""))


async def _known(ask: Ask, account_id: str) -> tuple[str, str]:
    """(name, kind of account) of whom the line is about; who left too."""

    def find(tx: Tx) -> tuple[str, str]:
        found = accounts.even_ended(tx, account_id)
        if found is None:
            return "cette personne", ""
        traits = traits_of(ask.app, tx, account_id)
        return traits.name if traits else found[0].name or "cette personne", found[0].kind

    return await ask.app.db.read(find)


def _send_away(doing: Doing, account_id: str) -> None:
    """A helper acts here no more; what a representative may is the law's to end, and the report goes to who can."""
    tx, to = doing.tx, doing.to
    known = delegations.in_force(tx, to.space_id, account_id)
    if known is not None and known.kind == "helper":
        delegations.end(tx, to.space_id, account_id)
        audit.record(tx, Act.DELEGATION_ENDED, doing.actor, to.space_id, to.ground, account_id, "ended")
