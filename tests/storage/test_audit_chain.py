"""The journal of who did what cannot be changed unseen, loses nothing to a purge but what is too old, and holds nobody
up; on both engines.
"""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import time_machine

from server import access, audit_chain
from storage import audit_blocks, audit_rows
from storage.database import Tx
from storage.ids import new_id
from tests.gateways import gateway
from tests.house import House

MUTATIONS = 200
A_MONTH = 31 * 86_400_000
KINDS = ("delete", "change", "move", "swap", "put in", "behind time", "cut off", "detach", "purge", "block")


async def _days(core: House, days: int = 12) -> Path:
    """Some days of accesses, sealed and anchored each day. Returns the file of anchors."""
    core.app.settings = replace(core.app.settings, audit_anchor_file=str(core.app.settings.data_dir / "anchors"))
    for day in range(days):
        with time_machine.travel(datetime(2031, 3, 1 + day, 9, tzinfo=UTC), tick=True):
            for reader in ("dominique", "marcel"):
                await access.dossier(core.app, await core.mailbox(reader))
            await audit_chain.seal(core.app)
            assert await audit_chain.anchor(core.app, now=True)
    return Path(core.app.settings.audit_anchor_file)


async def test_whatever_is_done_to_the_journal_is_found(core: House) -> None:
    anchors = (await _days(core)).read_text()
    whole = await audit_chain.verify(core.app, anchors)
    assert whole.faults == []
    assert (whole.waiting, whole.anchors) == (0, 12)
    assert whole.rows == (await core.app.db.read(lambda tx: tx.run("SELECT COUNT(*) FROM audit")))[0][0]
    chance = random.Random(20261123)
    missed = []
    for number in range(MUTATIONS if core.app.db.engine == "sqlite" else len(KINDS)):
        kind = KINDS[number % len(KINDS)]
        before = await core.app.db.read(_everything)
        await core.app.db.write(_spoil, kind, chance)
        if not (await audit_chain.verify(core.app, anchors)).faults:
            missed.append((number, kind))
        await core.app.db.write(_restore, before, await core.app.db.read(_everything))
    assert missed == []
    assert (await audit_chain.verify(core.app, anchors)).faults == []


async def test_what_is_written_while_a_block_is_sealed_is_in_the_next(core: House) -> None:
    box = await core.mailbox("marcel")
    opened = [access.dossier(core.app, box) for _ in range(30)]
    await asyncio.gather(*opened, *(audit_chain.seal(core.app) for _ in range(4)))
    await audit_chain.seal(core.app)
    found = await audit_chain.verify(core.app)
    assert (found.faults, found.waiting) == ([], 0)


async def test_no_journal_no_access(core: House) -> None:
    box = await core.mailbox("marcel")
    await core.app.db.write(lambda tx: tx.run("ALTER TABLE audit RENAME TO gone"))
    try:
        with pytest.raises(Exception, match="audit"):
            await access.dossier(core.app, box)
    finally:
        await core.app.db.write(lambda tx: tx.run("ALTER TABLE gone RENAME TO audit"))
    await access.dossier(core.app, box)


async def test_what_is_too_old_is_purged_and_nothing_younger(core: House) -> None:
    """Twelve months for what is technical, three years for an access; on the last day kept, on the next gone."""
    await audit_chain.seal(core.app)
    with time_machine.travel(datetime(2031, 3, 31, 9, tzinfo=UTC), tick=False):
        await access.dossier(core.app, await core.mailbox("marcel"))
        await audit_chain.seal(core.app)

    async def left() -> set[str]:
        await audit_chain.purge(core.app)
        assert (await audit_chain.verify(core.app)).faults == []
        return {row[0] for row in await core.app.db.read(_acts_of, core.marcel.account_id)}

    for at, kept in (
        (datetime(2032, 3, 31, 9, tzinfo=UTC), {"mailbox:read", "dossier:read"}),
        (datetime(2032, 3, 31, 9, 0, 1, tzinfo=UTC), {"dossier:read"}),
        (datetime(2034, 3, 31, 9, tzinfo=UTC), {"dossier:read"}),
        (datetime(2034, 3, 31, 9, 0, 1, tzinfo=UTC), set()),
    ):
        with time_machine.travel(at, tick=False):
            assert await left() == kept


async def test_the_chain_is_told_elsewhere_and_a_deaf_elsewhere_loses_nothing(core: House) -> None:
    async with gateway() as elsewhere:
        core.app.settings = replace(core.app.settings, audit_anchor_url=elsewhere.url, audit_anchor_private=True)
        elsewhere.status = 500
        await access.dossier(core.app, await core.mailbox("marcel"))
        await audit_chain.seal(core.app)
        assert not await audit_chain.anchor(core.app)
        elsewhere.status = 204
        assert await audit_chain.anchor(core.app)
        said = json.loads(elsewhere.calls[-1].body)
        newest = await core.app.db.read(audit_blocks.newest)
        assert newest is not None
        assert (said["number"], said["chain"]) == (newest.number, newest.chain)
        assert (await audit_chain.verify(core.app, json.dumps(said))).faults == []


async def test_an_anchor_is_never_told_inside_this_network_unless_meant(core: House) -> None:
    async with gateway() as elsewhere:
        core.app.settings = replace(core.app.settings, audit_anchor_url=elsewhere.url)
        await access.dossier(core.app, await core.mailbox("marcel"))
        await audit_chain.seal(core.app)
        assert not await audit_chain.anchor(core.app)
        assert elsewhere.calls == []


async def test_whom_an_account_touched_between_two_instants(core: House) -> None:
    with time_machine.travel(datetime(2031, 3, 1, 9, tzinfo=UTC), tick=True):
        await core.letter("morel", "dominique")
        await core.letter("leroy", "marcel")
        await audit_chain.seal(core.app)
    with time_machine.travel(datetime(2031, 3, 2, 9, tzinfo=UTC), tick=True):
        await core.letter("morel", "marcel")

    async def touched(who: str, first: int, last: int) -> set[str]:
        since, until = (int(datetime(2031, 3, day, tzinfo=UTC).timestamp() * 1000) for day in (first, last))
        return set(await core.app.db.read(audit_rows.touched, core.people[who].account_id, since, until))

    assert await touched("morel", 1, 2) == {core.dominique.space_id}
    assert await touched("morel", 1, 3) == {core.dominique.space_id, core.marcel.space_id}
    assert await touched("leroy", 2, 3) == set()


# ---- spoiling it, and putting it back --------------------------------------------------------------------------------


def _acts_of(tx: Tx, account: str) -> list[Any]:
    return tx.run("SELECT act FROM audit WHERE actor_id = :a AND block IS NOT NULL", a=account)


def _everything(tx: Tx) -> tuple[list[Any], list[Any]]:
    rows = tx.run(f"SELECT {audit_rows.COLUMNS}, block FROM audit ORDER BY at, id")
    blocks = tx.run("SELECT number, months, from_at, until_at, count, digest, chain, at, anchored_at, purged_at "
                    "FROM audit_blocks ORDER BY number")  # fmt: skip
    return rows, blocks


def _spoil(tx: Tx, kind: str, chance: random.Random) -> None:
    rows, blocks = _everything(tx)
    row = chance.choice([one for one in rows if one[-1] is not None])
    key = {"s": row[0], "at": row[1], "id": row[2]}
    here = "WHERE space_id = :s AND at = :at AND id = :id"
    if kind == "delete":
        tx.run(f"DELETE FROM audit {here}", **key)
    elif kind == "change":
        column = chance.choice(["actor_id", "actor_kind", "act", "ground", "object", "outcome", "why"])
        tx.run(f"UPDATE audit SET {column} = 'spoilt' {here}", **key)
    elif kind == "move":
        tx.run(f"UPDATE audit SET at = at + :by {here}", by=chance.choice([-1, 1]) * chance.randint(1, A_MONTH), **key)
    elif kind == "swap":
        other = next(one for one in rows if one[-1] not in {None, row[-1]})
        for one, block in ((row, other[-1]), (other, row[-1])):
            tx.run(f"UPDATE audit SET block = :b {here}", b=block, s=one[0], at=one[1], id=one[2])
    elif kind == "put in":
        _put(tx, row, row[1], chance.choice([row[-1], 10_000]))
    elif kind == "behind time":
        _put(tx, row, blocks[0][2] + chance.randint(0, A_MONTH // 31), None)
    elif kind == "cut off":
        last = chance.randint(1, blocks[-1][0] - 1)
        tx.run("DELETE FROM audit WHERE block > :n", n=last)
        tx.run("DELETE FROM audit_blocks WHERE number > :n", n=last)
    elif kind == "detach":
        tx.run(f"UPDATE audit SET block = NULL {here}", **key)
    elif kind == "purge":
        tx.run("DELETE FROM audit WHERE block = :n", n=row[-1])
        tx.run("UPDATE audit_blocks SET purged_at = :at WHERE number = :n", n=row[-1], at=row[1] + A_MONTH)
    else:
        column = chance.choice(["months", "from_at", "until_at", "count", "at"])
        tx.run(f"UPDATE audit_blocks SET {column} = {column} + 1 WHERE number = :n", n=row[-1])


def _put(tx: Tx, like: Any, at: int, block: int | None) -> None:
    names = [name.strip() for name in audit_rows.COLUMNS.split(",")]
    values = dict(zip(names, like, strict=False)) | {"id": new_id(), "at": at, "block": block}
    _insert(tx, values)


def _insert(tx: Tx, values: dict[str, Any]) -> None:
    tx.run(f"INSERT INTO audit ({', '.join(values)}) VALUES ({', '.join(f':{name}' for name in values)})", **values)


def _restore(tx: Tx, before: tuple[list[Any], list[Any]], now: tuple[list[Any], list[Any]]) -> None:
    names = [*(name.strip() for name in audit_rows.COLUMNS.split(",")), "block"]
    for row in set(map(tuple, now[0])) - set(map(tuple, before[0])):
        tx.run("DELETE FROM audit WHERE id = :id AND at = :at", id=row[2], at=row[1])
    for row in set(map(tuple, before[0])) - set(map(tuple, now[0])):
        _insert(tx, dict(zip(names, row, strict=True)))
    columns = ("number", "months", "from_at", "until_at", "count", "digest", "chain", "at", "anchored_at", "purged_at")
    for row in set(map(tuple, before[1])) - set(map(tuple, now[1])):
        tx.run("DELETE FROM audit_blocks WHERE number = :n", n=row[0])
        values = dict(zip(columns, row, strict=True))
        tx.run(
            f"INSERT INTO audit_blocks ({', '.join(columns)}) VALUES ({', '.join(f':{name}' for name in columns)})",
            **values,
        )
