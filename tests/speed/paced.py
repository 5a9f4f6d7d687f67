"""Letters on a schedule, in a process of their own: so many a second, whether or not the earlier ones were answered.

`python -m tests.speed.paced` reads one `Pace` as JSON on its standard input and prints one `Kept`. Everything is built
and connected before the clock starts. A letter's time runs from the moment it was due, so that a server that falls
behind shows it.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.speed.load import Connection, Refused, Target
from tests.speed.messages import Letter, Size, build

READY = "ready"


@dataclass(frozen=True, slots=True)
class Pace:
    """`rate` letters a second for `seconds`, over so many connections, going round the recipients."""

    target: Target
    size: Size
    rate: float
    seconds: float
    connections: int
    recipients: list[str]


@dataclass(slots=True)
class Kept:
    """Seconds from due to 250 of each letter taken; the refusals by their text; and how long it all took."""

    took: list[float] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


class Sending:
    """The process of its own, once it said that it is ready: `go` starts its clock, `kept` waits for its end."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def ready(cls, pace: Pace) -> Sending:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.speed.paced", cwd=Path(__file__).parents[2], limit=1 << 26,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(asdict(pace)).encode() + b"\n")
        if (await process.stdout.readline()).decode().strip() != READY:
            _, errors = await process.communicate()
            raise Refused(errors.decode().strip().rpartition("\n")[2] or "the paced client stopped")
        return cls(process)

    async def go(self) -> Kept:
        said, errors = await self._process.communicate(b"go\n")
        if self._process.returncode:
            raise Refused(errors.decode().strip().rpartition("\n")[2] or "the paced client stopped")
        return Kept(**json.loads(said))


def _send(pace: Pace, letters: list[Letter], connections: list[Connection]) -> Kept:
    kept, numbers, lock = Kept(), itertools.count(), threading.Lock()
    refused: Counter[str] = Counter()
    began = time.perf_counter()

    def one(connection: Connection) -> None:
        while True:
            with lock:
                number = next(numbers)
            if number >= len(letters):
                return
            due = began + number / pace.rate
            time.sleep(max(0.0, due - time.perf_counter()))
            letter = letters[number]
            try:
                connection.envelope(letter.recipient)
                connection.sock.sendall(b"".join(letter.pieces))
                connection.accepted()
            except (Refused, OSError) as error:
                with lock:
                    refused[str(error)] += 1
                connection.close()
                connection = Connection(pace.target)
                continue
            kept.took.append(time.perf_counter() - due)

    threads = [threading.Thread(target=one, args=(connection,)) for connection in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept.seconds, kept.refused = time.perf_counter() - began, dict(refused)
    return kept


def main() -> None:
    """The process of its own: a `Pace` in, `ready` out, `go` in, a `Kept` out."""
    given = json.loads(sys.stdin.readline())
    pace = Pace(**{**given, "target": Target(**given["target"])})
    letters = build(pace.size, int(pace.rate * pace.seconds), pace.recipients, pace.target.sender)
    connections = [Connection(pace.target) for _ in range(pace.connections)]
    print(READY, flush=True)
    sys.stdin.readline()
    print(json.dumps(asdict(_send(pace, letters, connections))))


if __name__ == "__main__":
    main()
