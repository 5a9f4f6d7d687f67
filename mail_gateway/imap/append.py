"""APPEND (RFC 9051 § 6.3.12): what a client puts into a folder itself.

    Drafts                               kept whole, as a draft that its writer also finds on the web
    a mail that this mailbox has         it is not stored twice: the one that is there is named, and placed in that
                                         folder too when it was not; what was sent by SMTP is in Sent already
    a mail that was expunged here        it stands in that folder: mbsync moves so, taking away before putting down
    anything else                        refused in words: what stands in a mailbox came by its doors

Promises: nothing is acknowledged that is not kept; whose mail it is, is never read from the mail.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mail_gateway.headers import Headers, message_ids
from mail_gateway.imap import quota
from mail_gateway.imap.answers import No, cannot
from mail_gateway.imap.capabilities import APPEND_LIMIT
from mail_gateway.imap.client import Client
from mail_gateway.imap.commands import Append, Command
from mail_gateway.imap.draft_shelf import DraftShelf
from mail_gateway.imap.folders import Drawer
from mail_gateway.imap.syntax import BadCommand, Cursor, Part
from mail_gateway.imap.view import Names
from server import filing
from server.formats.malformed import Malformed
from server.handles import MailboxHandle
from storage import entries, mail_sizes
from storage.database import Tx

_TAG = re.compile(rb"\S++")
DRAFTS, SENT = "drafts", "sent"  # roles of `folders`


async def append(client: Client, command: Command) -> str:
    asked = command.what
    assert isinstance(asked, Append)  # noqa: S101 - the parser's word
    if asked.utf8 and not client.enabled.plain_names:
        return "BAD UTF8=ACCEPT first"  # RFC 6855 § 4
    drawer = await client.boxes.drawer(asked.mailbox)  # no TRYCREATE when it is not there: none can be made
    if asked.message.size > APPEND_LIMIT:
        raise No("Message trop grand / Message too large", "TOOBIG")
    handle = await client.boxes.handle(drawer)
    if drawer.role == DRAFTS:
        uid = await _keep(client, handle, asked)
    else:
        uid = await _known(client, handle, drawer, asked)
    validity = await client.app.db.read(entries.validity, drawer.mailbox_id)
    return f"OK [APPENDUID {validity} {uid}] Done"


def wants_whole(parts: Sequence[Part]) -> bool:
    """Whether the literal that comes next is a mail to keep: that of APPEND to a folder of drafts, as it is written so
    far. Never raises.
    """
    cursor = Cursor(parts)
    try:
        cursor.match(_TAG)
        cursor.space()
        if cursor.keyword() != "APPEND":
            return False
        cursor.space()
        name = cursor.string()
    except BadCommand:
        return False
    return name.rpartition(b"/")[2] == b"Drafts"


async def _keep(client: Client, handle: MailboxHandle, asked: Append) -> int:
    if len(asked.message.data) != asked.message.size:
        raise No("Trop d'envois a la fois, reessayez / Too many at once, try again", "LIMIT")
    if (
        b"\0" in asked.message.data
    ):  # RFC 3516 § 4.4: sent as it is (8BITMIME, BINARYMIME), which could not be shown again
        raise No("Octet nul / NUL octet", "UNKNOWN-CTE")
    await quota.has_room(client, handle, asked.message.size)
    return await DraftShelf(client.app, handle).append(asked.message.data, asked.flags, asked.at)


async def _known(client: Client, handle: MailboxHandle, drawer: Drawer, asked: Append) -> int:
    """The number in that folder of the mail with this Message-ID. Raises `No`."""
    hashed = [client.app.vault.lookup("reference", reference) for reference in _message_id(asked.message.data)]

    def find(tx: Tx) -> list[tuple[str, int]]:
        return [place for one in hashed for place in mail_sizes.places_of(tx, handle.mailbox_id, one)]

    places = await client.app.db.read(find)
    for folder, uid in places:
        if folder == drawer.role:
            return uid
    for folder, uid in places:
        for _, there in await filing.copy(client.app, handle, folder, [uid], drawer.role):
            return there
    flags, _ = Names({}).bits(asked.flags)
    for one in hashed:
        if there := await filing.bring_back(client.app, handle, one, drawer.role, flags):
            return there
    if drawer.role == SENT:
        raise cannot(
            "Seuls les messages envoyes par Pli sont dans Sent ; le votre reste chez vous",
            "Only what was sent through Pli is in Sent; yours is kept on your side",
        )
    raise cannot(
        "Seul ce qui est passe par Pli se range ici ; votre message reste chez vous",
        "Only what came through Pli is kept here; your message stays on your side",
    )


def _message_id(mail: bytes) -> tuple[str, ...]:
    """The Message-ID of a mail of which at least the header block is here."""
    end = mail.find(b"\r\n\r\n")
    try:
        return message_ids(Headers(mail[: end + 4] if end >= 0 else mail).get("message-id"))
    except Malformed:
        return ()
