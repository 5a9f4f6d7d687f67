"""The medical profile, as pages: what a person says of their own health, section by section.

    /health/profile             every section, and what is said in it
    /health/profile/{section}   its lines with author, date and history; a form to add or (?edit={line}) correct one;
                                « pas concerné »

A form that was not right comes back with everything that was typed. Fields are data (`server.dossier.profile`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from server import access
from server.dossier import profile
from server.dossier.profile import Filled
from server.errors import Invalid, PliError, Refused
from server.scopes import WRITE
from webchat.forms import Form, read_fields
from webchat.health import SECTION, at
from webchat.security import told
from webchat.visit import Visit, nonce, route

if TYPE_CHECKING:
    from server.app import App

PAGE = "/health/profile"
DONE = ("entered", "corrected", "withdrawn", "none")


def add_routes(app: App, site: web.Application) -> None:
    """For the holder, and a delegate with the scope dossier; to say something, one may write."""
    route(app, site, "GET", PAGE, show_profile, ("dossier",))
    route(app, site, "GET", PAGE + "/{section}", show_section, ("dossier",))
    route(app, site, "POST", PAGE + "/{section}", say, ("dossier",))


async def show_profile(visit: Visit) -> web.Response:
    """Every section, with what stands in it."""
    handle = await access.dossier(visit.app, visit.box)
    return visit.page("profile.html", SECTION, filled=await profile.filled(visit.app, handle))


async def show_section(visit: Visit) -> web.Response:
    """One section; the form is filled with the line one corrects."""
    known = await _known(visit)
    wanted = visit.request.query.get("edit", "")
    edited = next((one for one in known.entries if one.id == wanted), None)
    if edited is None and known.section.most == 1 and not known.section.fields[0].required:
        edited = next(iter(known.entries), None)  # a page that one goes on filling in
    return await _page(visit, known, edited.id if edited else "", edited.values if edited else {})


async def _known(visit: Visit) -> Filled:
    handle = await access.dossier(visit.app, visit.box)
    return await profile.one_filled(visit.app, handle, visit.request.match_info["section"])


async def _page(
    visit: Visit, known: Filled, edit: str, values: dict[str, str], error: PliError | None = None
) -> web.Response:
    done = visit.request.query.get("done", "")
    return visit.page(
        "profile_section.html",
        SECTION,
        status=error.status if error else 200,
        known=known,
        edit=edit,
        values=values,
        error=told(visit.words, error) if error else "",
        wrong_field=error.field if isinstance(error, profile.Unfit) else "",
        done=done if done in DONE else "",
        full=bool(known.section.most) and len(known.entries) >= known.section.most and not edit,
        may_say=visit.box.may(WRITE),
        nonce=nonce(),
        at=at(visit),
    )


async def say(visit: Visit) -> web.StreamResponse:
    """A line is added, corrected, taken back; or it does not concern them."""
    form = await read_fields(visit.request)
    slug = profile.section(visit.request.match_info["section"]).slug
    try:
        done = await _do(visit, slug, form)
    except Refused:
        raise
    except PliError as error:
        known = await _known(visit)
        values = {one.name: form[f"value.{one.name}"] for one in known.section.fields}
        return await _page(visit, known, form["entry"], values, error)
    raise web.HTTPSeeOther(f"{visit.desk.base}{PAGE}/{slug}?done={done}")


async def _do(visit: Visit, slug: str, form: Form) -> str:
    app, box, key = visit.app, visit.box, form["client_key"]
    handle = await access.dossier(app, box)
    match form["do"]:
        case "enter":
            values = {one.name: form[f"value.{one.name}"] for one in profile.section(slug).fields}
            await profile.enter(app, box, handle, slug, values, corrects=form["entry"], retry_key=key)
            return "corrected" if form["entry"] else "entered"
        case "withdraw":
            await profile.withdraw(app, box, handle, slug, form["entry"], retry_key=key)
            return "withdrawn"
        case "none":
            await profile.say_none(app, box, handle, slug, retry_key=key)
            return "none"
    raise Invalid
