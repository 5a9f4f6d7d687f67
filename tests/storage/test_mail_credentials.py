"""What a mail client signs in with, on both engines: a device's password, a token, and what became of them."""

from __future__ import annotations

import asyncio
import time

import pytest
import time_machine

from server import mail_passwords, mail_sign_in, sessions
from server.errors import Refused, Unauthorised
from storage import credentials
from storage.ids import now_ms
from tests.house import House

MOREL = "agathe.morel@pli.example"
HOUR_MS = 3_600_000


async def test_a_device_s_password_is_made_used_named_and_ended(core: House) -> None:
    app, me = core.app, core.morel
    given, other = [await mail_passwords.make(app, me, name) for name in ("Mon téléphone", "Le cabinet")]
    signed = await mail_sign_in.sign_in_by_mail(app, MOREL, given, "192.0.2.1", "imap")
    await mail_passwords.called(app, signed.hash, "K-9 Mail  9\u00e9")
    with time_machine.travel(time.time() + 600, tick=True):
        again = await mail_sign_in.sign_in_by_mail(app, MOREL, given.upper(), "192.0.2.1", "smtp")
        assert again.hash == signed.hash
        first, second = await mail_passwords.listed(app, me.account_id)
    assert (first.name, first.client, first.door) == ("Mon téléphone", "K-9 Mail 9é", "smtp")
    assert first.used > second.used
    assert (second.name, second.client, second.door) == ("Le cabinet", "", "")
    await mail_passwords.end(app, me, first.id)
    assert not await app.db.read(mail_sign_in.mail_still_good, signed.hash)
    with pytest.raises(Unauthorised):
        await mail_sign_in.sign_in_by_mail(app, MOREL, given, "192.0.2.1")
    for whose in (core.leroy, me):
        with pytest.raises(Refused):
            await mail_passwords.end(app, whose, first.id)
    await mail_sign_in.sign_in_by_mail(app, MOREL, other, "192.0.2.1")
    await app.db.write(lambda tx: sessions.end_all(app, tx, me.account_id))
    assert await mail_passwords.listed(app, me.account_id) == []


async def test_a_token_stands_once_however_many_bring_it_and_comes_back_to_no_life(core: House) -> None:
    app, me, until = core.app, core.morel.account_id, now_ms() + HOUR_MS
    await asyncio.gather(
        *(app.db.write(credentials.insert_once, "h", mail_sign_in.TOKEN, me, until, "psc") for _ in range(5))
    )
    [way] = [way for way in await sessions.ways(app, me) if way.kind == mail_sign_in.TOKEN]
    assert await app.db.read(mail_sign_in.mail_still_good, "h")
    with time_machine.travel(time.time() + 2 * HOUR_MS / 1000, tick=True):
        assert not await app.db.read(mail_sign_in.mail_still_good, "h")
    await sessions.end_way(app, me, way.id)
    await app.db.write(credentials.insert_once, "h", mail_sign_in.TOKEN, me, until, "psc")
    assert not await app.db.read(mail_sign_in.mail_still_good, "h")


async def test_what_was_refused_is_told_by_day_to_its_owner_alone(core: House) -> None:
    app = core.app
    for days, times in ((40, 1), (2, 3), (0, 2)):
        with time_machine.travel(time.time() - days * 86_400, tick=True):
            for number in range(times):
                with pytest.raises(Unauthorised):
                    await mail_sign_in.sign_in_by_mail(app, MOREL, "faux", f"192.0.2.{number}")
    assert [many for _, many in await mail_sign_in.refusals(app, core.morel)] == [2, 3]
    assert await mail_sign_in.refusals(app, core.leroy) == []
