"""Households: who is reminded together, in which order, on which day.

A household is the people bound by legal representation: parents, and the children they act for.

    Rounds: claim the spaces that are due  →  look(): outside the hours, at their opening; else
            each parent, then each child: `reminders.write`  →  the day to look again, from the rules themselves

Promises: a child is never written to before its parents: what stops a parent's reminder puts the whole household off,
and what was written is not written again. Who acts for several hears of one round once, by their own channels. A
household is looked at by one process at a time, and a process that dies leaves it due again.

Does not: decide what is due (`server.prevention`), or what leaves the house (`server.notices`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from server import wishes
from server.bots import reminders
from server.delivery import spread
from server.errors import Refused
from server.prevention import rounds
from server.settings import PLACE
from storage import accounts, delegations, lifecycle
from storage import rounds as rows
from storage.accounts import Account
from storage.database import DatabaseDown, Tx
from storage.ids import now_ms

if TYPE_CHECKING:
    from server.app import App

log = structlog.get_logger()

REPRESENTATIVE = "representative"
AT_MOST = 20  # people of one household
LEASE_MS = 5 * 60_000
PUT_OFF_MS = 10 * 60_000  # what could not be written now
CLAIM = 64
LONGEST_SLEEP_S = 60.0
BEGIN_EVERY_S = 600.0
BEGIN = 5_000  # new spaces taken up at a time


@dataclass(frozen=True, slots=True)
class Household:
    """In the order in which they are written to."""

    parents: tuple[Account, ...]
    children: tuple[Account, ...]

    @property
    def people(self) -> tuple[Account, ...]:
        return self.parents + self.children

    @property
    def leader(self) -> str:
        """The space by which the household is looked at."""
        return min((one.space_id for one in self.parents or self.children), default="")


def of(tx: Tx, space_id: str) -> Household:
    """Everybody bound to this space by legal representation now; of a very large household the nearest."""
    found: dict[str, Account] = {}
    represented: set[str] = set()
    to_see = [space_id]
    while to_see and len(found) < AT_MOST:
        here = to_see.pop(0)
        account = accounts.holder_of(tx, here)
        if account is None or here in found:
            continue
        found[here] = account
        for parent in _representatives(tx, here):
            represented.add(here)
            to_see.append(parent.space_id)
        to_see += [one.space_id for one in delegations.of_account(tx, account.id) if one.kind == REPRESENTATIVE]
    people = [found[one] for one in sorted(found)]
    return Household(
        tuple(one for one in people if one.space_id not in represented),
        tuple(one for one in people if one.space_id in represented),
    )


def _representatives(tx: Tx, space_id: str) -> list[Account]:
    now = now_ms()
    rights = [one for one in delegations.of_space(tx, space_id) if one.kind == REPRESENTATIVE and not one.over(now)]
    known = (accounts.by_id(tx, right.account_id) for right in rights)
    return [account for account in known if account is not None and account.kind == "holder"]


def heard(tx: Tx, app: App, account: Account, written: frozenset[str]) -> frozenset[str]:
    """Who is told outside Pli of what was just written to `account`, and so need not be told of the rest of the round:
    itself, and who acts for it and wished to hear of its mailbox. `written`: who heard already.
    """
    told = {account.id}
    for right in delegations.of_space(tx, account.space_id):
        if not right.over(now_ms()) and account.mailbox_id in wishes.of(app, tx, right.account_id).spaces:
            told.add(right.account_id)
    return written | told


# ---- one household ---------------------------------------------------------------------------------------------------


async def look(app: App, space_id: str) -> int | None:
    """Write what is due to the household of this space, when its hour has come; returns when to look again (ms), None
    for never: nobody is there any more. Raises what keeps a reminder from being written now.
    """
    house = await app.db.read(of, space_id)
    now, settings = now_ms(), app.settings
    if not house.people or not await app.db.read(lifecycle.is_open, space_id):
        return None
    if house.leader != space_id:
        await app.db.write(rows.look_at, house.leader, now)
        return now + int(rounds.data()["look_again_days"]) * wishes.DAY_MS
    zone = await reminders.zone(app, space_id)
    allowed = rounds.hours(settings.reminder_hours)
    opens = rounds.opening(now, allowed, zone, any_day=settings.reminder_any_day)
    if opens > now:
        day = datetime.fromtimestamp(opens / 1000, UTC).astimezone(zone).date()
        return rounds.at_opening(day, allowed, zone, spread(space_id), any_day=settings.reminder_any_day)
    today = datetime.fromtimestamp(now / 1000, UTC).astimezone(zone).date()
    day = (await write(app, house, today)).next_day
    return rounds.at_opening(day, allowed, zone, spread(space_id), any_day=settings.reminder_any_day)


@dataclass(frozen=True, slots=True)
class Round:
    """How many reminders were posted, and the first day on which there may be something more to say."""

    posted: int
    next_day: date


async def write(app: App, house: Household, today: date) -> Round:
    """What is due today, parents first. Raises what keeps a reminder from being written now."""
    days, told, posted = [today + timedelta(days=rounds.data()["look_again_days"])], frozenset[str](), 0
    for one in house.people:
        try:
            done = await reminders.write(app, one.space_id, today, heard=told)
        except Refused:  # their space is closed: the others' are not
            continue
        days.append(done.next_day)
        posted += len(done.messages)
        if done.messages or done.lately:
            told = await app.db.read(heard, app, one, told)
    return Round(posted, min(days))


async def remind_everybody(app: App) -> int:
    """One round over all households, now; how many reminders were posted."""
    today, posted = datetime.now(PLACE).date(), 0
    for holder in await app.db.read(accounts.holders):
        house = await app.db.read(of, holder.space_id)
        if house.leader == holder.space_id:
            posted += (await write(app, house, today)).posted
    return posted


# ---- all of them -----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def kept_round(app: App) -> AsyncIterator[None]:
    """Look at each household on its day, while this process stands."""
    task = asyncio.create_task(_forever(app), name="rounds") if app.settings.reminder_rounds else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _forever(app: App) -> None:
    begun = 0.0
    clock = asyncio.get_running_loop().time
    while True:
        wait = LONGEST_SLEEP_S
        try:
            if clock() - begun > BEGIN_EVERY_S or not begun:
                begun = clock()
                await app.db.write(rows.begin, now_ms(), BEGIN)
            if await go_round(app):
                continue
            due = await app.db.read(rows.next_due)
            wait = wait if due is None else min(wait, max(0.05, (due - now_ms()) / 1000))
        except DatabaseDown:
            wait = 5.0
        except Exception as error:  # noqa: BLE001 - one household that cannot be read must not stop the others
            log.error("rounds.failed", error=type(error).__name__)
        await asyncio.sleep(wait)


async def go_round(app: App) -> int:
    """Look at the households that are due now; how many spaces were."""
    batch = await app.db.write(rows.claim, LEASE_MS, CLAIM)
    await asyncio.gather(*(_one(app, space_id, lease) for space_id, lease in batch))
    return len(batch)


async def _one(app: App, space_id: str, lease: int) -> None:
    try:
        due = await look(app, space_id)
    except Exception as error:  # noqa: BLE001 - one household that cannot be written to must not stop the others
        log.warning("rounds.put_off", error=type(error).__name__)
        due = now_ms() + PUT_OFF_MS
    if due is None:
        await app.db.write(rows.forget, space_id)
    else:
        await app.db.write(rows.settle, space_id, lease, due)
