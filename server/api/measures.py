"""Measures of health by the API: a patient's own token (or that of who acts for them), or a service that a patient
granted it (`grant`: scopes `measures:read`, `measures:write`).

The same checks and the same line in « Votre espace » as on the pages. FHIR has its own door.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from server import access
from server.actions import catalogue
from server.actions import measures as acts
from server.api import shapes
from server.api.door import Call
from server.api.shapes import ID, Key, Request, Short
from server.dossier import measure_kinds as kinds
from server.dossier import measures
from server.dossier.measure_kinds import Entry
from server.dossier.measures import MeasureView
from server.errors import Invalid
from server.handles import DossierHandle

MOST: int = 100  # of one call
_Number = Annotated[str, Meta(max_length=20, description="A decimal, with a point.")]


class MeasuresQuery(Request, frozen=True):
    """Whose, which, when."""

    mailbox: Annotated[str, Meta(pattern=ID, description="Whose: a mailbox the caller may act in; their own.")] = ""
    grant: Annotated[str, Meta(pattern=ID, description="For a service: the permission that it was given.")] = ""
    measure: Annotated[str, Meta(max_length=40, description="A slug, as `weight`; all when absent.")] = ""
    since: Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d$", description="From this day on, included.")] = ""
    until: Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d$", description="Until this day, included.")] = ""
    skip: Annotated[int, Meta(ge=0, le=100_000)] = 0
    limit: Annotated[int, Meta(ge=1, le=MOST)] = 50


class WhoseQuery(Request, frozen=True):
    """Whose measures are added."""

    mailbox: Annotated[str, Meta(pattern=ID, description="Whose: a mailbox the caller may act in; their own.")] = ""
    grant: Annotated[str, Meta(pattern=ID, description="For a service: the permission that it was given.")] = ""


class NewMeasure(Request, frozen=True):
    """One measure. `values`: one number, or the two of a blood pressure, in `unit` (UCUM; absent: the usual one). `at`:
    a day or an instant, ISO 8601; absent: now. `sure`: keep it though it is unlikely.
    """

    measure: Annotated[str, Meta(min_length=1, max_length=40)]
    values: Annotated[list[_Number], Meta(min_length=1, max_length=2)]
    unit: Annotated[str, Meta(max_length=20)] = ""
    at: Annotated[str, Meta(max_length=40)] = ""
    moment: Annotated[str, Meta(max_length=20)] = ""
    note: Short = ""
    heart_rate: _Number = ""
    device: Annotated[str, Meta(max_length=100)] = ""
    sure: bool = False


class NewMeasures(Request, frozen=True):
    """All of them are kept, or none."""

    measures: Annotated[list[NewMeasure], Meta(min_length=1, max_length=MOST)]
    client_key: Key = ""


class Measures(msgspec.Struct, frozen=True):
    """The newest first; `more`: there are older ones."""

    measures: list[MeasureView]
    more: bool


class Kept(msgspec.Struct, frozen=True):
    """What was kept, and the line that tells of it."""

    conversation: str
    message: str
    measures: list[MeasureView]


async def list_measures(call: Call[MeasuresQuery, None]) -> Measures:
    """`GET /measures`."""
    query = call.query
    if query.measure:
        kinds.kind(query.measure)
    handle = await _handle(call, query.mailbox, query.grant, measures.READ)
    series = (await measures.gather(call.app, handle)).series
    wanted = series.get(query.measure, []) if query.measure else [one for views in series.values() for one in views]
    found = measures.between(wanted, query.since, query.until)
    found.sort(key=lambda view: (view.moment_of, view.recorded), reverse=True)
    page = found[query.skip : query.skip + query.limit]
    return Measures(page, len(found) > query.skip + query.limit)


async def add_measures(call: Call[WhoseQuery, NewMeasures]) -> Kept:
    """`POST /measures`."""
    app, query = call.app, call.query
    handle = await _handle(call, query.mailbox, query.grant, measures.WRITE)
    entries = [await _checked(call, handle, one) for one in call.body.measures]
    if query.grant:
        receipt = await acts.record_by_service(app, handle, entries, call.retry_key)
    else:
        box = await access.mailbox(app, call.actor, query.mailbox, ("dossier",))
        receipt = await acts.record(app, box, entries, call.retry_key)
    series = (await measures.gather(app, handle)).series
    kept = [one for views in series.values() for one in views if one.message == receipt.message]
    return Kept(receipt.conversation, receipt.message, kept)


async def _checked(call: Call[WhoseQuery, NewMeasures], handle: DossierHandle, one: NewMeasure) -> Entry:
    for text in (one.note, one.device):
        if shapes.NOT_IN_A_LINE.search(text):
            raise Invalid("control_characters", "Des caractères de commande n’ont pas leur place dans une mesure.")
    entry = Entry(one.measure, tuple(one.values), one.unit, one.at, one.moment, one.note, one.heart_rate, one.device)
    checked = await measures.checked(call.app, handle, entry)
    if not one.sure and (doubts := kinds.doubts(checked)):
        raise Invalid("doubtful_measure", f"{doubts[0].said()} Envoyez « sure » pour le confirmer.")
    return checked


async def _handle(
    call: Call[MeasuresQuery, None] | Call[WhoseQuery, NewMeasures], mailbox: str, grant: str, scope: str
) -> DossierHandle:
    if grant:
        return await catalogue.granted(call.app, call.actor, grant, scope)
    return await access.dossier(call.app, await access.mailbox(call.app, call.actor, mailbox, ("dossier",)))
