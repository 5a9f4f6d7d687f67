"""What slows down whoever asks after too many strangers, or writes to too many people.

An address of a patient is a national number: who may ask whether one has a space here may not ask for a register of the
insured (security item 20). And an account whose password was stolen must not reach fifty thousand patients before
somebody sees it.

Counts are kept in this process: they outlive connections, not a restart, and each process of a split site has its own.
No address is kept or logged: who asks is named by an id, a domain of an operator, or a keyed hash.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import structlog

from mail_gateway.smtp_syntax import Refusal

if TYPE_CHECKING:
    from server.app import App

log = structlog.get_logger()

HOUR: Final = 3600.0
UNKNOWN_AN_HOUR: Final = 20  # one account, or one sender of another operator
UNKNOWN_AN_OPERATOR: Final = 200  # all its senders together
_MANY: Final = 10_000  # names remembered before those of more than an hour ago are forgotten


class PastHour:
    """How often each of many did something within the last hour."""

    def __init__(self) -> None:
        self.clock: Callable[[], float] = time.monotonic
        self._times: dict[str, deque[float]] = {}

    def add(self, who: str) -> None:
        if len(self._times) >= _MANY:
            self._times = {name: times for name, times in self._times.items() if times[-1] > self.clock() - HOUR}
        self._times.setdefault(who, deque()).append(self.clock())

    def wait(self, who: str, most: int) -> float:
        """Seconds until they did it less than `most` times; 0 when they did."""
        times, now = self._times.get(who), self.clock()
        while times and times[0] <= now - HOUR:
            times.popleft()
        if not times:
            self._times.pop(who, None)
            return 0.0
        return 0.0 if len(times) < most else times[-most] + HOUR - now


class Brake:
    """Counts the unknown recipients that somebody asked for: an account, a sender and its operator."""

    def __init__(self, app: App, door: str) -> None:
        self._app = app
        self._door = door
        self.past = PastHour()

    def check(self, *asking: str) -> None:
        """Raises `Refusal` once there were too many: then nobody's existence is told, known or not."""
        for who in asking:
            if self.past.wait(who, _most(who)):
                self._app.metrics.refused(self._door, "too_many_unknown")
                log.warning("smtp.too_many_unknown", door=self._door, who=who)
                raise Refusal(450, "4.7.1", "Trop de destinataires inconnus, réessayez dans une heure")

    def count(self, *asking: str) -> None:
        self._app.metrics.unknown_recipient(self._door)
        for who in asking:
            self.past.add(who)


def _most(who: str) -> int:
    return UNKNOWN_AN_OPERATOR if who.startswith("operator:") else UNKNOWN_AN_HOUR


class Pace:
    """Counts the recipients that an account writes to: `submission_messages_per_hour` at most."""

    def __init__(self, app: App) -> None:
        self._app = app
        self.past = PastHour()

    def check(self, account: str) -> None:
        """Raises `Refusal`, saying the limit and when it ends."""
        most = self._app.settings.submission_messages_per_hour
        wait = self.past.wait(account, most) if most else 0.0
        if wait:
            self._app.metrics.refused("submission", "pace")
            log.warning("smtp.account_over_its_pace", account=account)
            minutes = math.ceil(wait / 60)
            raise Refusal(
                452, "4.7.1", f"Limite de {most} destinataires par heure atteinte, réessayez dans {minutes} min"
            )

    def count(self, account: str) -> None:
        self.past.add(account)
