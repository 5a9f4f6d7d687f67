"""The door of the pages: coming in, going out, changing language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from server import sessions
from server.errors import Unauthorised
from webchat import oidc, security
from webchat.forms import read_fields
from webchat.present import page as render
from webchat.words import CHOICES, words

if TYPE_CHECKING:
    from server.app import App

YEAR_S = 365 * 86_400


def add_routes(app: App, site: web.Application) -> None:
    """Coming in, going out, changing language."""

    def door_page(
        request: web.Request, *, link: str = "", notice: str = "", error: str = "", status: int = 200
    ) -> web.Response:
        said = words(security.language_of(request))
        ways = oidc.shown(app, request)
        text = render(
            "sign_in.html", words=said, here=request.path, link=link, notice=notice, error=error, providers=ways
        )
        return web.Response(text=text, content_type="text/html", status=status)

    async def show_door(request: web.Request) -> web.Response:
        said = words(security.language_of(request))
        return door_page(request, notice=said("sign_in.signed_out") if "out" in request.query else "")

    async def show_link(request: web.Request) -> web.Response:
        # Asked first: a mail scanner that follows every link would use it up.
        return door_page(request, link=request.match_info["link"])

    async def redeem(request: web.Request) -> web.Response:
        said = words(security.language_of(request))
        try:
            account_id = await sessions.redeem_link(app, request.match_info["link"])
        except Unauthorised:
            return door_page(request, error=said("sign_in.used"), status=401)
        response = web.HTTPSeeOther("/")
        await security.begin_session(app, request, response, account_id, "link")
        raise response

    async def sign_out(request: web.Request) -> web.Response:
        secret = security.session_secret(app, request)
        if secret:
            await sessions.close_session(app, secret)
        response = web.HTTPSeeOther("/sign-in?out" + (f"={way}" if (way := oidc.way_out(app, request)) else ""))
        security.forget_session_cookie(app, response)
        response.headers["Clear-Site-Data"] = '"cache", "storage"'
        raise response

    async def choose_language(request: web.Request) -> web.Response:
        form = await read_fields(request)
        back = form["back"]
        response = web.HTTPSeeOther(back if back.startswith("/") and not back.startswith(("//", "/\\")) else "/")
        if form["language"] in CHOICES:
            response.set_cookie(
                security.LANGUAGE_COOKIE,
                form["language"],
                max_age=YEAR_S,
                path="/",
                secure=app.settings.secure,
                httponly=True,
                samesite="Lax",
            )
        raise response

    site.router.add_get("/sign-in", show_door)
    site.router.add_get("/sign-in/{link}", show_link)
    site.router.add_post("/sign-in/{link}", redeem)
    site.router.add_post("/sign-out", sign_out)
    site.router.add_post("/language", choose_language)
