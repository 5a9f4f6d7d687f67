"""A folder as an open session needs it: what stands on it, what moved since, and the mails themselves.

A `Shelf` is one folder of one mailbox. `MessageShelf` holds messages (inbox, sent, archive, trash); drafts have their
own, `mail_gateway.imap.draft_shelf`. A message is named by its number in the folder, its UID, and by nothing else.

Promises: listing opens nothing; what does not open is said, the others are given; what is changed is
changed by `server.filing`, in one transaction with whoever must hear of it. Knows nothing of the protocol's words.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple, Protocol

from mail_gateway import rendition
from mail_gateway.imap.known import Known, Listed
from server import filing, reading
from server.errors import Refused, Unavailable
from server.handles import MailboxHandle
from storage import entries, pages, placements
from storage.database import Tx
from storage.placements import Mail
from storage.renditions import Rendition
from storage.vault import CannotOpen, SpaceKeys

if TYPE_CHECKING:
    from mail_gateway.describe import Facts
    from server.app import App

CHUNK = 100  # messages between two turns of the loop
READ = 400  # messages read by one statement: each waits for a thread
WORK_S = 0.004  # of work between two turns of the loop
_NEAR = READ  # numbers further apart than this are asked for in two statements


class Pace:
    """Gives the loop back after every `WORK_S` of work: another client never waits for a long answer."""

    def __init__(self) -> None:
        self._since = perf_counter()

    async def step(self) -> None:
        if self.due():
            await self.rest()

    def due(self) -> bool:
        return perf_counter() - self._since > WORK_S

    async def rest(self) -> None:
        await asyncio.sleep(0)
        self._since = perf_counter()


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

    async def move(self, uids: Sequence[int], to: str) -> list[tuple[int, int]]:
        """As `copy`; 0 for one that left and is kept nowhere."""

    async def expunge(self, uids: Sequence[int] | None = None) -> list[int]:
        r"""What is marked \Deleted (of `uids`, when given) leaves. Returns what left."""

    async def keywords(self) -> dict[int, str]:
        """The mailbox's own keywords: place of the bit → name as it was first written."""

    async def name_keywords(self, names: Sequence[str]) -> dict[str, int]:
        """The places of these, made where missing. Raises `Throttled` when there are too many."""


class MessageShelf:
    """Messages of a mailbox: inbox, sent, archive or trash."""

    def __init__(self, app: App, box: MailboxHandle, folder: str, known: Known | None = None) -> None:
        self._app = app
        self._box = box
        self._known = known if known is not None else Known()
        self.mailbox_id = box.mailbox_id
        self.folder = folder

    async def standing(self) -> Standing:
        mailbox, folder = self.mailbox_id, self.folder

        def read(tx: Tx) -> Standing:
            last = entries.last_seq(tx, mailbox)  # first: what comes after it, while this is read, is news
            listed = placements.listed(tx, mailbox, folder)
            rows = [Row(uid, flags, modseq) for uid, _, flags, modseq in listed if uid <= last]
            return Standing(entries.validity(tx, mailbox), last + 1, last, rows)

        return await self._app.db.read(read)

    async def news(self, since: int) -> News:
        mailbox, folder = self.mailbox_id, self.folder

        def read(tx: Tx) -> News:
            last = entries.last_seq(tx, mailbox)
            if last == since:
                return News(last, (), ())
            moved = placements.moved_since(tx, mailbox, folder, since)
            left = placements.left_since(tx, mailbox, folder, since)
            return News(last, [Row(uid, flags, modseq) for uid, _, flags, modseq in moved], left)

        return await self._app.db.read(read)

    # ---- mails ----

    async def open(self, uids: Sequence[int], *, facts: bool, text: bool = False) -> AsyncIterator[Opened | Unopened]:
        pace = Pace()
        async for rows in self._rows(uids, facts=facts):
            for start in range(0, len(rows), CHUNK):
                for one in await self._found(rows[start : start + CHUNK], facts=facts, text=text):
                    if one.opened is None:
                        self._app.metrics.unopened()
                    yield one.opened or Unopened(one.mail.uid)
                    if pace.due():
                        await pace.rest()

    async def _rows(self, uids: Sequence[int], *, facts: bool) -> AsyncIterator[list[Mail]]:
        """What is kept of these, in order, some hundred at a time: while those are served, the next are read."""
        runs = list(_runs(uids))
        reading = [asyncio.ensure_future(self._run(run, facts=facts)) for run in runs[:1]]
        try:
            for place in range(len(runs)):
                rows = await reading.pop()
                reading += [asyncio.ensure_future(self._run(run, facts=facts)) for run in runs[place + 1 : place + 2]]
                yield rows
        finally:
            for ahead in reading:
                ahead.cancel()

    async def _run(self, run: Sequence[int], *, facts: bool) -> list[Mail]:
        wanted, mailbox, folder = frozenset(run), self.mailbox_id, self.folder

        def read(tx: Tx) -> list[Mail]:
            rows = [mail for mail in placements.mails(tx, mailbox, folder, run[0], run[-1]) if mail.uid in wanted]
            return placements.described(tx, rows, self._known) if facts else rows

        return await self._app.db.read(read)

    async def _found(self, rows: Sequence[Mail], *, facts: bool, text: bool) -> list[_Found]:
        found = [self._unsealed(mail, facts=facts) for mail in rows]
        missing = [one for one in found if one.opened and not one.opened.facts] if facts else []
        if missing:  # together, because what has to be made for the first time is then kept in one commit
            await asyncio.gather(*(self._make(one) for one in missing))
        if text:
            await self._read([one for one in found if one.opened])
        return found

    def _unsealed(self, mail: Mail, *, facts: bool) -> _Found:
        """From what was read, and nothing else."""
        found = _Found(mail)
        try:
            found.keys = self._app.vault.space(mail.space_id, mail.wrapped_key)
            octets = partial(self._octets, found)
            found.opened = Opened(mail.uid, mail.at, mail.message_id, mail.conversation_id, octets)
            if facts and (listed := self._listed(found.keys, mail)) is not None:
                found.blob_id, found.opened.size, found.opened.facts = listed
        except CannotOpen:
            found.opened = None
        return found

    def _listed(self, keys: SpaceKeys, mail: Mail) -> Listed | None:
        """What is known of a mail; None when it has to be made, or described anew. Raises `CannotOpen`."""
        name = (mail.space_id, mail.message_id)
        known = self._known.get(name)
        if known is None and mail.structure is not None:
            kept = Rendition(mail.blob_id or "", mail.size, mail.structure)
            facts = rendition.known_facts(keys, mail.message_id, kept)
            if facts is not None:
                known = Listed(kept.blob_id, kept.size, facts)
                self._known.keep(name, known)
        return known

    async def _make(self, found: _Found) -> None:
        """The mail of a message that none was made of yet."""
        try:
            made = await rendition.rendered(self._app, found.needs_keys, found.mail.message_id)
        except (CannotOpen, Refused, Unavailable):
            found.opened = None
            return
        found.blob_id = made.blob_id
        if found.opened is not None:
            found.opened.size, found.opened.facts = made.size, made.facts

    async def _octets(self, found: _Found) -> bytes:
        blob_id = found.blob_id
        if not blob_id:
            blob_id = (await rendition.rendered(self._app, found.needs_keys, found.mail.message_id)).blob_id
        return await rendition.octets(self._app, found.needs_keys, blob_id)

    async def _read(self, found: Sequence[_Found]) -> None:
        """What was written in each, by a few statements for all of them."""
        names = [(one.mail.space_id, one.mail.message_id) for one in found]
        messages = await self._app.db.read(pages.messages_of, names)
        for one, name in zip(found, names, strict=True):
            try:
                if one.opened is not None:
                    one.opened.text = rendition.written(reading.body_of(one.needs_keys, messages[name]))
            except (CannotOpen, KeyError):
                one.opened = None

    # ---- changes ----

    async def store(
        self, uids: Sequence[int], change: Callable[[int], int], unchanged_since: int | None = None
    ) -> tuple[list[Row], list[int]]:
        done, modified = await filing.store(self._app, self._box, self.folder, uids, change, unchanged_since)
        return [Row(one.uid, one.flags, one.modseq) for one in done], modified

    async def copy(self, uids: Sequence[int], to: str) -> list[tuple[int, int]]:
        return await filing.copy(self._app, self._box, self.folder, uids, to)

    async def move(self, uids: Sequence[int], to: str) -> list[tuple[int, int]]:
        return await filing.move(self._app, self._box, self.folder, uids, to)

    async def expunge(self, uids: Sequence[int] | None = None) -> list[int]:
        return await filing.expunge(self._app, self._box, self.folder, uids)

    async def keywords(self) -> dict[int, str]:
        return await filing.keywords(self._app, self._box)

    async def name_keywords(self, names: Sequence[str]) -> dict[str, int]:
        return await filing.name_keywords(self._app, self._box, names)


class _Found:
    """A row that was read, on its way to being opened. `opened`: None when it does not open."""

    __slots__ = ("blob_id", "keys", "mail", "opened")

    def __init__(self, mail: Mail) -> None:
        self.mail = mail
        self.keys: SpaceKeys | None = None
        self.blob_id = mail.blob_id or ""
        self.opened: Opened | None = None

    @property
    def needs_keys(self) -> SpaceKeys:
        if self.keys is None:
            raise CannotOpen("the keys of this space are gone")
        return self.keys


def _runs(uids: Sequence[int]) -> Iterator[list[int]]:
    """Cut where the numbers leap, so that a statement over a range reads little that was not asked for."""
    run: list[int] = []
    for uid in uids:
        if run and (uid - run[-1] > _NEAR or len(run) >= READ):
            yield run
            run = []
        run.append(uid)
    if run:
        yield run
