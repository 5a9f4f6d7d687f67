"""Appointments that an office's program organises, by the token of the office or of a bot: proposed to a patient,
moved, called off, listed. What is sent is a card: nothing is booked but by the patient, who is told how to reach a
person.

The same checks as on the pages (`server.agenda.organising`); only the organiser finds an appointment here.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from server import access
from server.agenda import organising, own, planned, proposals
from server.agenda.organising import Mine
from server.agenda.planned import Planned
from server.agenda.proposals import Moment, Proposal
from server.api import shapes, writing
from server.api.door import Call
from server.api.shapes import ID, Id, Key, Line, Request, Text
from server.drafts import Receipt as Posted
from server.errors import Conflict, Invalid, NotAllowed
from server.handles import MailboxHandle
from server.settings import PLACE
from storage import appointments

LONGEST = timedelta(days=62)  # of one listing
_At = Annotated[str, Meta(max_length=40, description="A day, or a moment (ISO 8601; without offset, of `zone`).")]


class NewMoment(Request, frozen=True):
    """When it could be. `end`: of whole days the day after the last; absent: unsaid."""

    start: Annotated[_At, Meta(min_length=1)]
    end: _At = ""


class NewProposal(Request, frozen=True):
    """An appointment proposed. `to`: a patient's INS or address, for a new conversation; or `conversation`, one of the
    caller's. `moments`: one, or up to three that the patient chooses from. `identifier`: what the program knows it by.
    """

    title: Annotated[Line, Meta(min_length=1, max_length=proposals.MAX_TITLE)]
    moments: Annotated[list[NewMoment], Meta(min_length=1, max_length=proposals.MOST_MOMENTS)]
    to: Annotated[str, Meta(max_length=320)] = ""
    conversation: Id | None = None
    location: Annotated[Line, Meta(max_length=proposals.MAX_PLACE)] = ""
    text: Annotated[Text, Meta(max_length=proposals.MAX_TEXT)] = ""
    identifier: Annotated[Line, Meta(max_length=proposals.MAX_UID)] = ""
    rrule: Annotated[Line, Meta(max_length=500, description="How it repeats (RFC 5545 § 3.3.10).")] = ""
    zone: Annotated[str, Meta(max_length=40, description="IANA's name of a place of France.")] = own.PARIS
    client_key: Key = ""


class MovedProposal(Request, frozen=True):
    """What changes; what is absent stays."""

    title: Annotated[Line, Meta(min_length=1, max_length=proposals.MAX_TITLE)] | None = None
    moments: Annotated[list[NewMoment], Meta(min_length=1, max_length=proposals.MOST_MOMENTS)] | None = None
    location: Annotated[Line, Meta(max_length=proposals.MAX_PLACE)] | None = None
    text: Annotated[Text, Meta(max_length=proposals.MAX_TEXT)] | None = None
    client_key: Key = ""


class WhereQuery(Request, frozen=True):
    """Of which office."""

    mailbox: Annotated[str, Meta(pattern=ID, description="A team's mailbox; the caller's own.")] = ""


class CancelQuery(Request, frozen=True):
    """Why, which the patient reads."""

    mailbox: Annotated[str, Meta(pattern=ID, description="A team's mailbox; the caller's own.")] = ""
    reason: Annotated[Line, Meta(max_length=500)] = ""


class DaysQuery(Request, frozen=True):
    """Which days; 62 at most. Absent: from today, seven days."""

    mailbox: Annotated[str, Meta(pattern=ID, description="A team's mailbox; the caller's own.")] = ""
    since: Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d$", description="From this day on.")] = ""
    until: Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d$", description="Until this day, included.")] = ""


class Organised(msgspec.Struct, frozen=True):
    """What was sent, and the appointment as it stands."""

    conversation: str
    message: str
    seq: int
    appointment: Planned


class Schedule(msgspec.Struct, frozen=True):
    """The days of an office, in order of time."""

    appointments: list[Planned]


async def propose(call: Call[WhereQuery, NewProposal]) -> Organised:
    """`POST /appointments`."""
    body, box = call.body, await _box(call, call.query.mailbox)
    if bool(body.to) == bool(body.conversation):
        raise Invalid("bad_recipient", "to : le matricule INS d’un patient ; ou conversation : l’une des vôtres.")
    wanted = Proposal(
        body.title, _moments(body.moments), body.location, _text(body.text), body.identifier, rrule=body.rrule,
        zone=body.zone,
    )  # fmt: skip
    if body.conversation:
        to = await access.conversation(call.app, box, body.conversation)
        return await _told(
            call, box, await organising.propose(call.app, box, to, wanted, _key(call, body.conversation))
        )
    space = await writing.patient_of(call, body.to, box)
    return await _told(call, box, await organising.propose(call.app, box, space, wanted, _key(call, "new")))


async def move(call: Call[WhereQuery, MovedProposal]) -> Organised:
    """`PATCH /appointments/{id}`: another version, that the patient is shown."""
    box = await _box(call, call.query.mailbox)
    mine = await _mine(call, box)
    body, had = call.body, organising.proposal_of(mine)
    wanted = msgspec.structs.replace(
        had,
        title=had.title if body.title is None else body.title,
        moments=had.moments if body.moments is None else _moments(body.moments),
        location=had.location if body.location is None else body.location,
        text=had.text if body.text is None else _text(body.text),
    )
    sent = await organising.move(call.app, box, mine, wanted, _key(call, mine.row.id))
    return await _told(call, box, sent, mine.row.id)


async def cancel(call: Call[CancelQuery, None]) -> Organised:
    """`DELETE /appointments/{id}`: called off; it stays known as cancelled."""
    box = await _box(call, call.query.mailbox)
    mine = await _mine(call, box)
    if mine.row.state == "cancelled":  # sent again after a lost answer
        one = await planned.one(call.app, box, mine.space_id, mine.row.id)
        return Organised(one.conversation, one.message, 0, one)
    return await _told(call, box, await organising.cancel(call.app, box, mine, call.query.reason), mine.row.id)


async def one(call: Call[WhereQuery, None]) -> Planned:
    """`GET /appointments/{id}`: for its organiser."""
    box = await _box(call, call.query.mailbox)
    mine = await _mine(call, box)
    return await planned.one(call.app, box, mine.space_id, mine.row.id)


async def schedule(call: Call[DaysQuery, None]) -> Schedule:
    """`GET /planning`."""
    box = await _box(call, call.query.mailbox)
    since = _midnight(call.query.since) if call.query.since else _midnight(f"{datetime.now(PLACE).date()}")
    until = _midnight(call.query.until) + timedelta(days=1) if call.query.until else since + timedelta(days=7)
    if not timedelta(0) < until - since <= LONGEST:
        raise Invalid("bad_days", f"Demandez {LONGEST.days} jours au plus.")
    return Schedule(await planned.planning(call.app, box, since, until))


async def _box(call: Call[Any, Any], mailbox: str) -> MailboxHandle:
    """The office's mailbox. Raises `Refused`; `NotAllowed` for a patient, who organises nothing here."""
    box = await access.mailbox(call.app, call.actor, mailbox)
    if box.owner_kind not in organising.OFFICES:
        raise NotAllowed("no_office", "Les rendez-vous se proposent depuis un cabinet, une équipe ou un service.")
    return box


async def _mine(call: Call[Any, Any], box: MailboxHandle) -> Mine:
    space_id = await call.app.db.read(appointments.space_of, box.mailbox_id, call.at["id"])
    return await organising.mine(call.app, box, space_id, call.at["id"])


async def _told(call: Call[Any, Any], box: MailboxHandle, sent: Posted, appointment_id: str = "") -> Organised:
    if not appointment_id:
        row = await call.app.db.read(appointments.of_message, sent.space, sent.message)
        if row is None:  # asked again, and a newer version replaced it since
            raise Conflict("appointment_changed_meanwhile", "Ce rendez-vous vient de changer. Relisez-le avant d’agir.")
        appointment_id = row.id
    found = await planned.one(call.app, box, sent.space, appointment_id)
    return Organised(sent.conversation, sent.message, sent.seq, found)


def _moments(said: list[NewMoment]) -> tuple[Moment, ...]:
    return tuple(Moment(one.start, one.end) for one in said)


def _text(text: str) -> str:
    if shapes.NOT_IN_A_TEXT.search(text):
        raise Invalid("control_characters", "text : des caractères de commande n’ont pas leur place dans un message.")
    return text


def _midnight(day: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(day), time(), PLACE)
    except ValueError:
        raise Invalid("bad_days", "Un jour s’écrit AAAA-MM-JJ.") from None


def _key(call: Call[Any, Any], where: str) -> str:
    return f"appointment:{call.actor.account_id}:{where}:{call.retry_key}" if call.retry_key else ""
