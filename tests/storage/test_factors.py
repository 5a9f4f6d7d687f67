"""What sign-in rests on, on each engine: codes that serve once, brakes that add up, logins, contacts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import time_machine

from server import people
from storage import accounts, brakes, contact_points, credentials, factors, logins, proofs
from storage.database import Tx
from storage.ids import now_ms
from storage.logins import Login
from storage.vault import Sealed
from tests.house import House

AT = 1_795_000_000
LASTS = 600_000


@pytest.fixture
def me(core: House) -> str:
    return core.dominique.account_id


async def winners(core: House, take: Callable[..., bool], *given: Any) -> int:
    """How many of twenty who take the same thing at once get it."""
    return sum(await asyncio.gather(*(core.app.db.write(take, *given) for _ in range(20))))


def sealed(core: House, me: str, record: str) -> Callable[[], Awaitable[Sealed]]:
    async def seal() -> Sealed:
        keys = await core.app.db.read(lambda tx: people.own_keys(core.app, tx, me))
        return keys.seal("test", record, b"secret")

    return seal


async def test_each_thing_that_serves_once_has_one_winner_of_twenty(core: House, me: str) -> None:
    write = core.app.db.write
    await write(factors.insert, me, "app", "totp", await sealed(core, me, "app")())
    await write(factors.replace_recovery, me, ["one", "two"])
    await write(proofs.insert, "proof", "door", me, "{}", now_ms() + LASTS)
    await write(proofs.set_code, "proof", "code")
    await write(contact_points.insert, me, "point", "email", await sealed(core, me, "point")())
    for take, *given in (
        (factors.advance, me, "app", 7), (factors.spend_recovery, me, "one"), (proofs.take_code, "proof", "code"),
        (proofs.done, "proof"), (contact_points.verify, me, "point"), (contact_points.end, me, "point"),
        (factors.end, me, "app"),
    ):  # fmt: skip
        assert await winners(core, take, *given) == 1, take


async def test_what_was_taken_or_replaced_does_no_more(core: House, me: str) -> None:
    write, read = core.app.db.write, core.app.db.read
    await write(factors.insert, me, "app", "totp", await sealed(core, me, "app")())
    assert [await write(factors.advance, me, "app", step) for step in (5, 4, 5, 6)] == [True, False, False, True]
    (app,) = await read(factors.of_account, me, "totp")
    assert (app.counter, app.used_at is not None) == (6, True)
    assert not await write(factors.advance, core.marcel.account_id, "app", 9), "somebody else's"
    await write(factors.replace_recovery, me, ["one", "two"])
    await write(factors.replace_recovery, me, ["three"])
    assert not await write(factors.spend_recovery, me, "one")
    assert len(await read(factors.of_account, me, "recovery")) == 1
    await write(factors.insert, me, "wish", "totp", await sealed(core, me, "wish")())
    await write(factors.end_unused, me)
    assert await read(factors.one, me, "wish") is None
    await write(factors.end_kind, me, "recovery")
    assert await read(factors.of_account, me, "recovery") == []


async def test_failures_add_up_within_their_window_and_begin_again_after_it(core: House) -> None:
    write, read = core.app.db.write, core.app.db.read
    with time_machine.travel(AT, tick=False) as clock:
        for _ in range(3):
            await write(brakes.count, "name", LASTS)
            clock.shift(60)
        await write(brakes.count, "run", LASTS, renewed=True)
        assert await read(brakes.failures, "name") == 3
        clock.shift(LASTS / 1000 - 180)
        assert (await read(brakes.failures, "name"), await read(brakes.failures, "run")) == (0, 1)
        await write(brakes.count, "name", LASTS)
        await write(brakes.count, "run", LASTS, renewed=True)
        assert (await read(brakes.failures, "name"), await read(brakes.failures, "run")) == (1, 2)
        clock.shift(LASTS / 1000 - 60)
        assert await read(brakes.failures, "run") == 2, "each failure renews it"
        await write(brakes.note, "place", LASTS)
        assert await read(brakes.known_until, "place") == now_ms() + LASTS
        clock.shift(LASTS / 1000)
        assert await read(brakes.known_until, "place") == 0
        await write(brakes.forget_old)
        assert await read(lambda tx: tx.run("SELECT COUNT(*) FROM brakes")) == [(0,)]
    await asyncio.gather(*(core.app.db.write(brakes.count, "name", LASTS) for _ in range(20)))
    assert await read(brakes.failures, "name") == 20, "at once as one after the other"


async def test_an_identifier_is_one_persons_and_ends_with_the_account(core: House, me: str) -> None:
    write, read = core.app.db.write, core.app.db.read
    assert await write(logins.insert, Login(me, "hash", "password"))
    assert not await write(logins.insert, Login(core.marcel.account_id, "hash", "other"))
    assert not await write(logins.insert, Login(me, "other hash", "other")), "one each"
    await write(logins.set_password, me, "new")
    found = await read(logins.by_identifier, "hash")
    assert found == Login(me, "hash", "new") == await read(logins.of_account, me)
    assert [await write(logins.forget, me), await write(logins.forget, me)] == [True, False]
    await write(logins.insert, Login(me, "hash", "password"))
    await write(accounts.end, me)
    assert await read(logins.by_identifier, "hash") is None


async def test_a_proof_is_over_in_time_and_has_as_many_tries_as_it_has(core: House, me: str) -> None:
    write, read = core.app.db.write, core.app.db.read
    with time_machine.travel(AT, tick=False) as clock:
        await write(proofs.insert, "proof", "door", me, "{}", now_ms() + LASTS)
        assert await read(proofs.find, "proof", "other kind") is None
        taken = await asyncio.gather(*(write(proofs.take_try, "proof", 10) for _ in range(20)))
        assert sum(taken) == 10
        await write(proofs.set_code, "proof", "first")
        await write(proofs.set_code, "proof", "second")
        assert await write(proofs.take_try, "proof", 10), "a new code has its own tries"
        assert not await write(proofs.take_code, "proof", "first"), "it kills the one before"
        assert await read(proofs.code_of, "proof") == "second"
        clock.shift(LASTS / 1000)
        assert await read(proofs.find, "proof", "door") is None
        assert await read(proofs.code_of, "proof") == ""
        await write(proofs.forget_old)
        assert await read(lambda tx: tx.run("SELECT COUNT(*) FROM proofs")) == [(0,)]
    for name, account in (("mine", me), ("other", me), ("his", core.marcel.account_id)):
        await write(proofs.insert, name, "door", account, "{}", now_ms() + LASTS)
    await write(credentials.end_everything, me, "")

    def left(tx: Tx) -> list[str]:
        return [name for name in ("mine", "other", "his") if proofs.find(tx, name, "door")]

    assert await read(left) == ["his"], "what they rest on changed"


async def test_a_contact_that_waits_gives_way_to_the_next(core: House, me: str) -> None:
    write, read = core.app.db.write, core.app.db.read
    for name in ("first", "second"):
        await write(contact_points.insert, me, name, "email", await sealed(core, me, name)())
    await write(contact_points.insert, me, "phone", "phone", await sealed(core, me, "phone")())
    assert {one.id for one in await read(contact_points.of_account, me)} == {"second", "phone"}
    await write(contact_points.verify, me, "second")
    await write(contact_points.insert, me, "third", "email", await sealed(core, me, "third")())
    found = {one.id: one.verified_at is not None for one in await read(contact_points.of_account, me)}
    assert found == {"second": True, "phone": False, "third": False}
