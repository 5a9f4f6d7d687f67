"""SEARCH in an open folder: which messages match, and the answer in its two forms (RFC 9051 § 6.4.4, RFC 4731).

Promises: cheap keys come first, and what they leave out is not opened; the loop is given back on the way. `$` holds
UIDs, so that a message that leaves takes none of its neighbours with it (RFC 5182 § 2.1).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from mail_gateway.imap.commands import Search
from mail_gateway.imap.enabled import Enabled
from mail_gateway.imap.news import uid_set
from mail_gateway.imap.search import HEADER, NUMBERS, TEXT, Key, Subject
from mail_gateway.imap.shelves import CHUNK, Opened, Pace, Shelf, Unopened
from mail_gateway.imap.view import View

_ENDS = frozenset({"MIN", "MAX"})


class Searching:
    """SEARCH for one session. `saved`: what `$` stands for; `missed`: whether something did not open."""

    def __init__(self, shelf: Shelf, view: View, enabled: Enabled) -> None:
        self._shelf = shelf
        self._view = view
        self._enabled = enabled
        self.saved: frozenset[int] = frozenset()
        self.missed = False

    async def search(self, asked: Search, tag: str, *, uid: bool) -> bytes:
        """The untagged answer, nothing when the client only wants it saved."""
        if asked.returns is not None and "SAVE" in asked.returns:
            before, self.saved = self.saved, frozenset()  # should it fail (RFC 5182 § 2.1)
        else:
            before = self.saved
        found = [place async for place in self._matching(asked, before)]
        returns = asked.returns
        if returns is None and not self._enabled.rev2:
            return self._of_old(asked, found, uid=uid)
        returns = returns or frozenset({"ALL"})
        if "SAVE" in returns:
            self.saved = frozenset(self._view.uids[place] for place in _wanted(returns, found))
            if returns == {"SAVE"}:
                return b""
        return self._extended(asked, returns, found, tag, uid=uid)

    # ---- which ----

    async def _matching(self, asked: Search, saved: frozenset[int]) -> AsyncIterator[int]:
        """The places of what matches every key, in order."""
        self.missed = False
        for numbers, chosen in asked.numbers:
            places = numbers.ids.places(self._view.uids, uid=numbers.uid, saved=saved)
            chosen.update(self._view.uids[place] for place in places)
        cheap = [key for key in asked.keys if key.depth == NUMBERS]
        deep = [key for key in asked.keys if key.depth != NUMBERS]
        pace = Pace()
        for start in range(0, len(self._view.uids), CHUNK):
            some = self._subjects(start, cheap)
            for place in await self._deep(some, deep) if deep and some else [subject.place for subject in some]:
                yield place
            await pace.step()

    def _subjects(self, start: int, keys: Sequence[Key]) -> list[Subject]:
        """Those of a hundred places that match by what the view knows."""
        view, found = self._view, []
        for place in range(start, min(start + CHUNK, len(view.uids))):
            flags = view.flags[place]
            subject = Subject(place, view.uids[place], flags)
            subject.keywords, subject.modseq = view.names.words(flags), view.modseqs[place]
            if all(key.matches(subject) for key in keys):
                found.append(subject)
        return found

    async def _deep(self, subjects: Sequence[Subject], keys: Sequence[Key]) -> list[int]:
        """Headers before texts: what does not match by them is not opened."""
        shallow = [key for key in keys if key.depth < TEXT]
        texts = [key for key in keys if key.depth == TEXT]
        if shallow:
            facts = bool(texts) or any(key.depth == HEADER for key in shallow)
            subjects = await self._match(subjects, shallow, facts=facts, text=False)
        if texts and subjects:
            subjects = await self._match(subjects, texts, facts=not shallow, text=True)
        return [subject.place for subject in subjects]

    async def _match(
        self, subjects: Sequence[Subject], keys: Sequence[Key], *, facts: bool, text: bool
    ) -> list[Subject]:
        found, by_uid = [], {subject.uid: subject for subject in subjects}
        async for opened in self._shelf.open(list(by_uid), facts=facts, text=text):
            subject = by_uid[opened.uid]
            if isinstance(opened, Unopened):
                self.missed = True
                continue
            _fill(subject, opened)
            if all(key.matches(subject) for key in keys):
                found.append(subject)
        return found

    # ---- the answer ----

    def _of_old(self, asked: Search, found: Sequence[int], *, uid: bool) -> bytes:
        view = self._view
        said = b"".join(b" %d" % (view.uids[place] if uid else place + 1) for place in found)
        if asked.modseq and found:  # RFC 7162 § 3.1.5
            said += b" (MODSEQ %d)" % max(view.modseqs[place] for place in found)
        return b"* SEARCH%b\r\n" % said

    def _extended(self, asked: Search, returns: frozenset[str], found: Sequence[int], tag: str, *, uid: bool) -> bytes:
        """ESEARCH. MIN, MAX and ALL are not said of nothing (RFC 4731 § 3.1)."""
        view = self._view
        ids = [view.uids[place] if uid else place + 1 for place in found]
        said = [b'(TAG "%b")' % tag.encode("ascii", "replace")]
        if uid:
            said.append(b"UID")
        if ids and "MIN" in returns:
            said.append(b"MIN %d" % ids[0])
        if ids and "MAX" in returns:
            said.append(b"MAX %d" % ids[-1])
        if ids and "ALL" in returns:
            said.append(b"ALL " + uid_set(ids))
        if "COUNT" in returns:
            said.append(b"COUNT %d" % len(ids))
        if asked.modseq and ids:
            said.append(b"MODSEQ %d" % max(view.modseqs[place] for place in _wanted(returns, found)))
        return b"* ESEARCH %b\r\n" % b" ".join(said)


def _wanted(returns: frozenset[str], found: Sequence[int]) -> Sequence[int]:
    """What is spoken of: the ends alone when nothing else is asked for (RFC 5182 § 2.4, RFC 7162 § 3.1.10)."""
    ends = returns & _ENDS
    if not found or not ends or returns & {"ALL", "COUNT"}:
        return found
    return [found[0 if end == "MIN" else -1] for end in sorted(ends)]


def _fill(subject: Subject, opened: Opened) -> None:
    """What has been opened of it."""
    subject.at, subject.email_id, subject.thread_id = opened.at, opened.email_id, opened.thread_id
    if opened.facts is not None:
        subject.size, subject.header = opened.size, opened.facts.header
    if opened.text:
        subject.text, subject.opened = opened.text, True
