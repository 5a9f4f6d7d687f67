"""The private addresses of agendas as rows: found by their hash, ended once; on both engines."""

from __future__ import annotations

from server import access
from storage import appointments as rows
from storage import feeds
from storage.appointments import Appointment
from storage.ids import new_id
from tests.house import House


async def test_an_address_is_found_by_its_hash_and_ended_once(core: House) -> None:
    db, space = core.app.db, core.dominique.space_id
    keys = (await access.own_space(core.app, core.dominique)).keys
    ids = [new_id() for _ in range(2)]
    for number, feed_id in enumerate(ids):
        facts = keys.seal("feed", feed_id, b"{}")
        await db.write(feeds.add, space, feed_id, f"hash{number}", facts, core.dominique.account_id)
    found = await db.read(feeds.by_secret, "hash0")
    assert found is not None
    assert (found.id, found.used_at, found.ended_at) == (ids[0], None, None)
    assert await db.read(feeds.by_secret, "hash2") is None
    await db.write(feeds.used, found)
    assert {one.id: one.used_at is None for one in await db.read(feeds.of_space, space)} == {
        ids[0]: False,
        ids[1]: True,
    }
    assert [await db.write(feeds.end, space, ids[0], "me") for _ in range(2)] == [True, False]
    assert not await db.write(feeds.end, core.marcel.space_id, ids[1], "somebody else")
    await db.write(feeds.end_of_account, core.dominique.account_id)
    assert await db.read(feeds.of_space, space) == []
    ended = await db.read(feeds.by_secret, "hash1")
    assert ended is not None
    assert ended.ended_at is not None


async def test_an_appointment_is_held_and_found_by_its_message(core: House) -> None:
    db, space = core.app.db, core.dominique.space_id
    keys = (await access.own_space(core.app, core.dominique)).keys
    one = Appointment(new_id(), 0, "own", "message", b"", 1)
    facts = keys.seal("appointment", one.id, b"{}")
    assert await db.write(rows.add, space, one, "uid", facts, core.dominique.account_id)
    for found in (await db.write(rows.hold_one, space, one.id), await db.read(rows.of_message, space, "message")):
        assert found is not None
        assert found.id == one.id
    assert await db.write(rows.hold_one, core.marcel.space_id, one.id) is None
    assert await db.read(rows.of_message, core.marcel.space_id, "message") is None
