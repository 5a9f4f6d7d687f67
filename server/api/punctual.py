"""A deadline on request headers, for the whole HTTP door: aiohttp holds half a header as long as its peer likes.

    runner = punctual.Runner(web_app, header_s=10, …)      instead of web.AppRunner(web_app, …)

The header of a connection's first request has `header_s` seconds from the connection, that of a next one from its
first octet; bytes that trickle in move nothing. A body, a request at work, an open WebSocket and a connection that
rests between two requests are not concerned (the first three have limits of their own, the last the keep-alive
limit).

What cannot be read as HTTP is answered without a word of the parser, and what fails is logged by its kind alone: both
would quote what the peer sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from server.api import problems
from server.errors import PliError

log = structlog.get_logger()

HEADER_S = 10.0
NAME = "Pli"  # all that our answers say of what serves them


class _Handler(RequestHandler):
    """One connection."""

    __slots__ = ("_header_s", "_header_timer", "_on_late")

    def __init__(self, *args: Any, header_s: float, on_late: Callable[[], None], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._header_s = header_s
        self._on_late = on_late
        self._header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._header_timer = self._loop.call_later(self._header_s, self._late)

    def data_received(self, data: bytes) -> None:
        known, resting = self._request_count, self._waiter is not None
        super().data_received(data)
        if self._request_count != known:
            self._disarm()
        elif resting and self._header_timer is None and not self._force_close:
            self._header_timer = self._loop.call_later(self._header_s, self._late)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def _disarm(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _late(self) -> None:
        self._header_timer = None
        self._on_late()
        self.force_close()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("the answer had begun")
        error: PliError = problems.Unreadable()
        if status >= 500:
            error = problems.unexpected(exc) if exc is not None else PliError()
        answer = problems.response(error)
        answer.headers["Server"] = NAME
        answer.force_close()
        return answer

    def log_exception(self, *args: Any, **kw: Any) -> None:
        error = kw.get("exc_info")
        log.error("http.failed", error=type(error).__name__)


class _Server(web.Server):
    """Makes a handler a connection."""

    def __init__(self, made: web.Server, header_s: float, on_late: Callable[[], None], kwargs: dict[str, Any]) -> None:
        assert made.request_handler is not None  # noqa: S101 - aiohttp's own, just made
        super().__init__(made.request_handler, request_factory=made.request_factory)
        self._settings = {**kwargs, "header_s": header_s, "on_late": on_late}

    def __call__(self) -> RequestHandler:
        return _Handler(self, loop=self._loop, **self._settings)


class Runner(web.AppRunner):
    """As `web.AppRunner`; `header_s` in seconds, `on_late` called for each connection that is cut."""

    __slots__ = ("_header_s", "_on_late")

    def __init__(
        self, app: web.Application, *, header_s: float = HEADER_S, on_late: Callable[[], None], **kwargs: Any
    ) -> None:
        super().__init__(app, **kwargs)
        self._header_s, self._on_late = header_s, on_late
        app.on_response_prepare.append(_sign)

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(made, self._header_s, self._on_late, made._kwargs)


async def _sign(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = NAME
