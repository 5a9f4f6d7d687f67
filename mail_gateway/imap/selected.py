r"""What a session does in the folder it has open: FETCH, SEARCH, STORE, COPY, MOVE, EXPUNGE, and what it is told.

Promises: what is answered is true of every other session at once, since all are told from the same rows; a message
expunged here leaves this mailbox only: the conversation keeps it. With CONDSTORE and QRESYNC (RFC 7162) a client that
was away is brought back in step by what changed alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mail_gateway.imap import news
from mail_gateway.imap.answers import No
from mail_gateway.imap.commands import Copy, Fetch, Resync, Search, Store
from mail_gateway.imap.enabled import Enabled
from mail_gateway.imap.fetching import Fetching
from mail_gateway.imap.searching import Searching
from mail_gateway.imap.shelves import CHUNK, Row, Shelf
from mail_gateway.imap.syntax import Ids
from mail_gateway.imap.view import Names, View, union
from mail_gateway.imap.wire import Wire
from server.errors import Throttled
from storage.entries import SEEN

_BEYOND = "BAD Numero inconnu / No such message number"  # RFC 9051 § 9, seq-number
_KEPT = "Parti de cette boite ; le patient garde la conversation / Gone from here; the patient keeps the conversation"
_LEFT = "NO [EXPUNGEISSUED] Ces messages ne sont plus la / These messages are gone"


async def open_shelf(shelf: Shelf, wire: Wire, enabled: Enabled, *, read_only: bool) -> Selected:
    """A folder as it stands now."""
    standing = await shelf.standing()
    names = Names(await shelf.keywords(), union(row.flags for row in standing.rows))
    return Selected(shelf, wire, enabled, View(standing, names, read_only=read_only))


class Selected:
    """An open folder of one session. Commands return how they end; `Ids` that `$` is among are known here alone."""

    def __init__(self, shelf: Shelf, wire: Wire, enabled: Enabled, view: View) -> None:
        self.shelf = shelf
        self.view = view
        self._wire = wire
        self._enabled = enabled
        self._fetching = Fetching(shelf, view, wire, enabled, self._see)
        self._searching = Searching(shelf, view, enabled)

    # ---- what changed ----

    def flag_names(self) -> bytes:
        """FLAGS and PERMANENTFLAGS."""
        return news.flag_names(self.view)

    async def news(self, *, expunge: bool) -> bytes:
        """What the client must be told now."""
        view, enabled = self.view, self._enabled
        happened = await self.shelf.news(view.known)
        said = await self._named(union(row.flags for row in happened.moved))
        moved, arrived = view.apply(happened, modseqs=enabled.condstore)
        said += news.flags_of(view, moved, enabled)
        if arrived:
            said += news.exists(view)
        return said + news.expunged(view, enabled) if expunge else said

    async def _named(self, flags: int) -> bytes:
        """Reads the names of keywords again when one of these bits has none yet; then the client is told of them."""
        if self.view.names.knows(flags):
            return b""
        self.view.names = Names(await self.shelf.keywords(), union(self.view.flags) | flags)
        return self.flag_names()

    async def resync(self, asked: Resync) -> None:
        """RFC 7162 § 3.2.5: what left and what changed meanwhile. Under another UIDVALIDITY nothing holds."""
        view, since = self.view, asked.modseq
        if asked.validity != view.validity:
            return
        left = [uid for uid in sorted((await self.shelf.news(since)).left) if view.place(uid) is None]
        moved = [place for place, modseq in enumerate(view.modseqs) if modseq > since]
        if asked.known is not None:
            left = [left[place] for place in asked.known.among(left)]
            known = frozenset(asked.known.among(view.uids))
            moved = [place for place in moved if place in known]
        self._wire.write(news.vanished_earlier(left))
        await self._tell_flags(moved)

    async def _tell_flags(self, places: Sequence[int]) -> None:
        for start in range(0, len(places), 10 * CHUNK):
            self._wire.write(news.flags_of(self.view, places[start : start + 10 * CHUNK], self._enabled))
            await self._wire.drain()

    def count_changes(self) -> None:
        """The client speaks of MODSEQ: from now on it is told of it, and from which number on (RFC 7162 § 3.1)."""
        if not self._enabled.condstore:
            self._enabled.condstore = True
            self.say_highest()

    def say_highest(self) -> None:
        self._wire.say(f"* OK [HIGHESTMODSEQ {max(1, self.view.known)}] Highest")

    def forget(self) -> None:
        """Something else than FETCH is done."""
        self._fetching.forget()

    # ---- FETCH and SEARCH ----

    async def fetch(self, asked: Fetch, *, uid: bool) -> str:
        """Writes the FETCH responses, in order."""
        if not uid and asked.ids.beyond(len(self.view.uids)):
            return _BEYOND
        if asked.vanished and not self._enabled.qresync:
            return "BAD QRESYNC first"  # RFC 7162 § 3.2.6
        if asked.changed_since is not None or "MODSEQ" in asked.wanted.names:
            self.count_changes()
        if asked.vanished and asked.changed_since is not None:
            await self._tell_vanished(asked.ids, asked.changed_since)
        return await self._fetching.fetch(asked, self._places(asked.ids, uid=uid), uid=uid)

    async def _tell_vanished(self, ids: Ids, since: int) -> None:
        """Of these UIDs. `*` is the last there has ever been: what vanished may have been the last."""
        view = self.view
        left = {uid for uid in (await self.shelf.news(since)).left if view.place(uid) is None}
        numbers = sorted(left | {view.known})
        named = [numbers[place] for place in ids.places(numbers, uid=True, saved=self._searching.saved)]
        self._wire.write(news.vanished_earlier([uid for uid in named if uid in left]))

    async def search(self, asked: Search, tag: str, *, uid: bool) -> str:
        if asked.modseq:
            self.count_changes()
        self._wire.write(await self._searching.search(asked, tag, uid=uid))
        if self._searching.missed:
            return "NO [UNAVAILABLE] Des messages n'ont pu etre ouverts / Some messages could not be opened"
        return "OK Done"

    # ---- flags ----

    async def store(self, asked: Store, *, uid: bool) -> str:
        """Sets flags; writes the FETCH responses that are wanted, and those that the client could not have guessed."""
        self._writable()
        if not uid and asked.ids.beyond(len(self.view.uids)):
            return _BEYOND
        if asked.unchanged_since is not None:
            self.count_changes()
        change = _change(asked.change, await self._bits(asked))
        uids = self._uids(asked.ids, uid=uid)
        modified: list[int] = []
        stored = 0
        for start in range(0, len(uids), CHUNK):
            some = uids[start : start + CHUNK]
            done, refused = await self.shelf.store(some, change, asked.unchanged_since)
            self._wire.write(await self._named(union(row.flags for row in done)))
            self._wire.write(b"".join(self._stored(row, change, asked, uid=uid) for row in done))
            await self._wire.drain()
            modified += refused
            stored += len(done)
        if modified:
            return f"OK [MODIFIED {self._said(modified, uid=uid)}] Modifies entre-temps / Changed meanwhile"
        return "OK [EXPUNGEISSUED] Done" if stored < len(uids) else "OK Done"

    async def _bits(self, asked: Store) -> int:
        """The flags asked for; keywords that are new to this mailbox are made, but not in order to be taken away."""
        found, missing = self.view.names.bits(asked.flags)
        if missing and asked.change != "-":
            try:
                made = await self.shelf.name_keywords(missing)
            except Throttled:
                raise No("Trop de mots cles / Too many keywords", "LIMIT") from None
            for place in made.values():
                found |= 1 << place
            self._wire.write(await self._named(found))
        return found

    def _stored(self, row: Row, change: Callable[[int], int], asked: Store, *, uid: bool) -> bytes:
        """How a message stands after STORE. RFC 7162 § 3.1.3: its MODSEQ is said even when .SILENT."""
        view, condstore = self.view, self._enabled.condstore
        place = view.place(row.uid)
        if place is None:
            return b""
        silent = asked.silent and change(view.flags[place]) == row.flags
        view.take(row)
        said = [b"UID %d" % row.uid] if uid or self._enabled.qresync else []
        if not silent:
            said.append(b"FLAGS " + view.names.listed(row.flags))
        if condstore:
            said.append(b"MODSEQ (%d)" % row.modseq)
        return b"* %d FETCH (%b)\r\n" % (place + 1, b" ".join(said)) if condstore or not silent else b""

    async def _see(self, uids: Sequence[int]) -> frozenset[int]:
        """Marks as seen what was not; returns which."""
        view = self.view
        unseen = [uid for uid in uids if (place := view.place(uid)) is not None and not view.flags[place] & SEEN]
        if not unseen:
            return frozenset()
        done, _ = await self.shelf.store(unseen, _change("+", SEEN))
        self._wire.write(await self._named(union(row.flags for row in done)))
        for row in done:
            view.take(row)
        return frozenset(row.uid for row in done)

    # ---- into other folders, and out of this one ----

    async def copy(self, asked: Copy, to: str, *, uid: bool) -> str:
        """COPY to a folder of the same mailbox, as storage calls it."""
        if not uid and asked.ids.beyond(len(self.view.uids)):
            return _BEYOND
        uids = self._uids(asked.ids, uid=uid)
        pairs = await self.shelf.copy(uids, to)
        if not pairs:
            return _LEFT if uids else "OK Done"
        return f"OK [{self._copied(pairs)}] Done"

    async def move(self, asked: Copy, to: str, *, uid: bool) -> str:
        """RFC 6851 § 4.3: where they are now is said before they leave their numbers."""
        self._writable()
        if not uid and asked.ids.beyond(len(self.view.uids)):
            return _BEYOND
        uids = self._uids(asked.ids, uid=uid)
        pairs = await self.shelf.move(uids, to)
        if not pairs:
            return _LEFT if uids else "OK Done"
        if there := [pair for pair in pairs if pair[1]]:  # a draft in the trash is thrown away: it has no number there
            self._wire.say(f"* OK [{self._copied(there)}] Done")
        self.view.leave(uid for uid, _ in pairs)
        return await self._left()

    async def expunge(self, ids: Ids | None = None) -> str:
        r"""What is marked \Deleted leaves; of these UIDs only, when given."""
        self._writable()
        left = await self.shelf.expunge(None if ids is None else self._uids(ids, uid=True))
        if not left:
            return "OK Done"
        self.view.leave(left)
        told = await self._left()
        return told if self.shelf.folder == "drafts" else told.replace("Done", _KEPT)

    async def close(self) -> None:
        """CLOSE: what is marked deleted leaves, and nothing is said of it (RFC 9051 § 6.4.1)."""
        if not self.view.read_only:
            await self.shelf.expunge()

    async def _left(self) -> str:
        """RFC 7162 § 3.2.7: up to which number the client knows all, once it was told."""
        self._wire.write(await self.news(expunge=True))
        return f"OK [HIGHESTMODSEQ {self.view.known}] Done" if self._enabled.condstore else "OK Done"

    def _copied(self, pairs: Sequence[tuple[int, int]]) -> str:
        """COPYUID (RFC 4315 § 3). Folders of one mailbox have one UIDVALIDITY."""
        here, there = (news.uid_set(side).decode("ascii") for side in zip(*pairs, strict=True))
        return f"COPYUID {self.view.validity} {here} {there}"

    # ---- numbers ----

    def _writable(self) -> None:
        if self.view.read_only:
            raise No("Ouvert en lecture seule / Opened read-only", "CANNOT")

    def _places(self, ids: Ids, *, uid: bool) -> list[int]:
        return ids.places(self.view.uids, uid=uid, saved=self._searching.saved)

    def _uids(self, ids: Ids, *, uid: bool) -> list[int]:
        return [self.view.uids[place] for place in self._places(ids, uid=uid)]

    def _said(self, uids: Sequence[int], *, uid: bool) -> str:
        """As the command spoke of them."""
        if uid:
            return news.uid_set(uids).decode("ascii")
        places = (self.view.place(one) for one in uids)
        return news.uid_set(place + 1 for place in places if place is not None).decode("ascii")


def _change(how: str, by: int) -> Callable[[int], int]:
    """What STORE FLAGS, +FLAGS or -FLAGS does to flags."""
    if how == "+":
        return lambda flags: flags | by
    if how == "-":
        return lambda flags: flags & ~by
    return lambda flags: by
