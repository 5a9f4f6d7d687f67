"""Blobs: what is large, sealed. Small blobs are a column, large ones a file written, fsynced and renamed before the
transaction that names them.

A crash between the two leaves a file that no row names; `sweep` removes those that are older than an hour. A blob has
its own key (HKDF of its space's) and is sealed in chunks of 1 MiB, each bound to its place and to whether it is the
last, so a cut or reordered file does not open.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from storage.database import Tx
from storage.ids import new_id, now_ms
from storage.vault import CannotOpen, Sealed, SpaceKeys

INLINE = 128 * 1024  # octets; up to here a row is cheaper than a file: at 60 kB 1.9 times as many letters a second
CHUNK = 1024 * 1024
FLUSHED = 4 * CHUNK  # octets a commit waits for at most: the disk takes what it was given first
SWEEP_AFTER_S = 3600


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob that is safe on disk (`content` None) or travels in the transaction (`content` sealed)."""

    space_id: str
    id: str
    size: int
    content: Sealed | None


def _sealed(keys: SpaceKeys, blob_id: str, data: bytes) -> Sealed:
    return keys.seal(f"blob/{blob_id}", "0/last", data)


def _pieces(keys: SpaceKeys, blob_id: str, data: bytes) -> Iterator[bytes]:
    """A blob as it is kept: sealed whole up to `CHUNK`, beyond that chunk by chunk, each after its length."""
    if len(data) <= CHUNK:
        yield _sealed(keys, blob_id, data)
        return
    purpose = f"blob/{blob_id}"
    last = (len(data) - 1) // CHUNK
    for number in range(last + 1):
        piece = data[number * CHUNK : (number + 1) * CHUNK]
        sealed = keys.seal(purpose, f"{number}/{'last' if number == last else 'more'}", piece)
        yield len(sealed).to_bytes(4, "big")
        yield sealed


def _open(keys: SpaceKeys, blob_id: str, sealed: bytes, size: int) -> bytes:
    purpose = f"blob/{blob_id}"
    if size <= CHUNK:
        return keys.open(purpose, "0/last", sealed)
    out = bytearray()
    last = (size - 1) // CHUNK
    at = 0
    for number in range(last + 1):
        length = int.from_bytes(sealed[at : at + 4], "big")
        at += 4
        out += keys.open(purpose, f"{number}/{'last' if number == last else 'more'}", sealed[at : at + length])
        at += length
    if len(out) != size or at != len(sealed):
        raise CannotOpen("a blob was cut")
    return bytes(out)


def _write_whole(descriptor: int, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(descriptor, view) :]


def _flush_names(folder: Path) -> None:
    """The names in `folder` are durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class BlobStore:
    """Sealed files under one folder, in 256 sub-folders, each made when it is first needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pool = ThreadPoolExecutor(16, thread_name_prefix="blobs")  # they wait for the disk, not for a core
        self._flushing = threading.Lock()  # very large files one after the other, piece by piece
        folder.mkdir(parents=True, exist_ok=True)
        self._made: set[Path] = set()  # sub-folders whose own name is durable
        self._making = threading.Lock()

    def _path(self, blob_id: str) -> Path:
        return self._folder / f"{sum(blob_id.encode()) % 256:02x}" / blob_id

    def _write(self, keys: SpaceKeys, blob_id: str, data: bytes) -> None:
        """Sealed and written piece by piece: a whole sealed copy would cost as much again as the disk."""
        path = self._path(blob_id)
        pending = path.with_suffix(".new")
        self._make(path.parent)
        try:
            descriptor = os.open(pending, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with self._flushing if len(data) > FLUSHED else nullcontext():
                    unflushed = 0
                    for piece in _pieces(keys, blob_id, data):
                        _write_whole(descriptor, piece)
                        unflushed += len(piece)
                        if unflushed >= FLUSHED:
                            os.fdatasync(descriptor)
                            unflushed = 0
                    os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
            os.rename(pending, path)
        except OSError:
            pending.unlink(missing_ok=True)
            raise
        _flush_names(path.parent)

    def _make(self, folder: Path) -> None:
        with self._making:
            if folder not in self._made:
                folder.mkdir(exist_ok=True)
                _flush_names(self._folder)
                self._made.add(folder)

    async def put(self, keys: SpaceKeys, data: bytes) -> Blob:
        """Seal and keep `data`; durable on return unless it is small enough to travel in the transaction. Raises
        `OSError`.
        """
        blob_id = new_id()
        if len(data) <= INLINE:
            return Blob(keys.space_id, blob_id, len(data), _sealed(keys, blob_id, data))
        await asyncio.get_running_loop().run_in_executor(self._pool, self._write, keys, blob_id, data)
        return Blob(keys.space_id, blob_id, len(data), None)

    async def get(self, keys: SpaceKeys, blob: Blob) -> bytes:
        """The bytes of a blob. Raises `CannotOpen`, also when its file is missing."""
        if blob.content is not None:
            return _open(keys, blob.id, blob.content, blob.size)

        def read() -> bytes:
            try:
                return _open(keys, blob.id, self._path(blob.id).read_bytes(), blob.size)
            except OSError as error:
                raise CannotOpen("the file of a blob is missing") from error

        return await asyncio.get_running_loop().run_in_executor(self._pool, read)

    def files(self) -> list[str]:
        """The ids of every file kept, for checks."""
        return [path.name for path in self._folder.glob("??/*") if path.suffix != ".new"]

    async def sweep(self, named: set[str], *, older_than_s: float = SWEEP_AFTER_S) -> int:
        """Remove files that no row names and that no transaction in flight can still name. Returns how many."""

        def remove() -> int:
            limit = time.time() - older_than_s
            gone = 0
            for path in self._folder.glob("??/*"):
                if path.stem not in named and path.stat().st_mtime < limit:
                    path.unlink(missing_ok=True)
                    gone += 1
            return gone

        return await asyncio.get_running_loop().run_in_executor(self._pool, remove)

    async def forget(self, blob_id: str) -> None:
        """Remove the file of a blob that no row names any more, if it has one."""
        path = self._path(blob_id)
        await asyncio.get_running_loop().run_in_executor(self._pool, lambda: path.unlink(missing_ok=True))

    def close(self) -> None:
        self._pool.shutdown()


def insert(tx: Tx, blob: Blob) -> None:
    tx.run(
        "INSERT INTO blobs (space_id, id, size, content, created_at) VALUES (:space, :id, :size, :content, :at)",
        space=blob.space_id,
        id=blob.id,
        size=blob.size,
        content=blob.content,
        at=now_ms(),
    )


def find(tx: Tx, space_id: str, blob_id: str) -> Blob | None:
    rows = tx.run("SELECT size, content FROM blobs WHERE space_id = :space AND id = :id", space=space_id, id=blob_id)
    if not rows:
        return None
    size, content = rows[0]
    return Blob(space_id, blob_id, size, None if content is None else Sealed(content))


def remove(tx: Tx, space_id: str, blob_id: str) -> None:
    """No row names it any more. Its file goes after the commit (`BlobStore.forget`), or when files are swept."""
    tx.run("DELETE FROM blobs WHERE space_id = :space AND id = :id", space=space_id, id=blob_id)


def named(tx: Tx) -> set[str]:
    """Every blob id that a row names and whose bytes are in a file."""
    return {row[0] for row in tx.run("SELECT id FROM blobs WHERE content IS NULL")}
