"""Who may read a dossier, on which ground, until when. Functions of one transaction.

A consent is one row; ending it is dated and signed, and the row stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from storage.database import Tx
from storage.ids import now_ms
from storage.vault import Sealed

_ALL = "space_id, id, account_id, kind, facts, from_at, until_at, by, message_id, ended_at, ended_by"


@dataclass(frozen=True, slots=True)
class Consent:
    """`account_id`: a professional or a team. `facts`: sealed for `consent` by the id (see `server.dossier.consents`).
    Times in ms; `until_at` None: until it is withdrawn.
    """

    space_id: str
    id: str
    account_id: str
    kind: str
    facts: bytes
    from_at: int
    until_at: int | None
    by: str
    message_id: str
    ended_at: int | None = None
    ended_by: str = ""

    def in_force(self, now: int) -> bool:
        return self.ended_at is None and self.from_at <= now and (self.until_at is None or now < self.until_at)


def insert(tx: Tx, consent: Consent, facts: Sealed) -> None:
    tx.run(
        f"INSERT INTO consents ({_ALL}) VALUES (:s, :id, :a, :kind, :facts, :since, :until, :by, :m, NULL, '')",
        s=consent.space_id,
        id=consent.id,
        a=consent.account_id,
        kind=consent.kind,
        facts=facts,
        since=consent.from_at,
        until=consent.until_at,
        by=consent.by,
        m=consent.message_id,
    )


def end(tx: Tx, space_id: str, consent_id: str, by: str) -> bool:
    """Whether it was still running."""
    return bool(
        tx.run(
            "UPDATE consents SET ended_at = :at, ended_by = :by WHERE space_id = :s AND id = :id AND ended_at IS NULL"
            " RETURNING id",
            at=now_ms(),
            by=by,
            s=space_id,
            id=consent_id,
        )
    )


def of(tx: Tx, space_id: str) -> list[Consent]:
    """Every one that was ever given, the newest first."""
    rows = tx.run(f"SELECT {_ALL} FROM consents WHERE space_id = :s ORDER BY from_at DESC, id", s=space_id)
    return [Consent(*row) for row in rows]


def one(tx: Tx, space_id: str, consent_id: str) -> Consent | None:
    rows = tx.run(f"SELECT {_ALL} FROM consents WHERE space_id = :s AND id = :id", s=space_id, id=consent_id)
    return Consent(*rows[0]) if rows else None


def in_force(tx: Tx, space_id: str, account_ids: Iterable[str]) -> list[Consent]:
    """Those of these accounts in this space, now."""
    wanted, now = frozenset(account_ids), now_ms()
    return [item for item in of(tx, space_id) if item.account_id in wanted and item.in_force(now)]


def of_account(tx: Tx, account_id: str) -> list[Consent]:
    """Those of an account in force now, in every space: its patients."""
    now = now_ms()
    rows = tx.run(f"SELECT {_ALL} FROM consents WHERE account_id = :a AND ended_at IS NULL", a=account_id)
    return [item for item in (Consent(*row) for row in rows) if item.in_force(now)]
