"""« Mon compte »: the way to sign-in and security, the people who act for one, notices, display."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from webchat.visit import Visit, route

if TYPE_CHECKING:
    from server.app import App


def add_routes(app: App, site: web.Application) -> None:
    """The page that leads to each."""
    route(app, site, "GET", "/account", show_account, ())


async def show_account(visit: Visit) -> web.Response:
    """Each part of the account, in a sentence, with its way in."""
    return visit.page("account.html", "account")
