"""What a session does in the folder it has open: FETCH, STORE, SEARCH, EXPUNGE, over the store.

Promises: listing flags opens no message; the loop is given back every hundred messages and large mails go out at the
peer's pace; one message that does not open is left out and said, the others are served. A message expunged here leaves
this mailbox only: the conversation keeps it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mail_gateway import describe, rendition
from mail_gateway.imap.commands import Fetch, Search, Store
from mail_gateway.imap.fetch import Wanted, cut, internal_date
from mail_gateway.imap.search import HEADER, NUMBERS, TEXT, Key, Subject
from mail_gateway.imap.syntax import Ids
from mail_gateway.imap.view import FLAG_LISTS, View, bits
from mail_gateway.rendition import Rendered
from server import reading
from server.errors import Refused, Unavailable
from server.handles import MailboxHandle
from storage import entries, placements, renditions
from storage.database import Tx
from storage.entries import DELETED, SEEN, Entry
from storage.renditions import Row
from storage.vault import CannotOpen, SpaceKeys

if TYPE_CHECKING:
    from mail_gateway.imap.wire import Wire
    from server.app import App

CHUNK = 100  # messages between two turns of the loop
_NEAR = 4 * CHUNK  # numbers further apart than this are asked for in two queries


@dataclass(frozen=True, slots=True)
class Opened:
    """A message of this folder with its keys and, when asked for, what is known of its mail."""

    row: Row
    keys: SpaceKeys
    mail: Rendered | None


async def open_folder(app: App, box: MailboxHandle, folder: str, *, read_only: bool) -> tuple[View, int]:
    """The view of a folder, and the mailbox's UIDVALIDITY."""

    def read(tx: Tx) -> tuple[View, int]:
        rows = [(uid, flags) for uid, _, flags, _ in placements.listed(tx, box.mailbox_id, folder)]
        view = View(folder, read_only=read_only, known=entries.last_seq(tx, box.mailbox_id), rows=rows)
        return view, entries.validity(tx, box.mailbox_id)

    return await app.db.read(read)


class Selected:
    """An open folder of one session."""

    def __init__(self, app: App, box: MailboxHandle, wire: Wire, view: View) -> None:
        self._app = app
        self._box = box
        self._wire = wire
        self.view = view
        self.missed = 0  # messages of the last command that did not open
        self._kept: tuple[str, bytes] | None = None

    # ---- what changed ----

    async def news(self, *, expunge: bool) -> bytes:
        """What the client must be told now."""
        view = self.view

        def read(tx: Tx) -> tuple[int, list[tuple[int, int, str]]]:
            last = entries.last_seq(tx, self._box.mailbox_id)
            if last == view.known:
                return last, []
            moved = placements.moved_since(tx, self._box.mailbox_id, view.folder, view.known)
            gone = placements.left_since(tx, self._box.mailbox_id, view.folder, view.known)
            return last, [(uid, flags, view.folder) for uid, _, flags, _ in moved] + [(uid, 0, "") for uid in gone]

        said = view.apply(*await self._app.db.read(read))
        return said + view.expunge() if expunge else said

    # ---- FETCH ----

    async def fetch(self, asked: Fetch, *, uid: bool) -> None:
        """Writes the FETCH responses, in order."""
        wanted = Wanted(asked.wanted.names | {"UID"}, asked.wanted.sections) if uid else asked.wanted
        places = self._places(asked.ids, uid=uid)
        self.missed = 0
        if not (wanted.needs_date or wanted.needs_facts):
            for start in range(0, len(places), 10 * CHUNK):
                self._wire.write(b"".join(self._known(place, wanted) for place in places[start : start + 10 * CHUNK]))
                await self._wire.drain()
                await asyncio.sleep(0)
            return
        for start in range(0, len(places), CHUNK):
            uids = [self.view.uids[place] for place in places[start : start + CHUNK]]
            seen = await self._see(uids) if wanted.marks_seen and not self.view.read_only else frozenset()
            async for opened in self._open(uids, facts=wanted.needs_facts):
                await self._fetch_one(opened, wanted, seen=opened.row.seq in seen)
            await self._wire.drain()
            await asyncio.sleep(0)

    def _known(self, place: int, wanted: Wanted) -> bytes:
        """The response that needs nothing but this view."""
        said = []
        if "UID" in wanted.names:
            said.append(b"UID %d" % self.view.uids[place])
        if "FLAGS" in wanted.names:
            said.append(b"FLAGS " + FLAG_LISTS[self.view.flags[place] & 31])
        return b"* %d FETCH (%b)\r\n" % (place + 1, b" ".join(said))

    async def _fetch_one(self, opened: Opened, wanted: Wanted, *, seen: bool) -> None:
        place = self.view.place(opened.row.seq)
        if place is None:
            return
        names, mail = wanted.names, opened.mail
        said = []
        if "UID" in names:
            said.append(b"UID %d" % opened.row.seq)
        if "FLAGS" in names or seen:
            said.append(b"FLAGS " + FLAG_LISTS[self.view.flags[place] & 31])
        if "INTERNALDATE" in names:
            said.append(b"INTERNALDATE " + internal_date(opened.row.at))
        if mail is not None:
            if "RFC822.SIZE" in names:
                said.append(b"RFC822.SIZE %d" % mail.size)
            if "ENVELOPE" in names:
                said.append(b"ENVELOPE " + mail.facts.envelope)
            if "BODY" in names:
                said.append(b"BODY " + mail.facts.body)
            if "BODYSTRUCTURE" in names:
                said.append(b"BODYSTRUCTURE " + mail.facts.structure)
        start = b"* %d FETCH (%b" % (place + 1, b" ".join(said))
        if mail is None or not wanted.sections:
            self._wire.write(start + b")\r\n")
            return
        pieces = await self._cut(opened, mail, wanted)
        if pieces is None:
            self.missed += 1
            return
        glue = b" " if said else b""
        for section, data in zip(wanted.sections, pieces, strict=True):
            if data is None:
                self._wire.write(start + glue + section.label + b" NIL")
            else:
                self._wire.write(start + glue + section.label + b" {%d}\r\n" % len(data))
                await self._wire.send(data)
            start, glue = b"", b" "
        self._wire.write(b")\r\n")

    async def _cut(self, opened: Opened, mail: Rendered, wanted: Wanted) -> list[bytes | None] | None:
        """The octets of each section; None when the mail does not open."""
        header = mail.facts.header
        if not wanted.needs_octets:
            return [cut(section, header, b"", None) for section in wanted.sections]
        try:
            raw = await self._octets(opened, mail.blob_id, keep=any(section.partial for section in wanted.sections))
        except CannotOpen:
            self._app.metrics.unopened()
            return None
        parts = any(section.part or section.kind for section in wanted.sections)
        root = describe.tree(raw) if parts else None
        return [cut(section, header, raw, root) for section in wanted.sections]

    async def _octets(self, opened: Opened, blob_id: str, *, keep: bool) -> bytes:
        """The mail; kept for the next FETCH when it is being taken in pieces, as Thunderbird takes large ones."""
        if self._kept is not None and self._kept[0] == blob_id:
            return self._kept[1]
        raw = await rendition.octets(self._app, opened.keys, blob_id)
        self._kept = (blob_id, raw) if keep else None
        return raw

    def forget(self) -> None:
        """Something else than FETCH is done: no mail is being taken in pieces any more."""
        self._kept = None

    # ---- STORE, EXPUNGE ----

    async def store(self, asked: Store, *, uid: bool) -> None:
        """Sets flags; writes the FETCH responses unless they are not wanted."""
        places = self._places(asked.ids, uid=uid)
        change = _change(asked.change, bits(asked.flags))
        for start in range(0, len(places), CHUNK):
            uids = [self.view.uids[place] for place in places[start : start + CHUNK]]
            await self._set_flags(await self._entries(uids), change)
            if not asked.silent:
                for one in uids:
                    place = self.view.place(one)
                    if place is not None:
                        flags = FLAG_LISTS[self.view.flags[place] & 31]
                        number = b"UID %d " % one if uid else b""
                        self._wire.write(b"* %d FETCH (%bFLAGS %b)\r\n" % (place + 1, number, flags))
            await self._wire.drain()

    async def _see(self, uids: Sequence[int]) -> frozenset[int]:
        """Marks as seen what was not; returns which."""
        unseen = [
            uid for uid in uids if (place := self.view.place(uid)) is not None and not self.view.flags[place] & SEEN
        ]
        await self._set_flags(await self._entries(unseen), _change("+", SEEN))
        return frozenset(unseen)

    async def _set_flags(self, found: list[Entry], change: Callable[[int], int]) -> None:
        """All at once: they share one commit."""
        wishes = [self._set_one(entry, change) for entry in found]
        for outcome in await asyncio.gather(*wishes, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    async def _set_one(self, entry: Entry, change: Callable[[int], int]) -> None:
        flags = entry.flags
        if change(flags) != flags:
            try:
                flags = await reading.set_flags(self._app, self._box, entry.message_id, change)
            except Refused:  # gone meanwhile
                return
        place = self.view.place(entry.seq)
        if place is not None:
            self.view.flags[place] = flags

    async def expunge(self, only: Sequence[int] | None = None) -> None:
        """Takes out what is marked deleted (of `only`, when given). The EXPUNGE responses come with the next news."""
        view, mailbox = self.view, self._box.mailbox_id
        chosen = view.uids if only is None else only
        marked = [uid for uid in chosen if (place := view.place(uid)) is not None and view.flags[place] & DELETED]

        def leave(tx: Tx, uids: list[int]) -> None:
            entries.hold(tx, mailbox)
            for place in placements.found(tx, mailbox, view.folder, uids):
                if place.flags & DELETED:
                    placements.leave(tx, mailbox, view.folder, place)

        for run in _runs(marked):
            await self._app.db.write(leave, run)
        if marked:
            self._app.hub.wake([mailbox])

    # ---- SEARCH ----

    async def search(self, asked: Search) -> list[int]:
        """The places of what matches every key, in order. The cheap keys first: what they leave out is not opened."""
        view = self.view
        for numbers, chosen in asked.numbers:
            chosen.update(view.uids[place] for place in self._places(numbers.ids, uid=numbers.uid))
        found = [Subject(place, uid, view.flags[place]) for place, uid in enumerate(view.uids)]
        self.missed = 0
        keys = sorted(asked.keys, key=lambda key: key.depth)
        cheap = [key for key in keys if key.depth == NUMBERS]
        found = [subject for subject in found if all(key.matches(subject) for key in cheap)]
        deep = keys[len(cheap) :]
        if not deep:
            return [subject.place for subject in found]
        matching = []
        for start in range(0, len(found), CHUNK):
            subjects = {subject.uid: subject for subject in found[start : start + CHUNK]}
            async for opened in self._open(list(subjects), facts=deep[-1].depth >= HEADER):
                subject = subjects[opened.row.seq]
                subject.at = opened.row.at
                if opened.mail is not None:
                    subject.size, subject.header = opened.mail.size, opened.mail.facts.header
                if await self._matches(deep, subject, opened):
                    matching.append(subject.place)
            await asyncio.sleep(0)
        return matching

    async def _matches(self, keys: Sequence[Key], subject: Subject, opened: Opened) -> bool:
        for key in keys:
            if key.depth == TEXT and not subject.opened:
                whole = await reading.open_unchecked(self._app, opened.keys, opened.row.message_id)
                subject.text, subject.opened = rendition.written(whole.body), True
            if not key.matches(subject):
                return False
        return True

    # ---- rows ----

    def _places(self, ids: Ids, *, uid: bool) -> list[int]:
        return ids.among(self.view.uids) if uid else ids.positions(len(self.view.uids))

    async def _entries(self, uids: Sequence[int]) -> list[Entry]:
        found = []
        for run in _runs(uids):
            wanted = frozenset(run)
            rows = await self._app.db.read(entries.numbered, self._box.mailbox_id, run[0], run[-1])
            found += [entry for entry in rows if entry.seq in wanted and entry.folder == self.view.folder]
        return found

    async def _open(self, uids: Sequence[int], *, facts: bool) -> AsyncIterator[Opened]:
        """These messages, in order, with what is known of their mails when `facts`. What does not open is left out."""
        for run in _runs(uids):
            wanted = frozenset(run)
            rows = await self._app.db.read(renditions.listed, self._box.mailbox_id, run[0], run[-1])
            rows = [row for row in rows if row.seq in wanted]
            # Together, because what has to be rendered for the first time is then kept in one commit.
            for opened in await asyncio.gather(*(self._open_one(row, facts=facts) for row in rows)):
                if opened is None:
                    self.missed += 1
                else:
                    yield opened

    async def _open_one(self, row: Row, *, facts: bool) -> Opened | None:
        try:
            keys = self._app.vault.space(row.space_id, row.wrapped_key)
            if not facts:
                return Opened(row, keys, None)
            kept = row.rendition
            known = rendition.known_facts(keys, row.message_id, kept) if kept is not None else None
            if kept is not None and known is not None:
                return Opened(row, keys, Rendered(kept.blob_id, kept.size, known))
            return Opened(row, keys, await rendition.rendered(self._app, keys, row.message_id))
        except (CannotOpen, Refused, Unavailable):
            self._app.metrics.unopened()
            return None


def _change(how: str, by: int) -> Callable[[int], int]:
    """What STORE FLAGS, +FLAGS or -FLAGS does to flags."""
    if how == "+":
        return lambda flags: flags | by
    if how == "-":
        return lambda flags: flags & ~by
    return lambda flags: by


def _runs(uids: Sequence[int]) -> Iterator[list[int]]:
    """Cut where the numbers leap, so that a query over a range reads little that was not asked for."""
    run: list[int] = []
    for uid in uids:
        if run and (uid - run[-1] > _NEAR or len(run) >= 5 * CHUNK):
            yield run
            run = []
        run.append(uid)
    if run:
        yield run
