"""The only way to obtain a mailbox, a space, a conversation or a dossier, on one page of over 400 lines.

Each function decides, writes the audit row, and gives a handle or raises `Refused`: what is absent and what is
forbidden get the same answer. Reading and posting take handles, never ids. A write decides again inside its own
transaction (`confirm`), so a right withdrawn in between is a right withdrawn.

Grounds (what gives the right):
    self            one's own mailbox or space
    representative  a parent or guardian (delegation in force)
    helper          an adult's chosen helper (delegation in force)
    participant     takes part in the conversation
    team            works in the team whose mailbox it is
    correspondent   a professional, team or bot that writes to a patient (first contact is theirs to make: CNAM note
                    § 2)
    operator        no content, ever
    care            a professional with a patient's dossier: what that is worth is worked out item by item

What a delegation is for, and what it never is for: `server.scopes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from server import audit, exchanges, threads
from server.audit import Act
from server.dossier import standing, volume
from server.drafts import Actor
from server.errors import NotAllowed, Refused, SpaceClosed
from server.handles import ConversationHandle, DossierHandle, MailboxHandle, SpaceHandle
from server.scopes import EVERYTHING, MESSAGES, WRITE, may, need
from storage import accounts, consents, conversations, delegations, documents, entries, lifecycle, messages, teams
from storage import exchanges as standings
from storage.database import Tx
from storage.vault import CannotOpen, SpaceKeys

if TYPE_CHECKING:
    from server.app import App

WRITERS = frozenset({"professional", "team", "bot"})
TEAM = "team"


def _mailbox(app: App, tx: Tx, actor: Actor, mailbox_id: str, *needs: str, closed: bool = False) -> MailboxHandle:
    owner = accounts.by_mailbox(tx, mailbox_id)
    if owner is None or actor.external:
        raise Refused
    scopes = EVERYTHING
    if owner.id == actor.account_id:
        ground = "self"
    elif owner.kind == "holder":
        known = delegations.in_force(tx, owner.space_id, actor.account_id)
        ground, scopes = (known.kind, known.scopes) if known else ("", frozenset())
    elif owner.kind == "team" and teams.role(tx, owner.id, actor.account_id):
        ground = TEAM
    else:
        ground = ""
    if not ground:
        raise Refused
    need(scopes, *needs)
    if owner.kind == "holder" and not closed and not lifecycle.is_open(tx, owner.space_id):
        raise SpaceClosed
    return MailboxHandle(actor, mailbox_id, owner.space_id, owner.id, owner.kind, ground, scopes)


def _keys(app: App, tx: Tx, space_id: str) -> SpaceKeys:
    space = accounts.space(tx, space_id)
    if space is None:
        raise Refused
    try:
        return app.vault.space(space.id, space.wrapped_key)
    except CannotOpen as error:
        raise Refused from error


def _conversation(
    app: App, tx: Tx, actor: Actor, space_id: str, conversation_id: str, member: str, through: str, ground: str
) -> ConversationHandle:
    header = conversations.header(tx, space_id, conversation_id)
    if header is None:
        raise Refused
    members = {p.member_id for p in conversations.participants(tx, space_id, conversation_id)}
    takes_part = member in members
    if not takes_part and not conversations.left(tx, space_id, conversation_id, member):
        raise Refused
    keys = _keys(app, tx, space_id)
    holder = accounts.holder_of(tx, space_id)
    return ConversationHandle(
        actor=actor,
        space_id=space_id,
        keys=keys,
        ground=ground,
        holder=holder.id if holder else "",
        mailbox_id=holder.mailbox_id if holder else "",
        conversation_id=conversation_id,
        member=member,
        through=through,
        subject=keys.open("subject", conversation_id, header[0]).decode(),
        replies=_replies(tx, space_id, conversation_id, holder.id if holder else "", members) if takes_part else "left",
        about=header[1],
    )


def _replies(tx: Tx, space_id: str, conversation_id: str, holder: str, members: set[str]) -> str:
    return "told" if members == {holder} else exchanges.replies(tx, space_id, conversation_id, holder)


def _conversation_in_mailbox(app: App, tx: Tx, box: MailboxHandle, conversation_id: str) -> ConversationHandle:
    space_id = conversations.find_in_mailbox(tx, box.mailbox_id, conversation_id)
    if space_id is None:
        raise Refused
    ground = "participant" if box.ground == "self" else box.ground
    return _conversation(app, tx, box.actor, space_id, conversation_id, box.owner, box.mailbox_id, ground)


async def mailbox(
    app: App, actor: Actor, mailbox_id: str = "", needs: Sequence[str] = (MESSAGES,), *, closed: bool = False
) -> MailboxHandle:
    """One's own mailbox (default), or that of a space one has a delegation in, for all that one `needs` there. One
    audit row a call: keep the handle. `closed`: also of a space that is closed, for what is about the account and not
    in the mailbox. Raises `Refused`, `NotAllowed`, `SpaceClosed`.
    """

    def decide(tx: Tx) -> MailboxHandle:
        handle = _mailbox(app, tx, actor, mailbox_id or actor.mailbox_id, *needs, closed=closed)
        audit.record(tx, Act.MAILBOX_READ, actor, handle.space_id, handle.ground, handle.mailbox_id)
        return handle

    return await app.db.write(decide)


def still_open(app: App, tx: Tx, box: MailboxHandle) -> None:
    """The decision of `mailbox` again, for a reader of messages that keeps its handle (a live socket, a long poll).
    Raises `Refused`.
    """
    _mailbox(app, tx, box.actor, box.mailbox_id, MESSAGES)


async def conversation(app: App, box: MailboxHandle, conversation_id: str) -> ConversationHandle:
    """A conversation of that mailbox."""

    def decide(tx: Tx) -> ConversationHandle:
        _mailbox(app, tx, box.actor, box.mailbox_id, MESSAGES)
        handle = _conversation_in_mailbox(app, tx, box, conversation_id)
        audit.record(tx, Act.CONVERSATION_READ, box.actor, handle.space_id, handle.ground, conversation_id)
        return handle

    return await app.db.write(decide)


async def conversation_of_message(app: App, box: MailboxHandle, message_id: str) -> ConversationHandle:
    """The conversation of a message that this mailbox has."""

    def decide(tx: Tx) -> ConversationHandle:
        _mailbox(app, tx, box.actor, box.mailbox_id, MESSAGES)
        entry = entries.present(tx, box.mailbox_id, message_id)
        if entry is None:
            raise Refused
        handle = _conversation_in_mailbox(app, tx, box, entry.conversation_id)
        audit.record(tx, Act.CONVERSATION_READ, box.actor, handle.space_id, handle.ground, entry.conversation_id)
        return handle

    return await app.db.write(decide)


async def attachment(
    app: App, box: MailboxHandle, attachment_id: str, space_id: str
) -> tuple[ConversationHandle, messages.Attachment]:
    """A file of a message that this mailbox has. `space_id` tells where to look; it gives no right."""

    def decide(tx: Tx) -> tuple[ConversationHandle, messages.Attachment]:
        _mailbox(app, tx, box.actor, box.mailbox_id, MESSAGES)
        found = messages.attachment(tx, space_id, attachment_id)
        entry = entries.present(tx, box.mailbox_id, found.message_id) if found else None
        if found is None or entry is None or entry.space_id != space_id:
            raise Refused
        handle = _conversation_in_mailbox(app, tx, box, entry.conversation_id)
        audit.record(tx, Act.ATTACHMENT_READ, box.actor, space_id, handle.ground, attachment_id)
        return handle, found

    return await app.db.write(decide)


async def own_space(app: App, actor: Actor) -> SpaceHandle:
    """The actor's own space: a holder's, or an office's (where uploads wait)."""
    if actor.external:
        raise Refused

    def decide(tx: Tx) -> SpaceHandle:
        keys = _keys(app, tx, actor.space_id)
        return SpaceHandle(actor, actor.space_id, keys, "self", actor.account_id, actor.mailbox_id)

    return await app.db.read(decide)


async def dossier(app: App, box: MailboxHandle, area: str = "dossier") -> DossierHandle:
    """The dossier of the holder whose mailbox this is, for the holder and those with a delegation for that `area` of
    it: dossier, agenda, services; or messages, to open a conversation in the space.
    """

    def decide(tx: Tx) -> DossierHandle:
        _mailbox(app, tx, box.actor, box.mailbox_id, area)
        if box.owner_kind != "holder":
            raise Refused
        keys = _keys(app, tx, box.space_id)
        part = "" if area == "dossier" else area
        audit.record(tx, Act.DOSSIER_READ, box.actor, box.space_id, box.ground, part)
        handle = DossierHandle(box.actor, box.space_id, keys, box.ground, box.owner, box.mailbox_id)
        if not part:
            audit.owe_notice(tx, handle)
        return handle

    return await app.db.write(decide)


async def record_of(app: App, box: MailboxHandle, space_id: str) -> DossierHandle:
    """A patient's dossier, for a professional at their own mailbox or a team's: one who writes with this patient, was
    allowed by them, or found them by their identity lately. What may be seen by it is decided item by item
    (`server.dossier`), and may be nothing. Raises `Refused`; `Throttled`, `NotAllowed` for one who opens too many.
    """
    await volume.may_open(app, box.actor, space_id)

    def decide(tx: Tx) -> DossierHandle:
        _mailbox(app, tx, box.actor, box.mailbox_id)
        holder, space = accounts.holder_of(tx, space_id), accounts.space(tx, space_id)
        office = box.actor.kind in {"professional", TEAM}
        if not office or holder is None or space is None or not _knows(tx, box, space_id):
            raise Refused
        keys = _keys(app, tx, space_id)
        reader = standing.professional(tx, keys, space_id, box.actor.account_id)
        why = reader.grounds[0] if reader.grounds else None
        outcome = "done" if reader.grounds and not (reader.blocked or reader.closed) else "own_only"
        volume.opened(tx, box.actor.account_id, space_id)
        ground, given = (why.kind, why.id) if why else (standing.CARE, "")
        audit.record_once(tx, Act.DOSSIER_READ, box.actor, space_id, ground, "", outcome, why=given)
        handle = DossierHandle(box.actor, space_id, keys, standing.CARE, holder.id, holder.mailbox_id)
        audit.owe_notice(tx, handle)
        return handle

    opened = await app.db.write(decide)
    app.delivery.wake()
    return opened


def _knows(tx: Tx, box: MailboxHandle, space_id: str) -> bool:
    known = {box.actor.account_id, box.owner, *(team for team, _, _ in teams.of_account(tx, box.actor.account_id))}
    return (
        any(conversations.knows(tx, space_id, member) for member in known)
        or bool(consents.in_force(tx, space_id, known))
        or volume.found_lately(tx, box.actor.account_id, space_id)
        or documents.deposited(tx, space_id, known)
    )


async def machine(app: App, actor: Actor, space_id: str, scope: str) -> DossierHandle:
    """A patient's dossier, for a bot: what it was granted when that has this `scope` (of the catalogue; "*": any), else
    what it deposited there itself. Raises `Refused`.
    """

    def decide(tx: Tx) -> DossierHandle:
        holder = accounts.holder_of(tx, space_id)
        if actor.kind != "bot" or holder is None or not accounts.in_force(tx, actor.account_id):
            raise Refused
        keys = _keys(app, tx, space_id)
        grants = [one for one in documents.grants_in_force(tx, actor.account_id) if one.space_id == space_id]
        given = next((one for one in grants if scope in {"*", *standing.scopes_of(keys, one)}), None)
        if given is None and not documents.deposited(tx, space_id, {actor.account_id}):
            raise Refused
        ground = standing.SERVICE if given else standing.CARE
        audit.record(tx, Act.DOSSIER_READ, actor, space_id, ground, why=given.id if given else "")
        return DossierHandle(actor, space_id, keys, ground, holder.id, holder.mailbox_id)

    return await app.db.write(decide)


async def has_ins(app: App, space: SpaceHandle, ins: str) -> bool:
    """Whether the space is that of the patient with this INS."""
    known = await app.db.read(accounts.space_by_ins, app.vault.lookup("ins", ins))
    return known is not None and known.id == space.space_id


def confirm_record(tx: Tx, to: DossierHandle, *needs: str) -> None:
    """The decision again, inside a write to the dossier: the account is in force; a delegate may for that; a
    professional who is blocked may still deposit (CSP R.1111-47), in a space that is open. Raises `Refused`,
    `NotAllowed`.
    """
    space = accounts.space(tx, to.space_id)
    if not accounts.in_force(tx, to.actor.account_id) or space is None:
        raise Refused
    if to.ground == standing.CARE and space.state != "open":
        raise NotAllowed("closed", "L’espace de ce patient est fermé.")
    may(tx, to, *(needs or ("dossier", WRITE)))


def office_keys(app: App, tx: Tx, box: MailboxHandle) -> SpaceKeys:
    """The keys of the office whose mailbox this is, the right asked again. Raises `Refused`."""
    if box.owner_kind not in {"professional", "team"}:
        raise Refused
    _mailbox(app, tx, box.actor, box.mailbox_id)
    return _keys(app, tx, box.space_id)


def office(app: App, tx: Tx, actor: Actor, mailbox_id: str = "") -> MailboxHandle:
    """The actor's own office (default), or a team's they work in, decided inside a transaction. Raises `Refused`."""
    box = _mailbox(app, tx, actor, mailbox_id or actor.mailbox_id)
    if box.owner_kind not in {"professional", "team"}:
        raise Refused
    return box


def _patient(app: App, tx: Tx, actor: Actor, ins: str) -> SpaceHandle:
    if actor.kind not in WRITERS:
        raise Refused
    space = accounts.space_by_ins(tx, app.vault.lookup("ins", ins))
    if space is None:
        raise Refused("no_space", "Ce patient n’a pas d’espace.")
    holder = accounts.holder_of(tx, space.id)
    if space.state != "open" or holder is None:
        raise Refused("closed", "L’espace de ce patient est fermé.")
    keys = app.vault.space(space.id, space.wrapped_key)
    return SpaceHandle(actor, space.id, keys, "correspondent", holder.id, holder.mailbox_id)


async def patient(
    app: App, actor: Actor, ins: str, token: str = "", through: MailboxHandle | None = None
) -> SpaceHandle:
    """The space of the patient with this INS, for somebody who may write to patients. It lets one write, and read
    nothing. `token`: of the conversation that the address names besides. `through`: the mailbox it is written from,
    when that is a team's.

    Raises `Refused` with code `no_space`, `closed` or `no_thread`: a door tells these apart only to a peer it trusts.
    """

    def decide(tx: Tx) -> SpaceHandle:
        space = _patient(app, tx, actor, ins)
        if through is not None and through.ground == TEAM:
            space = replace(space, ground=TEAM, team=through)
        if token and not threads.found(app, tx, space.space_id, [threads.NAMED + token]):
            raise Refused("no_thread", "Cette adresse de réponse est abîmée : écrivez-la sans ce qui suit le « + ».")
        return space if not token else replace(space, thread=token)

    return await app.db.read(decide)


async def is_blocked(app: App, actor: Actor, space: SpaceHandle) -> bool:
    """Whether the holder wants no letters from this writer."""

    def decide(tx: Tx) -> bool:
        me = member_id(app, tx, actor, space.space_id)
        return bool(me) and standings.standing(tx, space.space_id, me).blocked

    return await app.db.read(decide)


async def has_references(app: App, space: SpaceHandle, references: Sequence[str]) -> bool:
    """Whether this patient has a message with one of these references, whoever wrote it."""
    return await app.db.read(lambda tx: threads.found(app, tx, space.space_id, references)) is not None


async def correspondence(
    app: App, actor: Actor, ins: str, references: Sequence[str]
) -> SpaceHandle | tuple[ConversationHandle, str]:
    """Where a letter belongs: (conversation, message it answers) when one of its references is known **in this
    patient's space** and the sender, or the sender's organisation, takes part there; else the space, for a new
    conversation.

    Never matched on the subject. Raises as `patient`.
    """

    def decide(tx: Tx) -> SpaceHandle | tuple[ConversationHandle, str]:
        space = _patient(app, tx, actor, ins)
        known = threads.found(app, tx, space.space_id, references)
        if known is None:
            return space
        conversation_id, message_id = known
        me = member_id(app, tx, actor, space.space_id)
        members = conversations.participants(tx, space.space_id, conversation_id)
        if any(member.member_id == me for member in members):
            member = me
        elif any(organisation(actor) and member.organisation == organisation(actor) for member in members):
            member = next(m.member_id for m in members if m.organisation == organisation(actor))
        else:
            return space
        return _conversation(
            app, tx, actor, space.space_id, conversation_id, member, actor.mailbox_id, "participant"
        ), message_id

    return await app.db.read(decide)


async def correspondent(app: App, space: SpaceHandle, address: str) -> None:
    """May the holder of this space write first to this address? Yes when they wrote before (CNAM note § 2). Raises
    `NotAllowed`.
    """

    def decide(tx: Tx) -> None:
        account = accounts.by_address(tx, address)
        member = (
            account.id
            if account
            else conversations.contact_id(tx, space.space_id, app.vault.lookup("address", address))
        )
        if not member or not conversations.knows(tx, space.space_id, member):
            raise NotAllowed(
                "not_a_correspondent",
                "Vous pourrez écrire à ce professionnel s’il vous a déjà écrit. Votre texte est gardé.",
            )
        exchanges.may_answer([standings.standing(tx, space.space_id, member)])

    await app.db.read(decide)


def organisation(actor: Actor) -> str:
    """What a letter's sender is matched on besides the person: a hosted organisation, or the exact address elsewhere (a
    domain is shared by strangers).
    """
    return f"address:{actor.address}" if actor.external else actor.organisation_id


def member_id(app: App, tx: Tx, actor: Actor, space_id: str) -> str:
    """The member an actor is in a space: their account, or the space's contact of their address ('' when unknown)."""
    if not actor.external:
        return actor.account_id
    return conversations.contact_id(tx, space_id, app.vault.lookup("address", actor.address)) or ""


def confirm(tx: Tx, to: SpaceHandle) -> None:
    """The access decision again, inside the write. Raises `Refused`."""
    actor = to.actor
    if not actor.external and not accounts.in_force(tx, actor.account_id):
        raise Refused
    _confirm_team(tx, to)
    may(tx, to, MESSAGES, WRITE)
    told = to.ground == "system" and not (isinstance(to, ConversationHandle) and to.member)  # by Pli, of no part
    if to.ground != "system" and not lifecycle.is_open(tx, to.space_id):
        raise Refused("closed", "L’espace de ce patient est fermé.") if isinstance(to, ConversationHandle) else Refused
    if told or not isinstance(to, ConversationHandle):
        return
    if not conversations.takes_part(tx, to.space_id, to.conversation_id, to.member):
        raise Refused


def _confirm_team(tx: Tx, to: SpaceHandle) -> None:
    if to.ground == TEAM:
        team = to.member if isinstance(to, ConversationHandle) else to.team.owner if to.team else ""
        if not teams.role(tx, team, to.actor.account_id):
            raise Refused


def confirm_reading(tx: Tx, to: ConversationHandle) -> None:
    """As `confirm`, for marking what one has read: a closed conversation may still be read."""
    if not accounts.in_force(tx, to.actor.account_id):
        raise Refused
    _confirm_team(tx, to)
    may(tx, to, MESSAGES)


async def space_to_write(app: App, actor: Actor, space_id: str) -> SpaceHandle:
    """As `patient`, for a built-in bot that was led to a space by its own rows. Raises `Refused`."""

    def decide(tx: Tx) -> SpaceHandle:
        holder = accounts.holder_of(tx, space_id)
        space = accounts.space(tx, space_id)
        if actor.kind not in WRITERS or holder is None or space is None or space.state != "open":
            raise Refused
        return SpaceHandle(actor, space_id, _keys(app, tx, space_id), "correspondent", holder.id, holder.mailbox_id)

    return await app.db.read(decide)


async def common_conversation(app: App, actor: Actor, space: SpaceHandle) -> ConversationHandle | None:
    """The newest conversation of a space that this writer takes part in: where a bot goes on."""

    def decide(tx: Tx) -> ConversationHandle | None:
        me = member_id(app, tx, actor, space.space_id)
        found = conversations.newest_with(tx, space.space_id, me) if me else None
        if found is None:
            return None
        return _conversation(app, tx, actor, space.space_id, found, me, actor.mailbox_id, "participant")

    return await app.db.read(decide)
