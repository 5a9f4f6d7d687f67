"""What keeps somebody signed in: sessions, bearer tokens, one-use links, a mail client's password.

A secret has 256 random bits and is kept only as a hash. Ending it is one row; every open door asks again within
seconds (`still_signed_in`).

Does not: ask for a second factor (`server.sign_in`), or decide what one may do.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

from server import audit, people
from server.audit import Act
from server.drafts import Actor
from server.errors import Throttled, Unauthorised
from storage import accounts, credentials
from storage.accounts import Account
from storage.database import Tx
from storage.ids import now_ms

if TYPE_CHECKING:
    from server.app import App

LINK_MINUTES = 10
TOKEN_DAYS = 365
SEEN_EVERY_MS = 60_000


async def open_session(
    app: App, account_id: str, how: str = "link", device_id: str = "", *, strong: bool = True
) -> str:
    """A new session's secret (256 random bits). `how`: what proved who it is. `device_id`: the remembered device it is
    opened on. `strong`: whether a second factor was given just now (what dangerous acts ask for).
    """
    lasts = app.settings.session_hours * 3_600_000
    return await _credential(app, account_id, "session", lasts, how, device_id, now_ms() if strong else None)


async def new_token(app: App, account_id: str) -> str:
    """A bearer token for the HTTP API and the live chat."""
    return await _credential(app, account_id, "bearer", TOKEN_DAYS * 86_400_000)


async def new_link(app: App, account_id: str) -> str:
    """The secret of a one-use sign-in link, good for ten minutes."""
    return await _credential(app, account_id, "link", LINK_MINUTES * 60_000)


async def _credential(
    app: App,
    account_id: str,
    kind: str,
    lasts_ms: int,
    how: str = "",
    device_id: str = "",
    strong_at: int | None = None,
) -> str:
    secret, until = secrets.token_urlsafe(32), now_ms() + lasts_ms
    await app.db.write(credentials.insert, secret_hash(secret), kind, account_id, until, how, device_id, strong_at)
    return secret


def _account(tx: Tx, hashed: str, kind: str, idle_ms: int) -> Account | None:
    account_id = credentials.account_of(tx, hashed, kind, idle_ms)
    return accounts.by_id(tx, account_id) if account_id else None


async def actor_of_session(app: App, secret: str) -> Actor:
    """Raises `Unauthorised` when the session ended, was idle too long, or never was."""
    return await _of_credential(app, secret, "session", app.settings.session_idle_minutes * 60_000)


async def actor_of_bearer(app: App, secret: str) -> Actor:
    """Raises `Unauthorised`."""
    return await _of_credential(app, secret, "bearer", 0)


def still_signed_in(app: App, tx: Tx, secret: str, kind: str) -> bool:
    """Whether a session or bearer secret is in force, without counting as a use of it: an open socket is
    no activity.
    """
    idle_ms = app.settings.session_idle_minutes * 60_000 if kind == "session" else 0
    return _account(tx, secret_hash(secret), kind, idle_ms) is not None


async def _of_credential(app: App, secret: str, kind: str, idle_ms: int) -> Actor:
    hashed = secret_hash(secret)

    def find(tx: Tx) -> tuple[Actor, bool] | None:
        account = _account(tx, hashed, kind, idle_ms)
        stale = account and idle_ms and credentials.seen_at(tx, hashed) < now_ms() - SEEN_EVERY_MS
        return (people.actor_in(app, tx, account), bool(stale)) if account else None

    found = await app.db.read(find) if secret else None
    if found is None:
        raise Unauthorised
    if found[1]:
        await app.db.write(credentials.seen, hashed)
    return found[0]


async def redeem_link(app: App, secret: str) -> str:
    """Exchange a one-use link for a session's secret. Raises `Unauthorised` the second time."""

    def redeem(tx: Tx) -> str:
        account = _account(tx, secret_hash(secret), "link", 0)
        if account is None or not credentials.revoke(tx, secret_hash(secret)):
            raise Unauthorised("link_used", "Ce lien a déjà servi ou n’est plus valable. Demandez-en un autre.")
        audit.record(tx, Act.SIGNED_IN, people.actor_in(app, tx, account), "", "link")
        return account.id

    return await open_session(app, await app.db.write(redeem))


async def close_session(app: App, secret: str) -> None:
    await app.db.write(credentials.revoke, secret_hash(secret))


async def sign_in_by_mail(app: App, address: str, password: str, source: str) -> Actor:
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
        actor = people.actor_in(app, tx, account)
        audit.record(tx, Act.SIGNED_IN, actor, "", "password")
        return actor

    return await app.db.write(open_)


def secret_hash(secret: str) -> str:
    """The secrets hashed here have 256 random bits: a plain hash is enough to keep them unusable when read."""
    return hashlib.sha256(secret.encode()).hexdigest()
