"""The blocks of the audit's chain: rows that are kept equally long, sealed together. Functions of one transaction.

What a block says is worked out in `server.audit_chain`; here it is kept. A block stays when its rows are purged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from storage.audit_rows import COLUMNS, AuditRow
from storage.database import Tx

_ALL = "number, months, from_at, until_at, count, digest, chain, at, anchored_at, purged_at"
_IDS = 500  # a statement


@dataclass(frozen=True, slots=True)
class Block:
    """`months`: how long its rows are kept; `from_at`, `until_at`: its oldest and newest row; `at`: when it was sealed
    (ms).
    """

    number: int
    months: int
    from_at: int
    until_at: int
    count: int
    digest: str
    chain: str
    at: int
    anchored_at: int | None = None
    purged_at: int | None = None


class Overtaken(Exception):
    """Another process sealed meanwhile, or a row is no longer as it was read: nothing of this is kept."""


def newest(tx: Tx) -> Block | None:
    rows = tx.run(f"SELECT {_ALL} FROM audit_blocks ORDER BY number DESC LIMIT 1")
    return Block(*rows[0]) if rows else None


def unsealed(tx: Tx, limit: int) -> list[AuditRow]:
    """Rows that stand in no block yet, the oldest first."""
    rows = tx.run(f"SELECT {COLUMNS} FROM audit WHERE block IS NULL ORDER BY at, id LIMIT :limit", limit=limit)
    return [AuditRow(*row) for row in rows]


def waiting(tx: Tx) -> tuple[int, int]:
    """How many rows stand in no block yet, and since when (ms; 0 when none)."""
    rows = tx.run("SELECT COUNT(*), COALESCE(MIN(at), 0) FROM audit WHERE block IS NULL")
    return int(rows[0][0]), int(rows[0][1])


def add(tx: Tx, after: int, sealed: Sequence[tuple[Block, Sequence[str]]]) -> None:
    """Blocks behind number `after`, each with the ids of its rows. Raises `Overtaken`."""
    if tx.engine == "postgresql":  # one sealer at a time: the next sees what this one made
        tx.run("SELECT 1 FROM vault_keys WHERE name = 'audit' FOR UPDATE")
    last = newest(tx)
    if (last.number if last else 0) != after:
        raise Overtaken
    for block, ids in sealed:
        tx.run(
            f"INSERT INTO audit_blocks ({_ALL}) VALUES (:number, :months, :since, :until, :count, :digest, :chain, :at,"
            " NULL, NULL)",
            number=block.number,
            months=block.months,
            since=block.from_at,
            until=block.until_at,
            count=block.count,
            digest=block.digest,
            chain=block.chain,
            at=block.at,
        )
        if sum(_take(tx, block, ids[start : start + _IDS]) for start in range(0, len(ids), _IDS)) != block.count:
            raise Overtaken


def _take(tx: Tx, block: Block, ids: Sequence[str]) -> int:
    names = {f"i{number}": row_id for number, row_id in enumerate(ids)}
    rows = tx.run(
        "UPDATE audit SET block = :number WHERE block IS NULL AND at >= :since AND at <= :until"
        f" AND id IN ({', '.join(f':{name}' for name in names)}) RETURNING id",
        number=block.number,
        since=block.from_at,
        until=block.until_at,
        **names,
    )
    return len(rows)


def after(tx: Tx, number: int, limit: int) -> list[Block]:
    """Blocks behind that number, in order."""
    rows = tx.run(
        f"SELECT {_ALL} FROM audit_blocks WHERE number > :n ORDER BY number LIMIT :limit", n=number, limit=limit
    )
    return [Block(*row) for row in rows]


def rows_of(tx: Tx, number: int) -> list[AuditRow]:
    rows = tx.run(f"SELECT {COLUMNS} FROM audit WHERE block = :n", n=number)
    return [AuditRow(*row) for row in rows]


def strays(tx: Tx) -> list[tuple[int, int]]:
    """(number, rows) of blocks that rows name and that are not there."""
    rows = tx.run(
        "SELECT a.block, COUNT(*) FROM audit a LEFT JOIN audit_blocks b ON b.number = a.block"
        " WHERE a.block IS NOT NULL AND b.number IS NULL GROUP BY a.block ORDER BY a.block"
    )
    return [(int(row[0]), int(row[1])) for row in rows]


def anchored(tx: Tx, number: int, at: int) -> None:
    tx.run("UPDATE audit_blocks SET anchored_at = :at WHERE number = :n", n=number, at=at)


def last_anchored(tx: Tx) -> Block | None:
    """The newest block that was anchored."""
    rows = tx.run(f"SELECT {_ALL} FROM audit_blocks WHERE anchored_at IS NOT NULL ORDER BY number DESC LIMIT 1")
    return Block(*rows[0]) if rows else None


def kept_for(tx: Tx) -> list[int]:
    """The classes (months) that any block is of."""
    return [int(row[0]) for row in tx.run("SELECT DISTINCT months FROM audit_blocks")]


def purge(tx: Tx, months: int, before: int, at: int, limit: int) -> int:
    """Delete the rows of at most `limit` blocks of that class whose newest is older than `before` (ms); how many."""
    rows = tx.run(
        "SELECT number FROM audit_blocks WHERE purged_at IS NULL AND months = :months AND until_at < :before"
        " ORDER BY number LIMIT :limit",
        months=months,
        before=before,
        limit=limit,
    )
    for (number,) in rows:
        tx.run("DELETE FROM audit WHERE block = :n", n=number)
        tx.run("UPDATE audit_blocks SET purged_at = :at WHERE number = :n", n=number, at=at)
    return len(rows)
