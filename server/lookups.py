"""The brake on looking patients up: whoever names too many that are not there waits (security.md 20, 60).

By account and process, in memory: it slows down trying numbers one after the other, and forgets nothing that matters
when we restart. One count for the pages and the API.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque

from server.errors import Throttled

MOST = 20  # unknown recipients
WINDOW_S = 3600


class LookUps:
    """Who asked for patients that are not there."""

    def __init__(self) -> None:
        self._unknown: dict[str, deque[float]] = defaultdict(deque)

    def may_look_up(self, account_id: str) -> None:
        """Raises `Throttled` when this account asked for too many recipients that are not there."""
        failures = self._unknown.get(account_id)
        while failures and failures[0] < time.monotonic() - WINDOW_S:
            failures.popleft()
        if failures is not None and not failures:
            del self._unknown[account_id]
        if failures is not None and len(failures) >= MOST:
            raise Throttled(
                "too_many_unknown", "Trop de destinataires inconnus. Vérifiez vos adresses et réessayez dans une heure."
            )

    def unknown(self, account_id: str) -> None:
        """One more that is not there."""
        self._unknown[account_id].append(time.monotonic())
