"""The mailboxes that one signed-in person may open: their own, and that of each team they work in, in their own name.

Promises: who works where is read each time it matters; a team's mailbox is opened by `server.access`, with its audit
row, once a session; somebody who has left a team has lost its folders at the next command, and a session that has one
open ends within 5 s, whether it asks for something or idles (security checklist items 2 and 11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mail_gateway.imap import folders
from mail_gateway.imap.answers import Bye, No
from mail_gateway.imap.folders import Drawer
from server import access
from server.errors import Refused
from server.handles import MailboxHandle
from storage import teams

if TYPE_CHECKING:
    from server.app import App

LEFT = "Vous ne travaillez plus dans cette equipe / You no longer work in this team"


class Boxes:
    """Of one session; `own`: of whoever signed in."""

    def __init__(self, app: App, own: MailboxHandle) -> None:
        self._app = app
        self.own = own
        self._opened = {own.mailbox_id: own}

    async def drawers(self) -> list[Drawer]:
        """Every folder there is now, in the order in which they are listed."""
        return folders.drawers(self.own.mailbox_id, await self._teams())

    async def _teams(self) -> list[tuple[str, str]]:
        if self.own.owner_kind != "professional":
            return []
        found = await self._app.db.read(teams.of_account, self.own.actor.account_id)
        return [(name, mailbox_id) for _, name, mailbox_id in found]

    async def drawer(self, name: str) -> Drawer:
        """The folder of this name. Raises `No`: absent and forbidden are one."""
        name = folders.canonical(name)
        mine = name.partition(folders.SEPARATOR)[0] != folders.TEAMS
        known = folders.drawers(self.own.mailbox_id) if mine else await self.drawers()
        for one in known:
            if one.name == name and one.selectable:
                return one
        raise No("Pas de tel dossier / No such folder", "NONEXISTENT")

    async def handle(self, drawer: Drawer) -> MailboxHandle:
        """What lets one into the mailbox of a folder. Raises `No`."""
        handle = self._opened.get(drawer.mailbox_id)
        try:
            if handle is None:
                handle = await access.mailbox(self._app, self.own.actor, drawer.mailbox_id)
                self._opened[drawer.mailbox_id] = handle
            else:
                await self.ask_again(handle)
        except (Refused, Bye):
            self._opened.pop(drawer.mailbox_id, None)
            raise No("Pas de tel dossier / No such folder", "NONEXISTENT") from None
        return handle

    async def ask_again(self, handle: MailboxHandle) -> None:
        """Before anything is done in a team's folder: whether one still works there. Raises `Bye`."""
        if handle.ground != access.TEAM:
            return
        try:
            await self._app.db.read(lambda tx: access.still_open(self._app, tx, handle))
        except Refused:
            raise Bye(LEFT) from None
