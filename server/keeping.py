"""Drafts that are kept: what somebody is writing, on every device they sign in from.

    each second of typing, each pause, each leaving  →  keep(): a version, sealed  →  another device opens it

Promises: what is kept is its writer's alone, also in a mailbox that several people read; two devices that write at
once lose nothing: the later one stands, and what the other wrote is kept beside it as a draft of its own; a draft ends
in the transaction of the message it became (`ending`), and nothing that a slow device still saves brings it back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from server import access, reading, scopes, uploads
from server.drafts import MAX_SUBJECT, MAX_TEXT
from server.errors import Conflict, Invalid, Throttled, TooLarge
from server.handles import MailboxHandle, SpaceHandle
from storage import drafts, entries
from storage.database import Tx
from storage.drafts import KeptDraft
from storage.ids import new_id, now_ms
from storage.vault import CannotOpen, SpaceKeys

if TYPE_CHECKING:
    from server.app import App
    from server.posting import Doing

MAX_DRAFTS = 100  # of one person in one mailbox
LOOK_AGAIN_S = 5  # how soon a mail client that waits hears that a draft was written on
ENDED_KEPT_MS = 7 * 86_400_000
_ID_LENGTHS = range(16, 41)


class Enclosed(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file of a draft that a mail client keeps. `part`: its place in the mail, as `attachments.cut` takes it."""

    name: str
    type: str
    size: int
    part: str


class AsMail(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a mail client put there, as far as a page must know. `names`: by which the same draft, saved again, is known
    (its Message-ID among them); `to`: whom it is for, as written; `files`: those that no page has taken yet; `at`: its
    date, ms since 1970. `why` a page cannot go on with it: nobody, people (others than a page can write to), long,
    unreadable; "" when it can.
    """

    names: tuple[str, ...] = ()
    to: tuple[str, ...] = ()
    files: tuple[Enclosed, ...] = ()
    at: int = 0
    why: str = ""


class Writing(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is being written. `to`: for a new letter, a conversation with who it is for, and `whom` of it. `uploads`,
    `documents`: files sent ahead, documents of the dossier. `only`: the member it is for alone. `mail`: of what a mail
    client wrote last.
    """

    text: str = ""
    subject: str = ""
    to: str = ""
    whom: str = ""
    in_reply_to: str = ""
    only: str = ""
    uploads: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    mail: AsMail | None = None

    @property
    def empty(self) -> bool:
        return not (self.text.strip() or self.subject.strip() or self.uploads or self.documents or self.mail)

    @property
    def beyond(self) -> bool:
        """Whether it holds what a page would lose."""
        return self.mail is not None and bool(self.mail.files or self.mail.why)


@dataclass(frozen=True, slots=True)
class Kept:
    """A draft as it is kept. `conversation`: "" for a new letter. `at`: ISO 8601. `other`: the draft that keeps what
    another device wrote meanwhile, "" when none did. `seen`: a mail client has seen the version before, which is gone.
    """

    id: str
    version: int
    conversation: str
    writing: Writing
    at: str
    other: str = ""
    seen: bool = False


_json = msgspec.json.Decoder(Writing)


async def keep(
    app: App,
    box: MailboxHandle,
    draft_id: str,
    version: int,
    conversation: str,
    writing: Writing,
    *,
    bare: bool = False,
) -> Kept:
    """Keep what is written, over `version` of it. Nothing is no draft, unless `bare`. Raises `Conflict` (`draft_sent`)
    when it was sent or thrown away, `TooLarge`, `Throttled` (too many drafts), `Invalid`.
    """
    scopes.reads(box)
    if len(writing.text) > MAX_TEXT or len(writing.subject) > MAX_SUBJECT:
        raise TooLarge("text_too_long", f"Le message est trop long ({MAX_TEXT} caractères au plus).")
    if not _is_id(draft_id):
        raise Invalid
    own = await access.own_space(app, box.actor)
    keys = await app.db.read(lambda tx: reading.space_keys(app, tx, box.space_id))
    kept = await app.db.write(_keep, box, keys, draft_id, version, conversation, writing, bare, own)
    if kept.version == 1 or kept.other:
        app.hub.wake({box.mailbox_id})
    elif kept.seen:  # and looks again soon, not at each word: until then, versions have no number and leave no trace
        asyncio.get_running_loop().call_later(LOOK_AGAIN_S, app.hub.wake, {box.mailbox_id})
    return kept


def _is_id(draft_id: str) -> bool:
    return len(draft_id) in _ID_LENGTHS and draft_id.isascii()


def _keep(
    tx: Tx,
    box: MailboxHandle,
    keys: SpaceKeys,
    draft_id: str,
    version: int,
    conversation: str,
    writing: Writing,
    bare: bool,
    own: SpaceHandle,
) -> Kept:
    entries.hold(tx, box.mailbox_id)
    at, me = now_ms(), box.actor.account_id
    known = drafts.find(tx, box.mailbox_id, draft_id)
    kept = Kept(draft_id, version, conversation, writing, reading.iso(at))
    if known is None:
        if writing.empty and not bare:
            return replace(kept, version=0)
        uploads.hold(tx, own, writing.uploads, ())
        _insert(tx, box, keys, kept, at)
        return replace(kept, version=1)
    if known.ended_at is not None or known.account_id != me:
        raise Conflict("draft_sent", "Ce brouillon a déjà été envoyé ou supprimé.")
    before = opened(keys, known)
    if known.version != version and (before is None or _same(before.writing, writing)):
        return replace(kept, version=known.version)
    other = _beside(tx, box, keys, known, before, writing, late=known.version != version)
    uploads.hold(tx, own, writing.uploads, before.writing.uploads if before and not other else ())
    if writing.empty and not bare and known.version == version:
        drafts.remove(tx, box.mailbox_id, draft_id)
        return replace(kept, version=0, other=other)
    if not other or known.blob_id == "":
        drafts.leave(tx, box.mailbox_id, known)
    sealed = keys.seal("draft", draft_id, msgspec.json.encode(writing))
    drafts.update(tx, box.mailbox_id, draft_id, known.version, sealed, at)
    return replace(kept, version=known.version + 1, other=other, seen=bool(known.uid))


def _same(before: Writing, now: Writing) -> bool:
    return msgspec.structs.replace(before, mail=None) == now and not before.beyond


def _beside(
    tx: Tx, box: MailboxHandle, keys: SpaceKeys, known: KeptDraft, before: Kept | None, now: Writing, *, late: bool
) -> str:
    """What would be lost is kept as a draft of its own: what another device wrote meanwhile, what only a mail client
    can show. Returns its id, "" when nothing would.
    """
    if before is None or before.writing.empty or not (before.writing.beyond or (late and not _goes_on(before, now))):
        return ""
    if known.blob_id:
        return _part(tx, box, keys, known, before)
    other = new_id()
    _insert(tx, box, keys, replace(before, id=other), known.updated_at)
    return other


def _part(tx: Tx, box: MailboxHandle, keys: SpaceKeys, known: KeptDraft, before: Kept) -> str:
    """The mail of a draft is a draft of its own from now on. Returns its id."""
    other = new_id()
    sealed = keys.seal("draft", other, msgspec.json.encode(before.writing))
    drafts.part(tx, box.mailbox_id, known, other, sealed)
    return other


def _goes_on(kept: Kept, now: Writing) -> bool:
    """Whether nothing of it is lost: as when a page that closes sends its last words before an answer came. In a
    conversation the subject is the conversation's.
    """
    before = kept.writing
    return (
        now.text.startswith(before.text)
        and (bool(kept.conversation) or now.subject.startswith(before.subject))
        and {*before.uploads, *before.documents} <= {*now.uploads, *now.documents}
    )


def _insert(tx: Tx, box: MailboxHandle, keys: SpaceKeys, kept: Kept, at: int) -> None:
    me = box.actor.account_id
    if len(drafts.of(tx, box.mailbox_id, me)) >= MAX_DRAFTS:
        raise Throttled("too_many_drafts", "Vous avez trop de brouillons. Supprimez-en, puis réessayez.")
    entries.next_seq(tx, box.mailbox_id)  # the list says « brouillon »: other devices ask for it again
    row = KeptDraft(kept.id, box.space_id, kept.conversation, me, b"", 1, at)
    drafts.insert(tx, box.mailbox_id, row, keys.seal("draft", kept.id, msgspec.json.encode(kept.writing)))


def opened(keys: SpaceKeys, row: KeptDraft) -> Kept | None:
    """None when it does not open: it is then as if it were not there."""
    try:
        writing = _json.decode(keys.open("draft", row.id, row.body))
    except (CannotOpen, msgspec.DecodeError):
        return None
    return Kept(row.id, row.version, row.conversation_id, writing, reading.iso(row.updated_at))


async def kept(app: App, box: MailboxHandle, conversation: str | None = None) -> list[Kept]:
    """What this person is writing in a mailbox (in one conversation; "" for new letters), the newest first."""
    scopes.reads(box)

    def find(tx: Tx) -> list[Kept]:
        keys = reading.space_keys(app, tx, box.space_id)
        rows = drafts.of(tx, box.mailbox_id, box.actor.account_id, conversation)
        found = [(item, row.uid) for row in rows if (item := opened(keys, row)) is not None]
        older = _saved_again(app, found)
        return [item for item, _ in found if item.id not in older and not item.writing.empty]

    return await app.db.read(find)


def _saved_again(app: App, found: list[tuple[Kept, int]]) -> set[str]:
    """The drafts that a mail client saved anew under one of their names, and whose older mail it has not taken away
    yet: a page shows the newer alone.
    """
    seen: set[str] = set()
    older = set()
    for item, uid in sorted(found, key=lambda one: one[1], reverse=True):
        names = names_of(app, item)
        if uid and not seen.isdisjoint(names):
            older.add(item.id)
        seen.update(names)
    return older


def names_of(app: App, kept: Kept) -> tuple[str, ...]:
    """By which a mail client that saves a draft again may name it; the Message-ID of its mail comes first."""
    mail = kept.writing.mail
    return mail.names if mail is not None else (f"{kept.id}.{kept.version}@{app.settings.mail_domain}",)


async def one(app: App, box: MailboxHandle, draft_id: str) -> Kept | None:
    """A draft of this person, or None when it is not there (any more)."""
    scopes.reads(box)

    def find(tx: Tx) -> Kept | None:
        row = drafts.find(tx, box.mailbox_id, draft_id)
        if row is None or row.ended_at is not None or row.account_id != box.actor.account_id:
            return None
        return opened(reading.space_keys(app, tx, box.space_id), row)

    return await app.db.read(find)


async def throw_away(app: App, box: MailboxHandle, draft_id: str) -> bool:
    """Whether there was one. Its files go within a day."""
    own = await access.own_space(app, box.actor)

    def end(tx: Tx) -> bool:
        entries.next_seq(tx, box.mailbox_id)
        row = drafts.find(tx, box.mailbox_id, draft_id)
        if not drafts.end(tx, box.mailbox_id, box.actor.account_id, draft_id, now_ms()):
            return False
        item = opened(reading.space_keys(app, tx, box.space_id), row) if row else None
        uploads.hold(tx, own, (), item.writing.uploads if item else ())
        return True

    ended = await app.db.write(end)
    app.hub.wake({box.mailbox_id})
    return ended


def ending(box: MailboxHandle, draft_id: str) -> Callable[[Doing], None]:
    """The effect of sending it: the draft ends in the transaction of its message. A file that no page could take, and
    so was not sent, stays in the mail of whose client put it there.
    """

    def end(app: App, tx: Tx) -> None:
        at, me = now_ms(), box.actor.account_id
        known = drafts.find(tx, box.mailbox_id, draft_id)
        if known is not None and known.account_id == me and known.blob_id:
            keys = reading.space_keys(app, tx, box.space_id)
            before = opened(keys, known)
            if before is not None and before.writing.beyond:
                _part(tx, box, keys, known, before)
        if not drafts.end(tx, box.mailbox_id, me, draft_id, at):
            drafts.never(tx, box.mailbox_id, KeptDraft(draft_id, box.space_id, "", me, b"", 0, at), at)

    def effect(doing: Doing) -> None:
        if _is_id(draft_id):
            doing.then.append(lambda: end(doing.app, doing.tx))

    return effect
