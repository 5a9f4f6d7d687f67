"""The live chat door: server-rendered pages that work without JavaScript, and the Socket.IO door that makes them live.

    __init__   `add_routes(app, site)`: all of it on one aiohttp application
    pages      GET: the list, a thread, documents, agenda, services, search; visit: who looks, at which mailbox
    writing    POST: to write, to answer a card, to open a conversation, to sign in and out, to change language
    files      downloads, and the few kinds of file that may be shown
    socket     Socket.IO: sync, post, act, read, typing; a reader for each socket, pulling from its cursor
    present    entry → HTML (`templates/`), the same for a page and for the socket; words: French and English
    (`locale/`) security   headers, origins, the session cookie static     one stylesheet, icons, and ES modules
    checked by their JSDoc types

Promises: every page works by forms and reloads; with JavaScript it gets faster, never different. No request leaves
for another site; no inline script or style is ever allowed. A page shows nothing that `server.access` did not give a
handle for, and what is absent and what is forbidden look the same.

Does not: decide a right, write a row, or send anything. Messages go through `server.posting.post`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from webchat import files, pages, security, socket, writing

if TYPE_CHECKING:
    from server.app import App


def add_routes(app: App, site: web.Application) -> None:
    """Pages, files, static parts and the live socket, with their headers and checks."""
    security.guard(app, site)
    pages.add_routes(app, site)
    writing.add_routes(app, site)
    files.add_routes(app, site)
    socket.attach(app, site)
