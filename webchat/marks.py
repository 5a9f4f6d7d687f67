"""Keeping conversations on screen: follow, archive, pin, mute and label by forms; the labels of a mailbox."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from aiohttp import web

from server import access, filing, marks
from server.errors import Invalid, PliError
from webchat.forms import read_form
from webchat.lists import choice, place
from webchat.security import told, wants_json
from webchat.visit import Visit, number, route

if TYPE_CHECKING:
    from server.app import App

FOLLOWED = "followed"
ACTS = {f"{kind}-{state}" for kind in ("archived", "pinned", "muted", FOLLOWED) for state in ("on", "off")}


def add_routes(app: App, site: web.Application) -> None:
    """The acts, the labels of a conversation, those of the mailbox."""
    route(app, site, "POST", "/c/{conversation}/marks", mark)
    route(app, site, "GET", "/c/{conversation}/labels", show_chosen)
    route(app, site, "POST", "/c/{conversation}/labels", choose)
    route(app, site, "GET", "/labels", show_labels)
    route(app, site, "POST", "/labels", change_label)


async def mark(visit: Visit) -> web.StreamResponse:
    """Follow, archive, pin or mute (`do`: archived-on, pinned-off …), and back to where the button was."""
    conversation = visit.request.match_info["conversation"]
    form = await read_form(visit.request)
    if form["do"] not in ACTS:
        raise Invalid
    kind, _, state = form["do"].partition("-")
    handle = await access.conversation(visit.app, visit.box, conversation)
    if kind == FOLLOWED:
        await filing.follow(visit.app, visit.box, handle, state == "on")
    else:
        await marks.put(visit.app, visit.box, handle, kind, state == "on", "")
    if wants_json(visit.request):
        return web.json_response({"done": form["do"]})
    raise web.HTTPSeeOther(_back(visit, conversation, archived=form["do"] == "archived-on"))


def _back(visit: Visit, conversation: str, *, archived: bool = False) -> str:
    """The thread, or the list at its filter and as long as it was; after archiving, with the way to undo it."""
    if visit.request.query.get("at") == "thread":
        return f"{visit.desk.base}/c/{conversation}"
    kept = {"pages": number(visit, "pages"), "before": number(visit, "before")}
    if archived:
        return f"{visit.desk.base}/{place(choice(visit), **kept, done='archived', c=conversation)}"
    return f"{visit.desk.base}/{place(choice(visit), **kept)}#row-{conversation}"


async def show_chosen(visit: Visit) -> web.StreamResponse:
    """Which labels this conversation has, to tick; a new one may be made there."""
    return await _chosen(visit)


async def _chosen(visit: Visit, error: str = "", kept: str = "", status: int = 200) -> web.Response:
    handle = await access.conversation(visit.app, visit.box, visit.request.match_info["conversation"])
    state, labels = await marks.state(visit.app, visit.box, handle.conversation_id)
    return visit.page(
        "conversation_labels.html",
        "messages",
        status=status,
        subject=handle.subject,
        conversation=handle.conversation_id,
        labels=labels,
        on={label.id for label in state.labels},
        query=visit.request.query_string,
        back=_back(visit, handle.conversation_id),
        most=marks.LABELS_MOST,
        long=marks.LABEL_LONG,
        error=error,
        kept=kept,
    )


async def choose(visit: Visit) -> web.StreamResponse:
    """The labels that are ticked, and the new one when it has a name."""
    body = await _ticked(visit.request)
    name = body.get("name", [""])[0]
    handle = await access.conversation(visit.app, visit.box, visit.request.match_info["conversation"])
    wanted = set(body.get("label", []))
    try:
        if name.strip():
            wanted.add(await marks.name_label(visit.app, visit.box, name))
    except PliError as error:
        return await _chosen(visit, told(visit.words, error), name, error.status)
    await marks.relabel(visit.app, visit.box, handle, wanted)
    raise web.HTTPSeeOther(_back(visit, handle.conversation_id))


async def _ticked(request: web.Request) -> dict[str, list[str]]:
    """A small form in which a name may come several times. Raises `Invalid`."""
    body = await request.content.read(20_000)
    try:
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=40)
    except ValueError as error:
        raise Invalid from error


async def show_labels(visit: Visit) -> web.StreamResponse:
    """The labels of this mailbox: to make, name anew, remove."""
    return await _labels(visit)


async def _labels(visit: Visit, error: str = "", kept: str = "", status: int = 200) -> web.Response:
    labels = await marks.labels(visit.app, visit.box)
    return visit.page(
        "labels.html", "messages", status=status, labels=labels, most=marks.LABELS_MOST, long=marks.LABEL_LONG,
        error=error, kept=kept,
    )  # fmt: skip


async def change_label(visit: Visit) -> web.StreamResponse:
    """`do`: name (a new one, or `label` anew), remove."""
    form = await read_form(visit.request)
    try:
        if form["do"] == "remove":
            await marks.remove_label(visit.app, visit.box, form["label"])
        else:
            await marks.name_label(visit.app, visit.box, form["name"], form["label"])
    except PliError as error:
        if error.status in {404, 401}:
            raise
        return await _labels(visit, told(visit.words, error), form["name"], error.status)
    raise web.HTTPSeeOther(f"{visit.desk.base}/labels")
