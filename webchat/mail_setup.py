"""Reading and writing in one's own mail program: what programs ask for to set themselves up, and what people read.

    /.well-known/autoconfig/mail/config-v1.1.xml, /mail/config-v1.1.xml   Thunderbird, K-9
    /autodiscover/autodiscover.xml, .json, in any case                    Outlook classic
    /aide/messagerie, /aide/messagerie/{program}                          the help, for anybody, a page a program
    /mail, /mail/pli.mobileconfig                                         one's own address, and a profile for Apple's

Promises: programs get the same answer whoever asks and whatever the address: nobody learns who is here. No password, no
address and nothing secret stands in an address of ours or in the code to scan: it leads to the help.

Does not: make the passwords of devices (`/account/mail`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web

from server import mail_profile, mail_servers, mail_setup
from server.drafts import MAX_MAIL
from server.errors import Invalid, Refused
from server.mail_servers import HELP, Servers
from storage import accounts
from webchat import present, scan, security
from webchat.visit import Visit, route
from webchat.words import LANGUAGES, words

if TYPE_CHECKING:
    from server.app import App

# As the pages of help name them, in their order; the last needs no telling how, but why not.
PROGRAMS = ("thunderbird", "iphone", "mac", "outlook", "android", "mutt", "nouvel-outlook")
MOST_STEPS = 8
KEPT = {"Cache-Control": "public, max-age=3600"}  # the same for everybody
XML = "text/xml"
# Each version of Outlook writes it in another case.
OUTLOOK = r"/{autodiscover:(?i:autodiscover/autodiscover\.xml)}"
OUTLOOK_V2 = r"/{discover:(?i:autodiscover/autodiscover\.json)(?:/[vV]1\.0/[^/]+)?}"
Answer = Callable[[web.Request], Awaitable[web.Response]]


def add_routes(app: App, site: web.Application) -> None:
    """What programs ask for, the help, and one's own page."""

    def with_app(answer: Callable[[App, web.Request], Awaitable[web.Response]]) -> Answer:
        async def serve(request: web.Request) -> web.Response:
            return await answer(app, request)

        return serve

    for path in ("/.well-known/autoconfig/mail/config-v1.1.xml", "/mail/config-v1.1.xml"):
        site.router.add_get(path, with_app(give_autoconfig))
    site.router.add_get(OUTLOOK, with_app(refuse_autodiscover))
    site.router.add_post(OUTLOOK, with_app(give_autodiscover))
    site.router.add_get(OUTLOOK_V2, with_app(give_autodiscover_v2))
    site.router.add_get(HELP, with_app(show_help))
    site.router.add_get(HELP + "/{program}", with_app(show_program))
    route(app, site, "GET", "/mail", show_own)
    route(app, site, "GET", "/mail/pli.mobileconfig", give_profile)


def servers(app: App) -> Servers:
    return mail_servers.servers(app.settings, app.ports)


# ---- what programs ask for -------------------------------------------------------------------------------------------


async def give_autoconfig(app: App, _request: web.Request) -> web.Response:
    """Thunderbird's; what it says of the address is not even looked at."""
    described = {language: words(language)("mail.help.title") for language in LANGUAGES}
    body = mail_setup.thunderbird(servers(app), described)
    return web.Response(body=body, content_type=XML, charset="utf-8", headers=KEPT)


async def give_autodiscover(app: App, request: web.Request) -> web.Response:
    """Outlook's: settings for the address it sends, or a refusal in the same schema; 200 either way, as it expects."""
    told = servers(app)
    try:
        address = mail_setup.address_asked(await _body(request))
        if not mail_setup.ours(told, address):
            raise Invalid("500", "The email address can't be found.")
        found = mail_setup.autodiscover(told, address)
    except Invalid as error:
        found = mail_setup.autodiscover_error(error.code, error.detail, datetime.now(UTC))
    return web.Response(body=found, content_type=XML, charset="utf-8")


async def _body(request: web.Request) -> bytes:
    """All of it, in however many pieces it comes; no more than one may send."""
    try:
        await request.content.readexactly(mail_setup.MAX_REQUEST + 1)
    except asyncio.IncompleteReadError as ended:
        return ended.partial
    raise Invalid("600", "Invalid Request")


async def refuse_autodiscover(_app: App, _request: web.Request) -> web.Response:
    """Nothing was sent."""
    found = mail_setup.autodiscover_error("600", "Invalid Request", datetime.now(UTC))
    return web.Response(body=found, content_type=XML, charset="utf-8")


async def give_autodiscover_v2(app: App, request: web.Request) -> web.Response:
    """Where the XML is."""
    path = request.match_info["discover"].split("/")
    address = path[3] if len(path) > 3 else _asked(request, "email")
    status, found = mail_setup.autodiscover_v2(servers(app), address, _asked(request, "protocol"))
    return web.json_response(found, status=status)


def _asked(request: web.Request, name: str) -> str:
    """Of the query, whatever the case of its name."""
    return next((value for key, value in request.query.items() if key.lower() == name), "")[:400]


# ---- the help --------------------------------------------------------------------------------------------------------


async def show_help(app: App, request: web.Request) -> web.Response:
    """Which program, the servers, and what one should know whatever the program."""
    return _page(app, request, "mail_help.html", HELP)


async def show_program(app: App, request: web.Request) -> web.Response:
    """One program in steps, with the servers of this very installation."""
    program = request.match_info["program"]
    if program not in PROGRAMS:
        raise Refused
    return _page(app, request, "mail_help_program.html", f"{HELP}/{program}", program=program)


def _page(app: App, request: web.Request, template: str, here: str, **values: Any) -> web.Response:
    said = words(security.language_of(request))
    text = present.page(template, words=said, here=here, **_told(app), **values)
    return web.Response(text=text, content_type="text/html")


def _told(app: App) -> dict[str, Any]:
    """What every page of this module knows."""
    told = servers(app)
    facts = {"site": told.site, "domain": told.domain, "size": MAX_MAIL // 1024**2}
    for name, found in (("imap", told.reading), ("smtp", told.writing)):
        facts |= {f"{name}_host": found[0].host if found else "", f"{name}_port": found[0].port if found else ""}
        facts |= {f"{name}_tls": "SSL/TLS" if found and found[0].tls else "STARTTLS"}
    return {"told": told, "facts": facts, "programs": PROGRAMS, "most": MOST_STEPS, "help": HELP}


# ---- one's own -------------------------------------------------------------------------------------------------------


async def show_own(visit: Visit) -> web.Response:
    """« Messagerie sur mes appareils »: the address, a code for the telephone, the profile."""
    name, address = await _account(visit)
    told = servers(visit.app)
    return visit.page(
        "mail.html", "account", name=name, address=address, team=visit.box.owner_kind == "team",
        code=scan.drawn(told.site + HELP, visit.words("mail.own.scan.code")), apple=bool(told.reading and told.writing),
        signer=await asyncio.to_thread(mail_profile.signer, visit.app.settings), **_told(visit.app),
    )  # fmt: skip


async def give_profile(visit: Visit) -> web.Response:
    """The profile for an iPhone, an iPad or a Mac."""
    name, address = await _account(visit)
    told = servers(visit.app)
    if not (told.reading and told.writing):
        raise Refused
    made = mail_profile.profile(told, name, address, visit.words("mail.profile.text"))
    body = await asyncio.to_thread(mail_profile.signed, visit.app.settings, made)
    headers = {"Content-Disposition": 'attachment; filename="pli.mobileconfig"'}
    return web.Response(body=body, content_type="application/x-apple-aspen-config", headers=headers)


async def _account(visit: Visit) -> tuple[str, str]:
    """(name, address) of whose mailbox it is. Raises `Refused` for whoever has none that a mail program reads."""
    if visit.box.owner_kind not in {"professional", "team"}:
        raise Refused
    owner = await visit.app.db.read(accounts.by_id, visit.box.owner)
    if owner is None or not owner.address:
        raise Refused
    return owner.name, owner.address
