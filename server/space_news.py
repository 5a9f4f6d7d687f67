"""What Pli itself tells a holder about their space: lines in a conversation « Votre espace » of that space.

    who may come in, for what, until when; what ended  →  tell()  →  post(), as everything else

Promises: what a line tells of is done in the line's own transaction (`effect`), so nobody hears of what was not done,
and nothing is done that nobody hears of. Two tellings at once make one conversation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from server import posting, undelivered
from server.drafts import Author, Draft, Later, MailFacts, Opening, Receipt
from server.handles import ConversationHandle

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
    reference = f"espace.{space_id}@{app.settings.mail_domain}"
    while True:
        to = await undelivered.to_holder(app, space_id, reference)
        there = isinstance(to, ConversationHandle)
        draft = Draft(
            to=to if isinstance(to, ConversationHandle) else Opening(to, SUBJECT),
            text=text,
            kind="line",
            answer={"message": "", "action": "space.news", "label": text, "label_en": text_en},
            retry_key=retry_key if there else "space:opening",
            mail=None if there else MailFacts(message_id=reference),
            effect=effect,
            later=later,
            author=Author("system", "Pli"),
        )
        receipt = await posting.post(app, undelivered.SYSTEM, draft)
        if there or not receipt.again:
            return receipt  # else somebody opened it meanwhile: the line goes there
