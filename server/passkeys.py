"""Passkeys (WebAuthn Level 3): registered, given, renamed, revoked.

Promises
- The authenticator checked the person (user verification), so a passkey alone is two factors of two kinds: what one
  has, and what one is or knows (CNIL 2025-019). One that did not is refused.
- A challenge is good once and for five minutes, for what it was made for and, of somebody signed in, by them alone
  (`server.challenges`).
- An unknown passkey, a revoked one, a wrong signature and an old challenge get one answer. A sign count that does not
  grow is a copy: refused, and the person told.

Does not: attest what made the key (none is asked for), open a session, or show a page.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
import structlog
import webauthn
from webauthn.helpers import structs

from server import audit, challenges, contacts, people, sessions
from server import factors as second
from server.audit import Act
from server.drafts import Actor
from server.errors import Conflict, Invalid, PliError, Refused, Unauthorised
from storage import accounts, factors, logins
from storage import passkeys as rows
from storage.database import Tx
from storage.factors import Factor
from storage.ids import new_id, now_ms

if TYPE_CHECKING:
    from server.app import App

log = structlog.get_logger()

NEW, SIGN_IN, STEP_UP = "passkey-new", "passkey-in", "passkey-step"  # what a challenge is for
AT_MOST = 20  # passkeys of one account
MAX_NAME = 60
FACTS = "passkey"  # what its facts are sealed for


class Facts(msgspec.Struct, frozen=True):
    """What is sealed of a passkey: its name, credential id and public key (COSE), how it is reached, when somebody gave
    a copy of it (ms).
    """

    name: str
    credential: bytes
    key: bytes
    transports: tuple[str, ...] = ()
    copied_at: int = 0


@dataclass(frozen=True, slots=True)
class Passkey:
    """As its owner sees it. Instants in milliseconds."""

    id: str
    name: str
    created_at: int
    used_at: int | None
    copied_at: int


@dataclass(frozen=True, slots=True)
class Given:
    """A passkey that was given, by whom."""

    account_id: str
    passkey_id: str


def relying_party(app: App) -> tuple[str, str]:
    """(id, origin) of what passkeys are made for: the public address; without one, this machine's `localhost`, since an
    IP address cannot have passkeys (WebAuthn § 5.1.2).
    """
    public = urlsplit(app.settings.public_url)
    if not public.hostname or _is_ip(public.hostname):
        return "localhost", f"http://localhost:{app.ports.get('http', app.settings.http_port)}"
    usual = {"https": 443, "http": 80}.get(public.scheme)
    port = f":{public.port}" if public.port not in {None, usual} else ""
    return public.hostname, f"{public.scheme}://{public.hostname}{port}"


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


# ---- registering ----


async def options_to_register(app: App, actor: Actor) -> str:
    """What `navigator.credentials.create` takes, as JSON."""
    known = await app.db.read(_of_account, app, actor.account_id)
    options = webauthn.generate_registration_options(
        rp_id=relying_party(app)[0],
        rp_name="Pli",
        user_id=_handle(app, actor.account_id),
        user_name=actor.address or actor.name,
        user_display_name=actor.name,
        challenge=challenges.make(app, NEW, actor.account_id),
        timeout=challenges.LASTS_MS,
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[structs.PublicKeyCredentialDescriptor(id=facts.credential) for _, facts in known],
    )
    return _told(app, options)


async def register(app: App, actor: Actor, answer: dict[str, Any], name: str) -> str:
    """Keep a new passkey; its id. Raises `Invalid`, `Conflict`."""
    challenge = _answered(app, answer, NEW, actor.account_id)
    rp_id, origin = relying_party(app)
    try:
        made = webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=challenge.octets,
            expected_rp_id=rp_id,
            expected_origin=origin,
            require_user_verification=True,
        )
    except Exception as error:
        log.info("passkey.not_registered", error=type(error).__name__)
        raise _not_registered() from error
    facts = Facts(_name(name), made.credential_id, made.credential_public_key, _transports(answer))
    passkey_id, lookup = new_id(), _lookup(app, made.credential_id)

    def keep(tx: Tx) -> None:
        sealed = people.own_keys(app, tx, actor.account_id).seal(FACTS, passkey_id, msgspec.json.encode(facts))
        if not rows.spend(tx, challenge.hash, NEW, actor.account_id, challenge.until):
            raise _not_registered()
        if len(factors.of_account(tx, actor.account_id, rows.KIND)) >= AT_MOST:
            raise Conflict("too_many_passkeys", f"Vous avez déjà {AT_MOST} clés d’accès. Retirez-en une d’abord.")
        if not rows.insert(tx, actor.account_id, passkey_id, lookup, sealed, made.sign_count):
            raise Conflict("passkey_known", "Cette clé d’accès est déjà enregistrée.")
        contacts.tell(app, tx, actor.account_id, "factor")
        audit.record(tx, Act.FACTOR_CHANGED, actor, "", rows.KIND, passkey_id, "added")

    await app.db.write(keep)
    app.delivery.wake()
    return passkey_id


def _told(
    app: App, options: structs.PublicKeyCredentialCreationOptions | structs.PublicKeyCredentialRequestOptions
) -> str:
    """As JSON, with the address it is for: a browser at another one cannot but say no."""
    told = webauthn.helpers.options_to_json_dict(options)
    return msgspec.json.encode({**told, "origin": relying_party(app)[1]}).decode()


def _not_registered() -> PliError:
    return Invalid("passkey_not_registered", "Cette clé d’accès n’a pas pu être enregistrée. Réessayez.")


def _transports(answer: dict[str, Any]) -> tuple[str, ...]:
    told = answer.get("response", {}).get("transports") or ()
    return tuple(str(one)[:20] for one in told[:8]) if isinstance(told, list) else ()


# ---- giving ----


def options_to_sign_in(app: App) -> str:
    """What `navigator.credentials.get` takes, as JSON: any passkey for here, no identifier needed."""
    return _options(app, SIGN_IN, "", [])


async def options_to_step_up(app: App, account_id: str) -> str:
    """The same, for a passkey of this person."""
    known = await app.db.read(_of_account, app, account_id)
    return _options(app, STEP_UP, account_id, [facts.credential for _, facts in known])


def _options(app: App, kind: str, account_id: str, allowed: list[bytes]) -> str:
    options = webauthn.generate_authentication_options(
        rp_id=relying_party(app)[0],
        challenge=challenges.make(app, kind, account_id),
        timeout=challenges.LASTS_MS,
        allow_credentials=[structs.PublicKeyCredentialDescriptor(id=one) for one in allowed],
        user_verification=structs.UserVerificationRequirement.REQUIRED,
    )
    return _told(app, options)


async def sign_in(app: App, answer: dict[str, Any]) -> Given:
    """Who gives this passkey. Raises `Unauthorised`."""
    return await _given(app, answer, SIGN_IN, "")


async def prove(app: App, account_id: str, answer: dict[str, Any]) -> Given:
    """A passkey of this person, given again. Raises `Unauthorised`."""
    return await _given(app, answer, STEP_UP, account_id)


async def _given(app: App, answer: dict[str, Any], kind: str, account_id: str) -> Given:
    challenge = _answered(app, answer, kind, account_id)
    found = await app.db.read(_known, app, challenges.octets(answer.get("rawId")))
    if found is None or (account_id and found[0] != account_id):
        raise refused()
    owner, factor, facts = found
    handle = answer.get("response", {}).get("userHandle")
    if (handle is not None or not account_id) and challenges.octets(handle) != _handle(app, owner):
        raise refused()  # § 7.2, step 6: a passkey that names somebody else
    rp_id, origin = relying_party(app)
    try:
        verified = webauthn.verify_authentication_response(
            credential=answer,
            expected_challenge=challenge.octets,
            expected_rp_id=rp_id,
            expected_origin=origin,
            credential_public_key=facts.key,
            credential_current_sign_count=0,  # compared where it is written
            require_user_verification=True,
        )
    except Exception as error:
        log.info("passkey.refused", error=type(error).__name__)
        raise refused() from error

    def take(tx: Tx) -> bool:
        """False for a copy: that is written down too."""
        account = accounts.by_id(tx, owner)
        still = rows.by_lookup(tx, _lookup(app, facts.credential))
        if account is None or still is None or not rows.spend(tx, challenge.hash, kind, owner, challenge.until):
            raise refused()
        actor = people.actor_in(app, tx, account)
        if not rows.use(tx, owner, factor.id, verified.new_sign_count):
            _set(app, tx, owner, factor.id, msgspec.structs.replace(facts, copied_at=now_ms()))
            contacts.tell(app, tx, owner, "copied")
            audit.record(tx, Act.SIGN_IN_REFUSED, actor, "", rows.KIND, factor.id, "copied")
            return False
        if kind == SIGN_IN:
            audit.record(tx, Act.SIGNED_IN, actor, "", rows.KIND, factor.id)
        return True

    if not await app.db.write(take):
        app.delivery.wake()
        raise Unauthorised(
            "passkey_copied", "Cette clé d’accès semble avoir été copiée : elle est refusée. Entrez autrement, et "
            "retirez-la.",
        )  # fmt: skip
    return Given(owner, factor.id)


def how(passkey_id: str) -> str:
    """How a session says that this passkey opened it."""
    return f"passkey:{passkey_id}"


def refused() -> Unauthorised:
    """The one answer to whatever is wrong."""
    return Unauthorised("passkey_refused", "Cette clé d’accès n’est pas reconnue ici. Réessayez, ou entrez autrement.")


# ---- what a person does with theirs ----


async def of_account(app: App, account_id: str) -> list[Passkey]:
    """The oldest first."""

    def find(tx: Tx) -> list[Passkey]:
        return [
            Passkey(factor.id, facts.name, factor.created_at, factor.used_at, facts.copied_at)
            for factor, facts in _of_account(tx, app, account_id)
        ]

    return await app.db.read(find)


async def rename(app: App, account_id: str, passkey_id: str, name: str) -> None:
    """Raises `Refused`, `Invalid`."""
    wanted = _name(name)

    def write(tx: Tx) -> None:
        facts = next((facts for factor, facts in _of_account(tx, app, account_id) if factor.id == passkey_id), None)
        if facts is None:
            raise Refused
        _set(app, tx, account_id, passkey_id, msgspec.structs.replace(facts, name=wanted))

    await app.db.write(write)


async def revoke(app: App, actor: Actor, passkey_id: str, secret: str = "") -> None:
    """End a passkey, and the sessions opened with it but for the one of `secret`. Raises `Refused`; `NotAllowed` when
    it is all that this person has beside a password.
    """
    account_id = actor.account_id

    def write(tx: Tx) -> None:
        known = {factor.id for factor in factors.of_account(tx, account_id, rows.KIND)}
        if passkey_id not in known:
            raise Refused
        if logins.of_account(tx, account_id):
            second.remove(app, tx, account_id, rows.KIND, passkey_id)  # never the last of somebody with a password
        else:
            factors.end(tx, account_id, passkey_id)
        contacts.tell(app, tx, account_id, "factor")
        sessions.end_sessions(tx, account_id, sessions.secret_hash(secret), how(passkey_id))
        audit.record(tx, Act.FACTOR_CHANGED, actor, "", rows.KIND, passkey_id, "removed")

    await app.db.write(write)
    app.delivery.wake()


def _answered(app: App, answer: dict[str, Any], kind: str, account_id: str) -> challenges.Challenge:
    found = challenges.answered(app, answer, kind, account_id)
    if found is None:
        raise refused()
    return found


def _name(name: str) -> str:
    kept = " ".join(name.split())[:MAX_NAME]
    if not kept:
        raise Invalid("passkey_unnamed", "Donnez un nom à cette clé d’accès.")
    return kept


# ---- rows ----


def _of_account(tx: Tx, app: App, account_id: str) -> list[tuple[Factor, Facts]]:
    return [(one, _facts(app, tx, account_id, one)) for one in factors.of_account(tx, account_id, rows.KIND)]


def _known(tx: Tx, app: App, credential: bytes) -> tuple[str, Factor, Facts] | None:
    found = rows.by_lookup(tx, _lookup(app, credential))
    if found is None or not accounts.in_force(tx, found[0]):
        return None
    return *found, _facts(app, tx, *found)


def _facts(app: App, tx: Tx, account_id: str, factor: Factor) -> Facts:
    keys = people.own_keys(app, tx, account_id)
    return msgspec.json.decode(keys.open(FACTS, factor.id, factor.facts or b""), type=Facts)


def _set(app: App, tx: Tx, account_id: str, passkey_id: str, facts: Facts) -> None:
    sealed = people.own_keys(app, tx, account_id).seal(FACTS, passkey_id, msgspec.json.encode(facts))
    rows.set_facts(tx, account_id, passkey_id, sealed)


def _lookup(app: App, credential: bytes) -> str:
    return app.vault.lookup("passkey", credential.hex())


def _handle(app: App, account_id: str) -> bytes:
    """What authenticators know a person by (§ 14.6.1): nothing to read in it."""
    return bytes.fromhex(app.vault.lookup("passkey-user", account_id))
