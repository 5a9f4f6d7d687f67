"""A helper or a second parent is asked to come: by a code that the holder hands over, and that only a signed-in person
can use, in their own name.

    invite → a code, shown once → the other person signs in, enters it, sees who asks and what → accepts or refuses

Promises: a code has 67 random bits, in letters and digits that are not mistaken for one another when read aloud or by
hand; it is kept as a keyed hash, works once, for 14 days; a new one kills the old (security checklist 5). It says
nothing of anybody, and stands in no address.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from server import brakes, delegates, people, reading, scopes
from server.delegates import HELPER, HELPERS_PER_PERSON, REPRESENTATIVE, REPRESENTATIVES, News
from server.drafts import Actor
from server.errors import Conflict, Invalid, NotAllowed, Refused
from server.handles import MailboxHandle
from server.people import majority
from storage import accounts, delegations
from storage.database import Tx
from storage.delegations import EVERYTHING, Invitation
from storage.ids import new_id, now_ms
from storage.vault import Sealed

if TYPE_CHECKING:
    from server.app import App
    from server.posting import Doing

# Neither what looks alike (0 O, 1 I, 8 B, 5 S, 2 Z) nor what sounds alike in French (of b c d e g p t v one, m or n, u
# or q, j or g): 19 signs, 16 times, are 67 bits.
ALPHABET = "2345679AFHJKLMPRUXY"
LENGTH, GROUP = 16, 4
CODE_DAYS = 14
DAY_MS = 86_400_000
TRIES, TRIES_MS = 10, 600_000  # codes somebody may enter, in how long
MAX_NAME = 80


@dataclass(frozen=True, slots=True)
class Asked:
    """What a code asks of whoever entered it. `until`: ISO 8601, '' for the majority of a child."""

    kind: str
    name: str
    birth_year: str
    scopes: frozenset[str]
    until: str
    expires: str


async def invite(
    app: App,
    box: MailboxHandle,
    kind: str,
    name: str,
    areas: frozenset[str] = EVERYTHING,
    months: int = 0,
    *,
    sworn: bool = False,
) -> str:
    """The code to hand over, never to be seen again. A helper is invited by the holder, an adult; a second
    representative by the first, who swears that they have parental authority. Raises `Invalid`, `NotAllowed`,
    `Conflict`, `Refused`.
    """
    name = " ".join(name.split())[:MAX_NAME]
    if not name:
        raise Invalid("no_name", "Écrivez le nom de la personne que vous invitez.")
    if kind == REPRESENTATIVE:
        areas = EVERYTHING
        if not sworn:
            raise Invalid("not_sworn", "Cochez la déclaration sur l’honneur pour continuer.")
        until = None
    else:
        areas, until = delegates.chosen(areas), delegates.until_after(app, months)
    code, invitation_id = _new_code(), new_id()

    def effect(doing: Doing) -> None:
        tx, space_id = doing.tx, box.space_id
        _may_invite(app, tx, box, kind)
        delegations.lock(tx, space_id)
        for waiting in delegations.waiting(tx, space_id):
            known = msgspec.json.decode(doing.to.keys.open("invitation", waiting.id, waiting.facts))["name"]
            if known.casefold() == name.casefold():
                delegations.withdraw(tx, space_id, waiting.id)  # a new code kills the old
        _room(tx, space_id, kind)
        facts: Sealed = doing.to.keys.seal("invitation", invitation_id, msgspec.json.encode({"name": name}))
        expires = now_ms() + CODE_DAYS * DAY_MS
        by = box.actor.account_id
        hashed = _hash(app, code)
        delegations.invite(tx, space_id, invitation_id, hashed, kind, areas, facts, until, by, expires)

    news = News(kind, "invited", "", name, box.actor.name, until, areas)
    await delegates.announce(app, box.space_id, box.actor, box.ground, news, effect)
    return code


def _may_invite(app: App, tx: Tx, box: MailboxHandle, kind: str) -> None:
    scopes.own_affairs(tx, box)
    minor = delegates.is_minor(app, tx, box.space_id)
    if kind == HELPER and (minor or box.ground != "self"):
        raise NotAllowed("no_helper_here", "Seule une personne majeure peut choisir un aidant, pour elle-même.")
    if kind == REPRESENTATIVE and not (minor and box.ground == REPRESENTATIVE):
        raise NotAllowed("no_representative_here", "Seul le représentant légal d’un enfant peut inviter l’autre.")


def _room(tx: Tx, space_id: str, kind: str) -> None:
    """Those who act and those who are expected, together, are no more than may be."""
    now = now_ms()
    there = sum(1 for one in delegations.of_space(tx, space_id) if one.kind == kind and not one.over(now))
    expected = sum(1 for one in delegations.waiting(tx, space_id) if one.kind == kind)
    if kind == HELPER and there + expected >= HELPERS_PER_PERSON:
        raise Conflict(
            "helpers_full",
            f"{HELPERS_PER_PERSON} aidants au plus, invitations comprises. Mettez fin à un accès ou à une invitation.",
        )
    if kind == REPRESENTATIVE and there + expected >= REPRESENTATIVES:
        raise Conflict("representatives_full", f"Cet enfant a déjà {REPRESENTATIVES} représentants légaux, ou attend.")


async def withdraw(app: App, box: MailboxHandle, invitation_id: str) -> None:
    """The code works no more. Raises `Refused`."""

    def find(tx: Tx) -> News:
        keys = reading.space_keys(app, tx, box.space_id)
        for one in delegations.waiting(tx, box.space_id):
            if one.id == invitation_id:
                name = msgspec.json.decode(keys.open("invitation", one.id, one.facts))["name"]
                return News(one.kind, "withdrawn", "", name, box.actor.name, one.until_at, one.scopes)
        raise Refused

    def effect(doing: Doing) -> None:
        scopes.own_affairs(doing.tx, box)
        if not delegations.withdraw(doing.tx, box.space_id, invitation_id):
            raise Refused

    await delegates.announce(app, box.space_id, box.actor, box.ground, await app.db.read(find), effect)


async def asked(app: App, actor: Actor, code: str) -> Asked:
    """Who asks this person, and what. Raises `Invalid` when the code is none (any more), `Throttled`."""
    await app.db.write(lambda tx: brakes.often(app, tx, "invitation", actor.account_id, TRIES, TRIES_MS))

    def find(tx: Tx) -> Asked:
        one = _good(app, tx, actor, code)
        whose = people.traits(app, tx, one.space_id)
        if whose is None:
            raise no_code()
        until = reading.iso(one.until_at) if one.until_at is not None else ""
        return Asked(one.kind, whose.name, whose.birth_date[:4], one.scopes, until, reading.iso(one.expires_at))

    return await app.db.read(find)


def _good(app: App, tx: Tx, actor: Actor, code: str) -> Invitation:
    """The invitation of this code, when whoever gave it still may, and whoever has it may take it."""
    one = delegations.invited(tx, _hash(app, code))
    holder = accounts.holder_of(tx, one.space_id) if one else None
    if one is None or holder is None or actor.kind != "holder":
        raise no_code()
    if holder.id == actor.account_id:
        raise Invalid("own_code", "Ce code est pour la personne que vous invitez. Donnez-le-lui.")
    by = delegations.in_force(tx, one.space_id, one.invited_by)
    if one.invited_by != holder.id and (by is None or by.kind != REPRESENTATIVE):
        raise no_code()
    if delegates.is_minor(app, tx, actor.space_id):
        raise NotAllowed("minor_helper", "Il faut être majeur pour agir pour quelqu’un.")
    return one


async def accept(app: App, actor: Actor, code: str, *, sworn: bool = False) -> str:
    """From now on `actor` acts for whoever invited them: that space's mailbox. Raises `Invalid`, `NotAllowed`,
    `Conflict` (the limits, whatever happens at once).
    """
    one = await app.db.read(lambda tx: _good(app, tx, actor, code))
    if one.kind == REPRESENTATIVE and not sworn:
        raise Invalid("not_sworn", "Cochez la déclaration sur l’honneur pour continuer.")
    until = await app.db.read(_until, app, one)

    def effect(doing: Doing) -> None:
        now = _good(app, doing.tx, actor, code)
        if not delegations.take(doing.tx, now, actor.account_id):
            raise no_code()
        delegates.begin(doing.tx, one.space_id, actor.account_id, one.kind, until, one.invited_by, one.scopes)

    news = News(one.kind, "accepted", actor.account_id, actor.name, actor.name, until, one.scopes)
    await delegates.announce(app, one.space_id, actor, "invitation", news, effect, delegates.ends(app, news))
    holder = await app.db.read(accounts.holder_of, one.space_id)
    return holder.mailbox_id if holder else ""


def _until(tx: Tx, app: App, one: Invitation) -> int | None:
    if one.kind == HELPER:
        return one.until_at
    whose = people.traits(app, tx, one.space_id)
    of_age = majority(whose.birth_date) if whose else None
    if of_age is None or of_age <= now_ms():
        raise no_code()
    return of_age


async def refuse(app: App, actor: Actor, code: str) -> None:
    """They will not; the code works no more, and the holder is told. Raises `Invalid`."""
    one = await app.db.read(lambda tx: _good(app, tx, actor, code))

    def effect(doing: Doing) -> None:
        if not delegations.take(doing.tx, one, actor.account_id):
            raise no_code()

    news = News(one.kind, "refused", actor.account_id, actor.name, actor.name, one.until_at, one.scopes)
    await delegates.announce(app, one.space_id, actor, "invitation", news, effect)


def no_code() -> Invalid:
    """The same answer for a code that never was, that was used, that is too old."""
    return Invalid("no_such_code", "Ce code n’est pas bon, a déjà servi ou n’est plus valable. Demandez-en un autre.")


def _new_code() -> str:
    text = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    return " ".join(text[at : at + GROUP] for at in range(0, LENGTH, GROUP))


def _hash(app: App, code: str) -> str:
    """However it was typed: spaces, hyphens and case do not count."""
    return app.vault.lookup("invitation", "".join(c for c in code.upper() if c.isalnum())[:100])
