"""The door of the pages: coming in by identifier and password, by an operator's link, after something was lost; going
out; changing language.

    /sign-in         identifier and password; ways in by others (passkeys, providers)
    /sign-in/lost    what to do when something is lost
    /sign-in/step    what is asked for next, whatever it is; its forms say in `do` what they give
    /sign-in/{link}  an operator's link, which serves once

Promises: every step is a form and a page; an error keeps what was typed, but for secrets; nothing here says whether an
identifier is somebody's. What a browser has shown so far is known by a cookie of its own (`pli-proof`).

Does not: decide anything (`server.sign_in`, `server.logins`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from server import brakes, devices, logins, sessions, sign_in, strength
from server.errors import PliError, Unauthorised
from server.safe_settings import ways_in
from server.sign_in import Entered
from webchat import app_shell, oidc, security, steps
from webchat.forms import Form, read_fields
from webchat.present import page as render
from webchat.words import CHOICES, words

if TYPE_CHECKING:
    from server.app import App

YEAR_S = 365 * 86_400


def add_routes(app: App, site: web.Application) -> None:
    """Coming in, going out, changing language."""
    door = Door(app)
    site.router.add_get("/sign-in", door.show)
    site.router.add_post("/sign-in", door.begin)
    site.router.add_get("/sign-in/lost", door.show_lost)
    site.router.add_post("/sign-in/lost", door.begin_lost)
    site.router.add_get("/sign-in/step", door.show_step)
    site.router.add_post("/sign-in/step", door.take_step)
    site.router.add_get("/sign-in/{link}", door.show_link)
    site.router.add_post("/sign-in/{link}", door.redeem)
    site.router.add_post("/sign-out", door.sign_out)
    site.router.add_post("/language", door.choose_language)


class Door:
    """The pages before somebody is signed in, and the way out."""

    def __init__(self, app: App) -> None:
        self.app = app

    # ---- identifier and password ----

    async def show(self, request: web.Request) -> web.Response:
        said = words(security.language_of(request))
        notice = said("sign_in.signed_out") if "out" in request.query else ""
        if (found := request.query.get("changed", "")) in steps.STRENGTHS:
            notice = f"{said('sign_in.changed')} {said('sign_in.strength.' + found)}"
        return self._page(request, notice=notice)

    async def begin(self, request: web.Request) -> web.StreamResponse:
        form = await read_fields(request)
        source, device = brakes.source_of(self.app, request), request.cookies.get(device_cookie(self.app), "")
        try:
            begun = await sign_in.begin(self.app, form["identifier"], form["password"], source, device)
        except PliError as error:
            return self._page(request, error=error, typed=form["identifier"])
        if isinstance(begun, Entered):
            return await self._come_in(request, begun, remember=False)
        return self._go_on(begun)

    def _page(
        self, request: web.Request, *, link: str = "", notice: str = "", error: PliError | None = None, typed: str = ""
    ) -> web.Response:
        said = words(security.language_of(request))
        text = render(
            "sign_in.html",
            words=said,
            here=request.path,
            link=link,
            notice=notice,
            error=security.told(said, error) if error else "",
            typed=typed,
            by_password="password" in ways_in(self.app.settings, "patient"),
            providers=oidc.shown(self.app, request),
        )
        return web.Response(text=text, content_type="text/html", status=error.status if error else 200)

    # ---- a link ----

    async def show_link(self, request: web.Request) -> web.Response:
        # Asked first: a mail scanner that follows every link would use it up.
        return self._page(request, link=request.match_info["link"])

    async def redeem(self, request: web.Request) -> web.StreamResponse:
        link = request.match_info["link"]
        try:
            proof = await sign_in.begin_link(self.app, link)
            if proof is not None:
                return self._go_on(proof)
            account_id = await sessions.redeem_link(self.app, link)
        except Unauthorised as error:
            return self._page(request, error=error)
        response = web.HTTPSeeOther("/")
        await security.begin_session(self.app, request, response, account_id, "link")
        raise response

    # ---- something is lost ----

    async def show_lost(self, request: web.Request) -> web.Response:
        return self._lost(request)

    async def begin_lost(self, request: web.Request) -> web.StreamResponse:
        form = await read_fields(request)
        try:
            return self._go_on(
                await sign_in.begin_lost(self.app, form["identifier"], brakes.source_of(self.app, request))
            )
        except PliError as error:
            return self._lost(request, error)

    def _lost(self, request: web.Request, error: PliError | None = None) -> web.Response:
        said = words(security.language_of(request))
        text = render(
            "sign_in_lost.html",
            words=said,
            here=request.path,
            error=security.told(said, error) if error else "",
            by_mail=bool(self.app.settings.notice_smtp),
            helpline=self.app.settings.helpline,
        )
        return web.Response(text=text, content_type="text/html", status=error.status if error else 200)

    # ---- step by step ----

    async def show_step(self, request: web.Request) -> web.Response:
        try:
            return await self._step(request)
        except Unauthorised as error:
            return self._page(request, error=error)

    async def take_step(self, request: web.Request) -> web.StreamResponse:
        """One form of one step; then the next step, or in."""
        form, secret = await read_fields(request), request.cookies.get(proof_cookie(self.app), "")
        source = brakes.source_of(self.app, request)
        try:
            entered = await self._take(form, secret, source)
        except Unauthorised as error:
            return self._page(request, error=error)
        except PliError as error:
            return await self._step(request, error, form)
        if entered is not None:
            return await self._come_in(request, entered, remember=bool(form["remember"]))
        if form["do"] == "renew":
            raise web.HTTPSeeOther(f"/sign-in?changed={strength.strength(form['password'])}")
        raise web.HTTPSeeOther("/sign-in/step")

    async def _take(self, form: Form, secret: str, source: str) -> Entered | None:
        app = self.app
        match form["do"]:
            case "give":
                return await sign_in.give(app, secret, form["kind"], form["given"], source)
            case "confirm":
                return await logins.confirm(app, secret, form["given"], source)
            case "send":
                await sign_in.send(app, secret, form["kind"], source, form["point"])
            case "aim":
                await sign_in.aim(app, secret, form["goal"])
            case "choose":
                await logins.choose(app, secret, form["identifier"], form["password"])
            case "set_up":
                await logins.set_up(app, secret, form["kind"], form["number"])
            case "renew":
                await logins.renew_password(app, secret, form["identifier"], form["password"], source)
        return None

    async def _step(
        self, request: web.Request, error: PliError | None = None, form: Form | None = None
    ) -> web.Response:
        said = words(security.language_of(request))
        step = await sign_in.look(self.app, request.cookies.get(proof_cookie(self.app), ""))
        shown = await steps.shown(self.app, step, request.query.get("with", form["kind"] if form else ""))
        text = render(
            "sign_in_step.html",
            words=said,
            here=request.path,
            error=security.told(said, error) if error else "",
            typed=form["identifier"] if form else "",
            number=form["number"] if form else "",
            helpline=self.app.settings.helpline,
            step=shown,
        )
        return web.Response(text=text, content_type="text/html", status=error.status if error else 200)

    def _go_on(self, secret: str) -> web.StreamResponse:
        response = web.HTTPSeeOther("/sign-in/step")
        response.set_cookie(
            proof_cookie(self.app), secret, path="/", secure=self.app.settings.secure, httponly=True, samesite="Lax",
            max_age=sign_in.PROOF_MS // 1000,
        )  # fmt: skip
        raise response

    async def _come_in(self, request: web.Request, entered: Entered, *, remember: bool) -> web.StreamResponse:
        """The session, and what there is to say first: recovery codes, tries that failed since the last time."""
        app, device_id, response = self.app, entered.device_id, self._welcome(request, entered)
        if remember and not device_id:
            device = await devices.remember(
                app, entered.account_id, devices.called(request.headers.get("User-Agent", ""))
            )
            device_id = await devices.known(app, entered.account_id, device) or ""
            response.set_cookie(
                device_cookie(app), device, path="/", secure=app.settings.secure, httponly=True, samesite="Lax",
                max_age=app.settings.device_days * 86_400,
            )  # fmt: skip
        await security.begin_session(
            app, request, response, entered.account_id, entered.how, device_id, strong=not entered.device_id
        )
        response.del_cookie(proof_cookie(app), path="/", secure=app.settings.secure, httponly=True, samesite="Lax")
        if isinstance(response, web.HTTPException):
            raise response
        return response

    def _welcome(self, request: web.Request, entered: Entered) -> web.StreamResponse:
        if not (entered.codes or entered.failures):
            return web.HTTPSeeOther("/")
        said = words(security.language_of(request))
        text = render("sign_in_done.html", words=said, here="/", codes=entered.codes, failures=entered.failures)
        return web.Response(text=text, content_type="text/html")

    # ---- going out, and the language ----

    async def sign_out(self, request: web.Request) -> web.Response:
        secret = security.session_secret(self.app, request)
        if secret:
            await sessions.close_session(self.app, secret)
        response = security.goodbye(self.app, oidc.way_out(self.app, request))
        await app_shell.leave(self.app, request, response)
        raise response

    async def choose_language(self, request: web.Request) -> web.Response:
        form = await read_fields(request)
        response = web.HTTPSeeOther(security.own_path(form["back"]))
        if form["language"] in CHOICES:
            response.set_cookie(
                security.LANGUAGE_COOKIE, form["language"], max_age=YEAR_S, path="/", secure=self.app.settings.secure,
                httponly=True, samesite="Lax",
            )  # fmt: skip
        raise response


def proof_cookie(app: App) -> str:
    """Of what a browser has shown so far."""
    return "__Host-pli-proof" if app.settings.secure else "pli-proof"


def device_cookie(app: App) -> str:
    """Of a remembered device."""
    return "__Host-pli-device" if app.settings.secure else "pli-device"
