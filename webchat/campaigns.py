"""Campaigns, for the operator: what runs, how far it is, to pause it and go on. Numbers, and no person.

Does not: make a campaign (`pli campaign add`, or the API): its words and its population are a file that is read again
by somebody else before it starts.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aiohttp import web

from server.drafts import Actor
from server.errors import Invalid, PliError
from server.prevention import campaigns
from server.prevention.campaigns import Shown
from storage import accounts
from storage.database import Tx
from webchat.forms import read_fields
from webchat.security import told
from webchat.visit import Visit, route

if TYPE_CHECKING:
    from server.app import App


def add_routes(app: App, site: web.Application) -> None:
    """The list, one, and what is done with it."""
    route(app, site, "GET", "/campaigns", show_every)
    route(app, site, "GET", "/campaigns/{campaign}", show_one)
    route(app, site, "POST", "/campaigns/{campaign}", move)


async def show_every(visit: Visit) -> web.Response:
    """All of them, the last changed first."""
    campaigns.operating(_own(visit))
    found = await campaigns.every(visit.app)
    return visit.page("campaigns.html", "campaigns", campaigns=found, at=_moment)


def _own(visit: Visit) -> Actor:
    """The operator, at their own desk; elsewhere nobody."""
    return visit.actor if visit.box.ground == "self" else Actor("", "", "")


async def show_one(visit: Visit, error: str = "", status: int = 200) -> web.Response:
    """How far it is, what may be done, who did what."""
    campaigns.operating(_own(visit))
    shown = await campaigns.one(visit.app, visit.request.match_info["campaign"])
    names = await visit.app.db.read(_names, shown)
    return visit.page(
        "campaign.html", "campaigns", status=status, shown=shown, names=names, at=_moment, error=error,
        done=round(100 * (shown.counts.gathered - shown.counts.waiting) / max(shown.counts.gathered, 1)),
    )  # fmt: skip


def _names(tx: Tx, shown: Shown) -> dict[str, str]:
    """Who changed it, as they are called."""
    found = {}
    for change in shown.changes:
        known = accounts.even_ended(tx, change.by)
        found[change.by] = known[0].name if known else change.by
    return found


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


async def move(visit: Visit) -> web.Response:
    """Start, pause, resume, stop."""
    by = campaigns.operating(_own(visit)).account_id
    campaign, form = visit.request.match_info["campaign"], await read_fields(visit.request)
    if form["do"] == "stop" and form["sure"] != "1":
        error: PliError = Invalid("campaign_sure", "Cochez la case pour arrêter la campagne : c’est définitif.")
        return await show_one(visit, told(visit.words, error), error.status)
    try:
        await campaigns.move(visit.app, campaign, form["do"], by)
    except PliError as refused:
        if refused.status == 404:
            raise
        return await show_one(visit, told(visit.words, refused), refused.status)
    raise web.HTTPSeeOther(f"/campaigns/{campaign}")
