"""Stylesheets, modules, icons: under an address that names their content, so that a browser keeps them for ever and
never asks again; and what is compressed on the wire.

    /static/<digest>/pli.css   kept for a year: another content has another address
    /static/pli.css            the same file, asked about each time

Compressed are the static parts, and pages whose address carries no query: a page that repeats what a link asked for,
beside what is secret, would let its length tell one from the other (the BREACH class). Files, and what the API and the
live socket say, are not.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from aiohttp import web

from webchat import present
from webchat.security import Handler

if TYPE_CHECKING:
    from server.app import App

FOLDER = present.FOLDER / "static"
FOR_EVER = "public, max-age=31536000, immutable"
_IMPORT = re.compile(r"(?:from|import\()\s*\"\./([\w./-]+\.js)\"")
_TEXT = frozenset({".css", ".js", ".svg", ".json"})


@lru_cache
def digest() -> str:
    """Of every static file's name and octets, 64 bits."""
    made = hashlib.sha256()
    for path in sorted(path for path in FOLDER.rglob("*") if path.is_file()):
        made.update(f"{path.relative_to(FOLDER)}\0".encode())
        made.update(hashlib.sha256(path.read_bytes()).digest())
    return made.hexdigest()[:16]


def place() -> str:
    """Where the static parts of this version stand; a template asks."""
    return f"/static/{digest()}"


@lru_cache
def modules(entry: str) -> tuple[str, ...]:
    """What a module needs before it can start, so that a page asks for all of it at once: one round trip, not one a
    level.
    """
    found: list[str] = []
    waiting = [entry]
    while waiting:
        name = waiting.pop()
        source = (FOLDER / name).read_text(encoding="utf-8") if (FOLDER / name).is_file() else ""
        for needed in _IMPORT.findall("" if name.startswith("vendor/") else source):
            if needed not in found and needed != entry:
                found.append(needed)
                waiting.append(needed)
    return tuple(found)


def add_routes(app: App, site: web.Application) -> None:
    """The folder under both addresses, and compression."""
    present.environment().globals.update(static=place(), modules=modules)
    site.router.add_static(f"{place()}/", FOLDER)
    site.router.add_static("/static/", FOLDER)
    site.middlewares.append(_lighter)


@web.middleware
async def _lighter(request: web.Request, handler: Handler) -> web.StreamResponse:
    response = await handler(request)
    if request.path.startswith("/static/"):
        response.headers["Cache-Control"] = FOR_EVER if request.path.startswith(f"{place()}/") else "no-cache"
        text = PurePosixPath(request.path).suffix in _TEXT
    else:
        text = response.content_type == "text/html" and not request.query_string
    if text and request.method == "GET" and response.status == 200 and "Range" not in request.headers:
        response.enable_compression()
        response.headers["Vary"] = "Accept-Encoding"
    return response
