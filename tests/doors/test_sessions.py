"""Signed in: the secret that keeps somebody so, how long it lasts, whose it is; the devices one trusts."""

from __future__ import annotations

import asyncio
import base64

import pytest
import time_machine

from server import devices, sessions
from server.errors import PliError, Refused, Unauthorised
from storage import credentials
from storage.database import Tx
from storage.ids import now_ms
from tests.browser.visitor import visitor
from tests.house import House


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
