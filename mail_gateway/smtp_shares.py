"""Who holds how much of a door: connections, letters and octets on their way in, for each address and each party.

A party is whom a session showed to be: an operator by its certificate, an account by its password. A session counts
among the strangers of its address until then, and among its party's own afterwards, so that strangers never take a
known operator's places, nor one operator another's. A letter counts for its address and its party both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mail_gateway.smtp_data import Budget
from mail_gateway.smtp_syntax import Refusal

TOO_MUCH = "Trop de courrier à la fois, réessayez plus tard"


@dataclass(frozen=True, slots=True)
class Share:
    """The most that somebody may hold of a door at once. `octets`: of letters, together."""

    sessions: int
    letters: int
    octets: int


class _Holding:
    """What somebody holds now."""

    __slots__ = ("budget", "letters", "sessions", "share")

    def __init__(self, share: Share) -> None:
        self.share = share
        self.sessions = self.letters = 0
        self.budget = Budget(share.octets)


class Holdings:
    """What everybody holds of one door. Who holds nothing is forgotten."""

    def __init__(self, door: Budget) -> None:
        self._door = door
        self._known: dict[str, _Holding] = {}

    def enter(self, name: str, share: Share) -> bool:
        """One more session, to be left again; False when it is one too many."""
        holding = self._of(name, share)
        holding.sessions += 1
        return holding.sessions <= share.sessions

    def leave(self, name: str) -> None:
        self._known[name].sessions -= 1
        self._forget(name)

    def begin(self, names: Sequence[tuple[str, Share]], size: int) -> tuple[Budget, ...]:
        """One more letter of `size` octets (0 when its sender did not say), to be ended again, and where its octets
        count. Raises `Refusal`: nothing was begun.
        """
        holdings = [self._of(*name) for name in names]
        budgets = (self._door, *(holding.budget for holding in holdings))
        if any(holding.letters >= holding.share.letters for holding in holdings):
            raise Refusal(451, "4.7.1", "Trop de messages en cours de votre part, réessayez dans un instant")
        if any(budget.held + max(size, 1) > budget.most for budget in budgets):
            raise Refusal(452, "4.3.1", TOO_MUCH)
        for holding in holdings:
            holding.letters += 1
        return budgets

    def end(self, names: Sequence[tuple[str, Share]]) -> None:
        for name, _ in names:
            self._known[name].letters -= 1
            self._forget(name)

    def _of(self, name: str, share: Share) -> _Holding:
        holding = self._known.get(name)
        if holding is None:
            holding = self._known[name] = _Holding(share)
        return holding

    def _forget(self, name: str) -> None:
        holding = self._known[name]
        if not holding.sessions and not holding.letters:
            del self._known[name]
