"""One connection to an IMAP server: says a command, takes in everything that comes until its tagged answer.

Promises: what is not well-formed raises (`NotImap`); a literal of a command is sent when the server asks for it.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.imap_oracle.reader import NotImap, Reader, Value, status

PATIENCE = 60.0
_ENDS_IN_LITERAL = re.compile(rb"\{([0-9]+)\}\r\n$")
_STATUS = re.compile(rb"(OK|NO|BAD|BYE|PREAUTH) ", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Untagged:
    """`name` in capitals; `number` before it, or None; `values` after it; of a status response its code."""

    name: str
    number: int | None = None
    values: tuple[Value, ...] = ()
    code: str = ""


@dataclass(slots=True)
class Answer:
    """`result`: OK, NO, BAD; "BYE" when the server left instead. `code`: of the tagged line."""

    result: str = ""
    code: str = ""
    said: list[Untagged] = field(default_factory=list)
    text: str = ""

    def named(self, name: str) -> list[Untagged]:
        return [one for one in self.said if one.name == name]


class Talk:
    """A connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._count = 0
        self.tag = b""

    async def say(self, command: str | bytes, *literals: bytes) -> Answer:
        """A command; `{}` in it is where a literal goes, with its octets in `literals`."""
        self.send(command if isinstance(command, bytes) else command.encode(), *literals[:1])
        answer = Answer()
        waiting = list(literals)
        while not answer.result:
            line = await self.response()
            if line.startswith(b"+") and waiting:
                rest = waiting.pop(0)
                self._writer.write(rest + self._after.pop(0))
            elif line.startswith(b"+"):
                answer.said.append(Untagged("+"))
                return answer
            else:
                self.take(line, answer)
        return answer

    def send(self, command: bytes, *first: bytes) -> None:
        """The command as far as its first literal, under a new tag."""
        self._count += 1
        self.tag = b"t%d" % self._count
        pieces = command.split(b"{}")
        head = pieces[0] + (b"{%d}" % len(first[0]) if len(pieces) > 1 else b"")
        self._after = [piece + b"\r\n" for piece in pieces[1:]]
        self._writer.write(self.tag + b" " + head + b"\r\n")

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    def take(self, line: bytes, answer: Answer) -> None:
        """One response into the answer."""
        if line.startswith(self.tag + b" "):
            answer.result, answer.code = status(line[len(self.tag) + 1 :])
            answer.text = line[len(self.tag) + 1 :].decode("utf-8", "replace")
        elif not line.startswith(b"* "):
            if line:
                raise NotImap(repr(line[:200]))
            answer.result = "BYE"
        else:
            answer.said.append(untagged(line[2:]))

    async def response(self) -> bytes:
        """One response with its literals, without its CRLF; b"" when the server is gone."""
        whole = b""
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    line = await self._reader.readuntil(b"\n")
                except (asyncio.IncompleteReadError, ConnectionError):
                    return b""
                whole += line
                literal = _ENDS_IN_LITERAL.search(line)
                if literal is None:
                    if not whole.endswith(b"\r\n"):
                        raise NotImap(repr(whole[-80:]))
                    return whole[:-2]
                whole += await self._reader.readexactly(int(literal[1]))

    async def secure(self, context: ssl.SSLContext) -> None:
        await self.say("STARTTLS")
        await self._writer.start_tls(context, server_hostname="localhost")

    async def close(self) -> None:
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except (ConnectionError, ssl.SSLError):
            pass


def untagged(line: bytes) -> Untagged:
    """What follows the star. Raises NotImap."""
    if _STATUS.match(line):
        result, code = status(line)
        return Untagged(result, None, (), code)
    number = None
    if match := re.match(rb"([0-9]+) ", line):
        number, line = int(match[1]), line[match.end() :]
    if line.startswith(b"ESEARCH"):
        line = line.rstrip(b" ")
    values = Reader(line.rstrip(b" ") if line.startswith(b"SEARCH") else line).values()
    if not isinstance(values[0], str):
        raise NotImap(repr(line[:200]))
    return Untagged(values[0].upper(), number, tuple(values[1:]))


@asynccontextmanager
async def connected(port: int, user: str, password: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Talk]:
    """Somebody signed in, after STARTTLS when `tls` is given."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=64 * 1024 * 1024)
    talk = Talk(reader, writer)
    try:
        await talk.response()
        if tls is not None:
            await talk.secure(tls)
        answer = await talk.say(f'LOGIN "{user}" "{password}"')
        assert answer.result == "OK", answer
        yield talk
    finally:
        await talk.close()
