"""Second factors: codes of an authenticator app, codes by SMS, recovery codes; and what each takes to set up.

    totp      an app: six digits of RFC 6238, one step early or late is taken, each step once
    sms       a code to a verified telephone: six digits, ten minutes, ten tries, bound to who asked, a new one kills it
    recovery  one of ten codes, kept on paper, each good once
    passkey   stands in the same table; `server.passkeys` registers and verifies it

Promises: a code is good exactly once, however many come at the same time (a conditional update decides). A secret of an
app is sealed; codes are kept as hashes. A code by e-mail is none of these: it recovers, it never signs in (CNIL
2025-019).

Does not: ask for a password, or open a session (`server.sign_in`).
"""

from __future__ import annotations

import hmac
import re
import secrets
import unicodedata
from typing import TYPE_CHECKING

import pyotp
import segno

from server import audit, brakes, contacts, gateways, people, sessions
from server.audit import Act
from server.contacts import Contact
from server.errors import Invalid, NotAllowed, Refused
from storage import accounts, factors, proofs
from storage.database import Tx
from storage.factors import Factor
from storage.ids import new_id, now_ms

if TYPE_CHECKING:
    from server.app import App

CODE_MS, TRIES = 600_000, 10
SENT, SENT_MS = 5, 3_600_000  # codes sent to one person in an hour
RECOVERY_CODES = 10
STEP_S = 30
ISSUER = "Pli"
PURPOSE = "factor"
_SIGNS = "23456789abcdefghjkmnpqrstuvwxyz"  # none that is taken for another: 10 of them are 49 bits


# ---- what one has ----


async def ways(app: App, account_id: str) -> list[str]:
    """The second factors a person can give now, the surest first."""
    return await app.db.read(lambda tx: ways_in(app, tx, account_id))


def ways_in(app: App, tx: Tx, account_id: str) -> list[str]:
    """As `ways`, in a transaction."""
    found = ["passkey"] if factors.of_account(tx, account_id, "passkey") else []
    found += ["totp"] if apps(tx, account_id) else []
    found += ["sms"] if phones(app, tx, account_id) else []
    return found + (["recovery"] if factors.of_account(tx, account_id, "recovery") else [])


def apps(tx: Tx, account_id: str) -> list[Factor]:
    """Those of which a code was given once."""
    return [one for one in factors.of_account(tx, account_id, "totp") if one.used_at is not None]


def phones(app: App, tx: Tx, account_id: str) -> list[Contact]:
    """Where a code may be sent by SMS; none without a gateway."""
    return contacts.of_account(app, tx, account_id, "phone") if gateways.sends_sms(app) else []


# ---- giving one ----


async def prove(app: App, account_id: str, kind: str, given: str, bound: str = "") -> bool:
    """Whether this is a second factor of the person, spent by this call; for somebody who is signed in. `bound`: what
    the browser holds that asked for an SMS (`send_code`). Raises `Throttled` (at last `recovery_only`).
    """
    who = f"step:{account_id}"

    def settle(tx: Tx) -> bool:
        brakes.check(app, tx, who, account_id, "signed in")
        if kind != "recovery":
            brakes.check_factor(app, tx, who)
        good = prove_in(app, tx, account_id, kind, given, bound)
        if good:
            brakes.succeeded(app, tx, who, account_id, "signed in")
        else:
            brakes.failed(app, tx, who, account_id, "signed in", factor=True)
        return good

    return await app.db.write(settle)


def prove_in(app: App, tx: Tx, account_id: str, kind: str, given: str, bound: str = "") -> bool:
    """As `prove`, in a transaction of the caller's, who brakes."""
    if kind == "totp":
        return any(_spend_step(app, tx, account_id, one, given) for one in apps(tx, account_id))
    if kind == "recovery":
        return factors.spend_recovery(tx, account_id, recovery_lookup(app, account_id, given))
    if kind == "sms" and bound:
        return bool(phones(app, tx, account_id)) and take_code(tx, bound, given)
    return False


def _spend_step(app: App, tx: Tx, account_id: str, one: Factor, given: str) -> bool:
    keys = people.own_keys(app, tx, account_id)
    clock = pyotp.TOTP(keys.open(PURPOSE, one.id, one.facts or b"").decode(), interval=STEP_S)
    now, digits = now_ms() // 1000 // STEP_S, _digits(given)
    steps = (now, now - 1, now + 1)
    good = [step for step in steps if hmac.compare_digest(clock.at(step * STEP_S).encode(), digits.encode())]
    return any(factors.advance(tx, account_id, one.id, step) for step in good)


# ---- codes that are sent ----


async def send_code(app: App, account_id: str, bound: str, point_id: str = "") -> Contact:
    """Send an SMS to somebody who is signed in; `bound`: a secret of their browser (the session's). The telephone it
    went to. Raises `Throttled`, `Unavailable`, `Refused`.
    """

    def begin(tx: Tx) -> tuple[Contact, str]:
        hashed = proof_hash(bound)
        proofs.insert(tx, hashed, "step", account_id, "", now_ms() + CODE_MS)
        return text_code(app, tx, account_id, hashed, bound, point_id)

    contact, text = await app.db.write(begin)
    await gateways.send_sms(app, contact.value, text)
    return contact


def text_code(
    app: App, tx: Tx, account_id: str, hashed: str, bound: str, point_id: str = "", *, to: Contact | None = None
) -> tuple[Contact, str]:
    """A code for a proof under way: where to, and what the SMS says. Raises `Throttled`, `Refused`."""
    known = [to] if to else phones(app, tx, account_id)
    contact = next((one for one in known if point_id in {"", one.id}), None)
    if contact is None:
        raise Refused
    brakes.often(app, tx, "sent", account_id, SENT, SENT_MS)
    code = new_code(tx, hashed, bound)
    return contact, contacts.sms_text(tx, account_id, code)


def new_code(tx: Tx, hashed: str, bound: str) -> str:
    """Six digits for this proof; the one before is dead."""
    code = f"{secrets.randbelow(1_000_000):06}"
    proofs.set_code(tx, hashed, f"{now_ms() + CODE_MS}:{_bound(bound, code)}")
    return code


def take_code(tx: Tx, bound: str, given: str) -> bool:
    """Whether this is the code sent for the proof of `bound`, in time; ten tries; once."""
    hashed = proof_hash(bound)
    kept = proofs.code_of(tx, hashed)
    if not kept or not proofs.take_try(tx, hashed, TRIES):
        return False
    until, _, wanted = kept.partition(":")
    good = hmac.compare_digest(_bound(bound, _digits(given)), wanted) and now_ms() < int(until)
    return good and proofs.take_code(tx, hashed, kept)


def _digits(given: str) -> str:
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", given))


def proof_hash(bound: str) -> str:
    """What the proof of a browser's secret is known by; not the hash that its session is."""
    return sessions.secret_hash(f"proof|{bound}")


def _bound(bound: str, code: str) -> str:
    # A million codes are soon tried on a plain hash; this one needs the 256 bits that only the browser holds.
    return hmac.new(bound.encode(), code.encode(), "sha256").hexdigest()


# ---- setting up ----


async def begin_app(app: App, account_id: str) -> str:
    """A new app that counts once a code of it is given: its id. One begun before is forgotten."""
    factor_id, secret = new_id(), pyotp.random_base32()

    def write(tx: Tx) -> None:
        keys = people.own_keys(app, tx, account_id)
        factors.end_unused(tx, account_id)
        factors.insert(tx, account_id, factor_id, "totp", keys.seal(PURPOSE, factor_id, secret.encode()))

    await app.db.write(write)
    return factor_id


async def app_secret(app: App, account_id: str, factor_id: str) -> str:
    """The key to copy into an app that is not confirmed yet; afterwards nobody sees it again. Raises `Refused`."""

    def find(tx: Tx) -> str:
        one = factors.one(tx, account_id, factor_id)
        if one is None or one.kind != "totp" or one.used_at is not None:
            raise Refused
        return people.own_keys(app, tx, account_id).open(PURPOSE, one.id, one.facts or b"").decode()

    return await app.db.read(find)


def app_uri(secret: str, name: str) -> str:
    """What the QR code says (otpauth). `name`: whose space, for a family's telephone."""
    return pyotp.TOTP(secret, interval=STEP_S).provisioning_uri(name=name, issuer_name=ISSUER)


def qr(uri: str) -> str:
    """The QR code as SVG, without size or style: black on white whatever the light, as cameras want it."""
    return segno.make(uri, error="m").svg_inline(
        border=4, light="#fff", dark="#000", omitsize=True, lineclass="", svgclass="qr"
    )


def confirm_app(app: App, tx: Tx, account_id: str, factor_id: str, given: str) -> bool:
    """The first code of an app: from now on it counts."""
    one = factors.one(tx, account_id, factor_id)
    return (
        one is not None and one.kind == "totp" and one.used_at is None and _spend_step(app, tx, account_id, one, given)
    )


def new_recovery_codes() -> list[str]:
    """Ten codes: `abcde-fghij`."""
    drawn = ["".join(secrets.choice(_SIGNS) for _ in range(10)) for _ in range(RECOVERY_CODES)]
    return [f"{code[:5]}-{code[5:]}" for code in drawn]


def keep_recovery_codes(app: App, tx: Tx, account_id: str, codes: list[str]) -> None:
    """These, and none before."""
    factors.replace_recovery(tx, account_id, [recovery_lookup(app, account_id, code) for code in codes])


def recovery_lookup(app: App, account_id: str, given: str) -> str:
    """A code as it is found, whatever the case and the signs between."""
    bare = re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", given)).lower()
    return app.vault.lookup("recovery", f"{account_id}|{bare}")


def remove(app: App, tx: Tx, account_id: str, kind: str, factor_id: str) -> None:
    """An app, a passkey, or a telephone that receives codes. Raises `Refused`, `NotAllowed` for the last one."""
    if not may_lose(app, tx, account_id, factor_id):
        raise NotAllowed(
            "last_factor", "C’est votre seule façon de confirmer. Ajoutez-en une autre avant de la retirer."
        )
    if kind == "phone":
        contacts.remove(app, tx, account_id, factor_id)
    elif not factors.end(tx, account_id, factor_id):
        raise Refused


def may_lose(app: App, tx: Tx, account_id: str, factor_id: str) -> bool:
    """Whether somebody who signs in by password keeps another second factor (recovery codes run out: they are none)."""
    others = [one.id for one in apps(tx, account_id)] + [
        one.id for one in factors.of_account(tx, account_id, "passkey")
    ]
    others += [one.id for one in phones(app, tx, account_id)]
    return factor_id not in others or len(others) > 1


def changed(app: App, tx: Tx, account_id: str, what: str, keep: str = "") -> None:
    """What follows a change of factor or password: the person is told, it is noted, and every other way in ends.
    `keep`: the hash of the session that stays.
    """
    contacts.tell(app, tx, account_id, what)
    account = accounts.by_id(tx, account_id)
    if account is not None:
        act = Act.PASSWORD_CHANGED if what == "password" else Act.FACTOR_CHANGED
        audit.record(tx, act, people.actor_in(app, tx, account), account.space_id, "self", outcome=what)
    sessions.end_all(app, tx, account_id, keep)


def wrong_code() -> Invalid:
    return Invalid("wrong_code", "Ce code n’est pas le bon, ou il a déjà servi. Vérifiez-le, ou demandez-en un autre.")
