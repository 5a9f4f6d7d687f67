"""`pli demo` in a process of its own, to be killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Server:
    """`pli demo` on a data folder. `http_port`: 0 takes a free one at each start."""

    folder: Path
    http_port: int = 0
    process: subprocess.Popen[bytes] | None = None
    told: dict[str, Any] = field(default_factory=dict)

    def start(self) -> None:
        (self.folder / "demo.json").unlink(missing_ok=True)
        ports = {f"PLI_{door}_PORT": "0" for door in ("SMTP", "SUBMISSION", "IMAP")}
        ports["PLI_HTTP_PORT"] = str(self.http_port)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "server", "demo", "--data-dir", str(self.folder)],
            env={**os.environ, **ports},
            cwd=Path(__file__).parents[2], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 180
        while not (self.folder / "demo.json").exists():
            assert self.process.poll() is None, "the server did not start again after a kill"
            assert time.monotonic() < deadline
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.02)
        self.told = json.loads((self.folder / "demo.json").read_text())

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        assert self.process.wait(30) == 0
