"""Who has to do with a space, as a page shows it: who acts there, who did, who is expected, what happened.

Does not: change anything (`server.delegates`, `server.invitations`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from server import reading
from server.delegates import PURPOSE, REPRESENTATIVE, Facts, is_minor, traits_of
from server.errors import Refused
from server.handles import MailboxHandle
from storage import delegations
from storage.database import Tx
from storage.delegations import Delegation
from storage.ids import now_ms
from storage.vault import SpaceKeys

if TYPE_CHECKING:
    from server.app import App


@dataclass(frozen=True, slots=True)
class Acting:
    """Somebody who acts, or acted, in a space. `since`, `until`: ISO 8601 ('' when no end is set)."""

    account_id: str
    kind: str
    name: str
    sex: str
    since: str
    until: str
    scopes: frozenset[str]
    over: bool


@dataclass(frozen=True, slots=True)
class Expected:
    """Somebody who was invited and has not answered."""

    id: str
    kind: str
    name: str
    expires: str
    until: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Happened:
    """A change: what, when, by whom, about whom."""

    at: str
    kind: str
    what: str
    name: str
    by: str


@dataclass(frozen=True, slots=True)
class Overview:
    """Everybody who has to do with a space. `minor`: the holder is a child. `manages`: who looks may change it."""

    acting: list[Acting]
    past: list[Acting]
    expected: list[Expected]
    history: list[Happened]
    minor: bool
    manages: bool


async def overview(app: App, box: MailboxHandle) -> Overview:
    """Who acts in this space, who is expected, what happened: for the holder and everybody who acts there. Raises
    `Refused`.
    """

    def pull(tx: Tx) -> Overview:
        keys = reading.space_keys(app, tx, box.space_id)
        everybody = [_acting(app, tx, one) for one in delegations.of_space(tx, box.space_id)]
        return Overview(
            [one for one in everybody if not one.over],
            [one for one in everybody if one.over],
            [_expected(keys, one) for one in delegations.waiting(tx, box.space_id)],
            [_happened(keys, one) for one in delegations.changes(tx, box.space_id)],
            is_minor(app, tx, box.space_id),
            box.ground in {"self", REPRESENTATIVE},
        )

    if box.owner_kind != "holder":
        raise Refused
    return await app.db.read(pull)


def _acting(app: App, tx: Tx, one: Delegation) -> Acting:
    traits = traits_of(app, tx, one.account_id)
    ends = one.until_at if one.revoked_at is None else one.revoked_at
    until = reading.iso(ends) if ends is not None else ""
    name, sex = (traits.name, traits.sex) if traits else ("", "")
    over = one.over(now_ms())
    return Acting(one.account_id, one.kind, name, sex, reading.iso(one.from_at), until, one.scopes, over)


def _expected(keys: SpaceKeys, one: delegations.Invitation) -> Expected:
    name = msgspec.json.decode(keys.open("invitation", one.id, one.facts))["name"]
    until = reading.iso(one.until_at) if one.until_at is not None else ""
    return Expected(one.id, one.kind, name, reading.iso(one.expires_at), until, one.scopes)


def _happened(keys: SpaceKeys, one: delegations.Change) -> Happened:
    facts = msgspec.json.decode(keys.open(PURPOSE, one.id, one.facts), type=Facts)
    return Happened(reading.iso(one.at), one.kind, one.what, facts.name, facts.by)
