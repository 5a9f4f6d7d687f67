"""What is read besides messages and documents: agenda, services. Each page is one function of a `Visit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from server import access
from server.actions import catalogue
from server.agenda import book
from webchat import present, words
from webchat.visit import Visit, nonce, route

if TYPE_CHECKING:
    from server.app import App


def add_routes(app: App, site: web.Application) -> None:
    """Every page one can ask for with GET."""
    route(app, site, "GET", "/agenda", show_agenda, ("agenda",))
    route(app, site, "GET", "/services", show_services, ("services",))


async def show_agenda(visit: Visit) -> web.Response:
    """Appointments to come, then past ones, the latest first."""
    handle = await access.dossier(visit.app, visit.box, "agenda")
    found = await book.appointments(visit.app, handle)
    coming = [item for item in found if present.day_of(item.start) >= visit.desk.today]
    past = [item for item in found if present.day_of(item.start) < visit.desk.today]
    return visit.page("agenda.html", "agenda", coming=coming, past=past[::-1])


async def show_services(visit: Visit) -> web.Response:
    """What services of the catalogue may read, now."""
    handle = await access.dossier(visit.app, visit.box, "services")
    in_force = [
        {**msgspec.structs.asdict(grant), "reads": ", ".join(present.scope(visit.words, name) for name in grant.scopes)}
        for grant in await catalogue.grants(visit.app, handle)
        if not grant.withdrawn and (until := words.instant(grant.until)) is not None and until > visit.desk.now
    ]
    return visit.page("services.html", "services", grants=in_force, nonce=nonce())
