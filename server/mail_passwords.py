"""Application passwords: one for each device whose mail program reads here, so that losing one ends that one alone.

Promises: it has 99 random bits, is on screen once, in groups that are easy to type, and is taken with or without
spaces, in any case; it is kept as a keyed hash and found by it, so nothing is compared and nothing tells who has one.
Its name, and what the program calls itself, are sealed. It opens mail and nothing else, ends at once when it is ended
(the open sessions within 5 s), and by itself when it was not used for a year.

Does not: ask for the second factor that making one needs (`webchat.mail_access`), or sign anybody in
(`server.mail_sign_in`).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from server import audit, contacts, people
from server.audit import Act
from server.errors import Invalid, Refused
from server.sessions import SEEN_EVERY_MS
from storage import accounts, credentials
from storage.accounts import Account
from storage.credentials import Credential
from storage.database import Tx
from storage.ids import now_ms
from storage.vault import CannotOpen, Sealed

if TYPE_CHECKING:
    from server.app import App
    from server.drafts import Actor

KIND: Final = "mail_password"
MOST: Final = 20  # of one person
MAX_NAME: Final = 60
ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that is read for something else
LENGTH, GROUP = 20, 4
UNUSED_MS: Final = 365 * 86_400_000
LASTS_MS: Final = 10 * UNUSED_MS
NAME: Final = "mail-password"  # what its facts are sealed for


class _Facts(msgspec.Struct, frozen=True):
    name: str
    client: str = ""


@dataclass(frozen=True, slots=True)
class Device:
    """An application password as its owner sees it. `id` names it on a page and opens nothing. `client`: as its program
    calls itself, or ''. `door`: imap or smtp, where it was last used; '' when it never was. Instants in ms.
    """

    id: str
    name: str
    client: str
    door: str
    made: int
    used: int


# ---- its owner's side ------------------------------------------------------------------------------------------------


async def make(app: App, actor: Actor, name: str) -> str:
    """A new one, in groups, to be shown once. Raises `Invalid`; `Refused` to who has no mail client here."""
    name = " ".join(name.split())
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise Invalid("mail_password_name", f"Donnez un nom à cet appareil ({MAX_NAME} caractères au plus).")
    secret = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    hashed = hashed_of(app, secret)
    facts = await app.db.read(lambda tx: _seal(app, tx, actor.account_id, hashed, _Facts(name)))

    def write(tx: Tx) -> None:
        account = accounts.by_id(tx, actor.account_id)
        if account is None or account.kind not in {"professional", "team"}:
            raise Refused
        if len(_of_account(tx, account.id)) >= MOST:
            raise Invalid("too_many_mail_passwords", f"Vous avez déjà {MOST} mots de passe. Arrêtez-en un d’abord.")
        credentials.insert(tx, hashed, KIND, account.id, now_ms() + LASTS_MS, name=facts)
        audit.record(tx, Act.MAIL_PASSWORD_MADE, actor, account.space_id, "self")
        contacts.tell(app, tx, account.id, "mail-password")

    await app.db.write(write)
    app.delivery.wake()
    return " ".join(secret[start : start + GROUP] for start in range(0, LENGTH, GROUP))


async def listed(app: App, account_id: str) -> list[Device]:
    """Those in force, newest use first."""

    def find(tx: Tx) -> list[Device]:
        return [_device(app, tx, one) for one in _of_account(tx, account_id)]

    return await app.db.read(find)


async def end(app: App, actor: Actor, device_id: str) -> None:
    """No more: whoever reads with it is shown out. Raises `Refused`."""

    def write(tx: Tx) -> None:
        for one in _of_account(tx, actor.account_id):
            if _id(app, one) == device_id and credentials.revoke(tx, one.hash):
                audit.record(tx, Act.MAIL_PASSWORD_ENDED, actor, actor.space_id, "self")
                return
        raise Refused

    await app.db.write(write)


def _of_account(tx: Tx, account_id: str) -> list[Credential]:
    return credentials.of_account(tx, account_id, KIND, UNUSED_MS)


def _device(app: App, tx: Tx, one: Credential) -> Device:
    facts = _facts(app, tx, one)
    return Device(_id(app, one), facts.name, facts.client, one.how, one.created_at, one.seen_at)


def _id(app: App, one: Credential) -> str:
    return app.vault.lookup("credential", one.hash)


def _seal(app: App, tx: Tx, account_id: str, hashed: str, facts: _Facts) -> Sealed:
    return people.own_keys(app, tx, account_id).seal(NAME, hashed, msgspec.json.encode(facts))


def _facts(app: App, tx: Tx, one: Credential) -> _Facts:
    try:
        octets = people.own_keys(app, tx, one.account_id).open(NAME, one.hash, one.name or b"")
    except CannotOpen:
        return _Facts("")
    return msgspec.json.decode(octets, type=_Facts)


# ---- the doors' side -------------------------------------------------------------------------------------------------


def hashed(app: App, given: str) -> str:
    """What a password that somebody typed is found by, when it has the form of one of these; else ''."""
    plain = "".join(given.split()).replace("-", "").lower()
    return hashed_of(app, plain) if len(plain) == LENGTH and not set(plain) - set(ALPHABET) else ""


def hashed_of(app: App, secret: str) -> str:
    return app.vault.lookup(NAME, secret)


def found(tx: Tx, hashed: str, account: Account | None) -> Credential | None:
    """The one of this account that is found by this, while it is in force."""
    one = credentials.in_force(tx, hashed, KIND, UNUSED_MS) if hashed else None
    return one if one is not None and account is not None and one.account_id == account.id else None


def used(tx: Tx, one: Credential, door: str) -> None:
    """By imap or smtp, now; a row a minute is enough."""
    if one.how != door or one.seen_at < now_ms() - SEEN_EVERY_MS:
        credentials.used(tx, one.hash, door)


async def called(app: App, hashed: str, client: str) -> None:
    """The program that signed in with it says its name (RFC 2971); of another credential, nothing is kept."""
    client = " ".join(client.split())[:MAX_NAME]

    def look(tx: Tx) -> Sealed | None:
        one = credentials.in_force(tx, hashed, KIND, 0)
        facts = _facts(app, tx, one) if one else None
        if one is None or facts is None or facts.client == client or not client.isprintable():
            return None
        return _seal(app, tx, one.account_id, hashed, _Facts(facts.name, client))

    sealed = await app.db.read(look)
    if sealed is not None:
        await app.db.write(credentials.rename, hashed, sealed)
