"""The questionnaires a step may ask to fill in: those of the office, and those shipped (`server.forms.library`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server import people
from server.forms import cards, library
from server.forms.questionnaires import Form
from server.handles import MailboxHandle
from storage import accounts
from storage.database import Tx

if TYPE_CHECKING:
    from server.app import App


async def choices(app: App, box: MailboxHandle, language: str = "fr") -> list[tuple[str, str]]:
    """(id, title) of those that a step of this office may ask for: its own, then those shipped."""
    own = [(one.id, one.form.called(language)) for one in await library.of_office(app, box)]
    return own + [(slug, form.called(language)) for slug, form in library.shipped().items()]


async def card(app: App, mailbox_id: str, questionnaire: str) -> dict[str, Any]:
    """The card of one, as the office whose mailbox this is has it today. Raises `Refused`, `Unauthorised`."""

    def find(tx: Tx) -> Form:
        office = accounts.by_mailbox(tx, mailbox_id)
        return library.find(tx, people.own_keys(app, tx, office.id if office is not None else ""), questionnaire)

    return cards.form_card(await app.db.read(find))
