"""What is read besides messages, documents and the agenda: services. Each page is one function of a `Visit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from server import access
from server.actions import catalogue
from webchat import present, words
from webchat.visit import Visit, nonce, route

if TYPE_CHECKING:
    from server.app import App


def add_routes(app: App, site: web.Application) -> None:
    """Every page one can ask for with GET."""
    route(app, site, "GET", "/services", show_services, ("services",))


async def show_services(visit: Visit) -> web.Response:
    """What services of the catalogue may read, now."""
    handle = await access.dossier(visit.app, visit.box, "services")
    in_force = [
        {**msgspec.structs.asdict(grant), "reads": ", ".join(present.scope(visit.words, name) for name in grant.scopes)}
        for grant in await catalogue.grants(visit.app, handle)
        if not grant.withdrawn and (until := words.instant(grant.until)) is not None and until > visit.desk.now
    ]
    return visit.page("services.html", "services", grants=in_force, nonce=nonce())
