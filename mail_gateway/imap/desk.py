"""What a signed-in professional may ask for: the folders, and the one that is open (RFC 3501 § 6.3 and § 6.4).

Promises: what the mailbox cannot do is refused in words and loses nothing; a mail already sent through us is not stored
a second time when the client files its copy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from mail_gateway.headers import Headers, message_ids
from mail_gateway.imap import folders
from mail_gateway.imap.answers import No, cannot
from mail_gateway.imap.commands import Append, Command, Fetch, Folder, Listing, Search, Select, Status, Store
from mail_gateway.imap.selected import Selected, open_folder
from mail_gateway.imap.syntax import Ids
from mail_gateway.imap.view import ALL_FLAGS
from mail_gateway.imap.wire import Wire
from mail_gateway.preparing import opened_by_mail
from server.formats.malformed import Malformed
from server.handles import MailboxHandle
from storage import entries, placements, renditions
from storage.database import Tx

if TYPE_CHECKING:
    from server.app import App
    from server.hub import Subscription

IDLE_S = 30 * 60  # RFC 3501 § 5.4
CHECK_S = 60  # how often IDLE looks for itself: a wake-up is a hint and may be lost

Handler = Callable[[Command], Awaitable[str]]


class Desk:
    """One signed-in client. `still_in_force` raises when the account has ended."""

    def __init__(self, app: App, wire: Wire, box: MailboxHandle, still_in_force: Callable[[], Awaitable[None]]) -> None:
        self._app = app
        self._wire = wire
        self._box = box
        self._still_in_force = still_in_force
        self._open: Selected | None = None
        self._subscription: Subscription | None = None
        self._news = asyncio.Event()
        self._anywhere: dict[str, Handler] = {
            "NAMESPACE": self._namespace,
            "SELECT": self._select,
            "EXAMINE": self._select,
            "LIST": self._list,
            "LSUB": self._list,
            "STATUS": self._status,
            "APPEND": self._append,
            "IDLE": self._idle,
            "SUBSCRIBE": self._subscribe,
            **dict.fromkeys(("CREATE", "DELETE", "RENAME", "UNSUBSCRIBE"), self._fixed),
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
        return self._anywhere.get(name) or (self._in_folder.get(name) if self._open is not None else None)

    async def tell(self, command: Command) -> None:
        """The untagged news that may be told with the answer to this command."""
        if self._open is not None and command.name != "FETCH":
            self._open.forget()
        if self._open is None or not (self._news.is_set() or command.name in ("NOOP", "CHECK")):
            return
        # RFC 3501 § 7.4.1: no EXPUNGE while message numbers are being spoken of; UID commands are others (§ 6.4.8).
        numbers = command.name in ("FETCH", "STORE", "SEARCH") and not command.uid
        await self._tell(expunge=not numbers)

    async def _tell(self, *, expunge: bool) -> None:
        """The event is cleared first: what comes meanwhile sets it again."""
        self._news.clear()
        if self._open is not None:
            self._wire.write(await self._open.news(expunge=expunge))

    async def _fresh(self) -> None:
        """Before flags are read: what is known to have moved is told first, so that the answer is not an old one."""
        if self._news.is_set():
            await self._tell(expunge=False)

    def leave(self) -> None:
        """Close what is open."""
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None
        self._open = None
        self._news.clear()

    # ---- folders ----

    async def _namespace(self, command: Command) -> str:
        self._wire.say('* NAMESPACE (("" "/")) NIL NIL')
        return "OK Done"

    async def _list(self, command: Command) -> str:
        asked = command.what
        assert isinstance(asked, Listing)  # noqa: S101 - the parser's word
        for line in folders.listing(command.name, asked.reference, asked.patterns[0]):
            self._wire.say(line)
        return "OK Done"

    async def _fixed(self, command: Command) -> str:
        raise cannot("Les dossiers sont fixes : INBOX et Sent", "Folders are fixed: INBOX and Sent")

    async def _subscribe(self, command: Command) -> str:
        assert isinstance(command.what, Folder)  # noqa: S101 - the parser's word
        self._folder(command.what.mailbox)
        return "OK Done"

    @staticmethod
    def _folder(name: str) -> str:
        found = folders.FOLDERS.get(name)
        if found is None:
            raise No("Pas de tel dossier / No such folder", "NONEXISTENT")
        return found

    async def _status(self, command: Command) -> str:
        asked = command.what
        assert isinstance(asked, Status)  # noqa: S101 - the parser's word
        folder, mailbox = self._folder(asked.mailbox), self._box.mailbox_id

        def read(tx: Tx) -> dict[str, int]:
            messages, unseen, _ = placements.counts(tx, mailbox, folder)
            return {
                "MESSAGES": messages, "RECENT": 0, "UNSEEN": unseen,
                "UIDNEXT": entries.last_seq(tx, mailbox) + 1, "UIDVALIDITY": entries.validity(tx, mailbox),
            }  # fmt: skip

        found = await self._app.db.read(read)
        self._wire.say(f"* STATUS {asked.mailbox} ({' '.join(f'{item} {found[item]}' for item in asked.items)})")
        return "OK Done"

    async def _select(self, command: Command) -> str:
        assert isinstance(command.what, Select)  # noqa: S101 - the parser's word
        self.leave()
        folder = self._folder(command.what.mailbox)
        read_only = command.name == "EXAMINE"
        await opened_by_mail(self._app, self._box.mailbox_id)
        # Subscribed before reading: what comes in between is then news, not lost.
        self._subscription = self._app.hub.subscribe({self._box.mailbox_id}, self._news.set)
        view, validity = await open_folder(self._app, self._box, folder, read_only=read_only)
        self._open = Selected(self._app, self._box, self._wire, view)
        self._wire.write(b"* FLAGS %b\r\n" % ALL_FLAGS)
        self._wire.say(f"* {len(view.uids)} EXISTS")
        self._wire.say("* 0 RECENT")
        if unseen := view.first_unseen():
            self._wire.say(f"* OK [UNSEEN {unseen}] First unseen")
        self._wire.write(b"* OK [PERMANENTFLAGS %b] Flags kept\r\n" % (b"()" if read_only else ALL_FLAGS))
        self._wire.say(f"* OK [UIDVALIDITY {validity}] UIDs valid")
        self._wire.say(f"* OK [UIDNEXT {view.known + 1}] Next UID")
        return "OK [READ-ONLY] Done" if read_only else "OK [READ-WRITE] Done"

    async def _append(self, command: Command) -> str:
        """A client puts what it sent by SMTP into Sent, where it already is: it is told so, and nothing is doubled."""
        asked = command.what
        assert isinstance(asked, Append)  # noqa: S101 - the parser's word
        if folders.FOLDERS.get(asked.mailbox) == "sent":
            mailbox = self._box.mailbox_id
            for reference in _message_id(asked.message.data):
                hashed = self._app.vault.lookup("reference", reference)
                uid = await self._app.db.read(renditions.sent_as, mailbox, hashed)
                if uid is not None:
                    validity = await self._app.db.read(entries.validity, mailbox)
                    return f"OK [APPENDUID {validity} {uid}] Deja la / Already there"
        raise cannot(
            "Seuls les messages envoyes par Pli sont dans Sent ; le votre reste chez vous",
            "Only what was sent through Pli is in Sent; yours is kept on your side",
        )

    # ---- the open folder ----

    @property
    def _selected(self) -> Selected:
        assert self._open is not None  # noqa: S101 - else `handler` had not said so
        return self._open

    def _writable(self) -> Selected:
        if self._selected.view.read_only:
            raise No("Ouvert en lecture seule / Opened read-only", "CANNOT")
        return self._selected

    async def _fetch(self, command: Command) -> str:
        assert isinstance(command.what, Fetch)  # noqa: S101 - the parser's word
        await self._fresh()
        await self._selected.fetch(command.what, uid=command.uid)
        return self._done()

    async def _store(self, command: Command) -> str:
        assert isinstance(command.what, Store)  # noqa: S101 - the parser's word
        await self._writable().store(command.what, uid=command.uid)
        return "OK Done"

    async def _search(self, command: Command) -> str:
        asked = command.what
        assert isinstance(asked, Search)  # noqa: S101 - the parser's word
        if asked.charset not in ("US-ASCII", "UTF-8"):
            raise No("Jeu de caracteres inconnu / Unknown charset", "BADCHARSET (US-ASCII UTF-8)")
        await self._fresh()
        places = await self._selected.search(asked)
        uids = self._selected.view.uids
        self._wire.say("* SEARCH" + "".join(f" {uids[place] if command.uid else place + 1}" for place in places))
        return self._done()

    def _done(self) -> str:
        if self._selected.missed:
            return "NO [UNAVAILABLE] Des messages n'ont pu etre ouverts / Some messages could not be opened"
        return "OK Done"

    async def _expunge(self, command: Command) -> str:
        only = None
        if isinstance(command.what, Ids):
            uids = self._selected.view.uids
            only = [uids[place] for place in command.what.among(uids)]
        await self._writable().expunge(only)
        self._news.set()
        return "OK Done"

    async def _copy(self, command: Command) -> str:
        raise cannot(
            "Les messages ne se deplacent pas ; supprimez-les ici, la conversation les garde",
            "Messages are not moved; delete them here, the conversation keeps them",
        )

    async def _check(self, command: Command) -> str:
        return "OK Done"

    async def _close(self, command: Command) -> str:
        if not self._selected.view.read_only:
            await self._selected.expunge()
        self.leave()
        return "OK Done"

    async def _unselect(self, command: Command) -> str:
        self.leave()
        return "OK Done"

    async def _idle(self, command: Command) -> str:
        """RFC 2177. News are written as they come; DONE ends it, and so does half an hour."""
        self._wire.write(b"+ Idling\r\n")
        if self._open is not None:
            self._open.forget()
        await self._tell(expunge=True)
        done = asyncio.create_task(self._wire.line())
        try:
            async with asyncio.timeout(IDLE_S):
                while not done.done():
                    await self._until_news(done)
                    if not done.done():
                        await self._still_in_force()
                        await self._tell(expunge=True)
                        await self._wire.drain()
        finally:
            done.cancel()
            await asyncio.gather(done, return_exceptions=True)
        if done.result().strip().upper() != b"DONE":
            return "BAD DONE expected"
        return "OK Done"

    async def _until_news(self, done: asyncio.Task[bytes]) -> None:
        """Until a wake-up, the client's DONE, or CHECK_S."""
        woken = asyncio.create_task(self._news.wait())
        try:
            await asyncio.wait({woken, done}, timeout=CHECK_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()


def _message_id(mail: bytes) -> tuple[str, ...]:
    """The Message-ID of a mail of which at least the header block is here."""
    end = mail.find(b"\r\n\r\n")
    try:
        return message_ids(Headers(mail[: end + 4] if end >= 0 else mail).get("message-id"))
    except Malformed:
        return ()
