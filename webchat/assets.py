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
from functools import lru_cache
from typing import TYPE_CHECKING

from aiohttp import web

from webchat import present

if TYPE_CHECKING:
    from server.app import App

FOLDER = present.FOLDER / "static"
FOR_EVER = "public, max-age=31536000, immutable"
_TEXT = ("text/html", "text/css", "text/javascript", "application/javascript", "image/svg+xml", "application/json")


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


def add_routes(app: App, site: web.Application) -> None:
    """The folder under both addresses, and compression."""
    present.environment().globals["static"] = place()
    site.router.add_static(f"{place()}/", FOLDER)
    site.router.add_static("/static/", FOLDER)
    site.on_response_prepare.append(_lighten)


async def _lighten(request: web.Request, response: web.StreamResponse) -> None:
    if request.path.startswith("/static/"):
        response.headers["Cache-Control"] = FOR_EVER if request.path.startswith(f"{place()}/") else "no-cache"
    elif request.query_string or response.content_type != "text/html":
        return
    whole = request.method == "GET" and response.status == 200 and "Range" not in request.headers
    if whole and response.content_type in _TEXT:
        response.enable_compression()
        response.headers["Vary"] = "Accept-Encoding"
