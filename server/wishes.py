"""When somebody wants to be told outside Pli, and by which way: their wishes, and what follows from them at an instant.

Promises: each way (push, e-mail, SMS) tells only of what is still unread once its wait is over, never within the quiet
hours, never during a pause, and once for what came together: while a notice stands unanswered, what arrives soon after
it is part of it. Hours are those of Paris on both sides of a change of clocks. The link that a notice carries can only
lessen what is sent.

Does not: send (`server.notices`, `server.push`), or know who may read what.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

import msgspec

from server import people
from server.errors import Refused
from server.sessions import secret_hash
from server.settings import PLACE
from storage import notices
from storage.database import Tx
from storage.ids import now_ms
from storage.notices import Waiting

if TYPE_CHECKING:
    from server.app import App

WAYS = ("push", "mail", "sms")
NEVER = -1
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
STANDS_MS = {"push": 10 * MINUTE_MS, "mail": 12 * HOUR_MS, "sms": DAY_MS}  # how long a notice speaks for what follows
REDUCED_DAYS = 7
PURPOSE = "notice"


class Wishes(msgspec.Struct, frozen=True):
    """Waits in minutes (-1: never). Hours 0 to 23 in Paris; equal ones mean no quiet. `digest`: the hour of the one
    notice a day, or -1. `paused_until`: ms. `spaces`: mailboxes of others to be told of. `asked`: they were offered
    push once and for all. `link`: what a notice's link carries. `tried_at`: the last trial, ms.
    """

    push: int = 0
    mail: int = 30
    sms: int = NEVER
    quiet_from: int = 21
    quiet_to: int = 8
    digest: int = NEVER
    people: bool = True
    services: bool = True
    paused_until: int = 0
    spaces: tuple[str, ...] = ()
    asked: bool = False
    link: str = ""
    tried_at: int = 0


Marks = dict[str, tuple[int, int]]  # for each way: (the last number it told of, when)


@dataclass(frozen=True, slots=True)
class Decision:
    """`tell`: the ways that tell now. `due`: when to look again, ms; None when nothing waits to be told."""

    tell: tuple[str, ...]
    marks: Marks
    due: int | None


def decide(
    wishes: Wishes, ways: Sequence[str], unread: Sequence[Waiting], since: int, marks: Mapping[str, tuple[int, int]],
    now: int,
) -> Decision:  # fmt: skip
    """What is told at `now` (ms). `ways`: those that lead to this person. `unread`: what they have not read. `since`:
    the number below which nothing was ever to be told.
    """
    found = [one for one in unread if wanted(wishes, one)]
    kept, tell, due = dict(marks), list[str](), list[int]()
    for way in ways_wished(wishes, ways):
        told, at = kept.get(way, (since, 0))
        fresh = [one for one in found if one.seq > told]
        if not fresh:
            continue
        last = max(one.seq for one in fresh)
        if now < at + STANDS_MS[way] and any(one.seq <= told for one in found):
            kept[way] = (last, at)
            continue
        moment = when(wishes, way, min(one.at for one in fresh), now)
        if moment <= now:
            tell.append(way)
            kept[way] = (last, now)
        else:
            due.append(moment)
    return Decision(tuple(tell), kept, min(due, default=None))


def wanted(wishes: Wishes, one: Waiting) -> bool:
    """Whether they want to hear of a message by such a writer."""
    return wishes.services if one.author_kind == "bot" else wishes.people


def ways_wished(wishes: Wishes, ways: Sequence[str]) -> list[str]:
    """The ways they want among those that lead to them; the digest takes one alone."""
    order = WAYS if wishes.digest == NEVER else ("mail", "push", "sms")
    found = [way for way in order if way in ways and getattr(wishes, way) != NEVER]
    return found if wishes.digest == NEVER else found[:1]


def when(wishes: Wishes, way: str, arrived: int, now: int) -> int:
    """When a message that arrived at `arrived` is told by `way`, if it stays unread (ms)."""
    if now < wishes.paused_until:
        return wishes.paused_until
    if wishes.digest != NEVER:
        return next_hour(max(arrived, wishes.paused_until), wishes.digest)
    wait = arrived + int(getattr(wishes, way)) * MINUTE_MS
    return quiet_until(wishes, max(wait, now))


def quiet_until(wishes: Wishes, at: int) -> int:
    """`at`, or the end of the quiet hours that it falls in (ms)."""
    hour, start, end = _local(at).hour, wishes.quiet_from, wishes.quiet_to
    quiet = start <= hour < end if start <= end else hour >= start or hour < end
    return next_hour(at, end) if quiet and start != end else at


def next_hour(after: int, hour: int) -> int:
    """The next instant after `after` at which clocks in Paris strike `hour` (ms)."""
    day = _local(after).date()
    moments = (datetime.combine(day + timedelta(days=days), time(hour), PLACE) for days in range(3))
    return next(ms for moment in moments if (ms := int(moment.timestamp() * 1000)) > after)


def _local(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC).astimezone(PLACE)


def of(app: App, tx: Tx, account_id: str) -> Wishes:
    """What an account in force wishes; the default for one that said nothing. Raises `Unauthorised`."""
    sealed = notices.wishes(tx, account_id)
    if sealed is None:
        return Wishes()
    keys = people.own_keys(app, tx, account_id)
    return msgspec.json.decode(keys.open(PURPOSE, account_id, sealed), type=Wishes)


def change(app: App, tx: Tx, account_id: str, how: Callable[[Wishes], Wishes]) -> Wishes:
    """Keep what `how` makes of the wishes; what waits is looked at again. Raises `Unauthorised`."""
    wishes = how(of(app, tx, account_id))
    if not wishes.link:
        wishes = msgspec.structs.replace(wishes, link=secrets.token_urlsafe(16))
    keys = people.own_keys(app, tx, account_id)
    sealed = keys.seal(PURPOSE, account_id, msgspec.json.encode(wishes))
    notices.save(tx, account_id, sealed, secret_hash(wishes.link))
    notices.look_again(tx, account_id)
    return wishes


async def save(app: App, account_id: str, how: Callable[[Wishes], Wishes]) -> Wishes:
    """As `change`, in a transaction of its own."""
    wishes = await app.db.write(lambda tx: change(app, tx, account_id, how))
    app.delivery.wake()
    return wishes


async def known_link(app: App, link: str) -> Wishes:
    """The wishes of whose notices carry this link. Raises `Refused`."""

    def find(tx: Tx) -> Wishes:
        account_id = notices.by_link(tx, secret_hash(link))
        if account_id is None:
            raise Refused
        return of(app, tx, account_id)

    return await app.db.read(find)


REDUCE: dict[str, Callable[[Wishes], Wishes]] = {
    "pause": lambda wishes: msgspec.structs.replace(
        wishes, paused_until=max(wishes.paused_until, now_ms() + REDUCED_DAYS * DAY_MS)
    ),
    "mail": lambda wishes: msgspec.structs.replace(wishes, mail=NEVER),
    "sms": lambda wishes: msgspec.structs.replace(wishes, sms=NEVER),
}


async def reduce(app: App, link: str, less: str) -> None:
    """Lessen what is sent, by a notice's link and without signing in. `less`: pause, mail or sms. Raises `Refused`."""

    def lessen(tx: Tx) -> None:
        account_id = notices.by_link(tx, secret_hash(link))
        if account_id is None or less not in REDUCE:
            raise Refused
        change(app, tx, account_id, REDUCE[less])

    await app.db.write(lessen)
