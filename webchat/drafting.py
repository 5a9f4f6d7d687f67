"""Drafts on pages: kept as one types, listed, opened again on another device, given documents, thrown away.

Our own script keeps them with the fields of the same form that sends; without JavaScript a button does. A request
whose `Accept` is JSON is answered in JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from server import access, keeping, mail_drafts
from server.drafts import MAX_FILES
from server.errors import Conflict, PliError, Refused
from server.keeping import AsMail, Kept
from server.query import fold
from webchat.composing import papers, writing_of
from webchat.forms import Form, read_form
from webchat.security import wants_json
from webchat.visit import Visit, route
from webchat.words import instant
from webchat.writing import take_files

if TYPE_CHECKING:
    from server.app import App

MOST_PAPERS = 100  # shown at once; a search finds the others


def add_routes(app: App, site: web.Application) -> None:
    """Drafts of answers and of new letters."""
    for place in ("/c/{conversation}", "/c/{conversation}/new"):
        route(app, site, "POST", f"{place}/draft", keep)
        route(app, site, "POST", f"{place}/attach", keep_and_choose)
    route(app, site, "GET", "/drafts", show_drafts)
    route(app, site, "POST", "/drafts", throw_away)
    route(app, site, "GET", "/drafts/{draft}", show_draft)
    route(app, site, "GET", "/drafts/{draft}/attach", show_papers)
    route(app, site, "POST", "/drafts/{draft}/attach", attach)


async def keep(visit: Visit) -> web.StreamResponse:
    """What is being written, as it stands."""
    form = await read_form(visit.request)
    try:
        kept = await _keep(visit, form)
    except Conflict:
        if wants_json(visit.request):  # it was sent while this was on its way: no fault, and nothing to keep
            return web.json_response({"gone": True})
        raise
    if wants_json(visit.request):
        return web.json_response(_told(visit, kept))
    raise web.HTTPSeeOther(f"{visit.desk.base}/drafts")


async def _keep(visit: Visit, form: Form, *, bare: bool = False) -> Kept:
    handle = await access.conversation(visit.app, visit.box, visit.request.match_info["conversation"])
    await take_files(visit, form)
    version = int(form["version"]) if form["version"].isdecimal() and len(form["version"]) < 10 else 0
    writing, conversation = writing_of(form), handle.conversation_id
    if visit.request.path.rpartition("/")[0].endswith("/new"):
        writing, conversation = msgspec.structs.replace(writing, to=conversation), ""
    return await keeping.keep(visit.app, visit.box, form["draft"], version, conversation, writing, bare=bare)


def _told(visit: Visit, kept: Kept) -> dict[str, Any]:
    at = instant(kept.at)
    return {
        "id": kept.id,
        "version": kept.version,
        "text": kept.writing.text,
        "at": visit.words.hour(at) if at else "",
        "other": kept.other,
        "with": sorted([*kept.writing.uploads, *kept.writing.documents]),
    }


async def keep_and_choose(visit: Visit) -> web.StreamResponse:
    """The way to the documents of the dossier keeps what was written on the way."""
    form = await read_form(visit.request)
    kept = await _keep(visit, form, bare=True)  # an empty sheet too: the documents need one
    raise web.HTTPSeeOther(f"{visit.desk.base}/drafts/{kept.id}/attach")


async def _one(visit: Visit) -> Kept:
    kept = await keeping.one(visit.app, visit.box, visit.request.match_info["draft"])
    if kept is None:
        raise Refused
    return kept


async def show_draft(visit: Visit) -> web.StreamResponse:
    """A draft as it is kept now: for a page that somebody comes back to. To a browser that opens it: its sheet; of one
    that only a mail client can go on with, what it holds.
    """
    kept = await mail_drafts.take_files(visit.app, visit.box, await _one(visit))
    if wants_json(visit.request):
        return web.json_response(_told(visit, kept))
    if kept.writing.mail is not None and kept.writing.mail.why:
        return visit.page("draft.html", "messages", kept=kept, mail=kept.writing.mail)
    raise web.HTTPSeeOther(visit.desk.base + place_of(kept))


def place_of(kept: Kept) -> str:
    """Where a draft is written on."""
    if kept.conversation:
        return f"/c/{kept.conversation}?{urlencode({'draft': kept.id})}#write"
    asked = {"draft": kept.id, **({"to": kept.writing.whom} if kept.writing.whom else {})}
    return f"/c/{kept.writing.to}/new?{urlencode(asked)}"


async def show_drafts(visit: Visit) -> web.Response:
    """All that this person began here and has not sent."""
    rows = []
    for kept in await keeping.kept(visit.app, visit.box):
        mail, about = kept.writing.mail or AsMail(), ""
        try:
            handle = await access.conversation(visit.app, visit.box, kept.conversation or kept.writing.to)
            about = handle.subject
        except PliError:
            pass  # the conversation is not theirs any more, or there is none yet; the words they wrote are
        rows.append(
            {
                "id": kept.id,
                "at": kept.at,
                "subject": kept.writing.subject if not kept.conversation else about,
                "new": not kept.conversation,
                "text": " ".join(kept.writing.text.split()) or "",
                "files": len(kept.writing.uploads) + len(kept.writing.documents) + len(mail.files),
                "open": bool(about),
                "why": mail.why,
                "to": ", ".join(mail.to),
            }
        )
    return visit.page("drafts.html", "messages", drafts=rows)


async def throw_away(visit: Visit) -> web.StreamResponse:
    """A draft is not wanted any more."""
    form = await read_form(visit.request)
    await keeping.throw_away(visit.app, visit.box, form["draft"][:40])
    if wants_json(visit.request):
        return web.json_response({})
    raise web.HTTPSeeOther(f"{visit.desk.base}/drafts")


async def show_papers(visit: Visit) -> web.Response:
    """The documents of the dossier, to choose from; by title, type, author or date."""
    kept = await _one(visit)
    asked = visit.request.query.get("q", "")[:100].strip()
    sought = fold(asked).split()
    found = [
        item
        for item in await papers(visit)
        if all(word in fold(f"{item.title} {item.label} {item.author} {item.created}") for word in sought)
    ]
    return visit.page(
        "papers.html",
        "messages",
        kept=kept,
        papers=found[:MOST_PAPERS],
        more=len(found) > MOST_PAPERS,
        asked=asked,
        chosen=kept.writing.documents,
        back=place_of(kept),
        most_files=MAX_FILES,
    )


async def attach(visit: Visit) -> web.StreamResponse:
    """The chosen documents join the draft, which opens again where it is written. Those that a search did not show
    stay chosen.
    """
    kept, form = await _one(visit), await read_form(visit.request)
    shown = set(form["shown"].split())
    chosen = set(writing_of(form).documents)
    stay = [name for name in kept.writing.documents if name not in shown or name in chosen]
    known = {item.id for item in await papers(visit)}
    documents = (*stay, *(name for name in sorted(chosen) if name not in stay and name in known))
    writing = msgspec.structs.replace(kept.writing, documents=documents[:MAX_FILES])
    kept = await keeping.keep(visit.app, visit.box, kept.id, kept.version, kept.conversation, writing)
    raise web.HTTPSeeOther(visit.desk.base + place_of(kept))
