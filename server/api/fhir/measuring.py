"""Measures of health brought by software (guide « Mesures de santé »): an Observation of vital signs becomes an entry
of `server.dossier.measures`, checked as if it had been typed. One line tells the patient.

Who may: the patient, by their own token; a service of the catalogue whose grant says `measures:write`. Values keep
their digits; what was measured with a connected object says with which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiohttp import web

from server import access, space_news
from server.api.fhir import incoming, observations, outcome, searching, terms, whom
from server.api.fhir.front import Call
from server.api.fhir.incoming import Concept, Contained, Period, Reference
from server.api.fhir.outcome import Unprocessed
from server.dossier import findings, measures
from server.dossier import measure_kinds as kinds
from server.dossier.measure_kinds import Entry
from server.errors import Invalid, NotAllowed, Refused
from server.formats.findings import Coded, Measure
from server.handles import DossierHandle
from storage.database import Tx

if TYPE_CHECKING:
    from server.posting import Doing

MOST: Final = 100  # measures of one transaction
_STATUSES: Final = frozenset({"final", "amended", "corrected"})


class _Quantity(msgspec.Struct, frozen=True, rename="camel"):
    value: Decimal
    unit: str = ""
    code: str = ""
    comparator: str = ""


class _Component(msgspec.Struct, frozen=True, rename="camel"):
    code: Concept
    value_quantity: _Quantity | None = None


class _Observation(msgspec.Struct, frozen=True, rename="camel"):
    status: str
    code: Concept
    category: list[Concept] = []
    subject: Reference | None = None
    contained: list[Contained] = []
    extension: list[dict[str, Any]] = []
    modifier_extension: list[Any] = []
    effective_date_time: str = ""
    effective_period: Period | None = None
    value_quantity: _Quantity | None = None
    component: list[_Component] = []
    device: Reference | None = None


async def observe(call: Call) -> web.Response:
    """`POST /Observation`."""
    resource = call.json()
    if resource.get("resourceType") != "Observation":
        raise Unprocessed("wrong_resource", "Une ressource Observation est attendue.")
    (kept,) = await keep(call, [resource], {})
    headers = {"Location": f"{call.base}/Observation/{kept}", "Cache-Control": "no-store"}
    if "return=representation" not in call.prefer:
        return web.Response(status=201, headers=headers)
    return outcome.response(searching.versioned(await searching.one(replace(call, id=kept))), 201, headers)


async def keep(call: Call, said: Sequence[dict[str, Any]], devices: Mapping[str, dict[str, Any]]) -> list[str]:
    """Keep these measures, all or none; their ids in the façade, in order. `devices`: of the same transaction, by how
    an Observation refers to them. Raises `Invalid`, `NotAllowed`, `Refused`.
    """
    if len(said) > MOST:
        raise Invalid("too_many_entries", f"Une transaction apporte {MOST} mesures au plus.")
    read = [incoming.converted(one, _Observation) for one in said]
    handle = await _whose(call, read)
    entries = [await measures.checked(call.app, handle, _entry(one, devices)) for one in read]
    kept = await call.app.db.read(_already, handle, entries)
    new = [entry for entry, known in zip(entries, kept, strict=True) if not known]

    def effect(doing: Doing) -> None:
        kept[:] = _already(doing.tx, handle, entries)
        for place, entry in enumerate(entries):
            kept[place] = kept[place] or measures.enter(doing.tx, handle, entry, message_id=doing.message_id)[0]

    if new:
        await space_news.tell(call.app, handle.space_id, *_line(handle, new), effect)
    return [terms.outer(handle.space_id, one) for one in kept]


def _already(tx: Tx, handle: DossierHandle, entries: Sequence[Entry]) -> list[str]:
    """Of each, the id of the same value of the same instant that this sender brought before, "" when it is new: what is
    sent again after a lost answer is not kept twice.
    """
    known = {
        (one.finding.what.code, one.finding.at, one.finding.value.value): one.id
        for one in reversed(findings.held(tx, handle, ("measure",)))
        if one.by == handle.actor.account_id and not one.document and isinstance(one.finding, Measure)
    }
    firsts = [kinds.KINDS[(kinds.kind(entry.slug).parts or (entry.slug,))[0]] for entry in entries]
    return [
        known.get((first.codes[0], entry.at, entry.values[0]), "") for first, entry in zip(firsts, entries, strict=True)
    ]


async def _whose(call: Call, read: Sequence[_Observation]) -> DossierHandle:
    """The dossier that every one of them is about, for writing measures in it."""
    named = {incoming.patient((one.subject,), one.contained) for one in read}
    if len(named) > 1:
        raise Invalid("several_patients", "Une transaction porte sur un seul patient.")
    ((space_id, (oid, ins)),) = named
    if call.actor.kind == "holder":
        await whom.written_to(call, oid, ins, space_id)
        return await access.dossier(call.app, await access.mailbox(call.app, call.actor, needs=("dossier",)))
    if call.actor.kind != "bot":
        raise NotAllowed("not_a_source", "Les mesures viennent du patient, ou d’un service qu’il a autorisé.")
    space_id = space_id or (await whom.by_ins(call, oid, ins) if ins else "")
    if not space_id:
        raise Invalid("no_patient", "subject : dites de quel patient.")
    handle = await access.machine(call.app, call.actor, space_id, measures.WRITE)
    if handle.ground != "grant":
        raise Refused
    return handle


def _entry(said: _Observation, devices: Mapping[str, dict[str, Any]]) -> Entry:
    if said.modifier_extension:
        raise Invalid("modifier_extension", "Une extension qui change le sens (modifierExtension) n’est pas comprise.")
    if said.status not in _STATUSES:
        raise Invalid("bad_status", "Une mesure a le statut « final ».")
    if not said.effective_date_time:
        raise Invalid("no_date", "effectiveDateTime : dites quand la mesure a été faite.")
    if (of := _kind(said.code)) is None:
        raise Invalid("unknown_measure", f"code : mesure inconnue ; connues : {', '.join(kinds.known_codes())}.")
    values, unit = _values(said, of)
    note = next(
        (str(one.get("valueString", "")) for one in said.extension if one.get("url") == observations.REASON), ""
    )
    return Entry(of.slug, values, unit, said.effective_date_time, note=note, device=_device(said.device, devices))


def _kind(code: Concept) -> kinds.Kind | None:
    found = (kinds.of_code(Coded(one.code, terms.oid_of(one.system))) for one in code.coding)
    return next((one for one in found if one is not None), None)


def _values(said: _Observation, of: kinds.Kind) -> tuple[tuple[str, ...], str]:
    """The numbers, in the order of the measure's parts, and their unit."""
    if not of.parts:
        quantities = [said.value_quantity]
    else:
        by_slug = {part.slug: one.value_quantity for one in said.component if (part := _kind(one.code)) is not None}
        quantities = [by_slug.get(slug) for slug in of.parts]
    there = [one for one in quantities if one is not None]
    if len(there) != len(quantities):
        raise Invalid("no_value", "valueQuantity : la valeur manque.")
    if any(one.comparator for one in there):
        raise Invalid("inexact_value", "valueQuantity : une mesure est une valeur, sans « < » ni « > ».")
    units = {one.code or one.unit for one in there}
    if len(units) > 1:
        raise Invalid("bad_unit", "Les deux nombres d’une tension ont la même unité.")
    return tuple(f"{one.value:f}" for one in there), units.pop()


def _device(reference: Reference | None, devices: Mapping[str, dict[str, Any]]) -> str:
    """What it was measured with, in words."""
    if reference is None:
        return ""
    known = devices.get(reference.reference, {})
    named = known.get("deviceName")
    first = named[0] if isinstance(named, list) and named and isinstance(named[0], dict) else {}
    words = (first.get("name", ""), known.get("manufacturer", ""), known.get("modelNumber", ""))
    return " ".join(str(word) for word in words if word)[:200] or reference.display[:200]


def _line(handle: DossierHandle, entries: Sequence[Entry]) -> tuple[str, str]:
    """What the patient is told: who added which measures; the values are in the record."""
    said = [kinds.said(kinds.kind(one.slug), kinds.values_of(one)) for one in entries[:5]]
    told = [kinds.said(kinds.kind(one.slug), kinds.values_of(one), "en") for one in entries[:5]]
    names = [kinds.kind(one.slug).fr for one in entries[:5]]
    names_en = [kinds.kind(one.slug).en for one in entries[:5]]
    more = ", …" if len(entries) > 5 else ""
    fr = ", ".join(f"{name} {value}" for name, value in zip(names, said, strict=True))
    en = ", ".join(f"{name} {value}" for name, value in zip(names_en, told, strict=True))
    by = handle.actor.name
    return f"{by} a ajouté à vos mesures : {fr}{more}.", f"{by} added to your measures: {en}{more}."
