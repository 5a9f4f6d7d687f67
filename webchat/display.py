"""How pages look on this device: text size, contrast, motion. A cookie, so that it holds before one signs in.

A choice is a word of `CHOICES`; the page carries it as `data-…` on its root, and the stylesheet does the rest.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from aiohttp import web

from webchat import present, security
from webchat.forms import read_fields
from webchat.words import words

if TYPE_CHECKING:
    from server.app import App

COOKIE = "pli-look"
CHOICES = {"text": ("usual", "large", "larger"), "contrast": ("usual", "more"), "motion": ("usual", "less")}
YEAR_S = 365 * 86_400

_look: ContextVar[dict[str, str]] = ContextVar("look")


def look() -> dict[str, str]:
    """What was chosen besides the usual, for the request being answered: a template asks."""
    return _look.get({})


def chosen(request: web.Request) -> dict[str, str]:
    """The choices of a cookie `text-large.motion-less`; what is not one of ours is left out."""
    found = {}
    for part in request.cookies.get(COOKIE, "")[:200].split("."):
        name, _, value = part.partition("-")
        if value in CHOICES.get(name, ())[1:]:
            found[name] = value
    return found


def add_routes(app: App, site: web.Application) -> None:
    """The page of choices, for anybody, and what saves them."""
    present.environment().globals["look"] = look

    async def show(request: web.Request) -> web.Response:
        said = words(security.language_of(request))
        text = present.page(
            "display.html",
            words=said,
            here="/display",
            choices=CHOICES,
            chosen=chosen(request),
            saved="saved" in request.query,
        )
        return web.Response(text=text, content_type="text/html")

    async def save(request: web.Request) -> web.Response:
        form = await read_fields(request)
        kept = [f"{name}-{form[name]}" for name, values in CHOICES.items() if form[name] in values[1:]]
        response = web.HTTPSeeOther("/display?saved")
        response.set_cookie(
            COOKIE, ".".join(kept), max_age=YEAR_S, path="/", secure=app.settings.secure, httponly=True, samesite="Lax"
        )
        raise response

    @web.middleware
    async def looked(request: web.Request, handler: security.Handler) -> web.StreamResponse:
        _look.set(chosen(request))
        return await handler(request)

    site.middlewares.insert(0, looked)
    site.router.add_get("/display", show)
    site.router.add_post("/display", save)
