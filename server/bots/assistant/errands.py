"""What was tapped and has to be sent: a document to a professional, a request to the help team. Done in the name of the
one who tapped, with the rights they have now, once.

Reached only by deliveries that `server.actions.assistant` owes, in the transaction of a tap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server import access, people, posting, sending, writing_rules
from server.bots.assistant import turns
from server.bots.assistant.cards import Card, link, told
from server.drafts import Actor, Draft, Member, Opening
from server.errors import PliError, Refused, Unavailable
from server.handles import MailboxHandle
from server.scopes import MESSAGES
from server.sending import Letter

if TYPE_CHECKING:
    from server.app import App
    from server.delivery import Parcel

SUBJECT = "Demande d’aide"


async def run(app: App, parcel: Parcel) -> None:
    """Raises `Refused`, when who tapped has no place there any more."""
    target, key = parcel.target, f"assistant:{parcel.delivery.message_id}"
    actor = await people.actor(app, str(target["by"]))
    box, to = await turns.place(app, actor, parcel.delivery.space_id, str(target["conversation"]))
    try:
        card = await _DO[str(target["do"])](app, actor, box, target, key)
    except Unavailable:
        raise  # tried again
    except PliError as error:
        card = told(("Ce n’est pas parti", "It was not sent"), (error.detail, error.detail),
                    [link("/new", ("Écrire à quelqu’un d’autre", "Write to somebody else"))])  # fmt: skip
    await turns.say(app, to, card, parcel.delivery.message_id)


async def _send(app: App, _actor: Actor, box: MailboxHandle, target: dict[str, Any], key: str) -> Card:
    """The document, in the conversation with whom the card named."""
    whom = str(target["to"])
    known = next((one for one in await writing_rules.known(app, box) if one.member_id == whom and not one.why), None)
    if known is None:
        raise Refused
    there = await access.conversation(app, box, known.conversation)
    text = f"Bonjour,\n\nVoici « {target['name']} »." if target.get("name") else "Bonjour,\n\nVoici un document."
    letter = Letter(text, key, documents=(str(target["document"]),), only=known.whom)
    receipt = await sending.send(app, box, there, letter)
    way = link(f"/c/{receipt.conversation}#m-{receipt.message}", ("Voir le message", "See the message"))
    return told((f"Envoyé à {known.name}", f"Sent to {known.name}"), ("", ""), [way], [str(target["document"])])


async def _person(app: App, actor: Actor, box: MailboxHandle, target: dict[str, Any], key: str) -> Card:
    """A conversation with the help team, which reads these words and nothing else."""
    team = await people.hosted(app, app.settings.help_team) if app.settings.help_team else None
    if team is None:
        raise Refused
    space = await access.dossier(app, box, MESSAGES)
    member = Member(team.account_id, team.mailbox_id, access.organisation(team), team.name, team.address, team.role)
    words = str(target.get("text") or "").strip()
    asked = f"J’ai écrit à Pli : « {words} »\n\n" if words else ""
    text = f"Bonjour,\n\n{asked}J’aimerais l’aide d’une personne."
    receipt = await posting.post(
        app, actor, Draft(to=Opening(space, SUBJECT, (member,)), text=text, retry_key=f"help:{key}")
    )
    way = link(f"/c/{receipt.conversation}", ("Voir la conversation", "See the conversation"))
    return told((f"Votre demande est chez {team.name}", f"Your request is with {team.name}"),
                ("Une personne vous répondra dans cette conversation. Vous pouvez y ajouter des précisions.",
                 "A person will answer you in that conversation. You can add to it there."), [way])  # fmt: skip


_DO = {"send": _send, "person": _person}
