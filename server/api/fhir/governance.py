"""Consent and AuditEvent: what the patient allowed, and who did what in their space; for the patient alone, by their
own token. A service of the catalogue finds what it was granted itself, and by that the patients who did.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import islice
from typing import Final

from server import access, journal, journal_words
from server.actions import catalogue
from server.actions.catalogue import GrantView
from server.api.fhir import terms
from server.api.fhir.asking import Param, Value
from server.api.fhir.front import Call, Found
from server.api.fhir.terms import Json, filled, outer
from server.dossier import consents, standing, things
from server.dossier.consents import ConsentView
from server.errors import NotAllowed
from server.handles import DossierHandle
from server.journal import Person, Teller
from storage import audit_rows
from storage.audit_rows import AuditRow
from storage.database import Tx

CONSENTS: Final = (Param("status", "token", "active, inactive"), Param("date", "date", "When it was given"))
EVENTS: Final = (
    Param("date", "date", "When it was recorded"), Param("action", "token", "C, R, U, D, E"),
    Param("subtype", "token", "The act, as the log names it"), Param("entity", "reference", "DocumentReference/{id}"),
)  # fmt: skip
MOST_EVENTS: Final = 2_000  # the newest; older ones by `date`
_ACTS: Final = "urn:pli:act"
_GROUNDS: Final = "urn:pli:ground"
_SCOPES: Final = "urn:pli:scope"
_THINGS: Final = "urn:pli:thing"
_HL7: Final = "http://terminology.hl7.org/CodeSystem"


# ---- Consent ---------------------------------------------------------------------------------------------------------


async def given(call: Call, handle: DossierHandle) -> list[Found]:
    """What the patient gave: to professionals and teams, to services of the catalogue."""
    if handle.ground == standing.SERVICE:
        theirs = await catalogue.granted_spaces(call.app, call.actor)
        return [_grant(space_id, one, True) for space_id, one in theirs if space_id == handle.space_id]
    _patients_own(handle)
    box = await access.mailbox(call.app, call.actor, needs=("dossier",))
    listed = await consents.listed(call.app, box)
    grants = await catalogue.grants(call.app, handle)
    return [
        *(_consent(handle.space_id, one) for one in listed),
        *(_grant(handle.space_id, one, _running(one)) for one in grants),
    ]


async def granted(call: Call) -> list[Found] | None:
    """Of a service, when it names no patient: each grant in force, by every patient."""
    if call.actor.kind != "bot":
        return None
    return [_grant(space_id, one, True) for space_id, one in await catalogue.granted_spaces(call.app, call.actor)]


def _patients_own(handle: DossierHandle) -> None:
    if handle.ground != "self":
        raise NotAllowed("patients_own", "Seul le patient peut consulter cela.")


def _running(grant: GrantView) -> bool:
    return not grant.withdrawn and datetime.fromisoformat(grant.until) > datetime.now().astimezone()


def _consent(space_id: str, one: ConsentView) -> Found:
    named = [terms.coding(_THINGS, thing, things.LABELS.get(thing, (thing, ""))[0]) for thing in one.things]
    who = ", ".join(part for part in (one.name, one.role, one.organisation) if part)
    said = {"until": one.until, "who": who, "kind": one.kind, "reason": one.reason}
    return _found(space_id, one.id, one.since, one.ended or one.since, one.running,
                  lambda: _resource(space_id, one.since, one.running, named, said))  # fmt: skip


def _grant(space_id: str, one: GrantView, running: bool) -> Found:
    named = [terms.coding(_SCOPES, scope) for scope in one.scopes]
    said = {"until": one.until, "who": one.title, "kind": "service", "reason": ""}
    return _found(space_id, one.id, one.granted, one.withdrawn or one.granted, running,
                  lambda: _resource(space_id, one.granted, running, named, said))  # fmt: skip


def _found(space_id: str, consent_id: str, since: str, changed: str, running: bool, made: Callable[[], Json]) -> Found:
    def values(name: str) -> list[Value]:
        state = "active" if running else "inactive"
        return [("http://hl7.org/fhir/consent-state-codes", state)] if name == "status" else [since]

    at = int(datetime.fromisoformat(changed).timestamp() * 1000)
    return Found(outer(space_id, consent_id), at, values, made)


def _resource(space_id: str, since: str, running: bool, named: list[Json], said: dict[str, str]) -> Json:
    role = terms.one_concept(f"{_HL7}/v3-ParticipationType", "IRCP", "information recipient")
    return filled({
        "resourceType": "Consent",
        "status": "active" if running else "inactive",
        "scope": terms.one_concept(f"{_HL7}/consentscope", "patient-privacy", "Privacy Consent"),
        "category": [terms.one_concept(terms.LOINC, "59284-0", "Consent Document")],
        "patient": terms.reference("Patient", space_id),
        "dateTime": terms.moment(since),
        "performer": [terms.reference("Patient", space_id)],
        "policyRule": {
            "coding": [terms.coding(_GROUNDS, said["kind"])],
            "text": said["reason"] or "CSP L.1110-4, L.1111-17",
        },
        "provision": filled({
            "type": "permit",
            "period": filled({"start": terms.moment(since), "end": terms.moment(said["until"])}),
            "actor": [{"role": role, "reference": {"display": said["who"] or "Inconnu"}}],
            "class": named,
        }),
    })  # fmt: skip


# ---- AuditEvent ------------------------------------------------------------------------------------------------------

_ACTIONS: Final = {"read": "R", "examined": "R", "found": "R", "added": "C", "entered": "C", "posted": "C",
                   "created": "C", "removed": "D", "deleted": "D"}  # fmt: skip


async def events(call: Call, handle: DossierHandle) -> list[Found]:
    """Who did what in the patient's space, the newest first."""
    _patients_own(handle)

    def look(tx: Tx) -> list[tuple[AuditRow, Person, bool]]:
        teller = Teller(tx, call.app, handle.keys, [standing.reader(tx, handle)], you=handle.actor.account_id)
        rows = audit_rows.of_space(tx, handle.space_id, journal.LOGGED)
        told = (row for row in rows if not journal_words.of_no_interest(row.act, row.ground))
        newest = islice(told, MOST_EVENTS)
        return [(row, teller.person(row.actor_id, row.actor_kind), teller.sees(row.object)) for row in newest]

    return [_event(handle, *one) for one in await call.app.db.read(look)]


def _event(handle: DossierHandle, row: AuditRow, who: Person, seen: bool) -> Found:
    def values(param: str) -> list[Value]:
        match param:
            case "date":
                return [terms.instant(row.at)]
            case "action":
                return [("http://hl7.org/fhir/audit-event-action", _action(row))]
            case "subtype":
                return [(_ACTS, row.act)]
            case _:
                return [outer(handle.space_id, row.object)] if seen else []

    return Found(outer(handle.space_id, row.id), row.at, values, lambda: _audit_event(handle, row, who, seen))


def _action(row: AuditRow) -> str:
    return _ACTIONS.get(row.act.partition(":")[2], "U")


def _audit_event(handle: DossierHandle, row: AuditRow, who: Person, seen: bool) -> Json:
    entities: list[Json] = [{"what": terms.reference("Patient", handle.space_id)}]
    if seen and row.act.startswith("document:"):
        entities.append({"what": terms.reference("DocumentReference", handle.space_id, row.object)})
    done = row.outcome in {"done", "own_only"} or ":" in row.outcome
    return filled({
        "resourceType": "AuditEvent",
        "type": terms.coding("http://dicom.nema.org/resources/ontology/DCM", "110110", "Patient Record"),
        "subtype": [terms.coding(_ACTS, row.act, journal_words.what(row.act, row.object, row.outcome)[0])],
        "action": _action(row),
        "recorded": terms.instant(row.at),
        "outcome": "0" if done else "4",
        "outcomeDesc": "" if row.outcome == "done" else row.outcome,
        "purposeOfEvent": [terms.one_concept(_GROUNDS, row.ground)] if row.ground else [],
        "agent": [{
            "type": terms.one_concept(_ACTS, row.actor_kind),
            "who": {"display": ", ".join(part for part in (who.name[0], who.role[0], who.place) if part)},
            "requestor": True,
        }],
        "source": {"observer": {"display": "Pli"}},
        "entity": entities,
    })  # fmt: skip
