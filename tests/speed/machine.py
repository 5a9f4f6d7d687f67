"""The machine, in a few lines, without which no figure of a benchmark means anything."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sqlite3
import ssl
import tempfile
import time
from pathlib import Path

from tests.speed import peers

LIBRARIES = (
    "aiohttp",
    "python-socketio",
    "aiosmtpd",
    "aiosqlite",
    "SQLAlchemy",
    "cryptography",
    "fast-mail-parser",
    "uvloop",
)


def describe(folder: Path) -> list[str]:
    """Cores, memory, disk, and the versions of what is measured, a line each. `folder`: where the data of all systems
    go.
    """
    versions = []
    for name in LIBRARIES:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    absent = peers.missing()
    beside = absent or f"Postfix {peers.postfix_version()}, Dovecot {peers.dovecot_version()}"
    small, large = fsync_rate(folder, 4096), fsync_rate(folder, 400_000)
    load = os.getloadavg()[0]
    return [
        f"{os.cpu_count()} cores ({_cpu()}), {_memory() / 2**30:.0f} GiB, {platform.system()} {platform.release()}"
        f", load before the start {load:.1f}",
        f"disk: {_filesystem(folder)}, {small:.0f} writes of 4 kB with fdatasync a second, {large:.0f} of 400 kB",
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {ssl.OPENSSL_VERSION}",
        ", ".join(versions),
        f"beside us: {beside}",
    ]


def fsync_rate(folder: Path, size: int, seconds: float = 0.5) -> float:
    """Appends of `size` bytes made durable by fdatasync, a second, one after the other."""
    block = os.urandom(size)
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        count, began = 0, time.perf_counter()
        while (spent := time.perf_counter() - began) < seconds:
            file.write(block)
            os.fdatasync(file.fileno())
            count += 1
    return count / spent


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _filesystem(folder: Path) -> str:
    """The type of the filesystem that holds `folder`; a tmpfs would make fsync free and every figure false."""
    best, kind = "", "unknown"
    path = str(folder.resolve())
    for line in Path("/proc/mounts").read_text().splitlines():
        mounted, type_ = line.split()[1:3]
        if (path == mounted or path.startswith(mounted.rstrip("/") + "/")) and len(mounted) > len(best):
            best, kind = mounted, type_
    return kind
