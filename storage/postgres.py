"""PostgreSQL: the same units of work, by `run_sync` over asyncpg. For more than one node; see `storage.database`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from storage.database import DatabaseDown, Row, Tx

T = TypeVar("T")
P = ParamSpec("P")
DEADLOCK = "40P01"  # two units held what the other wanted, and PostgreSQL let one of them go
TRIES = 4
_DOWN = (OSError, sqlalchemy.exc.OperationalError, sqlalchemy.exc.InterfaceError, sqlalchemy.exc.InternalError)


@lru_cache(maxsize=512)
def _text(sql: str) -> sqlalchemy.TextClause:
    return sqlalchemy.text(sql)


class PostgresTx:
    """A transaction on a pooled asyncpg connection, seen synchronously."""

    engine = "postgresql"
    __slots__ = ("_connection",)

    def __init__(self, connection: sqlalchemy.Connection) -> None:
        self._connection = connection

    def run(self, sql: str, **params: Any) -> list[Row]:
        result = self._connection.execute(_text(sql), params)
        return [tuple(row) for row in result] if result.returns_rows else []


class PostgresDatabase:
    """PostgreSQL by asyncpg; each unit of work is one transaction: what writes, at READ COMMITTED, rows locked in id
    order by the caller; what reads, of one instant.
    """

    engine = "postgresql"

    def __init__(self, url: str) -> None:
        self._engine: AsyncEngine = create_async_engine(url, pool_size=16, max_overflow=16, pool_pre_ping=False)
        # On the same connections: all that one unit reads is of one instant, as on SQLite.
        self._reading = self._engine.execution_options(isolation_level="REPEATABLE READ")

    async def open(self, *, strict: bool = True) -> PostgresDatabase:
        """Raises `DatabaseDown` when the server is out of reach or, with `strict`, is set to lose what it
        acknowledges.
        """

        def unsafe(tx: Tx) -> list[str]:
            names = ("fsync", "full_page_writes", "synchronous_commit")
            return [name for name in names if tx.run(f"SHOW {name}")[0][0] == "off"]

        found = await self.read(unsafe)
        if found and strict:
            raise DatabaseDown(f"PostgreSQL runs with {', '.join(found)} off: acknowledged mail could be lost")
        return self

    async def write(self, fn: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `SqliteDatabase.write`. Shielded: a caller who leaves does not roll back what was begun for him."""
        return await asyncio.shield(asyncio.ensure_future(self._run(self._engine, fn, args, kwargs)))

    async def read(self, fn: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(self._reading, fn, args, kwargs)

    async def _run(
        self, engine: AsyncEngine, fn: Callable[..., T], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> T:
        """A unit that lost to another in a deadlock is run again: it may run twice."""
        tries = 0
        while True:
            try:
                async with engine.begin() as connection:
                    return await connection.run_sync(lambda sync: fn(PostgresTx(sync), *args, **kwargs))
            except (OSError, sqlalchemy.exc.DBAPIError) as error:
                tries += 1
                if getattr(getattr(error, "orig", None), "sqlstate", "") == DEADLOCK and tries < TRIES:
                    continue
                if isinstance(error, _DOWN):
                    raise DatabaseDown(str(error)) from error
                raise

    async def close(self) -> None:
        await self._engine.dispose()
