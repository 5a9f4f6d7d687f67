"""Where a draft belongs: the conversation and the people of a mail that is not sent yet, and of a page's words.

    a client's draft  →  its references, or the token of an address  →  a conversation of this mailbox; else the one
                         patient it is for, when this mailbox writes with them already  →  a page can go on with it
    a page's draft    →  To, Subject, References as the letter will have them

Promises: nothing here tells whether a patient exists: one whom this mailbox never wrote with is an address, looked up
nowhere; what a page could not send to everybody the draft names, no page goes on with (`why`). Threaded as a letter is
(`placing`): a new subject is a new conversation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from mail_gateway import placing
from mail_gateway.addresses import parse_patient
from mail_gateway.draft_mail import Around, Read
from mail_gateway.headers import Mailbox
from server import access, reading, threads
from server.drafts import MailFacts
from server.errors import PliError
from server.formats.malformed import Malformed
from server.handles import ConversationHandle, MailboxHandle
from server.keeping import Kept, Writing
from server.reading import Contact
from storage import accounts, conversations, drafts, entries
from storage.database import Tx
from storage.vault import CannotOpen

if TYPE_CHECKING:
    from server.app import App

MAX_REFERENCES = 20
_END = 2**62


@dataclass(frozen=True, slots=True)
class Place:
    """`answers`: a message of the conversation. `patient`: for a new letter, the holder it is for."""

    conversation: str = ""
    answers: str = ""
    patient: str = ""


async def placed(app: App, box: MailboxHandle, found: Read) -> tuple[str, Writing]:
    """(conversation, what is written) of a client's draft."""
    letter, writing = found.letter, found.writing
    if letter is None or (writing.mail is not None and writing.mail.why):
        return "", writing
    place = await app.db.read(_find, app, box, found)
    if not place.conversation:
        return "", _alone(writing, "people" if found.to else "nobody")
    try:
        handle = await access.conversation(app, box, place.conversation)
    except PliError:
        return "", _alone(writing, "people")
    people = await reading.people_in(app, handle)
    others = [one for one in people if one.member_id != handle.member]
    mine = {box.actor.address.lower(), *(one.address.lower() for one in people if one not in others)}
    asked = {_plain(app, one.address) for one in found.to} - mine
    if not asked <= {one.address.lower() for one in others}:
        return "", _alone(writing, "people")
    if not place.patient and not placing.about_something_else(letter, handle.subject):
        return handle.conversation_id, msgspec.structs.replace(writing, in_reply_to=place.answers)
    patient = next((one for one in others if one.kind == "holder"), None)
    if patient is None or asked != {patient.address.lower()}:
        return "", _alone(writing, "people" if asked else "nobody")
    return "", msgspec.structs.replace(writing, to=handle.conversation_id, whom=patient.member_id)


def _alone(writing: Writing, why: str) -> Writing:
    """A page shows it, and no page goes on with it."""
    return msgspec.structs.replace(
        writing, mail=msgspec.structs.replace(writing.mail, why=why) if writing.mail else None
    )


def _plain(app: App, address: str) -> str:
    """Without the token of a patient's address."""
    local, _, domain = address.lower().rpartition("@")
    own = domain == app.settings.patient_domain.lower()
    return f"{local.partition('+')[0] if own else local}@{domain}"


def _find(tx: Tx, app: App, box: MailboxHandle, found: Read) -> Place:
    letter = found.letter
    named = (*letter.in_reply_to, *reversed(letter.references)) if letter else ()
    for name in dict.fromkeys(named):
        known = drafts.answered(tx, box.mailbox_id, threads.reference_hash(app, name))
        if known is not None:
            has = entries.of_message(tx, box.mailbox_id, known[1]) is not None
            return Place(known[0], known[1] if has else "")
    patients = {}
    for one in found.to:
        try:
            patient = parse_patient(one.address, (app.settings.patient_domain,), strict_key=False)
        except Malformed:
            continue
        patients[patient.ins] = patient.token
    for token in filter(None, patients.values()):
        conversation = threads.conversation_of(token)
        if conversation and conversations.find_in_mailbox(tx, box.mailbox_id, conversation):
            return Place(conversation)
    if len(patients) != 1:
        return Place()
    space = accounts.space_by_ins(tx, app.vault.lookup("ins", next(iter(patients))))
    latest = drafts.latest_with(tx, box.mailbox_id, space.id) if space else ""
    return Place(latest, patient="new") if latest else Place()


# ---- of what a page wrote --------------------------------------------------------------------------------------------


async def around(app: App, box: MailboxHandle, kept: Kept) -> Around:
    """To, Subject and References of the letter that it will be; to nobody when the conversation is theirs no more."""
    writing = kept.writing
    try:
        handle = await access.conversation(app, box, kept.conversation or writing.to)
        others = [one for one in await reading.people_in(app, handle) if one.member_id != handle.member]
        if not kept.conversation:
            others = [one for one in others if not writing.whom or one.member_id == writing.whom]
            return Around(_mailboxes(others), writing.subject)
        if writing.only:
            # For one of several: as a letter of its own, so that sending it from a mail client tells nobody else. The
            # patient has every message of their space.
            others = [one for one in others if one.member_id in (writing.only, handle.holder)]
            return Around(_mailboxes(others), handle.subject)
        before = await _before(app, box, handle, writing.in_reply_to)
    except (PliError, CannotOpen):
        return Around(subject=writing.subject)
    subject = handle.subject if handle.subject.lower().startswith(("re:", "re :")) else f"Re: {handle.subject}"
    return Around(_mailboxes(others), subject, before[-1] if before else "", before)


def _mailboxes(people: Sequence[Contact]) -> list[Mailbox]:
    found = sorted((one for one in people if one.address), key=lambda one: (one.kind != "holder", one.address))
    return [Mailbox(one.name, one.address) for one in found]


async def _before(app: App, box: MailboxHandle, handle: ConversationHandle, answered: str) -> tuple[str, ...]:
    """The Message-IDs it refers to, that of the message it answers last: the latest, when it answers none."""

    def latest(tx: Tx) -> str:
        found = entries.page(tx, box.mailbox_id, handle.conversation_id, _END, 1)
        return found[0].message_id if found else ""

    if answered:
        await reading.message(app, handle, answered)  # one that this mailbox has: else `Refused`
    message_id = answered or await app.db.read(latest)
    if not message_id:
        return ()
    opened = await reading.open_unchecked(app, handle.keys, message_id)
    mail = opened.body.mail or MailFacts()
    own = mail.message_id or f"{message_id}@{app.settings.mail_domain}"
    return (*mail.references, own)[-MAX_REFERENCES:]
