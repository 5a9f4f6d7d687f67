"""« Ma santé »: the synthèse on one screen, vaccinations. Each line says where it comes from.

    /health                what is noted, on one screen, to read or to print
    /health/vaccinations   by date or by disease

Results: `results`; the medical profile: `profile`; measures: `measures`. What may be seen is decided item by item
(`server.dossier`). Does not: judge, or advise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from server import access
from server.dossier import findings, synthesis, vaccinations
from server.dossier.sources import Sources
from webchat.visit import Visit, route

if TYPE_CHECKING:
    from server.app import App

SECTION = "health"
ORDERS = ("date", "disease")


def add_routes(app: App, site: web.Application) -> None:
    """For the holder, and a delegate with the scope dossier."""
    route(app, site, "GET", "/health", show_health, ("dossier",))
    route(app, site, "GET", "/health/vaccinations", show_vaccinations, ("dossier",))


def at(visit: Visit) -> dict[str, str]:
    """Where links of `health_parts.html` begin."""
    base = visit.desk.base
    return {"documents": f"{base}/documents", "results": f"{base}/health/results"}


async def show_health(visit: Visit) -> web.Response:
    """The synthèse."""
    handle = await access.dossier(visit.app, visit.box)
    made = await visit.app.db.read(lambda tx: synthesis.of(visit.app, tx, handle))
    return visit.page("health.html", SECTION, made=made, at=at(visit))


async def show_vaccinations(visit: Visit) -> web.Response:
    """Every vaccination, the newest first, or under what it protects from."""
    handle = await access.dossier(visit.app, visit.box)
    found = await visit.app.db.read(
        lambda tx: vaccinations.vaccinations(
            Sources(visit.app, tx, handle), findings.held(tx, handle, ("immunisation",))
        )
    )
    order = visit.request.query.get("order", "")
    order = order if order in ORDERS else ORDERS[0]
    language = visit.words.language
    groups = vaccinations.by_disease(found, language) if order == "disease" else [("", found)]
    return visit.page(
        "health_vaccinations.html",
        SECTION,
        groups=groups,
        found=found,
        order=order,
        orders=ORDERS,
        disease=lambda slug: vaccinations.said(slug, language),
        at=at(visit),
    )
