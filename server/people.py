"""Holders, delegates, professionals, teams, bots: who they are.

Does not: recognise anybody (`server.sessions`, `server.passwords`), or decide what they may do (`server.access`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

import msgspec

from server import audit, strict_traits
from server.audit import Act
from server.drafts import Actor
from server.errors import Conflict, Invalid, Unauthorised
from server.settings import PLACE
from storage import accounts, delegations, entries, identities, teams
from storage.accounts import Account
from storage.database import Tx
from storage.delegations import EVERYTHING, Delegation
from storage.ids import new_id, now_ms
from storage.vault import SpaceKeys

if TYPE_CHECKING:
    from server.app import App

MIN_PASSWORD = 12
MAJORITY = 18  # years


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

    @property
    def strict(self) -> str:
        """The strict traits in one form, whoever wrote them; '' when one is missing."""
        return strict_traits.canonical(self.birth_name, self.given, self.birth_date, self.sex, self.birth_place)


@dataclass(frozen=True, slots=True)
class OwnSpace:
    """A mailbox one may open, as shown in the switcher."""

    mailbox_id: str
    space_id: str
    name: str
    birth_year: str
    kind: str  # self, representative, helper, team
    sex: str = ""
    unread: int = 0
    scopes: frozenset[str] = EVERYTHING


def actor_in(app: App, tx: Tx, account: Account) -> Actor:
    """The actor of an account, inside a transaction."""
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


def own_keys(app: App, tx: Tx, account_id: str) -> SpaceKeys:
    """What seals the facts of an account in force: the keys of its own space. Raises `Unauthorised`."""
    account = accounts.by_id(tx, account_id)
    space = accounts.space(tx, account.space_id) if account else None
    if space is None:
        raise Unauthorised
    return app.vault.space(space.id, space.wrapped_key)


def index_traits(tx: Tx, app: App, account_id: str) -> None:
    """Let a holder be found by their strict traits, without looking through spaces: when their space is opened, and
    when they sign in for spaces older than this index.
    """
    account = accounts.by_id(tx, account_id)
    known = _traits(app, tx, account.space_id) if account is not None and account.kind == "holder" else None
    if known is not None and known.strict:
        identities.index_traits(tx, app.vault.lookup("traits", known.strict), account_id)


async def hosted(app: App, address: str) -> Actor | None:
    """The professional, team or bot whose address this is here."""

    def find(tx: Tx) -> Actor | None:
        account = accounts.by_address(tx, address.lower())
        return actor_in(app, tx, account) if account else None

    return await app.db.read(find)


async def actor(app: App, account_id: str) -> Actor:
    """The actor of an account in force. Raises `Unauthorised`."""

    def find(tx: Tx) -> Actor:
        account = accounts.by_id(tx, account_id)
        if account is None:
            raise Unauthorised
        return actor_in(app, tx, account)

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
        year, sex = (own.birth_date[:4], own.sex) if own else ("", "")
        unread = entries.unread(tx, actor.mailbox_id)
        found = [OwnSpace(actor.mailbox_id, actor.space_id, actor.name, year, "self", sex, unread)]
        for right in delegations.of_account(tx, actor.account_id):
            holder, known = accounts.holder_of(tx, right.space_id), _traits(app, tx, right.space_id)
            if holder and known:
                found.append(_space_of(tx, right, holder.mailbox_id, known))
        for _, name, box in teams.of_account(tx, actor.account_id):
            found.append(OwnSpace(box, "", name, "", "team", unread=entries.unread(tx, box)))
        return found

    return await app.db.read(find)


def _space_of(tx: Tx, right: Delegation, mailbox_id: str, whose: Traits) -> OwnSpace:
    unread = entries.unread(tx, mailbox_id) if "messages" in right.scopes else 0
    year = whose.birth_date[:4]
    return OwnSpace(mailbox_id, right.space_id, whose.name, year, right.kind, whose.sex, unread, right.scopes)


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
        index_traits(tx, app, account.id)
        created = actor_in(app, tx, account)
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
        accounts.name_one(tx)
        if accounts.by_address(tx, address) is not None:
            raise Conflict("address_taken", f"L’adresse {address} est déjà prise.")
        accounts.insert_space(tx, space_id, "office", app.vault.new_wrapped_key(), None, None)
        accounts.insert_account(tx, account, now_ms() // 1000)
        created = actor_in(app, tx, account)
        audit.record(tx, Act.ACCOUNT_CREATED, created, "", "operator", account.id)
        return created

    return await app.db.write(create)


async def delegate(
    app: App, space_id: str, account_id: str, kind: str, until: int | None, granted_by: str, scopes: str = ""
) -> None:
    """Let an account act in a space, in their own name, without a word to anybody (`server.delegates` is the way that
    tells). A minor's representative has that right until the child is of age, at most.
    """

    def write(tx: Tx) -> None:
        whose = _traits(app, tx, space_id)
        ends = majority(whose.birth_date) if whose and kind == "representative" else None
        last = min(filter(None, (until, ends if ends and ends > now_ms() else None)), default=None)
        areas = delegations.scopes_of(scopes.replace(",", " "))
        delegations.grant(tx, space_id, account_id, kind, last, granted_by, areas)

    await app.db.write(write)


def majority(birth_date: str) -> int | None:
    """The instant somebody comes of age, in ms since 1970: midnight in Paris at the beginning of their eighteenth
    birthday (Code civil, art. 414); of who is born on 29 February, the first of March. None when the date is unclear.
    """
    try:
        born = date.fromisoformat(birth_date)
    except ValueError:
        return None
    leap = (born.month, born.day) == (2, 29)
    month, day = (3, 1) if leap else (born.month, born.day)
    return int(datetime(born.year + MAJORITY, month, day, tzinfo=PLACE).timestamp() * 1000)
