"""Bring a database up to the schema of this version (Alembic). Old code refuses a newer schema; each step is one transaction."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config


def migrate(url: str, revision: str = "head") -> None:
    """Upgrade the database at `url` (`sqlite:///…` or `postgresql://…`) to `revision`. Synchronous: call it in a thread."""
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    command.upgrade(config, revision)
