"""A private PostgreSQL cluster for a test session: the second of the two engines.

Promises: nothing of the machine's own PostgreSQL is touched; the cluster listens on 127.0.0.1 only and is erased at the
end; a database is a copy of a template, made in about 60 ms.

Does not: survive a power cut. `fsync` is off, because a test machine may lose its scratch data; `synchronous_commit`
stays on, since Pli refuses a server that has it off. A Pli killed alone (the durability tests) loses nothing by this:
what was written is with the kernel.
"""

from __future__ import annotations

import itertools
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.programs import as_user, free_port, missing, plain_user, running

SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "unix_socket_directories": "",
    "listen_addresses": "127.0.0.1",
}
READY = "database system is ready to accept connections"


def server_folder() -> Path:
    """Return the folder of the newest installed server's programs, or `missing` it."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3].split(".")[0]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else missing("a PostgreSQL server, of Debian's postgresql")


class Cluster:
    """A running cluster on `port`; hands out databases."""

    def __init__(self, programs: Path, port: int) -> None:
        self._programs = programs
        self.port = port
        self._count = itertools.count(1)

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL of one database."""
        return f"postgresql+asyncpg://postgres@127.0.0.1:{self.port}/{database}"

    def create(self, template: str = "template0") -> str:
        """Make a database as a copy of `template`, to which nobody may be connected, and return its name."""
        name = f"pli_{next(self._count)}"
        self._run("createdb", f"--template={template}", name)
        return name

    def drop(self, database: str) -> None:
        """Erase a database, cutting whoever is still connected."""
        self._run("dropdb", "--force", "--if-exists", database)

    def _run(self, tool: str, *arguments: str) -> None:
        command = [
            str(self._programs / tool),
            "--host=127.0.0.1",
            f"--port={self.port}",
            "--username=postgres",
            *arguments,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{tool} {' '.join(arguments)}: {done.stderr.strip()}")


@contextmanager
def cluster(settings: Mapping[str, str] = SETTINGS) -> Iterator[Cluster]:
    """Run a private cluster while the block lasts; under root as `postgres` or `nobody` (it refuses root)."""
    programs = server_folder()
    user = plain_user("postgres")
    folder = Path(tempfile.mkdtemp(prefix="pli-postgres-"))
    try:
        if user is not None:
            shutil.chown(folder, user)
        data = folder / "data"
        initdb = [str(programs / "initdb"), f"--pgdata={data}", "--username=postgres", "--auth=trust", "--no-sync"]
        initdb += ["--encoding=UTF8", "--locale=C.UTF-8"]
        made = subprocess.run(as_user(user, initdb), capture_output=True, text=True, check=False, cwd=folder)
        if made.returncode != 0:
            raise RuntimeError(f"initdb failed: {made.stderr.strip()}")
        with ExitStack() as stack:
            yield Cluster(programs, _start(stack, programs, data, user, settings))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start(stack: ExitStack, programs: Path, data: Path, user: str | None, settings: Mapping[str, str]) -> int:
    """Start the server, to be stopped when `stack` closes, and return its port."""
    options = [f"-c{name}={value}" for name, value in settings.items()]
    tries = 3  # another program may take the port between our look and PostgreSQL's start
    while True:
        port, tries = free_port(), tries - 1
        command = [str(programs / "postgres"), "-D", str(data), "-p", str(port), *options]
        try:
            stack.enter_context(running(command, ready=READY, user=user, cwd=data, stop=signal.SIGQUIT))
        except RuntimeError as error:
            if tries == 0 or "could not bind" not in str(error):
                raise
        else:
            return port
