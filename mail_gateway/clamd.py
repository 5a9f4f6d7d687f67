"""Asks clamd, the daemon of ClamAV, whether a letter carries a virus, before anything of it is kept.

Promises: what is found infected is refused (550 5.7.1), in words that name nobody; what could not be scanned (clamd
down, too slow, or the letter over one of its limits) is told to come again (451 4.7.1) when `clamd_required` is set,
and otherwise taken, counted and logged. The mail is scanned as it came and each part of it as we would hand it out: a
part that clamd reads otherwise than we do (two encodings, a doubtful boundary, a signed envelope) does not get past it.

Does not: scan what is uploaded by chat or API, nor scan again what is already kept. Without the setting `clamd` it
does nothing. The protocol is clamd(8): IDSESSION, then INSTREAM in chunks of a length of four octets.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

import structlog

from mail_gateway import structure
from mail_gateway.cms import signed_content
from mail_gateway.parts import is_signed_envelope
from mail_gateway.smtp_syntax import Refusal
from mail_gateway.structure import Node
from server.formats.malformed import Malformed

if TYPE_CHECKING:
    from server.app import App

log = structlog.get_logger()

CHUNK: Final = 64 * 1024  # octets
MAX_REPLY: Final = 4096  # octets; a longer one is not of clamd
_FOUND = re.compile(r"\d+: stream: (.{1,200}) FOUND")
_LIMITS = "Heuristics.Limits.Exceeded"  # `AlertExceedsMax`: not a virus, but a part that was not looked at
_NAME = re.compile(r"[^A-Za-z0-9._-]+")


class Unscanned(Exception):
    """clamd could not say. The text is a stable word for the log."""


async def check(app: App, raw: bytes) -> None:
    """Raises `Refusal` when the letter may not be taken."""
    settings = app.settings
    if not settings.clamd:
        return
    try:
        async with asyncio.timeout(settings.clamd_seconds):
            virus = await scan(settings.clamd, raw)
    except (Unscanned, OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        app.metrics.unscanned()
        reason = str(error) if isinstance(error, Unscanned) else type(error).__name__
        log.warning("clamd.unscanned", reason=reason, taken=not settings.clamd_required)
        if settings.clamd_required:
            raise Refusal(451, "4.7.1", "L’antivirus n’a pas pu examiner ce message, réessayez plus tard") from None
        return
    if virus:
        log.warning("clamd.infected", signature=virus)
        raise Refusal(550, "5.7.1", "Message refusé : un virus a été trouvé dans ce message ou une pièce jointe")


async def scan(where: str, raw: bytes) -> str:
    """The name of the virus in a mail, "" when there is none. `where`: unix:/path, or host:port.

    Raises `Unscanned`, OSError, asyncio.IncompleteReadError when clamd cannot say; it sets no time limit.
    """
    reader, writer = await _connected(where)
    try:
        writer.write(b"zIDSESSION\0")
        return await _all(reader, writer, raw)
    finally:
        writer.transport.abort()  # nothing is owed to clamd, and it may be the one that does not answer


async def _connected(where: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if where.startswith("unix:"):
        return await asyncio.open_unix_connection(where.removeprefix("unix:"), limit=MAX_REPLY)
    host, _, port = where.rpartition(":")
    return await asyncio.open_connection(host.strip("[]"), int(port), limit=MAX_REPLY)


async def _all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, raw: bytes, *, sealed: bool = False) -> str:
    """The mail, and each part of it that is not in it as it will be handed out or read. `sealed`: it came out of a
    signed envelope, and no second one is opened.
    """
    virus = await _one(reader, writer, raw)
    for node in () if virus else await asyncio.to_thread(_coded, raw):
        data = await asyncio.to_thread(structure.decode, raw, node)
        virus = await _one(reader, writer, data)
        if not virus and not sealed and is_signed_envelope(raw, node):
            virus = await _all(reader, writer, signed_content(data), sealed=True)
        if virus:
            break
    return virus


def _coded(raw: bytes) -> list[Node]:
    """None of a mail that we cannot read."""
    try:
        nodes = [node for node in structure.walk(structure.index(raw)) if not node.children]
    except Malformed:
        return []
    return [node for node in nodes if node.encoding in ("base64", "quoted-printable") or is_signed_envelope(raw, node)]


async def _one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> str:
    writer.write(b"zINSTREAM\0")
    view = memoryview(data)
    for start in range(0, len(data), CHUNK):
        chunk = view[start : start + CHUNK]
        writer.write(len(chunk).to_bytes(4, "big"))
        writer.write(chunk)
        await writer.drain()  # over its StreamMaxLength clamd hangs up here: an OSError
    writer.write(bytes(4))
    reply = (await reader.readuntil(b"\0")).rstrip(b"\0").decode("ascii", "replace")
    if re.fullmatch(r"\d+: stream: OK", reply):
        return ""
    found = _FOUND.fullmatch(reply)
    if found is None:
        raise Unscanned("size_limit" if "size limit exceeded" in reply else "error")
    if found[1].startswith(_LIMITS):
        raise Unscanned("limits_exceeded")
    return _NAME.sub("_", found[1])
