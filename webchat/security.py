"""What every answer carries and every request owes: headers, origins, the session cookie, errors in plain words.

- No inline script or style, no third-party request (CSP Level 3); no frame around us; no sniffing; nothing cached.
- A request that changes something, and every WebSocket, must come from our own pages when a browser says where it
  comes from: `Origin` is compared as a parsed host and port with the host asked, never by prefix. A caller that is no
  browser sends none, and is known by its token.
- The session cookie is `__Host-` where we are reached over TLS, HttpOnly, SameSite=Lax (a link in a mail arrives
  signed in; a form of another site does not).
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import structlog
from aiohttp import web

from server import devices, sessions
from server.errors import NotAllowed, PliError, Refused, SpaceClosed, StepUp, TooLarge, Unavailable
from storage.database import DatabaseDown
from storage.vault import CannotOpen
from webchat import present
from webchat.words import Words, preferred, words

if TYPE_CHECKING:
    from server.app import App

log = structlog.get_logger()

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; frame-src 'self'; "
    "worker-src 'self'; manifest-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types pli"
)
HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), interest-cohort=()",
    "Cache-Control": "no-store",
}
OTHERS = (
    "/api/",
    "/socket.io/",
    "/healthz",
    "/readyz",
    "/metrics",
    "/demo/",
)  # doors that tell their errors themselves
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
LANGUAGE_COOKIE = "pli-language"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def cookie_name(app: App) -> str:
    return "__Host-pli" if app.settings.secure else "pli"


def set_session_cookie(app: App, response: web.StreamResponse, secret: str) -> None:
    """Give the browser its session. It ends with the session's own limit, or with the browser."""
    response.set_cookie(
        cookie_name(app),
        secret,
        path="/",
        secure=app.settings.secure,
        httponly=True,
        samesite="Lax",
        max_age=app.settings.session_hours * 3600,
    )


async def begin_session(
    app: App,
    request: web.Request,
    response: web.StreamResponse,
    account_id: str,
    how: str,
    device_id: str = "",
    *,
    strong: bool = True,
) -> None:
    """Sign this browser in (`sessions.open_session`): a secret it held before is worth nothing from now on."""
    browser = devices.called(request.headers.get("User-Agent", ""))
    secret = await sessions.open_session(
        app, account_id, how, device_id, strong=strong, browser=browser, instead=session_secret(app, request)
    )
    set_session_cookie(app, response, secret)


def forget_session_cookie(app: App, response: web.StreamResponse) -> None:
    response.del_cookie(cookie_name(app), path="/", secure=app.settings.secure, httponly=True, samesite="Lax")


def goodbye(app: App, way: str = "") -> web.HTTPSeeOther:
    """Out, to the door: the cookie is gone, and whatever pages left in this browser. `way`: the provider's name whose
    session is another matter.
    """
    response = web.HTTPSeeOther("/sign-in?out" + (f"={way}" if way else ""))
    forget_session_cookie(app, response)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def session_secret(app: App, request: web.Request) -> str:
    """The secret the browser sent, or ''."""
    return request.cookies.get(cookie_name(app), "")


def language_of(request: web.Request, default: str = "") -> str:
    """The language chosen here, else the account's, else the browser's."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    return chosen or default or preferred(request.headers.get("Accept-Language", ""))


def own_origin(app: App, origin: str, host: str) -> bool:
    """Whether an `Origin` header names us: the host that was asked, or the public address."""
    try:
        told, public = urlsplit(origin), urlsplit(app.settings.public_url)
        ports = (told.port, public.port)
    except ValueError:
        return False
    if told.scheme not in {"http", "https"} or not told.hostname:
        return False
    if app.settings.secure and told.scheme != "https":
        return False
    if told.netloc.lower() == host.lower():
        return True
    return bool(public.hostname) and (told.scheme, told.hostname, ports[0]) == (
        public.scheme,
        public.hostname,
        ports[1],
    )


def from_elsewhere(app: App, request: web.Request) -> bool:
    """Whether a browser says that another site makes this request."""
    origin = request.headers.get("Origin")
    if origin is not None:
        return not own_origin(app, origin, request.host)
    return request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}


def own_path(text: str) -> str:
    """A path of this site as somebody sent it to come back to, or `/`. Browsers read a backslash as a slash and leave
    tabs out, so that what looks like a path may lead to another site.
    """
    good = text.startswith("/") and not text.startswith("//") and "\\" not in text and text.isprintable()
    return text if good and " " not in text else "/"


def step_up_page(request: web.Request) -> web.HTTPSeeOther:
    """To where a second factor is asked for, and from there back to the page that needs it."""
    back = request.path_qs
    if request.method not in SAFE:
        came = urlsplit(request.headers.get("Referer", ""))
        back = f"{came.path}?{came.query}" if came.query else came.path
    return web.HTTPSeeOther(f"/step-up?{urlencode({'back': own_path(back)})}")


def wants_json(request: web.Request) -> bool:
    """Our own script asks for JSON; a form does not."""
    return request.headers.get("Accept", "") == "application/json"


def told(said: Words, error: PliError) -> str:
    """The sentence of an error: as the server says it in French, else in the reader's words when the code is known
    there.
    """
    key = f"error.code.{error.code}"
    return said(key) if said.language != "fr" and said.has(key) else error.detail


def error_page(request: web.Request, error: PliError, kept: str = "") -> web.Response:
    """An error in plain words: what happened, what was kept, what to do."""
    said = words(language_of(request))
    if wants_json(request):
        return web.json_response({"error": {"code": error.code, "detail": told(said, error)}}, status=error.status)
    key = f"error.{error.status}"
    title = said(key) if said.has(key) else said("error.title")
    text = said(f"{key}.text") if said.has(f"{key}.text") else told(said, error)
    page = present.page("error.html", words=said, here="/", title=title, said=text, kept=kept)
    return web.Response(text=page, content_type="text/html", status=error.status)


def guard(app: App, site: web.Application) -> None:
    """Put the headers on every answer of the site and the checks before every page."""

    async def headers(request: web.Request, response: web.StreamResponse) -> None:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if app.settings.secure:
            response.headers.setdefault("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
        response.headers["Server"] = "Pli"  # the library would say its version, and Python's

    @web.middleware
    async def checks(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(OTHERS):
            return await handler(request)
        if request.method not in SAFE and from_elsewhere(app, request):
            return error_page(request, NotAllowed("other_site", words(language_of(request))("error.origin")))
        try:
            return await handler(request)
        except PliError as error:
            if error.status == 401 and request.method in SAFE and not wants_json(request):
                raise web.HTTPSeeOther("/sign-in") from error
            if isinstance(error, SpaceClosed) and request.method in SAFE and not wants_json(request):
                box = request.match_info.get("mailbox", "")
                raise web.HTTPSeeOther(f"/for/{box}/closed" if box else "/closed") from error
            if isinstance(error, StepUp) and not wants_json(request):
                raise step_up_page(request) from error
            return error_page(request, error)
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
            return error_page(request, Refused())
        except web.HTTPRequestEntityTooLarge:
            return error_page(request, TooLarge())
        except (DatabaseDown, CannotOpen, OSError) as error:
            log.warning("page.unavailable", error=type(error).__name__)
            return error_page(request, Unavailable())
        except web.HTTPException:
            raise
        except Exception as error:  # noqa: BLE001 - told as a fault of ours, noted by its kind alone
            frame = traceback.extract_tb(error.__traceback__)[-1]
            log.error("page.failed", error=type(error).__name__, where=f"{Path(frame.filename).name}:{frame.lineno}")
            return error_page(request, PliError())

    site.on_response_prepare.append(headers)
    site.middlewares.append(checks)
