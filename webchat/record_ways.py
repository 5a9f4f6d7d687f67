"""A professional opens a patient's dossier in an emergency, or ends that: forms of its page.

    /patient/{space}/emergency[/end]

What it needs and records: `server.dossier.emergencies`. To ask the patient: `webchat.sharing`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from server.dossier import emergencies
from server.dossier.habilitation import EMERGENCY, SAMU
from server.errors import PliError, StepUp
from webchat import security
from webchat.forms import read_fields
from webchat.record import opened, page
from webchat.visit import Visit, route

if TYPE_CHECKING:
    from server.app import App

ROOT = "/patient/{space}"


def add_routes(app: App, site: web.Application) -> None:
    """Forms of the page of a dossier."""
    route(app, site, "POST", f"{ROOT}/emergency", declare)
    route(app, site, "POST", f"{ROOT}/emergency/end", end)


async def declare(visit: Visit) -> web.StreamResponse:
    """The dossier opens for some hours; the patient and the operator are told."""
    handle = await opened(visit)
    form = await read_fields(visit.request)
    secret, why = security.session_secret(visit.app, visit.request), form["why"][:1_000]
    ground = SAMU if form["ground"] == SAMU else EMERGENCY
    try:
        await emergencies.open(visit.app, visit.box, handle.space_id, why, ground, session=secret)
    except StepUp:
        raise
    except PliError as error:
        said = security.told(visit.words, error)
        return await page(visit, handle, error=said, status=error.status, why=why)
    raise web.HTTPSeeOther(f"{visit.desk.base}/patient/{handle.space_id}")


async def end(visit: Visit) -> web.StreamResponse:
    """It is needed no more."""
    handle = await opened(visit)
    await emergencies.close(visit.app, handle)
    raise web.HTTPSeeOther(f"{visit.desk.base}/patient/{handle.space_id}")
