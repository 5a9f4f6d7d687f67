"""Campaigns: what each is, every change of it, and whom it is for. Functions of one transaction.

A space stands in a campaign once, in one state: so `sent` + `spared` + `waiting` is what was gathered, at any instant.
`settle` moves one from `waiting`, once, in the transaction of what is posted to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from storage.database import Tx
from storage.ids import new_id, now_ms

WORKED_ON = ("gathering", "running")
_FIELDS = "id, state, facts, version, changed_by, changed_at"


@dataclass(frozen=True, slots=True)
class Campaign:
    """`state`: draft, gathering, running, paused, ended, stopped. `facts`: JSON, about nobody."""

    id: str
    state: str
    facts: str
    version: int
    changed_by: str
    changed_at: int


@dataclass(frozen=True, slots=True)
class Change:
    state: str
    by: str
    at: int


@dataclass(frozen=True, slots=True)
class Target:
    """A space as gathering needs it."""

    space_id: str
    wrapped_key: bytes
    traits: bytes


def insert(tx: Tx, campaign_id: str, facts: str, by: str) -> None:
    """A draft."""
    now = now_ms()
    tx.run(
        "INSERT INTO campaigns (id, state, facts, version, changed_by, changed_at)"
        " VALUES (:id, 'draft', :facts, 1, :by, :at)",
        id=campaign_id,
        facts=facts,
        by=by,
        at=now,
    )
    _record(tx, campaign_id, "draft", facts, by, now)


def change(tx: Tx, campaign: Campaign, state: str, by: str, facts: str = "") -> bool:
    """The next state of what was read; False when somebody changed it meanwhile."""
    facts, now = facts or campaign.facts, max(now_ms(), campaign.changed_at + 1)  # so that their order is known
    done = tx.run(
        "UPDATE campaigns SET state = :state, facts = :facts, version = version + 1, changed_by = :by,"
        " changed_at = :at WHERE id = :id AND version = :version RETURNING id",
        state=state,
        facts=facts,
        by=by,
        at=now,
        id=campaign.id,
        version=campaign.version,
    )
    if done:
        _record(tx, campaign.id, state, facts, by, now)
    return bool(done)


def _record(tx: Tx, campaign_id: str, state: str, facts: str, by: str, at: int) -> None:
    tx.run(
        "INSERT INTO campaign_changes (campaign_id, id, state, facts, by, at)"
        " VALUES (:c, :id, :state, :facts, :by, :at)",
        c=campaign_id,
        id=new_id(),
        state=state,
        facts=facts,
        by=by,
        at=at,
    )


def find(tx: Tx, campaign_id: str) -> Campaign | None:
    rows = tx.run(f"SELECT {_FIELDS} FROM campaigns WHERE id = :id", id=campaign_id)
    return Campaign(*rows[0]) if rows else None


def every(tx: Tx) -> list[Campaign]:
    """The last changed first."""
    return [Campaign(*row) for row in tx.run(f"SELECT {_FIELDS} FROM campaigns ORDER BY changed_at DESC, id")]


def changes(tx: Tx, campaign_id: str) -> list[Change]:
    """The oldest first."""
    rows = tx.run("SELECT state, by, at FROM campaign_changes WHERE campaign_id = :c ORDER BY at, id", c=campaign_id)
    return [Change(*row) for row in rows]


# ---- who works on one ------------------------------------------------------------------------------------------------


def take(tx: Tx, campaign_id: str, runner: str, lease_ms: int) -> Campaign | None:
    """Work on a campaign for a while, alone; again before that is over, to go on. None: it is not to be worked on, or
    another process does.
    """
    now = now_ms()
    rows = tx.run(
        "UPDATE campaigns SET runner = :me, runner_until = :until WHERE id = :id AND state IN ('gathering', 'running')"
        f" AND (runner = :me OR runner_until <= :now) RETURNING {_FIELDS}",
        me=runner,
        until=now + lease_ms,
        id=campaign_id,
        now=now,
    )
    return Campaign(*rows[0]) if rows else None


def leave(tx: Tx, runner: str) -> None:
    """This process works on none any more: another need not wait."""
    tx.run("UPDATE campaigns SET runner_until = 0 WHERE runner = :me", me=runner)


def to_work_on(tx: Tx) -> list[str]:
    return [row[0] for row in tx.run("SELECT id FROM campaigns WHERE state IN ('gathering', 'running') ORDER BY id")]


def is_running(tx: Tx, campaign_id: str) -> bool:
    """In the transaction of a message: a pause waits for it, and nothing follows a pause."""
    held = " FOR SHARE" if tx.engine == "postgresql" else ""
    return bool(tx.run(f"SELECT 1 FROM campaigns WHERE id = :id AND state = 'running'{held}", id=campaign_id))


# ---- whom one is for -------------------------------------------------------------------------------------------------


def population(tx: Tx, after: str, limit: int) -> list[Target]:
    """Open spaces of holders above an id, by id."""
    rows = tx.run(
        "SELECT id, wrapped_key, traits FROM spaces WHERE id > :after AND kind = 'holder' AND state = 'open'"
        " AND traits IS NOT NULL ORDER BY id LIMIT :limit",
        after=after,
        limit=limit,
    )
    return [Target(*row) for row in rows]


def gather(tx: Tx, campaign_id: str, space_ids: Sequence[str]) -> None:
    """These wait for it; who stands in it already stays as they are."""
    for space_id in space_ids:
        tx.run(
            "INSERT INTO campaign_spaces (space_id, campaign_id, at) VALUES (:s, :c, :at) ON CONFLICT DO NOTHING",
            s=space_id,
            c=campaign_id,
            at=now_ms(),
        )


def gathered_to(tx: Tx, campaign_id: str) -> str:
    """The last id that was gathered; "" for none."""
    rows = tx.run("SELECT MAX(space_id) FROM campaign_spaces WHERE campaign_id = :c", c=campaign_id)
    return rows[0][0] or ""


def waiting(tx: Tx, campaign_id: str, after: str, limit: int) -> list[str]:
    """Spaces above an id that wait for it, by id."""
    rows = tx.run(
        "SELECT space_id FROM campaign_spaces WHERE campaign_id = :c AND state = 'waiting' AND space_id > :after"
        " ORDER BY space_id LIMIT :limit",
        c=campaign_id,
        after=after,
        limit=limit,
    )
    return [row[0] for row in rows]


def waits(tx: Tx, campaign_id: str, space_id: str) -> bool:
    return bool(
        tx.run(
            "SELECT 1 FROM campaign_spaces WHERE campaign_id = :c AND space_id = :s AND state = 'waiting'",
            c=campaign_id,
            s=space_id,
        )
    )


def sent_since(tx: Tx, campaign_id: str, space_id: str, since: int) -> bool:
    return bool(
        tx.run(
            "SELECT 1 FROM campaign_spaces WHERE campaign_id = :c AND space_id = :s AND state = 'sent' AND at >= :at",
            c=campaign_id,
            s=space_id,
            at=since,
        )
    )


def settle(tx: Tx, campaign_id: str, space_id: str, state: str, why: str = "", message_id: str = "") -> bool:
    """`sent`, or `spared` with why. False when it was settled before."""
    return bool(
        tx.run(
            "UPDATE campaign_spaces SET state = :state, why = :why, message_id = :m, at = :at"
            " WHERE campaign_id = :c AND space_id = :s AND state = 'waiting' RETURNING space_id",
            state=state,
            why=why,
            m=message_id,
            at=now_ms(),
            c=campaign_id,
            s=space_id,
        )
    )


def counts(tx: Tx, campaign_id: str) -> dict[tuple[str, str], int]:
    """How many spaces by (state, why)."""
    rows = tx.run(
        "SELECT state, why, COUNT(*) FROM campaign_spaces WHERE campaign_id = :c GROUP BY state, why", c=campaign_id
    )
    return {(row[0], row[1]): row[2] for row in rows}
