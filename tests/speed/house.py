"""Pli as a newcomer starts it: `pli demo` on a data folder of its own, with free ports, in its own process."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # ships no types

from tests.speed.cast import DESK, Cast, seed_apart
from tests.speed.load import Target

PATIENT_DOMAIN = "patient.pli.example"


class House:
    """A running Pli with the demo's cast, a crowd of `patients` more, and `clerks` who may sign in."""

    def __init__(self, folder: Path, patients: int, clerks: int = 0) -> None:
        self.folder = folder
        self._patients, self._clerks = patients, clerks

    def __enter__(self) -> House:
        self.cast: Cast = seed_apart(self.folder, self._patients, self._clerks)
        doors = ("HTTP", "SMTP", "SUBMISSION", "IMAP")
        self._log = (self.folder / "speed.log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "server", "demo", "--data-dir", str(self.folder)],
            cwd=Path(__file__).parents[2],
            env={**os.environ, **{f"PLI_{door}_PORT": "0" for door in doors}},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        try:
            self._told: dict[str, Any] = self._wait_open()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._log.close()

    @property
    def http(self) -> str:
        return str(self._told["http"])

    def told(self, who: str) -> dict[str, Any]:
        """What demo.json says of somebody of the cast."""
        return dict(self._told["people"][who])

    @property
    def imap_port(self) -> int:
        return int(self._told["imap"]["port"])

    def mx(self) -> Target:
        """The MX door, played as the operator that the demo trusts, by its certificate."""
        operator = self._told["trusted_operator"]
        return Target(
            port=self._told["smtp"]["port"], ca=self._told["ca"], certificate=operator["certificate"],
            key=operator["key"], sender=f"envoi@{operator['domain']}",
        )  # fmt: skip

    def submission(self) -> Target:
        """The submission door, signed in as the desk."""
        return Target(
            port=self._told["submission"]["port"],
            ca=self._told["ca"],
            user=DESK,
            password=self.cast.password,
            sender=DESK,
        )

    def recipients(self, count: int) -> list[str]:
        """Mail addresses of the first `count` patients of the crowd."""
        return [f"{patient.ins}@{PATIENT_DOMAIN}" for patient in self.cast.patients[:count]]

    def resident_bytes(self) -> int:
        """Memory of the server's process that is in RAM (VmRSS)."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("the server's process is gone")

    def cpu_seconds(self) -> float:
        """CPU that the server's process and its children have used."""
        process = psutil.Process(self.process.pid)
        times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
        return float(sum(time.user + time.system for time in times))

    def documents(self) -> int:
        """Documents that letters enclosed: taken out of their package, verified, and kept by themselves."""
        with sqlite3.connect(f"file:{self.folder / 'pli.db'}?mode=ro", uri=True) as connection:
            return int(connection.execute("SELECT count(*) FROM attachments WHERE part = ''").fetchone()[0])

    def messages(self) -> int:
        """Messages in the database, read beside the running server: what its 250s can be held against."""
        with sqlite3.connect(f"file:{self.folder / 'pli.db'}?mode=ro", uri=True) as connection:
            return int(connection.execute("SELECT count(*) FROM messages").fetchone()[0])

    def _wait_open(self) -> dict[str, Any]:
        path = self.folder / "demo.json"
        until = time.monotonic() + 60
        while time.monotonic() < until and self.process.poll() is None:
            if path.exists():
                told = json.loads(path.read_text())
                with urllib.request.urlopen(f"{told['http']}/healthz", timeout=10) as answer:  # noqa: S310 - our own http://
                    if answer.status == 200:
                        return dict(told)
            time.sleep(0.05)
        said = (self.folder / "speed.log").read_text(errors="replace").strip().rpartition("\n")[2]
        raise RuntimeError(f"pli demo did not open: {said}")
