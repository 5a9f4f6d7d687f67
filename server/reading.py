"""Reading a mailbox: since(), thread(), mark_read(). One reader for every door; the list of conversations stands in
`server.listing`.

Readers pull from a cursor; the same `since` serves a live socket, IMAP, a bot’s long poll and a page.
Each takes a handle that `access` gave.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from server import access, actions, corrections, receipts, scopes, statuses, versions
from server.drafts import Author, Body, FileFacts
from server.errors import Refused
from server.forms import progress
from server.handles import ConversationHandle, MailboxHandle
from server.views import AuthorView, Entry, MessageView, Page
from storage import accounts, entries, messages, pages
from storage import conversations as talks
from storage.database import Tx
from storage.messages import Answer, Attachment, Message
from storage.vault import CannotOpen, SpaceKeys

if TYPE_CHECKING:
    from server.app import App

MAX_PAGE = 200
TOGETHER = 50  # bodies read by one statement
PAGE_OCTETS = 1_048_576  # of sealed bodies: a page is one frame of a socket, and a phone holds it whole
_body = msgspec.json.Decoder(Body)
_facts = msgspec.json.Decoder(FileFacts)
_END = 2**62
_DAMAGED = "Ce message est abîmé et ne peut pas être affiché. Il a été signalé."


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody of a conversation, with the address mail reaches them at."""

    member_id: str
    kind: str
    name: str
    address: str
    role: str = ""
    organisation: str = ""


@dataclass(frozen=True, slots=True)
class _Beside:
    """What is read for all messages of a page at once; a message, a file is named by (space, id)."""

    files: dict[pages.Name, list[Attachment]]
    filed: set[pages.Name]
    corrected: set[pages.Name]
    answers: dict[pages.Name, list[Answer]]
    begun: dict[pages.Name, tuple[bytes, bool]]
    statuses: dict[str, statuses.Status]


@dataclass(frozen=True, slots=True)
class OpenMessage:
    """A message opened for the mail side."""

    message: Message
    body: Body
    files: list[tuple[Attachment, FileFacts]]
    participants: list[Contact]


def iso(ms: int) -> str:
    """Milliseconds since 1970 as ISO 8601 UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def keys_of(app: App, tx: Tx, space_id: str, known: dict[str, SpaceKeys]) -> SpaceKeys:
    """The keys of a space, looked up once; of one that was destroyed, keys that open nothing. Raises `Refused`."""
    keys = known.get(space_id)
    if keys is None:
        space = accounts.space(tx, space_id)
        if space is None:
            raise Refused
        wrapped = space.wrapped_key
        keys = known[space_id] = app.vault.space(space_id, wrapped) if wrapped else app.vault.lost(space_id)
    return keys


def furthest(elsewhere: bool, known: Iterable[tuple[str, int, str]]) -> tuple[str, str, str]:
    """The furthest of the states (state, at, who) of a message: read, failed, delivered or delayed, sent; with its time
    and who. What is in a mailbox here is delivered; what goes `elsewhere` is sent until we hear of it.
    """
    order = {"sent": 0, "delivered": 1, "delayed": 1, "confirmed": 1, "failed": 2, "read": 3}
    state, at, who = "sent" if elsewhere else "delivered", "", ""
    for told, when, name in known:
        if order[told] > order[state] or order[told] == order[state] == 1:  # on its way, the newest counts
            state, at, who = "delivered" if told == "confirmed" else told, iso(when), name
    return state, at, who


def body_of(keys: SpaceKeys, message: Message) -> Body:
    """What a message says. Raises `CannotOpen`."""
    return _body.decode(keys.open("body", message.id, message.body))


def _own(message: Message, member: str) -> bool:
    return message.author_id == member and message.kind != "bounce"


def _view(app: App, tx: Tx, keys: SpaceKeys, message: Message, member: str, beside: _Beside) -> MessageView:
    """A message as the member (an account's id) sees it. Raises `CannotOpen`."""
    body, name = body_of(keys, message), (keys.space_id, message.id)
    mine = _own(message, member)
    files = [
        versions.file_view(tx, keys, attachment, member, filed=(keys.space_id, attachment.id) in beside.filed)
        for attachment in beside.files.get(name, ())
    ]
    card = body.card
    if card is not None:
        card = actions.present(card, beside.answers.get(name, ()), keys)
        if name in beside.begun:
            card |= progress.begun(keys, message.id, card, beside.begun[name])
    status = beside.statuses.get(message.id, statuses.Status())
    text, before = corrections.wordings(tx, keys, message, body) if name in beside.corrected else (body.text, [])
    return MessageView(
        message.id,
        iso(message.at),
        author_view(body.author),
        mine,
        message.kind,
        body.subject,
        text,
        body.html,
        card,
        body.answer,
        files,
        message.in_reply_to,
        status.state,
        status.at,
        status.by,
        body.mail is not None and body.mail.automatic,
        list(body.addressed.values()),
        before,
        iso(until) if mine and (until := corrections.until(app, message)) else "",
        list(status.recipients),
    )


def author_view(author: Author) -> AuthorView:
    return AuthorView(
        author.kind, author.name, author.role, author.organisation, author.acting_for, author.acting_as, author.sex
    )


def lost(message: Message, member: str) -> MessageView:
    """A message whose sealing does not open: shown as such, alone; the rest of the mailbox is unaffected."""
    author = AuthorView(message.author_kind, "")
    return MessageView(message.id, iso(message.at), author, message.author_id == member, "text", "", _DAMAGED)


def shown_in(app: App, tx: Tx, box_owner: str, found: list[entries.Entry]) -> list[Entry]:
    """The entries as their owner sees them: the first ones that `PAGE_OCTETS` hold together, and at least one."""
    known: dict[str, SpaceKeys] = {}
    held = list(_held(tx, found))
    beside = _beside(app, tx, box_owner, [(entry.space_id, message) for entry, message in held], known)
    out: list[Entry] = []
    for entry, message in held:
        try:
            shown = _view(app, tx, keys_of(app, tx, entry.space_id, known), message, box_owner, beside)
        except CannotOpen:
            app.metrics.unopened()
            shown = lost(message, box_owner)
        out.append(Entry(entry.seq, entry.kind, entry.conversation_id, shown))
    return out


def _held(tx: Tx, found: list[entries.Entry]) -> Iterator[tuple[entries.Entry, Message]]:
    """The entries with their messages, as many as `PAGE_OCTETS` hold; read some at a time, to hold no more."""
    room, first = PAGE_OCTETS, True
    for start in range(0, len(found), TOGETHER):
        some = found[start : start + TOGETHER]
        known = pages.messages_of(tx, [(entry.space_id, entry.message_id) for entry in some])
        for entry in some:
            message = known.get((entry.space_id, entry.message_id))
            if message is None:
                continue
            room -= len(message.body)
            if room < 0 and not first:
                return
            first = False
            yield entry, message


def _beside(app: App, tx: Tx, owner: str, found: list[tuple[str, Message]], known: dict[str, SpaceKeys]) -> _Beside:
    """What stands beside these messages, each (space, message), in a few statements for all of them."""
    files = pages.attachments_of(tx, [(space, message.id) for space, message in found if message.files])
    told: dict[str, statuses.Status] = {}
    talk = {
        (space, message.conversation_id): keys_of(app, tx, space, known)
        for space, message in found
        if _own(message, owner)
    }
    for (space, conversation_id), keys in talk.items():
        mine = [m for where, m in found if where == space and m.conversation_id == conversation_id and _own(m, owner)]
        people = _others(app, tx, keys, conversation_id, "")
        told |= statuses.of(tx, keys, conversation_id, mine, people)
    cards = [(space, message.id) for space, message in found if message.kind == "card"]
    return _Beside(
        files,
        pages.filed_of(tx, [(space, file.id) for (space, _), some in files.items() for file in some]),
        pages.corrected_of(tx, [(space, message.id) for space, message in found if message.kind == "text"]),
        pages.answers_of(tx, cards),
        pages.begun_of(tx, cards, owner),
        told,
    )


async def since(app: App, box: MailboxHandle, cursor: int, limit: int = 100) -> Page:
    """Entries of this mailbox after `cursor`, in order: at most `limit` (200 at most) and `PAGE_OCTETS`."""
    return await app.db.read(since_in, app, box, cursor, limit)


def since_in(tx: Tx, app: App, box: MailboxHandle, cursor: int, limit: int) -> Page:
    """`since` inside a transaction: for a reader of many mailboxes in one go."""
    scopes.reads(box)
    limit = max(1, min(limit, MAX_PAGE))
    found = entries.since(tx, box.mailbox_id, cursor, limit + 1)
    shown = shown_in(app, tx, box.owner, found[:limit])
    more = len(found) > limit or (bool(shown) and shown[-1].seq < found[-1].seq)
    last = shown[-1].seq if more else max(entries.last_seq(tx, box.mailbox_id), cursor)
    return Page(shown, last, more)


async def cursor(app: App, box: MailboxHandle) -> int:
    """The end of the mailbox as it stands."""
    return await app.db.read(entries.last_seq, box.mailbox_id)


async def thread(app: App, conversation: ConversationHandle, before: int | None = None, limit: int = 50) -> Page:
    """The newest `limit` entries of a conversation below `before`, oldest first. `cursor`: the oldest's number; `more`:
    older exist.
    """
    limit = max(1, min(limit, MAX_PAGE))

    def pull(tx: Tx) -> Page:
        found = entries.page(tx, conversation.through, conversation.conversation_id, before or _END, limit + 1)
        shown = shown_in(app, tx, conversation.member, found[:limit])[::-1]
        more = len(found) > limit or (bool(shown) and shown[0].seq > found[-1].seq)
        return Page(shown, shown[0].seq if shown else 0, more)

    return await app.db.read(pull)


async def message(app: App, conversation: ConversationHandle, message_id: str) -> Entry:
    """One entry of a conversation, in its present state. Raises `Refused`."""

    def pull(tx: Tx) -> Entry:
        entry = entries.present(tx, conversation.through, message_id)
        if entry is None or entry.conversation_id != conversation.conversation_id:
            raise Refused
        return shown_in(app, tx, conversation.member, [entry])[0]

    return await app.db.read(pull)


def _others(app: App, tx: Tx, keys: SpaceKeys, conversation_id: str, but: str) -> list[Contact]:
    """The participants of a conversation, but for one member."""
    from server import people

    found = []
    for member in talks.participants(tx, keys.space_id, conversation_id):
        if member.member_id == but:
            continue
        if member.kind == "contact":
            card = talks.contact_card(tx, keys.space_id, member.member_id)
            if card is not None:
                known = msgspec.json.decode(keys.open("contact", member.member_id, card))
                name, address = known["name"], known["address"]  # beside the name, as `people.correspondent` says
                found.append(Contact(member.member_id, "professional", name, address, known.get("role", ""), address))
            continue
        account = accounts.by_id(tx, member.member_id)
        if account is None:
            continue
        name, address = account.name, account.address or ""
        if account.kind == "holder":
            traits = people.traits(app, tx, account.space_id)
            name = traits.name if traits else ""
            address = f"{traits.ins}@{app.settings.patient_domain}" if traits else ""
        found.append(Contact(account.id, account.kind, name, address, account.role, account.organisation))
    return found


async def people_in(app: App, conversation: ConversationHandle) -> list[Contact]:
    """Everybody who takes part in a conversation."""
    return await app.db.read(lambda tx: _others(app, tx, conversation.keys, conversation.conversation_id, ""))


async def unread(app: App, box: MailboxHandle) -> int:
    """One number, counted in the transactions that change it: the same on every device and in IMAP."""
    scopes.reads(box)
    return await app.db.read(entries.unread, box.mailbox_id)


async def mark_read(app: App, conversation: ConversationHandle, up_to: int, since: int = 0) -> int:
    """Mark the conversation read up to that number (from `since` on); returns what is left unread in the mailbox."""

    def mark(tx: Tx) -> tuple[int, set[str], bool]:
        access.confirm_reading(tx, conversation)
        wake: set[str] = set()
        asked = conversation.through, conversation.conversation_id, up_to
        waiting = entries.unseen_up_to(tx, *asked)
        entries.hold_to_read(tx, conversation.through, [entry.seq for entry in waiting[-500:]])
        unseen = entries.unseen_up_to(tx, *asked)
        seen = [entry for entry in unseen if entry.seq >= since]
        told = [flag(app, tx, conversation.member, entry, entry.flags | entries.SEEN, wake) for entry in seen]
        return entries.unread(tx, conversation.through), wake, any(owed for _, _, owed in told)

    left, wake, owed = await app.db.write(mark)
    app.hub.wake(wake)
    if owed:
        app.delivery.wake()
    return left


def flag(app: App, tx: Tx, reader: str, entry: entries.Entry, flags: int, wake: set[str]) -> tuple[int, int, bool]:
    """Flags of one entry, and what a first reading brings with it. Returns the number of this move, the flags as they
    are now, whether a receipt is owed. $MDNSent says to a mail client that the author is told: that it sends no second
    receipt (RFC 3503).
    """
    owed = False
    if flags & ~entry.flags & entries.SEEN:
        owed, told = _first_reading(app, tx, reader, entry, wake)
        flags |= entries.MDN_SENT if told else 0
    modseq = entries.set_flags(tx, entry, flags)
    wake.add(entry.mailbox_id)
    return modseq, flags, owed


def _first_reading(app: App, tx: Tx, reader: str, entry: entries.Entry, wake: set[str]) -> tuple[bool, bool]:
    """(a receipt is owed now, the author asked for one and is told by Pli)."""
    message = messages.find(tx, entry.space_id, entry.message_id)
    if message is None or message.author_id == reader:
        return False, False
    if not messages.add_receipt(tx, entry.space_id, entry.message_id, reader, "read"):
        return False, False
    author = tell_author(tx, entry.space_id, message)
    wake.update(author)
    if not message.raw_blob:
        return False, False
    keys = keys_of(app, tx, entry.space_id, {})
    owed = receipts.owe(tx, keys, message, reader)
    return owed, owed or (bool(author) and receipts.asked(keys, message))


def tell_author(tx: Tx, space_id: str, message: Message) -> set[str]:
    """A change entry for whoever wrote it: its state moved."""
    for member in talks.participants(tx, space_id, message.conversation_id):
        if member.member_id == message.author_id and member.mailbox_id:
            entries.change(tx, member.mailbox_id, message.id)
            return {member.mailbox_id}
    return set()


async def open_unchecked(app: App, keys: SpaceKeys, message_id: str) -> OpenMessage:
    """A message with its files and people, **without asking who reads**: for the mail side, which holds a handle or
    owes a delivery. Raises `Refused`, `CannotOpen`.
    """

    def pull(tx: Tx) -> OpenMessage:
        found = messages.find(tx, keys.space_id, message_id)
        if found is None:
            raise Refused
        body = body_of(keys, found)
        files = [
            (a, _facts.decode(keys.open("file", a.id, a.facts)))
            for a in messages.attachments(tx, keys.space_id, message_id)
        ]
        return OpenMessage(found, body, files, _others(app, tx, keys, found.conversation_id, ""))

    return await app.db.read(pull)


def space_keys(app: App, tx: Tx, space_id: str) -> SpaceKeys:
    """The keys of a space for code that works on rows it already owns. Raises `Refused`, `CannotOpen`."""
    return keys_of(app, tx, space_id, {})
