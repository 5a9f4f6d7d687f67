"""Dr Morel's mail program, as the walks use it: Python's own SMTP and IMAP, over TLS that trusts our authority."""

from __future__ import annotations

import asyncio
import contextlib
import re
import smtplib
import ssl
from collections.abc import AsyncIterator
from email.message import EmailMessage

from tests.house import PASSWORD, House
from tests.imap_client import Client


def trusting(house: House) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(house.app.settings.data_dir / "certificates" / "authority.pem"))
    context.check_hostname = False  # the demonstration's certificate names localhost; the doors listen on 127.0.0.1
    return context


def submit(house: House, who: str, raw: bytes, recipients: list[str]) -> None:
    """Send a letter: STARTTLS, AUTH, DATA."""
    with smtplib.SMTP("127.0.0.1", house.app.ports["submission"], timeout=60) as client:
        client.starttls(context=trusting(house))
        client.login(house.address(who), PASSWORD)
        client.sendmail(house.address(who), recipients, raw)


async def newest(program: Client) -> EmailMessage:
    """The last mail of the folder that is open."""
    return await program.mail((await program.uids("ALL"))[-1])


async def first_lines(program: Client) -> list[str]:
    """What each mail of the folder that is open says first."""
    return [(await program.mail(uid)).get_content().splitlines()[0] for uid in await program.uids("ALL")]


async def unseen(program: Client) -> int:
    """What STATUS says of the inbox."""
    [said] = await program.do("status", "INBOX", "(UNSEEN)")
    found = re.search(rb"UNSEEN (\d+)", said)
    assert found, said
    return int(found[1])


@contextlib.asynccontextmanager
async def told_by_idle(program: Client, what: bytes) -> AsyncIterator[None]:
    """IDLE (RFC 2177) from before the block; ends once the server has said `what` by itself."""
    heard: list[bytes] = []

    def readline() -> bytes:
        try:
            heard.append(program.imap.readline())
        except TimeoutError:
            heard.append(b"")
        assert heard[-1], f"{what!r} was not said: {heard}"
        return heard[-1]

    async def until(words: bytes) -> None:
        while words not in await asyncio.to_thread(readline):
            pass

    await asyncio.to_thread(program.imap.send, b"i1 IDLE\r\n")
    await until(b"+ ")
    yield
    await until(what)
    await asyncio.to_thread(program.imap.send, b"DONE\r\n")
    await until(b"i1 OK")
