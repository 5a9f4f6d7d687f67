r"""Drafts as a mail client keeps them: the folder Drafts of one writer in one mailbox.

    the web keeps one    →  a mail without a number; it gets one when a client looks (`standing`, `news`)
    a client keeps one   →  `put`: its octets, sealed, and what a page can show of them
    another version      →  another mail: the number before it is gone (`vanished`)

Promises: what a client appended is there until a client takes it away, or somebody writes over it, sends it or throws
it away on the web; a client that saves anew, then takes the older mail away, goes on with one draft; files of a mail
are a page's files once one looks (`take_files`), or the draft stays a mail's. Who may: the writer alone, asked again in
each transaction. Does not know mail: `mail_gateway.draft_mail` does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from server import access, attachments, keeping, reading, uploads
from server.drafts import MAX_FILES
from server.errors import PliError, Throttled, TooLarge
from server.handles import MailboxHandle
from server.keeping import MAX_DRAFTS, Kept, Writing
from storage import blobs, drafts, entries, keywords, placements, renditions
from storage.blobs import Blob
from storage.database import Tx
from storage.drafts import KeptDraft
from storage.entries import DELETED, DRAFT, SEEN
from storage.ids import new_id, now_ms
from storage.renditions import Rendition
from storage.vault import CannotOpen, Sealed, SpaceKeys

if TYPE_CHECKING:
    from server.app import App

ALWAYS = DRAFT | SEEN
ROOM_TO_SAVE = 10  # over MAX_DRAFTS: a client that saves anew puts the new one there before it takes the old one away
MAX_OCTETS = 200 * 1024 * 1024  # of the mails that one writer's clients keep in one mailbox
SAVED_WITHIN_MS = 10 * 60_000  # between saving a draft anew and taking the older mail away

Row = tuple[int, int, int]  # uid, flags, modseq


@dataclass(frozen=True, slots=True)
class DraftMail:
    """A draft as a mail. `rendition`: what was made of it, or described, before; None until then."""

    row: KeptDraft
    kept: Kept
    keys: SpaceKeys
    rendition: Rendition | None


async def standing(app: App, box: MailboxHandle) -> tuple[int, int, list[Row]]:
    """(UIDVALIDITY, the mailbox's highest number, the drafts): those that the web wrote have a number from now on."""

    def read(tx: Tx) -> tuple[int, int, list[Row]]:
        access.still_open(app, tx, box)
        last = entries.last_seq(tx, box.mailbox_id)  # first: what comes after it, while this is read, is news
        found = [row for row in drafts.listed(tx, box.mailbox_id, box.actor.account_id) if row[0] <= last]
        return entries.validity(tx, box.mailbox_id), last, _always(found)

    await _number(app, box)
    return await app.db.read(read)


async def news(app: App, box: MailboxHandle, since: int) -> tuple[int, list[Row], list[int]]:
    """(the mailbox's highest number, what came or moved after `since`, what left)."""

    def read(tx: Tx) -> tuple[int, list[Row], list[int]]:
        last = entries.last_seq(tx, box.mailbox_id)
        if last == since:
            return last, [], []
        access.still_open(app, tx, box)
        moved = _always(drafts.listed(tx, box.mailbox_id, box.actor.account_id, since))
        return last, moved, placements.left_since(tx, box.mailbox_id, _folder(box), since)

    await _number(app, box)
    return await app.db.read(read)


def _folder(box: MailboxHandle) -> str:
    return drafts.folder_of(box.actor.account_id)


def _always(rows: Sequence[Row]) -> list[Row]:
    return [(uid, flags | ALWAYS, modseq) for uid, flags, modseq in rows]


async def _number(app: App, box: MailboxHandle) -> None:
    mailbox, me = box.mailbox_id, box.actor.account_id
    if not await app.db.read(drafts.unnumbered, mailbox, me):
        return

    def number(tx: Tx) -> None:
        access.still_open(app, tx, box)
        entries.hold(tx, mailbox)
        for draft_id in drafts.unnumbered(tx, mailbox, me):
            drafts.number(tx, mailbox, draft_id)

    await app.db.write(number)


async def opened(app: App, box: MailboxHandle, uids: Sequence[int]) -> list[DraftMail | int]:
    """Those with these numbers, in order; what has left is left out, of what does not open there is the number."""

    def read(tx: Tx) -> list[DraftMail | int]:
        access.still_open(app, tx, box)
        keys = reading.space_keys(app, tx, box.space_id)
        found: list[DraftMail | int] = []
        for row in drafts.numbered(tx, box.mailbox_id, box.actor.account_id, uids):
            kept = keeping.opened(keys, row)
            made = renditions.find(tx, row.space_id, row.id)
            found.append(DraftMail(row, kept, keys, made) if kept is not None else row.uid)
        return found

    return await app.db.read(read)


async def octets(app: App, keys: SpaceKeys, blob_id: str) -> bytes:
    """Raises `CannotOpen`, also when the draft is another mail by now."""
    blob = await app.db.read(blobs.find, keys.space_id, blob_id)
    if blob is None:
        raise CannotOpen("this version of the draft is gone")
    return await app.blobs.get(keys, blob)


async def describe(app: App, box: MailboxHandle, mail: DraftMail, blob: Blob | None, size: int, facts: Sealed) -> bool:
    """Keep what a mail was found, or made (`blob`), to be. False when the draft is another mail by now, or somebody
    was faster.
    """
    row = mail.row

    def keep(tx: Tx) -> bool:
        now = drafts.find(tx, box.mailbox_id, row.id)
        if now is None or now.uid != row.uid:
            return False
        if mail.rendition is not None:
            renditions.describe_again(tx, row.space_id, row.id, facts)
            return True
        first = renditions.insert(tx, row.space_id, row.id, blob.id if blob else row.blob_id, size, facts)
        if first and blob is not None:
            blobs.insert(tx, blob)
        return first

    return await app.db.write(keep)


# ---- what a client does ----------------------------------------------------------------------------------------------


async def may_put(app: App, box: MailboxHandle, size: int) -> None:
    """Raises `Throttled` (too many drafts), `TooLarge` (their mails together)."""
    mailbox, me = box.mailbox_id, box.actor.account_id
    await app.db.read(lambda tx: _room(tx, mailbox, me, size))


def _room(tx: Tx, mailbox_id: str, me: str, size: int) -> None:
    if len(drafts.of(tx, mailbox_id, me)) >= MAX_DRAFTS + ROOM_TO_SAVE:
        raise Throttled("too_many_drafts", "Vous avez trop de brouillons. Supprimez-en, puis réessayez.")
    if drafts.octets(tx, mailbox_id, me) + size > MAX_OCTETS:
        raise TooLarge("drafts_too_large", "Vos brouillons sont trop lourds en tout. Supprimez-en, puis réessayez.")


async def put(
    app: App, box: MailboxHandle, raw: bytes, facts: bytes, conversation: str, writing: Writing, flags: int
) -> int:
    """A draft that a client appends. `facts`: what is known of the mail, in clear; sealed here. Returns its number.
    Raises as `may_put`, `OSError`.
    """
    keys = await app.db.read(lambda tx: reading.space_keys(app, tx, box.space_id))
    blob, me, draft_id = await app.blobs.put(keys, raw), box.actor.account_id, new_id()
    body = keys.seal("draft", draft_id, msgspec.json.encode(writing))
    described = keys.seal("rendition", draft_id, facts)

    def keep(tx: Tx) -> int:
        access.still_open(app, tx, box)
        entries.hold(tx, box.mailbox_id)
        _room(tx, box.mailbox_id, me, len(raw))
        uid = entries.next_seq(tx, box.mailbox_id)
        own = flags & ~(ALWAYS | keywords.assigned_mask(tx, box.mailbox_id))
        row = KeptDraft(draft_id, box.space_id, conversation, me, b"", 1, now_ms(), None, uid, own, uid, blob.id)
        blobs.insert(tx, blob)
        drafts.insert(tx, box.mailbox_id, row, body)
        renditions.insert(tx, box.space_id, draft_id, blob.id, len(raw), described)
        return uid

    put_there = await app.db.write(keep)
    app.hub.wake({box.mailbox_id})
    return put_there


async def store(
    app: App, box: MailboxHandle, uids: Sequence[int], change: Callable[[int], int], unchanged_since: int | None
) -> tuple[list[Row], list[int]]:
    r"""Their flags become what `change` makes of them; \Draft and \Seen stay. Returns how they stand now, and those
    that moved after `unchanged_since` and were left alone (RFC 7162 § 3.1.3).
    """

    def set_flags(tx: Tx) -> tuple[list[Row], list[int], bool]:
        access.still_open(app, tx, box)
        entries.hold(tx, box.mailbox_id)
        done, refused, moved = [], [], False
        fixed = ALWAYS | keywords.assigned_mask(tx, box.mailbox_id)
        for row in drafts.numbered(tx, box.mailbox_id, box.actor.account_id, uids):
            if unchanged_since is not None and row.modseq > unchanged_since:
                refused.append(row.uid)
                continue
            flags, modseq = change(row.flags | ALWAYS) & ~fixed, row.modseq
            if flags != row.flags:
                modseq, moved = drafts.set_flags(tx, box.mailbox_id, row.id, flags), True
            done.append((row.uid, flags | ALWAYS, modseq))
        return done, refused, moved

    done, refused, moved = await app.db.write(set_flags)
    if moved:
        app.hub.wake({box.mailbox_id})
    return done, refused


async def take_away(app: App, box: MailboxHandle, uids: Collection[int] | None, *, marked: bool) -> list[int]:
    r"""Drafts are thrown away (of `uids`, when given; `marked`: those that are \Deleted). Returns their numbers."""
    mailbox, me = box.mailbox_id, box.actor.account_id

    def leave(tx: Tx) -> list[int]:
        access.still_open(app, tx, box)
        entries.hold(tx, mailbox)
        chosen = [
            row
            for row in drafts.of(tx, mailbox, me)
            if row.uid and (uids is None or row.uid in uids) and (row.flags & DELETED or not marked)
        ]
        keys = reading.space_keys(app, tx, box.space_id)
        going = {row.id for row in chosen}
        for row in sorted(chosen, key=lambda row: row.uid):
            _leave(tx, app, box, keys, row, going)
        return sorted(row.uid for row in chosen)

    gone = await app.db.write(leave)
    if gone:
        app.hub.wake({mailbox})
    return gone


def _leave(tx: Tx, app: App, box: MailboxHandle, keys: SpaceKeys, row: KeptDraft, going: set[str]) -> None:
    later = _saved_anew(tx, app, box, keys, row, going)
    if later is None:
        entries.next_seq(tx, box.mailbox_id)  # the list says « brouillon »
        drafts.end(tx, box.mailbox_id, row.account_id, row.id, now_ms())
        return
    drafts.leave(tx, box.mailbox_id, row)
    newer, kept = later
    drafts.succeed(tx, box.mailbox_id, row.id, newer, keys.seal("draft", row.id, msgspec.json.encode(kept.writing)))


def _saved_anew(
    tx: Tx, app: App, box: MailboxHandle, keys: SpaceKeys, row: KeptDraft, going: set[str]
) -> tuple[KeptDraft, Kept] | None:
    """The mail that a client has just put there in the place of this one: of the same name, or an answer to the same
    message, or of the same subject to the same people. It decides under which id its words go on, and nothing else.
    """
    before = keeping.opened(keys, row)
    if before is None:
        return None
    names = keeping.names_of(app, before)
    for newer in drafts.of(tx, box.mailbox_id, row.account_id):
        recent = newer.version == 1 and newer.blob_id and newer.updated_at > now_ms() - SAVED_WITHIN_MS
        if not recent or newer.uid <= row.uid or newer.id in going:
            continue
        kept = keeping.opened(keys, newer)
        if kept is not None and (set(names) & set(keeping.names_of(app, kept)) or _alike(before, kept)):
            return newer, kept
    return None


def _alike(before: Kept, now: Kept) -> bool:
    old, new = before.writing, now.writing
    if before.conversation or now.conversation:
        return before.conversation == now.conversation
    return (old.to, old.whom) == (new.to, new.whom) and old.subject == new.subject and _to(old) == _to(new)


def _to(writing: Writing) -> tuple[str, ...]:
    return writing.mail.to if writing.mail is not None and not writing.to else ()


# ---- what a page takes -----------------------------------------------------------------------------------------------


async def take_files(app: App, box: MailboxHandle, kept: Kept) -> Kept:
    """A page opens a draft that a mail client wrote: its files become files of the page, as many as it may have. Those
    that remain in `mail.files` are the mail's alone. The mail stays as it is.
    """
    mail = kept.writing.mail
    if mail is None or mail.why or not mail.files:
        return kept
    row = await app.db.read(drafts.find, box.mailbox_id, kept.id)
    if row is None or row.version != kept.version or row.account_id != box.actor.account_id or not row.blob_id:
        return kept
    keys = await app.db.read(lambda tx: reading.space_keys(app, tx, box.space_id))
    try:
        raw = await octets(app, keys, row.blob_id)
    except CannotOpen:
        app.metrics.unopened()
        return kept
    taken, left = [*kept.writing.uploads], []
    for file in mail.files:
        try:
            data = attachments.cut(raw, file.part) if len(taken) < MAX_FILES else b""
            taken.append(await uploads.take_whole(app, box.actor, file.name, file.type, data))
        except PliError:  # empty, too large, or too much waits already: the mail keeps it
            left.append(file)
    writing = msgspec.structs.replace(
        kept.writing, uploads=tuple(taken), mail=msgspec.structs.replace(mail, files=tuple(left))
    )
    own = await access.own_space(app, box.actor)

    def keep(tx: Tx) -> bool:
        now = drafts.find(tx, box.mailbox_id, kept.id)
        untaken = keeping.opened(keys, now) if now is not None else None
        if now is None or untaken is None or untaken.writing != kept.writing:
            return False  # another page took them at the same time
        uploads.hold(tx, own, writing.uploads, ())
        return drafts.reseal(tx, box.mailbox_id, row, keys.seal("draft", row.id, msgspec.json.encode(writing)))

    if await app.db.write(keep):
        return replace(kept, writing=writing)
    return await keeping.one(app, box, kept.id) or kept
