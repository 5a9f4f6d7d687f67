"""One folder as one session sees it: which message has which number, and what has changed since it was told. Pure.

Promises (RFC 9051 § 5.2, § 7.5.1): a message keeps its number until its EXPUNGE is sent, and that is held back while a
command that speaks of numbers runs; what the client already knows is not said again. Three numbers of eight octets a
message: thousands of clients idle here.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping

from mail_gateway.imap.shelves import News, Row, Standing
from storage.entries import ANSWERED, DELETED, DRAFT, FLAGGED, FORWARDED, JUNK, MDN_SENT, NOT_JUNK, SEEN

# In the order in which they are said. RFC 9051 § 2.3.2.
_KNOWN = {
    ANSWERED: "\\Answered", FLAGGED: "\\Flagged", DELETED: "\\Deleted", SEEN: "\\Seen", DRAFT: "\\Draft",
    FORWARDED: "$Forwarded", MDN_SENT: "$MDNSent", JUNK: "$Junk", NOT_JUNK: "$NotJunk",
}  # fmt: skip
_TAKEN, _FINISHED = "pris-", "clos"  # keywords that say how a team's conversation stands: they are read, never set


class Names:
    """What flags are called in one mailbox. `own`: place of the bit → name; `used`: bits that are there, named or not,
    and are not to be asked about again.
    """

    def __init__(self, own: Mapping[int, str], used: int = 0) -> None:
        named = _KNOWN | {1 << place: name for place, name in sorted(own.items())}
        self._names = {bit: name.encode("ascii", "replace") for bit, name in named.items()}
        self._bits = {name.lower(): bit for bit, name in named.items()}
        self._lists: dict[int, bytes] = {}
        self._words: dict[int, frozenset[str]] = {}
        self._used = used
        for bit in named:
            self._used |= bit
        kept = [word for name, word in zip(named.values(), self._names.values(), strict=True) if _settable(name)]
        self.all = b"(%b)" % b" ".join(self._names.values())
        self.permanent = b"(%b)" % b" ".join([*kept, b"\\*"])

    def knows(self, flags: int) -> bool:
        return not flags & ~self._used

    def listed(self, flags: int) -> bytes:
        r"""`(\Seen $Forwarded)`."""
        said = self._lists.get(flags)
        if said is None:
            said = b"(%b)" % b" ".join(name for bit, name in self._names.items() if flags & bit)
            self._lists[flags] = said
        return said

    def words(self, flags: int) -> frozenset[str]:
        """The keywords among them, in lower case."""
        said = self._words.get(flags)
        if said is None:
            said = frozenset(name for name, bit in self._bits.items() if flags & bit and not name.startswith("\\"))
            self._words[flags] = said
        return said

    def bit(self, name: str) -> int:
        """The bit of a flag, 0 when it has none here. Case is not looked at (RFC 9051 § 2.3.2)."""
        return self._bits.get(name.lower(), 0)

    def bits(self, flags: Iterable[str]) -> tuple[int, list[str]]:
        """These flags as bits, and the keywords among them that this mailbox does not have yet."""
        found, missing = 0, []
        for flag in flags:
            bit = self.bit(flag)
            found |= bit
            if not bit and not flag.startswith("\\"):
                missing.append(flag)
        return found, sorted(missing)


def _settable(flag: str) -> bool:
    return not flag.lower().startswith(_TAKEN) and flag.lower() != _FINISHED


class View:
    """`uids` in order, the `flags` and `modseqs` of each, as the client was told. `known`: the mailbox's number at
    which that is so.
    """

    def __init__(self, standing: Standing, names: Names, *, read_only: bool) -> None:
        self.read_only = read_only
        self.validity = standing.validity
        self.known = standing.modseq
        self.names = names
        self.uids = array("q", [row.uid for row in standing.rows])
        self.flags = array("q", [row.flags for row in standing.rows])
        self.modseqs = array("q", [row.modseq for row in standing.rows])
        self._gone: set[int] = set()

    def place(self, uid: int) -> int | None:
        """The zero-based place of a message, or None when it is not here."""
        place = bisect_left(self.uids, uid)
        return place if place < len(self.uids) and self.uids[place] == uid else None

    def first_unseen(self) -> int:
        """The number of the first message not yet seen, 0 when there is none."""
        return next((number for number, flags in enumerate(self.flags, 1) if not flags & SEEN), 0)

    def take(self, row: Row) -> bool:
        """A message stands like this now; whether that is another state than was known."""
        place = self.place(row.uid)
        if place is None or (self.flags[place] == row.flags and self.modseqs[place] == row.modseq):
            return False
        self.flags[place], self.modseqs[place] = row.flags, row.modseq
        return True

    def apply(self, news: News, *, modseqs: bool) -> tuple[list[int], bool]:
        """Take in what happened. Returns the places of which FETCH must tell (of those whose number alone moved too,
        when `modseqs`), and whether something arrived. What left is held back.
        """
        before = len(self.uids)
        told = []
        for row in news.moved:
            place = self.place(row.uid)
            if place is not None:
                flags = self.flags[place]
                if self.take(row) and (modseqs or flags != row.flags):
                    told.append(place)
            elif not self.uids or row.uid > self.uids[-1]:
                self.uids.append(row.uid)
                self.flags.append(row.flags)
                self.modseqs.append(row.modseq)
        self.leave(news.left)
        self.known = max(self.known, news.modseq)
        return told, len(self.uids) != before

    def leave(self, uids: Iterable[int]) -> None:
        """These have left; they keep their numbers until `expunge`."""
        self._gone.update(uid for uid in uids if self.place(uid) is not None)

    def gone(self, uid: int) -> bool:
        """Whether it has left and the client was not told yet."""
        return uid in self._gone

    def expunge(self) -> list[tuple[int, int]]:
        """Drop what was held back: (number, UID) of each, the last first so that none shifts another."""
        dropped = []
        for uid in sorted(self._gone, reverse=True):
            place = self.place(uid)
            if place is not None:
                del self.uids[place], self.flags[place], self.modseqs[place]
                dropped.append((place + 1, uid))
        self._gone.clear()
        return dropped


def union(flags: Iterable[int]) -> int:
    """Every bit that is set in one of them."""
    found = 0
    for some in flags:
        found |= some
    return found
