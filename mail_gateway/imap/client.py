"""One signed-in mail client, as what answers it must know it: its wire, its mailboxes, what it turned on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mail_gateway.imap import names
from mail_gateway.imap.boxes import Boxes
from mail_gateway.imap.draft_shelf import FOLDER, DraftShelf
from mail_gateway.imap.enabled import Enabled
from mail_gateway.imap.folders import Drawer
from mail_gateway.imap.known import Known
from mail_gateway.imap.shelves import MessageShelf, Shelf
from mail_gateway.imap.wire import Wire

if TYPE_CHECKING:
    from server.app import App


@dataclass(frozen=True, slots=True)
class Client:
    app: App
    wire: Wire
    boxes: Boxes
    known: Known
    enabled: Enabled = field(default_factory=Enabled)

    def said(self, name: str) -> bytes:
        """The name of a folder, as this client reads names."""
        return names.said(name, utf8=self.enabled.plain_names)

    async def shelf(self, drawer: Drawer) -> Shelf:
        """What stands in a folder. Raises `No` for one that is not, or no longer, there for this person."""
        handle = await self.boxes.handle(drawer)
        if drawer.role == FOLDER:
            return DraftShelf(self.app, handle)
        return MessageShelf(self.app, handle, drawer.role, self.known)

    def mailbox_id(self, drawer: Drawer) -> str:
        """OBJECTID (RFC 8474 § 4): what is kept when a folder takes another name. Drafts are their writer's alone."""
        writer = f"_{self.boxes.own.actor.account_id}" if drawer.role == "drafts" else ""
        return f"{drawer.mailbox_id}_{drawer.role}{writer}"
