"""Who acts in whose space, until when and for what; the codes that invite them; what happened. Functions of one
transaction.

A delegation in force is one row a space and account; what it was before stands in the changes.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Row, Tx
from storage.ids import now_ms
from storage.vault import Sealed

AREAS = ("messages", "dossier", "agenda", "services")
WRITE = "write"
EVERYTHING = frozenset({*AREAS, WRITE})

_ALL = "space_id, account_id, kind, from_at, until_at, revoked_at, granted_by, scopes"
_NOW = "revoked_at IS NULL AND from_at <= :now AND (until_at IS NULL OR until_at > :now)"


@dataclass(frozen=True, slots=True)
class Delegation:
    """`scopes`: what it is for, of `EVERYTHING`."""

    space_id: str
    account_id: str
    kind: str
    from_at: int
    until_at: int | None
    revoked_at: int | None
    granted_by: str
    scopes: frozenset[str]

    def over(self, now: int) -> bool:
        return self.revoked_at is not None or (self.until_at is not None and self.until_at <= now)


@dataclass(frozen=True, slots=True)
class Invitation:
    """Somebody asked to come. `facts` is sealed by the id."""

    space_id: str
    id: str
    kind: str
    scopes: frozenset[str]
    facts: bytes
    until_at: int | None
    invited_by: str
    created_at: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class Change:
    """`facts` is sealed by the id."""

    id: str
    at: int
    kind: str
    what: str
    account_id: str
    by: str
    facts: bytes


def scopes_of(text: str) -> frozenset[str]:
    """As kept: words by spaces; empty means everything."""
    return frozenset(text.split()) or EVERYTHING


def _kept(scopes: frozenset[str]) -> str:
    return "" if scopes == EVERYTHING else " ".join(sorted(scopes))


def _delegations(rows: list[Row]) -> list[Delegation]:
    return [Delegation(*(*row[:7], scopes_of(row[7]))) for row in rows]


def grant(
    tx: Tx, space_id: str, account_id: str, kind: str, until: int | None, by: str, scopes: frozenset[str] = EVERYTHING
) -> None:
    """From now on. What was before, of the same person, gives way."""
    tx.run(
        "INSERT INTO delegations (space_id, account_id, kind, from_at, until_at, granted_by, scopes)"
        " VALUES (:s, :a, :kind, :at, :until, :by, :scopes) ON CONFLICT (space_id, account_id) DO UPDATE SET"
        " kind = excluded.kind, from_at = excluded.from_at, until_at = excluded.until_at, revoked_at = NULL,"
        " granted_by = excluded.granted_by, scopes = excluded.scopes",
        s=space_id,
        a=account_id,
        kind=kind,
        at=now_ms(),
        until=until,
        by=by,
        scopes=_kept(scopes),
    )


def lock(tx: Tx, space_id: str, account_id: str = "") -> None:
    """Two acceptances at once wait for one another here: counts that follow are true until the commit. Always the
    space first, then the account.
    """
    tx.run("UPDATE spaces SET state = state WHERE id = :s", s=space_id)
    if account_id:
        tx.run("UPDATE accounts SET kind = kind WHERE id = :a", a=account_id)


def in_force(tx: Tx, space_id: str, account_id: str) -> Delegation | None:
    rows = tx.run(
        f"SELECT {_ALL} FROM delegations WHERE space_id = :s AND account_id = :a AND {_NOW}",
        s=space_id,
        a=account_id,
        now=now_ms(),
    )
    return next(iter(_delegations(rows)), None)


def find(tx: Tx, space_id: str, account_id: str) -> Delegation | None:
    """In force or over."""
    rows = tx.run(f"SELECT {_ALL} FROM delegations WHERE space_id = :s AND account_id = :a", s=space_id, a=account_id)
    return next(iter(_delegations(rows)), None)


def of_space(tx: Tx, space_id: str) -> list[Delegation]:
    """Everybody who acts or acted in this space, the oldest first."""
    return _delegations(
        tx.run(f"SELECT {_ALL} FROM delegations WHERE space_id = :s ORDER BY from_at, account_id", s=space_id)
    )


def of_account(tx: Tx, account_id: str) -> list[Delegation]:
    """Every delegation in force of this person, the oldest first."""
    return _delegations(
        tx.run(
            f"SELECT {_ALL} FROM delegations WHERE account_id = :a AND {_NOW} ORDER BY from_at, space_id",
            a=account_id,
            now=now_ms(),
        )
    )


def represented(tx: Tx, space_id: str) -> bool:
    """Whether a legal representative acts in this space now."""
    return bool(
        tx.run(
            f"SELECT 1 FROM delegations WHERE space_id = :s AND kind = 'representative' AND {_NOW}",
            s=space_id,
            now=now_ms(),
        )
    )


def change(tx: Tx, space_id: str, account_id: str, until: int | None, scopes: frozenset[str]) -> None:
    tx.run(
        "UPDATE delegations SET until_at = :until, scopes = :scopes WHERE space_id = :s AND account_id = :a",
        until=until,
        scopes=_kept(scopes),
        s=space_id,
        a=account_id,
    )


def end(tx: Tx, space_id: str, account_id: str) -> bool:
    """True when it was in force."""
    now = now_ms()
    return bool(
        tx.run(
            f"UPDATE delegations SET revoked_at = :now WHERE space_id = :s AND account_id = :a AND {_NOW}"
            " RETURNING kind",
            s=space_id,
            a=account_id,
            now=now,
        )
    )


# ---- what happened ----


def record(
    tx: Tx, space_id: str, change_id: str, kind: str, what: str, account_id: str, by: str, facts: Sealed
) -> None:
    tx.run(
        "INSERT INTO delegation_changes (space_id, id, at, kind, what, account_id, by, facts)"
        " VALUES (:s, :id, :at, :kind, :what, :a, :by, :facts)",
        s=space_id,
        id=change_id,
        at=now_ms(),
        kind=kind,
        what=what,
        a=account_id,
        by=by,
        facts=facts,
    )


def changes(tx: Tx, space_id: str) -> list[Change]:
    """The newest first."""
    rows = tx.run(
        "SELECT id, at, kind, what, account_id, by, facts FROM delegation_changes WHERE space_id = :s"
        " ORDER BY at DESC, id",
        s=space_id,
    )
    return [Change(*row) for row in rows]


# ---- invitations ----

_INVITATION = "space_id, id, kind, scopes, facts, until_at, invited_by, created_at, expires_at"
_WAITS = "taken_at IS NULL AND revoked_at IS NULL AND expires_at > :now"


def _invitations(rows: list[Row]) -> list[Invitation]:
    return [Invitation(*(*row[:3], scopes_of(row[3]), *row[4:])) for row in rows]


def invite(
    tx: Tx,
    space_id: str,
    invitation_id: str,
    code_hash: str,
    kind: str,
    scopes: frozenset[str],
    facts: Sealed,
    until: int | None,
    by: str,
    expires: int,
) -> None:
    tx.run(
        "INSERT INTO invitations (space_id, id, hash, kind, scopes, facts, until_at, invited_by, created_at,"
        " expires_at)"
        " VALUES (:s, :id, :hash, :kind, :scopes, :facts, :until, :by, :at, :expires)",
        s=space_id,
        id=invitation_id,
        hash=code_hash,
        kind=kind,
        scopes=_kept(scopes),
        facts=facts,
        until=until,
        by=by,
        at=now_ms(),
        expires=expires,
    )


def waiting(tx: Tx, space_id: str) -> list[Invitation]:
    """Invitations of this space that nobody has answered and that are still good, the oldest first."""
    return _invitations(
        tx.run(
            f"SELECT {_INVITATION} FROM invitations WHERE space_id = :s AND {_WAITS} ORDER BY created_at, id",
            s=space_id,
            now=now_ms(),
        )
    )


def invited(tx: Tx, code_hash: str) -> Invitation | None:
    """The invitation of this code, while it is good."""
    rows = tx.run(f"SELECT {_INVITATION} FROM invitations WHERE hash = :h AND {_WAITS}", h=code_hash, now=now_ms())
    return next(iter(_invitations(rows)), None)


def take(tx: Tx, invitation: Invitation, account_id: str) -> bool:
    """Answered, by this account: once. False when somebody else was quicker, or it is withdrawn or too old."""
    return bool(
        tx.run(
            f"UPDATE invitations SET taken_by = :a, taken_at = :now WHERE space_id = :s AND id = :id AND {_WAITS}"
            " RETURNING id",
            a=account_id,
            s=invitation.space_id,
            id=invitation.id,
            now=now_ms(),
        )
    )


def withdraw(tx: Tx, space_id: str, invitation_id: str) -> bool:
    """True when it was waiting."""
    return bool(
        tx.run(
            f"UPDATE invitations SET revoked_at = :now WHERE space_id = :s AND id = :id AND {_WAITS} RETURNING id",
            s=space_id,
            id=invitation_id,
            now=now_ms(),
        )
    )
