"""A door of TLS from the first octet (RFC 8314) accepts its callers by itself: asyncio's own server would neither count
nor limit who does not end their handshake.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

log = structlog.get_logger()

AGAIN_S = 1.0  # after there were no more files


class Listener:
    """Each caller's socket, not secured yet, is given to `let_in` with the address it comes from, as a task of its own;
    `let_in` closes it in the end.
    """

    def __init__(self, let_in: Callable[[socket.socket, str], Coroutine[Any, Any, None]]) -> None:
        self.port = 0
        self._let_in = let_in
        self._listening: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, host: str, port: int) -> None:
        """Raises `OSError` when the port is taken."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        self._listening = socket.create_server(address[:2], family=family, backlog=512)
        self._listening.setblocking(False)
        # Each caller's socket has it from this one. asyncio sets it on what it accepts itself: without it, an answer in
        # two pieces waits 40 ms for the peer to acknowledge the first.
        self._listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = self._listening.getsockname()[1]
        self._spawn(self._accept(self._listening))

    async def close(self) -> None:
        """Nobody comes in; whose handshake is under way is let go."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._listening is not None:
            self._listening.close()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, address = await loop.sock_accept(listening)
            except ConnectionError:
                continue  # gone before it was let in
            except OSError as error:  # no more files, for now
                log.warning("mail.accept_failed", error=type(error).__name__)
                await asyncio.sleep(AGAIN_S)
            else:
                self._spawn(self._let_in(accepted, str(address[0])))

    def _spawn(self, step: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(step, name="mail-tls-at-once")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
