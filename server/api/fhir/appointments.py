"""Appointment: what an office's program organises, and a patient's own agenda (FHIR R4 § 12.10).

Who finds what: an office, or a bot, what it organises, of every patient; a patient their agenda, and what waits for
their answer. Promises: `booked` is what a patient accepted, or a person of the office agreed with them; software that
sends `booked` proposes, and reads `pending` until the patient answers. No one is arrived, checked in or a no-show here.

    ours       several moments   proposed    asked      accepted, added, own   declined    cancelled
    status     proposed          pending     pending    booked                 cancelled   cancelled
    patient    needs-action      needs-action  tentative  accepted             declined    needs-action
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from aiohttp import web

from server import access, reading
from server.agenda import book, planned
from server.agenda.organising import Mine
from server.agenda.planned import Planned
from server.api.fhir import asking, outcome, searching, terms
from server.api.fhir.asking import Asked, Param, Value
from server.api.fhir.front import Call, Found
from server.api.fhir.outcome import Unprocessed
from server.api.fhir.terms import Json, filled, inner, outer
from server.errors import Refused
from server.handles import MailboxHandle
from storage import accounts, messages
from storage import appointments as rows
from storage.database import Tx

SEARCHED: Final = (
    Param("date", "date", "When it is"),
    Param("status", "token", "proposed, pending, booked, cancelled"),
    Param("identifier", "token", "What the program that organises it knows it by (system|value)"),
    Param("actor", "reference", "Patient/{id}: who takes part"),
)
OURS: Final = "urn:pli:appointment"  # system of the identifier that we give one
BACK, AHEAD = timedelta(days=92), timedelta(days=2 * 366)  # of a search that names no patient
_STATUS: Final = {"accepted": "booked", "added": "booked", "own": "booked", "declined": "cancelled",
                  "cancelled": "cancelled"}  # fmt: skip
_PATIENT: Final = {"accepted": "accepted", "added": "accepted", "own": "accepted", "declined": "declined",
                   "asked": "tentative"}  # fmt: skip


async def search(call: Call) -> web.Response:
    """`GET /Appointment?…`, `POST /Appointment/_search`."""
    asked = asking.asked(call.given, call.resource.params)
    if asked.unknown and "handling=strict" in call.prefer:
        raise Unprocessed("unknown_parameter", "Un paramètre est inconnu ici.")
    return outcome.response(searching.bundle(call, asked, None, await _found(call, asked), 0, ""))


async def read(call: Call) -> web.Response:
    """`GET /Appointment/{id}`; 304 when the caller has this version."""
    resource = searching.versioned(await one(call, call.id))
    tag = f'W/"{resource["meta"]["versionId"]}"'
    if tag in call.request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers={"ETag": tag, "Cache-Control": "no-store"})
    return outcome.response(resource, headers={"ETag": tag})


async def one(call: Call, resource_id: str) -> Found:
    """The one of that id, for its organiser or its patient. Raises `Refused`."""
    space_id, appointment_id = inner(resource_id)
    box = await _box(call)
    if box.owner_kind != "holder":
        found: Planned | None = await planned.one(call.app, box, space_id, appointment_id)
    else:
        found = next((item for item in await _agenda(call, box) if (item.space, item.id) == (space_id, appointment_id)),
                     None)  # fmt: skip
    if found is None:
        raise Refused
    return await _as_found(call, box, found)


async def _found(call: Call, asked: Asked) -> list[Found]:
    box = await _box(call)
    wanted = await _space(call, asked)
    if box.owner_kind == "holder":
        if wanted not in {None, box.space_id}:
            raise Refused
        everything = await _agenda(call, box)
    elif wanted is not None:
        everything = await planned.of_patient(call.app, box, wanted)
    else:
        everything = [one for one in await planned.planning(call.app, box, *_window(asked)) if one.mine]
    return [await _as_found(call, box, one) for one in everything if wanted in {None, one.space}]


def _window(asked: Asked) -> tuple[datetime, datetime]:
    """What a search that names no patient looks at: the days it names, or those around today."""
    now = datetime.now(UTC)
    since, until = now - BACK, now + AHEAD
    for text in (values[0] for values in asked.wanted.get("date", ()) if len(values) == 1):
        prefix, day = (text[:2], text[2:]) if text[:2].isalpha() else ("eq", text)
        span = asking.spanned(day.replace(" ", "+"))
        if span is not None and prefix in {"eq", "ge", "gt", "sa"}:
            since = span[0]
        if span is not None and prefix in {"eq", "le", "lt", "eb"}:
            until = span[1]
    return since, until


async def _space(call: Call, asked: Asked) -> str | None:
    """The space that a search names, "" for one that is not there, None when it names none."""
    if asked.ins[1]:
        space = await call.app.db.read(accounts.space_by_ins, call.app.vault.lookup("ins", asked.ins[1]))
        return space.id if space is not None else ""
    return inner(asked.space)[0] if asked.space else None


async def _box(call: Call) -> MailboxHandle:
    needs = ("agenda",) if call.actor.kind == "holder" else ("messages",)
    return await access.mailbox(call.app, call.actor, needs=needs)


async def _agenda(call: Call, box: MailboxHandle) -> list[Planned]:
    """The patient's own: what is in their agenda, and what waits for their answer."""
    handle = await access.dossier(call.app, box, "agenda")

    def pull(tx: Tx) -> list[Planned]:
        found = []
        for row in rows.of_space(tx, handle.space_id):
            facts = book.facts_in(handle.keys, row)
            if row.state != "removed" and not facts.get("only_cancelled"):
                found.append(planned.said(handle.space_id, row, facts))
        return found

    return await call.app.db.read(pull)


# ---- as a resource ---------------------------------------------------------------------------------------------------


async def _as_found(call: Call, box: MailboxHandle, one: Planned) -> Found:
    card, office = await call.app.db.read(lambda tx: _sent(call, tx, one))

    def values(name: str) -> list[Value]:
        match name:
            case "date":
                return [f"{_instant(one.start)}/{_instant(one.end) or _instant(one.start)}"] if one.start else []
            case "status":
                return [("http://hl7.org/fhir/appointmentstatus", status(one)), status(one)]
            case "identifier":
                return [(said["system"], said["value"]) for said in identifiers(one.uid)]
            case _:
                return [f"Patient/{outer(one.space)}"]

    mine = box.owner_kind != "holder"
    return Found(outer(one.space, one.id), one.changed, values, lambda: _resource(one, card, office, mine=mine))


def _sent(call: Call, tx: Tx, one: Planned) -> tuple[Json, str]:
    """The card as it was sent, and who organises."""
    message = messages.find(tx, one.space, one.message)
    if message is None:
        return {}, ""
    card = reading.body_of(reading.keys_of(call.app, tx, one.space, {}), message).card or {}
    return card, str(card.get("organizer_name") or "")


def status(one: Planned) -> str:
    return "proposed" if one.moments else _STATUS.get(one.state, "pending")


def identifiers(uid: str) -> list[Json]:
    """`system|value` as software said it; ours when it said none."""
    system, bar, value = uid.rpartition("|")
    return [{"system": system if bar and system else OURS, "value": value}] if uid else []


def _resource(one: Planned, card: Json, office: str, *, mine: bool) -> Json:
    patient = {"actor": terms.reference("Patient", one.space), "required": "required",
               "status": _PATIENT.get(one.state, "needs-action")}  # fmt: skip
    others = [
        {"actor": {"display": display, **kind}, "status": "accepted"}
        for display, kind in ((office, {}), (one.location, {"type": "Location"}))
        if display
    ]
    moments = card.get("moments") or () if one.moments else ()
    begins = "" if moments else _instant(one.start)
    return filled({
        "resourceType": "Appointment",
        "identifier": identifiers(one.uid),
        "status": status(one),
        "cancelationReason": {"text": "Décliné par le patient"} if one.state == "declined" else {},
        "description": one.title,
        "start": begins,
        "end": (_instant(one.end) or begins) if begins else "",
        "comment": one.wish if mine else "",
        "patientInstruction": str(card.get("said") if card.get("said") is not None else card.get("text") or ""),
        "participant": [patient, *others],
        "requestedPeriod": [
            filled({"start": _instant(str(said.get("start"))), "end": _instant(str(said.get("end") or ""))})
            for said in moments
        ] or ([{"start": _instant(one.wished)}] if mine and one.wished else []),
    })  # fmt: skip


def _instant(text: str) -> str:
    at = book.instant(text)
    return at.isoformat(timespec="seconds").replace("+00:00", "Z") if at is not None else ""


async def organised(call: Call, mine: Mine) -> Found:
    """One that the caller organises, as it stands now."""
    return await one(call, outer(mine.space_id, mine.row.id))
