"""An office asks a patient, from their conversation, to fill in one of its questionnaires or to tick a list.

    /c/{conversation}/ask-form    both, each a form of its own

What was typed comes back when it does not do; pressed twice, it goes once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from server import access
from server.errors import PliError, Refused
from server.forms import asking, cards, library
from server.forms.questionnaires import questions
from webchat.forms import Form, read_form
from webchat.security import told
from webchat.thread import patient_of
from webchat.visit import Visit, nonce, route

if TYPE_CHECKING:
    from server.app import App
    from server.drafts import Receipt
    from server.handles import ConversationHandle

PAGE = "/c/{conversation}/ask-form"


def add_routes(app: App, site: web.Application) -> None:
    """For an office, with a patient."""
    route(app, site, "GET", PAGE, show)
    route(app, site, "POST", PAGE, ask)


async def show(visit: Visit) -> web.Response:
    """The questionnaires of the office, and a list to write."""
    return await _page(visit, await _place(visit), Form())


async def _place(visit: Visit) -> ConversationHandle:
    to = await access.conversation(visit.app, visit.box, visit.request.match_info["conversation"])
    await asking.patient_there(visit.app, visit.box, to)
    return to


async def _page(visit: Visit, to: ConversationHandle, form: Form, error: str = "", status: int = 200) -> web.Response:
    return visit.page(
        "ask_form.html",
        "messages",
        status=status,
        conversation=to.conversation_id,
        patient=await patient_of(visit, to.space_id),
        own=[(one, len(questions(one.form))) for one in await library.of_office(visit.app, visit.box)],
        kept=form,
        error=error,
        most_title=asking.MAX_TITLE,
        most_words=asking.MAX_WORDS,
        most_things=cards.MAX_THINGS,
        nonce=nonce(),
    )


async def ask(visit: Visit) -> web.StreamResponse:
    """It goes to the patient, in this conversation."""
    to, form = await _place(visit), await read_form(visit.request)
    try:
        receipt = await _ask(visit, to, form)
    except Refused:
        raise
    except PliError as error:
        return await _page(visit, to, form, told(visit.words, error), error.status)
    raise web.HTTPSeeOther(f"{visit.desk.base}/c/{receipt.conversation}#m-{receipt.message}")


async def _ask(visit: Visit, to: ConversationHandle, form: Form) -> Receipt:
    key = f"ask:{visit.actor.account_id}:{form['client_key'][:200]}" if form["client_key"] else ""
    if form["do"] != "list":
        return await asking.send_form(visit.app, visit.box, to, form["form"], form["words"], key)
    things = form["things"].splitlines()
    return await asking.send_checklist(
        visit.app, visit.box, to, form["title"], things, until=form["until"], words=form["words"], retry_key=key
    )
