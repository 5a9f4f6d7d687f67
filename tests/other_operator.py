"""Another operator's mail server, by other means than ours (aiosmtpd), that answers as a test wants it to."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP as POLICY
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.certificates import Pair, server_context


@dataclass(frozen=True)
class Got:
    """A letter it took."""

    sender: str
    recipients: list[str]
    raw: bytes
    shown: bytes | None  # the certificate the client showed, DER

    @property
    def letter(self) -> EmailMessage:
        return BytesParser(policy=POLICY).parsebytes(self.raw)


@dataclass
class OtherOperator:
    """`says`: the next replies to RCPT or DATA ("RCPT 550 5.1.1 No"), once each. `most`: letters in hand at once."""

    port: int = 0
    got: list[Got] = field(default_factory=list)
    says: deque[str] = field(default_factory=deque)
    tried: int = 0
    most: int = 0
    _now: int = 0
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    four: asyncio.Event = field(default_factory=asyncio.Event)  # four letters are in hand

    def _answer(self, verb: str) -> str | None:
        if self.says and self.says[0].startswith(verb):
            return self.says.popleft().partition(" ")[2]
        return None

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.tried += 1
        refused = self._answer("RCPT")
        if refused is None:
            envelope.rcpt_tos.append(address)
        return refused or "250 2.1.5 Ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        refused = self._answer("DATA")
        if refused is not None:
            return refused
        self._now += 1
        self.most = max(self.most, self._now)
        if self._now == 4:
            self.four.set()
        await self.hold.wait()
        self._now -= 1
        tls = server.transport.get_extra_info("ssl_object") if server.transport is not None else None
        shown = tls.getpeercert(binary_form=True) if tls is not None else None
        self.got.append(Got(envelope.mail_from or "", envelope.rcpt_tos, envelope.original_content or b"", shown))
        return "250 2.0.0 Taken"


@asynccontextmanager
async def other_operator(shown: Pair | None, asks: Path | None = None) -> AsyncIterator[OtherOperator]:
    """Open on a free port. Without `shown` it has no STARTTLS; with `asks` it wants a certificate of that authority."""
    operator = OtherOperator()
    operator.hold.set()
    tls: ssl.SSLContext | None = server_context(shown, asks) if shown is not None else None

    def session() -> SMTP:
        return SMTP(operator, hostname="mx.operator.example", tls_context=tls, require_starttls=tls is not None)

    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0)
    operator.port = server.sockets[0].getsockname()[1]
    try:
        yield operator
    finally:
        server.close()
