"""What both engines promise: whole or absent, durable, in order, and nobody's fault is another's."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from storage.database import BATCH, Database, DatabaseDown, Tx, open_database


def _name(tx: Tx, name: str, *, then_fail: bool = False) -> str:
    tx.run("INSERT INTO vault_keys (name, wrapped) VALUES (:n, :w)", n=name, w=b"-")
    if then_fail:
        raise LookupError(name)
    return name


def _names(tx: Tx) -> set[str]:
    return {row[0] for row in tx.run("SELECT name FROM vault_keys WHERE name <> 'lookup'")}


@pytest.fixture
async def database(database_url: str) -> Database:
    return await open_database(database_url, strict=False)  # the tests' PostgreSQL does not fsync


async def test_one_failing_unit_takes_nobody_with_it(database: Database) -> None:
    names = [f"unit {number}" for number in range(100)]
    outcomes = await asyncio.gather(
        *(database.write(_name, name, then_fail=number % 7 == 0) for number, name in enumerate(names)),
        return_exceptions=True,
    )

    good = {name for number, name in enumerate(names) if number % 7}
    assert {outcome for outcome in outcomes if isinstance(outcome, str)} == good
    assert all(isinstance(outcome, LookupError) for number, outcome in enumerate(outcomes) if number % 7 == 0)
    assert await database.read(_names) == good
    await database.close()


async def test_more_work_than_one_commit_carries_is_all_done(database: Database) -> None:
    wanted = {f"unit {number}" for number in range(BATCH + 50)}
    await asyncio.gather(*(database.write(_name, name) for name in wanted))

    assert await database.read(_names) == wanted
    await database.close()


async def test_a_caller_who_leaves_does_not_undo_what_was_begun(database: Database) -> None:
    tasks = [asyncio.ensure_future(database.write(_name, f"unit {number}")) for number in range(20)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await database.write(_name, "after")  # the writer is not blocked, and all before it is settled

    kept = await database.read(_names)
    assert {f"unit {number}" for number in range(1, 20, 2)} | {"after"} <= kept
    await database.close()


async def test_a_reader_of_the_embedded_database_cannot_write(sqlite_url: str) -> None:
    database = await open_database(sqlite_url)
    with pytest.raises(DatabaseDown):
        await database.read(_name, "written by a reader")
    assert await database.read(_names) == set()
    await database.close()


async def test_the_running_database_is_set_to_survive_a_power_cut(sqlite_url: str) -> None:
    def ask(tx: Tx) -> tuple[object, ...]:
        return tx.run("PRAGMA journal_mode")[0][0], tx.run("PRAGMA synchronous")[0][0]

    database = await open_database(sqlite_url)
    # WAL with FULL (2): under NORMAL a power cut loses acknowledged mail. Asked on the connection that writes.
    assert await database.write(ask) == ("wal", 2)
    await database.close()


async def test_a_postgresql_that_may_lose_what_it_acknowledged_is_refused(postgres_url: str) -> None:
    with pytest.raises(DatabaseDown, match="fsync"):  # the tests' own server is such a one
        await open_database(postgres_url)


async def test_two_units_that_want_what_the_other_holds_are_both_done(postgres_url: str) -> None:
    database = await open_database(postgres_url, strict=False)
    for name in ("a", "b"):
        await database.write(_name, name)
    begun: list[str] = []

    def hold(tx: Tx, first: str, second: str) -> None:
        tx.run("SET LOCAL deadlock_timeout = '20ms'")
        tx.run("UPDATE vault_keys SET wrapped = wrapped WHERE name = :n", n=first)
        begun.append(first)
        while len(begun) < 2:
            tx.run("SELECT 1")  # until each holds its own
        tx.run("UPDATE vault_keys SET wrapped = :w WHERE name = :n", n=second, w=first.encode())

    await asyncio.gather(database.write(hold, "a", "b"), database.write(hold, "b", "a"))
    assert len(begun) == 3, "one of them was run again"
    await database.close()


async def test_a_second_process_may_not_write_the_same_file(sqlite_url: str) -> None:
    database = await open_database(sqlite_url)
    code = (
        "import asyncio, sys\nfrom storage.database import DatabaseDown, open_database\n"
        f"try:\n    asyncio.run(open_database({sqlite_url!r}))\nexcept DatabaseDown as error:\n    print(error)\n    "
        "sys.exit(2)\n"
    )
    other = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert other.returncode == 2
    assert "another process is using" in other.stdout
    await database.close()
