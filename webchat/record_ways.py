"""What a professional without a ground may do: ask the patient, or open the dossier in an emergency.

    /patient/{space}/ask   /patient/{space}/emergency[/end]

What each needs and records: `server.actions.consent`, `server.dossier.emergencies`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from server.actions import consent
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
    route(app, site, "POST", f"{ROOT}/ask", ask)
    route(app, site, "POST", f"{ROOT}/emergency", declare)
    route(app, site, "POST", f"{ROOT}/emergency/end", end)


async def ask(visit: Visit) -> web.StreamResponse:
    """The card goes to the patient, in the thread with them."""
    handle = await opened(visit)
    form = await read_fields(visit.request)
    reason = form["reason"][: consent.LONGEST_REASON]
    try:
        wish = consent.wish((), form["days"] or str(consent.ASKED_DAYS), reason)
        receipt = await consent.ask_first(visit.app, visit.box, handle, wish, form["key"][:64])
    except PliError as error:
        said = security.told(visit.words, error)
        return await page(visit, handle, error=said, status=error.status, reason=reason)
    raise web.HTTPSeeOther(f"{visit.desk.base}/c/{receipt.conversation}#m-{receipt.message}")


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
