"""What a proof leads to: the identifier and password a person chooses, the second factor they set up, the recovery
codes they keep.

Promises: an identifier, a password and a first factor are kept together or not at all: nobody is left with a password
alone. A change ends every other way in, and is told. A password is hashed before it is kept anywhere.

Does not: decide that a proof is enough (`server.sign_in.NEEDS`), or serve who is signed in (`server.securing`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from server import audit, brakes, contacts, factors, gateways, people, sessions, strength
from server.audit import Act
from server.errors import Conflict, Invalid, Refused, Throttled, Unauthorised
from server.sign_in import Entered, Way, kept, under_way
from storage import accounts, contact_points, logins, proofs
from storage import factors as kept_factors
from storage.accounts import Account
from storage.database import Tx
from storage.logins import Login
from storage.proofs import Proof

if TYPE_CHECKING:
    from server.app import App
    from server.people import Traits


# ---- a proof's end ----


async def choose(app: App, secret: str, identifier: str, password: str) -> None:
    """The first time: an identifier and a password, kept with the proof until a second factor is there. Raises
    `Invalid`, `Conflict`, `Unauthorised`.
    """
    name = strength.identifier(identifier)
    hashed = app.vault.lookup("identifier", name)

    def traits(tx: Tx) -> Traits | None:
        proof, _ = _ready(tx, secret, "begin")
        taken = logins.by_identifier(tx, hashed)
        # Told to who holds a link alone, ten times: it is no register of identifiers.
        if not proofs.take_try(tx, proof.hash, factors.TRIES):
            raise Throttled
        if taken is not None and taken.account_id != proof.account_id:
            raise _taken()
        return people.traits(app, tx, _account(tx, proof).space_id)

    strength.password(password, name, await app.db.write(traits))
    password_hash = await app.passwords.hash(strength.prepared(password))

    def write(tx: Tx) -> None:
        proof, way = _ready(tx, secret, "begin")
        way.identifier, way.password, way.strength = hashed, password_hash, strength.strength(password)
        proofs.set_detail(tx, proof.hash, kept(way))

    await app.db.write(write)


async def set_up(app: App, secret: str, kind: str, number: str = "") -> None:
    """Begin a second factor: an `app`, or a `phone` to whose number a code is sent; '' goes back to the choice. Raises
    `Invalid`, `Throttled`, `Unavailable`, `Unauthorised`.
    """
    proof, _ = await app.db.read(_chosen, secret)
    app_id = await factors.begin_app(app, proof.account_id) if kind == "app" else ""
    point = await _phone(app, proof.account_id, number) if kind == "phone" else None

    def write(tx: Tx) -> tuple[contacts.Contact, str] | None:
        _, way = _chosen(tx, secret)
        way.app, way.phone, way.sent = app_id, point.id if point else "", "phone" if point else ""
        proofs.set_detail(tx, proof.hash, kept(way))
        return factors.text_code(app, tx, proof.account_id, proof.hash, secret, to=point) if point else None

    text = await app.db.write(write)
    if text is not None:
        await gateways.send_sms(app, text[0].value, text[1])


async def _phone(app: App, account_id: str, number: str) -> contacts.Contact:
    """The telephone of this number: the one that is verified already, or a new one that waits for its code."""
    if not gateways.sends_sms(app):
        raise Refused
    value = contacts.phone(number)
    known = await app.db.read(lambda tx: contacts.of_account(app, tx, account_id, "phone"))
    return next((one for one in known if one.value == value), None) or await contacts.add(
        app, account_id, "phone", number
    )


async def confirm(app: App, secret: str, code: str, source: str) -> Entered:
    """The first code of the factor that was begun: all of it is kept now, and the person is in, with ten recovery
    codes. Raises `Invalid` (`wrong_code`), `Conflict`, `Throttled`, `Unauthorised`.
    """
    codes = factors.new_recovery_codes()

    def settle(tx: Tx) -> Entered | None:
        proof, way = _chosen(tx, secret)
        brakes.check(app, tx, way.who, source, recovering=True)
        if not _confirmed(app, tx, proof, way, secret, code):
            brakes.failed(app, tx, way.who, source)
            return None
        if not proofs.done(tx, proof.hash):
            raise Unauthorised
        account = _account(tx, proof)
        who = _keep_first(app, tx, account, way) if way.goal == "begin" else _replace(app, tx, account, way)
        factors.keep_recovery_codes(app, tx, account.id, codes)
        how = f"password+{'totp' if way.app else 'sms'}"
        audit.record(tx, Act.SIGNED_IN, people.actor_in(app, tx, account), account.space_id, how)
        return Entered(account.id, how, failures=brakes.succeeded(app, tx, who, source), codes=tuple(codes))

    entered = await app.db.write(settle)
    app.delivery.wake()
    if entered is None:
        app.metrics.refused("sign-in", "wrong_first_code")
        raise factors.wrong_code()
    return entered


def _confirmed(app: App, tx: Tx, proof: Proof, way: Way, secret: str, code: str) -> bool:
    if way.app:
        if not proofs.take_try(tx, proof.hash, factors.TRIES):
            raise Throttled
        return factors.confirm_app(app, tx, proof.account_id, way.app, code)
    return way.sent == "phone" and factors.take_code(tx, secret, code)


def _keep_first(app: App, tx: Tx, account: Account, way: Way) -> str:
    if not logins.insert(tx, Login(account.id, way.identifier, way.password)):
        raise _taken()
    if way.phone:
        contact_points.verify(tx, account.id, way.phone)
    contacts.tell(app, tx, account.id, "sign-in")
    _note(app, tx, account, Act.PASSWORD_CHANGED)
    return f"login:{way.identifier}"


def _replace(app: App, tx: Tx, account: Account, way: Way) -> str:
    """A new second factor for who lost the old ones: whatever was lost lets nobody in any more."""
    contacts.tell(app, tx, account.id, "factor")
    for kind in ("totp", "passkey"):
        kept_factors.end_kind(tx, account.id, kind, but=way.app)
    for one in contacts.of_account(app, tx, account.id, "phone"):
        if one.id != way.phone:
            contact_points.end(tx, account.id, one.id)
    if way.phone:
        contact_points.verify(tx, account.id, way.phone)
    _note(app, tx, account, Act.FACTOR_CHANGED)
    sessions.end_all(app, tx, account.id)
    return way.who


async def renew_password(app: App, secret: str, identifier: str, password: str, source: str) -> None:
    """A new password for who lost it, and with a link another identifier too ('' keeps it). Raises `Invalid`,
    `Conflict`, `Unauthorised`.
    """
    proof, way = await app.db.read(_ready, secret, "password")
    name = strength.identifier(identifier) if identifier and "link" in way.given else ""

    def known(tx: Tx) -> tuple[Traits | None, str]:
        login = logins.of_account(tx, proof.account_id)
        return people.traits(app, tx, _account(tx, proof).space_id), login.password if login else ""

    traits, last = await app.db.read(known)
    hashed = await new_hash(app, name, password, traits, last)

    def settle(tx: Tx) -> None:
        proof, way = _ready(tx, secret, "password")
        if not proofs.done(tx, proof.hash):
            raise Unauthorised
        if name:
            logins.forget(tx, proof.account_id)
            if not logins.insert(tx, Login(proof.account_id, app.vault.lookup("identifier", name), hashed)):
                raise _taken()
        else:
            logins.set_password(tx, proof.account_id, hashed)
        brakes.succeeded(app, tx, way.who, source)
        factors.changed(app, tx, proof.account_id, "password")

    await app.db.write(settle)
    app.delivery.wake()


# ---- by an operator ----


async def reset(app: App, account_id: str) -> bool:
    """By an operator who checked who somebody is: their login and second factors end, so that the next link is a first
    time. They are told. False when there was none.
    """

    def settle(tx: Tx) -> bool:
        contacts.tell(app, tx, account_id, "factor")
        for kind in ("totp", "passkey", "recovery"):
            kept_factors.end_kind(tx, account_id, kind)
        for one in contacts.of_account(app, tx, account_id, "phone"):
            contact_points.end(tx, account_id, one.id)
        had = logins.forget(tx, account_id)
        factors.changed(app, tx, account_id, "password")
        return had

    had = await app.db.write(settle)
    app.delivery.wake()
    return had


async def new_hash(app: App, name: str, password: str, traits: Traits | None, last: str) -> str:
    """A password that may be taken, hashed. `last`: the hash of the one it replaces. Raises `Invalid`."""
    strength.password(password, name, traits)
    plain = strength.prepared(password)
    if last and await app.passwords.verify(plain, last):
        raise Invalid("password_same", "C’est votre mot de passe actuel. Choisissez-en un autre.")
    return await app.passwords.hash(plain)


def _ready(tx: Tx, secret: str, *goals: str) -> tuple[Proof, Way]:
    """A proof of one of these goals to which nothing is missing. Raises `Unauthorised`, `Invalid`."""
    proof, way = under_way(tx, secret)
    if way.goal not in goals or way.missing:
        raise Invalid
    return proof, way


def _chosen(tx: Tx, secret: str) -> tuple[Proof, Way]:
    """A proof that may set up a second factor: who comes for the first time chose an identifier before. Raises as
    `_ready`.
    """
    proof, way = _ready(tx, secret, "begin", "factor")
    if way.goal == "begin" and not way.identifier:
        raise Invalid
    return proof, way


def _account(tx: Tx, proof: Proof) -> Account:
    account = accounts.by_id(tx, proof.account_id)
    if account is None:
        raise Unauthorised
    return account


def _taken() -> Conflict:
    return Conflict("identifier_taken", "Cet identifiant est déjà pris. Choisissez-en un autre.")


def _note(app: App, tx: Tx, account: Account, act: Act) -> None:
    audit.record(tx, act, people.actor_in(app, tx, account), account.space_id, "self")
