"""The mail clients that are signed in at a door, asked again every few seconds whether they still may be.

Promises: within 5 s of a password change, a sign-out everywhere or the end of an account, whoever sits there is shown
out, idle or not (security checklist item 2).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol
from weakref import WeakKeyDictionary

import structlog

from server import sessions
from storage.database import DatabaseDown, Tx

if TYPE_CHECKING:
    from server.app import App

log = structlog.get_logger()

ROUND_S = 4  # with the read, under the 5 s promised
CHUNK = 200  # sign-ins looked at in one read


class Guest(Protocol):
    """A session of a mail client."""

    def show_out(self) -> None:
        """Say goodbye as soon as the peer is waited for. Never waits; of no effect on a session that is gone."""


class SignIns:
    """Who is signed in at one door: by session, the credential it gave (`sessions.sign_in_by_mail`)."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._here: WeakKeyDictionary[Guest, str] = WeakKeyDictionary()

    def enter(self, guest: Guest, proof: str) -> None:
        """From now on until it is gone."""
        self._here[guest] = proof

    @asynccontextmanager
    async def rounds(self) -> AsyncIterator[None]:
        """While the door is open."""
        task = asyncio.create_task(self._go_round(), name="mail-sign-ins")
        try:
            yield
        finally:
            task.cancel()

    async def _go_round(self) -> None:
        while True:
            await asyncio.sleep(ROUND_S)
            try:
                proofs = sorted(set(self._here.values()))
                over: set[str] = set()
                for start in range(0, len(proofs), CHUNK):
                    over |= await self._app.db.read(_over, proofs[start : start + CHUNK])
            except (DatabaseDown, OSError) as error:
                log.warning("mail.round", error=type(error).__name__)
                continue
            for guest in [guest for guest, proof in self._here.items() if proof in over]:
                del self._here[guest]
                guest.show_out()


def _over(tx: Tx, proofs: list[str]) -> set[str]:
    return {proof for proof in proofs if not sessions.mail_still_good(tx, proof)}
