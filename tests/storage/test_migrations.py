"""Migrations: from nothing to today's tables, and never past what this version knows; on both engines."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from storage import migrate, schema
from storage.database import DatabaseDown, Tx, open_database


async def test_an_empty_database_gets_every_table_of_the_schema(empty_database_url: str) -> None:
    await asyncio.to_thread(migrate.migrate, empty_database_url)
    await asyncio.to_thread(migrate.migrate, empty_database_url)  # the second time changes nothing
    database = await open_database(empty_database_url, strict=False)

    def columns(tx: Tx) -> dict[str, set[str]]:
        found = {}
        for table in schema.metadata.tables:
            if tx.engine == "sqlite":
                found[table] = {row[1] for row in tx.run(f"PRAGMA table_info({table})")}
            else:
                rows = tx.run("SELECT column_name FROM information_schema.columns WHERE table_name = :t", t=table)
                found[table] = {row[0] for row in rows}
        return found

    wanted = {name: set(table.columns.keys()) for name, table in schema.metadata.tables.items()}
    assert await database.read(columns) == wanted
    await database.close()


async def test_a_newer_schema_is_refused_by_older_code(empty_database_url: str) -> None:
    await asyncio.to_thread(migrate.migrate, empty_database_url)
    database = await open_database(empty_database_url, strict=False)
    await database.write(lambda tx: tx.run("UPDATE alembic_version SET version_num = '9999'"))
    await database.close()
    with pytest.raises(DatabaseDown, match="newer version"):
        await asyncio.to_thread(migrate.migrate, empty_database_url)


async def test_the_newest_migration_is_the_one_this_version_names(empty_database_url: str) -> None:
    versions = sorted(
        path.name[:4] for path in (Path(migrate.__file__).parent / "migrations" / "versions").glob("0*.py")
    )
    assert versions[-1] == migrate.HEAD
    await asyncio.to_thread(migrate.migrate, empty_database_url, migrate.HEAD)
