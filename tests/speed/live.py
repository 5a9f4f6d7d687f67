"""How long until the other side sees it: from the final dot, or from the sending of a live message, to a socket or to
IMAP IDLE.

One in flight: the next message leaves when this one has arrived, so the figure is pure latency. A hundred in flight:
a hundred SMTP connections (in a process of their own), each sending its next letter as soon as its last got its 250;
the figure then holds the time a letter waits for the others, and by Little's law its median cannot be under 100
letters divided by the letters a second that the machine takes.

Every latency is taken on one clock (`perf_counter`, shared by the processes of a machine) and ends when the bytes
that announce the message have been read by the client.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tests.speed.clients import Arrivals, IdleWatch, LiveSocket, tokens
from tests.speed.load import Connection, Load, Refused, Target, percentile, run_apart
from tests.speed.messages import build


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds, over `count` messages; `lost` never arrived."""

    count: int
    median_ms: float
    p99_ms: float
    lost: int = 0

    @classmethod
    def of(cls, seconds: Iterable[float], lost: int = 0) -> Latency:
        ordered = sorted(seconds)
        return cls(len(ordered), percentile(ordered, 50) * 1000, percentile(ordered, 99) * 1000, lost)

    @classmethod
    def between(cls, sent: Mapping[str, float], arrivals: Arrivals) -> Latency:
        """From each token's sending to its arrival; what is not there is lost."""
        took = [arrivals.first[token] - left for token, left in sent.items() if token in arrivals.first]
        return cls.of(took, lost=len(sent) - len(took))


async def mail_one_by_one(target: Target, recipients: Sequence[str], arrivals: Arrivals, count: int) -> Latency:
    """From the final dot to the recipient's live socket, one mail in flight."""
    connection = await asyncio.to_thread(Connection, target)
    took = []
    for letter in build("text", count, recipients, target.sender):
        connection.envelope(letter.recipient)
        left = time.perf_counter()
        connection.sock.sendall(b"".join(letter.pieces))
        took.append(await arrivals.of(letter.subject) - left)
        connection.accepted()
    connection.close()
    return Latency.of(took)


async def mail_to_idle_one_by_one(target: Target, recipient: str, watch: IdleWatch, count: int) -> Latency:
    """From the final dot to the EXISTS of the recipient's IMAP session, one mail in flight."""
    connection = await asyncio.to_thread(Connection, target)
    took = []
    for number, letter in enumerate(build("text", count, [recipient], target.sender), start=watch.more + 1):
        connection.envelope(letter.recipient)
        left = time.perf_counter()
        connection.sock.sendall(b"".join(letter.pieces))
        took.append(await watch.next(number) - left)
        connection.accepted()
    connection.close()
    return Latency.of(took)


async def mail_crowd(
    target: Target, recipients: Sequence[str], arrivals: Arrivals, count: int, watches: Sequence[IdleWatch] = ()
) -> tuple[Latency, float]:
    """From the final dot to the live socket with 100 mails under way; and mails a second. With `watches`, an IMAP
    session for each of `recipients`, to their IDLE instead.
    """
    before = [watch.more for watch in watches]
    load = Load(target, "text", 100, 60, count, list(recipients), note_dots=True)
    result = await asyncio.to_thread(run_apart, load)
    if result.refused:
        raise Refused(f"{sum(result.refused.values())} refused: {next(iter(result.refused))}")
    share = len(result.dots) // len(watches) if watches else 0
    await all_arrived(result.dots, arrivals, [(watch, old + share) for watch, old in zip(watches, before, strict=True)])
    return Latency.between(result.dots, arrivals), result.rate


async def all_arrived(sent: Iterable[str], arrivals: Arrivals, watches: Sequence[tuple[IdleWatch, int]] = ()) -> None:
    """Wait for what is still under way; what has not come after half a minute is lost, and counted by the caller.

    Each of `watches` is waited for until its mailbox grew by the number beside it, then asked what came.
    """
    try:
        if watches:
            await asyncio.gather(*(watch.next(count) for watch, count in watches))
        else:
            await asyncio.gather(*(arrivals.of(token) for token in sent))
    except TimeoutError:
        pass  # the caller counts what is missing
    for watch, _ in watches:
        await watch.settle()


async def post_one_by_one(
    socket: LiveSocket,
    conversation: str,
    there: Arrivals,
    count: int,
    *,
    watch: IdleWatch | None = None,
    pause: float = 0.0,
) -> tuple[Latency, Latency | None]:
    """From a live message's sending to the other side's socket, and to their IMAP IDLE, one in flight.

    `pause` keeps one person's pace below what the chat lets one socket send.
    """
    to_socket, to_idle = [], []
    for number, token in enumerate(tokens(count), start=watch.more + 1 if watch is not None else 1):
        left = time.perf_counter()
        answer = await socket.ask(
            "post", {"conversation": conversation, "text": f"Bonjour {token}", "client_key": token}
        )
        if "error" in answer:
            raise Refused(str(answer["error"]))
        to_socket.append(await there.of(token) - left)
        if watch is not None:
            to_idle.append(await watch.next(number) - left)
        if pause:
            await asyncio.sleep(pause)
    return Latency.of(to_socket), Latency.of(to_idle) if watch is not None else None


@dataclass(frozen=True, slots=True)
class Chatter:
    """Somebody who writes among the thousand: a socket, and the conversation it writes in."""

    socket: LiveSocket
    conversation: str


async def post_at_once(chatters: Sequence[Chatter], there: Arrivals, rounds: int) -> dict[str, float]:
    """All of `chatters` send one message at the same moment, `rounds` times, each round once the one before was seen
    by the other side; when each was sent.
    """
    sent: dict[str, float] = {}
    for _ in range(rounds):
        batch = dict(zip(tokens(len(chatters)), chatters, strict=True))
        await asyncio.gather(*(_post(chatter, token, sent) for token, chatter in batch.items()))
        async with asyncio.timeout(30):
            await asyncio.gather(*(there.of(token) for token in batch))
    return sent


async def chatter_at(
    chatters: Sequence[Chatter], arrivals: Arrivals, rate: float, seconds: float, readers: int, others: int = 0
) -> tuple[Latency, float]:
    """`rate` live messages a second among `chatters` in turn, sent on schedule whether or not the earlier ones arrived.

    Latency to every one of the `readers` sockets that must show each message; and the rate that was kept. `others`:
    arrivals of something else meanwhile, which are waited for too.
    """
    sent: dict[str, float] = {}
    count = int(rate * seconds)
    began = time.perf_counter()
    seen = len(arrivals.every)
    tasks = []
    for number, token in enumerate(tokens(count)):
        due = began + number / rate
        if (ahead := due - time.perf_counter()) > 0:
            await asyncio.sleep(ahead)
        tasks.append(asyncio.create_task(_post(chatters[number % len(chatters)], token, sent)))
    spent = time.perf_counter() - began
    await asyncio.gather(*tasks)
    expected = count * readers
    try:
        await arrivals.reach(seen + expected + others)
    except TimeoutError:
        pass  # what did not come is counted as lost below
    took = [when - sent[token] for token, when in arrivals.every[seen:] if token in sent]
    return replace(Latency.of(took), lost=expected - len(took)), count / spent


async def _post(chatter: Chatter, token: str, sent: dict[str, float]) -> None:
    sent[token] = time.perf_counter()
    answer = await chatter.socket.ask(
        "post", {"conversation": chatter.conversation, "text": f"Bonjour {token}", "client_key": token}
    )
    if "error" in answer:
        raise Refused(str(answer["error"]))
