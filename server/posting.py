"""The one path. Every door turns what it received into a `Draft` and calls `post()`; nothing else inserts a message.

The story of a message
    a door      decides nothing: it obtains a handle from `access` and builds a `Draft`
    seal        the body, the files and the raw mail are sealed for their space and message id, outside the write lock
    write       one transaction: the retry key (same key → same receipt) · the access decision again, with its audit row
                · the conversation, if it is new · the effect of a card's action · the message, its files, its
                references · for each member with a mailbox: the next number and an entry · for each correspondent
                elsewhere and each later reminder: one delivery row
    commit      durable; then the mailboxes concerned are woken, and only then does the door say 250, ack or 201

A crash before the commit leaves nothing (but a sealed file that the sweep removes); after it, everything. Who must hear
of a message is rows of the same transaction, never a call somebody must remember to make.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import msgspec

from server import access, audit, exchanges, hints, people, scopes, statuses, threads
from server.audit import Act
from server.bots import hearing
from server.dossier import by_itself
from server.dossier.filing import Filing
from server.drafts import (
    MAX_FILES,
    MAX_FILES_SIZE,
    MAX_SUBJECT,
    MAX_TEXT,
    Actor,
    Author,
    Body,
    Draft,
    File,
    FileFacts,
    MailFacts,
    Member,
    Opening,
    Receipt,
)
from server.errors import Invalid, TooLarge, Unavailable
from server.handles import ConversationHandle, SpaceHandle
from storage import absences, accounts, blobs, conversations, deliveries, entries, filing, messages, notices
from storage.blobs import Blob
from storage.conversations import Participant
from storage.database import DatabaseDown, Tx
from storage.ids import new_id, now_ms
from storage.vault import Sealed, SpaceKeys

if TYPE_CHECKING:
    from server.app import App

_json = msgspec.json.Encoder()
_WORDS = frozenset({"text", "card", "correction"})  # somebody's own words: they go to those who take them


@dataclass(slots=True)
class Doing:
    """What an action's effect works with, inside the transaction. `wake` gathers mailboxes that it changed."""

    app: App
    tx: Tx
    actor: Actor
    to: ConversationHandle
    message_id: str
    conversation_id: str
    at: int  # ms since 1970
    wake: set[str]
    then: list[Callable[[], None]] = field(default_factory=list)  # once each mailbox has it, their rows locked in order


@dataclass(frozen=True, slots=True)
class _Sealed:
    """A draft made ready outside the lock."""

    draft: Draft
    message_id: str
    conversation_id: str
    at: int
    keys: SpaceKeys
    body: Sealed
    subject: Sealed | None
    raw: Blob | None
    files: tuple[tuple[str, File, Sealed], ...]
    reference: str
    filed: tuple[Filing, ...] = ()  # in the patient's dossier, when that is their choice


async def post(app: App, actor: Actor, draft: Draft) -> Receipt:
    """Accept a draft: returns when it is durable and everybody concerned is owed it.

    Raises `Refused`, `NotAllowed`, `Invalid`, `TooLarge`; `Unavailable` when storage cannot take it now (nothing is
    kept).
    """
    _check(draft)
    keys = draft.to.space.keys if isinstance(draft.to, Opening) else draft.to.keys
    try:
        sealed = await _seal(app, actor, draft, keys)
        receipt = await app.db.write(_write, app, actor, sealed)
    except (DatabaseDown, OSError) as error:
        raise Unavailable from error
    app.hub.wake(receipt.wake)
    if receipt.owed:
        app.delivery.wake()
    app.metrics.posted(draft.kind)
    return receipt


def line(doing: Doing, conversation_id: str, text: str, author: Author) -> None:
    """A line of record for the holder, in the transaction of the message that does what it tells of: it stands where
    that was done, which may be another conversation of the space. No mail, and nobody else's.
    """
    space_id, keys, message_id = doing.to.space_id, doing.to.keys, new_id()
    audit.record(doing.tx, Act.MESSAGE_POSTED, doing.actor, space_id, doing.to.ground, message_id)
    message = messages.Message(
        message_id, conversation_id, doing.at, "line", doing.actor.kind, doing.to.member, b"", "", "", 0, 0
    )
    messages.insert(doing.tx, space_id, message, keys.seal("body", message_id, _json.encode(Body(author, text=text))))
    entries.add(doing.tx, doing.to.mailbox_id, space_id, conversation_id, message_id, own=False)
    doing.wake.add(doing.to.mailbox_id)


def _check(draft: Draft) -> None:
    if len(draft.text) > MAX_TEXT:
        raise TooLarge("text_too_long", f"Le message est trop long ({len(draft.text)} caractères, {MAX_TEXT} au plus).")
    if len(draft.files) + len(draft.uploads) > MAX_FILES:
        raise TooLarge("too_many_files", f"Trop de pièces jointes ({MAX_FILES} au plus). Votre texte est gardé.")
    if draft.kind == "text" and not (draft.text.strip() or draft.files or draft.uploads or draft.raw):
        raise Invalid("empty", "Écrivez un texte ou joignez un fichier.")


async def receipt_again(app: App, actor: Actor, space_id: str, retry_key: str) -> Receipt | None:
    """The receipt this retry key was given before, if it was."""

    def find(tx: Tx) -> Receipt | None:
        known = messages.retry_key(tx, space_id, retry_key)
        return _known_receipt(tx, actor, space_id, known) if known else None

    return await app.db.read(find)


async def _seal(app: App, actor: Actor, draft: Draft, keys: SpaceKeys) -> _Sealed:
    message_id = new_id()
    opens = isinstance(draft.to, Opening)
    conversation_id = new_id() if isinstance(draft.to, Opening) else draft.to.conversation_id
    mail = draft.mail or MailFacts()
    if not mail.message_id:
        mail = msgspec.structs.replace(mail, message_id=f"{message_id}@{app.settings.mail_domain}")
    subject = (draft.subject or draft.to.subject)[:MAX_SUBJECT]
    author = draft.author or await _author(app, actor, draft)
    body = Body(author, subject, draft.text, draft.html, draft.card, draft.answer, mail, dict(draft.addressed))
    body = msgspec.structs.replace(body, by=actor.account_id)
    raw = await app.blobs.put(keys, draft.raw) if draft.raw else None
    files = draft.files + await _take_uploads(app, actor, draft, keys)
    sealed_files = []
    for file in files:
        file_id = file.id or new_id()
        sealed_files.append((file_id, file, keys.seal("file", file_id, _json.encode(file.facts))))
    return _Sealed(
        draft,
        message_id,
        conversation_id,
        now_ms(),
        keys,
        keys.seal("body", message_id, _json.encode(body)),
        keys.seal("subject", conversation_id, subject.encode()) if opens else None,
        raw,
        tuple(sealed_files),
        threads.reference_hash(app, mail.message_id),
        await by_itself.ready(app, actor, draft, author, keys, message_id, sealed_files),
    )


async def _author(app: App, actor: Actor, draft: Draft) -> Author:
    """The actor, in their own name also when they write for somebody else."""
    to = draft.to.space if isinstance(draft.to, Opening) else draft.to
    if to.ground == access.TEAM:
        team_id = to.member if isinstance(to, ConversationHandle) else to.team.owner if to.team else ""
        team = await people.actor(app, team_id)
        role = f"{actor.name}, {actor.role}" if actor.role else actor.name
        return Author("team", team.name, role, team.organisation)
    if to.ground in scopes.DELEGATED:
        whose = await app.db.read(lambda tx: people.traits(app, tx, to.space_id))
        own = await app.db.read(lambda tx: people.traits(app, tx, actor.space_id))
        acting_for, sex = whose.name if whose else "", own.sex if own else ""
        return Author(actor.kind, actor.name, actor.role, actor.organisation, acting_for, to.ground, sex)
    return Author(actor.kind, actor.name, actor.role, actor.organisation)


async def _take_uploads(app: App, actor: Actor, draft: Draft, keys: SpaceKeys) -> tuple[File, ...]:
    """Files the actor uploaded before, sealed anew for the space they go to."""
    if not draft.uploads:
        return ()
    own = await access.own_space(app, actor)
    taken, size = [], sum(file.facts.size for file in draft.files if not draft.raw)
    for upload in draft.uploads:
        found = await app.db.read(messages.attachment, own.space_id, upload)
        blob = await app.db.read(blobs.find, own.space_id, found.blob_id) if found and not found.message_id else None
        if found is None or blob is None:
            raise Invalid(
                "no_such_upload", "Une pièce jointe n’est plus là. Joignez-la de nouveau. Votre texte est gardé."
            )
        size += blob.size
        if size > MAX_FILES_SIZE:  # before it is read: fifty files of the largest size would be a gigabyte
            raise TooLarge(
                "files_too_large",
                f"Les pièces jointes sont trop lourdes ({MAX_FILES_SIZE // 1_048_576} Mo en tout au plus). Votre "
                "texte est gardé.",
            )
        facts = msgspec.json.decode(own.keys.open("file", found.id, found.facts), type=FileFacts)
        taken.append(File(facts, await app.blobs.put(keys, await app.blobs.get(own.keys, blob))))
    return tuple(taken)


def _write(tx: Tx, app: App, actor: Actor, sealed: _Sealed) -> Receipt:
    draft, at, space_id = sealed.draft, sealed.at, sealed.keys.space_id
    if draft.retry_key:
        known = messages.claim_retry_key(tx, space_id, draft.retry_key, sealed.conversation_id, sealed.message_id)
        if known is not None:
            return _known_receipt(tx, actor, space_id, known)
    to = _place(tx, app, actor, sealed)
    wake: set[str] = set()
    doing = Doing(app, tx, actor, to, sealed.message_id, sealed.conversation_id, at, wake)
    if to.member != to.holder and draft.kind in _WORDS and not draft.raw:
        exchanges.heard(doing, ends=False, automatic=draft.mail is not None and draft.mail.automatic)
    if draft.kind in _WORDS:
        exchanges.silent(tx, to)
    if draft.effect is not None:
        draft.effect(doing)
    answered = _insert(tx, actor, to, sealed)
    # What somebody asked for is answered whatever happened since; a word of one's own goes to those who take it.
    answers = to.member == to.holder and draft.kind in _WORDS
    deaf = exchanges.deaf(tx, space_id, to.conversation_id, to.holder) if answers else frozenset[str]()
    seq, owed = 0, bool(draft.later)
    boxes: dict[str, str] = {}
    holds = hints.holds(draft, actor.kind, [file for _, file, _ in sealed.files])
    for member in conversations.participants(tx, space_id, sealed.conversation_id):
        own = member.member_id == to.member
        if (draft.only and member.member_id not in draft.only) or member.member_id in deaf:
            continue
        if member.kind == "contact":
            if not own:
                deliveries.insert(tx, sealed.keys, sealed.message_id, "mail", at, {"contact": member.member_id})
                owed = True
            continue
        sent = own and draft.kind != "bounce"
        asks = hints.asks(draft, actor.kind, own=sent, holder=member.member_id == to.holder)
        if sent and asks is False and answered and not answers:  # a patient's mailbox is no mail client's to read
            filing.mark_answered(tx, member.mailbox_id, sealed.conversation_id, answered, to.member)
        number = entries.add(
            tx, member.mailbox_id, space_id, sealed.conversation_id, sealed.message_id, own=sent,
            holds=holds, asks=asks, opens=draft.kind in _WORDS,
        )  # fmt: skip
        wake.add(member.mailbox_id)
        if not sent:
            owed |= notices.owe(tx, app.vault, sealed.keys, sealed.message_id, member, number, to.holder, draft.heard)
        boxes[member.member_id] = member.mailbox_id
        if answers and not own:
            owed |= absences.owe(tx, sealed.keys, sealed.message_id, member.member_id)
        seq = number if member.mailbox_id == to.through else seq
    owed |= answers and hearing.owe(tx, sealed.keys, draft.kind, sealed.conversation_id, sealed.message_id)
    if statuses.answers(draft):
        wake |= statuses.tell_answered(tx, space_id, sealed.conversation_id, sealed.message_id, to.member, boxes)
    for act in doing.then:
        act()
    by_itself.run(doing, sealed.filed)
    for gone in draft.leaving:
        conversations.leave(tx, space_id, sealed.conversation_id, gone)
    for later in draft.later:
        deliveries.insert(tx, sealed.keys, sealed.message_id, later.channel, later.due_at, later.target)
    return Receipt(sealed.message_id, sealed.conversation_id, space_id, seq, wake=frozenset(wake), owed=owed)


def _place(tx: Tx, app: App, actor: Actor, sealed: _Sealed) -> ConversationHandle:
    """Decide again, open the conversation if it is new, let in who joins, and say as which member the actor writes."""
    draft, keys = sealed.draft, sealed.keys
    target = draft.to.space if isinstance(draft.to, Opening) else draft.to
    access.confirm(tx, target)
    if target.ground in scopes.DELEGATED:
        me = Participant(target.holder, "account", target.mailbox_id, "")
    elif target.ground == access.TEAM:
        me = _team(tx, target)
    elif target.ground == "system":  # Pli tells somebody; it takes no part itself
        told = draft.to if isinstance(draft.to, ConversationHandle) else None
        me = Participant(told.member if told else "", "account", told.through if told else "", "")
    else:
        me = _participant(tx, app, keys, _as_member(actor))
    joining = [_participant(tx, app, keys, member) for member in draft.members]
    if isinstance(draft.to, Opening):
        assert sealed.subject is not None  # noqa: S101 - made with every opening
        conversations.insert(tx, keys.space_id, sealed.conversation_id, sealed.subject, draft.to.about)
        holder = [Participant(target.holder, "account", target.mailbox_id, "")] if target.holder else []
        me_too = [me] if me.member_id else []
        joining += [*holder, *me_too, *(_participant(tx, app, keys, member) for member in draft.to.members)]
    elif draft.to.member != me.member_id:
        joining.append(me)  # a colleague of the same organisation answers
    for member in joining:
        conversations.add_participant(tx, keys.space_id, sealed.conversation_id, member)
    if isinstance(draft.to, ConversationHandle):
        return replace(draft.to, member=me.member_id, through=me.mailbox_id)
    return ConversationHandle(
        target.actor,
        keys.space_id,
        keys,
        target.ground,
        target.holder,
        target.mailbox_id,
        sealed.conversation_id,
        me.member_id,
        me.mailbox_id,
        "",
        "open",
    )


def _team(tx: Tx, target: SpaceHandle) -> Participant:
    """The team in whose name somebody writes."""
    if isinstance(target, ConversationHandle):
        team_id, through = target.member, target.through
    else:
        assert target.team is not None  # noqa: S101 - `access.patient` gives both or neither
        team_id, through = target.team.owner, target.team.mailbox_id
    team = accounts.by_id(tx, team_id)
    return Participant(team_id, "account", through, team.organisation_id if team else "")


def _as_member(actor: Actor) -> Member:
    return Member(actor.account_id, actor.mailbox_id, access.organisation(actor), actor.name, actor.address, actor.role)


def _participant(tx: Tx, app: App, keys: SpaceKeys, member: Member) -> Participant:
    """A member as a participant; a correspondent elsewhere becomes a contact of this space, once."""
    if member.account_id:
        return Participant(member.account_id, "account", member.mailbox_id, member.organisation)
    hashed = app.vault.lookup("address", member.address)
    contact = conversations.contact_id(tx, keys.space_id, hashed)
    if contact is None:
        contact = new_id()
        card = {"name": member.name, "address": member.address, "role": member.role}
        sealed = keys.seal("contact", contact, _json.encode(card))
        contact = conversations.insert_contact(tx, keys.space_id, contact, hashed, sealed)
    return Participant(contact, "contact", "", member.organisation or f"address:{member.address}")


def _insert(tx: Tx, actor: Actor, to: ConversationHandle, sealed: _Sealed) -> str:
    """Returns the message that this one answers."""
    draft, space_id, message_id = sealed.draft, sealed.keys.space_id, sealed.message_id
    audit.record(tx, Act.MESSAGE_POSTED, actor, space_id, to.ground, message_id)
    raw = sealed.raw.id if sealed.raw else ""
    answers = draft.in_reply_to
    if not answers and isinstance(draft.to, ConversationHandle):
        answers = messages.answered_by_default(tx, space_id, sealed.conversation_id, to.member)
    if sealed.raw is not None:
        blobs.insert(tx, sealed.raw)
    message = messages.Message(
        message_id,
        sealed.conversation_id,
        sealed.at,
        draft.kind,
        actor.kind,
        to.member,
        b"",
        raw,
        answers,
        len(draft.raw),
        len(sealed.files),
    )
    messages.insert(tx, space_id, message, sealed.body)
    for position, (file_id, file, facts) in enumerate(sealed.files):
        if file.blob is not None:
            blobs.insert(tx, file.blob)
        blob_id = file.blob.id if file.blob is not None else raw
        attachment = messages.Attachment(file_id, message_id, position, blob_id, file.part, b"")
        messages.insert_attachment(tx, space_id, attachment, facts)
    for upload in draft.uploads:
        messages.remove_upload(tx, actor.space_id, upload)
    conversations.insert_reference(tx, space_id, sealed.reference, sealed.conversation_id, message_id)
    return answers


def _known_receipt(tx: Tx, actor: Actor, space_id: str, known: tuple[str, str]) -> Receipt:
    """The receipt that this retry key was given before."""
    conversation_id, message_id = known
    entry = entries.of_message(tx, actor.mailbox_id, message_id) if actor.mailbox_id else None
    return Receipt(message_id, conversation_id, space_id, entry.seq if entry else 0, again=True)
