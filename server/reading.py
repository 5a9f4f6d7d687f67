"""Reading a mailbox: since(), thread(), conversations(), mark_read(). One reader for every door.

Readers pull from a cursor; the same `since` serves a live socket, IMAP, a bot’s long poll and a page.
Each takes a handle that `access` gave.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from server import access, actions, exchanges, receipts, versions
from server.drafts import Body, FileFacts
from server.errors import Refused
from server.handles import ConversationHandle, MailboxHandle
from server.views import AuthorView, ConversationView, Entry, FileView, MessageView, Page
from storage import accounts, entries, messages
from storage import conversations as talks
from storage import exchanges as standings
from storage.database import Tx
from storage.messages import Attachment, Message
from storage.vault import CannotOpen, SpaceKeys

if TYPE_CHECKING:
    from server.app import App

MAX_PAGE = 200
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
    """The keys of a space, looked up once. Raises `Refused`, `CannotOpen`."""
    keys = known.get(space_id)
    if keys is None:
        space = accounts.space(tx, space_id)
        if space is None:
            raise Refused
        keys = known[space_id] = app.vault.space(space_id, space.wrapped_key)
    return keys


def _status(tx: Tx, keys: SpaceKeys, message: Message) -> tuple[str, str, str]:
    """The furthest state known: read, failed, delivered or delayed, sent; with its time and who. What is in a mailbox
    here is delivered.
    """
    order = {"sent": 0, "delivered": 1, "delayed": 1, "confirmed": 1, "failed": 2, "read": 3}
    elsewhere = any(
        member.kind == "contact" for member in talks.participants(tx, keys.space_id, message.conversation_id)
    )
    state, at, who = "sent" if elsewhere else "delivered", "", ""
    for member, known, when in messages.receipts(tx, keys.space_id, message.id):
        if order[known] > order[state] or order[known] == order[state] == 1:  # on its way, the newest counts
            account = accounts.by_id(tx, member)
            state, at, who = "delivered" if known == "confirmed" else known, iso(when), account.name if account else ""
    return state, at, who


def body_of(keys: SpaceKeys, message: Message) -> Body:
    """What a message says. Raises `CannotOpen`."""
    return _body.decode(keys.open("body", message.id, message.body))


def view(app: App, tx: Tx, keys: SpaceKeys, message: Message, member: str) -> MessageView:
    """A message as the member (an account's id) sees it. Raises `CannotOpen`."""
    body = body_of(keys, message)
    mine = message.author_id == member and message.kind != "bounce"
    files: list[FileView] = []
    if message.files:
        found = messages.attachments(tx, keys.space_id, message.id)
        files = [versions.file_view(tx, keys, attachment, member) for attachment in found]
    card = body.card
    if card is not None:
        card = actions.present(card, messages.answers(tx, keys.space_id, message.id), keys)
    status, status_at, status_by = _status(tx, keys, message) if mine else ("delivered", "", "")
    author = body.author
    return MessageView(
        message.id,
        iso(message.at),
        AuthorView(author.kind, author.name, author.role, author.organisation, author.acting_for),
        mine,
        message.kind,
        body.subject,
        body.text,
        body.html,
        card,
        body.answer,
        files,
        message.in_reply_to,
        status,
        status_at,
        status_by,
        body.mail is not None and body.mail.automatic,
    )


def _lost(message: Message, member: str) -> MessageView:
    """A message whose sealing does not open: shown as such, alone; the rest of the mailbox is unaffected."""
    author = AuthorView(message.author_kind, "")
    return MessageView(message.id, iso(message.at), author, message.author_id == member, "text", "", _DAMAGED)


def shown_in(app: App, tx: Tx, box_owner: str, found: list[entries.Entry]) -> list[Entry]:
    """The entries as their owner sees them: the first ones that `PAGE_OCTETS` hold together, and at least one."""
    known: dict[str, SpaceKeys] = {}
    out: list[Entry] = []
    room = PAGE_OCTETS
    for entry in found:
        message = messages.find(tx, entry.space_id, entry.message_id)
        if message is None:
            continue
        room -= len(message.body)
        if room < 0 and out:
            break
        try:
            shown = view(app, tx, keys_of(app, tx, entry.space_id, known), message, box_owner)
        except CannotOpen:
            app.metrics.unopened()
            shown = _lost(message, box_owner)
        out.append(Entry(entry.seq, entry.kind, entry.conversation_id, shown))
    return out


async def since(app: App, box: MailboxHandle, cursor: int, limit: int = 100) -> Page:
    """Entries of this mailbox after `cursor`, in order: at most `limit` (200 at most) and `PAGE_OCTETS`."""
    return await app.db.read(since_in, app, box, cursor, limit)


def since_in(tx: Tx, app: App, box: MailboxHandle, cursor: int, limit: int) -> Page:
    """`since` inside a transaction: for a reader of many mailboxes in one go."""
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
        entry = entries.of_message(tx, conversation.through, message_id)
        if entry is None or entry.conversation_id != conversation.conversation_id:
            raise Refused
        return shown_in(app, tx, conversation.member, [entry])[0]

    return await app.db.read(pull)


async def conversations(
    app: App, box: MailboxHandle, before: int | None = None, limit: int = 50
) -> list[ConversationView]:
    """Conversations of a mailbox, the newest first; `before`: below that `last_seq`."""

    def pull(tx: Tx) -> list[ConversationView]:
        known: dict[str, SpaceKeys] = {}
        found, known_standings = [], standings.standings(tx, box.space_id) if box.owner_kind == "holder" else {}
        for item in entries.threads(tx, box.mailbox_id, before or _END, max(1, min(limit, MAX_PAGE))):
            keys = keys_of(app, tx, item.space_id, known)
            header = talks.header(tx, item.space_id, item.conversation_id)
            last = shown_in(app, tx, box.owner, entries.page(tx, box.mailbox_id, item.conversation_id, _END, 1))
            if header is None or not last:
                continue
            subject = keys.open("subject", item.conversation_id, header[0]).decode()
            others = _others(app, tx, keys, item.conversation_id, box.owner)
            others.sort(key=lambda other: other.name != last[0].message.author.name)  # who wrote last stands first
            shown = [AuthorView(other.kind, other.name, other.role, other.organisation) for other in others]
            rule = exchanges.rule(exchanges.of(known_standings, [other.member_id for other in others]))
            found.append(
                ConversationView(
                    item.conversation_id, subject, shown, last[0].message, item.last_seq, item.unread, rule
                )
            )
        return found

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
    return await app.db.read(entries.unread, box.mailbox_id)


async def mark_read(app: App, conversation: ConversationHandle, up_to: int) -> int:
    """Mark the conversation read up to that number; returns what is left unread in the mailbox."""

    def mark(tx: Tx) -> tuple[int, set[str], bool]:
        access.confirm_reading(tx, conversation)
        wake: set[str] = set()
        unseen = entries.unseen_up_to(tx, conversation.through, conversation.conversation_id, up_to)
        owed = [_set_flags(app, tx, conversation.member, entry, entry.flags | entries.SEEN, wake) for entry in unseen]
        return entries.unread(tx, conversation.through), wake, any(owed)

    left, wake, owed = await app.db.write(mark)
    _tell(app, wake, owed)
    return left


async def set_flags(app: App, box: MailboxHandle, message_id: str, change: Callable[[int], int]) -> int:
    """Flags of one entry (IMAP STORE), as they are now. `change` is given the flags of this instant: two clients at
    once each keep their part. A first reading is a receipt for the author. Raises `Refused`.
    """

    def store(tx: Tx) -> tuple[int, set[str], bool]:
        wake: set[str] = set()
        current = entries.of_message(tx, box.mailbox_id, message_id)
        if current is None:
            raise Refused
        flags = change(current.flags)
        owed = _set_flags(app, tx, box.owner, current, flags, wake)
        return flags, wake, owed

    flags, wake, owed = await app.db.write(store)
    _tell(app, wake, owed)
    return flags


def _tell(app: App, wake: set[str], owed: bool) -> None:
    app.hub.wake(wake)
    if owed:
        app.delivery.wake()


def _set_flags(app: App, tx: Tx, reader: str, entry: entries.Entry, flags: int, wake: set[str]) -> bool:
    """Whether a receipt is owed now."""
    if flags == entry.flags:
        return False
    entries.set_flags(tx, entry, flags)
    wake.add(entry.mailbox_id)
    message = messages.find(tx, entry.space_id, entry.message_id)
    first_reading = (
        flags & entries.SEEN
        and message is not None
        and message.author_id != reader
        and messages.add_receipt(tx, entry.space_id, entry.message_id, reader, "read")
    )
    if first_reading and message is not None:
        wake.update(tell_author(tx, entry.space_id, message))
        return receipts.owe(tx, keys_of(app, tx, entry.space_id, {}), message, reader)
    return False


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
