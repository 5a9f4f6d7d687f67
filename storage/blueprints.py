"""What an office prepared once: a sequence of messages around an appointment, a questionnaire. Functions of one
transaction.

One row a version and nothing is lost: a change, and a withdrawal, is a new row with its author and date; the row before
it is `replaced`.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Tx
from storage.ids import now_ms
from storage.vault import Sealed


@dataclass(frozen=True, slots=True)
class Blueprint:
    """`kind`: sequence, questionnaire. `state`: current, replaced, withdrawn. `facts`: sealed for `record(…)`."""

    id: str
    version: int
    kind: str
    state: str
    facts: bytes
    changed_by: str
    changed_at: int


_FIELDS = "id, version, kind, state, facts, changed_by, changed_at"


def record(blueprint_id: str, version: int) -> str:
    """The name that one version is sealed for."""
    return f"{blueprint_id}:{version}"


def add(
    tx: Tx, space_id: str, kind: str, blueprint_id: str, version: int, facts: Sealed, by: str, state: str = "current"
) -> bool:
    """The next version (1: of a new one); False when somebody wrote this one first."""
    if not tx.run(
        "INSERT INTO blueprints (space_id, id, version, kind, state, facts, changed_by, changed_at)"
        " VALUES (:s, :id, :version, :kind, :state, :facts, :by, :at) ON CONFLICT DO NOTHING RETURNING id",
        s=space_id,
        id=blueprint_id,
        version=version,
        kind=kind,
        state=state,
        facts=facts,
        by=by,
        at=now_ms(),
    ):
        return False
    tx.run(
        "UPDATE blueprints SET state = 'replaced' WHERE space_id = :s AND id = :id AND version < :version"
        " AND state <> 'replaced'",
        s=space_id,
        id=blueprint_id,
        version=version,
    )
    return True


def newest(tx: Tx, space_id: str, blueprint_id: str) -> Blueprint | None:
    """The last version, withdrawn or not."""
    found = versions(tx, space_id, blueprint_id)
    return found[-1] if found else None


def version_of(tx: Tx, space_id: str, blueprint_id: str, version: int) -> Blueprint | None:
    found = [one for one in versions(tx, space_id, blueprint_id) if one.version == version]
    return found[0] if found else None


def versions(tx: Tx, space_id: str, blueprint_id: str) -> list[Blueprint]:
    """Every version, the oldest first."""
    rows = tx.run(
        f"SELECT {_FIELDS} FROM blueprints WHERE space_id = :s AND id = :id ORDER BY version",
        s=space_id,
        id=blueprint_id,
    )
    return [Blueprint(*row) for row in rows]


def current(tx: Tx, space_id: str, kind: str) -> list[Blueprint]:
    """Those of an office that may be used, in the order they were last changed."""
    rows = tx.run(
        f"SELECT {_FIELDS} FROM blueprints WHERE space_id = :s AND kind = :kind AND state = 'current'"
        " ORDER BY changed_at, id",
        s=space_id,
        kind=kind,
    )
    return [Blueprint(*row) for row in rows]
