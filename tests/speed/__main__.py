"""`python -m tests.speed`, that is `make speed`: run the benchmarks and print the table.

Systems that are compared run in turn within each round, in an order that changes from round to round; the figures are
medians of the rounds. `--quick` is for looking whether it runs, not for figures to quote.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.speed import (
    country,
    documents,
    dossier,
    drain,
    filing,
    idle,
    imap,
    machine,
    mailin,
    peers,
    readers,
    reminders,
    screen,
)
from tests.speed.house import House
from tests.speed.load import Refused
from tests.speed.posts import rows as posts_rows
from tests.speed.table import Row, render

PARTS = (
    "imap", "idle", "mail", "live", "sockets", "screen", "xdm", "samples", "documents", "dossier", "drain", "large",
    "peak", "posts", "reminders",
)  # fmt: skip
Measure = Callable[[], Awaitable[list[Row]]]
SECONDS = 2.0  # of each measurement of mail and posts
CROWD = 200  # patients; with five sockets each they are the thousand


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asked for."""

    rounds: int
    seconds: float
    only: tuple[str, ...]
    folder: Path


def options(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(
        prog="python -m tests.speed", description="Pli's benchmarks, beside Postfix and Dovecot."
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds of alternating measurements of mail (3)")
    parser.add_argument("--quick", action="store_true", help="one short round: does it run?")
    parser.add_argument("--only", action="append", choices=PARTS, help="this part; may be given again (all)")
    parser.add_argument(
        "--dir", type=Path, help="where all systems keep their data during the run (TMPDIR, or /var/tmp)"
    )
    given = parser.parse_args(arguments)
    # /var/tmp before /tmp: it is a disk where /tmp is memory, and in memory fsync costs nothing.
    folder = given.dir or Path(os.environ.get("TMPDIR", "/var/tmp"))  # noqa: S108 - tempfile makes a private folder in it
    return Options(
        1 if given.quick else given.rounds, 1.0 if given.quick else SECONDS, tuple(given.only or PARTS), folder
    )


async def run(chosen: Options, folder: Path) -> bool:
    """Everything that was asked for, printed as it is known; False when a part could not be measured."""
    print("\n".join(machine.describe(folder)), flush=True)
    absent = peers.missing()
    if absent:
        print(f"Pli's own figures only, without ratios: {absent}.", flush=True)
    quick, good = chosen.seconds < SECONDS, True
    if set(chosen.only) & {"mail", "live", "sockets", "screen", "xdm", "large", "peak"}:
        with ExitStack() as stack:
            clerks = country.clerks(quick=quick) if "peak" in chosen.only else 0
            house = stack.enter_context(House(folder / "pli", CROWD, clerks))
            wanted = not absent and set(chosen.only) & {"mail", "live"}
            beside = stack.enter_context(peers.Peers(folder / "peers")) if wanted else None

            async def mail() -> list[Row]:
                return mailin.measure(house, beside, folder, chosen.rounds, chosen.seconds)

            parts: dict[str, tuple[str, Measure]] = {
                "mail": ("Mail in (medians of the rounds)", mail),
                "live": ("Until the other side sees it", partial(readers.latencies, house, beside, quick=quick)),
                "sockets": ("A thousand live sockets", partial(readers.thousand, house, quick=quick)),
                "screen": ("On the patient's screen", partial(screen.pages, house, quick=quick)),
                "xdm": ("Mail with documents", partial(documents.packages, house, chosen.rounds, chosen.seconds)),
                "large": ("Large letters while chatting", partial(country.large, house, quick=quick)),
                "peak": ("The country's peak minute, at once", partial(country.peak, house, quick=quick)),
            }
            for name, (title, measure) in parts.items():
                if name in chosen.only:
                    good &= await _show(title, measure)
    if "imap" in chosen.only:
        good &= await _show("A mail client on a large mailbox", partial(imap.rows, folder, quick=quick))
    if "idle" in chosen.only:
        good &= await _show("Mail clients that wait", partial(idle.rows, folder, quick=quick))
    if "samples" in chosen.only:
        good &= await _show("Documents read", documents.samples)
    if "documents" in chosen.only:
        good &= await _show("Documents filed", partial(filing.rows, folder, quick=quick))
    if "dossier" in chosen.only:
        good &= await _show("A dossier of 1,000 documents", partial(dossier.rows, folder, quick=quick))
    if "reminders" in chosen.only:
        good &= await _show("Prevention", partial(reminders.rows_of, folder, quick=quick))
    if "drain" in chosen.only:

        async def drained() -> list[Row]:
            return drain.rows(folder, quick=quick)

        good &= await _show("Mail out", drained)
    if "posts" in chosen.only:

        async def posts() -> list[Row]:
            return posts_rows(folder, chosen.seconds)

        good &= await _show("post() in process", posts)
    return good


async def _show(title: str, measure: Measure) -> bool:
    """Measure and print; one part that breaks says so and leaves the others to be measured."""
    try:
        print(render(title, await measure()), flush=True)
    except (Refused, ConnectionError, RuntimeError, TimeoutError) as error:
        print(f"\n{title}: could not be measured: {str(error) or type(error).__name__}", flush=True)
        return False
    return True


def main() -> None:
    """Parse, make a scratch folder, run, and leave nothing behind."""
    chosen = options(sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="pli-speed-", dir=chosen.folder) as folder:
        Path(folder).chmod(0o711)  # Postfix's and Dovecot's unprivileged processes pass through to folders of their own
        for name in ("pli", "peers"):
            (Path(folder) / name).mkdir()
        good = asyncio.run(run(chosen, Path(folder)))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
