"""Large letters on their way in take turns, all sessions of a door together: a piece each, and a rest between two.

Promises: whoever else needs the event loop comes in between, whatever the network brings; five letters of 25 MB at full
speed made everybody wait ten times as long. A session that drips takes no turn of another's: it waits for its own
octets outside. The price: on a network that is quicker than that, large letters come in half as fast.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

REST_S: Final = 0.005


class Turns:
    """`wait` is called when a piece was read; `read_on` is called back when the next may be."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._resting = False

    def wait(self, read_on: Callable[[], None]) -> None:
        self._waiting.append(read_on)
        self._rest()

    def _rest(self) -> None:
        if not self._resting:
            self._resting = True
            asyncio.get_running_loop().call_later(REST_S, self._next)

    def _next(self) -> None:
        self._resting = False
        read_on = self._waiting.popleft()
        if self._waiting:
            self._rest()
        read_on()
