"""An Appointment that software sends (POST, PUT by id or by identifier): proposed to its patient as on the pages.

    POST                                   proposed; with If-None-Exist the one that is known, when it is
    PUT  /Appointment/{id}                 moved, or called off (status cancelled); nothing when nothing changes
    PUT  /Appointment?identifier=S|V       that one; proposed when no one has this identifier

Promises: `booked` that software sends does not accept in the patient's place: it is proposed, and the answer says
`pending`. Read strictly by type; an element that we do not know is passed over, but for a modifierExtension.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl
from uuid import uuid4

import msgspec
from aiohttp import web

from server import access
from server.agenda import book, organising
from server.agenda.organising import Mine
from server.agenda.proposals import Moment, Proposal
from server.api.fhir import appointments, incoming, outcome, searching, terms, whom
from server.api.fhir.front import Call
from server.api.fhir.incoming import Concept, Contained, Identifier, Period, Reference
from server.api.fhir.outcome import NotMatched, Unprocessed
from server.errors import Conflict, Invalid, NotAllowed, Refused
from server.handles import MailboxHandle, SpaceHandle
from storage import conversations

SENT: Final = frozenset({"proposed", "pending", "booked"})


class _Participant(msgspec.Struct, frozen=True, rename="camel"):
    actor: Reference | None = None
    status: str = ""


class _Appointment(msgspec.Struct, frozen=True, rename="camel"):
    status: str
    participant: list[_Participant]
    identifier: list[Identifier] = []
    contained: list[Contained] = []
    description: str = ""
    service_type: list[Concept] = []
    reason_code: list[Concept] = []
    start: str = ""
    end: str = ""
    minutes_duration: int = 0
    requested_period: list[Period] = []
    patient_instruction: str = ""
    modifier_extension: list[Any] = []


async def create(call: Call) -> web.Response:
    """`POST /Appointment`."""
    box, said = await _office(call), _read(call)
    if said.status not in SENT:
        raise Invalid("bad_status", "Un rendez-vous arrive avec le statut « proposed », « pending » ou « booked ».")
    to = await _patient(call, said, box)
    if (asked := call.request.headers.get("If-None-Exist", "")) and (
        known := await organising.named(call.app, box, to, _condition(dict(parse_qsl(asked))))
    ):
        return await _answer(call, known, 200)
    return await _proposed(call, box, to, said, once=bool(asked))


async def update(call: Call) -> web.Response:
    """`PUT /Appointment/{id}`, `PUT /Appointment?identifier=…`."""
    box, said = await _office(call), _read(call)
    if call.id:
        mine = await organising.mine(call.app, box, *terms.inner(call.id))
        return await _changed(call, box, mine, said)
    uid, to = _condition(dict(call.given)), await _patient(call, said, box)
    if uid not in {_uid(one) for one in said.identifier}:
        raise Invalid("bad_identifier", "identifier : celui de l’adresse n’est pas celui de la ressource.")
    known = await organising.named(call.app, box, to, uid)
    if known is None and said.status not in SENT:
        raise NotMatched("nothing_matches", "Aucun rendez-vous n’a cet identifiant.")
    return await _changed(call, box, known, said) if known else await _proposed(call, box, to, said, once=True)


async def _proposed(call: Call, box: MailboxHandle, to: SpaceHandle, said: _Appointment, *, once: bool) -> web.Response:
    """`once`: one of two that are sent at the same time is the other."""
    wanted, status = _wanted(said), 201
    try:
        await organising.propose(call.app, box, to, wanted)
    except Conflict as error:
        if not once or error.code != "appointment_known":
            raise
        status = 200
    mine = await organising.named(call.app, box, to, wanted.uid)
    assert mine is not None  # noqa: S101 - it was just proposed
    return await _answer(call, mine, status)


async def _changed(call: Call, box: MailboxHandle, mine: Mine, said: _Appointment) -> web.Response:
    """Moved, called off, or left as it is."""
    if wanted := call.request.headers.get("If-Match", ""):
        now = searching.versioned(await appointments.organised(call, mine))["meta"]["versionId"]
        if now not in wanted:
            raise NotMatched
    if said.status == "cancelled":
        if mine.row.state not in {"cancelled", "removed"}:
            await organising.cancel(call.app, box, mine)
    elif said.status not in SENT:
        raise Invalid("bad_status", "Statuts compris : « proposed », « pending », « booked », « cancelled ».")
    elif not _same(mine, wanted_now := _wanted(said)):
        await organising.move(call.app, box, mine, wanted_now)
    return await _answer(call, await organising.mine(call.app, box, mine.space_id, mine.row.id), 200)


async def _answer(call: Call, mine: Mine, status: int) -> web.Response:
    """The resource as it stands, so that whoever sent `booked` reads what it became."""
    resource = searching.versioned(await appointments.organised(call, mine))
    headers = {
        "Location": f"{call.base}/Appointment/{resource['id']}", "ETag": f'W/"{resource["meta"]["versionId"]}"',
    }  # fmt: skip
    return outcome.response(resource, status, headers)


def _same(mine: Mine, wanted: Proposal) -> bool:
    """Whether it says what is known already."""
    had = organising.proposal_of(mine)
    moments = mine.card.get("moments") or [{"start": mine.facts.get("start"), "end": mine.facts.get("end")}]
    known = [(_at(one.get("start")), _at(one.get("end"))) for one in moments]
    told = [(_at(one.start), _at(one.end)) for one in wanted.moments]
    chosen = (_at(mine.facts.get("start")), _at(mine.facts.get("end")))  # of several moments
    words = (had.title, had.location, had.text) == (wanted.title, wanted.location, wanted.text)
    return words and (told in (known, [chosen]))


def _at(text: object) -> datetime | None:
    return book.instant(str(text or ""))


# ---- what is sent ----------------------------------------------------------------------------------------------------


def _read(call: Call) -> _Appointment:
    resource = call.json()
    if resource.get("resourceType") != "Appointment":
        raise Unprocessed("wrong_resource", "Une ressource Appointment est attendue.")
    if call.id and resource.get("id", call.id) != call.id:
        raise Invalid("bad_id", "id : celui de l’adresse n’est pas celui de la ressource.")
    said = incoming.converted(resource, _Appointment)
    if said.modifier_extension:
        raise Invalid("modifier_extension", "Une extension qui change le sens (modifierExtension) n’est pas comprise.")
    return said


def _wanted(said: _Appointment) -> Proposal:
    titles = [said.description, *(one.text or next((c.display for c in one.coding if c.display), "")
                                  for one in (*said.service_type, *said.reason_code))]  # fmt: skip
    uid = next((_uid(one) for one in said.identifier if one.value), "")
    return Proposal(
        next((title for title in titles if title.strip()), "Rendez-vous"),
        _moments(said),
        _location(said),
        said.patient_instruction,
        uid or f"{terms.URI}|urn:uuid:{uuid4()}",
    )


def _moments(said: _Appointment) -> tuple[Moment, ...]:
    if not said.start:
        return tuple(Moment(one.start, one.end) for one in said.requested_period)
    end = said.end
    if not end and said.minutes_duration > 0 and (begins := book.instant(said.start)) is not None:
        end = (begins.astimezone(UTC) + timedelta(minutes=min(said.minutes_duration, 60 * 24))).isoformat()
    return (Moment(said.start, "" if end == said.start else end),)


def _location(said: _Appointment) -> str:
    """The participant that is a place."""
    actors = [one.actor for one in said.participant if one.actor is not None]
    places = [one for one in actors if one.reference.startswith("Location/") or one.type == "Location"]
    return places[0].display if places else ""


def _uid(identifier: Identifier) -> str:
    """As `appointments.identifiers` tells it."""
    if identifier.system in {"", appointments.OURS}:
        return identifier.value
    return f"{identifier.system}|{identifier.value}"


def _condition(given: dict[str, str]) -> str:
    """The identifier that a condition names. Raises `NotMatched`."""
    system, _, value = given.get("identifier", "").rpartition("|")
    if not value:
        raise NotMatched("bad_condition", "La condition se pose sur identifier (système|valeur).")
    return _uid(Identifier(system, value))


# ---- whose -----------------------------------------------------------------------------------------------------------


async def _office(call: Call) -> MailboxHandle:
    if call.actor.kind == "holder" and call.id:
        raise Refused
    if call.actor.kind == "holder":
        raise NotAllowed("no_office", "Les rendez-vous se proposent depuis un cabinet, une équipe ou un service.")
    return await access.mailbox(call.app, call.actor)


async def _patient(call: Call, said: _Appointment, box: MailboxHandle) -> SpaceHandle:
    """The space of the participant who is the patient, by INS; by Patient/{id} for one this office writes with. Raises
    `Invalid`, `Refused`, `Throttled`.
    """
    named = [one.actor for one in said.participant if one.actor is not None and _is_patient(one.actor)]
    space_id, (oid, ins) = incoming.patient(named, said.contained)
    if ins:
        to = await whom.written_to(call, oid, ins)
        if space_id not in {"", to.space_id}:
            raise Refused
        return to
    if not space_id:
        raise Invalid("no_patient", "participant : dites de quel patient (identifiant INS, ou Patient/…).")
    if not await call.app.db.read(conversations.knows, space_id, box.owner):
        raise Refused
    return await access.space_to_write(call.app, call.actor, space_id)


def _is_patient(actor: Reference) -> bool:
    system = actor.identifier.system if actor.identifier is not None else ""
    return bool(terms.ins_system(system)) or actor.reference.startswith(("Patient/", "Patient?", "#"))
