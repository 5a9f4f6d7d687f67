"""What a patient notes in their own agenda, by their token or that of who acts for them: the same checks and the same
line in « Votre espace » as on the pages. Nothing is booked with anybody.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from server import access
from server.actions import own_appointments as acts
from server.agenda import book, own
from server.agenda.book import AppointmentView
from server.agenda.own import Entry
from server.api.door import Call
from server.api.shapes import Key, Request, SpaceQuery


class NewAppointment(Request, frozen=True):
    """`start`: a day, or a moment (ISO 8601; without offset, at that `zone`). `end`: alike; of whole days the last one.
    `until`: the last day of what `repeats`.
    """

    title: Annotated[str, Meta(min_length=1, max_length=own.MAX_TITLE)]
    start: Annotated[str, Meta(min_length=1, max_length=40)]
    end: Annotated[str, Meta(max_length=40)] = ""
    who: Annotated[str, Meta(max_length=own.MAX_LINE)] = ""
    place: Annotated[str, Meta(max_length=own.MAX_LINE)] = ""
    note: Annotated[str, Meta(max_length=own.MAX_NOTE)] = ""
    repeats: Literal["", "daily", "weekly", "monthly", "yearly"] = ""
    until: Annotated[str, Meta(max_length=10)] = ""
    kind: Literal["appointment", "reminder"] = "appointment"
    zone: Annotated[str, Meta(max_length=40, description="IANA's name of a place of France.")] = own.PARIS
    client_key: Key = ""


class Noted(msgspec.Struct, frozen=True):
    """What was noted, and the line that tells of it."""

    conversation: str
    message: str
    appointment: AppointmentView


class Removed(msgspec.Struct, frozen=True):
    """The line that tells of it."""

    conversation: str
    message: str


async def note(call: Call[SpaceQuery, NewAppointment]) -> Noted:
    """`POST /agenda`."""
    app, said = call.app, msgspec.structs.asdict(call.body)
    del said["client_key"]
    box = await access.mailbox(app, call.actor, call.query.mailbox, ("agenda",))
    receipt = await acts.record(app, box, Entry(**said), call.retry_key)
    found = await book.appointments(app, await access.dossier(app, box, "agenda"))
    (noted,) = (one for one in found if one.message == receipt.message)
    return Noted(receipt.conversation, receipt.message, noted)


async def change(call: Call[SpaceQuery, NewAppointment]) -> Noted:
    """`PUT /agenda/{id}`: the whole of it, as it is now; what was not noted by the patient alone is the organiser's."""
    app, said = call.app, msgspec.structs.asdict(call.body)
    del said["client_key"]
    box = await access.mailbox(app, call.actor, call.query.mailbox, ("agenda",))
    receipt = await acts.amend(app, box, call.at["id"], Entry(**said), call.retry_key)
    found = await book.appointments(app, await access.dossier(app, box, "agenda"))
    (changed,) = (one for one in found if one.id == call.at["id"])
    return Noted(receipt.conversation, receipt.message, changed)


async def remove(call: Call[SpaceQuery, None]) -> Removed:
    """`DELETE /agenda/{id}`."""
    box = await access.mailbox(call.app, call.actor, call.query.mailbox, ("agenda",))
    receipt = await acts.amend(call.app, box, call.at["id"], None, "")
    return Removed(receipt.conversation, receipt.message)
