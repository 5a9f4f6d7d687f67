"""Fillings, on both engines: one row a message, and nobody writes over what they did not read."""

from __future__ import annotations

import pytest

from server import reading
from storage import fillings, pages
from storage.database import Tx
from storage.fillings import BEGUN, COMPLETED, CORRECTED, Filling
from storage.ids import new_id
from storage.vault import CannotOpen, SpaceKeys
from tests.house import House


async def keys_of(core: House, name: str) -> SpaceKeys:
    return await core.app.db.read(lambda tx: reading.space_keys(core.app, tx, core.people[name].space_id))


async def test_a_filling_is_written_over_the_version_that_was_read_and_no_other(core: House) -> None:
    keys, message = await keys_of(core, "dominique"), new_id()

    def put(tx: Tx, state: str, read: int, said: bytes, done: int | None = None) -> bool:
        row = Filling(message, read + 1, state, b"", "dominique", 5, done)
        return fillings.put(tx, keys.space_id, row, keys.seal("filling", message, said), read)

    async def standing() -> str:
        return await core.app.db.read(fillings.standing, keys, message)

    assert await standing() == "none"
    assert await core.app.db.write(put, BEGUN, 0, b"one")
    assert not await core.app.db.write(put, BEGUN, 0, b"another begun at the same time")
    assert await standing() == "begun"
    assert await core.app.db.write(put, COMPLETED, 1, b"two", 6)
    assert not await core.app.db.write(put, BEGUN, 1, b"late")
    assert await standing() == "completed"
    assert await core.app.db.write(put, CORRECTED, 2, b"three", 7)
    assert await standing() == "completed"
    found = await core.app.db.read(fillings.find, keys.space_id, message)
    assert found is not None
    assert (found.version, found.state, found.completed_at) == (3, "corrected", 7)
    assert keys.open("filling", message, found.facts) == b"three"


async def test_fillings_stay_in_their_space(core: House) -> None:
    keys, message = await keys_of(core, "dominique"), new_id()
    row = Filling(message, 1, BEGUN, b"", "dominique", 5)
    sealed = keys.seal("filling", message, b"x")
    assert await core.app.db.write(fillings.put, keys.space_id, row, sealed, 0)
    assert [one.message_id for one in await core.app.db.read(fillings.of_space, keys.space_id)] == [message]
    names = [(keys.space_id, message), (core.marcel.space_id, message)]
    for who, holder in ((core.dominique, True), (core.marcel, False)):
        begun = await core.app.db.read(pages.begun_of, names, who.account_id)
        assert {name: (keys.open("filling", message, facts), its) for name, (facts, its) in begun.items()} == {
            (keys.space_id, message): (b"x", holder)
        }
    elsewhere = core.marcel.space_id
    assert await core.app.db.read(fillings.of_space, elsewhere) == []
    assert await core.app.db.read(fillings.find, elsewhere, message) is None
    assert await core.app.db.read(fillings.standing, await keys_of(core, "marcel"), message) == "none"
    with pytest.raises(CannotOpen):
        (await keys_of(core, "marcel")).open("filling", message, sealed)
