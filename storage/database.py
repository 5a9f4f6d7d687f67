"""Two engines, one way in: `await db.write(fn, …)` and `await db.read(fn, …)`.

A unit of work is a plain function `fn(tx, …)` that does SQL and nothing else. The same function, with the same SQL
text, runs on both engines: on SQLite straight on the driver, in aiosqlite's thread; on PostgreSQL by `run_sync` over
asyncpg.

What it promises
- `write` returns after the commit is durable. SQLite runs WAL with `synchronous=FULL`: under NORMAL a power cut loses
  acknowledged mail.
- A unit of work is whole or absent. On SQLite the writer takes all the work that is waiting (256 at most) and commits
  once: group commit. One failing unit rolls back alone; the others of its batch are then run a second time.
- The caller's cancellation (a peer that hangs up) never stops a unit half-way: the work belongs to the writer, not to
  the caller.
- One writing connection in one process on SQLite (versions before 3.51.3 can corrupt a WAL database otherwise); a lock
  file beside the database enforces it.

What it does not do: retry, cache, or know a table.
"""

from __future__ import annotations

import asyncio
import fcntl
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

import aiosqlite

T = TypeVar("T")
P = ParamSpec("P")
Row = tuple[Any, ...]

BATCH = 256  # the most units one commit carries
BUSY_MS = 5_000


class DatabaseDown(Exception):
    """The database cannot take or give anything now: full disk, lock, connection lost. The same request may
    work later.
    """


class Tx(Protocol):
    """One transaction. `run` takes SQL with `:named` parameters that both engines understand and returns every row."""

    engine: str

    def run(self, sql: str, **params: Any) -> list[Row]: ...


class SqliteTx:
    """A transaction on the driver itself: about 6 µs a statement, against 30 µs through an expression layer."""

    engine = "sqlite"
    __slots__ = ("_cursor",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._cursor = connection.cursor()

    def run(self, sql: str, **params: Any) -> list[Row]:
        return self._cursor.execute(sql, params).fetchall()


class Database(Protocol):
    """What the rest of Pli sees of an engine."""

    engine: str

    async def write(self, fn: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T: ...
    async def read(self, fn: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T: ...
    async def close(self) -> None: ...


class _Connection(aiosqlite.Connection):
    """aiosqlite has no public « run this callable on your thread »; this one line is why its version is pinned below
    0.23.
    """

    async def call(self, fn: Callable[..., T], *args: Any) -> T:
        return cast(T, await self._execute(fn, *args))  # type: ignore[no-untyped-call]


def _connect(path: Path, *, writer: bool) -> _Connection:
    def connector() -> sqlite3.Connection:
        connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_MS / 1000, cached_statements=512)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA cache_size=-65536")
        connection.execute("PRAGMA wal_autocheckpoint=16000")
        # A savepoint copies each page it changes to a sub-journal, which spills to a file on disk at 64 KiB: 80 kB of
        # writes a message, for a copy that nobody needs after the commit.
        connection.execute("PRAGMA temp_store=MEMORY")
        if not writer:
            connection.execute("PRAGMA query_only=ON")
        return connection

    return _Connection(connector, iter_chunk_size=64)


_Work = tuple[Callable[..., Any], tuple[Any, ...], Mapping[str, Any], "asyncio.Future[Any]"]


def _run_batch(connection: sqlite3.Connection, batch: list[_Work]) -> list[tuple[Any, BaseException | None]]:
    """Everything that waits, in one commit. On aiosqlite's thread, in one hop.

    Nearly always nothing fails, and a savepoint for each unit would cost a fifth of the writer's time: first all units
    run together, and only when one of them fails does the batch start again with a savepoint for each.
    """
    if len(batch) > 1:
        connection.execute("BEGIN IMMEDIATE")
        try:
            tx = SqliteTx(connection)
            outcomes: list[tuple[Any, BaseException | None]] = [
                (fn(tx, *args, **kwargs), None) for fn, args, kwargs, _ in batch
            ]
            connection.execute("COMMIT")
        except BaseException:  # noqa: BLE001 - whatever it is, the units are run again, each on its own
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        else:
            return outcomes
    return _run_apart(connection, batch)


def _run_apart(connection: sqlite3.Connection, batch: list[_Work]) -> list[tuple[Any, BaseException | None]]:
    """One commit, each unit in its own savepoint: one that fails rolls back alone."""
    outcomes: list[tuple[Any, BaseException | None]] = []
    tx = SqliteTx(connection)
    execute = connection.execute
    execute("BEGIN IMMEDIATE")
    try:
        for fn, args, kwargs, _ in batch:
            execute("SAVEPOINT unit")
            try:
                value = fn(tx, *args, **kwargs)
            except BaseException as error:
                if (
                    not connection.in_transaction
                ):  # a full disk ends the whole transaction: nobody in it may be told yes
                    raise
                execute("ROLLBACK TO unit")
                execute("RELEASE unit")
                outcomes.append((None, error))
            else:
                execute("RELEASE unit")
                outcomes.append((value, None))
        execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            execute("ROLLBACK")
        raise
    return outcomes


def _run_read(
    connection: sqlite3.Connection, fn: Callable[..., T], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> T:
    connection.execute("BEGIN")
    try:
        return fn(SqliteTx(connection), *args, **kwargs)
    finally:
        connection.execute("ROLLBACK")


def hold(path: Path) -> IO[str]:
    """The lock beside an embedded database, held until closed. Raises `DatabaseDown` when another process holds it."""
    lock = open(path.with_suffix(".lock"), "w")  # noqa: SIM115 - the caller holds it
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise DatabaseDown(f"another process is using {path}") from error
    return lock


class SqliteDatabase:
    """SQLite in one file: one writer task with group commit, two readers."""

    engine = "sqlite"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._queue: asyncio.Queue[_Work | None] = asyncio.Queue()
        self._readers: asyncio.Queue[_Connection] = asyncio.Queue()
        self._open: list[_Connection] = []
        self._lock: IO[str] | None = None

    async def open(self) -> SqliteDatabase:
        """Raises `DatabaseDown` when another process holds this database."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = hold(self.path)
        self._writer = _connect(self.path, writer=True)
        await self._writer
        self._open.append(self._writer)
        for _ in range(2):
            reader = _connect(self.path, writer=False)
            await reader
            self._open.append(reader)
            self._readers.put_nowait(reader)
        self._task = asyncio.create_task(self._write_forever(), name="sqlite-writer")
        return self

    async def write(self, fn: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `fn(tx, …)` and return what it returns, once committed. Errors of `fn` come back as they are."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((fn, args, kwargs, future))
        return await future

    async def read(self, fn: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `fn(tx, …)` on a snapshot that cannot write."""
        reader = await self._readers.get()
        # The connection goes back when its thread is done with it, not when the caller stops waiting.
        task = asyncio.ensure_future(reader.call(_run_read, reader._conn, fn, args, kwargs))
        task.add_done_callback(lambda _: self._readers.put_nowait(reader))
        try:
            return await asyncio.shield(task)
        except sqlite3.OperationalError as error:
            raise DatabaseDown(str(error)) from error

    async def _write_forever(self) -> None:
        while (first := await self._queue.get()) is not None:
            batch = [first]
            stop = False
            while len(batch) < BATCH and not self._queue.empty():
                work = self._queue.get_nowait()
                if work is None:
                    stop = True
                    break
                batch.append(work)
            try:
                outcomes = await self._writer.call(_run_batch, self._writer._conn, batch)
            except Exception as error:  # noqa: BLE001 - the commit failed: everybody in it is told, and the queue flows on
                outcomes = [(None, DatabaseDown(str(error)))] * len(batch)
            for (_, _, _, future), (value, failure) in zip(batch, outcomes, strict=True):
                if future.cancelled():
                    continue
                if failure is None:
                    future.set_result(value)
                elif isinstance(failure, sqlite3.OperationalError):
                    future.set_exception(DatabaseDown(str(failure)))
                else:
                    future.set_exception(failure)
            if stop:
                return

    async def close(self) -> None:
        """Finish what waits, then close."""
        if hasattr(self, "_task"):
            self._queue.put_nowait(None)
            await self._task
        for connection in self._open:
            await connection.close()
        if self._lock is not None:
            self._lock.close()


async def open_database(url: str, *, strict: bool = True) -> Database:
    """`sqlite:///path` or `postgresql+asyncpg://…` (plain `postgresql://` is understood). `strict`: see
    `PostgresDatabase.open`.
    """
    if url.startswith("sqlite:///"):
        return await SqliteDatabase(Path(url.removeprefix("sqlite:///"))).open()
    from storage.postgres import PostgresDatabase  # an extra: the embedded database needs none of its libraries

    if url.startswith("postgresql://"):
        url = url.replace("postgresql://", "postgresql+asyncpg://", 1)
    database = PostgresDatabase(url)
    try:
        return await database.open(strict=strict)
    except BaseException:
        await database.close()
        raise
