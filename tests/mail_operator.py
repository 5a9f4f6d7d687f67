"""Another operator of the trust circle, for walks: it sends to our MX with its certificate, and takes what
we send it.
"""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from mail_gateway import trust
from server.app import App
from server.certificates import Authority
from server.settings import Settings
from tests.certificates import Pair, client_context, server_context

DOMAIN = "operator.example"


@dataclass(frozen=True)
class Received:
    """A mail as the operator took it."""

    sender: str
    recipients: list[str]
    raw: bytes


@dataclass
class Operator:
    """`operator.example`: a mail server on a free port, with a certificate of the demonstration's authority."""

    port: int = 0
    received: asyncio.Queue[Received] = field(default_factory=asyncio.Queue)
    authority: Authority | None = None
    answers: list[str] = field(default_factory=list)  # what it says after DATA, in turn; then 250

    @classmethod
    @asynccontextmanager
    async def open(cls, _folder: Path) -> AsyncIterator[Operator]:
        operator = cls()
        server = await asyncio.get_running_loop().create_server(operator._smtp, "127.0.0.1", 0)
        operator.port = server.sockets[0].getsockname()[1]
        try:
            yield operator
        finally:
            server.close()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def use(self, settings: Settings) -> None:
        """Take certificates from the authority of that Pli."""
        self.authority = Authority.at(settings.data_dir / "certificates")

    def _pair(self) -> Pair:
        assert self.authority is not None, "call use() first"
        return self.authority.issue("operator", [DOMAIN, f"mx.{DOMAIN}", "localhost"], server=True)

    def _smtp(self) -> SMTP:
        assert self.authority is not None, "call use() first"
        context = server_context(self._pair(), self.authority.certificate)
        return SMTP(self, tls_context=context, require_starttls=True, hostname=f"mx.{DOMAIN}")

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        if self.answers:
            return self.answers.pop(0)
        content = envelope.original_content or b""
        self.received.put_nowait(Received(envelope.mail_from or "", list(envelope.rcpt_tos), content))
        return "250 2.0.0 taken"

    async def next_mail(self) -> Received:
        return await asyncio.wait_for(self.received.get(), 30)

    async def vouch(self, app: App) -> None:
        """Be trusted, as by `pli trust add`."""
        await trust.add(app, DOMAIN, self._pair()[0].read_bytes())

    def send(self, port: int, sender: str, recipients: list[str], raw: bytes) -> None:
        """Give a mail to a Pli's MX door, in the usual way."""
        assert self.authority is not None, "call use() first"
        context: ssl.SSLContext = client_context(self.authority.certificate, self._pair())
        with smtplib.SMTP("localhost", port, source_address=("127.0.0.1", 0), timeout=20) as client:
            client.starttls(context=context)
            client.sendmail(sender, recipients, raw)
