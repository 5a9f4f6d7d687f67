"""What is known of the mails that were listed lately: their header blocks and descriptions, open, in memory.

A mail never changes (RFC 9051 § 2.3.1.1), so neither does what is known of it; a client asks for the same of thousands
of mails each time it opens a folder. At most `MOST` octets a door, those that nobody asked for longest go first. Who
may read is decided before, and the keys of the space are looked at each time: what was destroyed is not said again.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from mail_gateway.describe import Facts

MOST = 64 * 1024 * 1024
_BESIDE = 600  # octets that Python takes for one

Name = tuple[str, str]  # space, message


class Listed(NamedTuple):
    """What a listing says of a mail."""

    blob_id: str
    size: int
    facts: Facts

    @property
    def octets(self) -> int:
        facts = self.facts
        return _BESIDE + len(facts.header) + len(facts.envelope) + len(facts.body) + len(facts.structure)


class Known:
    """The memory of one door."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._held: OrderedDict[Name, Listed] = OrderedDict()
        self._octets = 0

    def __contains__(self, name: object) -> bool:
        return name in self._held

    def get(self, name: Name) -> Listed | None:
        found = self._held.get(name)
        if found is not None:
            self._held.move_to_end(name)
        return found

    def keep(self, name: Name, listed: Listed) -> None:
        if name in self._held:
            return
        self._held[name] = listed
        self._octets += listed.octets
        while self._octets > self._most:
            self._octets -= self._held.popitem(last=False)[1].octets
