"""« Une copie de tout »: asking for it, watching it being made, fetching it, bringing one back.

Promises: asking and fetching ask for a second factor; without a script the page is as good, one presses « Actualiser »;
how far it is is said in words and shown, and it goes on when one leaves.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from server import step_up
from server.copies import exporting, importing
from server.copies.exporting import EXPORT
from server.copies.importing import MAX_VOLUME
from server.errors import Invalid, Refused
from webchat import security, words
from webchat.files import disposition
from webchat.forms import read_fields, read_form
from webchat.visit import Visit, route

if TYPE_CHECKING:
    from server.app import App

_bringing = asyncio.Semaphore(2)  # volumes in memory at once


def add_routes(app: App, site: web.Application) -> None:
    """The page, what it does, and the volumes."""
    route(app, site, "GET", "/export", show, ())
    route(app, site, "GET", "/export/standing", say, ())
    route(app, site, "POST", "/export", ask, ())
    route(app, site, "POST", "/export/cancel", cancel, ())
    route(app, site, "POST", "/export/bring", bring, ())
    route(app, site, "GET", "/export/{copy}/{volume}", fetch, ())


async def show(visit: Visit) -> web.Response:
    """What can be had, what there is."""
    _holders(visit)
    copies = await exporting.standing(visit.app, visit.box)
    return visit.page(
        "copies.html", "account", made=[one for one in copies if one.kind == EXPORT],
        brought=[one for one in copies if one.kind != EXPORT], most=MAX_VOLUME // 1_048_576, instant=words.instant,
    )  # fmt: skip


async def say(visit: Visit) -> web.Response:
    """How far each is, for the script of the page."""
    _holders(visit)
    copies = await exporting.standing(visit.app, visit.box)
    told = [{"id": one.id, "state": one.state, "done": one.done, "total": one.total} for one in copies]
    return web.Response(body=msgspec.json.encode(told), content_type="application/json")


async def ask(visit: Visit) -> web.StreamResponse:
    """A copy is asked for."""
    _holders(visit)
    await step_up.require(visit.app, security.session_secret(visit.app, visit.request))
    await exporting.ask(visit.app, visit.box)
    raise web.HTTPSeeOther(f"{visit.desk.base}/export")


async def cancel(visit: Visit) -> web.StreamResponse:
    _holders(visit)
    form = await read_fields(visit.request)
    await exporting.cancel(visit.app, visit.box, form["copy"])
    raise web.HTTPSeeOther(f"{visit.desk.base}/export")


async def bring(visit: Visit) -> web.StreamResponse:
    """A volume is brought back."""
    _holders(visit)
    async with _bringing:
        form = await read_form(visit.request, MAX_VOLUME)
        if form.problem is not None:
            raise form.problem
        if not form.files:
            raise Invalid("no_file", "Choisissez d’abord le fichier de la copie.")
        await importing.bring(visit.app, visit.box, form.files[0][2])
    raise web.HTTPSeeOther(f"{visit.desk.base}/export")


async def fetch(visit: Visit) -> web.Response:
    """One volume."""
    _holders(visit)
    match = visit.request.match_info
    if not match["volume"].isdecimal():
        raise Refused
    await step_up.require(visit.app, security.session_secret(visit.app, visit.request))
    name, data = await exporting.volume(visit.app, visit.box, match["copy"], int(match["volume"][:6]))
    headers = {"Content-Type": "application/zip", "Content-Disposition": disposition("attachment", name)}
    return web.Response(body=data, headers=headers)


def _holders(visit: Visit) -> None:
    if visit.box.owner_kind != "holder" or visit.box.ground == "helper":
        raise Refused
