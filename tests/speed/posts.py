"""`post()` in process: durable posts a second with 200 callers, each sending its next message when the last is
committed.

A process of its own (`python -m tests.speed.posts URL DATA_DIR SECONDS CALLERS`): no door, no socket, the real path
from a `Draft` to a `Receipt` on the real database, with `synchronous=FULL` on SQLite and `fsync` on in PostgreSQL.
The callers are 100 patients and, at the other end of their 100 conversations, 100 professionals: every post seals its
text, checks its right again in the transaction, writes its audit row and an entry in two mailboxes.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from server import access
from server.drafts import Draft
from server.handles import ConversationHandle
from server.posting import post
from server.settings import Settings
from tests.speed.cast import open_crowd
from tests.speed.crowd import TEST_OID
from tests.speed.load import percentile
from tests.speed.table import Row, ms, rate
from tests.support.postgres import SETTINGS, cluster

if TYPE_CHECKING:
    from server.app import App

CONVERSATIONS, CALLERS = 100, 200
GOAL = 5_000
TEXT = (
    "Bonjour, votre chambre est prête à partir de 14 heures. Pensez à votre carte Vitale et à vos dernières analyses. "
    * 3
)


@dataclass(frozen=True, slots=True)
class Posts:
    """Durable posts a second, and milliseconds a caller waited."""

    rate: float
    median_ms: float
    p99_ms: float


async def measure(database_url: str, data_dir: Path, seconds: float, callers: int) -> Posts:
    """Post for `seconds` with `callers` at once, in this process."""
    from server.app import open_core

    settings = Settings(data_dir=data_dir, database_url=database_url, ins_oids=TEST_OID, demo=True)
    async with open_core(settings) as app:
        ends = await _both_ends(app)
        took: list[float] = []
        stop = 0.0

        async def caller(number: int) -> None:
            handle = ends[number % len(ends)]
            while (began := time.perf_counter()) < stop:
                await post(app, handle.actor, Draft(handle, TEXT))
                took.append(time.perf_counter() - began)

        for warm in (0.3, seconds):
            took.clear()
            began = time.perf_counter()
            stop = began + warm
            await asyncio.gather(*map(caller, range(callers)))
            spent = time.perf_counter() - began
    took.sort()
    return Posts(len(took) / spent, percentile(took, 50) * 1000, percentile(took, 99) * 1000)


async def _both_ends(app: App) -> list[ConversationHandle]:
    """The handle of the professional and that of the patient, for each conversation."""
    ends = []
    for patient, handle in await open_crowd(app, CONVERSATIONS, desks=CONVERSATIONS):
        box = await access.mailbox(app, patient)
        ends += [handle, await access.conversation(app, box, handle.conversation_id)]
    return ends


def measure_apart(database_url: str, data_dir: Path, seconds: float, callers: int = CALLERS) -> Posts:
    """The same in a process of its own. RuntimeError with its last words when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.speed.posts", database_url, str(data_dir), str(seconds), str(callers)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        timeout=seconds + 120,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().rpartition("\n")[2])
    return Posts(*json.loads(done.stdout.strip().rpartition("\n")[2]))


def rows(folder: Path, seconds: float) -> list[Row]:
    """SQLite, held against the goal, and PostgreSQL beside it."""
    embedded = measure_apart("", folder / "posts-sqlite", seconds)
    try:
        other = _postgres(folder, seconds)
        beside = f"PostgreSQL, fsync on: {rate(other.rate)}, median {ms(other.median_ms)}, p99 {ms(other.p99_ms)}"
    except (pytest.skip.Exception, pytest.fail.Exception, RuntimeError) as error:
        beside = f"PostgreSQL not measured: {error}"
    shown = f"{rate(embedded.rate)}, median {ms(embedded.median_ms)}, p99 {ms(embedded.p99_ms)}"
    return [Row(f"durable posts, {CALLERS} callers, SQLite", f"{GOAL:,}/s", shown, beside, embedded.rate >= GOAL)]


def _postgres(folder: Path, seconds: float) -> Posts:
    with cluster({**SETTINGS, "fsync": "on", "full_page_writes": "on"}) as running:
        return measure_apart(running.url(running.create()), folder / "posts-postgresql", seconds)


def main() -> None:
    """The process of its own: figures as JSON on the last line."""
    url, data_dir, seconds, callers = sys.argv[1:]
    try:
        import uvloop

        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    except ImportError:
        runner = asyncio.Runner()
    with runner:
        posts = runner.run(measure(url, Path(data_dir), float(seconds), int(callers)))
    print(json.dumps([posts.rate, posts.median_ms, posts.p99_ms]))


if __name__ == "__main__":
    main()
