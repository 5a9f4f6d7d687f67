"""One folder as one session sees it: which message has which number, and what has changed since it was told. Pure.

Promises (RFC 3501 § 5.2, § 7.4.1): a message keeps its number until its EXPUNGE is sent, and that is held back while a
command that speaks of numbers runs; what the client already knows is not said again.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from storage.entries import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN

FLAG_BITS = {"\\seen": SEEN, "\\answered": ANSWERED, "\\flagged": FLAGGED, "\\deleted": DELETED, "\\draft": DRAFT}
_NAMES = {SEEN: b"\\Seen", ANSWERED: b"\\Answered", FLAGGED: b"\\Flagged", DELETED: b"\\Deleted", DRAFT: b"\\Draft"}
ALL_FLAGS = b"(%b)" % b" ".join(_NAMES[bit] for bit in (ANSWERED, FLAGGED, DELETED, SEEN, DRAFT))
FLAG_LISTS = tuple(
    b"(%b)" % b" ".join(name for bit, name in _NAMES.items() if flags & bit) for flags in range(2 * DRAFT)
)


def bits(flags: Iterable[str]) -> int:
    """Flags (in lower case) as bits. Keywords are not kept (PERMANENTFLAGS says so), so they are left out."""
    found = 0
    for flag in flags:
        found |= FLAG_BITS.get(flag, 0)
    return found


class View:
    """`uids` in order, and the `flags` of each, as the client was told. `known`: the mailbox's number that is."""

    def __init__(self, folder: str, *, read_only: bool, known: int, rows: list[tuple[int, int]]) -> None:
        self.folder = folder
        self.read_only = read_only
        self.known = known
        self.uids = [uid for uid, _ in rows]
        self.flags = [flags for _, flags in rows]
        self._gone: set[int] = set()

    def place(self, uid: int) -> int | None:
        """The zero-based place of a message, or None when it is not here."""
        place = bisect_left(self.uids, uid)
        return place if place < len(self.uids) and self.uids[place] == uid else None

    def first_unseen(self) -> int:
        """The number of the first message not yet seen, 0 when there is none."""
        return next((number for number, flags in enumerate(self.flags, 1) if not flags & SEEN), 0)

    def apply(self, known: int, rows: Iterable[tuple[int, int, str]]) -> bytes:
        """Take in (uid, flags, folder) of what moved; returns the EXISTS and FETCH of it. What left is held back."""
        said = []
        before = len(self.uids)
        for uid, flags, folder in rows:
            place = self.place(uid)
            if folder != self.folder:
                if place is not None:
                    self._gone.add(uid)
            elif place is None:
                if not self.uids or uid > self.uids[-1]:
                    self.uids.append(uid)
                    self.flags.append(flags)
            elif self.flags[place] != flags:
                self.flags[place] = flags
                said.append(b"* %d FETCH (UID %d FLAGS %b)\r\n" % (place + 1, uid, FLAG_LISTS[flags & 31]))
        self.known = known
        if len(self.uids) != before:
            said.append(b"* %d EXISTS\r\n" % len(self.uids))
        return b"".join(said)

    def expunge(self) -> bytes:
        """The EXPUNGE of everything held back, the last number first so that none shifts another."""
        said = []
        for uid in sorted(self._gone, reverse=True):
            place = self.place(uid)
            if place is not None:
                del self.uids[place], self.flags[place]
                said.append(b"* %d EXPUNGE\r\n" % (place + 1))
        self._gone.clear()
        return b"".join(said)
