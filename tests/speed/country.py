"""The country's peak minute, at once, on one machine, for two minutes; and the chat while five of the largest letters
come in.

**Peak.** Each second, on a schedule that does not wait for answers: 47 documents (letters of 40 kB with an IHE_XDM.ZIP
by the MX door, opened and verified), 94 chat messages (a hundred patients' sockets, to the desk's), 78 campaign notices
(the desk opens a conversation by the HTTP API) and 3 sign-ins (mail clients of as many different people, by IMAP: TLS,
then Argon2id on a password this server has not seen since it started; the one-use links that patients sign in by cost
no such hash). Each time runs from the moment the thing was due: for a document to its 250, a chat message to the other
side's socket, a notice to its 201, a sign-in to its OK.

**Large letters.** Chat messages on a schedule, first alone; then for half a minute in which five letters of 25 MB come
at once; then while five connections bring such letters one after the other, as fast as the loopback carries them. p95
against p95.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial

import aiohttp

from tests.speed.clients import Arrivals, LiveSocket, session, tokens
from tests.speed.house import House
from tests.speed.load import Load, Refused, Result, percentile, run_apart
from tests.speed.paced import Pace, Sending
from tests.speed.table import Row, ms, rate

DOCUMENTS, CHATS, NOTICES, SIGN_INS = 47, 94, 78, 3  # a second
SECONDS, QUICK_SECONDS = 120, 10
PATIENTS = 100
CALM_RATE = 40  # chat messages a second beside large letters
LARGE = 5
MOST_SLOWED = 2.0
_NOTICE = "Le dépistage organisé vous concerne cette année. Répondez ici pour en parler. " * 4


@dataclass(slots=True)
class Told:
    """What became of one kind of thing: (when it was due, seconds from then until it was done); and the refusals."""

    took: list[tuple[float, float]] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def all(self) -> list[float]:
        return [took for _, took in self.took]

    def row(self, what: str, wanted: int, seconds: int) -> Row:
        took, count, refused = sorted(self.all), wanted * seconds, sum(self.refused.values())
        shown = (
            f"{len(took):,} of {count:,} at {rate(len(took) / self.seconds)}, "
            f"median {ms(percentile(took, 50) * 1000)}, p99 {ms(percentile(took, 99) * 1000)}, {refused} refused"
        )
        if refused:
            shown += f" ({self.refused.most_common(1)[0][0][:80]})"
        return Row(what, f"{wanted}/s, nothing refused", shown, met=len(took) == count and not refused)


def clerks(*, quick: bool) -> int:
    """How many people `peak` signs in: each once."""
    return SIGN_INS * (QUICK_SECONDS if quick else SECONDS)


async def peak(house: House, *, quick: bool) -> list[Row]:
    """Everything at once."""
    seconds = QUICK_SECONDS if quick else SECONDS
    patients, token = house.cast.patients, house.cast.token
    async with AsyncExitStack() as stack:
        opener = await stack.enter_async_context(session())
        chat = await _chatting(stack, opener, house, CHATS * seconds)
        sending = await Sending.ready(
            Pace(house.mx(), "document", DOCUMENTS, seconds, 10, house.recipients(len(patients)))
        )
        used, began = house.cpu_seconds(), time.perf_counter()

        async def notice(number: int) -> None:
            body = {"to": patients[number % len(patients)].ins, "subject": "Votre dépistage", "text": _NOTICE}
            async with opener.post(
                f"{house.http}/api/v1/conversations", json=body, headers={"Authorization": f"Bearer {token}"}
            ) as answer:
                if answer.status != 201:
                    raise Refused(f"{answer.status} {await answer.text()}")

        async def sign_in(number: int) -> None:
            await _sign_in(house.imap_port, house.cast.clerks[number], house.cast.password)

        kept, chats, notices, sign_ins = await asyncio.gather(
            sending.go(), _paced(chat, CHATS, seconds), _paced(notice, NOTICES, seconds),
            _paced(sign_in, SIGN_INS, seconds),
        )  # fmt: skip
        busy = (house.cpu_seconds() - used) / (time.perf_counter() - began)
    documents = Told(list(enumerate(kept.took)), Counter(kept.refused), kept.seconds)
    return [
        documents.row("documents by mail (40 kB, IHE_XDM.ZIP)", DOCUMENTS, seconds),
        chats.row("chat messages, to the other side's socket", CHATS, seconds),
        notices.row("campaign notices by the HTTP API", NOTICES, seconds),
        sign_ins.row("sign-ins by password (IMAP, Argon2id)", SIGN_INS, seconds),
        Row("the server meanwhile", "", f"{busy:.2f} cores busy, {house.resident_bytes() / 2**20:.0f} MiB resident"),
    ]


async def large(house: House, *, quick: bool) -> list[Row]:
    """Letters of 25 MB while chatting: five at once, once; and five connections that bring one after the other."""
    seconds, window = (4, 8) if quick else (10, 30)
    async with AsyncExitStack() as stack:
        opener = await stack.enter_async_context(session())
        chat = await _chatting(stack, opener, house, CALM_RATE * (1 + 3 * seconds + window))
        await _paced(chat, CALM_RATE, 1)  # what is loaded once is loaded
        calm = await _paced(partial(_from, chat, CALM_RATE), CALM_RATE, seconds)
        recipients = house.recipients(LARGE)
        five = Load(house.mx(), "large", LARGE, 30.0, LARGE, recipients)
        first = CALM_RATE * (1 + seconds)
        once, around = await asyncio.gather(
            asyncio.to_thread(run_apart, five), _paced(partial(_from, chat, first), CALM_RATE, window)
        )
        many = Load(house.mx(), "large", LARGE, seconds / 2, 60, recipients)
        first += CALM_RATE * window
        ongoing, busy = await asyncio.gather(
            asyncio.to_thread(run_apart, many), _paced(partial(_from, chat, first), CALM_RATE, seconds * 2)
        )
    within = [took for due, took in busy.took if ongoing.began <= due <= ongoing.began + ongoing.seconds]
    alone, refused = _p95(calm.all), sum((calm.refused + around.refused + busy.refused).values())
    return [
        _slowed(f"chat's p95 in the {window} s around {LARGE} letters of 25 MB", alone, around.all, once, refused),
        _slowed(f"chat's p95 while {LARGE} connections bring them on and on", alone, within, ongoing, refused),
    ]


def _p95(took: list[float]) -> float:
    return percentile(sorted(took), 95)


def _slowed(what: str, alone: float, took: list[float], letters: Result, refused: int) -> Row:
    """p95 of chat messages beside letters, against that of a calm time. `refused`: of the chat's messages."""
    among, refused = _p95(took), refused + sum(letters.refused.values())
    shown = (
        f"{ms(among * 1000)} against {ms(alone * 1000)} alone: {among / alone:.2f} × ({len(took)} messages, "
        f"{letters.accepted} letters at {rate(letters.rate)}, {refused} refused)"
    )
    return Row(what, f"{MOST_SLOWED:.0f} × alone", shown, met=among <= MOST_SLOWED * alone and not refused)


Act = Callable[[int], Awaitable[None]]


async def _from(act: Act, first: int, number: int) -> None:
    await act(first + number)


async def _paced(act: Act, wanted: int, seconds: int) -> Told:
    """`wanted` a second, each on time whether or not those before are over."""
    told, began = Told(), time.perf_counter()

    async def one(number: int, due: float) -> None:
        try:
            await act(number)
        except (Refused, ConnectionError, TimeoutError, aiohttp.ClientError) as error:
            told.refused[str(error) or type(error).__name__] += 1
        else:
            told.took.append((due, time.perf_counter() - due))

    async with asyncio.TaskGroup() as group:
        for number in range(wanted * seconds):
            due = began + number / wanted
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(one(number, due))
    told.seconds = time.perf_counter() - began
    return told


async def _chatting(stack: AsyncExitStack, opener: aiohttp.ClientSession, house: House, most: int) -> Act:
    """What posts the n-th chat message (of `most`) and returns when the desk's socket was told of it: patients' sockets
    in turn.
    """
    arrivals, names = Arrivals(), tokens(most)

    async def socket(token: str) -> LiveSocket:
        opened = await LiveSocket(arrivals).open(opener, house.http, token=token)
        stack.push_async_callback(opened.close)
        return opened

    await socket(house.cast.token)
    everybody = house.cast.patients[:PATIENTS]
    elsewhere, arrivals = arrivals, Arrivals()  # the writers' own sockets show it too, and sooner
    sockets = [(await socket(patient.token), patient.conversation) for patient in everybody]

    async def chat(number: int) -> None:
        writer, conversation = sockets[number % len(sockets)]
        name = names[number]
        answer = await writer.ask("post", {"conversation": conversation, "text": f"Bonjour {name}", "client_key": name})
        if "error" in answer:
            raise Refused(str(answer["error"]))
        await elsewhere.of(name)

    return chat


async def _sign_in(port: int, user: str, password: str) -> None:
    """As a mail client opens a connection: STARTTLS, then LOGIN. Raises `Refused`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        await reader.readline()
        await _command(reader, writer, "a STARTTLS")
        await writer.start_tls(_TLS)
        await _command(reader, writer, f'b LOGIN "{user}" "{password}"')
    finally:
        writer.close()


async def _command(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: str) -> None:
    writer.write(f"{line}\r\n".encode())
    while not (said := await reader.readline()).startswith(line[:2].encode()):
        if not said:
            raise Refused("the connection was closed")
    if not said[2:].startswith(b"OK"):
        raise Refused(said.decode("utf-8", "replace").strip())


def _unchecked() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


_TLS = _unchecked()
