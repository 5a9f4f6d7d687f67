"""The rows of the audit: written, read for the log of one space, read for one account. Functions of one transaction.

A row is never changed but for the number of the block it is sealed in (`storage.audit_blocks`), and never deleted
before its time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from storage.database import Tx
from storage.ids import new_id, now_ms

COLUMNS = "space_id, at, id, actor_id, actor_kind, act, ground, object, outcome, why"
_PAGE = 500  # rows a statement


@dataclass(frozen=True, slots=True)
class AuditRow:
    """Who did what, when (ms), on which ground; `why`: the consent, delegation or emergency that gave it."""

    space_id: str
    at: int
    id: str
    actor_id: str
    actor_kind: str
    act: str
    ground: str
    object: str
    outcome: str
    why: str


def insert(
    tx: Tx, space_id: str, actor_id: str, actor_kind: str, act: str, ground: str, subject: str, outcome: str, why: str
) -> None:
    """A row of this instant."""
    tx.run(
        f"INSERT INTO audit ({COLUMNS})"
        " VALUES (:space, :at, :id, :actor, :kind, :act, :ground, :object, :outcome, :why)",
        space=space_id,
        id=new_id(),
        at=now_ms(),
        actor=actor_id,
        kind=actor_kind,
        act=act,
        ground=ground,
        object=subject,
        outcome=outcome,
        why=why,
    )


def lately(tx: Tx, space_id: str, actor_id: str, act: str, subject: str, why: str, since: int) -> bool:
    """Whether the same was recorded after that instant (ms)."""
    return bool(
        tx.run(
            "SELECT 1 FROM audit WHERE space_id = :space AND at > :since AND actor_id = :actor AND act = :act"
            " AND object = :object AND why = :why LIMIT 1",
            space=space_id,
            since=since,
            actor=actor_id,
            act=act,
            object=subject,
            why=why,
        )
    )


def of_space(
    tx: Tx,
    space_id: str,
    acts: Collection[str],
    *,
    actor: str = "",
    without: str = "",
    subject: str = "",
    since: int = 0,
    until: int | None = None,
) -> Iterator[AuditRow]:
    """The rows of these acts in a space, the newest first, from `since` to before `until` (ms): of one `actor`, or of
    everybody `without` one; about one `subject`. Read as far as they are taken.
    """
    names = {f"a{number}": act for number, act in enumerate(sorted(acts))}
    until = now_ms() + 1 if until is None else until
    last = (until, "")
    while True:
        rows = tx.run(
            f"SELECT {COLUMNS} FROM audit WHERE space_id = :s AND at >= :since AND at <= :last_at"
            f" AND (at < :last_at OR id < :last_id) AND act IN ({', '.join(f':{name}' for name in names)})"
            " AND (:actor = '' OR actor_id = :actor) AND (:without = '' OR actor_id <> :without)"
            " AND (:subject = '' OR object = :subject) ORDER BY at DESC, id DESC LIMIT :limit",
            s=space_id,
            since=since,
            last_at=last[0],
            last_id=last[1],
            actor=actor,
            without=without,
            subject=subject,
            limit=_PAGE,
            **names,
        )
        yield from (AuditRow(*row) for row in rows)
        if len(rows) < _PAGE:
            return
        last = (int(rows[-1][1]), str(rows[-1][2]))


def actors(tx: Tx, space_id: str, acts: Collection[str]) -> list[str]:
    """Who did any of these acts in a space."""
    names = {f"a{number}": act for number, act in enumerate(sorted(acts))}
    wanted = ", ".join(f":{name}" for name in names)
    rows = tx.run(f"SELECT DISTINCT actor_id FROM audit WHERE space_id = :s AND act IN ({wanted})", s=space_id, **names)
    return [str(row[0]) for row in rows]


def touched(tx: Tx, actor_id: str, since: int, until: int) -> dict[str, int]:
    """The patients' spaces an account touched from `since` to before `until` (ms), and how often. The blocks of the
    chain lead to the rows of that time: the audit of everybody is not looked through.
    """
    found: dict[str, int] = {}
    for place in (
        "block IN (SELECT number FROM audit_blocks WHERE until_at >= :since AND from_at < :until)",
        "block IS NULL",
    ):
        rows = tx.run(
            "SELECT t.space_id, t.acts FROM (SELECT space_id, COUNT(*) AS acts FROM audit"
            f" WHERE {place} AND at >= :since AND at < :until AND actor_id = :actor GROUP BY space_id) t"
            " JOIN spaces s ON s.id = t.space_id AND s.kind = 'holder'",
            since=since,
            until=until,
            actor=actor_id,
        )
        for space_id, count in rows:
            found[space_id] = found.get(space_id, 0) + int(count)
    return found
