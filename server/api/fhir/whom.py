"""Whose dossier a request is about, and the handle on it: a holder's own; a patient's, for a professional or a team
(`access.record_of`), or for a machine: what it deposited itself, or what it was granted.

Patients are named by an id (`Patient/{id}`) or by an INS. Whoever names one who is not there, or not theirs to read,
gets the same answer; too many of those, and they wait. Delegates are not served here yet.
"""

from __future__ import annotations

from server import access
from server.api.fhir.asking import Asked
from server.api.fhir.front import Call
from server.api.fhir.outcome import Unprocessed
from server.api.fhir.terms import inner, ins_system
from server.dossier import standing
from server.errors import Refused
from server.handles import DossierHandle, SpaceHandle

OFFICES = frozenset({"professional", "team"})


async def searched(call: Call, asked: Asked) -> DossierHandle:
    """The dossier that a search is about. Raises `Refused`, `NotAllowed`, `Throttled`, `Unprocessed`."""
    space_id = inner(asked.space)[0] if asked.space else ""
    if asked.space and not space_id:
        raise Refused
    if asked.ins[1]:
        named = await by_ins(call, *asked.ins)
        if space_id and named != space_id:
            raise Refused
        space_id = named
    if not space_id and call.actor.kind != "holder":
        raise Unprocessed("no_patient", "Dites de quel patient : patient.identifier (INS) ou patient (Patient/…).")
    return await opened(call, space_id or call.actor.space_id)


async def opened(call: Call, space_id: str) -> DossierHandle:
    """The dossier of a space, for reading. Raises `Refused`, `NotAllowed`, `Throttled`."""
    app, actor = call.app, call.actor
    if not space_id:
        raise Refused
    if actor.kind == "holder":
        if space_id != actor.space_id:
            raise Refused
        return await access.dossier(app, await access.mailbox(app, actor, needs=("dossier",)))
    if actor.kind in OFFICES:
        return await access.record_of(app, await access.mailbox(app, actor), space_id)
    return await access.machine(app, actor, space_id, call.resource.scope)


async def by_ins(call: Call, oid: str, ins: str) -> str:
    """The space of the patient with this INS. Raises `Refused`, the same for one who is not there and one who is not
    theirs; `Throttled`.
    """
    app, actor = call.app, call.actor
    _known_oid(call, oid)
    if actor.kind == "holder":
        space = await access.own_space(app, actor)
        if await access.has_ins(app, space, ins):
            return space.space_id
        raise Refused
    return (await _patient(call, ins)).space_id


async def written_to(call: Call, oid: str, ins: str, space_id: str = "") -> SpaceHandle:
    """The space that something is deposited in: one's own, or that of a patient named by INS or by id. It lets one
    write, and read nothing. Raises `Refused`, `NotAllowed`, `Throttled`.
    """
    actor = call.actor
    if actor.kind == "holder":
        own = await access.own_space(call.app, actor)
        if (ins and await by_ins(call, oid, ins) != own.space_id) or (space_id and space_id != own.space_id):
            raise Refused
        return own
    if space_id and not ins:
        return (
            await access.record_of(call.app, await access.mailbox(call.app, actor), space_id)
            if (actor.kind in OFFICES)
            else await access.machine(call.app, actor, space_id, "")
        )
    _known_oid(call, oid)
    return await _patient(call, ins)


async def _patient(call: Call, ins: str) -> SpaceHandle:
    """Trying numbers one after the other is braked, as everywhere (security.md 20, 60)."""
    call.app.lookups.may_look_up(call.actor.account_id)
    try:
        return await access.patient(call.app, call.actor, ins)
    except Refused:
        call.app.lookups.unknown(call.actor.account_id)
        raise Refused from None


def _known_oid(call: Call, oid: str) -> None:
    taken = {one.strip() for one in call.app.settings.ins_oids.split(",")}
    if ins_system(oid) not in taken:
        raise Refused


def reads_as_office(handle: DossierHandle) -> bool:
    """Whether its reader is a person's or an office's, to whom the patient's identity is told."""
    return handle.ground != standing.SERVICE and handle.actor.kind != "bot"
