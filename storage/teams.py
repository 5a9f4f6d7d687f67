"""Teams: who works in one, and who of it answers in a conversation. Functions of one transaction.

An assignment is a record with its author and date; the newest of a conversation counts. A closed conversation in which
somebody else wrote since is open again: that is seen, not written.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Tx
from storage.ids import new_id, now_ms


@dataclass(frozen=True, slots=True)
class Member:
    account_id: str
    name: str
    role: str  # member, manager
    since_at: int


@dataclass(frozen=True, slots=True)
class Assignment:
    """What was last decided. kind: claimed, assigned, released, closed, reopened, handed. `account_id`: who answers
    (claimed, assigned), or the team it was handed to. Times in ms since 1970.
    """

    kind: str
    account_id: str
    by: str
    reason: str
    at: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A conversation of a team's mailbox. `message_id`: the newest message. `asked_by`: the first message of somebody
    else that nobody of the team answered yet, '' when they did.
    """

    conversation_id: str
    space_id: str
    last_seq: int
    message_id: str
    asked_by: str


def join(tx: Tx, team_id: str, account_id: str, role: str, added_by: str) -> None:
    """Comes in, comes back, or takes another role."""
    tx.run(
        "INSERT INTO team_members (team_id, account_id, role, added_by, since_at) VALUES (:t, :a, :role, :by, :at)"
        " ON CONFLICT (team_id, account_id) DO UPDATE SET role = excluded.role, added_by = excluded.added_by,"
        " since_at = CASE WHEN team_members.left_at IS NULL THEN team_members.since_at ELSE excluded.since_at END,"
        " left_at = NULL",
        t=team_id,
        a=account_id,
        role=role,
        by=added_by,
        at=now_ms(),
    )


def leave(tx: Tx, team_id: str, account_id: str) -> bool:
    """True when they were in it."""
    return bool(
        tx.run(
            "UPDATE team_members SET left_at = :at WHERE team_id = :t AND account_id = :a AND left_at IS NULL"
            " RETURNING account_id",
            at=now_ms(),
            t=team_id,
            a=account_id,
        )
    )


def role(tx: Tx, team_id: str, account_id: str) -> str | None:
    """member or manager, of somebody who works there now and whose account is in force."""
    rows = tx.run(
        "SELECT m.role FROM team_members m JOIN accounts a ON a.id = m.account_id AND a.ended_at IS NULL"
        " WHERE m.team_id = :t AND m.account_id = :a AND m.left_at IS NULL",
        t=team_id,
        a=account_id,
    )
    return str(rows[0][0]) if rows else None


def members(tx: Tx, team_id: str) -> list[Member]:
    """Those who work there now, by name."""
    rows = tx.run(
        "SELECT a.id, a.name, m.role, m.since_at FROM team_members m JOIN accounts a ON a.id = m.account_id"
        " WHERE m.team_id = :t AND m.left_at IS NULL AND a.ended_at IS NULL ORDER BY a.name, a.id",
        t=team_id,
    )
    return [Member(*row) for row in rows]


def of_account(tx: Tx, account_id: str) -> list[tuple[str, str, str]]:
    """(team, name, mailbox) of every team somebody works in now."""
    rows = tx.run(
        "SELECT t.id, t.name, t.mailbox_id FROM team_members m JOIN accounts t ON t.id = m.team_id"
        " WHERE m.account_id = :a AND m.left_at IS NULL AND t.ended_at IS NULL ORDER BY t.name, t.id",
        a=account_id,
    )
    return [(row[0], row[1], row[2]) for row in rows]


def teams(tx: Tx) -> list[tuple[str, str, str]]:
    """(id, name, organisation) of every team."""
    rows = tx.run(
        "SELECT id, name, organisation FROM accounts WHERE kind = 'team' AND ended_at IS NULL ORDER BY name, id"
    )
    return [(row[0], row[1], row[2]) for row in rows]


def lock(tx: Tx, space_id: str) -> None:
    """Who decides in a conversation of this space waits for who does so now, and then sees it."""
    tx.run("UPDATE spaces SET state = state WHERE id = :s", s=space_id)


def record(
    tx: Tx, space_id: str, conversation_id: str, team_id: str, kind: str, account_id: str, by: str, reason: str = ""
) -> None:
    """What was decided, now."""
    newest = assignment(tx, space_id, conversation_id, team_id)
    tx.run(
        "INSERT INTO assignments (space_id, conversation_id, team_id, at, id, kind, account_id, by, reason)"
        " VALUES (:s, :c, :t, :at, :id, :kind, :a, :by, :reason)",
        s=space_id,
        c=conversation_id,
        t=team_id,
        at=max(now_ms(), newest.at + 1) if newest else now_ms(),  # the newest is the newest, also within a millisecond
        id=new_id(),
        kind=kind,
        a=account_id,
        by=by,
        reason=reason,
    )


def assignment(tx: Tx, space_id: str, conversation_id: str, team_id: str) -> Assignment | None:
    rows = tx.run(
        "SELECT kind, account_id, by, reason, at FROM assignments"
        " WHERE space_id = :s AND conversation_id = :c AND team_id = :t ORDER BY at DESC LIMIT 1",
        s=space_id,
        c=conversation_id,
        t=team_id,
    )
    return Assignment(*rows[0]) if rows else None


def assignments(tx: Tx, team_id: str) -> dict[str, Assignment]:
    """What was last decided, by conversation."""
    rows = tx.run(
        "SELECT conversation_id, kind, account_id, by, reason, at FROM assignments x WHERE team_id = :t"
        " AND at = (SELECT MAX(at) FROM assignments y WHERE y.team_id = x.team_id"
        " AND y.conversation_id = x.conversation_id)",
        t=team_id,
    )
    return {row[0]: Assignment(*row[1:]) for row in rows}


# A message of this thread, whatever folder a mail client put it into.
_WRITTEN = (
    "JOIN messages m ON m.space_id = {0}.space_id AND m.id = {0}.message_id WHERE {0}.mailbox_id = t.mailbox_id"
    " AND {0}.conversation_id = t.conversation_id AND {0}.kind = 'message'"
)


def board(tx: Tx, mailbox_id: str, limit: int) -> list[Waiting]:
    """The `limit` conversations of a team's mailbox where something happened last."""
    rows = tx.run(
        "SELECT t.conversation_id, t.space_id, t.last_seq,"
        " COALESCE((SELECT message_id FROM entries e WHERE e.mailbox_id = t.mailbox_id"
        "  AND e.conversation_id = t.conversation_id AND e.kind = 'message' AND e.folder <> 'gone'"
        "  ORDER BY e.seq DESC LIMIT 1), ''),"
        f" COALESCE((SELECT e.message_id FROM entries e {_WRITTEN.format('e')} AND m.author_id <> b.account_id"
        "  AND e.folder <> 'gone' AND e.seq > COALESCE((SELECT MAX(s.seq) FROM entries s"
        f"   {_WRITTEN.format('s')} AND m.author_id = b.account_id AND m.kind <> 'bounce'), 0)"
        "  ORDER BY e.seq LIMIT 1), '')"
        " FROM threads t JOIN mailboxes b ON b.id = t.mailbox_id"
        " WHERE t.mailbox_id = :m AND t.last_seq > 0 ORDER BY t.last_seq DESC LIMIT :limit",
        m=mailbox_id,
        limit=limit,
    )
    return [Waiting(*row) for row in rows]
