"""The FHIR R4 façade at `/api/fhir`: the dossier for software, as the French guides say it (PDSm for documents,
« Mesures de santé », fr-core for the patient).

    table.py         every resource, once; capability.py makes `/metadata` from it
    front.py         a request becomes a call, every refusal an OperationOutcome (outcome.py)
    asking.py        the parameters of a search; searching.py, bundles, pages, versions
    whom.py          whose dossier, and the handle on it
    documents.py     DocumentReference, Binary, List · clinical.py, observations.py: what was found in documents
    governance.py    Consent, AuditEvent · identity.py: Patient
    depositing.py    ITI-105; bundles.py, transactions (ITI-65, measures: measuring.py) · incoming.py, what they say
    patching.py      metadata · whole.py: all of a dossier as one Bundle, for a copy
    terms.py         codes, ids, instants: where ours and FHIR's meet

It decides nothing about rights: handles come from `server.access`, each item is decided on in `server.dossier`. A
holder's token opens their own dossier, a professional's or a team's what they may read and where they may deposit, a
laboratory's what it deposited, a service's what it was granted, an operator's nothing. Delegates are not served yet.
"""

from __future__ import annotations

from aiohttp import web

from server.api.door import Door
from server.api.fhir import front
from server.api.fhir.table import TABLE

__all__ = ["TABLE", "add_routes"]


def add_routes(door: Door, site: web.Application) -> None:
    """Everything under the base."""
    serve = front.handler(door, TABLE)
    site.router.add_route("*", front.BASE, serve)
    site.router.add_route("*", front.BASE + "/{rest:.*}", serve)
