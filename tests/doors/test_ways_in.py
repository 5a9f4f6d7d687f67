"""The ways in to our mail doors: which protocol they speak, on which port, and what they offer once it is secure."""

from __future__ import annotations

import asyncio
import json
import smtplib
import socket
import ssl
import warnings
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from mail_gateway.imap import imap_door
from mail_gateway.inbound import submission_door
from server import demo
from tests import letters
from tests.certificates import server_context
from tests.house import PASSWORD, House
from tests.letters import MOREL
from tests.mail_house import TO_DOMINIQUE, MailHouse, open_mail_house
from tests.wire import connected, connected_at_once


@pytest.fixture
async def mail(tmp_path: Path, sqlite_url: str) -> AsyncIterator[MailHouse]:
    async with open_mail_house(tmp_path, sqlite_url, deliver=False) as opened:
        yield opened


async def test_a_letter_over_tls_from_the_first_octet(mail: MailHouse) -> None:
    """RFC 8314: what the same library calls SMTP_SSL."""

    def send() -> None:
        with smtplib.SMTP_SSL("localhost", mail.app.ports["submissions"], context=mail.client()) as client:
            client.login(MOREL[1], PASSWORD)
            client.sendmail(MOREL[1], [TO_DOMINIQUE], letters.plain("Bonjour"))

    await asyncio.to_thread(send)
    assert await mail.texts("dominique") == ["Bonjour"]


async def test_what_each_way_in_offers(mail: MailHouse) -> None:
    basic = {"SIZE 26214400", "8BITMIME", "SMTPUTF8", "PIPELINING", "ENHANCEDSTATUSCODES", "DSN"}
    async with connected(mail.app.ports["submission"]) as wire:
        before, after = await wire.say("EHLO a.example"), await wire.secure(mail.client())
    async with connected_at_once(mail.app.ports["submissions"], mail.client()) as wire:
        at_once = await wire.say("EHLO a.example")
    assert {line[4:] for line in before.splitlines()[1:]} == basic | {"STARTTLS"}
    assert {line[4:] for line in after.splitlines()[1:]} == basic | {"AUTH PLAIN LOGIN OAUTHBEARER XOAUTH2"}
    assert at_once == after


@pytest.mark.parametrize("door", ["smtp", "submission", "submissions", "imap", "imaps"])
async def test_no_door_speaks_what_came_before_tls_1_2(door: str, mail: MailHouse) -> None:
    """ECO.1.1.1; it is the door that says so, and not this client."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        client, lenient = mail.client(), server_context(mail.certificates.operator("localhost"))
        for context in (client, lenient):
            context.set_ciphers("DEFAULT@SECLEVEL=0")
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1

    async def speak(port: int, *, ask: bytes = b"") -> str | None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            if ask:
                await reader.readline()
                writer.write(ask)
                await reader.readline()
            await writer.start_tls(client, server_hostname="localhost")
            tls = writer.get_extra_info("ssl_object")
            return str(tls.version())
        finally:
            writer.close()

    other = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=lenient)
    assert await speak(other.sockets[0].getsockname()[1]) == "TLSv1.1"
    other.close()
    ask = {"submissions": b"", "imaps": b"", "imap": b"a STARTTLS\r\n"}.get(door, b"STARTTLS\r\n")
    async with imap_door(mail.app):
        with pytest.raises((ConnectionError, ssl.SSLError)):
            await speak(mail.app.ports[door], ask=ask)
        client.maximum_version = ssl.TLSVersion.TLSv1_2
        assert await speak(mail.app.ports[door], ask=ask) == "TLSv1.2"


async def test_the_demonstration_tells_every_port(house: House) -> None:
    told = json.loads((await demo.tell(house.app, {}, {})).read_text())
    doors = ("smtp", "submission", "submissions", "imap", "imaps")
    assert {door: told[door] for door in doors} == {
        door: {"host": "127.0.0.1", "port": house.app.ports[door]} for door in doors
    }
    assert len({told[door]["port"] for door in doors}) == 5


async def test_a_second_demonstration_on_this_machine_takes_another_port_and_a_real_one_says_no(
    mail: MailHouse,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as free:
        busy, port = taken.getsockname()[1], free.getsockname()[1]
        free.close()
        mail.app.settings = replace(mail.app.settings, submission_port=port, submissions_port=busy)
        async with submission_door(mail.app):
            assert mail.app.ports["submission"] == port
            async with connected_at_once(mail.app.ports["submissions"], mail.client()) as wire:
                assert (await wire.say("NOOP")).startswith("250")
        mail.app.settings = replace(mail.app.settings, demo=False)
        with pytest.raises(OSError, match="in use"):
            async with submission_door(mail.app):
                pass
