"""Private addresses where a calendar program of the holder's reads their agenda.

    make() → the address, shown once  ·  read(secret) → iCalendar, without a session  ·  end()

Promises: the secret is 256 random bits, kept as a hash and found by it, so that what is compared says nothing of time;
« Occupé » is all that leaves the house, unless the holder chose otherwise for this address; what is wrong is absent. It
ends at once when it is ended, when its maker is signed out everywhere or may no longer act, and when the space is
closed or suspended, for good: nothing opens it again.

Does not: take anything from that program. A calendar server (CalDAV) would need to: this is a file that is read.
"""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from server import audit, brakes, people, scopes, space_news
from server.agenda import book, ics, recurrence
from server.audit import Act
from server.errors import Conflict, Invalid, Refused
from server.sessions import secret_hash
from storage import accounts, delegations, lifecycle
from storage import feeds as kept
from storage.appointments import Appointment
from storage.feeds import Feed
from storage.ids import new_id

if TYPE_CHECKING:
    from server.app import App
    from server.handles import DossierHandle, MailboxHandle
    from server.posting import Doing
    from storage.database import Tx
    from storage.vault import SpaceKeys

MOST: Final = 10  # of one space
MAX_NAME: Final = 60
PAST: Final = timedelta(days=90)  # what was before is of no use to a calendar
MOST_EVENTS: Final = 2000
READS, READS_MS = 60, 600_000  # of one address; a program asks four times an hour
WRONG, WRONG_MS = 30, 600_000  # secrets that are none, from one source
SEEN_AGAIN_MS: Final = 86_400_000  # one row of the log a day: it is the holder's own program
SAYS: Final = {
    ics.BUSY: ("« Occupé », et rien d’autre", "“Busy”, and nothing else"),
    ics.TITLES: ("les titres, sans le lieu ni les personnes", "the titles, without places or people"),
    ics.ALL: ("les titres, les lieux, les personnes et vos notes", "titles, places, people and your notes"),
}
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}")


class _Facts(msgspec.Struct, frozen=True):
    name: str
    says: str


class FeedView(msgspec.Struct, frozen=True):
    """An address as its holder sees it. `by`: who made it. Times in ms; `used_at` None when nobody read it yet."""

    id: str
    name: str
    says: str
    by: str
    created_at: int
    used_at: int | None


# ---- the holder's side -----------------------------------------------------------------------------------------------


async def make(app: App, box: MailboxHandle, handle: DossierHandle, name: str, says: str, client_key: str) -> str:
    """The secret of a new address: shown once, and kept nowhere. Raises `Invalid`, `NotAllowed`, `Refused`; `Conflict`
    for a form that was sent before.
    """
    name = " ".join(name.split())
    if says not in ics.LEVELS:
        raise Invalid("feed_says_what", "Choisissez ce que cette adresse montre.")
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise Invalid("feed_without_name", f"Donnez un nom à cette adresse ({MAX_NAME} caractères au plus).")
    secret, feed_id = secrets.token_urlsafe(32), new_id()

    def effect(doing: Doing) -> None:
        scopes.own_affairs(doing.tx, box)
        if len(kept.of_space(doing.tx, box.space_id)) >= MOST:
            raise Invalid("too_many_feeds", f"Il y a déjà {MOST} adresses. Retirez-en une d’abord.")
        facts = handle.keys.seal("feed", feed_id, msgspec.json.encode(_Facts(name, says)))
        kept.add(doing.tx, box.space_id, feed_id, secret_hash(secret), facts, box.actor.account_id)
        audit.record(doing.tx, Act.FEED_MADE, box.actor, box.space_id, box.ground, feed_id, says)

    fr, en = SAYS[says]
    receipt = await space_news.note(
        app, box, f"Une adresse privée de l’agenda est créée. Elle montre {fr}.",
        f"A private address of the agenda was made. It shows {en}.", effect,
        action="agenda.feed", retry_key=f"feed:{box.actor.account_id}:{client_key[:200]}" if client_key else "",
    )  # fmt: skip
    if receipt.again:
        raise Conflict("feed_shown_once", "Cette adresse a déjà été montrée. Retirez-la et faites-en une autre.")
    return secret


async def listed(app: App, box: MailboxHandle, handle: DossierHandle) -> list[FeedView]:
    """Those in force. Raises `NotAllowed`, `Refused`."""

    def pull(tx: Tx) -> list[FeedView]:
        scopes.own_affairs(tx, box)
        return [_view(app, tx, handle.keys, one) for one in kept.of_space(tx, box.space_id)]

    return await app.db.read(pull)


def _view(app: App, tx: Tx, keys: SpaceKeys, one: Feed) -> FeedView:
    known, by = _facts(keys, one), accounts.by_id(tx, one.created_by)
    name = people.actor_in(app, tx, by).name if by else ""
    return FeedView(one.id, known.name, known.says, name, one.created_at, one.used_at)


def _facts(keys: SpaceKeys, one: Feed) -> _Facts:
    return msgspec.json.decode(keys.open("feed", one.id, one.facts), type=_Facts)


async def end(app: App, box: MailboxHandle, feed_id: str) -> None:
    """No more, at once. What ended already is nothing new. Raises `NotAllowed`, `Refused`."""

    def there(tx: Tx) -> bool:
        scopes.own_affairs(tx, box)
        return any(one.id == feed_id for one in kept.of_space(tx, box.space_id))

    if not await app.db.read(there):
        return

    def effect(doing: Doing) -> None:
        scopes.own_affairs(doing.tx, box)
        if kept.end(doing.tx, box.space_id, feed_id, box.actor.account_id):
            audit.record(doing.tx, Act.FEED_ENDED, box.actor, box.space_id, box.ground, feed_id)

    await space_news.note(
        app, box, "Une adresse privée de l’agenda est retirée. Plus rien ne s’y lit.",
        "A private address of the agenda was ended. Nothing can be read there any more.", effect,
        action="agenda.feed", retry_key="",
    )  # fmt: skip


# ---- the program's side ----------------------------------------------------------------------------------------------


async def read(app: App, secret: str, source: str) -> bytes:
    """The calendar of an address. Raises `Refused` for anything that is none in force; `Throttled`."""
    found = await app.db.write(lambda tx: _found(app, tx, secret, source))
    if found is None:
        raise Refused
    one, keys, language = found
    now = datetime.now(UTC)

    def pull(tx: Tx) -> list[tuple[Appointment, dict[str, Any]]]:
        return [(row, facts) for row, facts in book.listed(tx, keys) if _leaves(row, facts, now)][-MOST_EVENTS:]

    known, facts = await app.db.read(pull), _facts(keys, one)
    return ics.calendar(app, one.space_id, known, facts.says, now, "Pli", language)


def _leaves(row: Appointment, facts: dict[str, Any], now: datetime) -> bool:
    if row.state in {"declined", "removed"}:
        return False
    return bool(recurrence.occurrences(facts, now - PAST, now + timedelta(days=3700), 1))


def _found(app: App, tx: Tx, secret: str, source: str) -> tuple[Feed, SpaceKeys, str] | None:
    """The address of this secret, while it may be read; None is counted against where the question comes from."""
    brakes.not_too_often(app, tx, "feed-wrong", source, WRONG)
    one = kept.by_secret(tx, secret_hash(secret)) if _SECRET.fullmatch(secret) else None
    maker = accounts.by_id(tx, one.created_by) if one else None
    if one is None or maker is None or not _in_force(tx, one):
        brakes.often(app, tx, "feed-wrong", source, WRONG, WRONG_MS)
        return None
    brakes.often(app, tx, "feed", one.id, READS, READS_MS)
    kept.used(tx, one)
    actor, ground = people.actor_in(app, tx, maker), "self" if maker.space_id == one.space_id else "representative"
    audit.record_once(tx, Act.FEED_READ, actor, one.space_id, ground, one.id, why="", within_ms=SEEN_AGAIN_MS)
    space = accounts.space(tx, one.space_id)
    assert space is not None  # noqa: S101 - `_in_force` found it open
    return one, app.vault.space(space.id, space.wrapped_key), maker.language


def _in_force(tx: Tx, one: Feed) -> bool:
    """Not ended; the space is open, and was all the time; who made it may still."""
    if one.ended_at is not None or not lifecycle.is_open(tx, one.space_id):
        return False
    if any(change.at >= one.created_at and change.state in _SHUT for change in lifecycle.changes(tx, one.space_id)):
        return False
    if not accounts.in_force(tx, one.created_by):
        return False
    holder = accounts.holder_of(tx, one.space_id)
    right = delegations.in_force(tx, one.space_id, one.created_by)
    if holder is not None and holder.id == one.created_by:
        return True
    return right is not None and right.kind == "representative"


_SHUT: Final = frozenset({"opposed", "closed", "suspended", "died", "destroyed"})


def created(one: FeedView) -> datetime:
    return datetime.fromtimestamp(one.created_at / 1000, UTC)


def used(one: FeedView) -> datetime | None:
    return datetime.fromtimestamp(one.used_at / 1000, UTC) if one.used_at else None
