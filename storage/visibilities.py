"""What may be seen of an item of the dossier, and what the holder settled for all of it. Functions of one transaction.

Each change is a record with its author and date; the newest counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from storage.database import Tx
from storage.ids import new_id, now_ms


@dataclass(frozen=True, slots=True)
class Marked:
    """A mark that is on, since when (ms), by which account."""

    mark: str
    at: int
    by: str


def record(tx: Tx, space_id: str, item_id: str, mark: str, *, on: bool, by: str, at: int = 0) -> None:
    """The newest record of that mark of an item. `at`: now when 0; never before what is recorded."""
    rows = tx.run(
        "SELECT COALESCE(MAX(at), 0) FROM visibilities WHERE space_id = :s AND item_id = :i AND mark = :m",
        s=space_id,
        i=item_id,
        m=mark,
    )
    tx.run(
        "INSERT INTO visibilities (space_id, item_id, mark, at, id, state, by)"
        " VALUES (:s, :i, :m, :at, :id, :state, :by)",
        s=space_id,
        i=item_id,
        m=mark,
        at=max(at or now_ms(), int(rows[0][0]) + 1),
        id=new_id(),
        state="on" if on else "off",
        by=by,
    )


def marks(tx: Tx, space_id: str) -> dict[str, dict[str, Marked]]:
    """Of every item that has any: its marks that are on."""
    found: dict[str, dict[str, Marked]] = {}
    rows = tx.run("SELECT item_id, mark, state, at, by FROM visibilities WHERE space_id = :s ORDER BY at", s=space_id)
    return _on(found, rows)


def marks_of(tx: Tx, space_id: str, item_ids: Iterable[str]) -> dict[str, dict[str, Marked]]:
    """As `marks`, of these items alone."""
    found: dict[str, dict[str, Marked]] = {}
    for item_id in item_ids:
        rows = tx.run(
            "SELECT item_id, mark, state, at, by FROM visibilities WHERE space_id = :s AND item_id = :i ORDER BY at",
            s=space_id,
            i=item_id,
        )
        _on(found, rows)
    return found


def of_item(tx: Tx, space_id: str, item_id: str) -> list[tuple[str, str, int, str]]:
    """(mark, state, at, by) of every record of an item, the oldest first."""
    rows = tx.run(
        "SELECT mark, state, at, by FROM visibilities WHERE space_id = :s AND item_id = :i ORDER BY at",
        s=space_id,
        i=item_id,
    )
    return [(row[0], row[1], row[2], row[3]) for row in rows]


def _on(
    found: dict[str, dict[str, Marked]], rows: Iterable[tuple[str, str, str, int, str]]
) -> dict[str, dict[str, Marked]]:
    for item_id, mark, state, at, by in rows:
        known = found.setdefault(item_id, {})
        if state == "on":
            known[mark] = Marked(mark, at, by)
        else:
            known.pop(mark, None)
    return found


def choose(tx: Tx, space_id: str, name: str, state: str, by: str) -> None:
    """The newest word of the holder on something."""
    rows = tx.run("SELECT COALESCE(MAX(at), 0) FROM choices WHERE space_id = :s AND name = :n", s=space_id, n=name)
    tx.run(
        "INSERT INTO choices (space_id, name, at, id, state, by) VALUES (:s, :n, :at, :id, :state, :by)",
        s=space_id,
        n=name,
        at=max(now_ms(), int(rows[0][0]) + 1),
        id=new_id(),
        state=state,
        by=by,
    )


def chosen(tx: Tx, space_id: str) -> dict[str, tuple[str, int, str]]:
    """(state, since when in ms, by) of everything that was ever chosen; what was not has its default."""
    rows = tx.run("SELECT name, state, at, by FROM choices WHERE space_id = :s ORDER BY at", s=space_id)
    return {name: (state, at, by) for name, state, at, by in rows}
