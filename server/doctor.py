"""`pli doctor`: the settings, the machine and the storage, each checked by using it."""

from __future__ import annotations

import io
import os
import socket
import stat
import struct
import sys
import zipfile
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP

from server.settings import Settings, problems
from storage.database import DatabaseDown, Tx, open_database
from storage.vault import NoMasterKey, Vault


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence, and whether it is good news. `warning`: bad news that Pli guards against itself."""

    good: bool
    text: str
    warning: bool = False


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


def _port(settings: Settings, name: str) -> Finding:
    number = getattr(settings, name)
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


async def _database(settings: Settings) -> Finding:
    def ask(tx: Tx) -> str:
        if tx.engine == "sqlite":
            level = tx.run("PRAGMA synchronous")[0][0]
            return f"journal {tx.run('PRAGMA journal_mode')[0][0]}, synchronous {'FULL' if level == 2 else level}"
        return str(tx.run("SHOW server_version")[0][0])

    try:
        database = await open_database(settings.database)
    except (DatabaseDown, OSError) as error:
        return Finding(False, f"database: {error}")
    try:
        return Finding(True, f"database: {database.engine} answers ({await database.read(ask)})")
    finally:
        await database.close()


async def examine(settings: Settings) -> list[Finding]:
    """Every check, good news and bad."""
    found = [Finding(False, text) for text in problems(settings)] or [Finding(True, "the settings hold together")]
    found.append(Finding(sys.version_info >= (3, 11), f"Python {sys.version.split()[0]}"))
    found += [_probe_header_injection(), _probe_zip_overlap(), _key(settings)]
    found += [
        _port(settings, f"{door}_port")
        for door in ("http", "smtp", "submission", "imap")
        if getattr(settings, f"{door}_port")
    ]
    found.append(await _database(settings))
    return found
