"""A mail client's side of the IMAP door: Python's own library, signed in after STARTTLS, over a house of our people."""

from __future__ import annotations

import asyncio
import email
import email.policy
import imaplib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from mail_gateway.imap import imap_door
from server import access
from server.app import App
from server.handles import ConversationHandle
from tests.house import PASSWORD, House, open_core_house, settings_for

MOREL = "agathe.morel@pli.example"


@asynccontextmanager
async def imap_house(folder: Path) -> AsyncIterator[House]:
    """Storage, people and the IMAP door."""
    async with open_core_house(settings_for(folder)) as core, imap_door(core.app):
        yield core


def trusting(app: App) -> ssl.SSLContext:
    """A client's TLS that knows the demonstration's authority."""
    authority = Path(app.settings.tls_certificate).with_name("authority.pem")
    return ssl.create_default_context(cafile=str(authority))


class Client:
    """imaplib on threads, so that the server on this loop can answer. `shown_out`: the server has said goodbye."""

    def __init__(self, imap: imaplib.IMAP4) -> None:
        self.imap = imap
        self.shown_out = False

    async def do(self, name: str, *args: Any) -> list[Any]:
        """The data of a command that must succeed."""
        status, data = await asyncio.to_thread(getattr(self.imap, name), *args)
        assert status == "OK", (name, status, data)
        return list(data)

    async def refused(self, name: str, *args: Any) -> str:
        """The text of a command that must be refused."""
        try:
            status, data = await asyncio.to_thread(getattr(self.imap, name), *args)
        except imaplib.IMAP4.error as error:
            return str(error)
        assert status == "NO", (name, status, data)
        return bytes(data[0]).decode()

    async def raw(self, line: str) -> tuple[str, list[bytes]]:
        """Send a line as it is; the tagged answer, and what came before it."""

        def talk() -> tuple[str, list[bytes]]:
            self.imap.send(f"x1 {line}\r\n".encode())
            said: list[bytes] = []
            while True:
                got = self.imap.readline()
                if got.startswith(b"x1 "):
                    return got[3:].decode().strip(), said
                assert got, said
                said.append(got.rstrip(b"\r\n"))

        return await asyncio.to_thread(talk)

    async def uids(self, *keys: str) -> list[int]:
        [found] = await self.do("uid", "SEARCH", *keys)
        return [int(uid) for uid in found.split()]

    async def fetch(self, uid: int, what: str = "(BODY.PEEK[])") -> tuple[bytes, bytes]:
        """(the line, the literal) of a UID FETCH of one item."""
        data = await self.do("uid", "FETCH", str(uid), what)
        assert isinstance(data[0], tuple), data
        return bytes(data[0][0]), bytes(data[0][1])

    async def mail(self, uid: int) -> EmailMessage:
        _, raw = await self.fetch(uid)
        parsed = email.message_from_bytes(raw, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed


@asynccontextmanager
async def client(
    house: House, address: str = MOREL, password: str = PASSWORD, folder: str | None = "INBOX"
) -> AsyncIterator[Client]:
    """Somebody signed in after STARTTLS, with a folder open."""

    def connect() -> imaplib.IMAP4:
        imap = imaplib.IMAP4("127.0.0.1", house.app.ports["imap"], timeout=20)
        try:
            imap.starttls(trusting(house.app))
            imap.login(address, password)
        except imaplib.IMAP4.error:
            imap.shutdown()
            raise
        if folder is not None:
            imap.select(folder)
        return imap

    program = Client(await asyncio.to_thread(connect))
    try:
        yield program
    finally:
        await asyncio.to_thread(program.imap.shutdown if program.shown_out else program.imap.logout)


async def exchange(house: House) -> str:
    """Dr Morel writes to Dominique, who answers; returns the conversation."""
    letter = await house.letter("morel", "dominique", "Restez à jeun.", "Consignes avant l’opération")
    await house.answer("dominique", letter.conversation, "D’accord, merci.")
    return letter.conversation


async def in_the_chat(house: House, name: str, conversation: str) -> ConversationHandle:
    """A conversation as its reader in the chat has it."""
    return await access.conversation(house.app, await house.mailbox(name), conversation)
