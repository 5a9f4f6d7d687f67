"""What `pli campaign` does, where the database is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from server.errors import Invalid, Refused
from server.prevention import campaigns
from server.prevention.campaigns import Shown

if TYPE_CHECKING:
    from server.app import App


def told(shown: Shown) -> dict[str, Any]:
    """A campaign in one line."""
    counts = shown.counts
    return {
        "id": shown.campaign.id,
        "name": shown.plan.name,
        "state": shown.campaign.state,
        "gathered": counts.gathered,
        "sent": counts.sent,
        "waiting": counts.waiting,
        "spared": counts.spared,
    }


async def _add(app: App, text: str, by: str) -> dict[str, Any]:
    return {"id": await campaigns.add(app, campaigns.read(text.encode()), by)}


async def _list(app: App) -> list[dict[str, Any]]:
    return [told(one) for one in await campaigns.every(app)]


async def _one(app: App, campaign: str) -> Shown:
    try:
        return await campaigns.one(app, campaign)
    except Refused as error:
        raise Invalid("no_campaign", "Aucune campagne à ce nom.") from error


async def _show(app: App, campaign: str) -> dict[str, Any]:
    shown = await _one(app, campaign)
    changes = [{"state": one.state, "by": one.by, "at": one.at} for one in shown.changes]
    return {**told(shown), "changes": changes, "plan": shown.campaign.facts}


async def _moved(app: App, campaign: str, what: str, by: str) -> dict[str, Any]:
    await _one(app, campaign)
    await campaigns.move(app, campaign, what, by)
    return told(await campaigns.one(app, campaign))


COMMANDS: dict[str, Callable[..., Awaitable[Any]]] = {
    "campaign.add": _add,
    "campaign.list": _list,
    "campaign.show": _show,
    "campaign.move": _moved,
}
