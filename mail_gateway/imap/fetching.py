"""FETCH in an open folder: from what is asked to the responses on the wire (RFC 9051 § 6.4.5, § 7.5.2).

Promises: flags and numbers are answered from the view and open nothing; header blocks, ENVELOPE and their like come
from what was sealed at delivery; the loop is given back on the way, and large mails go out at the peer's pace. A
message that does not open is left out and said, the others are served.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

from mail_gateway import describe
from mail_gateway.describe import Facts
from mail_gateway.imap.commands import Fetch
from mail_gateway.imap.enabled import Enabled
from mail_gateway.imap.fetch import ITEMS, UnknownEncoding, Wanted, cut, internal_date, opening
from mail_gateway.imap.shelves import CHUNK, Opened, Shelf, Unopened
from mail_gateway.imap.view import View
from mail_gateway.imap.wire import Wire
from mail_gateway.structure import Node
from server.errors import Refused, Unavailable
from storage.vault import CannotOpen

TOGETHER = 64 * 1024  # octets of answers written at once
_LARGE = 512 * 1024  # octets of a mail whose parts are looked for on another thread
_FROM_VIEW = ("UID", "FLAGS", "MODSEQ")

See = Callable[[Sequence[int]], Awaitable[frozenset[int]]]


class Fetching:
    """FETCH for one session. `see` marks these messages as seen and returns which were not."""

    def __init__(self, shelf: Shelf, view: View, wire: Wire, enabled: Enabled, see: See) -> None:
        self._shelf = shelf
        self._view = view
        self._wire = wire
        self._enabled = enabled
        self._see = see
        self._kept: tuple[str, bytes, Node | None] | None = None
        self._said: list[bytes] = []
        self._room = TOGETHER

    def forget(self) -> None:
        """Something else than FETCH is done: no mail is being taken in pieces any more."""
        self._kept = None

    async def fetch(self, asked: Fetch, places: list[int], *, uid: bool) -> str:
        """Writes the responses, in order; returns how the command ends."""
        wanted, view = asked.wanted, self._view
        names = wanted.names | {"UID"} if uid else wanted.names
        if asked.changed_since is not None:
            since, names = asked.changed_since, names | {"MODSEQ"}
            places = [place for place in places if view.modseqs[place] > since]
        if not (wanted.needs_date or wanted.needs_ids or wanted.needs_facts):
            await self._listed(places, names)
            return "OK Done"
        one = _One(self, wanted, names)
        marks = wanted.marks_seen and not view.read_only
        together = CHUNK if marks else max(len(places), 1)
        for start in range(0, len(places), together):
            uids = [view.uids[place] for place in places[start : start + together]]
            if marks:
                one.seen = await self._see(uids)
            served = 0
            async for opened in self._shelf.open(uids, facts=wanted.needs_facts):
                await one.write(view, self._enabled, opened)
                served += 1
            one.gone |= served < len(uids)
            await self.flush()
        return one.outcome()

    async def _listed(self, places: Sequence[int], names: frozenset[str]) -> None:
        """What needs nothing but the view, some thousand at once."""
        for start in range(0, len(places), 10 * CHUNK):
            some = places[start : start + 10 * CHUNK]
            self._wire.write(_from_view(self._view, some, names))
            await self._wire.drain()
            await asyncio.sleep(0)

    def say(self, data: bytes) -> bool:
        """Small pieces are written together: each write is a record of TLS. Whether it is time to `flush`."""
        self._said.append(data)
        self._room -= len(data)
        return self._room < 0

    async def flush(self) -> None:
        self._wire.write(b"".join(self._said))
        self._said.clear()
        self._room = TOGETHER
        await self._wire.drain()

    async def send(self, data: bytes) -> None:
        """Many octets of a mail, at the peer's pace."""
        await self.flush()
        await self._wire.send(data)

    async def raw(self, opened: Opened, *, parts: bool, keep: bool) -> tuple[bytes, Node | None]:
        """The mail, with its tree when `parts`; kept for the next FETCH when it is being taken in pieces, as
        Thunderbird takes large ones.
        """
        name, raw, root = self._kept or ("", b"", None)
        if name != opened.email_id:
            raw, root = await opened.octets(), None
        if parts and root is None:
            root = await asyncio.to_thread(describe.tree, raw) if len(raw) > _LARGE else describe.tree(raw)
        self._kept = (opened.email_id, raw, root) if keep else None
        return raw, root


class _One:
    """One message after the other, for one FETCH. `seen`: those that this FETCH itself marks as seen."""

    def __init__(self, fetching: Fetching, wanted: Wanted, names: frozenset[str]) -> None:
        self._fetching = fetching
        self._wanted = wanted
        self._names = names
        self._of_view = [item for item in _FROM_VIEW if item in names]
        self._of_row = [item for item in ITEMS if item in names and item in _OF_ROW]
        self._octets = wanted.needs_octets
        self._facts = wanted.needs_facts
        self._of_facts = [item for item in ITEMS if item in names and item in _OF_FACTS]
        self.seen: frozenset[int] = frozenset()
        self.gone = False
        self._missed = False
        self._unknown = False

    def outcome(self) -> str:
        if self._unknown:
            return "NO [UNKNOWN-CTE] Codage inconnu / Unknown encoding"
        if self._missed:
            return "NO [UNAVAILABLE] Des messages n'ont pu etre ouverts / Some messages could not be opened"
        if self.gone:
            return "OK [EXPUNGEISSUED] Done"  # RFC 9051 § 7.1
        return "OK Done"

    async def write(self, view: View, enabled: Enabled, opened: Opened | Unopened) -> None:
        """The whole response of one message."""
        place = view.place(opened.uid)
        if place is None:
            return
        facts = opened.facts if isinstance(opened, Opened) else None
        if isinstance(opened, Unopened) or (self._facts and facts is None):
            self._missed = True
            return
        items = self._of_view
        if opened.uid in self.seen:
            also = {"FLAGS", "MODSEQ"} if enabled.condstore else {"FLAGS"}
            items = [item for item in _FROM_VIEW if item in self._names | also]
        said = [_item(view, place, item) for item in items]
        said += [_OF_ROW[item](opened) for item in self._of_row]
        if facts is not None:
            said += [_OF_FACTS[item](facts, opened.size) for item in self._of_facts]
        if facts is not None and not self._octets:
            said += self._of_header(facts)
        start = b"* %d FETCH (%b" % (place + 1, b" ".join(said))
        if facts is not None and self._octets:
            sections = await self._of_mail(opened, facts)
            if sections is None:
                return
            start = await self._with(start, b" " if said else b"", sections)
        if self._fetching.say(start + b")\r\n"):
            await self._fetching.flush()

    async def _with(self, start: bytes, glue: bytes, sections: Iterable[tuple[bytes, bytes]]) -> bytes:
        """What is still to be written once the large ones are on their way."""
        for label, data in sections:
            if len(data) < TOGETHER:
                start = b"%b%b%b%b" % (start, glue, label, data)
            else:
                self._fetching.say(start + glue + label)
                await self._fetching.send(data)
                start = b""
            glue = b" "
        return start

    def _of_header(self, facts: Facts) -> list[bytes]:
        """The sections that the header block alone answers, as they are said: a header is never large."""
        found = [(section, cut(section, facts.header, b"", None)) for section in self._wanted.sections]
        return [opening(section, data) + (data or b"") for section, data in found]

    async def _of_mail(self, opened: Opened, facts: Facts) -> list[tuple[bytes, bytes]] | None:
        """Of each section of a mail how it begins and its octets; None when the mail does not open."""
        asked = self._wanted.sections
        parts = any(section.part or section.kind for section in asked)
        keep = any(section.partial for section in asked)
        try:
            raw, root = await self._fetching.raw(opened, parts=parts, keep=keep)
            found = [cut(section, facts.header, raw, root) for section in asked]
        except UnknownEncoding:
            self._unknown = True
            return None
        except Refused:  # it left while it was being read
            self.gone = True
            return None
        except (CannotOpen, Unavailable):
            self._missed = True
            return None
        return [
            (opening(section, data), b"" if data is None or section.sized else data)
            for section, data in zip(asked, found, strict=True)
        ]


def _preview(facts: Facts) -> bytes:
    """RFC 8970 § 3: a string of UTF-8."""
    if facts.preview.isascii():
        return b"PREVIEW " + describe.quoted(facts.preview)
    words = facts.preview.encode("utf-8", "replace")
    return b"PREVIEW {%d}\r\n%b" % (len(words), words)


# RFC 8474 § 5: a message has one EMAILID wherever it is, and its THREADID is the conversation's.
_OF_ROW: dict[str, Callable[[Opened], bytes]] = {
    "INTERNALDATE": lambda opened: b"INTERNALDATE " + internal_date(opened.at),
    "EMAILID": lambda opened: b"EMAILID (%b)" % opened.email_id.encode("ascii"),
    "THREADID": lambda opened: (
        b"THREADID (%b)" % opened.thread_id.encode("ascii") if opened.thread_id else b"THREADID NIL"
    ),
}
_OF_FACTS: dict[str, Callable[[Facts, int], bytes]] = {
    "RFC822.SIZE": lambda _, size: b"RFC822.SIZE %d" % size,
    "ENVELOPE": lambda facts, _: b"ENVELOPE " + facts.envelope,
    "BODY": lambda facts, _: b"BODY " + facts.body,
    "BODYSTRUCTURE": lambda facts, _: b"BODYSTRUCTURE " + facts.structure,
    "PREVIEW": lambda facts, _: _preview(facts),
}


def _item(view: View, place: int, name: str) -> bytes:
    if name == "UID":
        return b"UID %d" % view.uids[place]
    if name == "FLAGS":
        return b"FLAGS " + view.names.listed(view.flags[place])
    return b"MODSEQ (%d)" % view.modseqs[place]


def _from_view(view: View, places: Sequence[int], names: frozenset[str]) -> bytes:
    """The responses that need the view alone: one pattern, filled for each place."""
    columns: dict[str, tuple[bytes, Iterator[int] | Iterator[bytes]]] = {
        "UID": (b"UID %d", (view.uids[place] for place in places)),
        "FLAGS": (b"FLAGS %b", map(view.names.listed, (view.flags[place] for place in places))),
        "MODSEQ": (b"MODSEQ (%d)", (view.modseqs[place] for place in places)),
    }
    chosen = [columns[name] for name in _FROM_VIEW if name in names]
    pattern = b"* %d FETCH (" + b" ".join(said for said, _ in chosen) + b")\r\n"
    numbers: Iterable[int] = (place + 1 for place in places)
    return b"".join(pattern % row for row in zip(numbers, *(column for _, column in chosen), strict=True))
