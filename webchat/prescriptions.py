"""« Mes ordonnances »: each with its lines, its code, what was dispensed, and the way to the pharmacy.

Works by forms. Nothing is sent but by the patient's own press, and the page says that the paper stays the original.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web
from markupsafe import Markup

from server import access, pharmacy
from server.dossier import prescriptions
from server.errors import PliError
from webchat import scan, words
from webchat.forms import read_fields
from webchat.security import told
from webchat.visit import Visit, nonce, route

if TYPE_CHECKING:
    from server.app import App

NEEDS = ("dossier", "messages")  # it is sent as a message


def add_routes(app: App, site: web.Application) -> None:
    """The list, one, and sending it."""
    route(app, site, "GET", "/prescriptions", show_all, ("dossier",))
    route(app, site, "GET", "/prescriptions/{prescription}", show_one, ("dossier",))
    route(app, site, "POST", "/prescriptions/{prescription}/send", send, NEEDS)


async def show_all(visit: Visit) -> web.Response:
    """Every prescription, the newest first."""
    found = await prescriptions.of(visit.app, await access.dossier(visit.app, visit.box))
    return visit.page("prescriptions.html", "documents", found=found, dated=words.instant)


async def show_one(visit: Visit) -> web.Response:
    """One, with its lines."""
    return await _one(visit)


async def _one(visit: Visit, error: str = "", note: str = "", status: int = 200) -> web.Response:
    handle = await access.dossier(visit.app, visit.box)
    found = await prescriptions.one(visit.app, handle, visit.request.match_info["prescription"])
    sought = visit.request.query.get("q", "")[:100].strip()
    return visit.page(
        "prescription.html", "documents", status=status, one=found, code=_code(found.number, visit), sought=sought,
        pharmacies=await prescriptions.pharmacies(visit.app, handle, sought), nonce=nonce(), error=error, note=note,
        longest=pharmacy.MAX_NOTE, may_send=visit.box.may(*NEEDS, "write"), dated=words.instant,
    )  # fmt: skip


def _code(number: str, visit: Visit) -> Markup:
    """The identifier as a code to scan; nothing for a prescription without one."""
    if not number:
        return Markup()
    root, _, extension = number.partition("^")
    scheme = "oid" if root.replace(".", "").isdigit() else "uuid"
    text = f"urn:{scheme}:{root}" + (f"#{extension}" if extension else "")
    return scan.drawn(text, visit.words("prescription.code"))


async def send(visit: Visit) -> web.StreamResponse:
    """To a pharmacy: then in the thread with it."""
    form = await read_fields(visit.request)
    try:
        receipt = await pharmacy.send(
            visit.app, visit.box, visit.request.match_info["prescription"], form["pharmacy"], form["note"],
            form["client_key"],
        )  # fmt: skip
    except PliError as error:
        if error.status == 404:
            raise
        return await _one(visit, told(visit.words, error), form["note"], error.status)
    raise web.HTTPSeeOther(f"{visit.desk.base}/c/{receipt.conversation}#m-{receipt.message}")
