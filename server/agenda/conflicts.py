"""Two appointments at the same time.

Promises: pure; whole days stand beside hours and are no conflict; what is declined, cancelled or only proposed takes no
time of its own. What a patient has elsewhere is told to the patient alone, never to who organises; nothing is refused
for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, TypeVar

from server.agenda.recurrence import Occurrence

TAKES: Final = frozenset({"accepted", "added", "asked", "own"})  # states of an appointment one means to go to

What = TypeVar("What")


def clash(one: Occurrence, other: Occurrence) -> bool:
    """Whether both are at hours of a day, and some time of one is also the other's. What ends when the other begins
    does not clash; what has no length takes its instant.
    """
    if not (isinstance(one.start, datetime) and isinstance(other.start, datetime)):
        return False
    if one.begins == other.begins:
        return True
    return one.begins < other.ends and other.begins < one.ends


def with_one(one: Occurrence, others: Iterable[tuple[Occurrence, What]]) -> list[What]:
    """What clashes with it, in order of time."""
    found = sorted(((other, what) for other, what in others if clash(one, other)), key=lambda pair: pair[0].begins)
    return [what for _, what in found]


def among(all_of_them: Sequence[tuple[Occurrence, What]]) -> list[tuple[What, What]]:
    """Each two that clash, the one that begins first before the other. Linear but for those that do clash."""
    found: list[tuple[What, What]] = []
    running: list[tuple[Occurrence, What]] = []
    for one, what in sorted(all_of_them, key=lambda pair: (pair[0].begins, pair[0].ends)):
        running = [pair for pair in running if pair[0].ends > one.begins or pair[0].begins == one.begins]
        found += [(other, what) for before, other in running if clash(before, one)]
        running.append((one, what))
    return found
