"""Passwords: hashed and verified away from the event loop, at the same cost for somebody who exists and somebody who
does not.

Does not: know who signs in, or count what failed (`server.brakes`).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id


class Passwords:
    """Argon2id (RFC 9106) in a pool of two threads."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="passwords")
        self._decoy = _decoy()
        self._known: dict[str, str] = {}
        self._known_key = os.urandom(32)

    @staticmethod
    def _kdf(salt: bytes) -> Argon2id:
        return Argon2id(salt=salt, length=32, iterations=2, lanes=1, memory_cost=19 * 1024)

    @classmethod
    def _hash(cls, password: str) -> str:
        salt = os.urandom(16)
        key = cls._kdf(salt).derive(password.encode())
        return f"argon2id${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"

    def _verify(self, password: str, stored: str) -> bool:
        _, salt, key = stored.split("$")
        try:
            self._kdf(base64.b64decode(salt)).verify(password.encode(), base64.b64decode(key))
        except InvalidKey:
            return False
        return True

    async def hash(self, password: str) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._hash, password)

    async def verify(self, password: str, stored: str) -> bool:
        """True when it is the one; the same time when `stored` is empty. A mail client signs in again for each
        connection: what was verified once in this process is remembered as a keyed hash, until the stored hash changes.
        """
        seen = hashlib.blake2b(f"{stored}|{password}".encode(), key=self._known_key).hexdigest()
        if stored and self._known.get(stored) == seen:
            return True
        good = await asyncio.get_running_loop().run_in_executor(
            self._pool, self._verify, password, stored or self._decoy
        )
        if good and stored:
            if len(self._known) > 10_000:
                self._known.clear()
            self._known[stored] = seen
        return good and bool(stored)

    def close(self) -> None:
        self._pool.shutdown()


@cache
def _decoy() -> str:
    """The hash of no account's password: one a process."""
    return Passwords._hash("no such account")
