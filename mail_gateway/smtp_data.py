"""A letter on its way in: octets as large as they come, until CR LF . CR LF.

Promises: linear, whatever the pieces (only the last four octets are looked at again); never holds more than its caps,
its own and its budgets', but reads on to the end, so that the sender hears why and not a broken connection; what it
holds is counted in each `Budget` until `release`.
"""

from __future__ import annotations

from mail_gateway import smtp_syntax as syntax
from mail_gateway.smtp_syntax import END, Refusal

LARGE = 1024 * 1024  # octets from which looking at a letter takes long enough for others to notice
GIVE_UP = 4  # times the largest letter taken: a sender who goes on that long does not listen


class Budget:
    """Octets of letters that somebody holds together (all sessions of a door, an address, a party), and the most they
    may.
    """

    __slots__ = ("held", "most")

    def __init__(self, most: int) -> None:
        self.held = 0
        self.most = most


class Incoming:
    """One letter being read. `refused`: what its sender will be told at its end; `complete`: its end was seen."""

    __slots__ = ("_body", "_budgets", "_held", "_most", "complete", "received", "refused", "since")

    def __init__(self, budgets: tuple[Budget, ...], most: int, since: float) -> None:
        self._body = bytearray(b"\r\n")  # so that a dot on the first line is a dot on a line
        self._budgets = budgets
        self._most = most
        self._held = 0
        self.since = since
        self.received = 0
        self.complete = False
        self.refused: Refusal | None = None

    def take(self, data: bytes) -> bytes:
        """More octets. Returns those that came after the letter's end. Raises `Refusal` when it is time to hang up."""
        body = self._body
        start = max(0, len(body) - len(END) + 1)
        body += data
        self.received += len(data)
        self._hold(len(data))
        after = b""
        end = self._end(start)
        if end >= 0:
            after = bytes(memoryview(body)[end + len(END) :])
            del body[end + 2 :]
            self.complete = True
        if self.received - len(after) > self._most + len(END):
            self._discard(Refusal(552, "5.3.4", f"Message trop lourd : {self._most // 1048576} Mo au plus"))
        elif any(budget.held > budget.most for budget in self._budgets):
            self._discard(Refusal(452, "4.3.1", "Trop de courrier à la fois, réessayez plus tard"))
        if not self.complete and self.received > GIVE_UP * self._most:
            raise Refusal(421, "4.3.0", "Closing", close=True)
        return after

    def _end(self, start: int) -> int:
        """Where the end stands from `start` on, or -1. A file in base64 has no dot, and one octet is found ten times
        quicker than five; text has many, and is searched for all five after the first few.
        """
        body, at = self._body, start
        for _ in range(50):
            at = body.find(b".", at)
            if at < 0:
                return -1
            if body[at - 2 : at + 3] == END:
                return at - 2
            at += 1
        return body.find(END, max(start, at - len(END)))

    def letter(self) -> bytes:
        """The letter, each line a line. Raises `Refusal`, for what was met on the way or for what it is."""
        if self.refused is not None:
            raise self.refused
        body, self._body = self._body, bytearray()
        return syntax.letter(body)

    def _discard(self, refusal: Refusal) -> None:
        self.refused = self.refused or refusal
        self.release()
        del self._body[: 1 - len(END)]

    def release(self) -> None:
        """Nothing of it is held any more."""
        self._hold(-self._held)

    def _hold(self, octets: int) -> None:
        self._held += octets
        for budget in self._budgets:
            budget.held += octets
