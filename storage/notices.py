"""What people are told outside Pli: their wishes, and the clock that runs for a mailbox with news. Functions of one
transaction.

The clock is one delivery row (channel `notice`) a person and mailbox, in the space of the person told: however many
letters arrive, one row waits. Its `message_id` is that of the last letter that wound it up: whoever settles it says
which one they saw, so a letter that arrives meanwhile is never passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from storage import accounts, deliveries, marks
from storage.conversations import Participant
from storage.database import Tx
from storage.deliveries import Delivery
from storage.ids import now_ms
from storage.vault import Sealed, SpaceKeys, Vault

CHANNEL = "notice"
PAUSE_MS = 5_000  # a burst of letters is one piece of news
AT_MOST = 100  # unread messages that are looked at


@dataclass(frozen=True, slots=True)
class Waiting:
    """An unread message of a mailbox: its number, when it came (ms), who wrote."""

    seq: int
    at: int
    author_kind: str


# Whom a new message of a mailbox may be told to outside: its account, if it said a wish, proved an address or
# subscribed a browser; and who acts in that space, if they said a wish. One statement, for it is part of every post.
_TOLD = """
SELECT id, space_id FROM accounts WHERE ended_at IS NULL AND id IN (
    SELECT account_id FROM notice_wishes WHERE account_id = :a
    UNION ALL SELECT account_id FROM contact_points
        WHERE account_id = :a AND verified_at IS NOT NULL AND ended_at IS NULL
    UNION ALL SELECT account_id FROM subscriptions WHERE account_id = :a AND ended_at IS NULL
    UNION ALL SELECT d.account_id FROM delegations d JOIN notice_wishes w ON w.account_id = d.account_id
        WHERE d.space_id = :s AND d.revoked_at IS NULL)
"""


def owe(
    tx: Tx,
    vault: Vault,
    keys: SpaceKeys,
    message_id: str,
    member: Participant,
    seq: int,
    holder: str,
    heard: frozenset[str] = frozenset(),
) -> bool:
    """A message arrived in this member's mailbox, as number `seq`: wind up the clock of each who may want to hear of
    it; of the holder's own, those who act for them too; but for who has `heard` by another message. Whether any runs.
    `keys`: of the space it belongs to.
    """
    account_id, mailbox_id = member.member_id, member.mailbox_id
    space = keys.space_id if account_id == holder else ""
    owed = False
    for told, space_id in tx.run(_TOLD, a=account_id, s=space):
        if told in heard:
            continue
        owed = True
        if not _again(tx, space_id, mailbox_id, told, message_id):
            other = None if space_id == keys.space_id else accounts.space(tx, space_id)
            own = vault.space(other.id, other.wrapped_key) if other else keys
            target = {"account": told, "mailbox": mailbox_id, "since": seq - 1, "marks": {}}
            _first(tx, own, _clock(told, mailbox_id), message_id, target)
    return owed


def _clock(account_id: str, mailbox_id: str) -> str:
    return f"{CHANNEL}-{account_id}-{mailbox_id}"


def _again(tx: Tx, space_id: str, mailbox_id: str, account_id: str, message_id: str) -> bool:
    return bool(
        tx.run(
            "UPDATE deliveries SET message_id = :m, attempts = CASE WHEN state = 'due' THEN attempts ELSE 0 END,"
            " created_at = CASE WHEN state = 'due' THEN created_at ELSE :now END,"
            " due_at = CASE WHEN state = 'due' AND due_at < :due THEN due_at ELSE :due END, state = 'due'"
            " WHERE space_id = :s AND id = :id RETURNING id",
            m=message_id,
            now=now_ms(),
            due=now_ms() + PAUSE_MS,
            s=space_id,
            id=_clock(account_id, mailbox_id),
        )
    )


def _first(tx: Tx, keys: SpaceKeys, clock: str, message_id: str, target: dict[str, Any]) -> None:
    tx.run(
        "INSERT INTO deliveries (space_id, id, message_id, channel, state, due_at, lease_at, attempts, created_at, "
        "target) VALUES (:s, :id, :m, :channel, 'due', :due, 0, 0, :now, :target) ON CONFLICT DO NOTHING",
        s=keys.space_id,
        id=clock,
        m=message_id,
        channel=CHANNEL,
        due=now_ms() + PAUSE_MS,
        now=now_ms(),
        target=seal_target(keys, clock, target),
    )


def seal_target(keys: SpaceKeys, delivery_id: str, target: dict[str, Any]) -> Sealed:
    """As `server.delivery` opens it."""
    return keys.seal("delivery", delivery_id, msgspec.json.encode(target))


def settle(tx: Tx, delivery: Delivery, target: Sealed, due: int | None) -> bool:
    """Put the clock forward to `due` (None: nothing is left to tell). False, and due again soon, when another letter
    wound it up meanwhile.
    """
    if tx.run(
        "UPDATE deliveries SET state = :state, due_at = :due, lease_at = 0, attempts = 0, target = :target"
        " WHERE space_id = :s AND id = :id AND message_id = :m RETURNING id",
        state="done" if due is None else "due",
        due=due or delivery.created_at,
        target=target,
        s=delivery.space_id,
        id=delivery.id,
        m=delivery.message_id,
    ):
        return True
    deliveries.put_back(tx, delivery, now_ms() + PAUSE_MS, "wound_up")
    return False


def look_again(tx: Tx, account_id: str) -> bool:
    """Their wishes changed: each of their clocks that runs looks at once. Whether any does."""
    return bool(
        tx.run(
            "UPDATE deliveries SET due_at = :now WHERE space_id = (SELECT space_id FROM accounts WHERE id = :a)"
            " AND channel = :channel AND state = 'due' AND lease_at <= :now RETURNING id",
            now=now_ms(),
            a=account_id,
            channel=CHANNEL,
        )
    )


def unread(tx: Tx, mailbox_id: str, since: int) -> list[Waiting]:
    """What is unread above number `since` in conversations that are not muted, the newest first; lines of record are
    no news.
    """
    rows = tx.run(
        "SELECT e.seq, m.at, m.author_kind, e.conversation_id FROM threads t JOIN entries e"
        " ON e.mailbox_id = t.mailbox_id AND e.conversation_id = t.conversation_id"
        " JOIN messages m ON m.space_id = e.space_id AND m.id = e.message_id"
        " WHERE t.mailbox_id = :mailbox AND t.unread > 0 AND e.kind = 'message' AND e.flags % 2 = 0"
        " AND e.folder = 'inbox' AND e.seq > :since AND m.kind <> 'line' ORDER BY e.seq DESC LIMIT :most",
        mailbox=mailbox_id,
        since=since,
        most=AT_MOST,
    )
    muted = {conversation: marks.is_muted(tx, mailbox_id, conversation) for conversation in {row[3] for row in rows}}
    return [Waiting(*row[:3]) for row in rows if not muted[row[3]]]


def wishes(tx: Tx, account_id: str) -> bytes | None:
    """What they sealed last, or None."""
    rows = tx.run("SELECT wishes FROM notice_wishes WHERE account_id = :a", a=account_id)
    return rows[0][0] if rows else None


def save(tx: Tx, account_id: str, sealed: Sealed, link_hash: str) -> None:
    tx.run(
        "INSERT INTO notice_wishes (account_id, wishes, link_hash, updated_at) VALUES (:a, :wishes, :link, :at)"
        " ON CONFLICT (account_id) DO UPDATE SET wishes = excluded.wishes, link_hash = excluded.link_hash,"
        " updated_at = excluded.updated_at",
        a=account_id,
        wishes=sealed,
        link=link_hash,
        at=now_ms(),
    )


def by_link(tx: Tx, link_hash: str) -> str | None:
    """The account in force whose notices carry this link."""
    rows = tx.run(
        "SELECT w.account_id FROM notice_wishes w JOIN accounts a ON a.id = w.account_id"
        " WHERE w.link_hash = :h AND a.ended_at IS NULL",
        h=link_hash,
    )
    return str(rows[0][0]) if rows else None


def owe_one(tx: Tx, keys: SpaceKeys, channel: str, message_id: str, target: dict[str, Any]) -> None:
    """One notice by one way, now."""
    deliveries.insert(tx, keys, message_id, channel, now_ms(), target)
