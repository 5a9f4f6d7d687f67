"""What a browser may keep to be read without a network: last letters, on a device the person chose.

Promises: a choice is a credential of its own (kind `offline`) that signs nobody in; it holds for this browser, this
account and seven days after the last word from here. It ends with the remembered device it was made on, with every way
out of the account (`sessions.end_all`), when the session of this browser is ended, and when somebody else signs in
there: the browser hears of it at its next word, and erases.

Does not: make what is kept, or reach a browser that has no network: that one erases by itself after seven days
(`static/sw.js`).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.errors import NotAllowed
from server.sessions import secret_hash
from server.wishes import DAY_MS
from storage import accounts, credentials
from storage.database import Tx
from storage.ids import now_ms

if TYPE_CHECKING:
    from server.app import App
    from server.drafts import Actor

KIND = "offline"
KEPT_DAYS = 7
LASTS_DAYS = 365
SEEN_EVERY_MS = 600_000


@dataclass(frozen=True, slots=True)
class Standing:
    """`chosen`: this browser may keep letters. `present`: and its person is signed in, so it may have fresh ones."""

    chosen: bool
    present: bool


async def choose(app: App, actor: Actor, session_secret: str, old_secret: str = "") -> str:
    """This browser may keep the last letters of the person signed in there: what its cookie holds from now on.
    Raises `NotAllowed` for a professional: letters of patients stay here.
    """
    if actor.kind != "holder":
        raise NotAllowed("holders_keep", "Seul un patient peut garder ses propres lettres sur son appareil.")
    secret = secrets.token_urlsafe(32)

    def insert(tx: Tx) -> None:
        session = credentials.in_force(tx, secret_hash(session_secret), "session", 0)
        credentials.revoke(tx, secret_hash(old_secret))
        until = now_ms() + LASTS_DAYS * DAY_MS
        device = session.device_id if session else ""
        credentials.insert(tx, secret_hash(secret), KIND, actor.account_id, until, device_id=device)

    await app.db.write(insert)
    return secret


async def end(app: App, secret: str) -> None:
    """This browser keeps nothing any more."""
    if secret:
        await app.db.write(credentials.revoke, secret_hash(secret))


async def standing(app: App, secret: str, session_secret: str) -> Standing:
    """How the browser that holds these secrets stands; counts as a word with it."""
    if not secret:
        return Standing(False, False)

    def look(tx: Tx) -> tuple[Standing, bool]:
        """(how it stands, whether something has to be written)"""
        found = credentials.in_force(tx, secret_hash(secret), KIND, KEPT_DAYS * DAY_MS)
        if found is None or not accounts.in_force(tx, found.account_id):
            return Standing(False, False), False
        idle = app.settings.session_idle_minutes * 60_000
        session = credentials.in_force(tx, secret_hash(session_secret), "session", idle)
        if session is not None and session.account_id != found.account_id:
            return Standing(False, False), True
        if session is None and _was_ended(tx, secret_hash(session_secret), found.account_id):
            return Standing(False, False), True
        return Standing(True, session is not None), found.seen_at < now_ms() - SEEN_EVERY_MS

    stands, write = await app.db.read(look)
    if write:
        await app.db.write(credentials.seen if stands.chosen else credentials.revoke, secret_hash(secret))
    return stands


def _was_ended(tx: Tx, session_hash: str, account_id: str) -> bool:
    """Whether this session was ended by somebody, rather than grown old or followed by another secret of its own."""
    rows = tx.run(
        "SELECT created_at FROM credentials WHERE hash = :h AND revoked_at IS NOT NULL AND kind = 'session'",
        h=session_hash,
    )
    others = credentials.of_account(tx, account_id, "session", 0) if rows else []
    return bool(rows) and rows[0][0] not in {one.created_at for one in others}
