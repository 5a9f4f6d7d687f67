"""What is asked of folders without opening one: NAMESPACE, LIST, LSUB, STATUS, and making, renaming or hiding them.

Promises: the folders are those of `folders`, and what is answered of a team's is answered to who works in it now. A
folder cannot be made, renamed or taken away: refused in words. Every folder is subscribed to: SUBSCRIBE has nothing to
do, and UNSUBSCRIBE, which could not be kept, is refused rather than forgotten.
"""

from __future__ import annotations

from mail_gateway.imap import folders
from mail_gateway.imap.answers import No, cannot
from mail_gateway.imap.capabilities import APPEND_LIMIT
from mail_gateway.imap.client import Client
from mail_gateway.imap.commands import Command, Folder, Listing, Status
from mail_gateway.imap.folders import SEPARATOR, TEAMS, Drawer, Line
from mail_gateway.imap.shelves import Opened
from storage import entries, mail_sizes, placements
from storage.database import Tx
from storage.entries import DELETED, SEEN
from storage.mail_sizes import Sums

UNMADE = 500  # mails made for one look at the size of a folder, at a time
_COUNTED = frozenset({"MESSAGES", "UNSEEN", "DELETED"})
_WEIGHED = frozenset({"SIZE", "DELETED-STORAGE"})


async def namespace(client: Client, command: Command) -> str:
    """RFC 2342: one's own folders; nobody else's; those of one's teams."""
    found = await client.boxes.drawers()
    shared = f'(("{TEAMS}{SEPARATOR}" "{SEPARATOR}"))' if found[-1].mailbox_id != found[0].mailbox_id else "NIL"
    client.wire.say(f'* NAMESPACE (("" "{SEPARATOR}")) NIL {shared}')
    return "OK Done"


# ---- LIST, LSUB ----


async def listing(client: Client, command: Command) -> str:
    asked = command.what
    assert isinstance(asked, Listing)  # noqa: S101 - the parser's word
    if "RECURSIVEMATCH" in asked.options and not asked.options & {"SUBSCRIBED", "SPECIAL-USE"}:
        return "BAD RECURSIVEMATCH alone"  # RFC 5258 § 3
    name = command.name.encode("ascii")
    if asked.patterns == ("",) and not asked.extended:  # RFC 9051 § 6.3.9: what separates levels
        client.wire.write(b'* %b (\\Noselect) "/" ""\r\n' % name)
        return "OK Done"
    lines = folders.listing(asked, await client.boxes.drawers(), subscribed=command.name == "LSUB")
    for line in lines:
        client.wire.write(written(client, line, name))
        if asked.status and line.drawer.selectable:
            await _status(client, line.drawer, asked.status)
            await client.wire.drain()
    return "OK Done"


def written(client: Client, line: Line, name: bytes = b"LIST") -> bytes:
    attributes = " ".join(line.attributes).encode("ascii")
    of = " ".join(f'"{option}"' for option in line.of).encode("ascii")
    more = b' ("CHILDINFO" (%b))' % of if of else b""
    return b'* %b (%b) "/" %b%b\r\n' % (name, attributes, client.said(line.drawer.name), more)


# ---- STATUS ----


async def status(client: Client, command: Command) -> str:
    asked = command.what
    assert isinstance(asked, Status)  # noqa: S101 - the parser's word
    if "HIGHESTMODSEQ" in asked.items:
        client.enabled.condstore = True  # RFC 7162 § 3.1
    await _status(client, await client.boxes.drawer(asked.mailbox), asked.items)
    return "OK Done"


async def _status(client: Client, drawer: Drawer, items: tuple[str, ...]) -> None:
    facts = await _facts(client, drawer, frozenset(items))
    said = " ".join(f"{item} {facts[item]}" for item in items)
    client.wire.write(b"* STATUS %b (%b)\r\n" % (client.said(drawer.name), said.encode("ascii")))


async def _facts(client: Client, drawer: Drawer, items: frozenset[str]) -> dict[str, str | int]:
    handle = await client.boxes.handle(drawer)
    if drawer.role == "drafts":
        sums, validity, last = await _of_drafts(client, drawer, weighed=bool(items & _WEIGHED))
    else:
        if items & _WEIGHED:
            await _make(client, drawer)

        def read(tx: Tx) -> tuple[Sums, int, int]:
            counted = _sums(tx, handle.mailbox_id, drawer.role, items)
            return counted, entries.validity(tx, handle.mailbox_id), entries.last_seq(tx, handle.mailbox_id)

        sums, validity, last = await client.app.db.read(read)
    return {
        "MESSAGES": sums.messages, "RECENT": 0, "UNSEEN": sums.unseen, "DELETED": sums.deleted,
        "UIDNEXT": last + 1, "UIDVALIDITY": validity, "HIGHESTMODSEQ": max(1, last), "SIZE": sums.octets,
        "DELETED-STORAGE": sums.deleted_octets, "APPENDLIMIT": APPEND_LIMIT,
        "MAILBOXID": f"({client.mailbox_id(drawer)})",
    }  # fmt: skip


def _sums(tx: Tx, mailbox_id: str, folder: str, items: frozenset[str]) -> Sums:
    if items & _WEIGHED:
        return mail_sizes.of_folder(tx, mailbox_id, folder)
    if items & _COUNTED:
        return Sums(*placements.counts(tx, mailbox_id, folder), 0, 0, 0)
    return Sums(0, 0, 0, 0, 0, 0)


async def _make(client: Client, drawer: Drawer) -> None:
    """Mails that nobody has asked for yet have no size: they are made, once."""
    after = [0]
    while True:
        uids = await client.app.db.read(mail_sizes.unmade, drawer.mailbox_id, drawer.role, UNMADE)
        if not uids or uids == after:  # what does not open has none
            return
        shelf = await client.shelf(drawer)
        async for _ in shelf.open(uids, facts=True):
            pass
        after = uids


async def _of_drafts(client: Client, drawer: Drawer, *, weighed: bool) -> tuple[Sums, int, int]:
    """They are few: looked at one by one."""
    shelf = await client.shelf(drawer)
    standing = await shelf.standing()
    sizes: dict[int, int] = {}
    if weighed:
        async for one in shelf.open([row.uid for row in standing.rows], facts=True):
            sizes[one.uid] = one.size if isinstance(one, Opened) else 0
    unseen = sum(1 for row in standing.rows if not row.flags & SEEN)
    deleted = [row.uid for row in standing.rows if row.flags & DELETED]
    weight = sum(sizes.get(uid, 0) for uid in deleted)
    sums = Sums(len(standing.rows), unseen, len(deleted), sum(sizes.values()), weight, 0)
    return sums, standing.validity, standing.next_uid - 1


# ---- what folders are not ----


async def subscribe(client: Client, command: Command) -> str:
    assert isinstance(command.what, Folder)  # noqa: S101 - the parser's word
    await client.boxes.drawer(command.what.mailbox)
    return "OK Done"


async def unsubscribe(client: Client, command: Command) -> str:
    await subscribe(client, command)
    raise cannot("Aucun dossier ne se cache ici", "No folder is hidden here")


async def fixed(client: Client, command: Command) -> str:
    """CREATE, DELETE, RENAME. What one may see and what there is not are told apart as anywhere else."""
    assert isinstance(command.what, Folder)  # noqa: S101 - the parser's word
    if command.name != "CREATE":
        await client.boxes.drawer(command.what.mailbox)
    elif any(one.name == command.what.mailbox for one in await client.boxes.drawers()):
        raise No("Ce dossier est deja la / This folder is there already", "ALREADYEXISTS")
    raise cannot(
        "Les dossiers sont fixes : INBOX, Drafts, Sent, Archive, Trash",
        "Folders are fixed: INBOX, Drafts, Sent, Archive, Trash",
    )
