"""« Être prévenu »: what somebody is told outside Pli, by plain forms; and the page of a notice's link, without signing
in.

Promises: the link of a notice can only lessen what is sent; its page names nobody. Whether to be told of the letters of
somebody one acts for is one's own choice, and changes nothing for them.

Does not: decide when a notice leaves (`server.wishes`), or send it.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from server import contacts, devices, gateways, notices, offline, push, scopes, sessions, wishes
from server.contacts import Contact
from server.errors import Invalid, Throttled
from server.settings import PLACE
from server.wishes import NEVER, Wishes
from storage import subscriptions
from storage.database import Tx
from webchat import app_shell, present, security
from webchat.forms import Form, read_fields
from webchat.present import Whose
from webchat.visit import Visit, route
from webchat.words import words

if TYPE_CHECKING:
    from server.app import App

HERE = "/account/notices"
# Minutes that are offered for each way; -1: never.
WAITS = {"push": (0, 5, 15, 30, 60, NEVER), "mail": (0, 15, 30, 60, 240, 720, NEVER), "sms": (60, 240, 720, NEVER)}
DONE = frozenset({"saved", "tried", "ended", "paused", "resumed"})
MAX_PAUSE_DAYS = 366


def add_routes(app: App, site: web.Application) -> None:
    """The page and its forms; the link of a notice."""
    route(app, site, "GET", HERE, show)
    route(app, site, "POST", HERE, save)
    route(app, site, "POST", f"{HERE}/pause", pause)
    route(app, site, "POST", f"{HERE}/trial", trial)
    route(app, site, "POST", f"{HERE}/push", subscribe)
    route(app, site, "POST", f"{HERE}/push/end", unsubscribe)
    route(app, site, "GET", f"{HERE}/offer", show_offer)
    route(app, site, "POST", f"{HERE}/offer", settle_offer)

    async def show_link(request: web.Request) -> web.Response:
        return await link_page(app, request, await wishes.known_link(app, request.match_info["link"]))

    async def use_link(request: web.Request) -> web.Response:
        return await lessen(app, request)

    site.router.add_get("/notices/{link}", show_link)
    site.router.add_post("/notices/{link}", use_link)


# ---- the page ----


async def show(visit: Visit) -> web.Response:
    """What one is told, and how to change it."""
    return await _page(visit)


async def _page(visit: Visit, error: str = "", status: int = 200) -> web.Response:
    app, request, account_id = visit.app, visit.request, visit.actor.account_id

    def look(tx: Tx) -> tuple[Wishes, list[Contact]]:
        return wishes.of(app, tx, account_id), contacts.of_account(app, tx, account_id)

    wish, reached = await app.db.read(look)
    known = {point.kind: point for point in reached}
    browsers = await push.browsers(app, account_id)
    held = request.cookies.get(app_shell.cookie_name(app), "")
    kept = held and (await offline.standing(app, held, security.session_secret(app, request))).chosen
    done = request.query.get("done", "")
    paused = datetime.fromtimestamp(wish.paused_until / 1000, UTC).astimezone(PLACE) if wish.paused_until else None
    return visit.page(
        "notices.html",
        "account",
        status=status,
        wish=wish,
        others=_others(visit),
        waits=WAITS,
        mail=known.get("email") if gateways.sends_mail(app) else None,
        mail_open=gateways.sends_mail(app),
        phone=known.get("phone") if gateways.sends_sms(app) else None,
        sms_open=gateways.sends_sms(app),
        browsers=[(one, name, datetime.fromtimestamp(at / 1000, UTC)) for one, name, at in browsers],
        key=await push.public_key(app),
        paused=paused if paused and paused > visit.desk.now else None,
        tomorrow=(visit.desk.today + timedelta(days=1)).isoformat(),
        latest=(visit.desk.today + timedelta(days=MAX_PAUSE_DAYS)).isoformat(),
        kept=kept,
        keeps=visit.actor.kind == "holder",
        kept_days=offline.KEPT_DAYS,
        done=done if done in DONE else "",
        error=error,
    )


def _others(visit: Visit) -> list[Whose]:
    """The people one acts for."""
    return [one for one in visit.desk.spaces if one.kind in scopes.DELEGATED]


def _back(visit: Visit, done: str) -> web.HTTPSeeOther:
    return web.HTTPSeeOther(f"{visit.desk.base}{HERE}?done={done}")


# ---- its forms ----


async def save(visit: Visit) -> web.Response:
    """The wishes of the form, whole."""
    form = await read_fields(visit.request)
    try:
        changes = {
            **{way: _number(form, way, WAITS[way]) for way in WAITS},
            "quiet_from": _number(form, "quiet_from", range(24)) if form["quiet"] else 0,
            "quiet_to": _number(form, "quiet_to", range(24)) if form["quiet"] else 0,
            "digest": _number(form, "hour", range(24)) if form["rhythm"] == "day" else NEVER,
            "people": bool(form["people"]),
            "services": bool(form["services"]),
            "spaces": tuple(one.mailbox_id for one in _others(visit) if form[f"space.{one.mailbox_id}"]),
        }
    except Invalid as error:
        return await _page(visit, security.told(visit.words, error), error.status)
    await wishes.save(visit.app, visit.actor.account_id, lambda wish: msgspec.structs.replace(wish, **changes))
    raise _back(visit, "saved")


def _number(form: Form, name: str, allowed: range | tuple[int, ...]) -> int:
    text = form[name]
    number = int(text) if text.lstrip("-").isdecimal() and len(text) < 6 else None
    if number not in allowed or number is None:
        raise Invalid("bad_choice", "Un choix du formulaire n’est pas possible. Rien n’est changé.")
    return number


async def pause(visit: Visit) -> web.Response:
    """Nothing until the end of a day; without a day, notices again."""
    form = await read_fields(visit.request)
    try:
        until = _end_of_day(visit, form["until"]) if form["until"] else 0
    except Invalid as error:
        return await _page(visit, security.told(visit.words, error), error.status)
    await wishes.save(visit.app, visit.actor.account_id, lambda wish: msgspec.structs.replace(wish, paused_until=until))
    raise _back(visit, "paused" if until else "resumed")


def _end_of_day(visit: Visit, text: str) -> int:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if not visit.desk.today <= day <= visit.desk.today + timedelta(days=MAX_PAUSE_DAYS):
        raise Invalid("bad_pause", "Choisissez un jour à venir, dans l’année. Rien n’est changé.")
    return int(datetime.combine(day + timedelta(days=1), time(), PLACE).timestamp() * 1000)


async def trial(visit: Visit) -> web.Response:
    """« Envoyer un essai »."""
    try:
        sent = await notices.trial(visit.app, visit.actor.account_id)
        if not sent:
            raise Invalid("no_way", "Aucun moyen de vous prévenir n’est prêt. Choisissez-en un d’abord.")
    except (Invalid, Throttled) as error:
        return await _page(visit, security.told(visit.words, error), error.status)
    raise _back(visit, "tried")


# ---- this browser ----


async def subscribe(visit: Visit) -> web.Response:
    """This browser gave an address where it is woken; or comes back with it (`again`), and hears whether it is told."""
    app, request, account_id = visit.app, visit.request, visit.actor.account_id
    form = await read_fields(request)
    session = await app.db.read(lambda tx: sessions.session(app, tx, security.session_secret(app, request)))
    device = session.device_id or session.hash
    if form["again"]:
        return web.json_response({"told": await push.again(app, account_id, form["endpoint"], device)})
    browser = devices.called(request.headers.get("User-Agent", ""))
    await push.subscribe(app, account_id, form["endpoint"], device, browser)
    return web.json_response({"told": True})


async def unsubscribe(visit: Visit) -> web.Response:
    """One browser is told no more."""
    form = await read_fields(visit.request)
    await visit.app.db.write(subscriptions.end, visit.actor.account_id, form["browser"])
    raise _back(visit, "ended")


async def show_offer(visit: Visit) -> web.Response:
    """The offer for the list, once and for all: nothing (204) to somebody who answered it, or is told by push."""
    app, account_id = visit.app, visit.actor.account_id
    wish = await app.db.read(lambda tx: wishes.of(app, tx, account_id))
    if wish.asked or wish.push == NEVER or await push.browsers(app, account_id):
        return web.Response(status=204)
    text = present.page("notices_offer.html", desk=visit.desk, words=visit.words, key=await push.public_key(app))
    return web.Response(text=text, content_type="text/html")


async def settle_offer(visit: Visit) -> web.Response:
    """It was answered, by yes or by no: it never comes back."""
    await wishes.save(visit.app, visit.actor.account_id, lambda wish: msgspec.structs.replace(wish, asked=True))
    if security.wants_json(visit.request):
        return web.json_response({})
    raise web.HTTPSeeOther("/")


# ---- the link of a notice ----


async def link_page(app: App, request: web.Request, wish: Wishes, done: str = "") -> web.Response:
    """What can be lessened. It names nobody: the link may have been forwarded."""
    said = words(security.language_of(request))
    now = datetime.now(UTC)
    paused = datetime.fromtimestamp(wish.paused_until / 1000, UTC)
    text = present.page(
        "notices_link.html", words=said, here=request.path, done=done, link=request.match_info["link"],
        mail=wish.mail != NEVER and gateways.sends_mail(app), sms=wish.sms != NEVER and gateways.sends_sms(app),
        paused=paused if paused > now else None, days=wishes.REDUCED_DAYS,
    )  # fmt: skip
    return web.Response(text=text, content_type="text/html")


async def lessen(app: App, request: web.Request) -> web.Response:
    """A button of that page; or a mail client's own (RFC 8058 § 3.2), which stops the e-mails."""
    form, link = await read_fields(request), request.match_info["link"]
    one_click = form["List-Unsubscribe"] == "One-Click"
    less = "mail" if one_click else form["less"]
    await wishes.reduce(app, link, less)
    if one_click:
        return web.Response(text="")
    return await link_page(app, request, await wishes.known_link(app, link), less)
