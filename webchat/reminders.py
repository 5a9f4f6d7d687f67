"""« Vos rappels »: reminders of prevention in pause, stopped, or taken up again; by plain forms.

Does not: change what is recommended, or what is told outside Pli (`webchat.notices`).
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from aiohttp import web

from server import access
from server.errors import Invalid
from server.prevention import pausing
from server.settings import PLACE
from webchat.forms import read_fields
from webchat.security import told
from webchat.visit import Visit, nonce, route

if TYPE_CHECKING:
    from server.app import App

PAGE = "/prevention/reminders"


def add_routes(app: App, site: web.Application) -> None:
    """The page and its form."""
    route(app, site, "GET", PAGE, show, ("dossier",))
    route(app, site, "POST", PAGE, choose, ("dossier",))


async def show(visit: Visit, error: str = "", status: int = 200) -> web.Response:
    """What stands, and what may be chosen."""
    app, today = visit.app, datetime.now(PLACE).date()
    handle = await access.dossier(app, visit.box)
    chosen = await app.db.read(lambda tx: pausing.chosen(app, tx, handle, today))
    return visit.page(
        "reminders.html", "health", status=status, chosen=chosen, months=pausing.MONTHS, nonce=nonce(), error=error,
        may=visit.box.may("dossier", "write"), done=visit.request.query.get("done", "") == "1",
    )  # fmt: skip


async def choose(visit: Visit) -> web.Response:
    """Pause for some months, stop, or take up again."""
    form = await read_fields(visit.request)
    try:
        await pausing.choose(visit.app, visit.box, form["do"], form["months"], form["client_key"])
    except Invalid as error:
        return await show(visit, told(visit.words, error), error.status)
    raise web.HTTPSeeOther(f"{visit.desk.base}{PAGE}?done=1")
