"""What one answer is made with: who wrote, where, what they meant, whom they know; and how it is posted, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from server import access, actions, people, posting, reading, undelivered, writing_rules
from server.bots.assistant import cards
from server.bots.assistant.cards import Card
from server.bots.assistant.names import Child, Known, Someone
from server.bots.assistant.understanding import Understood
from server.dossier.words import day as said_day
from server.drafts import Actor, Author, Draft
from server.handles import ConversationHandle, MailboxHandle
from server.scopes import MESSAGES
from server.settings import PLACE

if TYPE_CHECKING:
    from server.app import App
    from server.handles import DossierHandle

THREAD = 40  # entries of the conversation that « it » may be in


@dataclass(frozen=True, slots=True)
class Turn:
    """One question. `box`, `to`: the writer's, with their rights; `words`: what they wrote; `message`: where.
    `reach`: of everybody one may write to, by id, the conversation with them.
    """

    app: App
    box: MailboxHandle
    to: ConversationHandle
    words: str
    message: str
    now: datetime
    known: Known
    found: Understood
    reach: Mapping[str, str] = field(default_factory=dict)

    def slot(self, name: str) -> str:
        return self.found.slots.get(name, "")

    def without(self, *names: str) -> Turn:
        """The same question, as if those slots had not been said."""
        kept = {name: said for name, said in self.found.slots.items() if name not in names}
        whom = () if "who" in names else self.found.whom
        return replace(self, found=replace(self.found, slots=kept, whom=whom))

    async def dossier(self, area: str = "dossier") -> DossierHandle:
        """Raises `Refused`."""
        return await access.dossier(self.app, self.box, area)

    async def named(self) -> Sequence[str]:
        """The documents that answers in this conversation named, the latest first."""
        page = await reading.thread(self.app, self.to, limit=THREAD)
        shown: list[str] = []
        for entry in reversed(page.entries):
            card = entry.message.card or {}
            shown += [str(one) for one in card.get("documents", ())]
        return list(dict.fromkeys(shown))


async def place(
    app: App, actor: Actor, space_id: str, conversation_id: str
) -> tuple[MailboxHandle, ConversationHandle]:
    """The mailbox and the conversation, as the one who wrote has them now. Raises `Refused`, `NotAllowed`."""
    holder = await undelivered.to_talk(app, space_id, conversation_id)
    box = await access.mailbox(app, actor, holder.mailbox_id, (MESSAGES,))
    return box, await access.conversation(app, box, conversation_id)


async def say(app: App, to: ConversationHandle, card: Card, message_id: str) -> None:
    """The answer, in Pli's own name. Raises as `post`."""
    draft = Draft(
        to=await undelivered.to_talk(app, to.space_id, to.conversation_id),
        kind="card",
        text=actions.letter_form(card),
        card=card,
        in_reply_to=message_id,
        retry_key=f"assistant:{message_id}",
        author=Author("system", "Pli"),
    )
    await posting.post(app, undelivered.SYSTEM, draft)


async def known(app: App, box: MailboxHandle) -> tuple[Known, dict[str, str]]:
    """Whom the writer's words may mean in this space, and where each may be written to."""
    found = [one for one in await writing_rules.known(app, box) if one.kind in {"professional", "team"} and not one.why]
    whom = tuple(Someone(one.member_id, one.name, one.role, one.kind) for one in found)
    children: list[Child] = []
    for space in await people.spaces_of(app, box.actor):
        if space.kind in {"representative", "helper"} and space.mailbox_id != box.mailbox_id:
            children.append(Child(space.mailbox_id, space.name.split()[0]))
    return Known(whom, tuple(children)), {one.member_id: one.conversation for one in found}


async def whose(app: App, box: MailboxHandle) -> str:
    """The name of the holder."""
    traits = await app.db.read(lambda tx: people.traits(app, tx, box.space_id))
    return traits.name if traits else ""


def of_day(iso: str) -> cards.Said:
    """« du 3 mai 2026 », "of 3 May 2026", each with its space before; nothing of no date."""
    try:
        at = datetime.fromisoformat(iso)
    except ValueError:
        return "", ""
    ms = int((at if at.tzinfo else at.replace(hour=12, tzinfo=PLACE)).timestamp() * 1000)
    return f" du {said_day(ms)}", f" of {said_day(ms, 'en')}"


def write_links(turn: Turn, most: int = 3) -> list[dict[str, Any]]:
    """Ways to write to professionals one knows."""
    links = [
        cards.link(f"/c/{turn.reach[one.id]}", (f"Écrire à {one.name}", f"Write to {one.name}"))
        for one in turn.known.people[:most]
    ]
    return links or [cards.link("/new", ("À qui je peux écrire", "Whom I may write to"))]
