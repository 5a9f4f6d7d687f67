"""What is written: a message, an answer to a card, a new conversation.

A form that fails comes back with what was written in it. A form sent twice does its thing once: its `client_key` is
the retry key. Our own script sends the same forms and asks for JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from server import access, attachments, blocking, people, posting, reading
from server.actions import acting
from server.drafts import MAX_SUBJECT, Draft, Member, Opening, Receipt
from server.errors import Invalid, PliError, Refused
from server.handles import ConversationHandle, SpaceHandle
from server.reading import Contact
from server.views import AuthorView
from webchat.forms import Form, read_form
from webchat.security import error_page, told, wants_json
from webchat.thread import limits, thread_page
from webchat.visit import Visit, nonce, route
from webchat.words import words

if TYPE_CHECKING:
    from server.app import App


def add_routes(app: App, site: web.Application) -> None:
    """Every form."""
    route(app, site, "POST", "/c/{conversation}", write)
    route(app, site, "POST", "/c/{conversation}/act", act)
    route(app, site, "POST", "/c/{conversation}/block", block)
    route(app, site, "GET", "/new", choose_whom)
    route(app, site, "GET", "/c/{conversation}/new", begin)
    route(app, site, "POST", "/c/{conversation}/new", write_new)


async def _upload(visit: Visit, form: Form) -> tuple[str, ...]:
    if form.problem is not None:
        raise form.problem
    app, actor = visit.app, visit.actor
    return tuple([await attachments.upload(app, actor, name, kind, data) for name, kind, data in form.files])


def chat_key(account_id: str, client_key: str) -> str:
    """The retry key of what somebody writes here; '' when the client gave none."""
    return f"chat:{account_id}:{client_key[:200]}" if client_key else ""


async def write(visit: Visit) -> web.StreamResponse:
    """A message in a conversation."""
    handle = await access.conversation(visit.app, visit.box, visit.request.match_info["conversation"])
    form = await read_form(visit.request)
    try:
        receipt = await _send(visit, handle, form)
    except PliError as error:
        if wants_json(visit.request):
            return error_page(visit.request, error)
        said = told(visit.words, error)
        if form.files:
            said = f"{said} {visit.words('compose.files.again')}"
        return await thread_page(visit, handle, error=said, kept=form["text"], status=error.status)
    if wants_json(visit.request):
        return web.json_response(
            {"message": receipt.message, "seq": receipt.seq, "conversation": receipt.conversation}, status=201
        )
    raise web.HTTPSeeOther(f"{visit.desk.base}/c/{receipt.conversation}#m-{receipt.message}")


async def _send(visit: Visit, handle: ConversationHandle, form: Form) -> Receipt:
    key = chat_key(visit.actor.account_id, form["client_key"])
    if key and (known := await posting.receipt_again(visit.app, visit.actor, handle.space_id, key)):
        return known
    uploads = await _upload(visit, form)
    return await posting.post(
        visit.app, visit.actor, Draft(to=handle, text=form["text"], uploads=uploads, retry_key=key)
    )


async def act(visit: Visit) -> web.StreamResponse:
    """An answer to a card, or a document to file."""
    await access.conversation(visit.app, visit.box, visit.request.match_info["conversation"])
    form = await read_form(visit.request)
    values = {
        name.removeprefix("value."): value for name, value in form.fields.items() if name.startswith("value.") and value
    }
    receipt = await acting.act(visit.app, visit.box, form["message"], form["action"], values, form["client_key"][:200])
    if wants_json(visit.request):
        return web.json_response({"message": receipt.message, "seq": receipt.seq})
    if form["back"] == "services":
        raise web.HTTPSeeOther(f"{visit.desk.base}/services")
    raise web.HTTPSeeOther(f"{visit.desk.base}/c/{receipt.conversation}#m-{form['message']}")


async def block(visit: Visit) -> web.StreamResponse:
    """The holder wants no more letters from somebody, or wants them again."""
    conversation = visit.request.match_info["conversation"]
    form = await read_form(visit.request)
    await blocking.block(visit.app, visit.box, conversation, form["member"], free=form["free"] == "1")
    raise web.HTTPSeeOther(f"{visit.desk.base}/c/{conversation}")


async def choose_whom(visit: Visit) -> web.StreamResponse:
    """People one may write to about something new: those one already has a conversation with."""
    found: dict[tuple[str, str, str], tuple[AuthorView, str]] = {}
    for row in await reading.conversations(visit.app, visit.box, None, reading.MAX_PAGE):
        for person in row.with_:
            if person.kind not in {"bot", "operator"} and len(row.with_) == 1 and row.replies == "open":
                found.setdefault((person.kind, person.name, person.organisation), (person, row.id))
    return visit.page("new.html", "messages", known=list(found.values()), person=None)


async def begin(visit: Visit) -> web.StreamResponse:
    """A sheet of paper for the same person, about something new."""
    handle = await access.conversation(visit.app, visit.box, visit.request.match_info["conversation"])
    return await _sheet(visit, handle, Form())


async def _sheet(
    visit: Visit, handle: ConversationHandle, form: Form, error: str = "", status: int = 200
) -> web.Response:
    person = await _other(visit, handle)
    return visit.page(
        "new.html",
        "messages",
        status=status,
        known=[],
        person=person,
        conversation=handle.conversation_id,
        error=error,
        nonce=nonce(),
        kept=form["text"],
        kept_subject=form["subject"],
        most_subject=MAX_SUBJECT,
        **limits(),
    )


async def _other(visit: Visit, handle: ConversationHandle) -> Contact:
    others = [person for person in await reading.people_in(visit.app, handle) if person.member_id != handle.member]
    if len(others) != 1 or others[0].kind in {"bot", "operator"}:
        raise Refused
    return others[0]


async def write_new(visit: Visit) -> web.StreamResponse:
    """Open a conversation with somebody one already writes with."""
    app = visit.app
    handle = await access.conversation(app, visit.box, visit.request.match_info["conversation"])
    form = await read_form(visit.request)
    try:
        subject = form["subject"].strip()
        if not subject:
            raise Invalid("no_subject", words("fr")("error.code.no_subject"))
        other = await _other(visit, handle)
        space, members = await _place(visit, other)
        draft = Draft(
            to=Opening(space, subject, members, handle.conversation_id),
            text=form["text"],
            uploads=await _upload(visit, form),
            retry_key=chat_key(visit.actor.account_id, form["client_key"]),
        )
        receipt = await posting.post(app, visit.actor, draft)
    except PliError as error:
        return await _sheet(visit, handle, form, told(visit.words, error), error.status)
    raise web.HTTPSeeOther(f"{visit.desk.base}/c/{receipt.conversation}#m-{receipt.message}")


async def _place(visit: Visit, other: Contact) -> tuple[SpaceHandle, tuple[Member, ...]]:
    """Where the new conversation lives, and who joins it: always in the patient's space."""
    app = visit.app
    if visit.box.owner_kind != "holder":
        if other.kind != "holder":
            raise Refused
        return await access.patient(app, visit.actor, other.address.partition("@")[0]), ()
    space = await access.dossier(app, visit.box)
    await access.correspondent(app, space, other.address)
    hosted = await people.hosted(app, other.address)
    if hosted is None:
        return space, (Member(name=other.name, address=other.address, role=other.role),)
    organisation = access.organisation(hosted)
    return space, (
        Member(hosted.account_id, hosted.mailbox_id, organisation, hosted.name, hosted.address, hosted.role),
    )
