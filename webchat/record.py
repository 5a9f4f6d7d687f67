"""The dossier of a patient, for a professional: their page of it, and what every page about it stands under.

    /patient/{space}     (in a team's name: /for/{mailbox}/patient/{space})

Promises: each page asks `access.record_of` anew, which counts and writes down the opening; whose dossier it is stands
at the top of every one (référentiel INS), and an emergency for as long as it lasts (DMP EX_0.3-1050). What may be seen
is `server.dossier.record`'s to say; here nothing tells what is not shown. The INS is in the page, never in its address.

Does not: find a patient (`record_finding`), show a document (`record_documents`), deposit (`record_deposit`), ask or
open in an emergency (`record_ways`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web

from server import access
from server.dossier import consents, emergencies
from server.dossier import documents as shelf
from server.dossier import record as records
from server.dossier.emergencies import Emergency
from server.dossier.record import Asked
from server.errors import Refused
from server.formats import hl7
from server.handles import DossierHandle
from server.people import Traits
from server.settings import PLACE
from storage import accounts
from webchat.visit import Visit, number, route

if TYPE_CHECKING:
    from server.app import App

SECTION = "patients"
DONE = ("deposited", "withdrawn", "told")
SECRET_COOKIE = "pli-secret"  # noqa: S105 - a name: « connexion secrète » of this browser, for this patient


@dataclass(frozen=True, slots=True)
class Whose:
    """What stands at the top: the strict traits, the INS in groups and its status, the age in years; what mode this
    visit is in. `base`: where the pages of this dossier begin.
    """

    traits: Traits
    ins: str
    qualified: bool
    age: int
    emergency: Emergency | None
    secret: bool
    base: str
    space: str


def add_routes(app: App, site: web.Application) -> None:
    """The page of a dossier."""
    route(app, site, "GET", "/patient/{space}", show)


async def opened(visit: Visit) -> DossierHandle:
    """The dossier that this request names. Raises `Refused`, `Throttled`, `NotAllowed`."""
    if visit.box.owner_kind not in {"professional", "team"}:
        raise Refused
    return await access.record_of(visit.app, visit.box, visit.request.match_info["space"])


async def whose(visit: Visit, handle: DossierHandle) -> Whose:
    """What stands at the top of each page."""
    traits = await records.identity(visit.app, handle)
    ins = traits.ins
    grouped = " ".join((ins[:1], ins[1:3], ins[3:5], ins[5:7], ins[7:10], ins[10:13], ins[13:]))
    return Whose(
        traits,
        grouped,
        traits.oid in hl7.INS_OIDS,
        records.age(traits.birth_date, datetime.now(PLACE).date()),
        await emergencies.running(visit.app, handle),
        visit.request.cookies.get(SECRET_COOKIE) == "1",
        f"{visit.desk.base}/patient/{handle.space_id}",
        handle.space_id,
    )


async def show(visit: Visit) -> web.Response:
    """The page; what was asked of its documents stands in the query."""
    return await page(visit, await opened(visit))


async def page(
    visit: Visit, handle: DossierHandle, *, error: str = "", status: int = 200, why: str = ""
) -> web.Response:
    """The page of a dossier; after a failed form with what was wrong, and `why` as it was typed."""
    query = visit.request.query if visit.request.method == "GET" else {}
    asked = Asked(
        str(query.get("q", ""))[:200],
        _of(query.get("category"), shelf.CATEGORIES),
        _of(query.get("show"), records.SHOWN),
        query.get("all") == "1",
        number(visit, "page") or 1,
    )
    made = await records.look(visit.app, handle, asked, visit.words.language)
    return visit.page(
        "record.html",
        SECTION,
        status=status,
        whose=await whose(visit, handle),
        record=made,
        asked=asked,
        categories=shelf.CATEGORIES,
        error=error,
        done=_of(query.get("done"), DONE),
        why=why,
        **await _ways(visit),
    )


async def _ways(visit: Visit) -> dict[str, Any]:
    """What somebody without a ground may do about it: whether they may ask, and the emergencies they may declare."""
    me = await visit.app.db.read(accounts.by_id, visit.actor.account_id)
    asks = me is not None and await visit.app.db.read(consents.reads_anything, me)
    own = visit.box.ground == "self"
    return {"may_ask": asks, "emergencies": await emergencies.grounds_of(visit.app, visit.box) if own else ()}


def _of(value: object, known: Any) -> str:
    return value if isinstance(value, str) and value in known else ""
