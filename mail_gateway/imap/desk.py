"""What a signed-in professional may ask for: the folder that is open, which one that is, and what they are told of it.

    outside a folder   listing, append, quota     in it   selected     waiting   idle

Promises: what the mailbox cannot do is refused in words and loses nothing; nobody is told of an EXPUNGE while a command
speaks of message numbers (RFC 3501 § 7.4.1); before anything is done, or told, in the folder of a team, whether one
still works there is asked again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from mail_gateway.imap import append, folders, listing, quota, search
from mail_gateway.imap.answers import No, cannot
from mail_gateway.imap.boxes import Boxes
from mail_gateway.imap.client import Client
from mail_gateway.imap.commands import Command, Copy, Enable, Fetch, Listing, Search, Select, Store
from mail_gateway.imap.folders import Drawer
from mail_gateway.imap.idle import Idler, Idlers, idle
from mail_gateway.imap.known import Known
from mail_gateway.imap.selected import Selected, open_shelf
from mail_gateway.imap.syntax import Ids
from mail_gateway.imap.wire import Wire
from mail_gateway.preparing import opened_by_mail
from server import access
from server.handles import MailboxHandle

if TYPE_CHECKING:
    from server.app import App
    from server.hub import Subscription

IDLE_S = 30 * 60  # between two commands (RFC 3501 § 5.4); IDLE is one, and has no end of its own

Handler = Callable[[Command], Awaitable[str]]
_OUTSIDE: dict[str, Callable[[Client, Command], Awaitable[str]]] = {
    "NAMESPACE": listing.namespace,
    "LIST": listing.listing,
    "LSUB": listing.listing,
    "STATUS": listing.status,
    "SUBSCRIBE": listing.subscribe,
    "UNSUBSCRIBE": listing.unsubscribe,
    **dict.fromkeys(("CREATE", "DELETE", "RENAME"), listing.fixed),
    "APPEND": append.append,
    "GETQUOTA": quota.quota,
    "GETQUOTAROOT": quota.quota_root,
}
_SAID = {"IMAP4REV2": "IMAP4rev2"}


class Desk:
    """One signed-in client. `still_in_force` raises when the account has ended; `visits` is told of the team whose
    folder is open, None when none is; `idlers`, `known`: of this door.
    """

    def __init__(
        self,
        app: App,
        wire: Wire,
        box: MailboxHandle,
        still_in_force: Callable[[], Awaitable[None]],
        visits: Callable[[MailboxHandle | None], None],
        idlers: Idlers,
        known: Known,
    ) -> None:
        self._app = app
        self._wire = wire
        self._still_in_force = still_in_force
        self._visits = visits
        self._idlers = idlers
        self.client = Client(app, wire, Boxes(app, box), known)
        self._open: Selected | None = None
        self._handle = box
        self._subscription: Subscription | None = None
        self._woken = False
        self._idling = False
        self._anywhere: dict[str, Handler] = {
            "ENABLE": self._enable,
            "SELECT": self._select,
            "EXAMINE": self._select,
            "IDLE": self._idle,
            **{name: partial(do, self.client) for name, do in _OUTSIDE.items()},
        }
        self._in_folder: dict[str, Handler] = {
            "CHECK": self._check,
            "CLOSE": self._close,
            "UNSELECT": self._unselect,
            "EXPUNGE": self._expunge,
            "SEARCH": self._search,
            "FETCH": self._fetch,
            "STORE": self._store,
            "COPY": self._copy,
            "MOVE": self._copy,
        }

    def handler(self, name: str) -> Handler | None:
        """Who answers this command now; None when nobody does."""
        inside = self._in_folder.get(name) if self._open is not None else None
        return self._anywhere.get(name) or (inside and partial(self._inside, inside))

    async def _inside(self, do: Handler, command: Command) -> str:
        await self.client.boxes.ask_again(self._handle)
        return await do(command)

    # ---- what one is told ----

    async def tell(self, command: Command) -> None:
        """The untagged news that may be told with the answer to this command."""
        if self._open is not None and command.name != "FETCH":
            self._open.forget()
        if self._open is None or not (self._woken or command.name in ("NOOP", "CHECK")):
            return
        # RFC 3501 § 7.4.1: no EXPUNGE while message numbers are being spoken of; UID commands are others (§ 6.4.8).
        numbers = command.name in ("FETCH", "STORE", "SEARCH") and not command.uid
        await self._tell(expunge=not numbers)

    async def _tell(self, *, expunge: bool) -> int:
        """What is new in the open folder; returns the number it is true at. What comes meanwhile wakes again."""
        self._woken = False
        if self._open is None:
            return 0
        await self.client.boxes.ask_again(self._handle)
        self._wire.write(await self._open.news(expunge=expunge))
        return self._open.view.known

    async def _fresh(self) -> None:
        """Before flags are read: what is known to have moved is told first, so that the answer is not an old one."""
        if self._woken:
            await self._tell(expunge=False)

    def _wake(self) -> None:
        self._woken = True
        if self._idling:
            self._wire.nudge()

    async def _idle(self, command: Command) -> str:
        self._wire.write(b"+ Idling\r\n")
        if self._open is not None:
            self._open.forget()
        self._idling = True
        try:
            known = await self._tell(expunge=True)
            idler = Idler(self._wire, self._handle.mailbox_id if self._open is not None else "", known)
            done = await idle(self._wire, self._idlers, idler, partial(self._tell, expunge=True), self._still_in_force)
        finally:
            self._idling = False
        return "OK Done" if done else "BAD DONE expected"

    # ---- which folder is open ----

    async def _enable(self, command: Command) -> str:
        assert isinstance(command.what, Enable)  # noqa: S101 - the parser's word
        counted = self.client.enabled.condstore
        turned = self.client.enabled.enable(command.what.capabilities)
        self._wire.say(" ".join(["* ENABLED", *(_SAID.get(name, name) for name in turned)]))
        if self._open is not None and self.client.enabled.condstore and not counted:
            self._open.say_highest()  # RFC 7162 § 3.1.2
        return "OK Done"

    async def _select(self, command: Command) -> str:
        asked, enabled = command.what, self.client.enabled
        assert isinstance(asked, Select)  # noqa: S101 - the parser's word
        if asked.resync is not None and not enabled.qresync:
            return "BAD QRESYNC first"  # RFC 7162 § 3.2.5
        if self._open is not None:
            self.leave()
            self._wire.say("* OK [CLOSED] Dossier ferme / Closed")
        enabled.condstore |= asked.condstore
        drawer = await self.client.boxes.drawer(asked.mailbox)
        self._handle = await self.client.boxes.handle(drawer)
        # Subscribed before reading: what comes in between is then news, not lost.
        self._subscription = self._app.hub.subscribe({drawer.mailbox_id}, self._wake)
        try:
            await opened_by_mail(self._app, drawer.mailbox_id)
            shelf = await self.client.shelf(drawer)
            self._open = await open_shelf(shelf, self._wire, enabled, read_only=command.name == "EXAMINE")
        finally:
            if self._open is None:
                self.leave()
        if self._handle.ground == access.TEAM and self._handle is not self.client.boxes.own:
            self._visits(self._handle)
        await self._describe(self._open, drawer)
        if asked.resync is not None:
            await self._open.resync(asked.resync)
        return "OK [READ-ONLY] Done" if self._open.view.read_only else "OK [READ-WRITE] Done"

    async def _describe(self, opened: Selected, drawer: Drawer) -> None:
        """RFC 9051 § 6.3.2; of revision 1, RECENT and UNSEEN (appendix E)."""
        view, rev2 = opened.view, self.client.enabled.rev2
        self._wire.write(opened.flag_names())
        self._wire.say(f"* {len(view.uids)} EXISTS")
        if not rev2:
            self._wire.say("* 0 RECENT")
        if not rev2 and (unseen := view.first_unseen()):
            self._wire.say(f"* OK [UNSEEN {unseen}] First unseen")
        self._wire.say(f"* OK [UIDVALIDITY {view.validity}] UIDs valid")
        self._wire.say(f"* OK [UIDNEXT {view.known + 1}] Next UID")
        opened.say_highest()
        self._wire.say(f"* OK [MAILBOXID ({self.client.mailbox_id(drawer)})] Ok")
        if rev2:
            found = folders.listing(Listing("", (drawer.name,)), await self.client.boxes.drawers())
            self._wire.write(b"".join(listing.written(self.client, line) for line in found))

    def leave(self) -> None:
        """Close what is open."""
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None
            self._visits(None)
        self._open = None
        self._woken = False

    async def _check(self, command: Command) -> str:
        return "OK Done"

    async def _close(self, command: Command) -> str:
        await self._selected.close()
        self.leave()
        return "OK Done"

    async def _unselect(self, command: Command) -> str:
        self.leave()
        return "OK Done"

    # ---- the open folder ----

    @property
    def _selected(self) -> Selected:
        assert self._open is not None  # noqa: S101 - else `handler` had not said so
        return self._open

    async def _fetch(self, command: Command) -> str:
        assert isinstance(command.what, Fetch)  # noqa: S101 - the parser's word
        await self._fresh()
        return await self._selected.fetch(command.what, uid=command.uid)

    async def _store(self, command: Command) -> str:
        assert isinstance(command.what, Store)  # noqa: S101 - the parser's word
        return await self._selected.store(command.what, uid=command.uid)

    async def _search(self, command: Command) -> str:
        asked = command.what
        assert isinstance(asked, Search)  # noqa: S101 - the parser's word
        if asked.charset not in search.CHARSETS:
            raise No("Jeu de caracteres inconnu / Unknown charset", f"BADCHARSET ({' '.join(search.CHARSETS)})")
        await self._fresh()
        return await self._selected.search(asked, command.tag, uid=command.uid)

    async def _expunge(self, command: Command) -> str:
        return await self._selected.expunge(command.what if isinstance(command.what, Ids) else None)

    async def _copy(self, command: Command) -> str:
        asked = command.what
        assert isinstance(asked, Copy)  # noqa: S101 - the parser's word
        to = await self.client.boxes.drawer(asked.mailbox)
        if to.mailbox_id != self._handle.mailbox_id:
            raise cannot(
                "D'une boite a l'autre, la conversation se confie sur le web",
                "From one mailbox to another, hand the conversation over on the web",
            )
        if to.role == append.DRAFTS:
            raise cannot("Un brouillon s'ecrit, il ne se copie pas", "A draft is written, not copied")
        do = self._selected.move if command.name == "MOVE" else self._selected.copy
        return await do(asked, to.role, uid=command.uid)
