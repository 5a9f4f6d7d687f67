"""A folder as an open session needs it: what stands on it, what moved since, and the mails themselves.

A `Shelf` is one folder of one mailbox. `MessageShelf` holds messages (inbox, sent, archive, trash); drafts have their
own, `mail_gateway.imap.draft_shelf`. A message is named by its number in the folder, its UID, and by nothing else.

Promises: listing opens nothing; what does not open is said, the others are given; what is changed is
changed by `server.filing`, in one transaction with whoever must hear of it. Knows nothing of the protocol's words.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from mail_gateway.describe import Facts


class Row(NamedTuple):
    """A message as it stands in its folder. `flags`: bits of `storage.entries`; `modseq`: RFC 7162."""

    uid: int
    flags: int
    modseq: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A folder at one instant. `modseq`: the mailbox's highest, at which every row is true; `rows` by uid."""

    validity: int
    next_uid: int
    modseq: int
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class News:
    """What happened after a modseq: `moved` arrived, or its flags moved (by uid); `left` is gone. True at `modseq`."""

    modseq: int
    moved: Sequence[Row]
    left: Sequence[int]


@dataclass(slots=True)
class Opened:
    """A message that was asked for. `at` in milliseconds; `email_id` and `thread_id` as OBJECTID (RFC 8474) says them,
    the second "" where there is no conversation yet. `size` and `facts` are there when facts were asked for, `text`
    (what SEARCH TEXT and BODY look into) when text was.

    `octets` gives the whole mail; raises `CannotOpen`, `Refused`, `Unavailable`.
    """

    uid: int
    at: int
    email_id: str
    thread_id: str
    octets: Callable[[], Awaitable[bytes]]
    size: int = 0
    facts: Facts | None = None
    text: str = ""


@dataclass(slots=True)
class Unopened:
    """A message of which something that was asked for does not open."""

    uid: int


class Shelf(Protocol):
    """One folder of one mailbox. `mailbox_id`: whose wake-ups tell of it; `folder`: its name in storage."""

    @property
    def mailbox_id(self) -> str: ...
    @property
    def folder(self) -> str: ...

    async def standing(self) -> Standing: ...
    async def news(self, since: int) -> News: ...

    def open(self, uids: Sequence[int], *, facts: bool, text: bool = False) -> AsyncIterator[Opened | Unopened]:
        """These messages, in order; with what is known of their mails when `facts`, with their words when `text`. What
        has left is left out; the loop is given back on the way.
        """

    async def store(
        self, uids: Sequence[int], change: Callable[[int], int], unchanged_since: int | None = None
    ) -> tuple[list[Row], list[int]]:
        """Their flags become what `change` makes of them. Returns how they stand now, and those that were left as they
        are because they moved after `unchanged_since`. Those that have left are in neither.
        """

    async def copy(self, uids: Sequence[int], to: str) -> list[tuple[int, int]]:
        """Into another folder (`to`, as storage calls it) of the mailbox: (number here, number there) of each."""

    async def move(self, uids: Sequence[int], to: str) -> list[tuple[int, int]]: ...

    async def expunge(self, uids: Sequence[int] | None = None) -> list[int]:
        r"""What is marked \Deleted (of `uids`, when given) leaves. Returns what left."""

    async def keywords(self) -> dict[int, str]:
        """The mailbox's own keywords: place of the bit → name as it was first written."""

    async def name_keywords(self, names: Sequence[str]) -> dict[str, int]:
        """The places of these, made where missing. Raises `Throttled` when there are too many."""
