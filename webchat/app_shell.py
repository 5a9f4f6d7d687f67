"""Pli as an app: its manifest, its service worker, and what a browser shows and keeps without a network.

    /manifest.webmanifest   what the app is called and looks like (W3C Web Application Manifest)
    /sw.js                  the service worker: the shell kept by its content, what to say of a push
    /offline/none           « no network », without a word about anybody: kept by every browser
    /offline/copy           the last letters, for a browser whose person chose to keep them (`server.offline`)

Promises: pages come from the network whenever there is one; nothing about anybody is kept but on a device that was
chosen, and there it is sealed. A copy is handed over without its letters being taken for read: nobody has opened them.

Does not: keep documents, or another's space one acts in.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from aiohttp import web

from server import access, listing, offline, reading, sessions
from server.handles import MailboxHandle
from webchat import present, security
from webchat.forms import read_fields
from webchat.visit import Visit, desk_of, route
from webchat.words import LANGUAGES, words

if TYPE_CHECKING:
    from server.app import App

STATIC = present.FOLDER / "static"
SHELL = ("pli.css", "notices.css", "icons.svg", "pli.svg", "icon-192.png")  # enough to read and to look right
CONVERSATIONS = 10
MESSAGES = 20  # of each
COOKIE_S = offline.LASTS_DAYS * 86_400


def add_routes(app: App, site: web.Application) -> None:
    """The manifest, the worker, and what is shown without a network."""

    async def give_copy(request: web.Request) -> web.StreamResponse:
        return await copy(app, request)

    site.router.add_get("/manifest.webmanifest", show_manifest)
    site.router.add_get("/sw.js", show_worker)
    site.router.add_get("/offline", go_home)
    site.router.add_get("/offline/none", show_none)
    site.router.add_get("/offline/copy", give_copy)
    route(app, site, "POST", "/account/notices/offline", choose)


# ---- the app ----


async def show_manifest(request: web.Request) -> web.Response:
    """What a phone needs to put Pli among its apps."""
    said = words(security.language_of(request))
    icons = [
        {"src": "/static/icon-192.png", "sizes": "192x192", "type": "image/png", "purpose": "any"},
        {"src": "/static/icon-512.png", "sizes": "512x512", "type": "image/png", "purpose": "any"},
        {"src": "/static/icon-maskable-512.png", "sizes": "512x512", "type": "image/png", "purpose": "maskable"},
    ]
    shortcuts = [
        {"name": said("nav.messages"), "url": "/"},
        {"name": said("list.write"), "url": "/new"},
        {"name": said("nav.agenda"), "url": "/agenda"},
    ]
    manifest = {
        "id": "/",
        "name": said("app.name"),
        "short_name": said("brand.name"),
        "description": said("brand.promise"),
        "lang": said.language,
        "dir": "ltr",
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "background_color": "#ffffff",
        "theme_color": "#0b6553",
        "categories": ["health", "medical"],
        "icons": icons,
        "shortcuts": shortcuts,
    }
    return web.json_response(manifest, content_type="application/manifest+json")


async def show_worker(_request: web.Request) -> web.Response:
    """The worker with what it must know; a browser takes the new one as soon as an octet differs."""
    headers = {"Service-Worker-Allowed": "/", "Cache-Control": "no-cache"}
    return web.Response(text=worker(), content_type="text/javascript", headers=headers)


@lru_cache(maxsize=1)
def worker() -> str:
    """The shell's name follows from what is in it, so that an upgrade never mixes two of them."""
    source = "\n".join((STATIC / name).read_text(encoding="utf-8") for name in ("sealed.js", "sw.js"))
    files = [f"/static/{name}" for name in SHELL]
    none = {language: f"/offline/none?language={language}" for language in LANGUAGES}
    pages = "".join(_none_page(language) for language in LANGUAGES)
    digest = hashlib.sha256((source + pages).encode() + b"".join((STATIC / name).read_bytes() for name in SHELL))
    push = {}
    for language in LANGUAGES:
        said = words(language)
        push[language] = {"title": said("brand.name"), "body": said("push.body")}
    facts = {
        "name": f"pli-{digest.hexdigest()[:16]}",
        "files": [*files, *none.values()],
        "none": none,
        "push": push,
        "days": offline.KEPT_DAYS,
    }
    return f"self.SHELL = {json.dumps(facts, ensure_ascii=False)};\n{source}"


# ---- without a network ----


async def go_home(_request: web.Request) -> web.Response:
    """The copy stands here while there is no network; with one, there is better."""
    raise web.HTTPSeeOther("/")


async def show_none(request: web.Request) -> web.Response:
    """No network, and nothing kept."""
    language = request.query.get("language", "fr")
    return web.Response(text=_none_page(language), content_type="text/html")


def _none_page(language: str) -> str:
    return present.page("offline.html", words=words(language), here="/")


def cookie_name(app: App) -> str:
    return "__Host-pli-offline" if app.settings.secure else "pli-offline"


async def choose(visit: Visit) -> web.Response:
    """Keep the last letters on this browser, or no longer."""
    app, request = visit.app, visit.request
    held = request.cookies.get(cookie_name(app), "")
    response = web.HTTPSeeOther("/account/notices#offline")
    if (await read_fields(request))["keep"]:
        secret = await offline.choose(app, visit.actor, security.session_secret(app, request), held)
        response.set_cookie(
            cookie_name(app), secret, max_age=COOKIE_S, path="/", secure=app.settings.secure, httponly=True,
            samesite="Strict",
        )  # fmt: skip
    else:
        await leave(app, request, response)
    raise response


async def leave(app: App, request: web.Request, response: web.StreamResponse) -> None:
    """This browser keeps nothing any more: signing out, too."""
    await offline.end(app, request.cookies.get(cookie_name(app), ""))
    response.del_cookie(cookie_name(app), path="/", secure=app.settings.secure, httponly=True, samesite="Strict")


async def copy(app: App, request: web.Request) -> web.StreamResponse:
    """The last letters as one page: 200; 304, the browser has them; 204, keep what there is until its person comes
    back; 410, erase.
    """
    session = security.session_secret(app, request)
    stands = await offline.standing(app, request.cookies.get(cookie_name(app), ""), session)
    if not stands.chosen:
        response = web.Response(status=410)
        await leave(app, request, response)
        return response
    if not stands.present:
        return web.Response(status=204)
    actor = await sessions.actor_of_session(app, session)
    box = await access.mailbox(app, actor, "")
    language = security.language_of(request, actor.language)
    tag = f'"{await reading.cursor(app, box)}-{language}-{hashlib.sha256(worker().encode()).hexdigest()[:8]}"'
    if request.headers.get("If-None-Match") == tag:
        return web.Response(status=304)
    text = present.page("offline_copy.html", **await _letters(app, actor, box, language))
    return web.Response(text=text, content_type="text/html", headers={"ETag": tag})


async def _letters(app: App, actor: Any, box: MailboxHandle, language: str) -> dict[str, Any]:
    """What the page of the copy shows."""
    desk = await desk_of(app, actor, box, language)
    found = []
    for row in await listing.conversations(app, box, None, CONVERSATIONS):
        handle = await access.conversation(app, box, row.id)
        page = await reading.thread(app, handle, None, MESSAGES)
        found.append({"row": row, "entries": page.entries, "more": page.more})
    return {"desk": desk, "words": desk.words, "here": "/", "letters": found}
