"""What somebody who wrote is told of a mail that is late or lost: a line in the thread, in plain words; and for a
letter that came from a mail client, the report that client understands (RFC 3464), read over IMAP.

Promises: each failure and each delay is told once, in the transaction of its record; to nobody but who wrote. Does not
decide when: the delivery worker and incoming reports do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from server import posting, reading, threads
from server.drafts import Actor, Author, Draft, MailFacts
from server.errors import PliError, Refused
from server.handles import ConversationHandle, SpaceHandle
from server.settings import PLACE
from storage import accounts, conversations, deliveries, messages
from storage.accounts import Account
from storage.database import Tx
from storage.messages import Message
from storage.vault import SpaceKeys

if TYPE_CHECKING:
    from server.app import App
    from server.delivery import Parcel

log = structlog.get_logger()

SYSTEM = Actor("", "system", "Pli")


@dataclass(frozen=True, slots=True)
class News:
    """What became of a letter for one recipient, `address`. `action`: failed or delayed (RFC 3464 § 2.3.3)."""

    message_id: str
    address: str
    action: str
    detail: str
    status: str


# (Message-ID, mail) of the report; None when whoever wrote asked not to be told (RFC 3461 § 4.1).
Reporter = Callable[[SpaceKeys, News], Awaitable[tuple[str, bytes] | None]]


@dataclass(frozen=True, slots=True)
class _Letter:
    """The message, where its writer reads of it, and the contact it did not reach."""

    message: Message
    to: ConversationHandle
    contact: dict[str, Any]


async def never(
    app: App,
    keys: SpaceKeys,
    message_id: str,
    member: str,
    detail: str,
    status: str = "5.0.0",
    reporter: Reporter | None = None,
) -> None:
    """It did not reach `member`, and will not. The same failure is told once."""
    found = await app.db.read(_find, keys, message_id, member)
    if found is None:
        return
    whom = f" à {found.contact['name']}" if found.contact.get("name") else ""
    text = f"Votre message n’a pas pu être remis{whom}. {detail} Votre texte est gardé ici."

    def record(tx: Tx) -> set[str]:
        return _record(tx, keys.space_id, found.message, member, "failed")

    news = News(message_id, str(found.contact.get("address", "")), "failed", detail, status)
    await _tell(app, keys, found, news, text, f"bounce:{message_id}:{member}", record, reporter)


async def late(app: App, parcel: Parcel, code: str, until: int, reporter: Reporter | None = None) -> None:
    """It is still tried, until that instant (ms). Told once a delivery."""
    keys, delivery, member = parcel.keys, parcel.delivery, str(parcel.target.get("contact", ""))
    found = await app.db.read(_find, keys, delivery.message_id, member)
    if found is None:
        return
    silent = "ne peut pas le prendre pour le moment" if code.startswith("smtp_") else "ne répond pas"
    whose = found.contact.get("name") or "votre correspondant"
    text = f"Pas encore remis : le serveur de {whose} {silent}. Nous continuons d’essayer jusqu’au {_when(until)}."

    def record(tx: Tx) -> set[str]:
        deliveries.warned(tx, delivery)
        return _record(tx, keys.space_id, found.message, member, "delayed")

    news = News(delivery.message_id, str(found.contact.get("address", "")), "delayed", text, "4.4.1")
    await _tell(app, keys, found, news, text, f"late:{delivery.id}", record, reporter)


async def _tell(
    app: App,
    keys: SpaceKeys,
    found: _Letter,
    news: News,
    text: str,
    retry_key: str,
    record: Callable[[Tx], set[str]],
    reporter: Reporter | None,
) -> None:
    """A line for who wrote in the chat, a mail for who wrote by mail; record and telling are one transaction."""
    report: tuple[str, bytes] | None = ("", b"")
    if found.message.raw_blob and reporter is not None:
        report = await reporter(keys, news)
    if report is None:
        app.hub.wake(await app.db.write(record))
        return

    def effect(doing: posting.Doing) -> None:
        doing.wake.update(record(doing.tx))

    patient = found.to.member == found.to.holder
    draft = Draft(
        to=found.to,
        kind="line" if patient and news.action == "delayed" else "bounce",  # quiet: nothing is to be done
        text=text,
        retry_key=retry_key,
        in_reply_to=found.message.id,
        mail=MailFacts(message_id=report[0]),
        raw=report[1],
        only=frozenset({found.to.member}),
        effect=effect,
        author=Author("system", "Pli"),
    )
    try:
        await posting.post(app, SYSTEM, draft)
    except PliError as error:
        log.error("undelivered.not_told", code=error.code)
        raise


def to_writer(tx: Tx, keys: SpaceKeys, message: Message) -> ConversationHandle | None:
    """Where Pli itself tells whoever wrote this message; None when they take no part any more."""
    return to_member(tx, keys, message.conversation_id, message.author_id)


def to_member(tx: Tx, keys: SpaceKeys, conversation_id: str, member_id: str) -> ConversationHandle | None:
    """Where Pli itself tells somebody who takes part in a conversation; None when they do no more."""
    people = conversations.participants(tx, keys.space_id, conversation_id)
    writer = next((one for one in people if one.member_id == member_id and one.mailbox_id), None)
    header = conversations.header(tx, keys.space_id, conversation_id)
    if writer is None or header is None:
        return None
    holder = accounts.holder_of(tx, keys.space_id)
    return ConversationHandle(
        SYSTEM,
        keys.space_id,
        keys,
        "system",
        holder.id if holder else "",
        holder.mailbox_id if holder else "",
        conversation_id,
        writer.member_id,
        writer.mailbox_id,
        keys.open("subject", conversation_id, header[0]).decode(),
        "open",
    )


async def to_holder(app: App, space_id: str, reference: str) -> ConversationHandle | SpaceHandle:
    """Where Pli itself tells a holder what changes in their own space: the conversation whose first message has this
    reference, else the space, to open it there. Raises `Refused`.
    """
    return await app.db.read(lambda tx: _told(tx, app, accounts.holder_of(tx, space_id), reference))


async def to_office(app: App, mailbox_id: str, reference: str) -> ConversationHandle | SpaceHandle:
    """As `to_holder`, for a team or a professional, in a conversation of the office's own. Raises `Refused`."""

    def decide(tx: Tx) -> ConversationHandle | SpaceHandle:
        office = accounts.by_mailbox(tx, mailbox_id)
        return _told(tx, app, office if office and office.kind in {"team", "professional"} else None, reference)

    return await app.db.read(decide)


def _told(tx: Tx, app: App, owner: Account | None, reference: str) -> ConversationHandle | SpaceHandle:
    if owner is None:
        raise Refused
    space_id, keys = owner.space_id, reading.space_keys(app, tx, owner.space_id)
    known = threads.found(app, tx, space_id, [reference])
    header = conversations.header(tx, space_id, known[0]) if known else None
    if known is None or header is None:
        return SpaceHandle(SYSTEM, space_id, keys, "system", owner.id, owner.mailbox_id)
    subject = keys.open("subject", known[0], header[0]).decode()
    return ConversationHandle(
        SYSTEM, space_id, keys, "system", owner.id, owner.mailbox_id, known[0], "", "", subject, "told"
    )


def _find(tx: Tx, keys: SpaceKeys, message_id: str, member: str) -> _Letter | None:
    message = messages.find(tx, keys.space_id, message_id)
    handle = to_writer(tx, keys, message) if message else None
    if message is None or handle is None:
        return None
    card = conversations.contact_card(tx, keys.space_id, member)
    contact = msgspec.json.decode(keys.open("contact", member, card)) if card else {}
    return _Letter(message, handle, contact)


def _record(tx: Tx, space_id: str, message: Message, member: str, state: str) -> set[str]:
    if not messages.add_receipt(tx, space_id, message.id, member, state):
        return set()
    return reading.tell_author(tx, space_id, message)


def _when(ms: int) -> str:
    """« samedi 28 novembre à 14 h 05 », in Paris."""
    from babel.dates import format_datetime  # its data takes 20 MB: only who has bad news pays

    paris = datetime.fromtimestamp(ms / 1000, PLACE)
    return format_datetime(paris, "EEEE d MMMM 'à' H 'h' mm", locale="fr")


async def to_talk(app: App, space_id: str, conversation_id: str) -> ConversationHandle:
    """Where Pli itself answers a holder, in a conversation that is of Pli and them. Raises `Refused`."""

    def decide(tx: Tx) -> ConversationHandle:
        holder, header = accounts.holder_of(tx, space_id), conversations.header(tx, space_id, conversation_id)
        if holder is None or header is None:
            raise Refused
        keys = reading.space_keys(app, tx, space_id)
        subject = keys.open("subject", conversation_id, header[0]).decode()
        return ConversationHandle(
            SYSTEM, space_id, keys, "system", holder.id, holder.mailbox_id, conversation_id, "", "", subject, "told"
        )

    return await app.db.read(decide)
