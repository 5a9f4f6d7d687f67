"""Everything that a handle sees, as one Bundle: the FHIR part of a copy that is taken away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from server.api.fhir import outcome, searching
from server.api.fhir.front import BASE, Call
from server.api.fhir.table import TABLE

if TYPE_CHECKING:
    from server.app import App
    from server.drafts import Actor
    from server.handles import DossierHandle


@dataclass(frozen=True, slots=True)
class _Asking:
    """What a finder asks of a call: nobody calls here, a worker gathers for who asked."""

    app: App
    actor: Actor
    base: str


async def bundle(app: App, handle: DossierHandle) -> bytes:
    """A Bundle of type collection, in JSON: every resource of the table that is found in a dossier."""
    base = f"{app.settings.public_url.rstrip('/')}{BASE}"
    asking = cast(Call, _Asking(app, handle.actor, base))
    entries = [
        {"fullUrl": f"{base}/{row.name}/{found.id}", "resource": searching.versioned(found)}
        for row in TABLE.resources.values()
        if row.finds is not None
        for found in await row.finds(asking, handle)
    ]
    return outcome.encoded({"resourceType": "Bundle", "type": "collection", "entry": entries})
