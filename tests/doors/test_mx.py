"""The MX door: what other operators may bring, and how they are answered. Real sockets, real TLS, real storage."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mail_gateway import trust
from mail_gateway.inbound import MxDoor
from mail_gateway.smtp import Door, Limits, Share
from tests import letters
from tests.doors.test_smtp_tls import ENDS
from tests.mail_house import FROM, TO_CAMILLE, TO_DOMINIQUE, MailHouse, bring, open_mail_house, plain
from tests.wire import Wire, connected


@pytest.fixture
async def house(tmp_path: Path, sqlite_url: str) -> AsyncIterator[MailHouse]:
    async with open_mail_house(tmp_path, sqlite_url) as opened:
        yield opened


# ---- a letter --------------------------------------------------------------------------------------------------------


async def test_a_letter_of_another_operator_is_in_the_mailbox_before_its_250(house: MailHouse) -> None:
    said = await bring(house, plain("Venez à jeun.", subject="Votre admission"))
    assert said.startswith("250 2.0.0")
    (entry,) = await house.entries("dominique")
    assert (entry.message.subject, entry.message.text.strip()) == ("Votre admission", "Venez à jeun.")
    assert (entry.message.author.kind, entry.message.author.name) == ("professional", "Dr Paul BERTIN")


async def test_ehlo_offers_what_the_other_tests_prove_and_nothing_else(house: MailHouse) -> None:
    async with connected(house.app.ports["smtp"]) as wire:
        before = await wire.say("EHLO a.example")
        after = await wire.secure(house.peer())
    offered = {line[4:] for line in before.splitlines()[1:]}
    basic = {"SIZE 26214400", "8BITMIME", "SMTPUTF8", "PIPELINING", "ENHANCEDSTATUSCODES", "DSN"}
    assert offered == basic | {"STARTTLS"}
    assert {line[4:] for line in after.splitlines()[1:]} == basic


async def test_accents_pass_in_8_bits_and_in_utf_8_addresses_too(house: MailHouse) -> None:
    letter = plain("à jeun, été")
    assert b"Content-Transfer-Encoding: 8bit" in letter
    async with connected(house.app.ports["smtp"], house.peer()) as wire:
        assert (await wire.say("MAIL FROM:<zoé@operator.example>")).startswith("553 5.6.7")
        assert (await wire.say("MAIL FROM:<zoé@operator.example> BODY=8BITMIME SMTPUTF8")).startswith("250")
        assert (await wire.say(f"RCPT TO:<{TO_DOMINIQUE}>")).startswith("250")
        assert (await wire.data(letter)).startswith("250")
    assert await house.texts("dominique") == ["à jeun, été"]


async def test_dots_at_the_start_of_lines_arrive_as_they_were_written(house: MailHouse) -> None:
    assert (await bring(house, plain("..deux\n.un\n\n.\nfin"))).startswith("250")
    assert await house.texts("dominique") == ["..deux\n.un\n\n.\nfin"]


async def test_an_envelope_may_come_in_one_piece(house: MailHouse) -> None:
    async with connected(house.app.ports["smtp"], house.peer()) as wire:
        for number in range(3):
            await wire.send(f"MAIL FROM:<{FROM}>\r\nRCPT TO:<{TO_DOMINIQUE}>\r\nDATA\r\n".encode())
            assert [(await wire.hear())[:3] for _ in range(3)] == ["250", "250", "354"]
            await wire.send(plain(f"n° {number}", message_id=f"<{number}@operator.example>") + b".\r\nNOOP\r\n")
            assert [(await wire.hear())[:3] for _ in range(2)] == ["250", "250"]
    assert await house.texts("dominique") == ["n° 0", "n° 1", "n° 2"]


# ---- who may speak ---------------------------------------------------------------------------------------------------


async def test_nobody_says_mail_in_clear(house: MailHouse) -> None:
    async with connected(house.app.ports["smtp"]) as wire:
        said = await wire.envelope(FROM, TO_DOMINIQUE)
    assert said[0].startswith("530 5.7.0")
    assert said[1].startswith("503")


@pytest.mark.parametrize("which", ["self_signed", "expired", "stranger"])
async def test_a_wrong_certificate_does_not_get_as_far_as_mail(which: str, house: MailHouse) -> None:
    shown = getattr(house.certificates, which)()
    reader, writer = await asyncio.open_connection("127.0.0.1", house.app.ports["smtp"])
    wire = Wire(reader, writer)
    await wire.hear()
    await wire.say("EHLO a.example")
    said = ""
    try:
        said = await wire.secure(house.peer(shown))
        said = (await wire.envelope(FROM, TO_DOMINIQUE))[0]
    except (OSError, AssertionError):
        pass  # with TLS 1.2 the handshake itself says it
    await wire.close()
    assert not said.startswith("2"), said
    assert await house.entries("dominique") == []


async def test_a_certificate_of_the_right_authority_does_not_speak_for_another_domain(house: MailHouse) -> None:
    other = house.certificates.operator("autre.example")
    async with connected(house.app.ports["smtp"], house.peer(other)) as wire:
        assert (await wire.say(f"MAIL FROM:<{FROM}>")).startswith("550 5.7.1")
        assert (await wire.say("MAIL FROM:<x@autre.example>")).startswith("550 5.7.1")
    await trust.add(house.app, "autre.example", other[0].read_bytes())
    async with connected(house.app.ports["smtp"], house.peer(other)) as wire:
        assert (await wire.say(f"MAIL FROM:<{FROM}>")).startswith("550 5.7.1")
        assert (await wire.say("MAIL FROM:<x@autre.example>")).startswith("250")


async def test_trust_that_is_withdrawn_ends_on_the_open_connection(house: MailHouse) -> None:
    async with connected(house.app.ports["smtp"], house.peer()) as wire:
        assert (await wire.say(f"MAIL FROM:<{FROM}>")).startswith("250")
        await trust.remove(house.app, "operator.example")
        assert (await wire.say(f"RCPT TO:<{TO_DOMINIQUE}>")).startswith("550 5.7.1")


async def test_from_must_be_of_the_operators_own_domain_and_single(house: MailHouse) -> None:
    assert (await bring(house, plain(from_=letters.MOREL))).startswith("550 5.7.1")
    two = b"From: autre@pli.example\r\n" + plain()
    assert (await bring(house, two)).startswith("550 5.7.1")
    assert (await bring(house, plain().replace(b"From:", b"X-From:"))).startswith("550 5.7.1")
    assert await house.entries("dominique") == []


async def test_we_relay_for_nobody(house: MailHouse) -> None:
    async with connected(house.app.ports["smtp"], house.peer()) as wire:
        assert (await wire.say(f"MAIL FROM:<{FROM}>")).startswith("250")
        for trick in (
            "x@else.example", "personne@pli.example", f"@pli.example:{TO_DOMINIQUE}", "x%else.example@pli.example",
            f"{TO_DOMINIQUE}@else.example", "else.example!x", '"x@else.example"@patient.pli.example', "", "Postmaster",
        ):  # fmt: skip
            assert (await wire.say(f"RCPT TO:<{trick}>"))[0] == "5", trick


# ---- to whom ---------------------------------------------------------------------------------------------------------


async def test_each_wrong_recipient_has_its_reply(house: MailHouse) -> None:
    closed = house.people["camille"].space_id
    await house.app.db.write(lambda tx: tx.run("UPDATE spaces SET state = 'closed' WHERE id = :s", s=closed))
    async with connected(house.app.ports["smtp"], house.peer()) as wire:
        replies = await wire.envelope(
            FROM, "27903512151898@patient.pli.example", "dominique@patient.pli.example",
            "299999999999999@patient.pli.example", TO_CAMILLE,
        )  # fmt: skip
    assert [reply[:9] for reply in replies] == ["250 2.1.0", "553 5.1.3", "553 5.1.3", "550 5.1.1", "550 5.2.1"]


async def test_at_most_a_hundred_recipients(house: MailHouse) -> None:
    async with connected(house.app.ports["smtp"], house.peer()) as wire:
        await wire.say(f"MAIL FROM:<{FROM}>")
        replies = [await wire.say(f"RCPT TO:<{TO_DOMINIQUE}>") for _ in range(101)]
        assert {reply[:3] for reply in replies[:100]} == {"250"}
        assert replies[100].startswith("452 4.5.3")
        assert (await wire.data(plain())).startswith("250")
    assert len(await house.entries("dominique")) == 1


# ---- what is refused, in the protocol's own terms --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("letter", "reply"),
    [
        (plain("x").replace(b"x\r\n", b"un\ndeux\r\n"), "550 5.6.0"),
        (plain("x").replace(b"x\r\n", b"un\rdeux\r\n"), "550 5.6.0"),
        (plain("x").replace(b"x\r\n", b"a" * 1000 + b"\r\n"), "550 5.6.0"),
        (b"X-Long: " + b"\r\n ".join([b"a" * 900] * 120) + b"\r\n" + plain(), "550 5.6.0"),
        (b"X: 1\r\n" * 1001 + plain(), "550 5.6.0"),
        (b"Received: from a by b\r\n" * 51 + plain(), "554 5.4.6"),
    ],
    ids=["bare LF", "bare CR", "long line", "long header", "many fields", "loop"],
)
async def test_what_cannot_be_a_letter_is_refused_and_the_next_one_taken(
    letter: bytes, reply: str, house: MailHouse
) -> None:
    async with connected(house.app.ports["smtp"], house.peer()) as wire:
        await wire.envelope(FROM, TO_DOMINIQUE)
        assert (await wire.data(letter)).startswith(reply)
        await wire.envelope(FROM, TO_DOMINIQUE)
        assert (await wire.data(plain("la suivante"))).startswith("250")
    assert await house.texts("dominique") == ["la suivante"]


async def test_only_a_dot_alone_ends_a_letter_so_that_none_hides_in_another(house: MailHouse) -> None:
    smuggled = f"MAIL FROM:<{FROM}>\r\nRCPT TO:<{TO_DOMINIQUE}>\r\nDATA\r\n".encode() + plain("contrebande") + b".\r\n"
    for number, end in enumerate(ENDS):
        async with connected(house.app.ports["smtp"], house.peer()) as wire:
            await wire.envelope(FROM, TO_DOMINIQUE)
            assert (await wire.say("DATA")).startswith("354")
            await wire.send(plain("dehors", message_id=f"<{number}@operator.example>")[:-2] + end + smuggled)
            first = await wire.hear()
            assert first[:3] in ("250", "550"), (end, first)
            with contextlib.suppress(ConnectionError):  # where the letter did end, what follows it ends the session
                await wire.say("NOOP")
    texts = await house.texts("dominique")
    assert len(texts) <= len(ENDS)
    assert all(text.startswith("dehors") for text in texts), texts


async def test_a_letter_over_25_mb_is_refused_before_and_after_it_is_sent(house: MailHouse) -> None:
    async with connected(house.app.ports["smtp"], house.peer()) as wire:
        assert (await wire.say(f"MAIL FROM:<{FROM}> SIZE=26214401")).startswith("552 5.3.4")
        await wire.envelope(FROM, TO_DOMINIQUE)
        assert (await wire.say("DATA")).startswith("354")
        line = b"a" * 998 + b"\r\n"
        await wire.send(plain())
        for _ in range(27):
            await wire.send(line * 1000)
        await wire.send(b".\r\n")
        assert (await wire.hear()).startswith("552 5.3.4")
        await wire.envelope(FROM, TO_DOMINIQUE)
        assert (await wire.data(plain("petite"))).startswith("250")
    assert await house.texts("dominique") == ["petite"]


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("BDAT 5 LAST", "500"), ("MAIL", "501"), ("MAIL FROM:a@b.example", "501"),
        (f"MAIL FROM:<{FROM}> X=1", "555"),
        (f"MAIL FROM:<{FROM}> SIZE=x", "501"), (f"MAIL FROM:<{FROM}> BODY=9BIT", "501"),
        ("RCPT TO:<a@b.example>", "503"),
        ("DATA", "503"), ("AUTH PLAIN AAAA", "502"), ("VRFY <x>", "252"), ("EHLO", "501"), ("NO\x00OP", "500"),
        ("MAIL FROM:<a b@operator.example>", "553"),
        ("EXPN x", "500"), ("", "500"), ("HELP", "500"),
    ],
)  # fmt: skip
async def test_each_malformed_command_has_its_reply(line: str, reply: str, house: MailHouse) -> None:
    async with connected(house.app.ports["smtp"], house.peer()) as wire:
        assert (await wire.say(line)).startswith(reply)
        assert (await wire.say("NOOP")).startswith("250")


async def test_commands_end_in_crlf_are_short_and_wait_for_their_turn(house: MailHouse) -> None:
    async with connected(house.app.ports["smtp"], house.peer()) as wire:
        await wire.send(b"NOOP\nNOOP\r\n")
        assert (await wire.hear()).startswith("500 5.5.2")
        await wire.send(b"N" * 5000)
        assert (await wire.hear()).startswith("500 5.5.2")
        assert await wire.ended()
    async with connected(house.app.ports["smtp"], house.peer()) as wire:
        await wire.envelope(FROM, TO_DOMINIQUE)
        await wire.send(b"DATA\r\nSubject: x\r\n\r\nx\r\n.\r\n")
        assert (await wire.hear()).startswith("503 5.5.0")
        assert await wire.ended()
    assert await house.entries("dominique") == []


async def test_twenty_errors_are_enough(house: MailHouse) -> None:
    async with connected(house.app.ports["smtp"]) as wire:
        said = [await wire.say("XYZ") for _ in range(21)]
        assert said[-1].startswith("421 4.7.0")
        assert await wire.ended()


async def test_no_address_is_ever_logged(
    house: MailHouse, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    await bring(house, plain())
    await bring(house, plain("x" * 1200))
    await bring(house, plain(), "299999999999999@patient.pli.example")
    said = caplog.text + "".join(capsys.readouterr())
    assert not re.search(r"\d{15}|operator\.example|Dominique", said), said


# ---- limits, with a door that is quick to lose patience --------------------------------------------------------------


@pytest.fixture
async def strict(house: MailHouse) -> AsyncIterator[Door]:
    limits = Limits(
        greeting_s=0.3, idle_s=0.6, data_grace_s=0.3, data_floor=1_000_000, handshake_s=0.4, tick_s=0.05,
        address=Share(3, 10, 200_000), in_flight=200_000,
    )  # fmt: skip
    door = Door(MxDoor(house.app), limits)
    await door.open("127.0.0.1", 0)
    yield door
    await door.close()


async def test_who_says_nothing_is_let_go(house: MailHouse, strict: Door) -> None:
    async with connected(strict.port) as silent, connected(strict.port, house.peer()) as later:
        assert (await silent.hear()).startswith("421 4.4.2")
        assert await silent.ended()
        assert (await later.hear()).startswith("421 4.4.2")


async def test_a_handshake_that_does_not_end_is_ended(strict: Door) -> None:
    async with connected(strict.port) as wire:
        await wire.say("STARTTLS")
        await wire.send(b"\x16\x03\x01")
        assert await wire.ended()


async def test_a_letter_that_drips_is_not_waited_for(house: MailHouse, strict: Door) -> None:
    async with connected(strict.port, house.peer()) as wire:
        await wire.envelope(FROM, TO_DOMINIQUE)
        await wire.say("DATA")
        await wire.send(b"Subject: lent\r\n")
        assert (await wire.hear()).startswith("421 4.4.2")
    assert await house.entries("dominique") == []


async def test_one_peer_does_not_take_every_place(house: MailHouse, strict: Door) -> None:
    wires = [Wire(*await asyncio.open_connection("127.0.0.1", strict.port)) for _ in range(4)]
    greetings = [await wire.hear() for wire in wires]
    assert [greeting[:3] for greeting in greetings] == ["220", "220", "220", "421"]
    for wire in wires:
        await wire.close()


async def test_letters_on_their_way_in_do_not_fill_the_memory(house: MailHouse, strict: Door) -> None:
    """200 kB for everybody together, at this door."""
    async with connected(strict.port, house.peer()) as wire:
        assert (await wire.say(f"MAIL FROM:<{FROM}> SIZE=300000")).startswith("250")
        await wire.say(f"RCPT TO:<{TO_DOMINIQUE}>")
        assert (await wire.say("DATA")).startswith("452 4.3.1")
        await wire.say("RSET")
        await wire.envelope(FROM, TO_DOMINIQUE)
        assert (await wire.data(plain("a" * 900 + "\n") + (b"b" * 900 + b"\r\n") * 300)).startswith("452 4.3.1")
        assert strict.budget.held == 0
        await wire.envelope(FROM, TO_DOMINIQUE)
        assert (await wire.data(plain("petite"))).startswith("250")
    assert await house.texts("dominique") == ["petite"]


async def test_a_closing_door_says_so(house: MailHouse) -> None:
    door = Door(MxDoor(house.app))
    await door.open("127.0.0.1", 0)
    async with connected(door.port, house.peer()) as wire:
        await wire.say(f"MAIL FROM:<{FROM}>")
        await door.close()
        assert (await wire.hear()).startswith("421 4.3.2")
