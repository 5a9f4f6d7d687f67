"""Browsers that somebody chose to trust: there, the password is enough for a while, and what a browser is called.

A remembered device is a secret of 256 random bits in a cookie of its own; here stand its hash, its sealed name and its
end. It is no sign-in: it only stands for the second factor that was given on it. Ending it ends the sessions opened on
it.

Does not: know a cookie, or where somebody is (an IP address tells nothing a person can check).
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

from server import people, sessions
from server.errors import Refused
from storage import credentials, devices
from storage.database import Tx
from storage.devices import Device
from storage.ids import new_id, now_ms

if TYPE_CHECKING:
    from server.app import App

DAY_MS = 86_400_000
SEEN_EVERY_MS = 60_000
NAME = "device-name"  # what its name is sealed for
MAX_NAME = 60

# What browsers call themselves (RFC 9110 § 10.1.5), the most telling first: most of them also name the others.
BROWSERS = (
    ("Edge", r"Edg(?:e|A|iOS)?/"), ("Opera", r"OPR/"), ("Samsung Internet", r"SamsungBrowser/"),
    ("Firefox", r"Firefox/|FxiOS/"), ("Chrome", r"Chrome/|CriOS/"), ("Safari", r"Version/.*Safari/"),
)  # fmt: skip
SYSTEMS = (
    ("iPhone", r"iPhone"), ("iPad", r"iPad"), ("Android", r"Android"), ("Windows", r"Windows NT"),
    ("Mac", r"Macintosh"), ("Linux", r"Linux|CrOS"),
)  # fmt: skip


def called(user_agent: str) -> str:
    """The browser of a User-Agent as people say it, `Firefox (Windows)`; '' when it says nothing we know."""
    told = user_agent[:400]
    browser = next((name for name, sign in BROWSERS if re.search(sign, told)), "")
    system = next((name for name, sign in SYSTEMS if re.search(sign, told)), "")
    return f"{browser} ({system})" if browser and system else browser or system


async def remember(app: App, account_id: str, name: str) -> str:
    """Trust this browser: the secret of its cookie, for `device_days`. `name`: as `called` says it."""
    secret, device_id = secrets.token_urlsafe(32), new_id()
    until = now_ms() + app.settings.device_days * DAY_MS
    keys = await app.db.read(lambda tx: people.own_keys(app, tx, account_id))
    sealed = keys.seal(NAME, device_id, name[:MAX_NAME].encode())
    await app.db.write(devices.insert, account_id, device_id, sessions.secret_hash(secret), sealed, until)
    return secret


async def known(app: App, account_id: str, secret: str) -> str | None:
    """The id of the device of this account that holds this secret, or None; counts as a use of it."""
    if not secret:
        return None
    device = await app.db.read(devices.by_hash, account_id, sessions.secret_hash(secret))
    if device is None:
        return None
    if device.seen_at < now_ms() - SEEN_EVERY_MS:
        await app.db.write(devices.seen, account_id, device.id)
    return device.id


async def of_account(app: App, account_id: str) -> list[tuple[Device, str]]:
    """The remembered devices in force with their names."""

    def find(tx: Tx) -> list[tuple[Device, str]]:
        keys = people.own_keys(app, tx, account_id)
        return [(one, keys.open(NAME, one.id, one.name).decode()) for one in devices.of_account(tx, account_id)]

    return await app.db.read(find)


async def forget(app: App, account_id: str, device_id: str) -> None:
    """End a remembered device and every session opened on it. Raises `Refused`."""

    def end(tx: Tx) -> None:
        if not devices.end(tx, account_id, device_id):
            raise Refused
        credentials.revoke_of_device(tx, account_id, device_id)
        credentials.unsubscribe_device(tx, account_id, device_id)

    await app.db.write(end)
