"""A service gives way to a person: at its own word, or at the patient's.

    the service or the patient asks  →  a team takes part, and reads what was written there  →  the service is silent
    the team gives it back           →  the service may write again

Promises: who goes on is named in the thread; a service says nothing while a person has its place (`exchanges.silent`,
in the transaction of what it would write); a team of another organisation reads only what comes after it joined. Does
not: choose who of the team answers (`server.teams`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from server import access, audit, posting
from server.audit import Act
from server.drafts import Draft, Member, Receipt
from server.errors import Conflict, Invalid, NotAllowed
from server.handles import ConversationHandle, MailboxHandle
from server.teams import HISTORY
from storage import accounts, conversations, entries, exchanges, handovers, teams
from storage.accounts import Account
from storage.database import Tx
from storage.handovers import Handover

if TYPE_CHECKING:
    from server.app import App
    from server.posting import Doing


async def ask(
    app: App, box: MailboxHandle, conversation_id: str, address: str = "", text: str = "", retry_key: str = ""
) -> Receipt:
    """A person goes on here: the team of this `address`, else one of the service's own organisation, else the help
    team. `text`: what the service says of it. Raises `Refused`, `Invalid` (nobody to ask), `Conflict` (done already).
    """
    to = await access.conversation(app, box, conversation_id)
    if box.actor.kind != "bot" and to.member != to.holder:
        raise NotAllowed("not_for_you", "Seuls le service et le patient demandent une personne ici.")
    service, team = await app.db.read(lambda tx: _both(app, tx, to, address.strip().lower()))

    def effect(doing: Doing) -> None:
        tx, space_id = doing.tx, doing.to.space_id
        teams.lock(tx, space_id)
        if handovers.standing(tx, space_id, doing.conversation_id) is not None:
            raise Conflict("handed_over", "Une personne a déjà pris le relais dans cette conversation.")
        if exchanges.standing(tx, space_id, team.id).blocked:
            raise NotAllowed("writer_blocked", "Ce patient ne souhaite pas recevoir de messages de cette équipe.")
        if team.organisation_id and team.organisation_id == service.organisation_id:
            entries.copy(tx, service.mailbox_id, team.mailbox_id, doing.conversation_id, HISTORY)
        handovers.record(tx, space_id, doing.conversation_id, service.id, team.id, "asked", doing.actor.account_id)
        audit.record(tx, Act.CONVERSATION_HANDED, doing.actor, space_id, doing.to.ground, doing.conversation_id)

    said = f"{text.strip()}\n\n" if text.strip() else ""
    label = f"{team.name} vous répond désormais ici. {service.name}, service automatique, n’y écrit plus."
    label_en = f"{team.name} answers you here from now on. {service.name}, an automatic service, writes no more."
    member = Member(team.id, team.mailbox_id, team.organisation_id, team.name, team.address or "", team.role)
    line = {"message": "", "action": "space.news", "label": said + label, "label_en": said + label_en}
    draft = Draft(
        to=to, kind="line", text=said + label, answer=line, members=(member,), effect=effect, retry_key=retry_key
    )
    return await posting.post(app, box.actor, draft)


async def give_back(app: App, box: MailboxHandle, conversation_id: str, retry_key: str = "") -> Receipt:
    """The team has finished: the service may write again. Raises `Refused`, `Conflict` (no service waits here)."""
    to = await access.conversation(app, box, conversation_id)

    def effect(doing: Doing) -> None:
        teams.lock(doing.tx, doing.to.space_id)
        known = handovers.standing(doing.tx, doing.to.space_id, doing.conversation_id)
        if known is None or known.to_id != doing.to.member:
            raise Conflict("nothing_to_return", "Aucun service automatique n’attend ici.")
        handovers.record(
            doing.tx, doing.to.space_id, doing.conversation_id, known.bot_id, known.to_id, "returned",
            doing.actor.account_id,
        )  # fmt: skip

    known = await app.db.read(handovers.standing, to.space_id, conversation_id)
    service = await app.db.read(accounts.by_id, known.bot_id) if known else None
    name = service.name if service else "Le service"
    text, text_en = f"{name} peut de nouveau vous écrire ici.", f"{name} may write to you here again."
    line = {"message": "", "action": "space.news", "label": text, "label_en": text_en}
    draft = Draft(to=to, kind="line", text=text, answer=line, effect=effect, retry_key=retry_key)
    return await posting.post(app, box.actor, draft)


async def can_ask(app: App, to: ConversationHandle) -> bool:
    """Whether a patient may ask for a person here: a service is there, and nobody else."""

    def look(tx: Tx) -> bool:
        others = [accounts.by_id(tx, one) for one in _others(tx, to)]
        return (
            bool(others)
            and all(one is not None and one.kind == "bot" for one in others)
            and handovers.standing(tx, to.space_id, to.conversation_id) is None
            and _team(app, tx, others[0], "") is not None
        )

    return await app.db.read(look)


async def standing(app: App, to: ConversationHandle) -> Handover | None:
    """The hand-over in force in a conversation."""
    return await app.db.read(handovers.standing, to.space_id, to.conversation_id)


def _both(app: App, tx: Tx, to: ConversationHandle, address: str) -> tuple[Account, Account]:
    """(the service, the team that goes on). Raises `Invalid`."""
    asks = accounts.by_id(tx, to.actor.account_id)
    found = [asks] if asks is not None and asks.kind == "bot" else [accounts.by_id(tx, one) for one in _others(tx, to)]
    service = next((one for one in found if one is not None and one.kind == "bot"), None)
    if service is None:
        raise Invalid("no_service", "Aucun service automatique n’écrit dans cette conversation.")
    team = _team(app, tx, service, address)
    if team is None:
        raise Invalid("nobody_to_hand_to", "Aucune équipe ne peut prendre le relais : donnez l’adresse d’une équipe.")
    return service, team


def _team(app: App, tx: Tx, service: Account | None, address: str) -> Account | None:
    if address:
        named = accounts.by_address(tx, address)
        return named if named is not None and named.kind == "team" else None
    own = service.organisation_id if service else ""
    known = [accounts.by_id(tx, team_id) for team_id, _, _ in teams.teams(tx)] if own else []
    of_house = next((one for one in known if one is not None and one.organisation_id == own), None)
    return of_house or accounts.by_address(tx, app.settings.help_team)


def _others(tx: Tx, to: ConversationHandle) -> list[str]:
    members = conversations.participants(tx, to.space_id, to.conversation_id)
    return [one.member_id for one in members if one.kind == "account" and one.member_id != to.holder]
