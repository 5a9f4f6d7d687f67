"""« Connexion et sécurité »: one's password, second factors, recovery codes, and where one is reached.

    /account/security   what there is, and the forms that change it; each says in `do` what it does

Promises: it is about the person who looks, in whoever's space they are; it opens, and changes anything, only after a
second factor given just now (`server.step_up`); what is shown once is shown on the answer itself, and nowhere again.

Does not: decide anything (`server.securing`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aiohttp import web
from markupsafe import Markup

from server import factors, gateways, securing, sessions, step_up
from server.errors import PliError, StepUp, Unauthorised
from webchat import mail_access, security
from webchat.forms import Form, read_fields
from webchat.visit import Visit, route

if TYPE_CHECKING:
    from server.app import App

PAGE = "/account/security"
DONE = ("password", "factor", "contact")
TYPING = 5  # minutes more than a step-up lasts: who opened the form in time may finish it


def add_routes(app: App, site: web.Application) -> None:
    """The page and its forms."""
    route(app, site, "GET", PAGE, show)
    route(app, site, "POST", PAGE, change)


async def show(visit: Visit) -> web.Response:
    """What this person has."""
    if visit.box.ground != "self":
        raise web.HTTPSeeOther(PAGE)
    await step_up.require(visit.app, _secret(visit))
    done = visit.request.query.get("done", "")
    return await _page(visit, done=done if done in DONE else "")


async def change(visit: Visit) -> web.StreamResponse:
    """One form. Recovery codes are shown at once, and only then."""
    form = await read_fields(visit.request)
    await step_up.require(visit.app, _secret(visit), visit.app.settings.step_up_minutes + TYPING)
    try:
        codes, done = await _change(visit, form)
    except (StepUp, Unauthorised):
        raise
    except PliError as error:
        return await _page(visit, error=error, form=form)
    if codes:
        return visit.page("security_codes.html", "account", codes=codes)
    raise web.HTTPSeeOther(f"{PAGE}?done={done}#{form['do'].split('_')[0]}" if done else f"{PAGE}#{form['do']}")


async def _change(visit: Visit, form: Form) -> tuple[list[str], str]:
    app, me, secret = visit.app, visit.actor.account_id, _secret(visit)
    keep = sessions.secret_hash(secret)
    match form["do"]:
        case "password":
            await securing.change_password(app, me, form["current"], form["password"], keep)
            return [], "password"
        case "app":
            await factors.begin_app(app, me)
        case "app_code":
            pending = (await securing.kept(app, me)).pending
            return await securing.add_app(app, me, pending, form["given"], keep), "factor"
        case "remove":
            await securing.remove(app, me, form["kind"], form["id"], keep)
            return [], "contact" if form["kind"] == "email" else "factor"
        case "recovery":
            return await securing.renew_recovery(app, me), ""
        case "contact":
            await securing.add_contact(app, me, form["kind"], form["value"], secret)
        case "contact_code":
            await securing.confirm_contact(app, me, form["given"], secret, keep)
            return [], "contact"
    return [], ""


async def _page(
    visit: Visit, *, done: str = "", error: PliError | None = None, form: Form | None = None
) -> web.Response:
    app, me = visit.app, visit.actor.account_id
    kept = await securing.kept(app, me)
    key = await factors.app_secret(app, me, kept.pending) if kept.pending else ""
    picture = Markup(factors.qr(factors.app_uri(key, visit.actor.name))) if key else ""  # noqa: S704 - drawn by us
    return visit.page(
        "security.html",
        "account",
        status=error.status if error else 200,
        done=done,
        error=security.told(visit.words, error) if error else "",
        form=form,
        kept=kept,
        key=" ".join(key[start : start + 4] for start in range(0, len(key), 4)),
        qr=picture,
        refused=await mail_access.refused(visit),
        by_mail=gateways.sends_mail(app),
        by_sms=gateways.sends_sms(app),
        day=lambda ms: visit.words.date(datetime.fromtimestamp(ms / 1000, UTC).date()),
    )


def _secret(visit: Visit) -> str:
    return security.session_secret(visit.app, visit.request)
