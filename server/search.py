"""Finding what a mailbox holds: messages, their cards and files, the dossier, people, dates.

No index: what is sealed is opened and looked through, one mailbox, the newest first. The database is asked a piece at a
time and given back between two; what a piece holds is opened beside the loop. Ten thousand messages of a kilobyte take
some three tenths of a second this way, while letters are written and pages shown; a folded copy of each text, sealed
besides, would gain half of that and double what is kept, so there is none.

What takes longer than `PATIENCE_S` stops, says how far it went, and can be continued: nothing is left out in silence.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from server import access, scopes
from server.dossier import documents as shelf
from server.dossier.documents import DocumentView
from server.drafts import FileFacts
from server.errors import PliError
from server.handles import MailboxHandle
from server.listing import Choice, author_of, patients_of
from server.people import Traits
from server.query import Piece, Term, excerpt, fold, pieces, terms
from server.reading import body_of, iso
from server.settings import PLACE
from storage import listing
from storage import search as rows
from storage.database import Tx
from storage.messages import Message
from storage.vault import CannotOpen, SpaceKeys

if TYPE_CHECKING:
    from server.app import App

LONG = 200  # characters of what is asked for
HITS = 50  # a page
PIECE = 250  # messages opened at a time
PATIENCE_S = 2.0
DOCUMENTS_MOST = 20
_END = 2**62
_facts = msgspec.json.Decoder(FileFacts)


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody looks for, and where: within a filter of the list, from somebody, with files, in a period."""

    words: str
    chosen: Choice = field(default_factory=Choice)
    author: str = ""
    files: bool = False
    since: date | None = None
    until: date | None = None
    today: date = field(default_factory=lambda: datetime.now(PLACE).date())

    @property
    def empty(self) -> bool:
        return not (self.words or self.author or self.files or self.since or self.until)


@dataclass(frozen=True, slots=True)
class Hit:
    """A message that was found. `where`: text, card, file; `itself`: what was asked for is in what it says, not only in
    its subject or in who takes part.
    """

    seq: int
    message: str
    conversation: str
    at: str
    mine: bool
    author: list[Piece]
    excerpt: list[Piece]
    where: str
    itself: bool
    on_day: bool


@dataclass(slots=True)
class Group:
    """The hits of one conversation, the newest first."""

    conversation: str
    subject: list[Piece]
    people: list[Piece]
    hits: list[Hit]


@dataclass(frozen=True, slots=True)
class Found:
    """`looked`: how many messages were. `next`: where to go on, 0 when everything was looked at. `stopped`: it took too
    long; `back_to`: the day it had reached.
    """

    groups: list[Group]
    documents: list[DocumentView]
    hits: int
    looked: int
    next: int
    stopped: bool
    back_to: date | None


def day(text: str) -> date | None:
    """A day as a form sends it, or None."""
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None


async def search(
    app: App, box: MailboxHandle, asked: Asked, *, before: int | None = None, patience: float = PATIENCE_S
) -> Found:
    """What holds every word, `HITS` messages at a time; the dossier's documents on the first page."""
    scopes.reads(box)
    look = _Look(app, box, asked)
    began, cursor, stopped, looked = time.monotonic(), before or _END, False, 0
    hits: list[Hit] = []
    newest: dict[str, Hit] = {}
    back_to, going = None, True
    while going and len(hits) < HITS and not stopped:
        piece = await app.db.read(look.fetch, cursor)
        for seq, hit, at in await asyncio.to_thread(look.through, piece):
            cursor, back_to, looked = seq, at, looked + 1
            # In a subject or a name alone, the newest message of the conversation stands for all.
            if hit is not None and (hit.itself or hit.conversation not in newest):
                newest.setdefault(hit.conversation, hit)
                hits.append(hit)
                if len(hits) == HITS:
                    break
        going = len(piece.messages) == PIECE
        stopped = going and time.monotonic() - began > patience
    more = going or len(hits) == HITS
    groups = await app.db.read(look.gather, hits)
    documents = await _documents(app, box, asked, look.terms) if before is None else []
    day_ = datetime.fromtimestamp(back_to / 1000, UTC).astimezone(PLACE).date() if back_to else None
    return Found(groups, documents, len(hits), looked, cursor if more else 0, stopped, day_)


@dataclass(frozen=True, slots=True)
class _Piece:
    messages: list[tuple[int, str, Message]]
    files: dict[str, list[tuple[str, bytes]]]


class _Look:
    """One search: what is asked for, and what was already learnt of spaces and people."""

    def __init__(self, app: App, box: MailboxHandle, asked: Asked) -> None:
        self.app, self.box, self.asked = app, box, asked
        self.terms = terms(asked.words[:LONG], asked.today)
        self.authors = terms(asked.author, asked.today)
        self.keys: dict[str, SpaceKeys] = {}
        self.patients: dict[str, Traits] = {}
        self.people: dict[str, str] = {}
        chosen = asked.chosen
        self.wanted = rows.Wanted(
            _ms(asked.since) if asked.since else 0,
            _ms(asked.until + timedelta(days=1)) if asked.until else 2**62,
            asked.files,
            chosen.name,
            chosen.label,
        )

    def fetch(self, tx: Tx, before: int) -> _Piece:
        """The next messages and their files, and the people of conversations not met yet: four statements."""
        mailbox = self.box.mailbox_id
        found = rows.below(tx, mailbox, before, PIECE, self.wanted)
        files: dict[str, list[tuple[str, bytes]]] = {}
        for message_id, file_id, facts in rows.files(tx, mailbox, [seq for seq, _, m in found if m.files]):
            files.setdefault(message_id, []).append((file_id, facts))
        spaces = {space for _, space, _ in found} - self.keys.keys()
        known = {told[0]: told for told in listing.spaces(tx, sorted(spaces))}
        self.patients |= patients_of(self.app, known)
        for space_id, wrapped, _ in known.values():
            if wrapped:
                self.keys[space_id] = self.app.vault.space(space_id, wrapped)
        met = {m.conversation_id for _, _, m in found} - self.people.keys()
        names: dict[str, list[str]] = {conversation: [] for conversation in met}
        for person in listing.people(tx, mailbox, sorted(met)):
            if person.member_id != self.box.owner and person.space_id in self.keys:
                author = author_of(self.keys[person.space_id], person, self.patients)
                names[person.conversation_id] += [author.name, author.organisation]
        self.people |= {conversation: fold(" ".join(said)) for conversation, said in names.items()}
        return _Piece(found, files)

    def through(self, piece: _Piece) -> list[tuple[int, Hit | None, int]]:
        """(number, hit, at) of each message of a piece. Opens; asks the database nothing."""
        return [(seq, self._hit(seq, space, m, piece.files.get(m.id, ())), m.at) for seq, space, m in piece.messages]

    def _hit(self, seq: int, space: str, message: Message, files: Sequence[tuple[str, bytes]]) -> Hit | None:
        keys = self.keys.get(space)
        if keys is None:
            return None
        try:
            body = body_of(keys, message)
            told = [_said(_facts.decode(keys.open("file", name, facts))) for name, facts in files]
        except CannotOpen:
            return None
        author = f"{body.author.name} {body.author.role} {body.author.organisation}"
        if self.authors and not all(term.within(fold(author)) for term in self.authors):
            return None
        card = " ".join(str(body.card.get(name) or "") for name in _CARD) if body.card else ""
        parts = (("text", body.text), ("card", card), ("file", " · ".join(told)))
        own = fold("\n".join(text for _, text in parts if text))
        around = fold(f"{body.subject}\n{author}\n") + self.people.get(message.conversation_id, "")
        local = datetime.fromtimestamp(message.at / 1000, UTC).astimezone(PLACE).date()
        itself, on_day = not self.terms, False
        for term in self.terms:
            if term.on(local):
                itself = on_day = True
            elif term.within(own):
                itself = True
            elif not term.within(around):
                return None
        where, text = next(
            (part for part in parts if part[1] and any(term.within(fold(part[1])) for term in self.terms)),
            next((part for part in parts if part[1]), parts[0]),
        )
        mine = message.author_id == self.box.owner and message.kind != "bounce"
        return Hit(
            seq,
            # A correction is read in the message that it corrects.
            message.in_reply_to if message.kind == "correction" and message.in_reply_to else message.id,
            message.conversation_id,
            iso(message.at),
            mine,
            pieces(body.author.name, self.terms),
            excerpt(text, self.terms),
            where,
            itself,
            on_day,
        )

    def gather(self, tx: Tx, hits: Sequence[Hit]) -> list[Group]:
        """The hits by conversation, in the order of the newest of each."""
        by: dict[str, list[Hit]] = {}
        for hit in hits:
            by.setdefault(hit.conversation, []).append(hit)
        sealed = rows.subjects(tx, self.box.mailbox_id, list(by))
        names: dict[str, list[str]] = {}
        spaces: dict[str, str] = {}
        for person in listing.people(tx, self.box.mailbox_id, list(by)):
            spaces[person.conversation_id] = person.space_id
            if person.member_id != self.box.owner:
                author = author_of(self.keys[person.space_id], person, self.patients)
                names.setdefault(person.conversation_id, []).append(author.name)
        groups = []
        for conversation, found in by.items():
            try:
                keys = self.keys[spaces[conversation]]
                subject = keys.open("subject", conversation, sealed[conversation]).decode()
            except (CannotOpen, KeyError):
                subject = ""
            people = ", ".join(names.get(conversation, [])[:3])
            groups.append(Group(conversation, pieces(subject, self.terms), pieces(people, self.terms), found))
        return groups


_CARD = ("title", "text", "location", "organizer", "source")


def _said(facts: FileFacts) -> str:
    told = (facts.title, facts.name, facts.document_label, facts.author, facts.organisation)
    return ", ".join(dict.fromkeys(part for part in told if part))


def _ms(of: date) -> int:
    return int(datetime(of.year, of.month, of.day, tzinfo=PLACE).timestamp() * 1000)


async def _documents(app: App, box: MailboxHandle, asked: Asked, wanted: Sequence[Term]) -> list[DocumentView]:
    """The documents of the dossier that hold every word, for whoever may read it."""
    if box.owner_kind != "holder" or not wanted or asked.chosen.name not in {"all", "documents"}:
        return []
    try:
        known = await shelf.list_documents(app, await access.dossier(app, box))
    except PliError:
        return []  # a helper whom the dossier was not opened to: the messages are all there is to see
    found = []
    for item in known:
        said = fold(" ".join((item.title, item.label, item.category_label, item.author, item.organisation, item.name)))
        made = day(item.created)
        if (
            all(term.within(said) or (made is not None and term.on(made)) for term in wanted)
            and all(
                term.within(fold(f"{item.author} {item.organisation}")) for term in terms(asked.author, asked.today)
            )
            and not (made and ((asked.since and made < asked.since) or (asked.until and made > asked.until)))
        ):
            found.append(item)
    return found[:DOCUMENTS_MOST]
