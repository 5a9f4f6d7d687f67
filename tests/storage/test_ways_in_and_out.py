"""What signs somebody in, and its end, on both engines: passkeys, sessions, remembered devices, mail clients."""

from __future__ import annotations

import asyncio
import json

import pytest

from server import devices, mail_sign_in, passkeys, sessions
from server.errors import Conflict, Refused, Unauthorised
from storage import credentials, subscriptions
from storage import passkeys as rows
from storage.ids import new_id, now_ms
from storage.vault import Sealed
from tests.house import PASSWORD, House
from tests.imap_client import MOREL
from tests.support.authenticator import Authenticator


async def made(core: House, name: str) -> Authenticator:
    key = Authenticator(passkeys.relying_party(core.app)[1])
    options = json.loads(await passkeys.options_to_register(core.app, core.people[name]))
    await passkeys.register(core.app, core.people[name], key.make(options), f"Clé de {name}")
    return key


async def test_a_passkey_opens_once_for_each_challenge_and_ends_with_its_sessions(core: House) -> None:
    app, me = core.app, core.dominique.account_id
    key = await made(core, "dominique")
    asked = json.loads(passkeys.options_to_sign_in(app))
    given = [passkeys.sign_in(app, key.give(asked)) for _ in range(20)]
    outcomes = await asyncio.gather(*given, return_exceptions=True)
    (one,) = [each for each in outcomes if isinstance(each, passkeys.Given)]
    assert one.account_id == me
    assert all(isinstance(each, Unauthorised) for each in outcomes if each is not one)

    with pytest.raises(Conflict):
        options = json.loads(await passkeys.options_to_register(app, core.marcel))
        await passkeys.register(app, core.marcel, key.make(options), "La même")
    opened = await sessions.open_session(app, me, passkeys.how(one.passkey_id))
    beside = await sessions.open_session(app, me, "password+totp")
    await passkeys.revoke(app, core.dominique, one.passkey_id, beside)
    with pytest.raises(Unauthorised):
        await sessions.actor_of_session(app, opened)
    assert (await sessions.actor_of_session(app, beside)).account_id == me
    with pytest.raises(Refused):
        await passkeys.revoke(app, core.dominique, one.passkey_id)
    await made(core, "dominique")
    assert [kept.name for kept in await passkeys.of_account(app, me)] == ["Clé de dominique"]


async def test_a_sign_count_only_grows_and_one_that_is_always_zero_says_nothing(core: House) -> None:
    me, counting, silent = core.marcel.account_id, new_id(), new_id()
    for passkey, began in ((counting, 5), (silent, 0)):
        await core.app.db.write(rows.insert, me, passkey, new_id(), Sealed(b"facts"), began)
    used = [await core.app.db.write(rows.use, me, counting, count) for count in (6, 6, 4, 9, 0)]
    assert used == [True, False, False, True, False]
    assert [await core.app.db.write(rows.use, me, silent, count) for count in (0, 0, 3, 0)] == [True, True, True, False]


async def test_everything_ends_but_the_session_that_asks_and_its_device(core: House) -> None:
    app, me = core.app, core.morel.account_id
    here = await devices.remember(app, me, "Firefox (Windows)")
    away = await devices.remember(app, me, "Chrome (Android)")
    device_id = str(await devices.known(app, me, here))
    mine = await sessions.open_session(app, me, "password+device", device_id, browser="Firefox (Windows)")
    other, token, link = await core.session("morel"), await core.token("morel"), await sessions.new_link(app, me)
    mail = await mail_sign_in.sign_in_by_mail(app, MOREL, PASSWORD, "test")
    bystander = await core.session("marcel")
    for device in (device_id, sessions.secret_hash(other)):
        await app.db.write(subscriptions.add, me, new_id(), new_id(), device, Sealed(b"facts"))
    assert sorted(way.kind for way in await sessions.ways(app, me, mine)) == ["bearer", "mail", "session", "session"]
    assert [way.browser for way in await sessions.ways(app, me, mine) if way.mine] == ["Firefox (Windows)"]

    await app.db.write(lambda tx: sessions.end_all(app, tx, me, sessions.secret_hash(mine)))
    assert [(way.kind, way.mine) for way in await sessions.ways(app, me, mine)] == [("session", True)]
    for ended, ask in (
        (other, sessions.actor_of_session),
        (token, sessions.actor_of_bearer),
        (link, sessions.redeem_link),
    ):
        with pytest.raises(Unauthorised):
            await ask(app, ended)
    assert not await app.db.read(mail_sign_in.mail_still_good, mail.hash)
    assert [await devices.known(app, me, secret) for secret in (here, away)] == [device_id, None]
    assert [one.device_id for one in await app.db.read(subscriptions.of_account, me)] == [device_id]
    assert (await sessions.actor_of_session(app, bystander)).account_id == core.marcel.account_id


async def test_a_session_is_followed_by_one_other_under_another_secret(core: House) -> None:
    app, me, old = core.app, core.dominique.account_id, await core.session("dominique")
    await app.db.write(subscriptions.add, me, new_id(), new_id(), sessions.secret_hash(old), Sealed(b"facts"))
    heirs = await asyncio.gather(*(sessions.renew(app, old, "totp") for _ in range(20)), return_exceptions=True)
    (heir,) = [one for one in heirs if isinstance(one, str)]
    assert (await sessions.actor_of_session(app, heir)).account_id == me
    with pytest.raises(Unauthorised):
        await sessions.actor_of_session(app, old)
    before = await app.db.read(lambda tx: tx.run("SELECT until_at, created_at FROM credentials ORDER BY revoked_at"))
    assert len({tuple(row) for row in before}) == 1, "it ends when it would have"
    assert [one.device_id for one in await app.db.read(subscriptions.of_account, me)] == [sessions.secret_hash(heir)]


async def test_a_credential_is_in_force_until_it_ends_idles_or_grows_old(core: House) -> None:
    me = core.dominique.account_id
    await core.app.db.write(credentials.insert, "old", "session", me, now_ms() - 1)
    await core.app.db.write(credentials.insert, "idle", "session", me, now_ms() + 60_000)
    await core.app.db.write(
        lambda tx: tx.run("UPDATE credentials SET seen_at = :at WHERE hash = 'idle'", at=now_ms() - 2_000)
    )
    for hashed, idle_ms, good in (
        ("old", 0, False),
        ("idle", 1_000, False),
        ("idle", 60_000, True),
        ("none", 0, False),
    ):
        assert bool(await core.app.db.read(credentials.in_force, hashed, "session", idle_ms)) is good
    assert await core.app.db.read(credentials.in_force, "idle", "bearer", 0) is None
    listed = await core.app.db.read(credentials.of_account, me, "session", 60_000)
    assert [one.hash for one in listed] == ["idle"]
