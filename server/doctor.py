"""`pli doctor`: the settings, the machine and the storage, each checked by using it."""

from __future__ import annotations

import io
import os
import socket
import stat
import struct
import sys
import zipfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from server.settings import Settings, problems
from storage import audit_blocks, quarantine
from storage.database import Database, DatabaseDown, Tx, open_database
from storage.ids import now_ms
from storage.vault import NoMasterKey, Vault


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence, and whether it is good news. `warning`: bad news that Pli guards against itself."""

    good: bool
    text: str
    warning: bool = False


AUDIT_LATE_MS = 10 * 60_000  # the chain is told outside each five minutes at most
_UPGRADE = "3.11.10 or later does not. Pli guards against it itself."


def _probe_header_injection() -> Finding:
    """CVE-2024-6923: an encoded newline written out again as a header of its own."""
    letter = EmailMessage(policy=SMTP)
    try:
        letter["Subject"] = "a"
        letter.add_header("X-Probe", "=?utf-8?q?a=0AInjected:_yes?=")
        text = letter.as_bytes()
    except ValueError:
        return Finding(True, "this Python refuses encoded newlines in headers")
    safe = b"\nInjected:" not in text
    if safe:
        return Finding(True, "this Python writes encoded newlines safely")
    return Finding(False, f"this Python writes an encoded newline as a new header; {_UPGRADE}", warning=True)


def _probe_zip_overlap() -> Finding:
    """CVE-2024-0450: zip entries that overlap, read without complaint."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a", b"x" * 100)
        archive.writestr("b", b"y" * 100)
    data = bytearray(buffer.getvalue())
    second = data.rindex(b"PK\x01\x02")
    data[second + 42 : second + 46] = struct.pack("<L", 0)
    try:
        with zipfile.ZipFile(io.BytesIO(bytes(data))) as archive:
            archive.read("b")
    except zipfile.BadZipFile:
        return Finding(True, "this Python refuses zip entries that overlap or lie about their place")
    return Finding(False, f"this Python reads overlapping zip entries; {_UPGRADE}", warning=True)


def _port(settings: Settings, name: str, doors: dict[str, int]) -> Finding:
    number = getattr(settings, name)
    if doors.get(name.removesuffix("_port")) == number:
        return Finding(True, f"{name}: {settings.host}:{number} is open, Pli is running")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, number))
        except OSError as error:
            return Finding(
                False, f"{name}: {settings.host}:{number} cannot be opened ({os.strerror(error.errno or 0)})"
            )
    return Finding(True, f"{name}: {settings.host}:{number} is free")


def _key(settings: Settings) -> Finding:
    path = settings.key_file
    if not path.exists():
        return Finding(True, f"master key: {path} will be made at first start; keep a copy away from the backups")
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return Finding(False, f"master key: {path} can be read by others (chmod 600)")
    try:
        Vault.from_file(path)
    except NoMasterKey as error:
        return Finding(False, str(error))
    return Finding(True, f"master key: {path} is readable by its owner alone")


async def _database(settings: Settings) -> list[Finding]:
    try:
        database = await open_database(settings.database)
    except (DatabaseDown, OSError) as error:
        return [Finding(False, f"database: {error}")]
    try:
        return await look(database, settings)
    finally:
        await database.close()


async def look(database: Database, settings: Settings) -> list[Finding]:
    """What an open database says of itself: beside a running server, it is the server that looks."""

    def ask(tx: Tx) -> str:
        if tx.engine == "sqlite":
            level = tx.run("PRAGMA synchronous")[0][0]
            return f"journal {tx.run('PRAGMA journal_mode')[0][0]}, synchronous {'FULL' if level == 2 else level}"
        return str(tx.run("SHOW server_version")[0][0])

    answers = Finding(True, f"database: {database.engine} answers ({await database.read(ask)})")
    return [answers, *await _quarantine(database), *await _audit(database, settings)]


async def _audit(database: Database, settings: Settings) -> list[Finding]:
    """How far the chain over the audit is, and whether it is told outside (`server.audit_chain`)."""
    try:
        newest, told = await database.read(lambda tx: (audit_blocks.newest(tx), audit_blocks.last_anchored(tx)))
        count, since = await database.read(audit_blocks.waiting)
    except Exception:  # noqa: BLE001 - a database that was never migrated has no audit
        return []
    late = bool(count) and now_ms() - since > AUDIT_LATE_MS
    said = f"audit: {newest.number if newest else 0} blocks, {count} rows not sealed yet"
    found = [Finding(not late, said + (f", the oldest for {_age(since)}" if late else ""), warning=True)]
    if not (settings.audit_anchor_file or settings.audit_anchor_url):
        nowhere = "audit: the chain is told nowhere else (audit_anchor_file, audit_anchor_url): a cut end is not found"
        return [*found, Finding(False, nowhere, warning=True)]
    behind = newest is not None and (told is None or told.number < newest.number)
    late = behind and newest is not None and now_ms() - newest.at > AUDIT_LATE_MS
    last = f"{_age(told.anchored_at)} ago" if told and told.anchored_at else "never"
    return [*found, Finding(not late, f"audit: the chain was last told outside {last}", warning=True)]


async def _quarantine(database: Database) -> list[Finding]:
    """What nobody decided yet, and for how long: nothing is lost in silence."""
    try:
        counts = await database.read(quarantine.counts)
    except Exception:  # noqa: BLE001 - a database that was never migrated holds nothing back
        return []
    return [
        Finding(False, f"quarantine: {count} {state} ({reason}), the oldest for {_age(since)}", warning=True)
        for state, reason, count, since in counts
    ] or [Finding(True, "quarantine: no letter waits or is held")]


def _age(since: int) -> str:
    hours = (now_ms() - since) // 3_600_000
    return f"{hours // 24} days" if hours >= 48 else f"{hours} hours"


def _trust(settings: Settings, status: dict[str, Any]) -> list[Finding]:
    """Who may write: `status` as `pli trust status` prints it."""
    found, in_force = [], status["list"]
    if in_force is None and settings.trust_list_url:
        found.append(Finding(False, "white list: none was ever taken; `pli trust refresh` says why"))
    elif in_force is not None:
        said = f"white list: of {in_force['generated']}, {in_force['entries']} entries"
        age = _age(in_force["taken_at"])
        late = now_ms() - in_force["taken_at"] > 3 * max(settings.trust_list_hours, 1) * 3_600_000
        stale = bool(settings.trust_list_url and settings.trust_list_hours) and late
        found.append(Finding(not stale, f"{said}, last fetched or imported {age} ago", warning=True))
        if not settings.tls_ca:
            found.append(Finding(False, "white list: its subjects say nothing without tls_ca, so it trusts nobody"))
    found += [
        Finding(False, f"trust: the last fetch failed ({code}); the last good copy stays in force", warning=True)
        for code in status["failures"].values()
    ]
    return found + [_revocations(row) for row in status["revocations"]]


def _revocations(row: dict[str, str]) -> Finding:
    name = f"revocation list of « {row['authority']} »"
    if not row["until"]:
        return Finding(False, f"{name}: none, so that whoever it certified is told to come again (451)", warning=True)
    good = datetime.fromisoformat(row["until"]) > datetime.now(UTC)
    return Finding(good, f"{name}: until {row['until']}" if good else f"{name}: expired on {row['until']}")


def _clamd(settings: Settings) -> Finding:
    """Whether clamd answers. Where scanning is required, no mail comes in as long as it does not."""
    try:
        good = _ping(settings.clamd)
    except (OSError, ValueError, OverflowError):
        good = False
    if good:
        return Finding(True, f"clamd: {settings.clamd} answers")
    return Finding(False, f"clamd: {settings.clamd} does not answer", warning=not settings.clamd_required)


def _ping(where: str) -> bool:
    """PING, as clamd(8) has it."""
    host, _, port = where.rpartition(":")
    local = where.startswith("unix:")
    with socket.socket(socket.AF_UNIX) if local else socket.create_connection((host.strip("[]"), int(port)), 5) as link:
        link.settimeout(5)
        if local:
            link.connect(where.removeprefix("unix:"))
        link.sendall(b"zPING\0")
        return link.recv(16) == b"PONG\0"


Ask = Callable[[Settings], Awaitable[dict[str, Any] | None]]


async def examine(settings: Settings, trust_status: Ask | None = None, running: Ask | None = None) -> list[Finding]:
    """Every check, good news and bad. `trust_status`: what is in force, or None when it cannot be told. `running`: the
    doors of the running server, and what it sees in its database; None when there is none.
    """
    server = await running(settings) if running is not None else None
    found = [Finding(False, text) for text in problems(settings)] or [Finding(True, "the settings hold together")]
    found.append(Finding(sys.version_info >= (3, 11), f"Python {sys.version.split()[0]}"))
    found += [_probe_header_injection(), _probe_zip_overlap(), _key(settings)]
    found += [
        _port(settings, f"{door}_port", server["doors"] if server is not None else {})
        for door in ("http", "smtp", "submission", "submissions", "imap")
        if getattr(settings, f"{door}_port")
    ]
    found += [_clamd(settings)] if settings.clamd else []
    found += await _database(settings) if server is None else [Finding(**one) for one in server["found"]]
    status = await trust_status(settings) if trust_status is not None else None
    return found + (_trust(settings, status) if status is not None else [])
