"""Correcting a message one sent: a new message says the new text, and everybody who had the first has this one.

    the author, in time  →  a `correction` by post(), in answer to the first  →  its row, and the first one changes on
    every screen that has it; by mail it is « Correction du message du … »

Promises: the earlier text stays to be read, with its date; nobody corrects what somebody else wrote, not even for the
same person or in the same team; what a correspondent no longer takes is not corrected behind their back.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from server import access, corrections, posting, reading
from server.corrections import ACTION, KIND
from server.drafts import Draft, Receipt
from server.errors import Invalid, NotAllowed
from server.handles import ConversationHandle, MailboxHandle
from server.reading import OpenMessage
from server.settings import PLACE
from storage import conversations, entries
from storage import corrections as rows
from storage.database import Tx
from storage.ids import now_ms

if TYPE_CHECKING:
    from server.app import App
    from server.posting import Doing

MONTHS = ("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre",
          "décembre")  # fmt: skip


async def correct(app: App, box: MailboxHandle, message_id: str, text: str, client_key: str = "") -> Receipt:
    """Say anew what one said. Raises `Refused`, `NotAllowed` (not one's own, too late), `Invalid` (nothing new)."""
    to = await access.conversation_of_message(app, box, message_id)
    key = f"correct:{box.actor.account_id}:{client_key[:200]}" if client_key else ""
    if key and (known := await posting.receipt_again(app, box.actor, to.space_id, key)):
        return known
    opened = await reading.open_unchecked(app, to.keys, message_id)
    _may(app, to, opened)
    if not text.strip():
        raise Invalid("empty", "Écrivez un texte ou joignez un fichier.")
    if text == (await app.db.read(_as_it_stands, to, opened)):
        raise Invalid("nothing_corrected", "Le texte est le même qu’avant. Rien n’a été envoyé.")

    def effect(doing: Doing) -> None:
        _may(app, to, opened)  # the same instant as the row
        rows.insert(doing.tx, to.space_id, message_id, doing.at, doing.message_id)
        for member in conversations.participants(doing.tx, to.space_id, to.conversation_id):
            if member.mailbox_id and entries.change(doing.tx, member.mailbox_id, message_id) is not None:
                doing.wake.add(member.mailbox_id)

    addressed = opened.body.addressed
    draft = Draft(
        to=to,
        kind=KIND,
        text=text,
        in_reply_to=message_id,
        answer={"message": message_id, "action": ACTION, **_label(opened.message.at)},
        only=frozenset({*addressed, to.member, to.holder}) if addressed else frozenset(),
        addressed=addressed,
        retry_key=key,
        effect=effect,
    )
    return await posting.post(app, box.actor, draft)


def _as_it_stands(tx: Tx, to: ConversationHandle, opened: OpenMessage) -> str:
    return corrections.wordings(tx, to.keys, opened.message, opened.body)[0]


def _may(app: App, to: ConversationHandle, opened: OpenMessage) -> None:
    """May this person correct it, now? Raises `NotAllowed`."""
    message = opened.message
    if message.kind != "text" or message.author_id != to.member or opened.body.by != to.actor.account_id:
        raise NotAllowed("not_yours_to_correct", "Seule la personne qui a écrit ce message peut le corriger.")
    if now_ms() > corrections.until(app, message):
        raise NotAllowed(
            "too_late_to_correct", "Ce message est trop ancien pour être corrigé. Écrivez plutôt un nouveau message."
        )


def _label(at: int) -> dict[str, str]:
    """How the correction names the message, in both languages: a mail has only these words to say it."""
    then = datetime.fromtimestamp(at / 1000, UTC).astimezone(PLACE)
    return {
        "label": f"Correction du message du {then.day} {MONTHS[then.month - 1]} {then.year} à {then.hour} h {then:%M}",
        "label_en": f"Correction of the message of {then:%d/%m/%Y %H:%M}",
    }
