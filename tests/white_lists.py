"""White lists as MSSanté publishes them, and a server that publishes them over https."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from aiohttp import web

from tests.certificates import Pair, server_context

NAMESPACE = "https://listeblanche.mssante.fr/schema"
OPERATOR = "CN=mx.operator.example,OU=318310021300028,O=GIP OPÉRATEUR,ST=Bouches-du-Rhône (13),C=FR"
OTHER = "CN=smtp-1.autre.example,OU=1750048886,O=GIP AUTRE,ST=Paris (75),C=FR"


def entry(name: str, subject: str) -> str:
    return (
        f"<Domaine><Nom>{escape(name)}</Nom><Description>Domaine de messagerie MSSanté d'un établissement</Description>"
        f"<DNCertificatOperateur>{escape(subject)}</DNCertificatOperateur>"
        "<ResponsableContact>04 42 70 38 15, mssante@operator.example\n</ResponsableContact>"
        "<SupportContact>04 42 70 38 15, support@operator.example</SupportContact>"
        "<DateMAJ>2025-03-13T14:54:10Z</DateMAJ></Domaine>"
    )


def white_list(*entries: tuple[str, str], generated: str = "2025-03-13T14:54:10Z", namespace: str = NAMESPACE) -> bytes:
    """A list of (domain, subject of a certificate)."""
    body = "\n".join(entry(*one) for one in entries)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><ListeBlancheMSSante xmlns="{namespace}">\n'
        f"    <DateDeGeneration>{generated}</DateDeGeneration>\n    <ListeDomaines>\n{body}</ListeDomaines>\n"
        "</ListeBlancheMSSante>\n"
    ).encode()


def many(count: int, generated: str = "2025-03-13T14:54:10Z") -> bytes:
    """A list of so many domains of one operator."""
    return white_list(*((f"d{number}.mssante.fr", OPERATOR) for number in range(count)), generated=generated)


@dataclass
class Publisher:
    """Serves `files` by name: octets, or a status. `asked`: what was asked for, in order; `heard`: something was."""

    port: int = 0
    scheme: str = "https"
    files: dict[str, bytes | int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, name: str) -> str:
        return f"{self.scheme}://localhost:{self.port}/{name}"

    def publish(self, data: bytes) -> None:
        self.files |= {"list.xml": data, "checksum": hashlib.sha256(data).hexdigest().encode()}

    async def answer(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self.asked.append(name)
        self.heard.set()
        found = self.files.get(name, 404)
        if isinstance(found, bytes):
            return web.Response(body=found)
        return web.Response(status=found, headers={"Location": self.url("list.xml")})


@asynccontextmanager
async def publisher(shown: Pair | None) -> AsyncIterator[Publisher]:
    """Open on a free port; over http without a certificate to show."""
    open_ = Publisher(scheme="https" if shown else "http")
    site = web.Application()
    site.router.add_get("/{name}", open_.answer)
    runner = web.AppRunner(site)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_context(shown) if shown else None).start()
        open_.port = runner.addresses[0][1]
        yield open_
    finally:
        await runner.cleanup()
