"""The rows about readers: how soon they see a message, and what a thousand of them cost."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import aiohttp

from tests.speed import live
from tests.speed.cast import DESK
from tests.speed.clients import Arrivals, IdleWatch, LiveSocket, session
from tests.speed.house import House
from tests.speed.live import Chatter, Latency
from tests.speed.paced import Pace, Sending
from tests.speed.peers import DOMAIN, PASSWORD, Peers
from tests.speed.table import Row, ms, rate

MEDIAN_MS, P99_MS = 10.0, 50.0
SOCKETS_EACH = 5
SOCKET_KIB = 40.0
CHATTER_RATE, CHATTER_P99_MS = 100.0, 100.0
LETTERS = 50  # a second, of 1.5 kB, to the same people
PAUSE = 0.06  # seconds between one person's messages: people, and limits on one socket, are slower than benchmarks
GOAL = f"median {MEDIAN_MS:.0f} ms, p99 {P99_MS:.0f} ms"


async def latencies(house: House, peers: Peers | None, *, quick: bool) -> list[Row]:
    """Mail and live messages to sockets and to IMAP IDLE, one and a hundred in flight; Postfix to Dovecot's IDLE
    beside.
    """
    beside = await _peers(peers, quick=quick) if peers is not None else ("", "")
    count, crowd = (40, 300) if quick else (200, 3000)
    patients = house.cast.patients[:100]
    rows = []
    async with AsyncExitStack() as stack:
        opener = await stack.enter_async_context(session())
        at_patient, at_desk, at_idle = Arrivals(), Arrivals(), Arrivals()
        sockets = [await _socket(stack, opener, house, at_patient, patient.token) for patient in patients]
        one = await live.mail_one_by_one(house.mx(), house.recipients(len(patients)), at_patient, count)
        rows.append(_row("final dot → patient's socket, 1 mail in flight", one, beside[0]))
        many, kept = await live.mail_crowd(house.mx(), house.recipients(len(patients)), at_patient, crowd)
        note = f"at {rate(kept)}; by Little's law the median is at least 100 in flight / rate = {ms(100_000 / kept)}"
        rows.append(_row("final dot → patient's socket, 100 mails in flight", many, beside[1], note))
        await _socket(stack, opener, house, at_desk, house.cast.token)
        watch = await IdleWatch(at_idle).open(house.imap_port, DESK, house.cast.password)
        stack.push_async_callback(watch.close)
        there, idle = await live.post_one_by_one(
            sockets[0], patients[0].conversation, at_desk, count // 2, watch=watch, pause=PAUSE
        )
        rows.append(_row("live message → the other side's socket, 1 in flight", there))
        if idle is not None:
            rows.append(_row("live message → the other side's IMAP IDLE, 1 in flight", idle))
        chatters = [Chatter(socket, patient.conversation) for socket, patient in zip(sockets, patients, strict=True)]
        already = watch.more
        sent = await live.post_at_once(chatters, at_desk, 2 if quick else 10)
        rows.append(_row("live message → the other side's socket, 100 at once", Latency.between(sent, at_desk)))
        await live.all_arrived(sent, at_idle, [(watch, already + len(sent))])
        rows.append(_row("live message → the other side's IMAP IDLE, 100 at once", Latency.between(sent, at_idle)))
    return rows


async def thousand(house: House, *, quick: bool) -> list[Row]:
    """A thousand sockets of two hundred patients: what each costs the server, and 100 messages a second among them."""
    async with AsyncExitStack() as stack:
        opener = await stack.enter_async_context(session())
        arrivals = Arrivals()
        await _socket(stack, opener, house, arrivals, house.cast.token)  # the desk; what is loaded once is its own
        before = house.resident_bytes()
        writers = []
        for patient in house.cast.patients:
            sockets = await asyncio.gather(
                *(_socket(stack, opener, house, arrivals, patient.token) for _ in range(SOCKETS_EACH))
            )
            writers.append(Chatter(sockets[0], patient.conversation))
        count = len(writers) * SOCKETS_EACH
        await asyncio.sleep(
            1
        )  # the server finishes what it does at a connection; then its memory is that of open sockets
        each = (house.resident_bytes() - before) / count / 1024
        seconds = 3.0 if quick else 10.0
        # Each message is shown on the writer's own five sockets and on the desk's one.
        latency, kept = await live.chatter_at(writers, arrivals, CHATTER_RATE, seconds, readers=SOCKETS_EACH + 1)
        after = (house.resident_bytes() - before) / count / 1024
        pace = Pace(house.mx(), "text", LETTERS, seconds, 10, house.recipients(len(house.cast.patients)))
        sending, shown_letters = await Sending.ready(pace), int(LETTERS * seconds) * SOCKETS_EACH
        (among, held), letters = await asyncio.gather(
            live.chatter_at(writers, arrivals, CHATTER_RATE, seconds, SOCKETS_EACH + 1, shown_letters), sending.go()
        )
    memory = f"{each:.1f} KiB ({after:.1f} after the chatter)"
    shown = f"p50 {ms(latency.median_ms)}, p99 {ms(latency.p99_ms)} over {latency.count:,} arrivals at {rate(kept)}"
    beside = f"p50 {ms(among.median_ms)}, p99 {ms(among.p99_ms)} at {rate(held)}, {len(letters.took)} letters in"
    kept_up = among.p99_ms < CHATTER_P99_MS and not among.lost and not letters.refused
    good = latency.p99_ms < CHATTER_P99_MS and not latency.lost and kept > CHATTER_RATE * 0.95
    return [
        Row(f"memory of a socket ({count:,} open)", f"{SOCKET_KIB:.0f} KiB", memory, met=each <= SOCKET_KIB),
        Row("100 messages a second among them", f"p99 {CHATTER_P99_MS:.0f} ms", shown + _lost(latency), met=good),
        Row(
            f"the same, while {LETTERS} letters a second come in",
            f"p99 {CHATTER_P99_MS:.0f} ms",
            beside + _lost(among),
            met=kept_up,
        ),
    ]


async def _peers(peers: Peers, *, quick: bool) -> tuple[str, str]:
    """Postfix to Dovecot's IDLE: one mail in flight, and a hundred."""
    recipients = [f"idle{number}@{DOMAIN}" for number in range(4)]
    async with AsyncExitStack() as stack:
        arrivals = Arrivals()
        watches = []
        for recipient in recipients:
            watch = await IdleWatch(arrivals).open(peers.imap_port, recipient, PASSWORD)
            stack.push_async_callback(watch.close)
            watches.append(watch)
        one = await live.mail_to_idle_one_by_one(peers.smtp(), recipients[0], watches[0], 5 if quick else 12)
        many, kept = await live.mail_crowd(peers.smtp(), recipients, arrivals, 300, watches)
    return (
        f"Postfix → Dovecot IDLE {ms(one.median_ms)}, p99 {ms(one.p99_ms)}",
        f"Postfix → Dovecot IDLE {ms(many.median_ms)}, p99 {ms(many.p99_ms)} at {rate(kept)}{_lost(many)}",
    )


def _row(what: str, latency: Latency, beside: str = "", note: str = "") -> Row:
    shown = f"median {ms(latency.median_ms)}, p99 {ms(latency.p99_ms)}{_lost(latency)}"
    good = latency.median_ms < MEDIAN_MS and latency.p99_ms < P99_MS and not latency.lost
    return Row(what, GOAL, f"{shown} ({note})" if note else shown, beside, good)


def _lost(latency: Latency) -> str:
    return f", {latency.lost} LOST" if latency.lost else ""


async def _socket(
    stack: AsyncExitStack, opener: aiohttp.ClientSession, house: House, arrivals: Arrivals, token: str
) -> LiveSocket:
    socket = await LiveSocket(arrivals).open(opener, house.http, token=token)
    stack.push_async_callback(socket.close)
    return socket
