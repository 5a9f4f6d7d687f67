"""Campaigns by the API, for the operator's token alone: to everybody else there is nothing here. Numbers, no person."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from server.api.door import Call
from server.api.shapes import ID, Request
from server.prevention import campaigns
from server.prevention.campaigns import Shown


class NewCampaign(Request, frozen=True):
    """`campaign`: as in the file of `pli campaign add`."""

    campaign: dict[str, Any]


class NewMove(Request, frozen=True):
    """What is done with it."""

    do: Annotated[str, Meta(pattern="^(start|pause|resume|stop)$")]


class CampaignChange(msgspec.Struct, frozen=True):
    """`by`: an account, a person at the command line, or pli. `at`: ms since 1970."""

    state: str
    by: str
    at: int


class CampaignView(msgspec.Struct, frozen=True):
    """`gathered` is `sent` + `waiting` + all that are `spared`, by the reason."""

    id: Annotated[str, Meta(pattern=ID)]
    name: str
    state: str
    gathered: int
    sent: int
    waiting: int
    spared: dict[str, int]
    changes: list[CampaignChange]


class Campaigns(msgspec.Struct, frozen=True):
    """The last changed first."""

    campaigns: list[CampaignView]


def _view(shown: Shown) -> CampaignView:
    counts = shown.counts
    changes = [CampaignChange(one.state, one.by, one.at) for one in shown.changes]
    return CampaignView(
        shown.campaign.id, shown.plan.name, shown.campaign.state, counts.gathered, counts.sent, counts.waiting,
        counts.spared, changes,
    )  # fmt: skip


async def list_campaigns(call: Call[Any, None]) -> Campaigns:
    """`GET /campaigns`."""
    campaigns.operating(call.actor)
    return Campaigns([_view(one) for one in await campaigns.every(call.app)])


async def one_campaign(call: Call[Any, None]) -> CampaignView:
    """`GET /campaigns/{id}`."""
    campaigns.operating(call.actor)
    return _view(await campaigns.one(call.app, call.at["id"]))


async def add_campaign(call: Call[Any, NewCampaign]) -> CampaignView:
    """`POST /campaigns`."""
    by = campaigns.operating(call.actor).account_id
    plan = campaigns.read(msgspec.json.encode(call.body.campaign))
    return _view(await campaigns.one(call.app, await campaigns.add(call.app, plan, by)))


async def move_campaign(call: Call[Any, NewMove]) -> CampaignView:
    """`POST /campaigns/{id}/moves`."""
    by = campaigns.operating(call.actor).account_id
    await campaigns.move(call.app, call.at["id"], call.body.do, by)
    return _view(await campaigns.one(call.app, call.at["id"]))
