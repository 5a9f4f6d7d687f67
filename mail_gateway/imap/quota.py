"""QUOTA (RFC 9208): how much a mailbox holds, and how much it may.

A mailbox has one root, named as its inbox. MESSAGE: as many as can be numbered (RFC 9051 § 2.3.1.1). STORAGE: when
`mailbox_quota_mb` sets one; it is what mail clients keep here themselves that is then refused, drafts: a letter that
comes is never refused for it. SETQUOTA is not served: the operator sets it.
"""

from __future__ import annotations

from mail_gateway.imap import folders, names
from mail_gateway.imap.answers import No
from mail_gateway.imap.client import Client
from mail_gateway.imap.commands import Command, Folder
from mail_gateway.imap.folders import Drawer
from server.handles import MailboxHandle
from storage import drafts, mail_sizes
from storage.database import Tx

UNIT = 1024  # octets of one STORAGE (§ 5.1)
MOST_MESSAGES = 2**32 - 1


async def quota_root(client: Client, command: Command) -> str:
    """GETQUOTAROOT."""
    assert isinstance(command.what, Folder)  # noqa: S101 - the parser's word
    drawer = await client.boxes.drawer(command.what.mailbox)
    root = _root(drawer)
    client.wire.write(b"* QUOTAROOT %b %b\r\n" % (client.said(drawer.name), client.said(root)))
    await _tell(client, drawer, root)
    return "OK Done"


async def quota(client: Client, command: Command) -> str:
    """GETQUOTA."""
    assert isinstance(command.what, Folder)  # noqa: S101 - the parser's word
    drawer = await client.boxes.drawer(command.what.mailbox)
    if _root(drawer) != drawer.name:
        raise No("Pas de telle racine / No such quota root", "NONEXISTENT")
    await _tell(client, drawer, drawer.name)
    return "OK Done"


def _root(drawer: Drawer) -> str:
    """The inbox of the mailbox that the folder is of."""
    levels = drawer.name.split(folders.SEPARATOR)
    return folders.SEPARATOR.join(levels[:2]) if levels[0] == folders.TEAMS else folders.INBOX


async def _tell(client: Client, drawer: Drawer, root: str) -> None:
    handle = await client.boxes.handle(drawer)
    messages, octets = await _held(client, handle)
    resources = f"MESSAGE {messages} {MOST_MESSAGES}"
    if most := _most(client):
        resources = f"STORAGE {-(-octets // UNIT)} {most // UNIT} {resources}"
    said = names.said(root, utf8=client.enabled.plain_names)
    client.wire.write(b"* QUOTA %b (%b)\r\n" % (said, resources.encode("ascii")))


async def _held(client: Client, handle: MailboxHandle) -> tuple[int, int]:
    """(messages, octets): of the mailbox, and of what this person's mail clients keep among the drafts."""

    def read(tx: Tx) -> tuple[int, int]:
        messages, octets = mail_sizes.of_mailbox(tx, handle.mailbox_id)
        return messages, octets + drafts.octets(tx, handle.mailbox_id, handle.actor.account_id)

    return await client.app.db.read(read)


def _most(client: Client) -> int:
    """Octets of a mailbox, 0 for no limit."""
    return client.app.settings.mailbox_quota_mb * 1024 * 1024


async def has_room(client: Client, handle: MailboxHandle, octets: int) -> None:
    """Before a mail client keeps so much here. Raises `No` (§ 4.3.1)."""
    most = _most(client)
    if not most:
        return
    _, held = await _held(client, handle)
    if held + octets > most:
        raise No("La boite est pleine / The mailbox is full", "OVERQUOTA")
