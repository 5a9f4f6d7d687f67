"""What Pli itself tells a holder about their space: lines in a conversation « Votre espace » of that space.

    who may come in, for what, until when; what ended  →  tell()  ┐
    a card that Pli itself shows                       →  offer() ├→  post(), as everything else
    what somebody did there themselves                 →  note()  ┘

Promises: what a line tells of is done in the line's own transaction (`effect`), so nobody hears of what was not done,
and nothing is done that nobody hears of. Two tellings at once make one conversation.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from server import access, posting, undelivered
from server.drafts import Author, Draft, Later, MailFacts, Opening, Receipt
from server.handles import ConversationHandle, MailboxHandle
from server.scopes import MESSAGES, WRITE
from storage import messages

if TYPE_CHECKING:
    from server.app import App
    from server.posting import Doing

SUBJECT = "Votre espace"


async def tell(
    app: App,
    space_id: str,
    text: str,
    text_en: str,
    effect: Callable[[Doing], None] | None = None,
    later: tuple[Later, ...] = (),
    retry_key: str = "",
) -> Receipt:
    """A line for the holder, and for who acts for them and reads their messages. Raises as `post`, and what `effect`
    raises.
    """
    line = {"message": "", "action": "space.news", "label": text, "label_en": text_en}
    return await _say(
        app, space_id, partial(Draft, text=text, kind="line", answer=line, later=later), effect, retry_key
    )


async def offer(
    app: App, space_id: str, card: dict[str, Any], text: str, effect: Callable[[Doing], None], retry_key: str = ""
) -> Receipt:
    """A card for the holder, from Pli itself. `text`: its letter form. Raises as `tell`."""
    return await _say(app, space_id, partial(Draft, text=text, kind="card", card=card), effect, retry_key)


async def note(
    app: App,
    box: MailboxHandle,
    text: str,
    text_en: str,
    effect: Callable[[Doing], None],
    *,
    action: str,
    retry_key: str,
) -> Receipt:
    """A line of what somebody did themselves in a space, in their own name: it is nothing new to them, and nobody is
    called for it. Raises as `tell`.
    """
    known = await undelivered.to_holder(app, box.space_id, _reference(app, box.space_id))
    if not isinstance(known, ConversationHandle) or not box.may(MESSAGES, WRITE):
        return await tell(app, box.space_id, text, text_en, effect, retry_key=retry_key)
    line = {"message": "", "action": action, "label": text, "label_en": text_en}
    to = await access.conversation(app, box, known.conversation_id)
    draft = Draft(to=to, text=text, kind="answer", answer=line, retry_key=retry_key, effect=effect)
    return await posting.post(app, box.actor, draft)


async def talk(app: App, box: MailboxHandle) -> ConversationHandle:
    """« Votre espace », where whoever has this mailbox writes to Pli itself; opened when it was not. Raises `Refused`,
    `NotAllowed`.
    """
    while True:
        known = await undelivered.to_holder(app, box.space_id, _reference(app, box.space_id))
        if isinstance(known, ConversationHandle):
            return await access.conversation(app, box, known.conversation_id)
        text, text_en = "Vous pouvez écrire ici à Pli.", "You can write to Pli here."
        await tell(app, box.space_id, text, text_en, retry_key="assistant:welcome")


def _reference(app: App, space_id: str) -> str:
    return f"espace.{space_id}@{app.settings.mail_domain}"


async def _say(
    app: App, space_id: str, draft: Callable[..., Draft], effect: Callable[[Doing], None] | None, retry_key: str
) -> Receipt:
    reference = _reference(app, space_id)

    def opening(doing: Doing) -> None:
        """The conversation is opened under a key of its own, once; what is said in it keeps its key too."""
        if effect is not None:
            effect(doing)
        if retry_key:
            messages.claim_retry_key(doing.tx, space_id, retry_key, doing.conversation_id, doing.message_id)

    while True:
        to = await undelivered.to_holder(app, space_id, reference)
        there = isinstance(to, ConversationHandle)
        ready = draft(
            to=to if isinstance(to, ConversationHandle) else Opening(to, SUBJECT),
            retry_key=retry_key if there else "space:opening",
            mail=None if there else MailFacts(message_id=reference),
            effect=effect if there else opening,
            author=Author("system", "Pli"),
        )
        receipt = await posting.post(app, undelivered.SYSTEM, ready)
        if there or not receipt.again:
            return receipt  # else somebody opened it meanwhile: what is said goes there
