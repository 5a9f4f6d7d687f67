"""Before a dangerous act (a delegate, a key, an export, an erasure): a second factor given a few minutes ago (security
checklist item 3).

Promises: whoever holds a session without the person's second factor cannot do what `require` guards; giving the factor
changes the session's secret, so that one taken before is worth nothing after.

Does not: show a page (`webchat.step_up`), or know what a factor is (`server.factors`, `server.passkeys`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from server import factors, passkeys, sessions
from server.errors import Invalid, StepUp, Unauthorised
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
    if not good and not (app.settings.demo and not await factors.ways(app, account_id)):
        raise StepUp


def fresh(app: App, strong_at: int | None, minutes: int | None = None) -> bool:
    """Whether a second factor given at that instant still does."""
    lasts = app.settings.step_up_minutes if minutes is None else minutes
    return strong_at is not None and strong_at > now_ms() - lasts * 60_000


async def give(app: App, session_secret: str, kind: str, given: str) -> str:
    """A second factor: what the authenticator answered (JSON) for a passkey, else a code. The secret that replaces this
    session's. Raises `Unauthorised` when the session ended; `Invalid`, `Throttled`, `NotAllowed` for a wrong factor.
    """
    found = await app.db.read(lambda tx: sessions.session(app, tx, session_secret))
    if kind == "passkey":
        await _give_passkey(app, found.account_id, given)
    elif not await factors.prove(app, found.account_id, kind, given, session_secret):
        raise factors.wrong_code()
    return await sessions.renew(app, session_secret, kind)


async def _give_passkey(app: App, account_id: str, given: str) -> None:
    try:
        await passkeys.prove(app, account_id, msgspec.json.decode(given, type=dict[str, Any]))
    except (msgspec.DecodeError, RecursionError) as error:
        raise Invalid from error
    except Unauthorised as error:  # of the passkey, not of the session
        raise Invalid(error.code, error.detail) from error
