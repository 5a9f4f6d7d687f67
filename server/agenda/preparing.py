"""What to know and to have before an appointment, in one place: its card, the documents of its conversation, the steps
of the sequence bound to it.

Promises: shows who may read messages what they would read in the conversation, and nothing else. Changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from server import access, reading
from server.errors import Refused
from server.journeys import StepView, standing
from server.scopes import MESSAGES
from server.views import Entry, FileView

if TYPE_CHECKING:
    from server.agenda.days import Item
    from server.app import App
    from server.handles import MailboxHandle
    from storage.database import Tx
    from storage.vault import SpaceKeys

MESSAGES_LOOKED_AT: Final = 100


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the sequence bound to it. `state`: planned, sent, read, done. `conversation`: where it was sent."""

    view: StepView
    state: str
    conversation: str


@dataclass(frozen=True, slots=True)
class Preparation:
    """`entry`: the message of its card, None for who may not read messages. `documents`: (message, file)."""

    entry: Entry | None = None
    subject: str = ""
    documents: tuple[tuple[str, FileView], ...] = ()
    steps: tuple[Step, ...] = ()


async def of(app: App, box: MailboxHandle, item: Item) -> Preparation:
    """What is known of an appointment of this mailbox."""
    if not box.may(MESSAGES) or not item.conversation:
        return Preparation()
    try:
        handle = await access.conversation(app, box, item.conversation)
        entry = await reading.message(app, handle, item.message)
    except Refused:
        return Preparation()
    page = await reading.thread(app, handle, None, MESSAGES_LOOKED_AT)
    documents = [
        (one.message.id, file)
        for one in page.entries
        for file in one.message.attachments
        if not (file.damaged or file.type.startswith("text/calendar"))
    ]
    steps = await app.db.read(_steps, handle.keys, item.id)
    return Preparation(entry, handle.subject, tuple(documents), tuple(steps))


def _steps(tx: Tx, keys: SpaceKeys, appointment_id: str) -> list[Step]:
    """Those that are, or will be: not what was called off, or came too late to be sent."""
    return [
        Step(view, _state(view), bound.journey.conversation_id)
        for bound, views in standing.steps_of(tx, keys, appointment_id)
        for view in views
        if view.state in {"planned", "sent"} and bound.journey.state != "cancelled"
    ]


def _state(view: StepView) -> str:
    if view.state == "planned" and not view.fulfilled:
        return "planned"
    return "done" if view.fulfilled else "read" if view.read else "sent"
