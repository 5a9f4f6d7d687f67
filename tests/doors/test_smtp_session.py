"""The SMTP of our doors alone, with a handler that keeps letters in a list: what any peer may do to a connection."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mail_gateway.sasl import Given
from mail_gateway.smtp import Door, Envelope, Limits, Refusal, Session
from mail_gateway.smtp import Path as Address
from server.drafts import Actor
from server.errors import Unavailable
from tests.certificates import Certificates, client_context, server_context
from tests.wire import Wire, connected

LETTER = b"Subject: x\r\n\r\nx\r\n"


class Shelf:
    """Keeps what it is given. `fails`: what the next step raises; `busy`: letters wait until it is set."""

    name = "shelf.example"
    signs_in = False

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context
        self.letters: list[bytes] = []
        self.fails: Exception | None = None
        self.busy = asyncio.Event()
        self.busy.set()
        self.began = asyncio.Event()

    async def tls(self) -> ssl.SSLContext:
        self._maybe_fail()
        return self.context

    async def sign_in(self, session: Session, given: Given) -> Actor:
        raise Refusal(502, "5.5.1", "Nobody signs in here")

    async def sender(self, session: Session, envelope: Envelope) -> None:
        self._maybe_fail()

    async def recipient(self, session: Session, envelope: Envelope, path: Address) -> None:
        self._maybe_fail()

    async def letter(self, session: Session, envelope: Envelope, raw: bytes) -> None:
        self.began.set()
        await self.busy.wait()
        self._maybe_fail()
        self.letters.append(raw)

    def _maybe_fail(self) -> None:
        fails, self.fails = self.fails, None
        if fails is not None:
            raise fails


@asynccontextmanager
async def opened(
    folder: Path, limits: Limits | None = None, kind: type[Shelf] = Shelf, *, tls_at_once: bool = False
) -> AsyncIterator[tuple[Door, Shelf, ssl.SSLContext]]:
    made = Certificates.at(folder)
    shelf = kind(server_context(made.operator("localhost")))
    door = Door(shelf, limits, tls_at_once=tls_at_once)
    await door.open("127.0.0.1", 0)
    try:
        yield door, shelf, client_context(made.ours.certificate)
    finally:
        shelf.busy.set()
        await door.close()


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[tuple[Door, Shelf, ssl.SSLContext]]:
    async with opened(tmp_path) as door:
        yield door


Here = tuple[Door, Shelf, ssl.SSLContext]


async def ready(wire: Wire) -> None:
    for said in await wire.envelope("a@b.example", "c@d.example"):
        assert said.startswith("250"), said


async def test_commands_out_of_their_order_are_told_so(here: Here) -> None:
    door, _, context = here
    async with connected(door.port) as wire:
        assert (await wire.say("STARTTLS now")).startswith("501")
        assert (await wire.say("EHLO é")).startswith("501")
        assert (await wire.say("HELO a.example")) == "250 shelf.example"
    async with connected(door.port, context) as wire:
        assert (await wire.say("MAIL FROM:<a@b.example>")).startswith("250")
        assert (await wire.say("MAIL FROM:<a@b.example>")).startswith("503")
        assert (await wire.say("DATA")).startswith("554 5.5.1")
        assert (await wire.say("RCPT TO:<c@d.example>")).startswith("250")
        assert (await wire.say("DATA now")).startswith("501")
        assert (await wire.say("RSET")).startswith("250")
        assert (await wire.say("RCPT TO:<c@d.example>")).startswith("503")
        assert (await wire.say("MAIL FROM:<a@b.example>")).startswith("250")
        assert (await wire.say("EHLO again.example")).startswith("250")
        assert (await wire.say("RCPT TO:<c@d.example>")).startswith("503"), "EHLO forgets the transaction"


@pytest.mark.parametrize(
    ("fault", "reply"),
    [
        (ValueError("secret 279035121518989"), "451 4.3.0 Try again later"),
        (Unavailable(), "451 4.3.0 Try again later"),
        (OSError(28, "No space left on device"), "452 4.3.1 Insufficient system storage"),
        (TimeoutError(), "451 4.3.0 Try again later"),
        (Refusal(550, "5.7.1", "Non, « jamais »"), '550 5.7.1 Non, " jamais "'),
    ],
    ids=["bug", "unavailable", "full disk", "time-out", "refusal"],
)
async def test_a_fault_at_any_step_is_answered_and_the_session_goes_on(
    fault: Exception, reply: str, here: Here
) -> None:
    door, shelf, context = here
    async with connected(door.port, context) as wire:
        shelf.fails = fault
        assert await wire.say("MAIL FROM:<a@b.example>") == reply
        assert (await wire.say("MAIL FROM:<a@b.example>")).startswith("250")
        shelf.fails = fault
        assert await wire.say("RCPT TO:<c@d.example>") == reply
        assert (await wire.say("RCPT TO:<c@d.example>")).startswith("250")
        assert (await wire.say("DATA")).startswith("354")
        shelf.fails = fault
        await wire.send(LETTER + b".\r\n")
        assert await wire.hear() == reply
        await ready(wire)
        assert (await wire.data(LETTER)).startswith("250")
    assert shelf.letters == [LETTER]
    assert door.budget.held == 0


async def test_without_tls_material_the_door_says_later(here: Here) -> None:
    door, shelf, _ = here
    shelf.fails = ValueError("no certificate")
    async with connected(door.port) as wire:
        assert (await wire.say("STARTTLS")).startswith("454 4.7.0")
        assert (await wire.say("STARTTLS")).startswith("220")


async def test_a_peer_that_asks_much_and_reads_nothing_waits_for_itself(here: Here) -> None:
    """Its commands are read only as fast as it reads our answers; then every one of them was answered."""
    door, _, context = here
    many = 150_000
    async with connected(door.port, context) as wire, connected(door.port, context) as other:
        sending = asyncio.create_task(wire.send(b"NOOP\r\n" * many))
        for _ in range(5):
            assert (await other.say("NOOP")).startswith("250"), "others are served meanwhile"
        answer = b"250 2.0.0 Ok\r\n"
        assert await asyncio.wait_for(wire.reader.readexactly(many * len(answer)), 60) == answer * many
        await sending


async def test_what_follows_a_letter_waits_until_it_is_stored(here: Here) -> None:
    door, shelf, context = here
    async with connected(door.port, context) as wire:
        await ready(wire)
        assert (await wire.say("DATA")).startswith("354")
        shelf.busy.clear()
        await wire.send(LETTER + b".\r\n" + b"NOOP\r\n" * 20_000 + b"QUIT\r\n")
        await shelf.began.wait()
        shelf.busy.set()
        assert (await wire.hear()).startswith("250 2.0.0 Message accepted")
        said = [await wire.hear() for _ in range(20_001)]
        assert set(said[:-1]) == {"250 2.0.0 Ok"}
        assert said[-1].startswith("221")


async def test_a_letter_being_stored_is_stored_when_its_peer_is_gone_and_when_the_door_closes(here: Here) -> None:
    door, shelf, context = here
    shelf.busy.clear()
    async with connected(door.port, context) as gone, connected(door.port, context) as stays:
        await ready(gone)
        await gone.say("DATA")
        await gone.send(b"Subject: gone\r\n\r\n.\r\n")
        await shelf.began.wait()
        gone.hang_up()
        shelf.began.clear()
        await ready(stays)
        await stays.say("DATA")
        await stays.send(b"Subject: stays\r\n\r\n.\r\n")
        await shelf.began.wait()
        closing = asyncio.create_task(door.close())
        shelf.busy.set()
        assert (await stays.hear()).startswith("250"), "what was being stored is acknowledged"
        assert (await stays.hear()).startswith("421 4.3.2")
        await closing
    assert sorted(shelf.letters) == [b"Subject: gone\r\n\r\n", b"Subject: stays\r\n\r\n"]


async def test_a_letter_that_never_ends_is_hung_up_on(tmp_path: Path) -> None:
    async with opened(tmp_path, Limits(size=10_000)) as (door, shelf, context), connected(door.port, context) as wire:
        await ready(wire)
        await wire.say("DATA")
        await wire.send(b"a" * 998 + b"\r\n" + (b"b" * 998 + b"\r\n") * 60)
        assert (await wire.hear()).startswith("421 4.3.0")
        assert await wire.ended()
        assert (shelf.letters, door.budget.held) == ([], 0)


async def test_when_every_place_is_taken_the_next_is_told_to_come_back(tmp_path: Path) -> None:
    async with (
        opened(tmp_path, Limits(sessions=2)) as (door, _, _),
        connected(door.port),
        connected(door.port) as second,
    ):
        wire = Wire(*await asyncio.open_connection("127.0.0.1", door.port))
        assert (await wire.hear()).startswith("421 4.3.2")
        assert await wire.ended()
        await wire.close()
        assert (await second.say("QUIT")).startswith("221")
        assert await second.ended()
        async with connected(door.port) as third:
            assert (await third.say("NOOP")).startswith("250")


# ---- what replies say ------------------------------------------------------------------------------------------------


async def test_french_is_read_by_everybody_with_its_accents_by_who_asked(tmp_path: Path) -> None:
    """RFC 6531 § 3.7.4.2."""
    async with opened(tmp_path) as (door, shelf, context), connected(door.port, context) as wire:
        sentence = "L’espace de ce patient est « fermé » – œuvre"
        await wire.say("MAIL FROM:<a@b.example>")
        shelf.fails = Refusal(550, "5.2.1", sentence)
        assert await wire.say("RCPT TO:<c@d.example>") == '550 5.2.1 L\'espace de ce patient est " ferme " - oeuvre'
        await wire.say("RSET")
        await wire.say("MAIL FROM:<a@b.example> SMTPUTF8")
        shelf.fails = Refusal(550, "5.2.1", sentence)
        assert await wire.say("RCPT TO:<c@d.example>") == f"550 5.2.1 {sentence}"
        await wire.say("RSET")
        await wire.say("MAIL FROM:<a@b.example>")
        shelf.fails = Refusal(550, "5.2.1", "fermé\r\n250 ok")
        assert await wire.say("RCPT TO:<c@d.example>") == "550 5.2.1 ferme  250 ok"


@pytest.mark.parametrize(
    "line",
    [
        b"NO\x00OP",
        b"MAIL FROM:<a\x00@b.example>",
        b"MAIL FROM:<\xe9@b.example>",
        b"\xff\xfe",
        b"RCPT TO:<c\xc3@d.example>",
    ],
    ids=["NUL", "NUL in an address", "Latin-1 address", "no text", "cut UTF-8"],
)
@pytest.mark.parametrize("secure", [True, False])
async def test_octets_that_are_no_command_are_refused_and_the_session_goes_on(
    line: bytes, secure: bool, tmp_path: Path
) -> None:
    async with opened(tmp_path) as (door, _, context), connected(door.port, context if secure else None) as wire:
        await wire.send(line + b"\r\n")
        assert (await wire.hear()).startswith("500 5.5.2")
        assert (await wire.say("NOOP")).startswith("250")
