"""The one who writes campaigns: takes each that runs, alone, gathers whom it is for, and writes at its pace.

    step(): gathering → five hundred spaces more; running → as many as the pace allows of those that wait
    write_to(): its parents first  →  spared, with why; or a card, and « sent », in one transaction

Promises: those of `server.prevention.campaigns`. A process that dies is replaced within seconds, by another or by the
next one. Does not: change what the operator decided, but for « gathered » and « ended ».
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from server import access
from server.bots import households, reminders
from server.bots.households import Household
from server.bots.reminders import Seen
from server.drafts import Actor
from server.errors import Conflict, NotAllowed, PliError, Refused
from server.people import Traits
from server.posting import Doing
from server.prevention import campaigns, rounds
from server.prevention.campaigns import Plan
from server.prevention.rounds import Planned
from storage import campaigns as rows
from storage.campaigns import Campaign, Target
from storage.database import DatabaseDown, Tx
from storage.ids import new_id, now_ms
from storage.vault import CannotOpen

if TYPE_CHECKING:
    from server.app import App
    from server.handles import SpaceHandle

log = structlog.get_logger()

PLI = "pli"  # the author of what no person decides
LEASE_MS = 4_000
STEP_S = 0.2
SENDING_S = 1.0  # of one step: the lease is taken again between two
IDLE_S = 5.0
REST_S = 900.0  # after a pass in which nobody's hour had come
GATHER = 500
AT_ONCE = 64


@dataclass(slots=True)
class _Pace:
    """A campaign in hand: what it may send by now, and how far its pass is. `wrote`: anybody, in this pass."""

    tokens: float = 0.0
    at: float = 0.0
    after: str = ""
    wrote: bool = False
    rests_until: float = 0.0
    gathered_to: str | None = field(default=None)

    def may_send(self, rate: float, now: float) -> int:
        """Whole messages, at most one second's worth at once."""
        if self.at:
            self.tokens = min(max(rate, 1.0), self.tokens + (now - self.at) * rate)
        self.at = now
        return min(AT_ONCE, int(self.tokens))


@asynccontextmanager
async def kept_running(app: App) -> AsyncIterator[None]:
    """Work on campaigns while this process stands."""
    runner = Runner(app)
    task = asyncio.create_task(runner.forever(), name="campaigns")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        try:
            await app.db.write(rows.leave, runner.me)
        except DatabaseDown:
            pass  # its lease ends by itself


class Runner:
    """One a process."""

    def __init__(self, app: App) -> None:
        self._app = app
        self.me = new_id()
        self._paces: dict[str, _Pace] = {}

    async def forever(self) -> None:
        while True:
            busy = False
            try:
                for campaign_id in await self._app.db.read(rows.to_work_on):
                    busy |= await self.step(campaign_id)
            except DatabaseDown:
                log.warning("campaigns.database_down")
            except Exception as error:  # noqa: BLE001 - a campaign that cannot be read must not end the others
                log.error("campaigns.failed", error=type(error).__name__)
            await asyncio.sleep(STEP_S if busy else IDLE_S)

    async def step(self, campaign_id: str) -> bool:
        """Go on with a campaign; whether there is more to do at once."""
        campaign = await self._app.db.write(rows.take, campaign_id, self.me, LEASE_MS)
        if campaign is None:
            self._paces.pop(campaign_id, None)
            return False
        pace, plan = self._paces.setdefault(campaign_id, _Pace()), campaigns.plan_of(campaign)
        if campaigns.over(plan, campaigns.today()):
            await self._app.db.write(rows.change, campaign, "ended", PLI)
            return False
        if campaign.state == "gathering":
            return await self._gather(campaign, plan, pace)
        return await self._send(campaign, plan, pace)

    # ---- whom it is for ----

    async def _gather(self, campaign: Campaign, plan: Plan, pace: _Pace) -> bool:
        app = self._app
        if pace.gathered_to is None:  # by a process that is no more: those after its last one are looked at again
            pace.gathered_to = await app.db.read(rows.gathered_to, campaign.id)
        batch = await app.db.read(rows.population, pace.gathered_to, GATHER)
        groups, day = campaigns.groups(app, plan), campaigns.today()
        found = [one.space_id for one in batch if self._concerned(one, groups, day)]
        await app.db.write(rows.gather, campaign.id, found)
        if batch:
            pace.gathered_to = batch[-1].space_id
        if len(batch) < GATHER:
            await app.db.write(rows.change, campaign, "running", PLI)
        return True

    def _concerned(self, one: Target, groups: tuple[Any, ...], day: date) -> bool:
        try:
            keys = self._app.vault.space(one.space_id, one.wrapped_key)
            traits = msgspec.json.decode(keys.open("traits", one.space_id, one.traits), type=Traits)
            birth = date.fromisoformat(traits.birth_date)
            return all(campaigns.concerns(some, birth, traits.sex, day) for some in groups)
        except (CannotOpen, ValueError):
            return False  # whose birth nobody knows is not written to by age

    # ---- to whom it is sent ----

    async def _send(self, campaign: Campaign, plan: Plan, pace: _Pace) -> bool:
        clock = asyncio.get_running_loop().time
        now = clock()
        if not campaigns.begun(plan, campaigns.today()) or now < pace.rests_until:
            return False
        while (count := pace.may_send(plan.rate, clock())) and clock() < now + SENDING_S:
            if not await self._some(campaign, plan, pace, count):
                return False
        return True

    async def _some(self, campaign: Campaign, plan: Plan, pace: _Pace, count: int) -> bool:
        """The next few of those that wait; False when there is nothing to do for a while."""
        app = self._app
        batch = await app.db.read(rows.waiting, campaign.id, pace.after, count)
        if not batch and not pace.after:
            await app.db.write(rows.change, campaign, "ended", PLI)
            return False
        if not batch:
            rests = 0.0 if pace.wrote else asyncio.get_running_loop().time() + REST_S
            pace.after, pace.rests_until, pace.wrote = "", rests, False
            return pace.rests_until == 0
        writer = await reminders.bot(app)
        done = await asyncio.gather(*(write_to(app, writer, campaign, plan, one) for one in batch))
        pace.tokens -= done.count("sent")
        pace.wrote |= any(done)
        pace.after = batch[-1]
        return True


async def write_to(app: App, writer: Actor, campaign: Campaign, plan: Plan, space_id: str) -> str:
    """Write to one space that waits, or spare it; what became of it: sent, spared, or "". It waits on when its hour
    has not come, when the campaign was paused meanwhile, and when something failed.
    """
    try:
        return await _write_to(app, writer, campaign, plan, space_id)
    except Refused:
        return await _spare(app, campaign, space_id, "closed")
    except (Conflict, NotAllowed):  # settled by another, paused, or answered at this very moment: seen at the next pass
        return ""
    except (PliError, DatabaseDown, CannotOpen, OSError) as error:
        log.warning("campaigns.put_off", error=type(error).__name__)
        return ""


async def _write_to(app: App, writer: Actor, campaign: Campaign, plan: Plan, space_id: str) -> str:
    space, day = await access.space_to_write(app, writer, space_id), campaigns.today()
    rules = campaigns.rules_for(app, plan) if plan.rule else None

    def look(tx: Tx) -> tuple[Household, Seen]:
        return households.of(tx, space_id), reminders.look(app, tx, space, day, rules, plan.rule)

    house, seen = await app.db.read(look)
    heard = frozenset[str]()
    if space_id in {one.space_id for one in house.children}:
        for parent in house.parents:
            if await app.db.read(rows.waits, campaign.id, parent.space_id):
                await write_to(app, writer, campaign, plan, parent.space_id)
            if await app.db.read(rows.waits, campaign.id, parent.space_id):
                return ""  # never before its parents
            since = now_ms() - reminders.LATELY_MS
            if await app.db.read(rows.sent_since, campaign.id, parent.space_id, since):
                heard = await app.db.read(households.heard, app, parent, heard)
    return await _settle(app, writer, campaign, plan, space, seen, heard)


async def _settle(
    app: App, writer: Actor, campaign: Campaign, plan: Plan, space: SpaceHandle, seen: Seen, heard: frozenset[str]
) -> str:
    day = campaigns.today()
    allowed = rounds.hours(plan.hours or app.settings.reminder_hours)
    zone, any_day = rounds.zone_of(seen.situations), plan.any_day or app.settings.reminder_any_day
    now = now_ms()
    if rounds.opening(now, allowed, zone, any_day=any_day) > now:
        return ""
    if seen.quiet_until is None or seen.quiet_until > day:
        return await _spare(app, campaign, space.space_id, "stopped")
    planned: Planned | None = None
    if plan.rule:
        planned = next(iter(rounds.to_write(seen.standings, seen.spoken, day, any_level=True)), None)
        if planned is None:
            return await _spare(app, campaign, space.space_id, "not_due")
    shown = words_of(plan)
    if planned:
        shown = reminders.card(planned.standing.rule, seen.name, campaigns.rules_for(app, plan))
    effect = _Sending(campaign.id, planned, seen.newest.get(plan.rule, ""))
    receipt = await reminders.post(app, writer, space, shown, f"campaign:{campaign.id}", effect, heard)
    return "" if receipt.again else "sent"


def words_of(plan: Plan) -> dict[str, Any]:
    """The card of a campaign that is words."""
    names = ("title", "text", "title_en", "text_en", "text_falc")
    return {"type": "campaign", **{name: getattr(plan, name) for name in names}}


@dataclass(frozen=True, slots=True)
class _Sending:
    """In the transaction of the message: the campaign runs, the space waited, nothing was said of the rule since."""

    campaign_id: str
    planned: Planned | None
    newest: str

    def __call__(self, doing: Doing) -> None:
        campaigns.still_running(self.campaign_id)(doing.tx)
        if not rows.settle(doing.tx, self.campaign_id, doing.to.space_id, "sent", "", doing.message_id):
            raise Conflict("settled", "C’est déjà fait.")
        if self.planned is not None:
            reminders.sending(self.planned, self.newest)(doing)


async def _spare(app: App, campaign: Campaign, space_id: str, why: str) -> str:
    return "spared" if await app.db.write(rows.settle, campaign.id, space_id, "spared", why) else ""
