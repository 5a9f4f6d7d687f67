"""The door itself: a route of the table becomes a handler that asks who calls, reads the request strictly, and tells
every error.

A route's handler is given a `Call` and returns a struct (sent as JSON) or a response (a download). It decides nothing
about rights: it obtains handles from `server.access`. Only `Authorization: Bearer` signs in here: a session cookie
would let any page the person visits call the API in their name.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
from aiohttp import web

from server import sessions
from server.api import problems, shapes
from server.api.problems import TooSlow, Unreadable, WrongMethod, WrongType
from server.drafts import Actor
from server.errors import Invalid, PliError, Refused, TooLarge, Unauthorised, Unavailable
from storage.database import DatabaseDown
from storage.vault import CannotOpen

if TYPE_CHECKING:
    from server.app import App

Q = TypeVar("Q", bound=msgspec.Struct)
B = TypeVar("B")

MAX_JSON = 1024 * 1024  # octets of a JSON body
MAX_MULTIPART = 30 * 1024 * 1024  # octets of an upload with its envelope
BODY_S = 60  # a JSON body has that long to arrive
MULTIPART_S = 300
MAX_HELD = 256 * 1024 * 1024  # octets of uploads that are arriving, of everybody together
POLLS = 10  # long polls of one account at once; a newer one ends the oldest


class Multipart:
    """Marks a route whose body is `multipart/form-data` with one file, which its handler reads itself."""


class Download:
    """Marks a route that answers with the bytes of a file."""


class Description(msgspec.Struct, frozen=True):
    """A published description: an OpenAPI or AsyncAPI document."""


@dataclass(frozen=True, slots=True)
class Route:
    """A row of the table: what is served, and all that the published description says of it.

    `refusals`: the errors it may answer with besides those of every route. `who`: '' when no token is asked.
    """

    method: str
    path: str
    name: str
    summary: str
    handler: Callable[[Call[Any, Any]], Awaitable[msgspec.Struct | web.Response]]
    answer: type
    query: type[msgspec.Struct] = shapes.Nothing
    body: type | None = None
    status: int = 200
    refusals: tuple[type[PliError], ...] = ()
    signed_in: bool = True
    retry_key: bool = False


@dataclass(slots=True)
class Door:
    """What the handlers share: polls under way, and who asks for recipients that are not there."""

    app: App
    closing: bool = False
    _held: int = 0
    _polls: dict[str, deque[asyncio.Event]] = field(default_factory=lambda: defaultdict(deque))

    @contextmanager
    def polling(self, account_id: str) -> Iterator[asyncio.Event]:
        """An event that ends a long poll: one too many for this account, or the door closes."""
        ended = asyncio.Event()
        mine = self._polls[account_id]
        if len(mine) >= POLLS:
            mine.popleft().set()
        mine.append(ended)
        if self.closing:
            ended.set()
        try:
            yield ended
        finally:
            if ended in mine:
                mine.remove(ended)
            if not mine:
                self._polls.pop(account_id, None)

    async def close(self, _: web.Application) -> None:
        """Let every long poll answer now."""
        self.closing = True
        for mine in self._polls.values():
            for ended in mine:
                ended.set()

    @contextmanager
    def holding(self) -> Iterator[Callable[[int], None]]:
        """A function to say how many more octets of a body are in memory; it raises `Unavailable` over the budget."""
        mine = 0

        def hold(octets: int) -> None:
            nonlocal mine
            mine += octets
            self._held += octets
            if self._held > MAX_HELD:
                raise Unavailable

        try:
            yield hold
        finally:
            self._held -= mine


@dataclass(frozen=True, slots=True)
class Call(Generic[Q, B]):
    """One request, checked in form. `at`: the ids of the path. `retry_key`: what the caller named this attempt, or
    ''.
    """

    door: Door
    app: App
    request: web.Request
    actor: Actor
    secret: str = field(repr=False)
    at: dict[str, str]
    query: Q
    body: B
    retry_key: str


_ID = re.compile(shapes.ID[1:-1])
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/=-]{1,200})", re.IGNORECASE)
_NOBODY = Actor("", "nobody", "")


def handler(door: Door, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The aiohttp handler of a route."""

    async def serve(request: web.Request) -> web.StreamResponse:
        told = await answered(door, request, _serve(door, route, request))
        return problems.response(told) if isinstance(told, PliError) else told

    return serve


async def answered(door: Door, request: web.Request, answer: Awaitable[web.Response]) -> web.Response | PliError:
    """An answer under way, or the error to tell instead, whatever failed; counted."""
    try:
        return await answer
    except PliError as error:
        told = error
    except (web.RequestPayloadError, ConnectionError):
        if request.transport is None or request.transport.is_closing():
            raise
        told = Unreadable()
    except TimeoutError:
        told = TooSlow()
    except (DatabaseDown, OSError):
        told = Unavailable()
    except CannotOpen:
        door.app.metrics.unopened()
        told = Unavailable("damaged", "Un élément est abîmé et ne peut pas être ouvert. Il a été signalé.")
    except Exception as error:  # noqa: BLE001 - nothing of what failed goes out; the log gets its kind and place
        told = problems.unexpected(error)
    door.app.metrics.refused("api", told.code)
    return told


async def _serve(door: Door, route: Route, request: web.Request) -> web.Response:
    actor, secret = await caller(door.app, request) if route.signed_in else (_NOBODY, "")
    at = dict(request.match_info)
    if any(not _ID.fullmatch(value) for name, value in at.items() if name == "id"):
        raise Refused
    query = _query(route, request)
    body = await _body(route, request)
    retry_key = _retry_key(request, body) if route.retry_key else ""
    answer = await route.handler(Call(door, door.app, request, actor, secret, at, query, body, retry_key))
    if isinstance(answer, web.Response):
        return answer
    return as_json(answer, route.status)


def as_json(answer: Any, status: int = 200) -> web.Response:
    """A struct as an answer that no cache keeps."""
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return web.Response(
        body=msgspec.json.encode(answer), status=status, content_type="application/json", headers=headers
    )


async def caller(app: App, request: web.Request) -> tuple[Actor, str]:
    """Who calls, and the secret that says so. Raises `Unauthorised`."""
    given = request.headers.getall("Authorization", [])
    found = _BEARER.fullmatch(given[0].strip()) if len(given) == 1 else None
    if found is None:
        raise Unauthorised
    return await sessions.actor_of_bearer(app, found.group(1)), found.group(1)


def _query(route: Route, request: web.Request) -> msgspec.Struct:
    given = request.query
    if len(set(given)) != len(given):
        raise Invalid("invalid", "Un paramètre est donné deux fois.")
    try:
        return msgspec.convert(dict(given), route.query, strict=False)
    except msgspec.ValidationError as error:
        raise problems.not_valid(error) from None


async def _body(route: Route, request: web.Request) -> Any:
    if route.body is None or route.body is Multipart:
        return None
    if request.content_type != "application/json":
        raise WrongType("not_json", "Le corps de la demande doit être en JSON (Content-Type: application/json).")
    data = await read(request)
    try:
        return msgspec.json.decode(data, type=route.body)
    except msgspec.ValidationError as error:
        raise problems.not_valid(error) from None
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise Invalid("bad_json", "Le corps de la demande n’est pas du JSON valable.") from None


async def read(request: web.Request, most: int = MAX_JSON, hold: Callable[[int], None] = lambda _: None) -> bytes:
    """The octets of a body, `most` at most, whatever it says of its length. Raises `TooLarge`, `TooSlow`."""
    too_large = TooLarge("body_too_large", f"La demande est trop lourde ({most // 1024} Kio au plus).")
    if (request.content_length or 0) > most:
        raise too_large
    data = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.content.iter_any():
                data += chunk
                hold(len(chunk))
                if len(data) > most:
                    raise too_large
    except TimeoutError:
        raise TooSlow from None
    return bytes(data)


def _retry_key(request: web.Request, body: Any) -> str:
    """The header, else the body's `client_key`."""
    key = request.headers.get("Idempotency-Key", "") or str(getattr(body, "client_key", ""))
    if len(key) > 200 or shapes.NOT_IN_A_LINE.search(key):
        raise Invalid("bad_key", "La clé doit avoir 200 caractères au plus, sans caractère de commande.")
    return key


def nowhere(door: Door, routes: tuple[Route, ...]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """What answers under /api when no route does: the method is wrong, or there is nothing."""
    known = [
        (re.compile(re.sub(r"\{\w+\}", "[^/]+", re.escape(r.path).replace(r"\{", "{").replace(r"\}", "}"))), r)
        for r in routes
    ]

    async def serve(request: web.Request) -> web.StreamResponse:
        allowed = sorted({route.method for pattern, route in known if pattern.fullmatch(request.path)})
        error: PliError = WrongMethod() if allowed else Refused("not_found", "Il n’y a rien à cette adresse.")
        door.app.metrics.refused("api", error.code)
        answer = problems.response(error)
        if allowed:
            answer.headers["Allow"] = ", ".join(allowed)
        return answer

    return serve
