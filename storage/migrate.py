"""Bring a database up to the schema of this version (Alembic). Each step is one transaction; old code refuses a newer
schema.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from storage.database import DatabaseDown

HEAD = "0006"  # the newest migration; a test holds it against the folder


def migrate(url: str, revision: str = "head") -> None:
    """Upgrade the database at `url` (`sqlite:///…` or `postgresql://…`) to `revision`. Synchronous: call it in a
    thread. Raises `DatabaseDown` when its schema is newer than this version's.

    An embedded database that is up to date is left alone, which spares every start the second that Alembic takes to
    load.
    """
    if url.startswith("sqlite:///"):
        path = Path(url.removeprefix("sqlite:///"))
        path.parent.mkdir(parents=True, exist_ok=True)
        if revision == "head" and _at_head(path):
            return
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    try:
        command.upgrade(config, revision)
    except CommandError as error:
        raise DatabaseDown(f"this database was made by a newer version of Pli: {error}") from error


def _at_head(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            return connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD,)]
    except sqlite3.OperationalError:
        return False
