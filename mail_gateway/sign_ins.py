"""The mail clients that are signed in at a door, asked again every few seconds whether they still may be.

Promises: within 5 s of a password change, a sign-out everywhere or the end of an account, whoever sits there is shown
out, idle or not (security checklist item 2).
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol
from weakref import WeakKeyDictionary

from server import mail_sign_in
from server.handles import MailboxHandle
from server.rounds import every
from storage.database import Tx

if TYPE_CHECKING:
    from server.app import App

Presence = tuple[str, MailboxHandle | None]
ROUND_S = 4  # with the read, under the 5 s promised
CHUNK = 200  # sign-ins looked at in one read


class Guest(Protocol):
    """A session of a mail client."""

    def show_out(self) -> None:
        """Say goodbye as soon as the peer is waited for. Never waits; of no effect on a session that is gone."""


class SignIns:
    """Who is signed in at one door: by session, the credential it gave (`mail_sign_in`), the team's box it opened."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._here: WeakKeyDictionary[Guest, Presence] = WeakKeyDictionary()

    def enter(self, guest: Guest, proof: str, box: MailboxHandle | None = None) -> None:
        """From now on until it is gone. `box`: of a team, when that is what was opened."""
        self._here[guest] = (proof, box)

    def leave(self, guest: Guest) -> None:
        """No longer watched."""
        self._here.pop(guest, None)

    def rounds(self) -> AbstractAsyncContextManager[None]:
        """While the door is open."""
        return every(ROUND_S, "mail.round", self._look)

    async def _look(self) -> None:
        here = list({_name(one): one for one in self._here.values()}.values())
        over: set[tuple[str, str]] = set()
        for start in range(0, len(here), CHUNK):
            over |= await self._app.db.read(_over, here[start : start + CHUNK])
        for guest in [guest for guest, one in self._here.items() if _name(one) in over]:
            del self._here[guest]
            guest.show_out()


def _name(one: Presence) -> tuple[str, str]:
    proof, box = one
    return proof, box.mailbox_id if box is not None else ""


def _over(tx: Tx, here: list[Presence]) -> set[tuple[str, str]]:
    return {_name(one) for one in here if not mail_sign_in.mail_still_good(tx, *one)}
