"""Signed in, and every way out of it: what ends, at which door, how soon; and what stays."""

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
import time_machine

from mail_gateway import sign_ins
from server import admin, devices, sessions
from server.api import reads
from server.errors import PliError, Refused, Unauthorised
from storage import accounts, credentials, passkeys, subscriptions
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
        tx.run("UPDATE credentials SET device_id = :p WHERE device_id = :d", p=passkey, d=here.device_id)

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
        (_end_session, SESSION),
        (_others, SESSION),
        (_forget_device, SESSION | {DEVICE, PUSH}),
        (_revoke_passkey, SESSION),
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
        await sessions.sign_in_by_mail(house.app, MOREL, PASSWORD, "test")
    signed = await sessions.sign_in_by_mail(house.app, MOREL, new, "test")
    assert await house.app.db.read(sessions.mail_still_good, signed.hash)


async def test_a_mail_client_that_was_cut_off_gets_no_life_from_one_that_comes_back(house: House) -> None:
    app = house.app
    before = await sessions.sign_in_by_mail(app, MOREL, PASSWORD, "test")
    beside = await sessions.sign_in_by_mail(app, MOREL, PASSWORD, "test")
    assert before.hash == beside.hash, "one line on the page for one mail client, however many connections it opens"
    await sessions.sign_out_everywhere(app, house.morel.account_id)
    after = await sessions.sign_in_by_mail(app, MOREL, PASSWORD, "test")
    good = [await app.db.read(sessions.mail_still_good, one.hash) for one in (before, after)]
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


# ---- the secret of a session ----------------------------------------------------------------------------------------


async def test_signing_in_gives_a_new_secret_and_kills_the_one_this_browser_had(house: House) -> None:
    async with visitor(house) as she:
        planted = await house.session("marcel")
        she.session.cookie_jar.update_cookies({"pli": planted})
        link = await sessions.new_link(house.app, house.morel.account_id)
        answer = await she.post(f"/sign-in/{link}", headers={"User-Agent": "Mozilla/5.0 (iPhone) Version/17 Safari/6"})
        secret = answer.headers["Set-Cookie"].split(";")[0].removeprefix("pli=")
        assert secret != planted
        assert len(base64.urlsafe_b64decode(secret + "=")) == 32, "256 random bits"
        with pytest.raises(Unauthorised):
            await sessions.actor_of_session(house.app, planted)
        said = (await she.get("/account/devices")).said
        assert "Safari (iPhone) Cet appareil" in said
        kept = await house.app.db.read(lambda tx: tx.run("SELECT hash, name FROM credentials"))
        assert all(secret not in row[0] and b"iPhone" not in (row[1] or b"") for row in kept)


async def test_half_an_hour_without_use_or_twelve_hours_end_a_session(house: House) -> None:
    app = house.app
    idle, busy = await house.session("dominique"), await house.session("dominique")
    with time_machine.travel(now_ms() / 1000, tick=False) as clock:
        for _ in range(24):
            clock.shift(29 * 60)
            busy_actor = await sessions.actor_of_session(app, busy)
            assert busy_actor.account_id == house.dominique.account_id
        with pytest.raises(Unauthorised):
            await sessions.actor_of_session(app, idle)
        renewed = await sessions.renew(app, busy, "passkey")
        clock.shift(25 * 60)
        with pytest.raises(Unauthorised):
            await sessions.actor_of_session(app, renewed)  # a second factor gives no longer life


async def test_a_renewed_session_has_one_heir_and_its_ancestor_is_dead(house: House) -> None:
    app, old = house.app, await house.session("dominique")
    heirs = await asyncio.gather(*(sessions.renew(app, old, "totp") for _ in range(20)), return_exceptions=True)
    (heir,) = [one for one in heirs if isinstance(one, str)]
    assert all(isinstance(one, Unauthorised) for one in heirs if one != heir)
    assert (await sessions.actor_of_session(app, heir)).account_id == house.dominique.account_id
    with pytest.raises(Unauthorised):
        await sessions.actor_of_session(app, old)


async def test_nobody_ends_or_names_what_is_somebody_elses(house: House) -> None:
    app = house.app
    await house.session("dominique")
    device = await devices.remember(app, house.dominique.account_id, "Chrome (Android)")
    device_id = str(await devices.known(app, house.dominique.account_id, device))
    (hers,) = await sessions.ways(app, house.dominique.account_id)
    async with visitor(house, "marcel") as his:
        for path, name in (("end", hers.id), ("forget", device_id)):
            foreign = await his.post(f"/account/devices/{path}", {"id": name})
            absent = await his.post(f"/account/devices/{path}", {"id": "absent"})
            assert (foreign.status, foreign.said) == (404, absent.said)
    assert await devices.known(app, house.marcel.account_id, device) is None, "a device is trusted for one person"
    assert await devices.known(app, house.dominique.account_id, device) == device_id
    with pytest.raises(PliError):
        await sessions.actor_of_session(app, hers.id)


async def test_a_remembered_device_is_forgotten_after_ninety_days(house: House) -> None:
    app, me = house.app, house.dominique.account_id
    device = await devices.remember(app, me, "Chrome (Android)")
    with time_machine.travel(now_ms() / 1000 + 89 * 86_400):
        assert await devices.known(app, me, device)
    with time_machine.travel(now_ms() / 1000 + 91 * 86_400):
        assert await devices.known(app, me, device) is None
        assert await devices.of_account(app, me) == []
    with pytest.raises(Refused):
        await devices.forget(app, me, "absent")


async def test_a_changed_password_leaves_the_session_that_changed_it_and_its_device(house: House) -> None:
    app, me = house.app, house.dominique.account_id
    here, elsewhere = [await devices.remember(app, me, name) for name in ("Ici", "Ailleurs")]
    device_id = str(await devices.known(app, me, here))
    secret, other = await sessions.open_session(app, me, "password+device", device_id), await house.session("dominique")
    await app.db.write(lambda tx: sessions.end_all(app, tx, me, sessions.secret_hash(secret)))
    assert (await sessions.actor_of_session(app, secret)).account_id == me
    with pytest.raises(Unauthorised):
        await sessions.actor_of_session(app, other)
    assert await devices.known(app, me, here)
    assert await devices.known(app, me, elsewhere) is None


async def test_a_use_is_noted_at_most_once_a_minute(house: House) -> None:
    secret = await house.token("lab")

    def seen(tx: Tx) -> int:
        found = credentials.in_force(tx, sessions.secret_hash(secret), "bearer", 0)
        return found.seen_at if found else 0

    first = await house.app.db.read(seen)
    await sessions.actor_of_bearer(house.app, secret)
    assert await house.app.db.read(seen) == first
    with time_machine.travel(now_ms() / 1000 + 120):
        await sessions.actor_of_bearer(house.app, secret)
    assert await house.app.db.read(seen) > first, "the page says when a token was last used"


KIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (f"Mozilla/5.0 (Linux; Android 10; K) {KIT} Chrome/131.0.0.0 Mobile Safari/537.36", "Chrome (Android)"),
        (f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) {KIT} Version/17.5 Safari/604.1", "Safari (iPhone)"),
        (f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) {KIT} CriOS/131.0 Safari/604.1", "Chrome (iPhone)"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0", "Firefox (Windows)"),
        (f"Mozilla/5.0 (Windows NT 10.0) {KIT} Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0", "Edge (Windows)"),
        (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {KIT} Version/17.6 Safari/605.1.15", "Safari (Mac)"),
        ("curl/8.5.0", ""),
        ("", ""),
        ("(" * 100_000, ""),
    ],
)  # fmt: skip
def test_a_browser_is_called_as_people_call_it(agent: str, name: str) -> None:
    assert devices.called(agent) == name
