"""« Demander à Pli » (/ask): a sentence for Pli itself, posted in « Votre espace », where it is answered
(`server.bots.assistant`). A letter to a professional is never read by it.

A form sent twice asks once: its `client_key` is the retry key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from server import sending, space_news
from server.bots.assistant.cards import SLASHES
from server.errors import Invalid, PliError, Refused
from server.scopes import MESSAGES, WRITE
from server.sending import Letter
from webchat.forms import read_fields
from webchat.security import told
from webchat.visit import Visit, nonce, route

if TYPE_CHECKING:
    from server.app import App

PAGE = "/ask"
MOST = 1_000  # characters of a sentence


def add_routes(app: App, site: web.Application) -> None:
    """For the holder, and a delegate with the scope messages."""
    route(app, site, "GET", PAGE, show)
    route(app, site, "POST", PAGE, ask)


async def show(visit: Visit, error: str = "", said: str = "", status: int = 200) -> web.Response:
    """What one may ask, and where."""
    if visit.box.owner_kind != "holder":
        raise Refused
    asked = said or visit.request.query.get("q", "")[:MOST]
    slashes = [one[visit.words.language == "en"] for one in SLASHES]
    may = visit.box.may(MESSAGES, WRITE)
    return visit.page(
        "ask.html", "messages", status=status, error=error, most=MOST, nonce=nonce(), may=may, said=asked,
        slashes=slashes,
    )  # fmt: skip


async def ask(visit: Visit) -> web.Response:
    """The sentence, in « Votre espace »; then there, where the answer comes."""
    if visit.box.owner_kind != "holder":
        raise Refused
    form = await read_fields(visit.request)
    text = form["text"].strip()[:MOST]
    try:
        if not text:
            raise Invalid("nothing_asked", "Écrivez votre question, par exemple « mes prochains rendez-vous ».")
        there = await space_news.talk(visit.app, visit.box)
        receipt = await sending.send(visit.app, visit.box, there, Letter(text, form["client_key"]))
    except PliError as problem:
        return await show(visit, told(visit.words, problem), text, problem.status)
    raise web.HTTPSeeOther(f"{visit.desk.base}/c/{receipt.conversation}#m-{receipt.message}")
