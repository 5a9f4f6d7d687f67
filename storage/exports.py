"""Copies of a space that are made or brought back. Functions of one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Tx
from storage.ids import now_ms
from storage.vault import Sealed

_ALL = "space_id, id, kind, account_id, state, done, total, blob_id, facts, at, ready_at, expires_at"


@dataclass(frozen=True, slots=True)
class Copy:
    """`kind`: export, import. `state`: waiting, running, ready, failed, cancelled, expired. `done` of `total` pieces.
    `facts`: sealed for `copy` by the id. Times in ms.
    """

    space_id: str
    id: str
    kind: str
    account_id: str
    state: str
    done: int
    total: int
    blob_id: str
    facts: bytes | None
    at: int
    ready_at: int | None
    expires_at: int | None

    @property
    def under_way(self) -> bool:
        return self.state in {"waiting", "running"}


def insert(tx: Tx, copy: Copy) -> None:
    tx.run(
        f"INSERT INTO exports ({_ALL}) VALUES (:s, :id, :kind, :a, :state, 0, 0, :blob, NULL, :at, NULL, NULL)",
        s=copy.space_id,
        id=copy.id,
        kind=copy.kind,
        a=copy.account_id,
        state=copy.state,
        blob=copy.blob_id,
        at=copy.at,
    )


def of(tx: Tx, space_id: str) -> list[Copy]:
    """The newest first."""
    rows = tx.run(f"SELECT {_ALL} FROM exports WHERE space_id = :s ORDER BY at DESC, id", s=space_id)
    return [Copy(*row) for row in rows]


def one(tx: Tx, space_id: str, copy_id: str) -> Copy | None:
    rows = tx.run(f"SELECT {_ALL} FROM exports WHERE space_id = :s AND id = :id", s=space_id, id=copy_id)
    return Copy(*rows[0]) if rows else None


def go_on(tx: Tx, space_id: str, copy_id: str, done: int, total: int) -> bool:
    """Note how far it is; False when it was cancelled meanwhile."""
    return bool(
        tx.run(
            "UPDATE exports SET state = 'running', done = :done, total = :total"
            " WHERE space_id = :s AND id = :id AND state IN ('waiting', 'running') RETURNING id",
            done=done,
            total=total,
            s=space_id,
            id=copy_id,
        )
    )


def settle(
    tx: Tx, space_id: str, copy_id: str, state: str, facts: Sealed | None = None, expires_at: int | None = None
) -> bool:
    """It is over: ready, failed, cancelled or expired. False when it was over before. The octets of an import go."""
    rows = tx.run(
        "UPDATE exports SET state = :state, facts = COALESCE(:facts, facts), ready_at = :at, expires_at = :until"
        " WHERE space_id = :s AND id = :id AND state IN ('waiting', 'running') RETURNING blob_id",
        state=state,
        facts=facts,
        at=now_ms(),
        until=expires_at,
        s=space_id,
        id=copy_id,
    )
    for row in rows:
        if row[0]:
            tx.run("DELETE FROM blobs WHERE space_id = :s AND id = :b", s=space_id, b=row[0])
    return bool(rows)


def over(tx: Tx) -> list[Copy]:
    """Those that are ready and too old to be fetched."""
    rows = tx.run(f"SELECT {_ALL} FROM exports WHERE state = 'ready' AND expires_at <= :now", now=now_ms())
    return [Copy(*row) for row in rows]


def expire(tx: Tx, copy: Copy, blob_ids: list[str]) -> None:
    """Its octets go; that it was made stays."""
    for blob_id in blob_ids:
        tx.run("DELETE FROM blobs WHERE space_id = :s AND id = :b", s=copy.space_id, b=blob_id)
    tx.run(
        "UPDATE exports SET state = 'expired', facts = NULL WHERE space_id = :s AND id = :id",
        s=copy.space_id,
        id=copy.id,
    )
