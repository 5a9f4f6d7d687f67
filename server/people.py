"""Holders, delegates, professionals, teams, bots: who they are, and how they are recognised.

A secret (session, token, one-use link, password) is kept only as a hash. Verifying a password costs the same for
somebody who exists and somebody who does not, away from the event loop, and is braked per account and per source.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import secrets
import time
from collections import defaultdict, deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from server import audit
from server.audit import Act
from server.drafts import Actor
from server.errors import Conflict, Invalid, Throttled, Unauthorised
from storage import accounts
from storage.accounts import Account
from storage.database import Tx
from storage.ids import new_id, now_ms

if TYPE_CHECKING:
    from server.app import App

LINK_MINUTES = 10
TOKEN_DAYS = 365
TRIES, TRIES_WINDOW_S = 10, 600  # wrong passwords per account and per source before the brake
MIN_PASSWORD = 12


class Traits(msgspec.Struct, frozen=True):
    """INS traits (référentiel INS): matricule, OID and the strict traits. Dates ISO 8601, sex F or M, place
    a COG code.
    """

    ins: str
    oid: str
    birth_name: str
    given: str
    birth_date: str
    sex: str
    birth_place: str
    used_name: str = ""

    @property
    def name(self) -> str:
        return f"{self.given} {self.used_name or self.birth_name}"


@dataclass(frozen=True, slots=True)
class OwnSpace:
    """A mailbox one may open, as shown in the switcher."""

    mailbox_id: str
    space_id: str
    name: str
    birth_year: str
    kind: str  # self, representative, helper


class Passwords:
    """Argon2id (RFC 9106) in a pool of two threads."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="passwords")
        self._decoy = self._hash("no such account")
        self._failures: dict[str, deque[float]] = defaultdict(deque)
        self._known: dict[str, str] = {}
        self._known_key = os.urandom(32)

    @staticmethod
    def _kdf(salt: bytes) -> Argon2id:
        return Argon2id(salt=salt, length=32, iterations=2, lanes=1, memory_cost=19 * 1024)

    def _hash(self, password: str) -> str:
        salt = os.urandom(16)
        key = self._kdf(salt).derive(password.encode())
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

    def braked(self, *names: str) -> bool:
        now = time.monotonic()
        for name in names:
            failures = self._failures.get(name)
            while failures and failures[0] < now - TRIES_WINDOW_S:
                failures.popleft()
            if failures is not None and not failures:
                del self._failures[name]
            elif failures is not None and len(failures) >= TRIES:
                return True
        return False

    def failed(self, *names: str) -> None:
        for name in names:
            self._failures[name].append(time.monotonic())

    def close(self) -> None:
        self._pool.shutdown()


def _secret_hash(secret: str) -> str:
    """The secrets hashed here have 256 random bits: a plain hash is enough to keep them unusable when read."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _actor(app: App, tx: Tx, account: Account) -> Actor:
    name = account.name
    if account.kind == "holder":
        traits = _traits(app, tx, account.space_id)
        name = traits.name if traits else ""
    return Actor(
        account.id,
        account.kind,
        name,
        account.role,
        account.organisation,
        account.organisation_id,
        account.address or "",
        account.mailbox_id,
        account.space_id,
        account.language,
    )


def _traits(app: App, tx: Tx, space_id: str) -> Traits | None:
    space = accounts.space(tx, space_id)
    if space is None or space.traits is None:
        return None
    keys = app.vault.space(space.id, space.wrapped_key)
    return msgspec.json.decode(keys.open("traits", space.id, space.traits), type=Traits)


def traits(app: App, tx: Tx, space_id: str) -> Traits | None:
    """The traits of a space, for code that already holds a handle on it."""
    return _traits(app, tx, space_id)


async def sign_in(app: App, address: str, password: str, source: str) -> Actor:
    """A professional, by address and password (mail clients). `source`: where from. Raises `Unauthorised`,
    `Throttled`.
    """
    address = address.strip().lower()
    if app.passwords.braked(f"account:{address}", f"source:{source}"):
        raise Throttled
    account = await app.db.read(accounts.by_address, address)
    good = await app.passwords.verify(password, account.password if account else "")
    if account is None or not good:
        app.passwords.failed(f"account:{address}", f"source:{source}")
        raise Unauthorised("bad_credentials", "Adresse ou mot de passe incorrect.")

    def open_(tx: Tx) -> Actor:
        actor = _actor(app, tx, account)
        audit.record(tx, Act.SIGNED_IN, actor, "", "password")
        return actor

    return await app.db.write(open_)


async def hosted(app: App, address: str) -> Actor | None:
    """The professional, team or bot whose address this is here."""

    def find(tx: Tx) -> Actor | None:
        account = accounts.by_address(tx, address.lower())
        return _actor(app, tx, account) if account else None

    return await app.db.read(find)


async def actor(app: App, account_id: str) -> Actor:
    """The actor of an account in force. Raises `Unauthorised`."""

    def find(tx: Tx) -> Actor:
        account = accounts.by_id(tx, account_id)
        if account is None:
            raise Unauthorised
        return _actor(app, tx, account)

    return await app.db.read(find)


def correspondent(address: str, name: str = "", role: str = "", organisation: str = "") -> Actor:
    """A professional of another operator, as their mail names them; beside the name, which anybody may choose, stands
    the address that was verified. A name that looks like an address is not shown for one.
    """
    name = address if "@" in name else name or address
    return Actor("", "professional", name, role, organisation or address.lower(), "", address.lower())


async def spaces_of(app: App, actor: Actor) -> list[OwnSpace]:
    """One's own mailbox first, then those of delegations in force."""

    def find(tx: Tx) -> list[OwnSpace]:
        own = _traits(app, tx, actor.space_id)
        found = [OwnSpace(actor.mailbox_id, actor.space_id, actor.name, own.birth_date[:4] if own else "", "self")]
        for space_id, kind in accounts.delegated_spaces(tx, actor.account_id):
            holder, known = accounts.holder_of(tx, space_id), _traits(app, tx, space_id)
            if holder and known:
                found.append(OwnSpace(holder.mailbox_id, space_id, known.name, known.birth_date[:4], kind))
        return found

    return await app.db.read(find)


async def open_session(app: App, account_id: str) -> str:
    """A new session's secret (256 random bits)."""
    return await _credential(app, account_id, "session", app.settings.session_hours * 3_600_000)


async def new_token(app: App, account_id: str) -> str:
    """A bearer token for the HTTP API and the live chat."""
    return await _credential(app, account_id, "bearer", TOKEN_DAYS * 86_400_000)


async def new_link(app: App, account_id: str) -> str:
    """The secret of a one-use sign-in link, good for ten minutes."""
    return await _credential(app, account_id, "link", LINK_MINUTES * 60_000)


async def _credential(app: App, account_id: str, kind: str, lasts_ms: int) -> str:
    secret = secrets.token_urlsafe(32)
    await app.db.write(accounts.insert_credential, _secret_hash(secret), kind, account_id, now_ms() + lasts_ms)
    return secret


async def actor_of_session(app: App, secret: str) -> Actor:
    """Raises `Unauthorised` when the session ended, was idle too long, or never was."""
    return await _of_credential(app, secret, "session", app.settings.session_idle_minutes * 60_000)


async def actor_of_bearer(app: App, secret: str) -> Actor:
    """Raises `Unauthorised`."""
    return await _of_credential(app, secret, "bearer", 0)


SEEN_EVERY_MS = 60_000


def still_signed_in(app: App, tx: Tx, secret: str, kind: str) -> bool:
    """Whether a session or bearer secret is in force, without counting as a use of it: an open socket is
    no activity.
    """
    idle_ms = app.settings.session_idle_minutes * 60_000 if kind == "session" else 0
    return accounts.credential(tx, _secret_hash(secret), kind, idle_ms) is not None


async def _of_credential(app: App, secret: str, kind: str, idle_ms: int) -> Actor:
    hashed = _secret_hash(secret)

    def find(tx: Tx) -> tuple[Actor, bool] | None:
        account = accounts.credential(tx, hashed, kind, idle_ms)
        stale = account and idle_ms and accounts.seen_at(tx, hashed) < now_ms() - SEEN_EVERY_MS
        return (_actor(app, tx, account), bool(stale)) if account else None

    found = await app.db.read(find) if secret else None
    if found is None:
        raise Unauthorised
    if found[1]:
        await app.db.write(accounts.seen, hashed)
    return found[0]


async def redeem_link(app: App, secret: str) -> str:
    """Exchange a one-use link for a session's secret. Raises `Unauthorised` the second time."""

    def redeem(tx: Tx) -> str:
        account = accounts.credential(tx, _secret_hash(secret), "link", 0)
        if account is None or not accounts.revoke_credential(tx, _secret_hash(secret)):
            raise Unauthorised("link_used", "Ce lien a déjà servi ou n’est plus valable. Demandez-en un autre.")
        audit.record(tx, Act.SIGNED_IN, _actor(app, tx, account), "", "link")
        return account.id

    return await open_session(app, await app.db.write(redeem))


async def close_session(app: App, secret: str) -> None:
    await app.db.write(accounts.revoke_credential, _secret_hash(secret))


async def open_space(app: App, traits: Traits, language: str = "fr") -> Actor:
    """A holder and their space. Raises `Conflict` when this INS has one."""
    space_id, wrapped = new_id(), app.vault.new_wrapped_key()
    keys = app.vault.space(space_id, wrapped)
    account = Account(new_id(), "holder", "", "", "", "", None, new_id(), space_id, language, "", "", "")
    ins_hash = app.vault.lookup("ins", traits.ins)

    def create(tx: Tx) -> Actor:
        if accounts.space_by_ins(tx, ins_hash) is not None:
            raise Conflict("space_exists", "Cette personne a déjà un espace.")
        accounts.insert_space(
            tx, space_id, "holder", wrapped, ins_hash, keys.seal("traits", space_id, msgspec.json.encode(traits))
        )
        accounts.insert_account(tx, account, now_ms() // 1000)
        created = _actor(app, tx, account)
        audit.record(tx, Act.ACCOUNT_CREATED, created, space_id, "operator", account.id)
        return created

    return await app.db.write(create)


async def add_writer(
    app: App,
    kind: str,
    name: str,
    address: str,
    password: str = "",
    *,
    role: str = "",
    organisation: str = "",
    organisation_id: str = "",
    profession: str = "",
    national_id: str = "",
) -> Actor:
    """A professional, team, bot or operator with a mailbox here. Raises `Conflict`, `Invalid`."""
    address = address.strip().lower()
    if kind not in {"professional", "team", "bot", "operator"}:
        raise Invalid("bad_kind", f"« {kind} » n’est pas un type de compte.")
    if address.count("@") != 1 or any(ord(c) <= 32 or ord(c) > 126 for c in address):
        raise Invalid("bad_address", f"« {address} » n’est pas une adresse.")
    if password and len(password) < MIN_PASSWORD:
        raise Invalid("short_password", f"Le mot de passe doit avoir au moins {MIN_PASSWORD} caractères.")
    hashed = await app.passwords.hash(password) if password else ""
    space_id = new_id()
    account = Account(
        new_id(),
        kind,
        name,
        role,
        organisation,
        organisation_id,
        address,
        new_id(),
        space_id,
        "fr",
        hashed,
        profession,
        national_id,
    )

    def create(tx: Tx) -> Actor:
        if accounts.by_address(tx, address) is not None:
            raise Conflict("address_taken", f"L’adresse {address} est déjà prise.")
        accounts.insert_space(tx, space_id, "office", app.vault.new_wrapped_key(), None, None)
        accounts.insert_account(tx, account, now_ms() // 1000)
        created = _actor(app, tx, account)
        audit.record(tx, Act.ACCOUNT_CREATED, created, "", "operator", account.id)
        return created

    return await app.db.write(create)


async def delegate(app: App, space_id: str, account_id: str, kind: str, until: int | None, granted_by: str) -> None:
    """Let an account act in a space: a minor's representative, or an adult's helper, in their own name."""
    await app.db.write(accounts.delegate, space_id, account_id, kind, until, granted_by)
