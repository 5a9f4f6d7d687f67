"""A private clamd for the tests, with a database of one signature, the EICAR test file's: nothing is downloaded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.programs import Running, program, running

# In two pieces, so that no scanner takes this file for what it speaks of (EICAR, 2003: 68 octets, harmless).
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + rb"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
NAME = "Eicar-Test-Signature"


@dataclass
class Clamd:
    """One that runs. `where`: as the setting `clamd` says it."""

    where: str
    process: Running


@contextmanager
def clamd(folder: Path, **options: str) -> Iterator[Clamd]:
    """Run clamd on a socket in `folder` while the block lasts. Options are those of clamd.conf(5)."""
    database = folder / "signatures"
    database.mkdir(parents=True)
    digest = hashlib.md5(EICAR, usedforsecurity=False).hexdigest()
    (database / "eicar.hdb").write_text(f"{digest}:{len(EICAR)}:{NAME}\n")
    socket = folder / "clamd.socket"
    settings = {
        "DatabaseDirectory": str(database),
        "LocalSocket": str(socket),
        "Foreground": "yes",
        "User": "root",
        "MaxThreads": "4",
        **options,
    }
    config = folder / "clamd.conf"
    config.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    with running([program("clamd", "clamav-daemon"), "-c", str(config)], ready="Self checking") as process:
        yield Clamd(f"unix:{socket}", process)
