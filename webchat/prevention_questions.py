"""« Vos vaccins à jour en 3 questions »: three short pages, kept one by one; then what is due, done, not known, and one
next step.

    /prevention/questions[?step=1|2|3|4]   without a step: where one was

A reload or the way back asks again what was answered; answering again says it anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from server import access
from server.errors import Invalid, PliError, Refused
from server.prevention import questions, situations, statuses
from server.prevention.engine import Standing
from server.prevention.questions import END, NO, UNKNOWN, YES
from server.prevention.situations import Facts
from server.prevention.summary import DONE, Stand
from server.scopes import WRITE
from webchat.forms import Form, read_fields
from webchat.prevention import SECTION, called, item, stand
from webchat.security import told
from webchat.visit import Visit, nonce, number, route

if TYPE_CHECKING:
    from server.app import App

PAGE = "/prevention/questions"


def add_routes(app: App, site: web.Application) -> None:
    """For the holder, and a delegate with the scope dossier; to answer, one may write."""
    route(app, site, "GET", PAGE, show, ("dossier",))
    route(app, site, "POST", PAGE, answer, ("dossier",))


async def show(visit: Visit) -> web.Response:
    """The step that is asked for, or where one was."""
    return await _page(visit, number(visit, "step") or 0, Form())


async def _page(visit: Visit, step: int, form: Form, error: PliError | None = None) -> web.Response:
    handle = await access.dossier(visit.app, visit.box)
    stood = await stand(visit, handle)
    asked = questions.asked(stood)
    step = step if 1 <= step <= END else asked.step
    if step in {2, 3} and not asked.vaccines:
        step = END
    return visit.page(
        "prevention_questions.html",
        SECTION,
        status=error.status if error else 200,
        step=step,
        kinds=asked.kinds,
        english=visit.words.language == "en",
        vaccines=[item(visit, stood, one, called(visit)) for one in asked.vaccines],
        unknown=[item(visit, stood, one, called(visit)) for one in asked.unknown],
        missing=[item(visit, stood, one, called(visit)) for one in asked.missing],
        done=[item(visit, stood, one, called(visit)) for one in _done(stood)],
        answers=(YES, NO, UNKNOWN),
        months=statuses.MONTHS,
        basis=stood.rules.book.version,
        kept=form,
        error=told(visit.words, error) if error else "",
        may_say=visit.box.may(WRITE),
        nonce=nonce(),
    )


def _done(stood: Stand) -> list[Standing]:
    return [one for one in stood.in_state(DONE) if one.rule.kind == "vaccine"]


async def answer(visit: Visit) -> web.StreamResponse:
    """A step is kept, and the next one is shown."""
    form = await read_fields(visit.request)
    step = int(form["step"]) if form["step"] in {"1", "2", "3"} else 0
    if not step:
        raise Invalid
    try:
        await (_first, _second, _third)[step - 1](visit, form)
    except Refused:
        raise
    except PliError as error:
        return await _page(visit, step, form, error)
    raise web.HTTPSeeOther(f"{visit.desk.base}{PAGE}?step={step + 1}")


async def _first(visit: Visit, form: Form) -> None:
    """What is not ticked is « non »."""
    handle = await access.dossier(visit.app, visit.box)
    said: list[tuple[Facts, str]] = []
    for kind, entry in questions.asked(await stand(visit, handle)).kinds:
        state = situations.SO if form[f"so.{kind.slug}"] else situations.NOT_SO
        facts = situations.checked(kind.slug, state, form[f"day.{kind.slug}"])
        if entry is None or entry.state != state or (facts.until and facts.until != entry.facts.until):
            said.append((facts, state))
    if said:
        await questions.save_situations(visit.app, visit.box, handle, said, form["client_key"])


async def _second(visit: Visit, form: Form) -> None:
    """Of the vaccines that are asked about; one that is left out is not answered."""
    handle = await access.dossier(visit.app, visit.box)
    asked = questions.asked(await stand(visit, handle)).vaccines
    said = {one.rule.id: form[f"had.{one.rule.id}"] for one in asked}
    said = {rule: had for rule, had in said.items() if had in {YES, NO, UNKNOWN}}
    if said:
        await questions.save_received(visit.app, visit.box, handle, said, form["client_key"])


async def _third(visit: Visit, form: Form) -> None:
    """To be reminded of what remains, or not."""
    if form["months"] not in statuses.MONTHS:
        return
    handle = await access.dossier(visit.app, visit.box)
    stood = await stand(visit, handle)
    said = {one.rule.id: questions.told(stood, one) for one in questions.asked(stood).vaccines}
    if said:
        await questions.save_wish(visit.app, visit.box, handle, said, form["months"], form["client_key"])
