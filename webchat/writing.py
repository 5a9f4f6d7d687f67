"""What is written: a message, an answer to a card, a new conversation.

A form that fails comes back with what was written in it. A form sent twice does its thing once: its `client_key` is
the retry key. Our own script sends the same forms and asks for JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from server import access, blocking, correcting, people, posting, reading, sending, uploads, writing_rules
from server.actions import acting
from server.drafts import MAX_SUBJECT, Draft, Member, Opening, Receipt
from server.errors import Invalid, PliError, Refused
from server.handles import ConversationHandle, SpaceHandle
from server.query import fold
from server.reading import Contact
from server.scopes import MESSAGES
from server.sending import Letter
from webchat.composing import find_draft, sheet, writing_of
from webchat.forms import Form, read_form
from webchat.security import error_page, told, wants_json
from webchat.thread import limits, patient_of, thread_page
from webchat.visit import Visit, nonce, route
from webchat.words import words

if TYPE_CHECKING:
    from server.app import App

MOST_CHOSEN = 1_200  # characters of an address: fifty documents


def add_routes(app: App, site: web.Application) -> None:
    """Every form."""
    route(app, site, "POST", "/c/{conversation}", write)
    route(app, site, "POST", "/c/{conversation}/act", act)
    route(app, site, "POST", "/c/{conversation}/block", block)
    route(app, site, "GET", "/new", choose_whom)
    route(app, site, "GET", "/c/{conversation}/new", begin)
    route(app, site, "POST", "/c/{conversation}/new", write_new)
    route(app, site, "POST", "/new/patient", write_to_patient)
    route(app, site, "GET", "/c/{conversation}/m/{message}/correct", correct)
    route(app, site, "POST", "/c/{conversation}/m/{message}/correct", correct)


async def take_files(visit: Visit, form: Form) -> None:
    """The files of a form, kept; from then on they are named in it like those that were sent ahead."""
    if form.problem is not None:
        raise form.problem
    while form.files:
        name, kind, data = form.files[0]
        form.fields[f"file.{await uploads.take_whole(visit.app, visit.actor, name, kind, data)}"] = "1"
        form.files.pop(0)


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
        return await thread_page(visit, handle, error=said, form=form, status=error.status)
    if wants_json(visit.request):
        return web.json_response(
            {"message": receipt.message, "seq": receipt.seq, "conversation": receipt.conversation}, status=201
        )
    raise web.HTTPSeeOther(f"{visit.desk.base}/c/{receipt.conversation}#m-{receipt.message}")


async def _send(visit: Visit, handle: ConversationHandle, form: Form) -> Receipt:
    key = sending.retry_key(visit.actor, form["client_key"])
    if key and (known := await posting.receipt_again(visit.app, visit.actor, handle.space_id, key)):
        return known
    await take_files(visit, form)
    return await sending.send(visit.app, visit.box, handle, letter_of(form))


def letter_of(form: Form) -> Letter:
    """What a form asks to send."""
    written = writing_of(form)
    return Letter(
        form["text"],
        form["client_key"],
        written.uploads,
        written.documents,
        written.in_reply_to,
        written.only,
        form["draft"],
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
    """Everybody this mailbox knows; those one may not write to with the reason, before anything is typed."""
    asked = visit.request.query.get("q", "")[:100].strip()
    found = await writing_rules.known(visit.app, visit.box)
    sought = fold(asked).split()
    shown = [one for one in found if all(word in fold(f"{one.name} {one.role} {one.organisation}") for word in sought)]
    chosen = visit.request.query.get("documents", "")[:MOST_CHOSEN]  # of the shelf, to be sent to whom one chooses
    return _page(visit, known=shown, anybody=bool(found), asked=asked, chosen=chosen)


def _page(visit: Visit, status: int = 200, **values: Any) -> web.Response:
    blank = {
        "known": [], "anybody": False, "asked": "", "chosen": "", "person": None, "error": "", "to": "", "whom": "",
        "identity": {"ins": "", "birth": ""}, "office": visit.box.owner_kind != "holder",
    }  # fmt: skip
    return visit.page("new.html", "messages", status=status, **{**blank, **values})


async def begin(visit: Visit) -> web.StreamResponse:
    """A sheet of paper for the same person, about something new."""
    handle = await access.conversation(visit.app, visit.box, visit.request.match_info["conversation"])
    return await _sheet(visit, handle, None)


async def _sheet(
    visit: Visit, handle: ConversationHandle, form: Form | None, error: str = "", status: int = 200
) -> web.Response:
    query = visit.request.query
    whom = form["whom"] if form is not None else query.get("to", "")
    begun = None
    if form is None:
        begun = await find_draft(visit, visit.box, query.get("draft", ""), handle.conversation_id, whom)
    if begun is not None:
        whom = begun.writing.whom
    person = await _other(visit, handle, whom)
    return _page(
        visit,
        status,
        person=person,
        patient=await patient_of(visit, handle.space_id),
        to=f"{visit.desk.base}/c/{handle.conversation_id}/new",
        whom=whom,
        error=error,
        nonce=nonce(),
        most_subject=MAX_SUBJECT,
        **await sheet(visit, begun, form, query.get("documents", "")[:MOST_CHOSEN].split(".") if form is None else ()),
        **limits(),
    )


async def _other(visit: Visit, handle: ConversationHandle, whom: str) -> Contact:
    """Who is written to: the one that is named, or the only other person there is."""
    others = [person for person in await reading.people_in(visit.app, handle) if person.member_id != handle.member]
    named = [person for person in others if person.member_id == whom] if whom else others
    if len(named) != 1 or named[0].kind in {"bot", "operator"}:
        raise Refused
    return named[0]


async def write_new(visit: Visit) -> web.StreamResponse:
    """Open a conversation with somebody one already writes with."""
    handle = await access.conversation(visit.app, visit.box, visit.request.match_info["conversation"])
    form = await read_form(visit.request)
    try:
        other = await _other(visit, handle, form["whom"])
        receipt = await _open(visit, form, await _place(visit, other), handle.conversation_id)
    except PliError as error:
        return await _sheet(visit, handle, form, told(visit.words, error), error.status)
    raise web.HTTPSeeOther(f"{visit.desk.base}/c/{receipt.conversation}#m-{receipt.message}")


async def _open(visit: Visit, form: Form, where: tuple[SpaceHandle, tuple[Member, ...]], about: str) -> Receipt:
    """Open the conversation there. Sent twice, it is opened once."""
    app, (space, members) = visit.app, where
    key = sending.retry_key(visit.actor, form["client_key"])
    if key and (known := await posting.receipt_again(app, visit.actor, space.space_id, key)):
        return known
    subject = form["subject"].strip()
    if not subject:
        raise Invalid("no_subject", words("fr")("error.code.no_subject"))
    await take_files(visit, form)
    letter = letter_of(form)
    draft = Draft(
        to=Opening(space, subject, members, about),
        text=letter.text,
        files=await sending.copies(app, visit.box, letter.documents),
        uploads=letter.uploads,
        retry_key=key,
        effect=sending.effect(visit.box, letter.draft, letter.documents),
    )
    return await posting.post(app, visit.actor, draft)


async def _place(visit: Visit, other: Contact) -> tuple[SpaceHandle, tuple[Member, ...]]:
    """Where the new conversation lives, and who joins it: always in the patient's space."""
    app = visit.app
    if visit.box.owner_kind != "holder":
        if other.kind != "holder":
            raise Refused
        return await access.patient(app, visit.actor, other.address.partition("@")[0], through=visit.box), ()
    space = await access.dossier(app, visit.box, MESSAGES)
    await access.correspondent(app, space, other.address)
    hosted = await people.hosted(app, other.address)
    if hosted is None:
        return space, (Member(name=other.name, address=other.address, role=other.role),)
    organisation = access.organisation(hosted)
    return space, (
        Member(hosted.account_id, hosted.mailbox_id, organisation, hosted.name, hosted.address, hosted.role),
    )


async def write_to_patient(visit: Visit) -> web.StreamResponse:
    """A professional writes to a patient they name by INS and birth date: both in the body, never in an address that
    is kept in a history or a log. The first time it only shows the sheet.
    """
    form = await read_form(visit.request)
    try:
        space = await writing_rules.patient(visit.app, visit.actor, visit.box, form["ins"], form["birth"])
    except PliError as error:
        found = await writing_rules.known(visit.app, visit.box) if visit.box.owner_kind != "holder" else None
        if found is None:
            raise
        said, identity = told(visit.words, error), {"ins": form["ins"][:30], "birth": form["birth"][:10]}
        return _page(visit, error.status, known=found, anybody=bool(found), error=said, identity=identity)
    error_said, status = "", 200
    if form["send"] == "1":
        try:
            receipt = await _open(visit, form, (space, ()), "")
        except PliError as error:
            error_said, status = told(visit.words, error), error.status
        else:
            raise web.HTTPSeeOther(f"{visit.desk.base}/c/{receipt.conversation}#m-{receipt.message}")
    traits = await visit.app.db.read(lambda tx: people.traits(visit.app, tx, space.space_id))
    return _page(
        visit,
        status,
        person=Contact(space.holder, "holder", traits.name if traits else "", ""),
        patient=await patient_of(visit, space.space_id),
        to=f"{visit.desk.base}/new/patient",
        identity={"ins": form["ins"], "birth": form["birth"]},
        error=error_said,
        nonce=nonce(),
        most_subject=MAX_SUBJECT,
        **await sheet(visit, None, form),
        **limits(),
    )


async def correct(visit: Visit) -> web.StreamResponse:
    """Say anew what one said: the sheet (GET), then the correction (POST)."""
    app, match = visit.app, visit.request.match_info
    handle = await access.conversation(app, visit.box, match["conversation"])
    message = (await reading.message(app, handle, match["message"])).message
    form, error, status = Form(), "", 200
    if visit.request.method == "POST":
        form = await read_form(visit.request)
        try:
            receipt = await correcting.correct(app, visit.box, message.id, _line_ends(form["text"]), form["client_key"])
        except PliError as problem:
            error, status = told(visit.words, problem), problem.status
            if wants_json(visit.request):
                return error_page(visit.request, problem)
        else:
            if wants_json(visit.request):
                return web.json_response({"message": receipt.message, "seq": receipt.seq}, status=201)
            raise web.HTTPSeeOther(f"{visit.desk.base}/c/{handle.conversation_id}#m-{message.id}")
    elif not message.correctable:
        raise Refused
    return visit.page(
        "correct.html", "messages", status=status, conversation=handle.conversation_id, message=message, error=error,
        kept=form["text"] or message.text, nonce=nonce(), **limits(),
    )  # fmt: skip


def _line_ends(text: str) -> str:
    return text.replace("\r\n", "\n")
