"""What keeps somebody signed in: sessions, bearer tokens, one-use links; and every way out.

A secret has 256 random bits and is kept only as a hash. Ending it is one row; every open door asks again within
seconds: `still_signed_in` for sockets and long polls, `mail_sign_in.mail_still_good` for mail clients.

Does not: sign in a mail client (`server.mail_sign_in`), ask for a second factor (`server.sign_in`, `server.step_up`),
or decide what one may do.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from server import audit, people
from server.audit import Act
from server.drafts import Actor
from server.errors import Refused, Unauthorised
from storage import accounts, credentials
from storage.accounts import Account
from storage.credentials import Credential
from storage.database import Tx
from storage.ids import now_ms
from storage.vault import CannotOpen, Sealed

if TYPE_CHECKING:
    from server.app import App

LINK_MINUTES = 10
TOKEN_DAYS = 365
SEEN_EVERY_MS = 60_000
NAME = "session-name"  # what a browser's name is sealed for


async def open_session(
    app: App,
    account_id: str,
    how: str = "link",
    device_id: str = "",
    *,
    strong: bool = True,
    browser: str = "",
    instead: str = "",
) -> str:
    """A new session's secret (256 random bits). `how`: what proved who it is. `device_id`: the remembered device it
    is opened on. `strong`: whether a second factor was given just now (what dangerous acts ask for).
    `browser`: as `devices.called` names it. `instead`: the secret that browser held before, dead from now on.
    """
    secret, lasts = secrets.token_urlsafe(32), app.settings.session_hours * 3_600_000
    name = await app.db.read(_sealed_name, app, account_id, secret_hash(secret), browser)
    strong_at = now_ms() if strong else None

    def open_(tx: Tx) -> None:
        hashed = secret_hash(secret)
        credentials.revoke(tx, secret_hash(instead))
        credentials.insert(tx, hashed, "session", account_id, now_ms() + lasts, how, device_id, strong_at, name)
        people.index_traits(tx, app, account_id)

    await app.db.write(open_)
    return secret


async def new_token(app: App, account_id: str) -> str:
    """A bearer token for the HTTP API and the live chat."""
    return await _credential(app, account_id, "bearer", TOKEN_DAYS * 86_400_000)


async def new_link(app: App, account_id: str) -> str:
    """The secret of a one-use sign-in link, good for ten minutes."""
    return await _credential(app, account_id, "link", LINK_MINUTES * 60_000)


async def _credential(app: App, account_id: str, kind: str, lasts_ms: int) -> str:
    secret = secrets.token_urlsafe(32)
    await app.db.write(credentials.insert, secret_hash(secret), kind, account_id, now_ms() + lasts_ms)
    return secret


def _sealed_name(tx: Tx, app: App, account_id: str, hashed: str, browser: str) -> Sealed | None:
    return people.own_keys(app, tx, account_id).seal(NAME, hashed, browser.encode()) if browser else None


# ---- whose it is, and whether it still is ----


async def actor_of_session(app: App, secret: str) -> Actor:
    """Raises `Unauthorised` when the session ended, was idle too long, or never was."""
    return await _of_credential(app, secret, "session")


async def actor_of_bearer(app: App, secret: str) -> Actor:
    """Raises `Unauthorised`."""
    return await _of_credential(app, secret, "bearer")


def still_signed_in(app: App, tx: Tx, secret: str, kind: str) -> bool:
    """Whether a session or bearer secret is in force, without counting as a use of it: an open socket is
    no activity.
    """
    return _in_force(app, tx, secret, kind) is not None


def session(app: App, tx: Tx, secret: str) -> Credential:
    """The session of this secret. Raises `Unauthorised`."""
    found = _in_force(app, tx, secret, "session")
    if found is None:
        raise Unauthorised
    return found[0]


def _in_force(app: App, tx: Tx, secret: str, kind: str) -> tuple[Credential, Account] | None:
    found = credentials.in_force(tx, secret_hash(secret), kind, _idle_ms(app, kind)) if secret else None
    account = accounts.by_id(tx, found.account_id) if found else None
    return (found, account) if found and account else None


def _idle_ms(app: App, kind: str) -> int:
    return app.settings.session_idle_minutes * 60_000 if kind == "session" else 0


async def _of_credential(app: App, secret: str, kind: str) -> Actor:
    def find(tx: Tx) -> tuple[Actor, int]:
        found = _in_force(app, tx, secret, kind)
        if found is None:
            raise Unauthorised
        return people.actor_in(app, tx, found[1]), found[0].seen_at

    actor, seen_at = await app.db.read(find)
    if seen_at < now_ms() - SEEN_EVERY_MS:
        await app.db.write(credentials.seen, secret_hash(secret))
    return actor


# ---- links ----


async def redeem_link(app: App, secret: str) -> str:
    """Use up a one-use link: the account it signs in. Raises `Unauthorised` the second time."""

    def redeem(tx: Tx) -> str:
        found = _in_force(app, tx, secret, "link")
        if found is None or not credentials.revoke(tx, secret_hash(secret)):
            raise Unauthorised("link_used", "Ce lien a déjà servi ou n’est plus valable. Demandez-en un autre.")
        audit.record(tx, Act.SIGNED_IN, people.actor_in(app, tx, found[1]), "", "link")
        return found[1].id

    return await app.db.write(redeem)


# ---- every way out ----


async def close_session(app: App, secret: str) -> None:
    """Sign out: this session, and web push to its browser."""

    def close(tx: Tx) -> None:
        found = _in_force(app, tx, secret, "session")
        if found is not None and _close(tx, found[0]):
            audit.record(tx, Act.SIGNED_OUT, people.actor_in(app, tx, found[1]), "", "self")

    await app.db.write(close)


def _close(tx: Tx, one: Credential, kept_device: str = "") -> bool:
    """End a credential, and web push to its browser. True for exactly one caller."""
    if not credentials.revoke(tx, one.hash):
        return False
    for device in {one.device_id, one.hash} - {"", kept_device}:
        credentials.unsubscribe_device(tx, one.account_id, device)
    return True


def end_sessions(tx: Tx, account_id: str, but: str = "", how: str = "") -> None:
    """The sessions of an account, but for the one of this hash: all of them, or those opened so."""
    every = credentials.of_account(tx, account_id, "session", 0)
    kept_device = next((one.device_id for one in every if one.hash == but), "")
    for one in every:
        if one.hash != but and how in {"", one.how}:
            _close(tx, one, kept_device)


def end_all(app: App, tx: Tx, account_id: str, but: str = "") -> None:
    """Every way this account is signed in ends: sessions, bearer tokens, links, mail clients, proofs under way,
    remembered devices, web push. For a transaction that changes who may come in (a password, an account's end).
    `but`: the hash of a session that stays (`secret_hash`), with its remembered device.
    """
    credentials.end_everything(tx, account_id, but)
    account = accounts.by_id(tx, account_id)
    if account is not None:
        audit.record(tx, Act.SIGNED_OUT, people.actor_in(app, tx, account), "", "everywhere")


async def sign_out_everywhere(app: App, account_id: str) -> None:
    """« Se déconnecter partout »."""
    await app.db.write(lambda tx: end_all(app, tx, account_id))


async def renew(app: App, secret: str, how: str) -> str:
    """Another secret for this session, after a second factor was given (`how`): the old one is dead at once. The
    session ends when it would have. Raises `Unauthorised`.
    """
    new = secrets.token_urlsafe(32)

    def succeed(tx: Tx) -> None:
        old = session(app, tx, secret)
        name = _sealed_name(tx, app, old.account_id, secret_hash(new), _name(app, tx, old))
        if not credentials.succeed(tx, old, secret_hash(new), now_ms(), name):
            raise Unauthorised
        account = accounts.by_id(tx, old.account_id)
        if account is not None:
            audit.record(tx, Act.STEPPED_UP, people.actor_in(app, tx, account), "", how)

    await app.db.write(succeed)
    return new


# ---- what a person sees of it ----


@dataclass(frozen=True, slots=True)
class Way:
    """A way this account is signed in. `id`: names it on a page, and opens nothing. `browser`: '' when unknown.
    `mine`: the one that asks. Instants in milliseconds.
    """

    id: str
    kind: str
    how: str
    browser: str
    since: int
    seen: int
    mine: bool


async def ways(app: App, account_id: str, secret: str = "") -> list[Way]:
    """Open sessions (the one of `secret` first), API tokens and mail clients, newest use first."""

    def find(tx: Tx) -> list[Way]:
        return [_way(app, tx, one, secret) for kind in WAYS for one in _of_kind(app, tx, account_id, kind)]

    return sorted(await app.db.read(find), key=lambda way: not way.mine)


WAYS = ("session", "bearer", "mail", "mail_token")


async def end_way(app: App, account_id: str, way_id: str) -> None:
    """End one of them. Raises `Refused`."""

    def end(tx: Tx) -> None:
        for one in (one for kind in WAYS for one in _of_kind(app, tx, account_id, kind)):
            if app.vault.lookup("credential", one.hash) == way_id and _close(tx, one):
                return
        raise Refused

    await app.db.write(end)


async def end_other_sessions(app: App, account_id: str, secret: str) -> None:
    """Every session but the one of `secret`."""
    await app.db.write(end_sessions, account_id, secret_hash(secret))


def _of_kind(app: App, tx: Tx, account_id: str, kind: str) -> list[Credential]:
    return credentials.of_account(tx, account_id, kind, _idle_ms(app, kind))


def _way(app: App, tx: Tx, one: Credential, secret: str) -> Way:
    way_id = app.vault.lookup("credential", one.hash)
    mine = bool(secret) and one.hash == secret_hash(secret)
    return Way(way_id, one.kind, one.how, _name(app, tx, one), one.created_at, one.seen_at, mine)


def _name(app: App, tx: Tx, one: Credential) -> str:
    try:
        return people.own_keys(app, tx, one.account_id).open(NAME, one.hash, one.name).decode() if one.name else ""
    except CannotOpen:
        return ""


def secret_hash(secret: str) -> str:
    """The secrets hashed here have 256 random bits: a plain hash is enough to keep them unusable when read."""
    return hashlib.sha256(secret.encode()).hexdigest()
