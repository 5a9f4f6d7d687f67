"""The list of conversations of a mailbox: what stands on each row, what each filter holds.

A page is read in one snapshot by a fixed number of statements (`storage.listing`), so it costs the same in a mailbox of
ten messages and of ten thousand, and its rows, its counts and its cursor tell of the same instant.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from server import actions, exchanges, scopes
from server.drafts import FileFacts
from server.handles import MailboxHandle
from server.people import Traits
from server.query import fold
from server.reading import author_view, body_of, furthest, iso, keys_of, lost
from server.views import AuthorView, ConversationView, FileView, KeptView, LabelView, MessageView
from storage import entries, listing, marks
from storage import exchanges as standings
from storage.database import Tx
from storage.listing import FILTERS, Person, Row
from storage.vault import CannotOpen, SpaceKeys

if TYPE_CHECKING:
    from server.app import App

MAX_ROWS = 200
_END = 2**62
_facts = msgspec.json.Decoder(FileFacts)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Choice:
    """What of a mailbox is asked for: a name of `FILTERS`, and the label when it is `label`."""

    name: str = "all"
    label: str = ""

    def __post_init__(self) -> None:
        if self.name not in FILTERS or self.name == "everything":
            object.__setattr__(self, "name", "all")


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of the list. `cursor`: the mailbox's number at that instant; `quiet`: unread where no notice is wanted."""

    rows: list[ConversationView]
    more: bool
    counts: dict[str, int]
    labels: list[LabelView]
    unread: int
    quiet: int
    cursor: int


async def conversations(
    app: App, box: MailboxHandle, before: int | None = None, limit: int = 50
) -> list[ConversationView]:
    """Every conversation of a mailbox, the newest first; `before`: below that `last_seq`."""
    scopes.reads(box)
    limit = max(1, min(limit, MAX_ROWS + 1))

    def pull(tx: Tx) -> list[ConversationView]:
        return _open(app, tx, box, listing.rows(tx, box.mailbox_id, "everything", "", before or _END, limit))

    return await app.db.read(pull)


async def page(app: App, box: MailboxHandle, chosen: Choice, before: int | None, limit: int) -> Listed:
    """What a filter shows: in the list itself the pinned ones stand first, on its first page."""
    scopes.reads(box)
    limit = max(1, min(limit, MAX_ROWS))

    def pull(tx: Tx) -> Listed:
        mailbox, apart = box.mailbox_id, chosen.name == "all"
        first = listing.rows(tx, mailbox, "all", "", _END, PINNED_MOST, pinned=True) if apart and not before else []
        found = listing.rows(
            tx, mailbox, chosen.name, chosen.label, before or _END, limit + 1, pinned=False if apart else None
        )
        labels, counts = _labels(app, tx, box), listing.counts(tx, mailbox)
        shown = _open(app, tx, box, [*first, *found[:limit]], labels)
        unread, quiet = entries.unread(tx, mailbox), listing.unread_muted(tx, mailbox)
        return Listed(shown, len(found) > limit, counts, labels, unread, quiet, entries.last_seq(tx, mailbox))

    return await app.db.read(pull)


PINNED_MOST = 10


def labels_in(app: App, tx: Tx, box: MailboxHandle) -> list[LabelView]:
    """The labels of this mailbox by name, without their counts."""
    keys, found = keys_of(app, tx, box.space_id, {}), []
    for label in marks.labels(tx, box.mailbox_id):
        try:
            found.append(LabelView(label.id, keys.open("label", label.id, label.name).decode()))
        except CannotOpen:
            app.metrics.unopened()
    return sorted(found, key=lambda label: fold(label.name))


def _labels(app: App, tx: Tx, box: MailboxHandle) -> list[LabelView]:
    found = labels_in(app, tx, box)
    counts = listing.label_counts(tx, box.mailbox_id) if found else {}
    return [msgspec.structs.replace(label, count=counts.get(label.id, 0)) for label in found]


def _open(
    app: App, tx: Tx, box: MailboxHandle, rows: Sequence[Row], labels: Sequence[LabelView] = ()
) -> list[ConversationView]:
    """The rows as their owner sees them, each kind of detail asked for once."""
    mailbox, ids = box.mailbox_id, [row.conversation_id for row in rows]
    spaces = {row.space_id for row in rows}
    known = {found[0]: found for found in listing.spaces(tx, sorted(spaces))}
    people = _by_first(listing.people(tx, mailbox, ids), key=lambda person: person.conversation_id)
    own = [row.conversation_id for row in rows if row.last.author_id == box.owner]
    details = _Details(
        app,
        box,
        _by_first(listing.attachments(tx, mailbox, [row.conversation_id for row in rows if row.last.files])),
        _by_first(listing.answers(tx, mailbox, [row.conversation_id for row in rows if row.last.kind == "card"])),
        _by_first(listing.receipts(tx, mailbox, own)),
        patients_of(app, known),
    )
    marked = _by_first(marks.of(tx, mailbox, ids), key=lambda mark: mark.conversation_id)
    drafted = listing.drafted(tx, mailbox, box.actor.account_id, ids)
    states = standings.standings(tx, box.space_id) if box.owner_kind == "holder" else {}
    out = []
    for row in rows:
        try:
            keys = app.vault.space(row.space_id, known[row.space_id][1])
            subject = keys.open("subject", row.conversation_id, row.subject).decode()
        except CannotOpen:
            app.metrics.unopened()
            continue
        members = people[row.conversation_id]
        last = details.message(keys, row, members)
        others = [author_of(keys, person, details.patients) for person in members if person.member_id != box.owner]
        others.sort(key=lambda other: other.name != last.author.name)  # who wrote last stands first
        on = {mark.label_id for mark in marked[row.conversation_id]}
        tags = [label for label in labels if label.id in on]
        out.append(
            ConversationView(
                row.conversation_id,
                subject,
                others,
                last,
                row.last_seq,
                row.unread,
                exchanges.rule(exchanges.of(states, [p.member_id for p in members if p.member_id != box.owner])),
                row.asks > 0,
                row.conversation_id in drafted,
                KeptView(row.archived, row.pinned, row.muted, tags, row.followed),
            )
        )
    return out


def _by_first(found: Sequence[Any], key: Any = None) -> dict[str, list[Any]]:
    """Gathered by conversation: of pairs (conversation, …) when no key is told."""
    out: dict[str, list[Any]] = defaultdict(list)
    for item in found:
        if key is not None:
            out[key(item)].append(item)
        else:
            out[item[0]].append(item[1] if len(item) == 2 else item[1:])
    return out


def patients_of(app: App, spaces: dict[str, tuple[str, bytes, bytes | None]]) -> dict[str, Traits]:
    """Who the patient of each space is."""
    found = {}
    for space_id, wrapped, traits in spaces.values():
        if traits is None:
            continue
        try:
            told = app.vault.space(space_id, wrapped).open("traits", space_id, traits)
        except CannotOpen:
            continue
        found[space_id] = msgspec.json.decode(told, type=Traits)
    return found


def author_of(keys: SpaceKeys, person: Person, patients: Mapping[str, Traits]) -> AuthorView:
    """Somebody who takes part, as shown; a patient with the birth date, which tells two of one name apart."""
    if person.card is not None:
        try:
            card = msgspec.json.decode(keys.open("contact", person.member_id, person.card))
        except CannotOpen:
            return AuthorView(person.kind, "")
        return AuthorView("professional", card["name"], card.get("role", ""), card["address"])
    if person.kind != "holder":
        return AuthorView(person.kind, person.name, person.role, person.organisation)
    patient = patients.get(person.space_id)
    if patient is None:
        return AuthorView("holder", "")
    return AuthorView("holder", patient.name, sex=patient.sex, born=patient.birth_date)


@dataclass(frozen=True, slots=True)
class _Details:
    """What was asked for once for all rows, by conversation; `patients`: names by space."""

    app: App
    box: MailboxHandle
    files: dict[str, list[Any]]
    answers: dict[str, list[Any]]
    receipts: dict[str, list[Any]]
    patients: dict[str, Traits]

    def message(self, keys: SpaceKeys, row: Row, members: Sequence[Person]) -> MessageView:
        """The last message: what a row needs of it, and the files as they came."""
        message, conversation = row.last, row.conversation_id
        mine = message.author_id == self.box.owner and message.kind != "bounce"
        try:
            body = body_of(keys, message)
            card = body.card
            if card is not None:
                card = actions.present(card, self.answers.get(conversation, []), keys)
            files = [self._file(keys, attachment) for attachment in self.files.get(conversation, [])]
        except CannotOpen:
            self.app.metrics.unopened()
            return lost(message, self.box.owner)
        status = "delivered", "", ""
        if mine:
            names = {person.member_id: person.name for person in members}
            known = [(state, at, names.get(member, "")) for member, state, at in self.receipts.get(conversation, [])]
            status = furthest(any(person.card is not None for person in members), known)
        return MessageView(
            message.id,
            iso(message.at),
            author_view(body.author),
            mine,
            message.kind,
            body.subject,
            body.text,
            body.html,
            card,
            body.answer,
            files,
            message.in_reply_to,
            *status,
            automatic=body.mail is not None and body.mail.automatic,
        )

    def _file(self, keys: SpaceKeys, attachment: Any) -> FileView:
        facts = _facts.decode(keys.open("file", attachment.id, attachment.facts))
        return FileView(
            attachment.id,
            facts.name,
            facts.type,
            facts.size,
            keys.space_id,
            facts.title,
            facts.document_label,
            facts.category,
            facts.author,
            facts.created,
            facts.damaged,
        )
