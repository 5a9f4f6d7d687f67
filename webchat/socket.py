"""The Socket.IO door (path `/socket.io/`, default namespace): sign-in, events and their acknowledgements, and who
hears of what.

Promises
- WebSocket only: under long polling the `sid` of a URL alone reads somebody else's events. An `Origin` that is not
  ours is refused.
- Signed in by the session cookie or by `auth: {"token": …}`, else refused with `unauthorised`. The right is asked
  again at each event and each push; within 5 s of a sign-out, a revocation or the end of a delegation, the socket is
  closed.
- Events of one socket are taken one after the other, in order, 20 a second at most: more wait in the sender's own
  buffers. A frame holds 100 kB at most. A client that never reads holds a few emissions, then is cut. Five sockets an
  account: a sixth ends the oldest.
- An acknowledgement is `{"error": {"code", "detail"}}` when the thing was not done.

Does not: keep or replay anything. `sync` from the cursor is how a client has everything, once, in order. `typing` and
`presence` reach those on this process; they are told, not kept.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import socketio  # type: ignore[import-untyped]  # ships no types
import structlog
from aiohttp import WSMsgType, web
from socketio.exceptions import ConnectionRefusedError as ConnectionRefused  # type: ignore[import-untyped]

from server import access, reading, scopes, sending, sessions
from server.actions import acting
from server.drafts import Actor
from server.errors import Invalid, PliError, Unauthorised, Unavailable
from server.handles import ConversationHandle
from server.sending import Letter
from storage import conversations
from storage.database import DatabaseDown, Tx
from storage.vault import CannotOpen
from webchat import security
from webchat.events import Act, Post, Read, Sync, Typing
from webchat.live import QUEUED, QUIET_S, Live, Opened, Pull
from webchat.visit import desk_of
from webchat.words import words

if TYPE_CHECKING:
    from server.app import App

log = structlog.get_logger()
_unheard = logging.getLogger("pli.live.library")  # it would write what people say, and a stack for each bad frame
_unheard.setLevel(logging.CRITICAL + 1)

MAX_FRAME = 100_000  # octets
EVENTS_PER_SECOND = 20
BURST = 40  # frames that may come at once after a silence
FIRST_FRAME_S = 10  # who opened a connection says who they are within that time
SOCKETS_PER_ACCOUNT = 5
ROUND_S = 4  # rights asked again, wake-ups that were lost made good
CHUNK = 100  # sockets looked at in one read
TYPING_S, PRESENCE_S = 2, 60
SPOKEN = (
    "1",
    "3",
    "40",
    "41",
    "42",
    "43",
)  # Engine.IO close, pong; Socket.IO connect, disconnect, event, ack: no binary

S = TypeVar("S", bound=msgspec.Struct)
Answer = dict[str, Any]


class Json:
    """What the Socket.IO library encodes and decodes with: structs as they are, and no surprise in numbers."""

    @staticmethod
    def dumps(value: object, **_: object) -> str:
        return msgspec.json.encode(value).decode()

    @staticmethod
    def loads(text: str | bytes, **_: object) -> Any:
        return msgspec.json.decode(text)


class LeanSocket:
    """The library's WebSocket with our limits. Not compressed: deflate keeps some 300 KiB a socket, and makes secrets
    guessable beside chosen text (the CRIME and BREACH class).
    """

    def __init__(self, handler: Callable[[LeanSocket], Awaitable[None]], server: Any) -> None:
        self._handler = handler
        self._socket = web.WebSocketResponse(max_msg_size=MAX_FRAME, compress=False, timeout=5)
        self._tokens: float = BURST
        self._at = time.monotonic()
        self._spoke = False

    async def __call__(self, environ: dict[str, Any]) -> web.WebSocketResponse:
        await self._socket.prepare(environ["aiohttp.request"])
        await self._handler(self)
        return self._socket

    async def close(self) -> None:
        await self._socket.close()

    async def send(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            await self._socket.send_bytes(message)
        else:
            await self._socket.send_str(message)

    async def wait(self) -> str:
        await self._pace()
        message = await self._socket.receive(timeout=None if self._spoke else FIRST_FRAME_S)
        self._spoke = True
        data: str = message.data if message.type is WSMsgType.TEXT else ""
        if not data.startswith(SPOKEN):
            raise OSError("the connection ended, or speaks what is not spoken here")
        return data

    async def _pace(self) -> None:
        """Take a token; when there is none, read no further until there is."""
        now = time.monotonic()
        self._tokens = min(BURST, self._tokens + (now - self._at) * EVENTS_PER_SECOND)
        self._at = now
        if self._tokens < 1:
            await asyncio.sleep((1 - self._tokens) / EVENTS_PER_SECOND)
        self._tokens -= 1


def attach(app: App, site: web.Application) -> None:
    """Open the live chat on this site."""
    chat = Chat(app)
    chat.sio.attach(site)
    site.cleanup_ctx.append(chat.rounds)
    site.on_shutdown.append(chat.close)


class Chat:
    """The sockets of this process."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.sockets: dict[str, Live] = {}
        self.by_account: dict[str, list[Live]] = defaultdict(list)
        self.pull = Pull(app, self._emit, lambda live: self._cut(live.sid))
        self._aside: set[asyncio.Task[None]] = set()
        self.sio: Any = socketio.AsyncServer(
            async_mode="aiohttp",
            transports=["websocket"],
            cors_allowed_origins=self._allowed,
            http_compression=False,
            max_http_buffer_size=MAX_FRAME,
            async_handlers=False,
            json=Json,
            namespaces=["/"],
            logger=_unheard,
            engineio_logger=_unheard,
        )
        # The library offers no way to choose the WebSocket's options; a test holds it to our limits.
        self.sio.eio._async = {**self.sio.eio._async, "websocket": LeanSocket}
        self.sio.on("connect", self._connect)
        self.sio.on("disconnect", self._disconnect)
        self.sio.on("sync", self._told(Sync, self._sync))
        self.sio.on("post", self._told(Post, self._post))
        self.sio.on("act", self._told(Act, self._act))
        self.sio.on("read", self._told(Read, self._read))
        self.sio.on("typing", self._told(Typing, self._typing))

    def _allowed(self, origin: str, environ: dict[str, Any]) -> bool:
        return security.own_origin(self.app, origin, environ.get("HTTP_HOST", ""))

    async def _connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        try:
            actor, secret, kind = await self._who(environ["aiohttp.request"], auth)
            eio_sid = self.sio.manager.eio_sid_from_sid(sid, "/")
            connection = self.sio.eio.sockets.get(eio_sid)
            if connection is None:
                raise Unauthorised
            self.sio.environ[eio_sid] = {}  # the request's headers are not kept for the life of the socket
            live = Live(self.app, sid, actor, secret, kind, connection.queue.qsize, self.pull.want)
            await live.open("")
        except PliError as error:
            self.app.metrics.refused("live", error.code)
            raise ConnectionRefused("unauthorised") from error
        except (DatabaseDown, CannotOpen) as error:
            raise ConnectionRefused("unavailable") from error
        mine = self.by_account[actor.account_id]
        mine.append(live)
        self.sockets[sid] = live
        self.app.metrics.sessions.labels("live").set(len(self.sockets))
        if len(mine) > SOCKETS_PER_ACCOUNT:
            self._cut(mine[0].sid)

    async def _who(self, request: web.Request, auth: Any) -> tuple[Actor, str, str]:
        token = auth.get("token") if isinstance(auth, dict) else None
        if isinstance(token, str) and token:
            return await sessions.actor_of_bearer(self.app, token[:200]), token[:200], "bearer"
        secret = security.session_secret(self.app, request)[:200]
        return await sessions.actor_of_session(self.app, secret), secret, "session"

    async def _disconnect(self, sid: str, *_: Any) -> None:
        live = self.sockets.pop(sid, None)
        if live is None:
            return
        live.close()
        mine = self.by_account[live.actor.account_id]
        mine.remove(live)
        if not mine:
            del self.by_account[live.actor.account_id]
        self.app.metrics.sessions.labels("live").set(len(self.sockets))

    async def _emit(self, sids: list[str], event: str, payload: dict[str, Any]) -> None:
        await self.sio.emit(event, payload, to=sids)

    def _cut(self, sid: str) -> None:
        """End a socket, from wherever one is."""
        if live := self.sockets.get(sid):
            live.close()
            self._later(self.sio.disconnect(sid))

    def _later(self, doing: Coroutine[Any, Any, None]) -> None:
        """Do it beside what is being done."""
        task = asyncio.get_running_loop().create_task(doing)
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)

    def _told(
        self, shape: type[S], handler: Callable[[Live, S], Awaitable[Answer]]
    ) -> Callable[..., Awaitable[Answer]]:
        """An event's handler: the payload in its shape, the session still good, every error an answer."""

        async def take(sid: str, payload: Any = None, *_: Any) -> Answer:
            live = self.sockets.get(sid)
            try:
                if live is None or live.closed:
                    raise Unauthorised
                await live.use()
                return await handler(live, msgspec.convert(payload, shape))
            except msgspec.ValidationError:
                error: PliError = Invalid()
            except Unauthorised as ended:
                self._cut(sid)
                error = ended
            except PliError as said:
                error = said
            except (DatabaseDown, CannotOpen, OSError) as fault:
                log.warning("live.unavailable", event_name=shape.__name__, error=type(fault).__name__)
                error = Unavailable()
            except Exception as fault:  # noqa: BLE001 - a fault of ours is told as such, and the socket lives on
                log.error("live.fault", event_name=shape.__name__, error=type(fault).__name__)
                error = Unavailable()
            language = live.actor.language if live is not None else "fr"
            return {"error": {"code": error.code, "detail": security.told(words(language), error)}}

        return take

    async def _sync(self, live: Live, asked: Sync) -> Answer:
        opened = await live.open(asked.mailbox)
        await self.app.db.read(lambda tx: access.still_open(self.app, tx, opened.box))
        if asked.render is not None:
            opened.desk = await desk_of(self.app, live.actor, opened.box, asked.render.language)
            opened.shown = asked.render.conversation
            if opened.shown:
                opened.subject = (await live.talk(opened.shown, opened.box.mailbox_id)).subject
        async with opened.lock:
            # Pushing goes on from here, once the client has caught up or asks no more: nothing twice, nothing between.
            page = await reading.since(self.app, opened.box, max(asked.cursor, 0), asked.limit)
            opened.cursor, opened.quiet_until = page.cursor, time.monotonic() + QUIET_S if page.more else 0.0
        self.pull.want(live, opened)  # what came meanwhile found it busy
        return {"entries": live.shape(opened, page.entries), "cursor": page.cursor, "more": page.more}

    async def _post(self, live: Live, asked: Post) -> Answer:
        handle = await live.talk(asked.conversation, asked.mailbox)
        letter = Letter(
            asked.text, asked.client_key, asked.attachments, asked.documents, asked.in_reply_to, asked.only, asked.draft
        )
        receipt = await sending.send(self.app, (await live.open(handle.through)).box, handle, letter)
        self._later(self._tell("presence", live, handle, PRESENCE_S))  # the writer does not wait for this
        return {"message": receipt.message, "seq": receipt.seq, "conversation": receipt.conversation}

    async def _act(self, live: Live, asked: Act) -> Answer:
        opened = await live.open(asked.mailbox)
        receipt = await acting.act(
            self.app, opened.box, asked.message, asked.action, asked.values, asked.client_key[:200]
        )
        return {"message": receipt.message, "seq": receipt.seq}

    async def _read(self, live: Live, asked: Read) -> Answer:
        handle = await live.talk(asked.conversation, asked.mailbox)
        left = await reading.mark_read(self.app, handle, asked.up_to)
        await self._tell("presence", live, handle, PRESENCE_S)
        return {"unread": left}

    async def _typing(self, live: Live, asked: Typing) -> Answer:
        handle = await live.talk(asked.conversation, asked.mailbox)
        await self.app.db.read(scopes.may, handle, scopes.MESSAGES, scopes.WRITE)
        await self._tell("typing", live, handle, TYPING_S)
        return {}

    async def _tell(self, event: str, live: Live, handle: ConversationHandle, every_s: float) -> None:
        """Tell the others who take part, now, and are here; not again within `every_s`."""
        if not live.seldom(event, handle.conversation_id, every_s):
            return
        try:
            members = await self.app.db.read(conversations.participants, handle.space_id, handle.conversation_id)
        except DatabaseDown:
            return  # it is told, not owed
        if not any(member.member_id == handle.member for member in members):
            return
        boxes = {member.mailbox_id for member in members if member.mailbox_id and member.member_id != handle.member}
        who = {"kind": live.actor.kind, "name": live.actor.name}
        for member in members:
            for other in tuple(self.by_account.get(member.member_id, ())):
                if (
                    other.actor.account_id != live.actor.account_id
                    and boxes & other.boxes.keys()
                    and other.waiting() <= QUEUED
                ):
                    await self._emit([other.sid], event, {"conversation": handle.conversation_id, "who": who})

    async def rounds(self, _: web.Application) -> AsyncIterator[None]:
        """While the site is open: every few seconds, end what lost its right and push what no wake-up told of."""
        task = asyncio.create_task(self._go_round(), name="live-rounds")
        yield
        task.cancel()

    async def _go_round(self) -> None:
        while True:
            await asyncio.sleep(ROUND_S)
            try:
                everybody = list(self.sockets.values())
                for start in range(0, len(everybody), CHUNK):
                    for live, behind in await self.app.db.read(_look, everybody[start : start + CHUNK]):
                        if behind is None or live.stuck():
                            self._cut(live.sid)
                            continue
                        for opened in behind:
                            self.pull.want(live, opened)
            except (DatabaseDown, CannotOpen, OSError) as error:
                log.warning("live.round", error=type(error).__name__)

    async def close(self, _: web.Application) -> None:
        """Say goodbye to every socket: clients come back by themselves."""
        for connection in tuple(self.sio.eio.sockets.values()):
            await connection.close(wait=False)
        await self.sio.shutdown()


def _look(tx: Tx, some: list[Live]) -> list[tuple[Live, list[Opened] | None]]:
    """For each socket the mailboxes that hold more than was pushed; None when it may read no longer."""
    found: list[tuple[Live, list[Opened] | None]] = []
    for live in some:
        try:
            found.append((live, live.behind(tx)))
        except PliError:
            found.append((live, None))
    return found
