"""Every way out: what it ends, at which door, how soon; and what stays open."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import socketio  # type: ignore[import-untyped]

from mail_gateway import sign_ins
from server import admin, devices, mail_sign_in, sessions
from server.api import reads
from server.errors import Unauthorised
from server.passkeys import how
from storage import accounts, passkeys, subscriptions
from storage.database import Tx
from storage.ids import new_id, now_ms
from storage.vault import Sealed
from tests.browser.visitor import Visitor, visitor
from tests.house import PASSWORD, House, open_house, settings_for
from tests.imap_client import MOREL, trusting
from webchat import socket

SOON_S = 5  # security checklist item 2

PAGE, SOCKET = "page", "socket"  # of the session
TOKEN, POLL, BEARER = "token", "poll", "bearer socket"
IMAP, SMTP = "imap", "smtp"
DEVICE, PUSH = "remembered device", "web push"
SESSION = {PAGE, SOCKET}
TOKENS = {TOKEN, POLL, BEARER}
MAIL = {IMAP, SMTP}
EVERYTHING = SESSION | TOKENS | MAIL | {DEVICE, PUSH}


@dataclass
class Here:
    """Dr Morel, signed in at every door at once. `told`: done when that door showed her out."""

    house: House
    secret: str
    token: str
    device: str  # the secret of the remembered device the session is opened on
    device_id: str
    other: Visitor  # another browser of hers
    told: dict[str, asyncio.Task[Any]] = field(default_factory=dict)

    @property
    def me(self) -> str:
        return self.house.morel.account_id

    async def way_id(self, kind: str) -> str:
        ways = await sessions.ways(self.house.app, self.me, self.secret)
        return next(way.id for way in ways if way.kind == kind and (way.mine or kind != "session"))

    async def press(self, path: str, **fields: str) -> None:
        answer = await self.other.post(path, fields)
        assert answer.status == 303, answer.text

    async def open(self, door: str) -> bool:
        """Whether she may still come in there now."""
        app = self.house.app
        if door in self.told:
            return not self.told[door].done()
        if door == DEVICE:
            return await devices.known(app, self.me, self.device) is not None
        if door == PUSH:
            return bool(await app.db.read(subscriptions.of_account, self.me))
        async with visitor(self.house) as she:
            if door == PAGE:
                return (await she.get("/account/devices", headers={"Cookie": f"pli={self.secret}"})).status == 200
            headers = {"Authorization": f"Bearer {self.token}"}
            return (await she.get("/api/v1/entries", headers=headers)).status == 200


async def _socket(stack: AsyncExitStack, house: House, **how: Any) -> asyncio.Event:
    sio, ended = socketio.AsyncClient(reconnection=False), asyncio.Event()
    sio.on("disconnect", lambda *_: ended.set())
    await sio.connect(house.http, transports=["websocket"], **how)
    stack.push_async_callback(sio.disconnect)
    return ended


async def _poll(house: House, token: str) -> None:
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as client:
        async with client.get(house.http + "/api/v1/entries", params={"wait": "25"}) as answer:
            assert answer.status == 401


async def _secured(
    stack: AsyncExitStack, house: House, port: str, hello: int, *lines: bytes
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A line in clear that asks for TLS, then TLS. `hello`: lines that come before its answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", house.app.ports[port])
    stack.callback(writer.close)
    for line in lines:
        writer.write(line)
    for _ in range(hello):
        await reader.readline()
    await writer.start_tls(trusting(house.app), server_hostname="localhost")
    return reader, writer


async def _imap(stack: AsyncExitStack, house: House) -> Callable[[], Awaitable[None]]:
    """In IDLE."""
    reader, writer = await _secured(stack, house, "imap", 2, b"a STARTTLS\r\n")
    writer.write(f'b LOGIN {MOREL} "{PASSWORD}"\r\nc SELECT INBOX\r\nd IDLE\r\n'.encode())
    while not (await reader.readline()).startswith(b"+"):
        pass

    async def shown_out() -> None:
        assert (await reader.readline()).startswith(b"* BYE")
        assert await reader.read() == b""

    return shown_out


async def _smtp(stack: AsyncExitStack, house: House) -> Callable[[], Awaitable[None]]:
    """Signed in, with nothing to send."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", house.app.ports["submissions"], ssl=trusting(house.app), server_hostname="localhost"
    )
    stack.callback(writer.close)
    plain = base64.b64encode(f"\0{MOREL}\0{PASSWORD}".encode()).decode()
    writer.write(f"EHLO cabinet\r\nAUTH PLAIN {plain}\r\n".encode())
    while not (await reader.readline()).startswith(b"235"):
        pass

    async def shown_out() -> None:
        assert (await reader.readline()).startswith(b"421")
        assert await reader.read() == b""

    return shown_out


@asynccontextmanager
async def everywhere(house: House) -> AsyncIterator[Here]:
    app, me = house.app, house.morel.account_id
    async with AsyncExitStack() as stack:
        device = await devices.remember(app, me, "Firefox (Linux)")
        device_id = str(await devices.known(app, me, device))
        secret = await sessions.open_session(app, me, "password+device", device_id)
        token = await sessions.new_token(app, me)
        await app.db.write(subscriptions.add, me, new_id(), new_id(), device_id, Sealed(b"facts"))
        here = Here(house, secret, token, device, device_id, await stack.enter_async_context(visitor(house, "morel")))
        by_cookie = await _socket(stack, house, headers={"Cookie": f"pli={secret}"})
        by_token = await _socket(stack, house, auth={"token": token})
        shown_out = {
            SOCKET: by_cookie.wait(), BEARER: by_token.wait(), POLL: _poll(house, token),
            IMAP: (await _imap(stack, house))(), SMTP: (await _smtp(stack, house))(),
        }  # fmt: skip
        here.told = {door: asyncio.ensure_future(told) for door, told in shown_out.items()}
        try:
            yield here
        finally:
            for task in here.told.values():
                task.cancel()
            await asyncio.gather(*here.told.values(), return_exceptions=True)


async def _sign_out(here: Here) -> None:
    async with visitor(here.house) as she:
        await she.post("/sign-out", headers={"Cookie": f"pli={here.secret}"})


async def _end_session(here: Here) -> None:
    await here.press("/account/devices/end", id=await here.way_id("session"))


async def _end_token(here: Here) -> None:
    await here.press("/account/devices/end", id=await here.way_id("bearer"))


async def _end_mail(here: Here) -> None:
    await here.press("/account/devices/end", id=await here.way_id("mail"))


async def _others(here: Here) -> None:
    await here.press("/account/devices/others")


async def _forget_device(here: Here) -> None:
    await here.press("/account/devices/forget", id=here.device_id)


async def _revoke_passkey(here: Here) -> None:
    """The session of these doors was opened with it."""
    app, passkey = here.house.app, new_id()

    def own(tx: Tx) -> None:
        passkeys.insert(tx, here.me, passkey, new_id(), Sealed(b"facts"), 0)
        tx.run("UPDATE credentials SET how = :h WHERE device_id = :d", h=how(passkey), d=here.device_id)

    await app.db.write(own)
    await here.press(f"/account/passkeys/{passkey}/revoke")


async def _everywhere(here: Here) -> None:
    await here.press("/account/devices/everywhere")


async def _command(here: Here, name: str, **arguments: str) -> None:
    await admin.COMMANDS[name](here.house.app, who=MOREL, **arguments)


async def _sign_out_command(here: Here) -> None:
    await _command(here, "people.sign-out")


async def _password(here: Here) -> None:
    await _command(here, "people.password", password="un tout autre mot de passe")


async def _account_ended(here: Here) -> None:
    await _command(here, "people.end")


@pytest.mark.parametrize(
    ("way_out", "ends"),
    [
        (_sign_out, SESSION | {PUSH}),
        (_end_session, SESSION | {PUSH}),
        (_others, SESSION | {PUSH}),
        (_forget_device, SESSION | {DEVICE, PUSH}),
        (_revoke_passkey, SESSION | {PUSH}),
        (_end_token, TOKENS),
        (_end_mail, MAIL),
        (_everywhere, EVERYTHING),
        (_sign_out_command, EVERYTHING),
        (_password, EVERYTHING),
        (_account_ended, EVERYTHING),
    ],
)
async def test_every_way_out_closes_its_doors_and_no_other(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way_out: Any, ends: set[str]
) -> None:
    for module, name in ((socket, "ROUND_S"), (sign_ins, "ROUND_S"), (reads, "STILL_S")):
        assert getattr(module, name) < SOON_S, "and a read, within the five seconds promised"
        monkeypatch.setattr(module, name, 0.1)
    async with open_house(settings_for(tmp_path / "pli", database_url=sqlite_url)) as house, everywhere(house) as here:
        assert {door for door in EVERYTHING if not await here.open(door)} == set()
        await way_out(here)
        await asyncio.wait_for(asyncio.gather(*(task for door, task in here.told.items() if door in ends)), SOON_S)
        assert {door for door in EVERYTHING if not await here.open(door)} == ends


async def test_a_new_password_is_the_only_one_a_mail_client_comes_back_with(house: House) -> None:
    new = "un tout autre mot de passe"
    await admin.COMMANDS["people.password"](house.app, who=MOREL, password=new)
    with pytest.raises(Unauthorised):
        await mail_sign_in.sign_in_by_mail(house.app, MOREL, PASSWORD, "test")
    signed = await mail_sign_in.sign_in_by_mail(house.app, MOREL, new, "test")
    assert await house.app.db.read(mail_sign_in.mail_still_good, signed.hash)


async def test_a_mail_client_that_was_cut_off_gets_no_life_from_one_that_comes_back(house: House) -> None:
    app = house.app
    before = await mail_sign_in.sign_in_by_mail(app, MOREL, PASSWORD, "test")
    beside = await mail_sign_in.sign_in_by_mail(app, MOREL, PASSWORD, "test")
    assert before.hash == beside.hash, "one line on the page for one mail client, however many connections it opens"
    await sessions.sign_out_everywhere(app, house.morel.account_id)
    after = await mail_sign_in.sign_in_by_mail(app, MOREL, PASSWORD, "test")
    good = [await app.db.read(mail_sign_in.mail_still_good, one.hash) for one in (before, after)]
    assert good == [False, True]


async def test_a_letter_begun_before_the_password_changed_is_not_taken_after(house: House) -> None:
    async with AsyncExitStack() as stack:
        await _smtp(stack, house)
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", house.app.ports["submissions"], ssl=trusting(house.app), server_hostname="localhost"
        )
        stack.callback(writer.close)
        plain = base64.b64encode(f"\0{MOREL}\0{PASSWORD}".encode()).decode()
        to = house.address("dominique")
        writer.write(f"EHLO a\r\nAUTH PLAIN {plain}\r\nMAIL FROM:<{MOREL}>\r\nRCPT TO:<{to}>\r\nDATA\r\n".encode())
        while not (line := await reader.readline()).startswith(b"354"):
            assert line[:1] == b"2", line
        await house.app.db.write(accounts.set_password, house.morel.account_id, "argon2id$another$one")
        writer.write(f"From: {MOREL}\r\nTo: {to}\r\nSubject: Trop tard\r\n\r\nBonjour\r\n.\r\n".encode())
        assert (await reader.readline())[:3] in {b"530", b"421"}
    assert (await house.app.db.read(lambda tx: tx.run("SELECT COUNT(*) FROM messages")))[0][0] == 0


async def test_the_end_of_a_delegation_closes_the_other_space_and_not_ones_own(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "ROUND_S", 0.1)
    async with open_house(settings_for(tmp_path / "pli", database_url=sqlite_url)) as house, AsyncExitStack() as stack:
        dominique = await stack.enter_async_context(visitor(house, "dominique"))
        hers, own = f"/for/{house.camille.mailbox_id}/", "/account/devices"
        cookie = {"Cookie": f"pli={await house.session('dominique')}"}
        reading, other = socketio.AsyncClient(reconnection=False), await _socket(stack, house, headers={**cookie})
        ended = asyncio.Event()
        reading.on("disconnect", lambda *_: ended.set())
        await reading.connect(house.http, transports=["websocket"], headers={**cookie})
        stack.push_async_callback(reading.disconnect)
        assert "error" not in await reading.call("sync", {"mailbox": house.camille.mailbox_id, "cursor": 0})
        assert [(await dominique.get(path)).status for path in (hers, own)] == [200, 200]
        await house.app.db.write(lambda tx: tx.run("UPDATE delegations SET revoked_at = :at", at=now_ms()))
        assert [(await dominique.get(path)).status for path in (hers, own)] == [404, 200]
        await asyncio.wait_for(ended.wait(), SOON_S)
        assert not other.is_set(), "a socket that reads her own mailbox alone goes on"
