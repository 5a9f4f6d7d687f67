"""Sealed or nothing: what is stored opens in its own place only."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from storage.blobs import CHUNK, INLINE, BlobStore
from storage.vault import CannotOpen, NoMasterKey, Sealed, SpaceKeys, Vault

MASTER = bytes(range(32))


def _keys(space: str = "space") -> SpaceKeys:
    return SpaceKeys(space, bytes(reversed(MASTER)))


def test_a_sealed_text_opens_for_its_space_purpose_and_record_only() -> None:
    keys = _keys()
    sealed = keys.seal("body", "letter", b"a jeun")
    assert keys.open("body", "letter", sealed) == b"a jeun"
    assert bytes(sealed).find(b"jeun") == -1

    for other, purpose, record in (
        (keys, "body", "another"),
        (keys, "subject", "letter"),
        (_keys("other"), "body", "letter"),
    ):
        with pytest.raises(CannotOpen):
            other.open(purpose, record, sealed)


def test_any_flipped_bit_is_noticed() -> None:
    keys = _keys()
    sealed = keys.seal("body", "letter", b"a jeun des minuit")
    for place in range(len(sealed)):
        altered = bytearray(sealed)
        altered[place] ^= 1
        with pytest.raises(CannotOpen):
            keys.open("body", "letter", bytes(altered))


def test_the_wrong_master_key_is_said_to_be_wrong(tmp_path: Path) -> None:
    wrapped = Vault(MASTER).new_wrapped_key()
    with pytest.raises(NoMasterKey):
        Vault(bytes(32)).unwrap(wrapped)
    (tmp_path / "short.key").write_text("dG9vIHNob3J0")
    with pytest.raises(NoMasterKey):
        Vault.from_file(tmp_path / "short.key")
    with pytest.raises(NoMasterKey):
        Vault.from_file(tmp_path / "absent.key")


def test_a_new_master_key_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "master.key"
    first = Vault.from_file(path, create=True)
    assert path.stat().st_mode & 0o777 == 0o600
    assert Vault.from_file(path, create=True).unwrap(first.new_wrapped_key())


def test_a_forgotten_space_does_not_open() -> None:
    vault = Vault(MASTER)
    wrapped = vault.new_wrapped_key()
    assert vault.space("one", wrapped).space_id == "one"
    vault.forget("one")
    with pytest.raises(CannotOpen):
        vault.space("one", b"")


def test_what_is_looked_up_is_not_guessed_without_the_key() -> None:
    one, two = Vault(MASTER), Vault(MASTER)
    one.use_lookup_key(one.wrap(bytes(32)))
    two.use_lookup_key(two.wrap(bytes([1] * 32)))
    assert one.lookup("ins", "279035121518989") == one.lookup("ins", "279035121518989")
    assert one.lookup("ins", "279035121518989") != two.lookup("ins", "279035121518989")
    assert one.lookup("ins", "279035121518989") != one.lookup("address", "279035121518989")


@pytest.mark.parametrize("size", [0, 1, INLINE, INLINE + 1, CHUNK, CHUNK + 1, 9 * CHUNK + 17])
async def test_a_blob_of_any_size_comes_back_whole(tmp_path: Path, size: int) -> None:
    store, keys, data = BlobStore(tmp_path), _keys(), os.urandom(size)
    blob = await store.put(keys, data)
    assert await store.get(keys, blob) == data
    assert (blob.content is None) == (size > INLINE)
    if blob.content is None:
        file = next(path for path in tmp_path.rglob(blob.id) if path.is_file())
        assert data[:64] not in file.read_bytes()
    store.close()


@pytest.mark.parametrize("damage", ["cut", "flip", "swap", "gone"])
async def test_a_damaged_blob_is_an_error_never_wrong_bytes(tmp_path: Path, damage: str) -> None:
    store, keys = BlobStore(tmp_path), _keys()
    blob = await store.put(keys, os.urandom(2 * CHUNK + 5))
    file = next(path for path in tmp_path.rglob(blob.id) if path.is_file())
    content = file.read_bytes()
    sealed_chunk = CHUNK + 4 + 29  # length, version, nonce, tag
    if damage == "cut":
        file.write_bytes(content[:sealed_chunk])
    elif damage == "flip":
        file.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    elif damage == "swap":
        file.write_bytes(
            content[sealed_chunk : 2 * sealed_chunk] + content[:sealed_chunk] + content[2 * sealed_chunk :]
        )
    else:
        file.unlink()
    with pytest.raises(CannotOpen):
        await store.get(keys, blob)
    store.close()


async def test_a_blob_is_bound_to_its_name(tmp_path: Path) -> None:
    store, keys = BlobStore(tmp_path), _keys()
    one, two = await store.put(keys, os.urandom(INLINE + 1)), await store.put(keys, os.urandom(INLINE + 1))
    paths = {path.name: path for path in tmp_path.rglob("*") if path.is_file()}
    paths[one.id].write_bytes(paths[two.id].read_bytes())
    with pytest.raises(CannotOpen):
        await store.get(keys, one)
    store.close()


async def test_files_that_no_row_names_are_swept_and_the_others_stay(tmp_path: Path) -> None:
    store, keys = BlobStore(tmp_path), _keys()
    kept, orphan = await store.put(keys, os.urandom(INLINE + 1)), await store.put(keys, os.urandom(INLINE + 1))
    assert await store.sweep({kept.id}) == 0  # too young: its transaction may still be under way
    assert await store.sweep({kept.id}, older_than_s=-1) == 1
    assert store.files() == [kept.id]
    assert orphan.id not in store.files()
    store.close()


def test_the_type_hides_what_it_holds() -> None:
    assert "jeun" not in repr(_keys().seal("body", "letter", b"a jeun"))
    assert isinstance(_keys().seal("body", "letter", b""), Sealed)
    assert MASTER.hex() not in repr(_keys())
