r"""What a mail client does to the messages of a folder: flags, other folders, out of the mailbox. And what the web does
of the same: a conversation is archived, or followed.

    mail client  STORE, MOVE, COPY, EXPUNGE  →  one transaction  ←  archive, star  the web

Promises: a chunk of `TOGETHER` messages is one commit, in which the right to the mailbox is asked again and the mailbox
held: two clients at once each keep their part. A first reading is a receipt for the author. What leaves the inbox last
archives its conversation, what comes back brings it back. \Answered ends the waiting for an answer. What is expunged is
gone from this mailbox and is nowhere shown in it; everybody else, the patient first, keeps it. What arrives stands in
the inbox, also of a conversation that was archived and muted: the web keeps that one away and counts it as unread.

Does not: serve patients, whose mailboxes no mail client opens; know the protocol's words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from server import access, audit, reading, scopes
from server import keywords as words
from server.audit import Act
from server.errors import Refused
from server.handles import ConversationHandle, MailboxHandle
from storage import entries, filing, mail_sizes, marks, placements
from storage import keywords as kept
from storage.database import Tx
from storage.entries import ANSWERED, DELETED, FLAGGED, MDN_SENT, SEEN
from storage.marks import ARCHIVED
from storage.placements import ARCHIVE, INBOX, TRASH, Place

if TYPE_CHECKING:
    from server.app import App

TOGETHER = 100  # messages a commit
GONE_MOST = 200  # messages that a page which is open is told to take away
T = TypeVar("T")


class Changed(NamedTuple):
    """A message whose flags were set, as they stand. `modseq`: RFC 7162."""

    uid: int
    flags: int
    modseq: int


@dataclass(slots=True)
class _Doing:
    """One transaction of a client: who must be woken, and whether a receipt is owed."""

    app: App
    tx: Tx
    box: MailboxHandle
    wake: set[str] = field(default_factory=set)
    owed: bool = False


async def store(
    app: App,
    box: MailboxHandle,
    folder: str,
    uids: Sequence[int],
    change: Callable[[int], int],
    unchanged_since: int | None = None,
) -> tuple[list[Changed], list[int]]:
    """`change` is given the flags of this instant. Returns what was set, and what was left because it had moved after
    `unchanged_since` (RFC 7162 § 3.1.3); what has left the folder is in neither. Keywords that Pli alone gives stay as
    they are, and $MDNSent once it is there (RFC 3503 § 3.1). Raises `Refused`.
    """
    done: list[Changed] = []
    modified: list[int] = []
    for some in _chunks(uids):
        changed, left = await _write(app, box, _store, folder, some, change, unchanged_since, reads=(folder, some))
        done += changed
        modified += left
    return done, modified


def _store(
    doing: _Doing, folder: str, uids: Sequence[int], change: Callable[[int], int], unchanged_since: int | None
) -> tuple[list[Changed], list[int]]:
    done: list[Changed] = []
    modified: list[int] = []
    ours = kept.assigned_mask(doing.tx, doing.box.mailbox_id)
    for place in placements.found(doing.tx, doing.box.mailbox_id, folder, uids):
        if unchanged_since is not None and place.modseq > unchanged_since:
            modified.append(place.uid)
            continue
        wanted = change(place.flags) & ~ours | place.flags & (ours | MDN_SENT)
        done.append(_set(doing, folder, place, wanted))
    return done, modified


def _set(doing: _Doing, folder: str, place: Place, wanted: int) -> Changed:
    tx, mailbox = doing.tx, doing.box.mailbox_id
    flags, modseq = place.flags, place.modseq
    entry = placements.entry_of(place, mailbox, folder)
    if place.uid != place.seq:  # not where it arrived: \Deleted is this place's own
        if (wanted ^ flags) & DELETED:
            modseq = placements.mark_deleted(tx, mailbox, place, bool(wanted & DELETED))
        found = entries.of_message(tx, mailbox, place.message_id)
        assert found is not None  # noqa: S101 - the place is of this entry
        entry = found
    here = DELETED if place.uid != place.seq else 0
    becomes = wanted & ~here | entry.flags & here
    if becomes != entry.flags:
        modseq, becomes, owed = reading.flag(doing.app, tx, doing.box.owner, entry, becomes, doing.wake)
        doing.owed |= owed
        if becomes & ANSWERED and not entry.flags & ANSWERED:
            filing.answered(tx, mailbox, place.conversation_id, place.seq)
    return Changed(place.uid, becomes & ~here | wanted & here, modseq)


async def move(app: App, box: MailboxHandle, folder: str, uids: Sequence[int], to: str) -> list[tuple[int, int]]:
    """Into another folder: (number here, number there) of each that was there. Raises `Refused`."""
    return [pair for some in _chunks(uids) for pair in await _write(app, box, _move, folder, some, to, True)]


async def copy(app: App, box: MailboxHandle, folder: str, uids: Sequence[int], to: str) -> list[tuple[int, int]]:
    """As `move`, and they stay where they are too. There is one message all the same, with one read state."""
    return [pair for some in _chunks(uids) for pair in await _write(app, box, _move, folder, some, to, False)]


def _move(doing: _Doing, folder: str, uids: Sequence[int], to: str, leaves: bool) -> list[tuple[int, int]]:
    tx, mailbox = doing.tx, doing.box.mailbox_id
    pairs: list[tuple[int, int]] = []
    touched: dict[str, None] = {}
    for place in placements.found(tx, mailbox, folder, uids):
        there = filing.move(tx, mailbox, folder, place, to) if leaves else placements.place(tx, mailbox, place.seq, to)
        pairs.append((place.uid, there))
        touched[place.conversation_id] = None
    if to == INBOX:
        _brought_back(doing, touched)
    elif leaves and folder == INBOX:
        _left_inbox(doing, touched)
    return pairs


async def bring_back(app: App, box: MailboxHandle, reference_hash: str, to: str, flags: int) -> int:
    r"""A message that is gone from here, by its Message-ID (hashed), stands in a folder again: some programs that move
    a mail take it away from the one folder before they put it into the other. It is \Seen and \Flagged as `flags` says.
    Returns its number there, 0 when none such is gone. Raises `Refused`.
    """
    return await _write(app, box, _bring_back, reference_hash, to, flags)


def _bring_back(doing: _Doing, reference_hash: str, to: str, flags: int) -> int:
    tx, mailbox = doing.tx, doing.box.mailbox_id
    message = mail_sizes.gone(tx, mailbox, reference_hash)
    entry = entries.of_message(tx, mailbox, message)
    if entry is None:
        return 0
    uid = placements.bring_back(tx, entry, to)
    entries.set_flags(tx, entry, entry.flags & ~SEEN)  # as it was before it was gone, or as it may have been
    unread = entries.of_message(tx, mailbox, message) or entry
    wanted = unread.flags | flags & (SEEN | FLAGGED)
    doing.owed |= reading.flag(doing.app, tx, doing.box.owner, unread, wanted, doing.wake)[2]
    filing.settle(tx, mailbox, entry.conversation_id)
    if to == INBOX:
        _brought_back(doing, [entry.conversation_id])
    return uid


async def expunge(app: App, box: MailboxHandle, folder: str, uids: Sequence[int] | None = None) -> list[int]:
    r"""What is marked \Deleted in the folder (of `uids`, when given) leaves it; returns the numbers that left. Of its
    last place, a message is gone from this mailbox. Raises `Refused`.
    """
    if uids is None:
        rows = await app.db.read(placements.listed, box.mailbox_id, folder)
        uids = [uid for uid, _, flags, _ in rows if flags & DELETED]
    return [uid for some in _chunks(uids) for uid in await _write(app, box, _expunge, folder, some)]


def _expunge(doing: _Doing, folder: str, uids: Sequence[int]) -> list[int]:
    tx, box = doing.tx, doing.box
    touched: dict[str, None] = {}
    left = [place for place in placements.found(tx, box.mailbox_id, folder, uids) if place.flags & DELETED]
    for place in left:
        placements.leave(tx, box.mailbox_id, folder, place)
        audit.record(tx, Act.MESSAGE_REMOVED, box.actor, place.space_id, box.ground, place.message_id)
        touched[place.conversation_id] = None
    for conversation in touched:
        filing.settle(tx, box.mailbox_id, conversation)
    if folder == INBOX:
        _left_inbox(doing, touched)
    return [place.uid for place in left]


# ---- the conversation on the web -------------------------------------------------------------------------------------


def _left_inbox(doing: _Doing, conversations: Iterable[str]) -> None:
    """Nothing of a conversation is in the inbox any more: it is archived."""
    tx, box = doing.tx, doing.box
    for conversation in conversations:
        if not filing.in_inbox(tx, box.mailbox_id, conversation):
            seq = entries.next_seq(tx, box.mailbox_id)
            marks.put(tx, box.mailbox_id, conversation, ARCHIVED, "on", box.actor.account_id, seq)


def _brought_back(doing: _Doing, conversations: Iterable[str]) -> None:
    tx, box = doing.tx, doing.box
    for mark in marks.of(tx, box.mailbox_id, list(conversations)):
        if mark.kind == ARCHIVED:
            seq = entries.next_seq(tx, box.mailbox_id)
            marks.put(tx, box.mailbox_id, mark.conversation_id, ARCHIVED, "off", box.actor.account_id, seq)


def archived(tx: Tx, box: MailboxHandle, conversation_id: str, on: bool) -> None:
    """A conversation was archived on the web, or brought back: its messages follow, in that transaction. What is sent
    stays in Sent; what was thrown away comes back when nothing else can.
    """
    if box.owner_kind == "holder":
        return
    if on:
        filing.move_all(tx, box.mailbox_id, conversation_id, INBOX, ARCHIVE)
    elif not filing.move_all(tx, box.mailbox_id, conversation_id, ARCHIVE, INBOX, but=box.owner):
        filing.move_all(tx, box.mailbox_id, conversation_id, TRASH, INBOX, but=box.owner)


async def follow(app: App, box: MailboxHandle, conversation: ConversationHandle, on: bool) -> None:
    r"""« À suivre »: the last message received is \Flagged; to follow it no longer, none is. Raises `Refused`."""
    await _write(app, box, _follow, conversation.conversation_id, on)


def _follow(doing: _Doing, conversation_id: str, on: bool) -> None:
    tx, box = doing.tx, doing.box
    known = filing.followed(tx, box.mailbox_id, conversation_id)
    if not on:
        for entry in known:
            entries.set_flags(tx, entry, entry.flags & ~FLAGGED)
    elif not known and (chosen := filing.to_follow(tx, box.mailbox_id, conversation_id, box.owner)) is not None:
        entries.set_flags(tx, chosen, chosen.flags | FLAGGED)


async def keywords(app: App, box: MailboxHandle) -> dict[int, str]:
    """The keywords of a mailbox: place of the bit → name. Those that Pli gives are among them."""
    scopes.reads(box)
    return await app.db.read(words.names, app, box)


async def name_keywords(app: App, box: MailboxHandle, names: Sequence[str]) -> dict[str, int]:
    """The place of each of these names, as they were asked for; made when missing. A name that only Pli gives, and that
    nobody has, is left out. Raises `Refused`; `Throttled` when the mailbox has no room for more.
    """
    known = await app.db.read(words.places, app, box, names)
    return known if known is not None else await _write(app, box, _name_keywords, names)


def _name_keywords(doing: _Doing, names: Sequence[str]) -> dict[str, int]:
    return words.make(doing.app, doing.tx, doing.box, names)


async def gone(app: App, box: MailboxHandle, conversation_id: str) -> list[str]:
    """What was expunged of a conversation, for a page that shows it: the last `GONE_MOST` messages."""
    scopes.reads(box)
    if box.owner_kind == "holder":
        return []
    return await app.db.read(filing.gone, box.mailbox_id, conversation_id, GONE_MOST)


# ---- one transaction -------------------------------------------------------------------------------------------------


async def _write(
    app: App, box: MailboxHandle, fn: Callable[..., T], *args: object, reads: tuple[str, Sequence[int]] = (INBOX, ())
) -> T:
    """`fn(doing, *args)` in one transaction; then whoever must hear of it is woken. `reads`: the messages of a folder
    that may be read by it for the first time.
    """

    def work(tx: Tx) -> tuple[T, _Doing]:
        doing = _Doing(app, tx, box, {box.mailbox_id})
        if box.owner_kind == "holder":
            raise Refused
        access.still_open(app, tx, box)
        read = placements.found(tx, box.mailbox_id, *reads)
        entries.hold_to_read(tx, box.mailbox_id, [place.seq for place in read if not place.flags & SEEN])
        return fn(doing, *args), doing

    told, doing = await app.db.write(work)
    app.hub.wake(doing.wake)
    if doing.owed:
        app.delivery.wake()
    return told


def _chunks(uids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(uids), TOGETHER):
        yield uids[start : start + TOGETHER]
