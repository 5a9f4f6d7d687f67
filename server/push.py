"""Web push without content: a browser that asked for it is woken, and told nothing (RFC 8030, RFC 8292).

Promises: the body is empty, so that no push service ever holds a word of ours, sealed or not (there is nothing for
RFC 8291 to encrypt); a burst is one notice (Topic), forgotten after a day (TTL); a service learns who we are (VAPID)
and no more. A browser that is gone (404, 410) is forgotten; a service that asks to wait (Retry-After) is waited for.
What is called is an address of the world, whatever its name says (security item 44): the endpoint is what a browser
said.

Does not: decide who is told, or when (`server.notices`).
"""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from joserfc import jwt
from joserfc.jwk import ECKey

from server import gateways, notices, people
from server.delivery import Held, Parcel, Permanent, Temporary
from server.errors import Invalid
from server.wishes import DAY_MS
from storage import accounts, subscriptions
from storage.database import Tx
from storage.ids import new_id, now_ms

if TYPE_CHECKING:
    from server.app import App

TTL_S = 86_400
TOKEN_S = 12 * 3_600  # RFC 8292 § 2: a day at most
SEND_S = 20.0
AGAIN_S = 300  # when a service is busy and does not say how long
MAX_ENDPOINT = 2_000  # characters
KEY_NAME = "vapid"
PURPOSE = "subscription"


class Facts(msgspec.Struct, frozen=True):
    """Where a browser is reached, and what it calls itself."""

    endpoint: str
    browser: str = ""


async def private_key(app: App) -> ec.EllipticCurvePrivateKey:
    """Our VAPID key (P-256): the file of the settings, else one made once and wrapped by the master key."""
    if app.settings.vapid_key:
        key = load_pem_private_key(await asyncio.to_thread(Path(app.settings.vapid_key).read_bytes), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ValueError("vapid_key: not a P-256 key")
        return key
    wrapped = await app.db.read(accounts.vault_key, KEY_NAME)
    wrapped = await app.db.write(_make_key, app) if wrapped is None else wrapped
    return ec.derive_private_key(int.from_bytes(app.vault.unwrap(wrapped)), ec.SECP256R1())


def _make_key(tx: Tx, app: App) -> bytes:
    known = accounts.vault_key(tx, KEY_NAME)
    if known is None:
        scalar = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
        known = app.vault.wrap(scalar.to_bytes(32))
        accounts.insert_vault_key(tx, KEY_NAME, known)
    return known


async def public_key(app: App) -> str:
    """What a browser subscribes with: the uncompressed point, base64url (RFC 8292 § 3.2)."""
    return _point(await private_key(app))


def _point(key: ec.EllipticCurvePrivateKey) -> str:
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return base64.urlsafe_b64encode(point).decode().rstrip("=")


def authorization(key: ec.EllipticCurvePrivateKey, endpoint: str, contact: str, now: int) -> str:
    """RFC 8292 § 3: a token for this push service alone."""
    parts = urlsplit(endpoint)
    claims = {"aud": f"{parts.scheme}://{parts.netloc}", "exp": now // 1000 + TOKEN_S, "sub": contact}
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    token = jwt.encode({"typ": "JWT", "alg": "ES256"}, claims, ECKey.import_key(pem))
    return f"vapid t={token}, k={_point(key)}"


async def subscribe(app: App, account_id: str, endpoint: str, device_id: str, browser: str) -> None:
    """This browser is told from now on. `device_id`: the remembered device, else what stands for this browser.
    Raises `Invalid`, `Unauthorised`.
    """
    parts = urlsplit(endpoint)
    allowed = {"https", "http"} if app.settings.push_private else {"https"}
    if len(endpoint) > MAX_ENDPOINT or parts.scheme not in allowed or not parts.hostname or not endpoint.isascii():
        raise Invalid("bad_endpoint", "Ce navigateur n’a pas donné d’adresse où le prévenir. Rien n’est changé.")
    subscription_id, hashed = new_id(), app.vault.lookup("endpoint", endpoint)

    def add(tx: Tx) -> None:
        keys = people.own_keys(app, tx, account_id)
        facts = keys.seal(PURPOSE, subscription_id, msgspec.json.encode(Facts(endpoint, browser)))
        subscriptions.add(tx, account_id, subscription_id, hashed, device_id, facts)

    await app.db.write(add)


async def again(app: App, account_id: str, endpoint: str, device_id: str) -> bool:
    """A browser that is told comes back, in another session: its push ends with that one. False when it is not told for
    this account, and had better forget.
    """
    hashed = app.vault.lookup("endpoint", endpoint)
    return await app.db.write(subscriptions.again, account_id, hashed, device_id)


async def browsers(app: App, account_id: str) -> list[tuple[str, str, int]]:
    """(id, what it is called, since when) of each browser that is told, the newest first."""

    def find(tx: Tx) -> list[tuple[str, str, int]]:
        found = subscriptions.of_account(tx, account_id)
        return [(one.id, _facts(app, tx, account_id, one).browser, one.created_at) for one in found]

    return await app.db.read(find)


def _facts(app: App, tx: Tx, account_id: str, one: subscriptions.Subscription) -> Facts:
    keys = people.own_keys(app, tx, account_id)
    return msgspec.json.decode(keys.open(PURPOSE, one.id, one.facts), type=Facts)


class PushNotice:
    """The channel named `notice_push`: one browser is woken."""

    name = "notice_push"

    def __init__(self, app: App) -> None:
        self._app = app

    async def send(self, parcel: Parcel) -> None:
        """Raises `Temporary`, `Permanent`."""
        app, told = self._app, msgspec.convert(parcel.target, notices.Told)
        if await notices.still(app, parcel, "push") is None:
            return
        account_id = told.account

        def find(tx: Tx) -> Facts | None:
            one = subscriptions.find(tx, account_id, told.subscription)
            return _facts(app, tx, account_id, one) if one else None

        facts = await app.db.read(find)
        if facts is not None:
            await self._call(facts.endpoint, told)

    async def _call(self, endpoint: str, told: notices.Told) -> None:
        app = self._app
        contact = f"mailto:postmaster@{app.settings.mail_domain}"
        headers = {
            "Authorization": authorization(await private_key(app), endpoint, contact, now_ms()),
            "TTL": str(TTL_S),
            "Urgency": "normal",
            "Topic": app.vault.lookup("topic", told.mailbox),
            "Content-Length": "0",
        }
        try:
            async with (
                gateways.http_session(SEND_S, private=app.settings.push_private) as session,
                session.post(endpoint, headers=headers, allow_redirects=False) as answer,
            ):
                status, wait = answer.status, answer.headers.get("Retry-After", "")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Temporary("push_down") from error
        if status in {404, 410}:  # RFC 8030 § 7.3
            await app.db.write(subscriptions.end, told.account, told.subscription)
        elif status == 429 or status >= 500:
            raise Held("push_busy", now_ms() + retry_after(wait) * 1000)
        elif not 200 <= status < 300:
            raise Permanent("push_refused", "")


def retry_after(header: str) -> int:
    """Seconds to wait (RFC 9110 § 10.2.3: seconds or a date) within a day."""
    if header.strip().isdecimal():
        seconds = int(header.strip()[:9])
    else:
        try:
            at = parsedate_to_datetime(header)
        except ValueError:
            return AGAIN_S
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        seconds = int(at.timestamp() - now_ms() / 1000)
    return min(max(seconds, 1), DAY_MS // 1000)
