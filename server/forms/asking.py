"""An office asks by hand, in a conversation with a patient: one of its questionnaires, or a list of things to do.

Promises: what goes is the card that a sequence would send; only what the office keeps itself, an example once it is
copied. Does not: say who may write there (`posting`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from server import people, posting
from server.drafts import Draft, Receipt
from server.errors import Invalid, Refused
from server.forms import cards, library
from server.settings import PLACE

if TYPE_CHECKING:
    from server.app import App
    from server.handles import ConversationHandle, MailboxHandle

MAX_TITLE: Final = 200
MAX_WORDS: Final = 2000


async def patient_there(app: App, box: MailboxHandle, to: ConversationHandle) -> people.Traits:
    """Whom this office writes with there. Raises `Refused`: it is no office, or there is no patient."""
    office = box.owner_kind in {"professional", "team"} and to.member != to.holder
    traits = await app.db.read(lambda tx: people.traits(app, tx, to.space_id)) if office else None
    if traits is None:
        raise Refused
    return traits


async def send_form(
    app: App, box: MailboxHandle, to: ConversationHandle, form_id: str, words: str = "", retry_key: str = ""
) -> Receipt:
    """A questionnaire of this office as it is today, under a few words. Raises `Refused`, `Invalid`, and as `post`."""
    await patient_there(app, box, to)
    if not form_id:
        raise Invalid("no_form_chosen", "Choisissez un questionnaire.")
    kept = await library.one(app, box, form_id)
    if not kept.version:
        raise Refused  # an example: one keeps a copy, and reads it again
    card = cards.form_card(kept.form)
    if said := _checked(words):
        card |= {name: f"{said}\n\n{card[name]}" for name in ("text", "text_en")}
    return await _post(app, box, to, card, retry_key)


async def send_checklist(
    app: App, box: MailboxHandle, to: ConversationHandle, title: str, things: Sequence[str], *,
    until: str = "", words: str = "", retry_key: str = "",
) -> Receipt:  # fmt: skip
    """Things to do and tick, until a day (ISO 8601) or without one. Raises `Refused`, `Invalid`, and as `post`."""
    await patient_there(app, box, to)
    title = " ".join(title.split())
    if len(title) > MAX_TITLE:
        raise Invalid("asked_too_long", f"C’est trop long ({MAX_TITLE} caractères au plus pour le titre).")
    card = cards.checklist_card(title, _checked(words), [one for one in things if one.strip()], until=until)
    if until and date.fromisoformat(until) < datetime.now(PLACE).date():
        raise Invalid("checklist_past", "Ce jour est passé : choisissez-en un autre.")
    return await _post(app, box, to, card, retry_key)


def _checked(words: str) -> str:
    said = words.replace("\r\n", "\n").strip()
    if len(said) > MAX_WORDS:
        raise Invalid("asked_too_long", f"C’est trop long ({MAX_WORDS} caractères au plus).")
    return said


async def _post(app: App, box: MailboxHandle, to: ConversationHandle, card: dict[str, Any], retry_key: str) -> Receipt:
    return await posting.post(app, box.actor, Draft(to, "", "card", card=card, retry_key=retry_key))
