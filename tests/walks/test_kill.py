"""After 250 the letter is ours for ever: the server is killed at random moments under mail load; nothing is lost or
doubled.
"""

from __future__ import annotations

import asyncio
import imaplib
import random
import smtplib
import ssl
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
import socketio  # type: ignore[import-untyped]  # ships no types

from server.app import open_core
from tests import letters
from tests.house import check, settings_for
from tests.support.demo_server import Server

KILLS = 12
CLIENTS = 4


@dataclass
class Log:
    """What the senders know: the letters that got their 250."""

    acknowledged: set[str] = field(default_factory=set)


def _client(server: Server, log: Log, name: str, stop: threading.Event, seed: float) -> None:
    """A mail client that sends without pause and, like every mail server, sends again what was not acknowledged."""
    choose = random.Random(seed)
    waiting: tuple[str, bytes] | None = None
    number = 0
    while not stop.is_set():
        try:
            door, people = server.told["submission"], server.told["people"]
            doctor, patient = people["morel"], people["dominique"]["address"]
            with smtplib.SMTP(door["host"], door["port"], timeout=10) as client:
                client.starttls(context=_trusting(server))
                client.login(doctor["address"], doctor["password"])
                while not stop.is_set():
                    if waiting is None:
                        number += 1
                        subject = f"{name}-{number}"
                        text = "à jeun " * (choose.choice((200, 200, 3_000, 60_000, 600_000)) // 7)
                        waiting = subject, letters.plain(text, subject=subject, message_id=f"<{subject}@pli.example>")
                    client.sendmail(doctor["address"], [patient], waiting[1])
                    log.acknowledged.add(waiting[0])
                    waiting = None
        except (OSError, smtplib.SMTPException):
            stop.wait(0.02)


def _trusting(server: Server) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=server.told["ca"])
    context.check_hostname = False
    return context


async def _in_the_chat(server: Server) -> list[str]:
    """The subject of every letter of Dr Morel in Dominique's open chat."""
    person = server.told["people"]["dominique"]
    async with aiohttp.ClientSession() as session:
        async with session.get(server.told["http"] + person["sign_in"], allow_redirects=False) as answer:
            cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in answer.cookies.items())
    chat = socketio.AsyncClient()
    await chat.connect(server.told["http"], headers={"Cookie": cookie}, transports=["websocket"])
    found, cursor, more = [], 0, True
    while more:
        page = await chat.call("sync", {"cursor": cursor, "limit": 50}, timeout=30)
        found += [
            e["message"]["subject"] for e in page["entries"] if e["message"]["author"]["name"] == "Dr Agathe MOREL"
        ]
        cursor, more = page["cursor"], page["more"]
    await chat.disconnect()
    return found


def _in_the_mail_client(server: Server) -> list[str]:
    """The subject of every letter in Dr Morel's Sent folder."""
    doctor, door = server.told["people"]["morel"], server.told["imap"]
    with imaplib.IMAP4(door["host"], door["port"], timeout=60) as client:
        client.starttls(_trusting(server))
        client.login(doctor["address"], doctor["password"])
        client.select("Sent", readonly=True)
        _, parts = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        return [part[1].decode().removeprefix("Subject:").strip() for part in parts if isinstance(part, tuple)]


@pytest.mark.timeout(400)
def test_what_got_its_250_is_there_once_after_a_dozen_kills(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    choose = random.Random(seed)
    server, log, stop = Server(tmp_path / "pli"), Log(), threading.Event()
    server.folder.mkdir()
    server.start()
    clients = [
        threading.Thread(target=_client, args=(server, log, f"c{number}", stop, choose.random()))
        for number in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    for _ in range(KILLS):
        wanted = len(log.acknowledged) + choose.randrange(5, 40)
        deadline = time.monotonic() + 30
        while len(log.acknowledged) < wanted:
            assert time.monotonic() < deadline, f"mail no longer flows (seed {seed})"
            stop.wait(choose.random() / 50)
        server.kill()
        server.start()
    stop.set()
    for client in clients:
        client.join()

    for where, found in (("patient", asyncio.run(_in_the_chat(server))), ("doctor", _in_the_mail_client(server))):
        assert log.acknowledged - set(found) == set(), f"lost for the {where} (seed {seed})"
        assert [name for name, count in Counter(found).items() if count > 1] == [], (
            f"doubled for the {where} (seed {seed})"
        )
    server.stop()
    asyncio.run(_invariants(tmp_path / "pli"))


async def _invariants(folder: Path) -> None:
    """Nothing half-stored: every invariant of the database, and each blob that a row names has its file."""
    async with open_core(settings_for(folder)) as app:
        await check(app)
