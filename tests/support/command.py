"""The command `pli` as an operator runs it: a process of its own with its arguments, environment and input. What takes
a second of each start, loading the program, is done once: each run is forked from a process that has loaded it.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
WAIT_S = 60

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["server.__main__"])


def pli(*words: str, given: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    """Run it; `given`: its standard input. Raises `subprocess.TimeoutExpired`."""
    with tempfile.TemporaryDirectory() as folder:
        files = [os.path.join(folder, name) for name in ("in", "out", "err")]
        Path(files[0]).write_text(given)
        process = _forks.Process(target=_run, args=(words, {**os.environ, **environ}, files))
        process.start()
        process.join(WAIT_S)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(words, WAIT_S)
        said, complained = (Path(file).read_text() if Path(file).exists() else "" for file in files[1:])
        return subprocess.CompletedProcess(words, process.exitcode, said, complained)


def _run(words: tuple[str, ...], environ: dict[str, str], files: list[str]) -> None:
    """In the fork: become the command."""
    for place, (file, how) in enumerate(zip(files, ("r", "w", "w"), strict=True)):
        with Path(file).open(how) as opened:
            os.dup2(opened.fileno(), place)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115 - of the process
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(ROOT)
    sys.argv = ["pli", *words]
    from server.__main__ import main

    main()
