"""A professional finds a patient: by identity, or among those they know. What is typed stays in the body of the form:
no address, history or log holds an identity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from server import finding_patients
from server.errors import PliError, Refused
from server.finding_patients import Sought
from webchat.forms import Form, read_fields
from webchat.record import SECTION
from webchat.security import told
from webchat.visit import Visit, route

if TYPE_CHECKING:
    from server.app import App

FIELDS = ("ins", "birth_name", "given", "birth_date", "sex", "place")


def add_routes(app: App, site: web.Application) -> None:
    """The page and the search."""
    route(app, site, "GET", "/patients", show)
    route(app, site, "POST", "/patients", find)


async def show(visit: Visit) -> web.Response:
    """The two ways to find somebody, and one's patients."""
    return await _page(visit, Form())


async def find(visit: Visit) -> web.StreamResponse:
    """Exactly one, whose page is next; or the same page, with what was typed."""
    form = await read_fields(visit.request)
    try:
        sought = Sought(**{name: form[name][:200] for name in FIELDS})
        space = await finding_patients.find(visit.app, visit.box, sought)
    except PliError as error:
        if visit.box.owner_kind == "holder":
            raise
        return await _page(visit, form, error)
    raise web.HTTPSeeOther(f"{visit.desk.base}/patient/{space}")


async def _page(visit: Visit, form: Form, error: PliError | None = None) -> web.Response:
    if visit.box.owner_kind not in {"professional", "team"}:
        raise Refused
    return visit.page(
        "patients.html",
        SECTION,
        status=error.status if error else 200,
        patients=await finding_patients.mine(visit.app, visit.box),
        kept={name: form[name][:200] for name in FIELDS},
        by_traits=bool(form["given"] or form["place"]),
        error=told(visit.words, error) if error else "",
    )
