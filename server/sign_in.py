"""How a person comes in: the steps of a proof, each a fact that the browser showed, until what is asked for is whole.

    enter     password, then a second factor (or the remembered device)         → a session
    begin     an operator's link; identifier and password; a second factor      → a session, ten recovery codes
    password  a code by e-mail or a link, then a second factor                  → a new password, then the door again
    factor    the password, then a code by e-mail or a link                     → a new second factor, the old ones end

What each needs is the table `NEEDS`. A code by e-mail and a link only ever recover: no goal is reached by them and one
other thing that is not of another kind (CNIL 2025-019).

Promises: an identifier that nobody has gets the same answers, for the same work (checklist item 7); ten tries a code,
counted across processes (item 6); a proof is kept by the browser that began it, half an hour, and is whole once.

Does not: set up or change anything (`server.logins`), or know a page or a cookie.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec

from server import audit, brakes, contacts, devices, factors, gateways, people, sessions, strength
from server.audit import Act
from server.drafts import Actor
from server.errors import Invalid, Refused, Throttled, Unauthorised
from storage import accounts, credentials, logins, proofs
from storage.database import Tx
from storage.ids import now_ms
from storage.proofs import Proof

if TYPE_CHECKING:
    from server.app import App

KIND, PROOF_MS = "door", 30 * 60_000
FACTORS = ("totp", "sms", "recovery")
NEEDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "enter": (("password",), FACTORS),
    "begin": (("link",),),
    "password": (("email", "link"), FACTORS),
    "factor": (("password",), ("email", "link")),
    "recover": (("link",),),  # then which of the two that follow is chosen
}
AIMS = {("recover", "password"), ("recover", "factor"), ("enter", "factor"), ("factor", "enter")}
SENT_IN_ALL, DAY_MS = 30, 86_400_000  # codes by e-mail that strangers may cause in a day
LOST = 60  # passwords that one source says are lost, in an hour
APART_MS = 2_000


class Way(msgspec.Struct, omit_defaults=True):
    """How far a proof is. `who`: what the brakes call it. `sent`: what the code that was sent is about (email, sms,
    phone). `identifier`, `password`: as chosen, hashed; `strength`: of the latter. `app`, `phone`: ids of what waits
    for its first code.
    """

    goal: str
    who: str
    given: list[str] = []
    sent: str = ""
    identifier: str = ""
    password: str = ""
    strength: str = ""
    app: str = ""
    phone: str = ""

    @property
    def missing(self) -> tuple[str, ...]:
        """Any one of these is asked for next; none when the goal may be reached."""
        for kinds in NEEDS[self.goal]:
            if not set(kinds) & set(self.given):
                return kinds
        return ()


@dataclass(frozen=True, slots=True)
class Step:
    """What is asked for now. `ways`: the second factors this person has; a passkey is one that signs in by itself.
    `phones`, `emails`: masked, and told only
    once the password or a link was given.
    """

    account_id: str
    way: Way
    ways: tuple[str, ...] = ()
    phones: tuple[contacts.Contact, ...] = ()
    emails: tuple[contacts.Contact, ...] = ()


@dataclass(frozen=True, slots=True)
class Entered:
    """Who may have a session now. `how`: what proved it. `failures`: tries since the last time. `codes`: recovery codes
    to show, once.
    """

    account_id: str
    how: str
    device_id: str = ""
    failures: int = 0
    codes: tuple[str, ...] = ()


# ---- the beginning ----


async def begin(app: App, identifier: str, password: str, source: str, device: str = "") -> Entered | str:
    """By identifier and password; `device`: the secret of a remembered device. The secret of a proof that a second
    factor completes, or who came in on a device they chose to trust. Raises `Unauthorised`, `Throttled`.
    """
    hashed = lookup(app, identifier)
    who = f"login:{hashed}"
    login = await app.db.read(logins.by_identifier, hashed)
    account_id = login.account_id if login else "nobody"
    device_id = await devices.known(app, account_id, device) or ""
    await app.db.read(lambda tx: brakes.check(app, tx, who, source, device_id))
    good = await app.passwords.verify(strength.prepared(password), login.password if login else "")
    secret = secrets.token_urlsafe(32)

    def settle(tx: Tx) -> Entered | str | None:
        brakes.check(app, tx, who, source, device_id)  # again: guesses made at once count one after the other
        account = accounts.by_id(tx, account_id)
        actor = people.actor_in(app, tx, account) if account else Actor("nobody", "holder", "")
        if not good:
            brakes.failed(app, tx, who, source, device_id)
            audit.record(tx, Act.SIGN_IN_REFUSED, actor, actor.space_id, "password", outcome="refused")
            return None
        if device_id:
            audit.record(tx, Act.SIGNED_IN, actor, actor.space_id, "password+device")
            return Entered(account_id, "password+device", device_id, brakes.succeeded(app, tx, who, source, device_id))
        _open(tx, secret, account_id, Way("enter", who, ["password"]))
        return secret

    begun = await app.db.write(settle)
    if begun is None:
        app.metrics.refused("sign-in", "bad_sign_in")
        raise Unauthorised("bad_sign_in", "Identifiant ou mot de passe incorrect.")
    return begun


async def begin_link(app: App, link: str) -> str | None:
    """By an operator's link: for a holder it begins a proof, whose secret this is. None for anybody else: their link
    signs in by itself. Raises `Unauthorised` the second time.
    """
    hashed, secret = sessions.secret_hash(link), secrets.token_urlsafe(32)

    def redeem(tx: Tx) -> str | None:
        found = credentials.in_force(tx, hashed, "link", 0)
        account = accounts.by_id(tx, found.account_id) if found else None
        if account is None:
            raise Unauthorised("link_used", "Ce lien a déjà servi ou n’est plus valable. Demandez-en un autre.")
        if account.kind != "holder":
            return None
        credentials.revoke(tx, hashed)
        login = logins.of_account(tx, account.id)
        goal, name = ("recover", login.identifier_hash) if login else ("begin", account.id)
        _open(tx, secret, account.id, Way(goal, f"login:{name}", ["link"]))
        return secret

    return await app.db.write(redeem)


async def begin_lost(app: App, identifier: str, source: str) -> str:
    """The password is lost: a code leaves by e-mail, if this identifier is somebody's who has an address; nobody
    learns whether. The proof's secret. Raises `Throttled`.
    """
    hashed, secret = lookup(app, identifier), secrets.token_urlsafe(32)

    def start(tx: Tx) -> None:
        brakes.often(app, tx, "lost", source, LOST, factors.SENT_MS)
        login = logins.by_identifier(tx, hashed)
        _open(tx, secret, login.account_id if login else "", Way("password", f"login:{hashed}", sent="email"))
        _send_email(app, tx, secret, login.account_id if login else "", f"login:{hashed}", source)

    await app.db.write(start)
    app.delivery.wake()
    return secret


# ---- on the way ----


async def look(app: App, secret: str) -> Step:
    """What is asked for now. Raises `Unauthorised` when the proof is over."""

    def find(tx: Tx) -> Step:
        proof, way = under_way(tx, secret)
        if not proof.account_id or not way.given:
            return Step(proof.account_id, way)
        owned = factors.ways_in(app, tx, proof.account_id)
        points = contacts.of_account(app, tx, proof.account_id)
        told = set(way.given) & {"password", "link"}
        return Step(
            proof.account_id,
            way,
            tuple(owned),
            tuple(one for one in points if one.kind == "phone" and gateways.sends_sms(app)),
            tuple(one for one in points if one.kind == "email" and told and gateways.sends_mail(app)),
        )

    return await app.db.read(find)


async def aim(app: App, secret: str, goal: str) -> None:
    """Choose what is recovered: password or factor; or, after all, to enter. Raises `Unauthorised`, `Invalid`."""

    def write(tx: Tx) -> None:
        proof, way = under_way(tx, secret)
        if (way.goal, goal) not in AIMS or (goal == "enter" and "link" in way.given):
            raise Invalid
        way.goal = goal
        proofs.set_detail(tx, proof.hash, kept(way))

    await app.db.write(write)


async def send(app: App, secret: str, kind: str, source: str, point_id: str = "") -> None:
    """Send the code of an `sms` or an `email`. Raises `Unauthorised`, `Throttled`, `Unavailable`, `Refused`."""

    def write(tx: Tx) -> tuple[contacts.Contact, str] | None:
        proof, way = under_way(tx, secret)
        if kind not in way.missing or kind not in {"sms", "email"}:
            raise Refused
        way.sent = kind
        proofs.set_detail(tx, proof.hash, kept(way))
        if kind == "sms":
            return factors.text_code(app, tx, proof.account_id, proof.hash, secret, point_id)
        _send_email(app, tx, secret, proof.account_id, way.who, source)
        return None

    text = await app.db.write(write)
    app.delivery.wake()
    if text is not None:
        await gateways.send_sms(app, text[0].value, text[1])


def _send_email(app: App, tx: Tx, secret: str, account_id: str, who: str, source: str) -> None:
    # By source, so that nobody uses up the codes of somebody else; and in all, so that nobody is buried in mail.
    brakes.often(app, tx, "mailed", f"{who}|{source}", factors.SENT, factors.SENT_MS)
    brakes.often(app, tx, "mailed", who, SENT_IN_ALL, DAY_MS)
    code = factors.new_code(tx, factors.proof_hash(secret), secret)
    # A while later: whoever asks again at once must not feel that this house is busy with a mail.
    due = now_ms() + APART_MS + secrets.randbelow(APART_MS)
    if account_id and gateways.sends_mail(app):
        for contact in contacts.of_account(app, tx, account_id, "email"):
            contacts.send_code(app, tx, account_id, contact, code, now_ms() + factors.CODE_MS, due)


async def give(app: App, secret: str, kind: str, given: str, source: str) -> Entered | None:
    """Show one more fact: password, totp, sms, recovery, email. Who came in, or None when more is asked for. Raises
    `Invalid` (`wrong_code`, `wrong_password`), `Throttled`, `Unauthorised`.
    """
    good_password = await _verify(app, secret, given) if kind == "password" else False

    def settle(tx: Tx) -> Entered | Literal[False] | None:
        proof, way = under_way(tx, secret)
        if kind not in way.missing:
            raise Invalid
        brakes.check(app, tx, way.who, source, recovering=way.goal != "enter")
        if way.goal == "enter" and kind != "recovery":
            brakes.check_factor(app, tx, way.who)
        good = good_password if kind == "password" else _good_code(app, tx, proof, way, secret, kind, given)
        if not good:
            _count(app, tx, proof, way, kind, source)
            return False
        way.given.append(kind)
        way.sent = ""
        proofs.set_detail(tx, proof.hash, kept(way))
        return _enter(app, tx, proof, way, source) if way.goal == "enter" else None

    outcome = await app.db.write(settle)
    app.delivery.wake()
    if isinstance(outcome, bool):
        app.metrics.refused("sign-in", f"wrong_{kind}")
        raise (
            Invalid("wrong_password", "Ce mot de passe n’est pas le bon.")
            if kind == "password"
            else factors.wrong_code()
        )
    return outcome


def _good_code(app: App, tx: Tx, proof: Proof, way: Way, secret: str, kind: str, given: str) -> bool:
    if kind in {"sms", "email"}:
        if way.sent != kind:
            return False
        # For somebody who is nobody: the same work, and never right.
        return factors.take_code(tx, secret, given) and bool(proof.account_id)
    if not proofs.take_try(tx, proof.hash, factors.TRIES):
        raise Throttled
    return factors.prove_in(app, tx, proof.account_id, kind, given)


def _count(app: App, tx: Tx, proof: Proof, way: Way, kind: str, source: str) -> None:
    """A wrong one. Whoever gives wrong second factors knows the password: the person is told of the tenth."""
    after_password = "password" in way.given and kind != "email"
    brakes.failed(app, tx, way.who, source, factor=after_password)
    account = accounts.by_id(tx, proof.account_id)
    actor = people.actor_in(app, tx, account) if account else Actor("nobody", "holder", "")
    audit.record(tx, Act.SIGN_IN_REFUSED, actor, actor.space_id, kind, outcome="refused")
    if after_password and brakes.factor_failures(app, tx, way.who) == brakes.PAIR:
        contacts.tell(app, tx, proof.account_id, "tries")


def _enter(app: App, tx: Tx, proof: Proof, way: Way, source: str) -> Entered:
    if not proofs.done(tx, proof.hash):
        raise Unauthorised
    account = accounts.by_id(tx, proof.account_id)
    if account is None:
        raise Unauthorised
    how = "+".join(way.given)
    if "recovery" in way.given:
        contacts.tell(app, tx, account.id, "recovery-used")
    audit.record(tx, Act.SIGNED_IN, people.actor_in(app, tx, account), account.space_id, how)
    return Entered(account.id, how, failures=brakes.succeeded(app, tx, way.who, source))


async def _verify(app: App, secret: str, password: str) -> bool:
    def find(tx: Tx) -> str:
        proof, _ = under_way(tx, secret)
        login = logins.of_account(tx, proof.account_id)
        return login.password if login else ""

    return await app.passwords.verify(strength.prepared(password), await app.db.read(find))


# ---- what the steps share ----


def lookup(app: App, identifier: str) -> str:
    """What an identifier is found by."""
    return app.vault.lookup("identifier", strength.known_as(identifier))


def under_way(tx: Tx, secret: str) -> tuple[Proof, Way]:
    """Raises `Unauthorised`."""
    proof = proofs.find(tx, factors.proof_hash(secret), KIND) if secret else None
    if proof is None:
        raise Unauthorised("proof_over", "Cette étape est terminée ou a duré trop longtemps. Recommencez.")
    return proof, msgspec.json.decode(proof.detail, type=Way)


def kept(way: Way) -> str:
    """A way as its row keeps it."""
    return msgspec.json.encode(way).decode()


def _open(tx: Tx, secret: str, account_id: str, way: Way) -> None:
    proofs.insert(tx, factors.proof_hash(secret), KIND, account_id, kept(way), now_ms() + PROOF_MS)
