r"""The folder Drafts: what its reader is writing, here and on the web, as mails (RFC 6154 \Drafts).

Promises: a version of a draft is one mail, of the same octets for as long as it is there; another version, wherever it
was written, is another mail and the one before has left. \Draft and \Seen are always there. What is expunged, or moved
to Trash, is thrown away on the web too: Trash keeps no drafts. Nothing is copied from here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import msgspec

from mail_gateway import describe, draft_mail, draft_places, rendition
from mail_gateway.compose import OutPart, compose
from mail_gateway.headers import Mailbox
from mail_gateway.imap.answers import No, cannot
from mail_gateway.imap.shelves import MessageShelf, News, Opened, Row, Standing, Unopened
from mail_gateway.imap.view import Names
from server import access, attachments, keeping, mail_drafts
from server.drafts import MAX_MAIL
from server.errors import Refused, Throttled, TooLarge, Unavailable
from server.handles import MailboxHandle
from server.keeping import MAX_DRAFTS
from server.mail_drafts import DraftMail
from storage import messages
from storage.ids import now_ms
from storage.placements import TRASH
from storage.vault import CannotOpen

if TYPE_CHECKING:
    from server.app import App

FOLDER = "drafts"
T = TypeVar("T")
_APART = 64 * 1024  # octets from which a mail is read in a thread


class DraftShelf:
    """The drafts of one writer in one mailbox."""

    def __init__(self, app: App, box: MailboxHandle) -> None:
        self._app = app
        self._box = box
        self.mailbox_id = box.mailbox_id
        self.folder = FOLDER

    async def standing(self) -> Standing:
        validity, last, rows = await mail_drafts.standing(self._app, self._box)
        return Standing(validity, last + 1, last, [Row(*row) for row in rows])

    async def news(self, since: int) -> News:
        last, moved, left = await mail_drafts.news(self._app, self._box, since)
        return News(last, [Row(*row) for row in moved], left)

    # ---- mails ----

    async def open(self, uids: Sequence[int], *, facts: bool, text: bool = False) -> AsyncIterator[Opened | Unopened]:
        for draft in await mail_drafts.opened(self._app, self._box, uids):
            if isinstance(draft, int):
                self._app.metrics.unopened()
                yield Unopened(draft)
                continue
            kept, row = draft.kept, draft.row
            at = (kept.writing.mail.at if kept.writing.mail else 0) or row.updated_at
            # A number is of one version, and of one alone: as good a name of these octets as any (RFC 8474 § 5.1).
            opened = Opened(
                row.uid, at, f"{self.mailbox_id}-{row.uid}", kept.conversation, partial(self._octets, draft)
            )
            try:
                if facts:
                    made = await self._facts(draft)
                    opened.size, opened.facts = made.size, made.facts
            except Refused:  # it left meanwhile
                continue
            except (CannotOpen, Unavailable):
                self._app.metrics.unopened()
                yield Unopened(row.uid)
                continue
            opened.text = kept.writing.text if text else ""
            yield opened
            await asyncio.sleep(0)

    async def _octets(self, draft: DraftMail) -> bytes:
        blob_id = draft.row.blob_id or (await self._facts(draft)).blob_id
        return await self._kept(draft, blob_id)

    async def _kept(self, draft: DraftMail, blob_id: str) -> bytes:
        """Raises `Refused` when the draft has left, and its octets with it; `CannotOpen` when they are damaged."""
        try:
            return await mail_drafts.octets(self._app, draft.keys, blob_id)
        except CannotOpen:
            if not await mail_drafts.opened(self._app, self._box, [draft.row.uid]):
                raise Refused from None
            raise

    async def _facts(self, draft: DraftMail) -> rendition.Rendered:
        """What is known of the mail; made, or described, the first time."""
        found, keys, row = draft.rendition, draft.keys, draft.row
        if found is not None and (known := rendition.known_facts(keys, row.id, found)) is not None:
            return rendition.Rendered(found.blob_id, found.size, known)
        kept_blob = found.blob_id if found is not None else row.blob_id
        raw = await self._kept(draft, kept_blob) if kept_blob else await self._compose(draft)
        facts = await _apart(raw, describe.facts)
        sealed = keys.seal("rendition", row.id, msgspec.msgpack.encode(facts))
        blob = None if kept_blob else await self._app.blobs.put(keys, raw)
        if await mail_drafts.describe(self._app, self._box, draft, blob, len(raw), sealed):
            return rendition.Rendered(blob.id if blob else kept_blob, len(raw), facts)
        for now in await mail_drafts.opened(self._app, self._box, [row.uid]):
            if (
                isinstance(now, DraftMail) and now.rendition is not None
            ):  # another session was faster: that mail is the one
                return await self._facts(now)
        raise Refused  # somebody wrote on: this version has left

    async def _compose(self, draft: DraftMail) -> bytes:
        """The mail of what a page wrote."""
        app, box, kept = self._app, self._box, draft.kept
        around = await draft_places.around(app, box, kept)
        own = await access.own_space(app, box.actor)
        files = []
        for upload_id in kept.writing.uploads:
            file = await app.db.read(messages.attachment, own.space_id, upload_id)
            if file is not None and not file.message_id:
                facts, data = await attachments.opened_unchecked(app, own.keys, file)
                files.append(OutPart(facts.name, facts.type, data))
        name = keeping.names_of(app, kept)[0]
        from_ = Mailbox(box.actor.name, box.actor.address)
        letter = draft_mail.letter(kept.writing, name, draft.row.updated_at, from_, around, files)
        return await asyncio.to_thread(compose, letter) if files else compose(letter)

    # ---- changes ----

    async def store(
        self, uids: Sequence[int], change: Callable[[int], int], unchanged_since: int | None = None
    ) -> tuple[list[Row], list[int]]:
        done, modified = await mail_drafts.store(self._app, self._box, uids, change, unchanged_since)
        return [Row(*row) for row in done], modified

    async def append(self, raw: bytes, flags: Iterable[str], at: int | None) -> int:
        """A client keeps a draft. `flags` by name; `at`: the date it gives, ms since 1970. Returns its number. Raises
        `No`, in words, for one draft or all of them over their limits.
        """
        app, box = self._app, self._box
        if len(raw) > MAX_MAIL:
            raise No(f"Un brouillon fait {MAX_MAIL >> 20} Mo au plus / A draft: {MAX_MAIL >> 20} MB at most", "TOOBIG")
        try:
            await mail_drafts.may_put(app, box, len(raw))
            found = await _apart(raw, lambda octets: draft_mail.read(octets, at or now_ms()))
            facts = msgspec.msgpack.encode(await _apart(raw, describe.facts))
            conversation, writing = await draft_places.placed(app, box, found)
            bits = await self._bits(flags)
            return await mail_drafts.put(app, box, raw, facts, conversation, writing, bits)
        except Throttled:
            raise No(f"{MAX_DRAFTS} brouillons au plus : supprimez-en / At most {MAX_DRAFTS} drafts", "LIMIT") from None
        except TooLarge:
            most = mail_drafts.MAX_OCTETS >> 20
            raise No(f"{most} Mo de brouillons en tout / Drafts: {most} MB in all", "OVERQUOTA") from None

    async def _bits(self, flags: Iterable[str]) -> int:
        bits, missing = Names(await self.keywords()).bits(flags)
        if missing:
            try:
                bits |= sum(1 << place for place in (await self.name_keywords(missing)).values())
            except Throttled:  # too many keywords: the words count more than these
                pass
        return bits

    async def copy(self, uids: Sequence[int], to: str) -> list[tuple[int, int]]:
        raise cannot("Un brouillon ne se copie pas", "A draft is not copied")

    async def move(self, uids: Sequence[int], to: str) -> list[tuple[int, int]]:
        """To Trash: thrown away. Trash keeps no drafts, so none has a number there."""
        if to != TRASH:
            raise cannot("Un brouillon reste dans Drafts, ou part a la corbeille", "A draft stays, or goes to Trash")
        gone = await mail_drafts.take_away(self._app, self._box, frozenset(uids), marked=False)
        return [(uid, 0) for uid in gone]

    async def expunge(self, uids: Sequence[int] | None = None) -> list[int]:
        chosen = None if uids is None else frozenset(uids)
        return await mail_drafts.take_away(self._app, self._box, chosen, marked=True)

    async def keywords(self) -> dict[int, str]:
        return await MessageShelf(self._app, self._box, FOLDER).keywords()

    async def name_keywords(self, names: Sequence[str]) -> dict[str, int]:
        return await MessageShelf(self._app, self._box, FOLDER).name_keywords(names)


async def _apart(raw: bytes, do: Callable[[bytes], T]) -> T:
    return await asyncio.to_thread(do, raw) if len(raw) > _APART else do(raw)
