"""What somebody who is signed in changes about how they come in: password, second factors, recovery codes, contacts.

Promises: a change of password or of a second factor ends every other way in and is told; the last second factor cannot
be taken away; a contact counts once its code came back.

Does not: ask for the step-up that each of these needs (`webchat.signing` does, by `server.step_up`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from server import brakes, contacts, factors, gateways, logins, people, strength
from server.contacts import Contact
from server.errors import Conflict, Invalid, Refused
from storage import accounts, proofs
from storage import factors as kept_factors
from storage import logins as kept_logins
from storage.database import Tx
from storage.factors import Factor
from storage.ids import now_ms

if TYPE_CHECKING:
    from server.app import App
    from server.people import Traits


@dataclass(frozen=True, slots=True)
class Kept:
    """What somebody has. `pending`: the id of an app that waits for its first code. `recovery`: codes left."""

    password: bool
    apps: tuple[Factor, ...]
    pending: str
    phones: tuple[Contact, ...]
    passkeys: int
    recovery: int
    contacts: tuple[Contact, ...]


async def kept(app: App, account_id: str) -> Kept:
    """For the page."""

    def find(tx: Tx) -> Kept:
        apps = kept_factors.of_account(tx, account_id, "totp")
        return Kept(
            kept_logins.of_account(tx, account_id) is not None,
            tuple(one for one in apps if one.used_at is not None),
            next((one.id for one in apps if one.used_at is None), ""),
            tuple(factors.phones(app, tx, account_id)),
            len(kept_factors.of_account(tx, account_id, "passkey")),
            len(kept_factors.of_account(tx, account_id, "recovery")),
            tuple(contacts.of_account(app, tx, account_id, verified=False)),
        )

    return await app.db.read(find)


async def change_password(app: App, account_id: str, current: str, password: str, keep: str) -> None:
    """`keep`: the hash of the session that stays. Raises `Invalid` (`wrong_password`), `Throttled`, `Refused` when
    there is none to change.
    """
    who = f"step:{account_id}"

    def known(tx: Tx) -> tuple[str, Traits | None]:
        brakes.check(app, tx, who, account_id, "signed in")
        login, account = kept_logins.of_account(tx, account_id), accounts.by_id(tx, account_id)
        if login is None or account is None:
            raise Refused
        return login.password, people.traits(app, tx, account.space_id)

    last, traits = await app.db.read(known)
    if not await app.passwords.verify(strength.prepared(current), last):
        await app.db.write(lambda tx: brakes.failed(app, tx, who, account_id, "signed in"))
        raise Invalid("wrong_password", "Ce mot de passe n’est pas le bon.")
    hashed = await logins.new_hash(app, "", password, traits, last)

    def settle(tx: Tx) -> None:
        login = kept_logins.of_account(tx, account_id)
        if login is None or login.password != last:  # changed meanwhile: whoever did that was asked too
            raise Conflict
        kept_logins.set_password(tx, account_id, hashed)
        factors.changed(app, tx, account_id, "password", keep)

    await app.db.write(settle)
    app.delivery.wake()


async def add_app(app: App, account_id: str, factor_id: str, code: str, keep: str) -> list[str]:
    """The first code of an app begun by `factors.begin_app`. Recovery codes to show, when there were none. Raises
    `Invalid` (`wrong_code`), `Throttled`.
    """
    who, codes = f"step:{account_id}", factors.new_recovery_codes()

    def settle(tx: Tx) -> list[str] | None:
        brakes.check(app, tx, who, account_id, "signed in")
        if not factors.confirm_app(app, tx, account_id, factor_id, code):
            brakes.failed(app, tx, who, account_id, "signed in")
            return None
        factors.changed(app, tx, account_id, "factor", keep)
        if kept_factors.of_account(tx, account_id, "recovery"):
            return []
        factors.keep_recovery_codes(app, tx, account_id, codes)
        return codes

    made = await app.db.write(settle)
    app.delivery.wake()
    if made is None:
        raise factors.wrong_code()
    return made


async def remove(app: App, account_id: str, kind: str, thing_id: str, keep: str) -> None:
    """An app (`totp`), a `phone`, or an `email`. Raises `Refused`, `NotAllowed` for the last second factor."""

    def write(tx: Tx) -> None:
        if kind == "email":
            contacts.remove(app, tx, account_id, thing_id)
        elif kind in {"totp", "phone"}:
            factors.remove(app, tx, account_id, kind, thing_id)
            factors.changed(app, tx, account_id, "factor", keep)
        else:
            raise Refused

    await app.db.write(write)
    app.delivery.wake()


async def renew_recovery(app: App, account_id: str) -> list[str]:
    """Ten new codes, to show once; those before are dead."""
    codes = factors.new_recovery_codes()

    def write(tx: Tx) -> None:
        factors.keep_recovery_codes(app, tx, account_id, codes)
        contacts.tell(app, tx, account_id, "recovery")

    await app.db.write(write)
    app.delivery.wake()
    return codes


async def add_contact(app: App, account_id: str, kind: str, value: str, bound: str) -> None:
    """A code leaves for an `email` or a `phone`; `bound`: the secret of the session. Raises `Invalid`, `Throttled`,
    `Unavailable`.
    """
    gateway = gateways.sends_mail(app) if kind == "email" else gateways.sends_sms(app)
    if kind not in {"email", "phone"} or not gateway:
        raise Refused
    point = await contacts.add(app, account_id, kind, value)

    def write(tx: Tx) -> str:
        brakes.often(app, tx, "sent", account_id, factors.SENT, factors.SENT_MS)
        held, until = _held(bound), now_ms() + factors.CODE_MS
        proofs.insert(tx, factors.proof_hash(held), "contact", account_id, point.id, until)
        code = factors.new_code(tx, factors.proof_hash(held), held)
        if kind == "email":
            contacts.send_code(app, tx, account_id, point, code, until)
        return contacts.sms_text(tx, account_id, code)

    text = await app.db.write(write)
    app.delivery.wake()
    if kind == "phone":
        await gateways.send_sms(app, point.value, text)


async def confirm_contact(app: App, account_id: str, code: str, bound: str, keep: str) -> None:
    """The code came back: the contact counts; a telephone is a second factor from now on. Raises `Invalid`
    (`wrong_code`).
    """
    held = _held(bound)

    def settle(tx: Tx) -> bool:
        proof = proofs.find(tx, factors.proof_hash(held), "contact")
        if proof is None or proof.account_id != account_id or not factors.take_code(tx, held, code):
            return False
        kinds = {one.id: one.kind for one in contacts.of_account(app, tx, account_id, verified=False)}
        good = contacts.verified(app, tx, account_id, proof.detail)
        if good and kinds[proof.detail] == "phone" and gateways.sends_sms(app):
            factors.changed(app, tx, account_id, "factor", keep)
        return good

    good = await app.db.write(settle)
    app.delivery.wake()
    if not good:
        raise factors.wrong_code()


def _held(bound: str) -> str:
    # Not the proof of a step-up's SMS, which the same session may have under way.
    return f"contact|{bound}"
