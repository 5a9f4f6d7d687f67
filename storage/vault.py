"""The vault: nothing personal is stored but sealed, and only the vault seals.

    master key (a file)  →  wraps one data key per space (AES key wrap, RFC 3394)
    data key             →  HKDF-SHA256 per purpose (text, traits, …), and per blob  →  AES-256-GCM

Each sealed value is bound, as associated data, to its space, its purpose and its record: a row moved to another place
does not open. The master key stands outside the database and its backups. A space is forgotten by destroying its
wrapped key. Values people are found by (INS, addresses, message ids) are looked up by a keyed hash whose key is wrapped
by the master too, so rotation re-wraps and recomputes nothing.

Keys are per purpose, not per record, for what is searched: opening 10 000 texts costs milliseconds that way, and a
96-bit random nonce is safe for 2^32 texts of one space. Blobs have a key each.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections import OrderedDict
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from storage.ids import random_octets

_VERSION = b"\x01"
_NONCE = 12
CACHED_SPACES = 20_000


class CannotOpen(Exception):
    """A sealed value does not open: altered, moved, or its key is gone. Concerns that value alone."""


class NoMasterKey(Exception):
    """The master key file is missing, unreadable, or is not the key this database was sealed with."""


class Sealed(bytes):
    """Bytes that only the vault makes. Storage takes nothing else for what is personal."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<Sealed {len(self)} bytes>"


class SpaceKeys:
    """The keys of one space, derived once."""

    __slots__ = ("_ciphers", "_data_key", "space_id")

    def __init__(self, space_id: str, data_key: bytes) -> None:
        self.space_id = space_id
        self._data_key = data_key
        self._ciphers: dict[str, AESGCM] = {}

    def __repr__(self) -> str:
        return f"<SpaceKeys of {self.space_id}>"

    def cipher(self, purpose: str) -> AESGCM:
        """The cipher of one purpose; kept, but for a blob's."""
        known = self._ciphers.get(purpose)
        if known is None:
            key = HKDFExpand(SHA256(), 32, f"pli/{purpose}".encode()).derive(self._data_key)
            known = AESGCM(key)
            if not purpose.startswith("blob/"):
                self._ciphers[purpose] = known
        return known

    def seal(self, purpose: str, record: str, plain: bytes) -> Sealed:
        nonce = random_octets(_NONCE)
        bound = f"{self.space_id}|{purpose}|{record}".encode()
        return Sealed(_VERSION + nonce + self.cipher(purpose).encrypt(nonce, plain, bound))

    def open(self, purpose: str, record: str, sealed: bytes) -> bytes:
        """Raises `CannotOpen`."""
        if sealed[:1] != _VERSION:
            raise CannotOpen("unknown sealing version")
        bound = f"{self.space_id}|{purpose}|{record}".encode()
        try:
            return self.cipher(purpose).decrypt(sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :], bound)
        except (InvalidTag, ValueError) as error:
            raise CannotOpen(f"{purpose} of a record does not open") from error


class Vault:
    """Wraps, unwraps and remembers the keys of spaces; hashes what is looked up."""

    def __init__(self, master: bytes) -> None:
        if len(master) != 32:
            raise NoMasterKey("the master key must be 32 bytes, in base64")
        self._master = master
        self._lookup_key = b""
        self._spaces: OrderedDict[str, SpaceKeys] = OrderedDict()

    @classmethod
    def from_file(cls, path: Path, *, create: bool = False) -> Vault:
        """Read the key from `path` (mode 600 asked for); with `create`, make one when there is none."""
        if create and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(base64.b64encode(os.urandom(32)) + b"\n")
                file.flush()
                os.fsync(file.fileno())
        try:
            return cls(base64.b64decode(path.read_bytes(), validate=False))
        except (OSError, ValueError) as error:
            raise NoMasterKey(f"cannot read the master key {path}: {error}") from error

    def wrap(self, key: bytes) -> bytes:
        return aes_key_wrap(self._master, key)

    def unwrap(self, wrapped: bytes) -> bytes:
        """Raises `NoMasterKey`."""
        try:
            return aes_key_unwrap(self._master, wrapped)
        except InvalidUnwrap as error:
            raise NoMasterKey("this master key did not wrap that key") from error

    def use_lookup_key(self, wrapped: bytes) -> None:
        """Called once at start with the stored lookup key; proves, too, that the master key is the right one."""
        self._lookup_key = self.unwrap(wrapped)

    def new_wrapped_key(self) -> bytes:
        return self.wrap(os.urandom(32))

    def space(self, space_id: str, wrapped: bytes) -> SpaceKeys:
        """The keys of a space from its wrapped data key. Raises `CannotOpen` when the space was forgotten."""
        if not wrapped:
            self.forget(space_id)  # another process destroyed it
            raise CannotOpen("the key of this space was destroyed")
        known = self._spaces.get(space_id)
        if known is not None:
            self._spaces.move_to_end(space_id)
            return known
        keys = self._spaces[space_id] = SpaceKeys(space_id, self.unwrap(wrapped))
        if len(self._spaces) > CACHED_SPACES:
            self._spaces.popitem(last=False)
        return keys

    def lost(self, space_id: str) -> SpaceKeys:
        """Keys that open nothing: of a space whose own were destroyed, for mailboxes that still hold its messages."""
        return SpaceKeys(space_id, random_octets(32))

    def forget(self, space_id: str) -> None:
        """Drop the keys of a space from memory, after its row lost them."""
        self._spaces.pop(space_id, None)

    def lookup(self, kind: str, value: str) -> str:
        """A keyed hash to find `value` by (32 hexadecimal digits); without the key nothing can be guessed from it."""
        digest = hashlib.blake2b(value.encode(), key=self._lookup_key, person=kind.encode()[:16], digest_size=16)
        return digest.hexdigest()
