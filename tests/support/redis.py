"""A private Redis server for a test session: wake-ups between nodes. It keeps nothing on disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.programs import free_port, program, running


@contextmanager
def redis_server() -> Iterator[str]:
    """Run a server on 127.0.0.1 while the block lasts, and give its URL."""
    port = free_port()
    command = [program("redis-server"), "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
    with running(command, ready="Ready to accept connections"):
        yield f"redis://127.0.0.1:{port}/0"
