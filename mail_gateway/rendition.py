"""A message of ours as a mail: what a professional reads over IMAP and what leaves for one hosted elsewhere.

Promises: the same message gives the same octets for ever (the first rendition is kept, and whoever loses a race uses
the winner's); a mail that came in is shown as it came; a message written here stands in its thread (RFC 5322 § 3.6.4)
whatever the client of the other side groups by; a card can be read and answered as plain text (law 6).
Does not decide who may read: the keys it is given come from a handle or from a delivery that is owed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from mail_gateway import appointments, cards, describe
from mail_gateway.compose import OutLetter, OutPart, compose
from mail_gateway.headers import Mailbox
from server import actions, attachments, corrections, reading, threads
from server.drafts import Author, Body, MailFacts
from storage import blobs, renditions
from storage.blobs import Blob
from storage.database import Tx
from storage.renditions import Rendition
from storage.vault import CannotOpen, SpaceKeys

if TYPE_CHECKING:
    from server.app import App
    from server.reading import Contact, OpenMessage

MAX_REFERENCES = 20
_body = msgspec.json.Decoder(Body)
_facts = msgspec.msgpack.Decoder(describe.Facts)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail that is kept: where its octets are, how many, and what IMAP says of it without opening them."""

    blob_id: str
    size: int
    facts: describe.Facts


async def as_mail(app: App, keys: SpaceKeys, opened: OpenMessage) -> bytes:
    """The octets of a message as a mail. Raises `CannotOpen`; `Unavailable` when a file of it does not open."""
    raw = await attachments.raw_unchecked(app, keys, opened.message)
    if raw is not None:
        return raw
    rendered, mail = await _rendered(app, keys, opened)
    return mail or await octets(app, keys, rendered.blob_id)


async def copied(app: App, keys: SpaceKeys, message_id: str) -> bytes:
    """As `as_mail`, and nothing is kept: for a copy that is taken away."""
    opened = await reading.open_unchecked(app, keys, message_id)
    raw = await attachments.raw_unchecked(app, keys, opened.message)
    if raw is not None:
        return raw
    found = await app.db.read(renditions.find, keys.space_id, message_id)
    return await octets(app, keys, found.blob_id) if found else compose(await _letter(app, keys, opened))


async def rendered(app: App, keys: SpaceKeys, message_id: str) -> Rendered:
    """What is known of a message's mail, made and kept the first time. Raises as `as_mail`, and `Refused`."""
    found = await app.db.read(renditions.find, keys.space_id, message_id)
    if found is not None and (facts := known_facts(keys, message_id, found)) is not None:
        return Rendered(found.blob_id, found.size, facts)
    return (await _rendered(app, keys, await reading.open_unchecked(app, keys, message_id)))[0]


def known_facts(keys: SpaceKeys, message_id: str, found: Rendition) -> describe.Facts | None:
    """The kept facts, or None when an older version wrote them. Raises `CannotOpen`."""
    try:
        facts = _facts.decode(keys.open("rendition", message_id, found.structure))
    except msgspec.DecodeError:
        return None
    return facts if facts.version == describe.VERSION else None


async def octets(app: App, keys: SpaceKeys, blob_id: str) -> bytes:
    """The octets of a kept mail. Raises `CannotOpen`."""
    blob = await app.db.read(blobs.find, keys.space_id, blob_id)
    if blob is None:
        raise CannotOpen("a mail's octets are gone")
    return await app.blobs.get(keys, blob)


async def _rendered(app: App, keys: SpaceKeys, opened: OpenMessage) -> tuple[Rendered, bytes]:
    """What is kept, and its octets when they were made just now (b"" otherwise)."""
    message = opened.message
    found = await app.db.read(renditions.find, keys.space_id, message.id)
    if found is not None:
        facts = known_facts(keys, message.id, found)
        if facts is None:
            facts = describe.facts(await octets(app, keys, found.blob_id))
            sealed = keys.seal("rendition", message.id, msgspec.msgpack.encode(facts))
            await app.db.write(renditions.describe_again, keys.space_id, message.id, sealed)
        return Rendered(found.blob_id, found.size, facts), b""
    raw = await attachments.raw_unchecked(app, keys, message)
    mail = raw if raw is not None else compose(await _letter(app, keys, opened))
    facts = describe.facts(mail)
    sealed = keys.seal("rendition", message.id, msgspec.msgpack.encode(facts))
    blob = None if raw is not None else await app.blobs.put(keys, mail)
    blob_id = blob.id if blob is not None else message.raw_blob

    def keep(tx: Tx, blob: Blob | None) -> bool:
        first = renditions.insert(tx, keys.space_id, message.id, blob_id, len(mail), sealed)
        if first and blob is not None:
            blobs.insert(tx, blob)
        return first

    if await app.db.write(keep, blob):
        return Rendered(blob_id, len(mail), facts), mail
    return await _rendered(app, keys, opened)  # somebody else's was first: the sweep takes the file of ours


async def _letter(app: App, keys: SpaceKeys, opened: OpenMessage) -> OutLetter:
    """What is written here, in the form of a letter."""
    message, body = opened.message, opened.body
    mail = body.mail or MailFacts()
    references = mail.references or await _references(app, keys, opened)
    files = []
    for attachment, facts in opened.files:
        _, data = await attachments.opened_unchecked(app, keys, attachment)
        files.append(OutPart(facts.name, facts.type, data))
    automatic = message.author_kind == "bot" or message.kind in {"line", "bounce"}
    return OutLetter(
        message_id=mail.message_id or f"{message.id}@{app.settings.mail_domain}",
        date=datetime.fromtimestamp(message.at // 1000, UTC),
        from_=_author(app, opened),
        to=tuple(_mailbox(other) for other in _others(opened)),
        subject=_subject(body.subject, bool(references)),
        text=written(body).rstrip("\n") + "\n",
        html=cards.as_html(body.text, body.card) if body.card else "",
        machine=cards.as_machine(body.card) if body.card else None,
        in_reply_to=references[-1] if references else "",
        references=references,
        reply_to=_reply_to(app, opened),
        attachments=tuple(files),
        calendar=_calendar(opened, mail),
        calendar_method=mail.method,
        auto_submitted="auto-generated" if automatic else "",  # RFC 3834: no robot answers a robot
    )


def _calendar(opened: OpenMessage, mail: MailFacts) -> str:
    """The answer to an invitation, in the name of the patient it was sent to (RFC 6047)."""
    patient = next((person for person in opened.participants if person.kind == "holder"), None)
    at = datetime.fromtimestamp(opened.message.at // 1000, UTC)
    return appointments.answer(mail, Mailbox(patient.name, patient.address), at) if patient is not None else ""


def written(body: Body) -> str:
    """The text of a message, with the letter form of its card; a correction says of which message it is one. What was
    written for somebody else says so at its end (mssante.md § 1.5).
    """
    if body.answer and body.answer.get("action") == corrections.ACTION:
        text = f"{body.answer['label']} :\n\n{body.text}"
    else:
        text = f"{body.text}\n\n{actions.letter_form(body.card)}".lstrip("\n") if body.card else body.text
    author = body.author
    return f"{text.rstrip()}\n\nRédigé par {author.name}, {_acts_as(author)}." if author.acting_as else text


def _acts_as(author: Author) -> str:
    """« l’aidante de Marcel PAT-DEUX »; what was written before that was kept says « pour »."""
    word = {
        ("helper", "F"): "l’aidante de",
        ("helper", "M"): "l’aidant de",
        ("representative", "F"): "représentante de",
        ("representative", "M"): "représentant de",
    }.get((author.acting_as, author.sex), f"{author.role} de" if author.role else "pour")
    return f"{word} {author.acting_for}"


def _author(app: App, opened: OpenMessage) -> Mailbox:
    """From whom, at the address that reaches them; a line of record by nobody in particular cannot be answered."""
    author = opened.body.author
    known = next((other for other in opened.participants if other.member_id == opened.message.author_id), None)
    name = author.name or (known.name if known else "")
    if author.acting_for:  # a delegate writes in their own name (words of the design)
        name = f"{name}, {_acts_as(author)}"
    address = known.address if known and opened.message.kind != "bounce" else ""
    return Mailbox(name, address or f"no-reply@{app.settings.mail_domain}")


def _reply_to(app: App, opened: OpenMessage) -> Mailbox | None:
    """An answer to a patient finds its conversation by the token too, should it lose its references on the way."""
    patient = next((one for one in opened.participants if one.member_id == opened.message.author_id), None)
    if patient is None or patient.kind != "holder" or not app.settings.reply_tokens or opened.message.kind == "bounce":
        return None
    local, _, domain = patient.address.rpartition("@")
    return Mailbox(patient.name, f"{local}+{threads.token_of(opened.message.conversation_id)}@{domain}")


def _others(opened: OpenMessage) -> list[Contact]:
    """Everybody else whom it is for, in an order that does not depend on the database's."""
    author, alone = "" if opened.message.kind == "bounce" else opened.message.author_id, opened.body.addressed
    others = [one for one in opened.participants if one.address and one.member_id != author]
    others = [one for one in others if not alone or one.member_id in alone]
    return sorted(others, key=lambda one: (one.kind == "holder", one.address))


def _mailbox(contact: Contact) -> Mailbox:
    return Mailbox(contact.name, contact.address)


def _subject(subject: str, answers: bool) -> str:
    return f"Re: {subject}" if answers and not subject.lower().startswith(("re:", "re :")) else subject


async def _references(app: App, keys: SpaceKeys, opened: OpenMessage) -> tuple[str, ...]:
    """The Message-IDs of what came before in the conversation, the answered one last: a chat has no other thread."""
    before = await app.db.read(renditions.ancestors, keys.space_id, opened.message, MAX_REFERENCES)
    before.sort(key=lambda message: message.id == opened.message.in_reply_to)
    found = []
    for message in before:
        mail = _body.decode(keys.open("body", message.id, message.body)).mail
        if mail is not None and mail.message_id:
            found.append(mail.message_id)
    return tuple(found)
