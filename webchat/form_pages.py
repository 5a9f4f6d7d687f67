"""A form filled in step by step, and a checklist, as pages of the conversation that asks. No script is needed.

    /c/{conversation}/form/{message}          one question (?q=3), taken up where one stopped; a checklist whole
    /c/{conversation}/form/{message}/check    everything that is answered, before it is sent; what was sent, after
    /c/{conversation}/form/{message}/send     it goes: an answer in the thread

Each step is kept (`server.forms.filling`). What was typed comes back when it does not do, and when somebody answered on
another device meanwhile, beside what they answered. Addresses hold the number of a question and nothing of an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web

from server import access, reading, uploads
from server.actions import acting
from server.errors import Conflict, Invalid, NotAllowed, PliError
from server.forms import cards, entering, filling, logic
from server.forms import reading as answers_of
from server.forms.questionnaires import QUESTIONS, Form, Item, every
from server.forms.reading import BadAnswer
from server.handles import ConversationHandle
from server.scopes import WRITE
from webchat import forms
from webchat.forms import read_form
from webchat.security import told
from webchat.visit import Visit, nonce, number, route
from webchat.writing import take_files

if TYPE_CHECKING:
    from server.app import App

PATH = "/c/{conversation}/form/{message}"


def add_routes(app: App, site: web.Application) -> None:
    """For whoever has the conversation; to fill in, for whom the card is."""
    route(app, site, "GET", PATH, show)
    route(app, site, "POST", PATH, answer)
    route(app, site, "GET", PATH + "/check", check)
    route(app, site, "POST", PATH + "/send", send)


@dataclass(frozen=True, slots=True)
class Asked:
    """The card of the page, as this visitor has it. `mine`: it is for them to fill in."""

    to: ConversationHandle
    message: str
    card: dict[str, Any]
    mine: bool
    path: str


@dataclass(frozen=True, slots=True)
class _Typed:
    """What came back: the fields as typed, what is wrong."""

    fields: Mapping[str, str] = field(default_factory=dict)
    error: PliError | None = None


async def _asked(visit: Visit) -> Asked:
    match = visit.request.match_info
    to = await access.conversation(visit.app, visit.box, match["conversation"])
    entry = await reading.message(visit.app, to, match["message"])
    card = entry.message.card
    if card is None or card.get("type") not in {"form", "checklist"}:  # there is nothing to fill in: where it stands
        raise web.HTTPSeeOther(f"{visit.desk.base}/c/{to.conversation_id}#m-{match['message']}")
    path = f"{visit.desk.base}/c/{to.conversation_id}/form/{match['message']}"
    return Asked(to, match["message"], card, acting.is_for(to, card) and visit.box.may(WRITE), path)


async def show(visit: Visit) -> web.StreamResponse:
    """The question of `?q`, or the one where one stopped."""
    asked = await _asked(visit)
    if asked.card["type"] == "checklist":
        return visit.page("checklist.html", "messages", asked=asked, card=asked.card, nonce=nonce())
    if not asked.mine:
        raise web.HTTPSeeOther(f"{asked.path}/check")
    form, now = cards.form_of(asked.card), await filling.known(visit.app, asked.to, asked.message)
    wanted, questions = number(visit, "q"), logic.asked(form, _started(form, now))
    if wanted is None:
        if now.facts.sent and now.facts.answers == now.facts.sent[-1].answers:
            raise web.HTTPSeeOther(f"{asked.path}/check")
        wanted = _where(questions, now)
    if not 1 <= wanted <= len(questions):
        raise web.HTTPSeeOther(f"{asked.path}/check")
    return _question(visit, asked, form, now, questions[wanted - 1], _Typed())


def _started(form: Form, now: filling.Known) -> dict[str, tuple[str, ...]]:
    """What is answered, and what the form itself proposes where nothing was written yet."""
    proposed = {} if now.version else {item.id: item.initial for item in every(form.items) if item.initial}
    return {**proposed, **now.facts.answers}


def _where(questions: list[Item], now: filling.Known) -> int:
    """The question after the last one that was answered; the first that wants an answer and has none, when all were
    gone through.
    """
    ids = [item.id for item in questions]
    if now.facts.place not in ids:
        return 1
    return ids.index(now.facts.place) + 2


def _question(
    visit: Visit, asked: Asked, form: Form, now: filling.Known, item: Item, typed: _Typed, elsewhere: str = ""
) -> web.Response:
    answers = _started(form, now)
    shown = logic.shown(form, answers)
    questions = [one for one in shown if one.type in QUESTIONS]
    place = [one.id for one in questions].index(item.id)
    kept = answers.get(item.id, ())
    return visit.page(
        "form_question.html",
        "messages",
        status=typed.error.status if typed.error else 200,
        asked=asked,
        form=form,
        item=item,
        number=place + 1,
        count=len(questions),
        before=_before(shown, item),
        kept=kept,
        other=next((one[1:] for one in kept if one.startswith(":")), ""),
        lines="\n".join(kept),
        value=_value(visit, item, kept, typed),
        typed=typed.fields,
        version=now.version,
        error=_error(visit, typed.error),
        elsewhere=elsewhere,
        nonce=nonce(),
    )


def _error(visit: Visit, error: PliError | None) -> str:
    if isinstance(error, BadAnswer) and visit.words.language != "en":
        return error.why[:1].upper() + error.why[1:]
    return told(visit.words, error) if error else ""


def _value(visit: Visit, item: Item, kept: tuple[str, ...], typed: _Typed) -> str:
    """What stands in the field of a question that has one."""
    if "a" in typed.fields:
        return typed.fields["a"]
    if item.type == "quantity" and kept:
        return answers_of.said(item, kept[0].partition("|")[0], visit.words.language)
    if item.type in {"time", "text"} and kept:
        return kept[0]
    return answers_of.said(item, kept[0], visit.words.language) if kept and item.type != "choice" else ""


def _before(shown: list[Item], item: Item) -> list[Item]:
    """The group that a question stands in, and the texts between it and the question before."""
    found: list[Item] = []
    for one in shown:
        if one.id == item.id:
            return found
        found = [] if one.type in QUESTIONS else [*found, one]
    return found


# ---- a step ----------------------------------------------------------------------------------------------------------


async def answer(visit: Visit) -> web.StreamResponse:
    """The answer to a question is kept, and the next one is shown, or the one before."""
    asked, fields = await _asked(visit), await read_form(visit.request)
    if not asked.mine:
        raise NotAllowed("not_for_you", "Cette réponse appartient au patient.")
    if asked.card["type"] != "form":
        raise web.HTTPSeeOther(asked.path)
    form, now = cards.form_of(asked.card), await filling.known(visit.app, asked.to, asked.message)
    item = next((one for one in logic.asked(form, _started(form, now)) if one.id == fields["item"]), None)
    if item is None:  # what was answered elsewhere made it go
        raise web.HTTPSeeOther(asked.path)
    try:
        kept = await _read(visit, item, fields, now)
        read = int(fields["version"]) if fields["version"].isdecimal() else 0
        added = {**({} if now.version else _started(form, now)), item.id: kept}
        files = item.id if item.type == "attachment" else ""
        now = await filling.keep(visit.app, asked.to, asked.message, added, read, item.id, files=files)
    except Conflict as error:
        there = answers_of.all_said(item, now.facts.answers.get(item.id, ()), visit.words.language)
        return _question(visit, asked, form, now, item, _Typed(fields.fields, error), there or "—")
    except Invalid as error:
        return _question(visit, asked, form, now, item, _Typed(fields.fields, error))
    raise web.HTTPSeeOther(_next(asked, form, now, item, fields["do"]))


async def _read(visit: Visit, item: Item, fields: forms.Form, now: filling.Known) -> tuple[str, ...]:
    if item.type == "attachment":
        return await _files(visit, item, fields, now)
    if item.repeats and item.type not in {"choice", "open-choice"}:
        return answers_of.read(item, fields["a"].splitlines())
    given = [value for name, value in fields.fields.items() if name == "a" or name.startswith("a.")]
    if fields["other"].strip():
        given = [*(given if item.repeats else []), fields["other"]]
    if item.type == "quantity" and given and item.unit and given[0].strip():
        given = [given[0]]
    return answers_of.read(item, given)


async def _files(visit: Visit, item: Item, fields: forms.Form, now: filling.Known) -> tuple[str, ...]:
    """The files that stay, and the one that is added."""
    kept = [one for one in now.facts.answers.get(item.id, ()) if f"keep.{one.partition('|')[0]}" in fields.fields]
    names = [name for name, _, _ in fields.files]
    before = {name for name in fields.fields if name.startswith("file.")}
    await take_files(visit, fields)
    new = [name.removeprefix("file.") for name in fields.fields if name.startswith("file.") and name not in before]
    added = [f"{upload}|{name.replace('|', ' ')[:200]}" for upload, name in zip(new, names, strict=True)]
    most = item.most if item.repeats else 1
    return tuple([*kept, *added][-most:])


def _next(asked: Asked, form: Form, now: filling.Known, item: Item, do: str) -> str:
    ids = [one.id for one in logic.asked(form, now.facts.answers)]
    place = ids.index(item.id) + 1 + (-1 if do == "back" else 1)
    if do == "later":
        return f"{asked.path.partition('/form/')[0]}#m-{asked.message}"
    return f"{asked.path}?q={max(place, 1)}" if place <= len(ids) and do != "check" else f"{asked.path}/check"


# ---- before it goes --------------------------------------------------------------------------------------------------


async def check(visit: Visit) -> web.StreamResponse:
    """All of it; of somebody else's, what they sent."""
    return await _check(visit, await _asked(visit))


async def _check(visit: Visit, asked: Asked, error: PliError | None = None) -> web.Response:
    if asked.card["type"] != "form":
        raise web.HTTPSeeOther(asked.path)
    form, now = cards.form_of(asked.card), await filling.known(visit.app, asked.to, asked.message)
    last = now.facts.sent[-1] if now.facts.sent else None
    answers = now.facts.answers if asked.mine else last.answers if last else {}
    changed = asked.mine and (last is None or last.answers != logic.counting(form, answers))
    people = await reading.people_in(visit.app, asked.to) if asked.mine else []
    return visit.page(
        "form_check.html",
        "messages",
        status=error.status if error else 200,
        asked=asked,
        form=form,
        lines=_lines(visit, form, answers),
        missing=logic.missing(form, answers) if asked.mine else [],
        enters=await _enters(visit, asked, form, answers) if changed else [],
        sent=now.facts.sent,
        moment_of=lambda ms: datetime.fromtimestamp(ms / 1000, UTC),
        last=last,
        changed=changed,
        version=now.version,
        whom=[one.name for one in people],
        lost=await _lost(visit, form, now) if changed else [],
        error=told(visit.words, error) if error else "",
        nonce=nonce(),
    )


def _lines(visit: Visit, form: Form, answers: logic.Answers) -> list[dict[str, Any]]:
    """Each group, text and question as a page shows it."""
    found: list[dict[str, Any]] = []
    count = 0
    for item in logic.shown(form, answers):
        count += item.type in QUESTIONS
        said = answers_of.all_said(item, answers.get(item.id, ()), visit.words.language)
        found.append({"item": item, "number": count, "said": said, "question": item.type in QUESTIONS})
    return found


async def _enters(visit: Visit, asked: Asked, form: Form, answers: logic.Answers) -> list[Item]:
    """The answers that enter the dossier besides, unless they are unticked."""
    if asked.to.member != asked.to.holder or not visit.box.may("dossier", WRITE):
        return []
    return entering.offered(form, answers)


async def _lost(visit: Visit, form: Form, now: filling.Known) -> list[Item]:
    """The questions whose file is no more (`uploads.HELD_MS`), or was attached by somebody else, who alone can send
    it.
    """
    gone = {kept for version in now.facts.sent for many in version.answers.values() for kept in many}
    found = []
    for item in logic.asked(form, now.facts.answers):
        waiting = [one for one in now.facts.answers.get(item.id, ()) if one not in gone]
        if item.type == "attachment" and waiting:
            ids = [one.partition("|")[0] for one in waiting]
            if len(await uploads.listed(visit.app, visit.actor, ids)) < len(ids):
                found.append(item)
    return found


async def send(visit: Visit) -> web.StreamResponse:
    """The answers go; what is wrong is said on the page that shows them all."""
    asked, fields = await _asked(visit), await read_form(visit.request)
    if asked.card["type"] != "form":
        raise web.HTTPSeeOther(asked.path)
    now = await filling.known(visit.app, asked.to, asked.message)
    form = cards.form_of(asked.card)
    keep = [item.id for item in entering.offered(form, now.facts.answers) if f"keep.{item.id}" in fields.fields]
    action = "forms.correct" if now.facts.sent else "forms.send"
    values = {"version": fields["version"], "keep": keep}
    try:
        await acting.act(visit.app, visit.box, asked.message, action, values, fields["client_key"][:200])
    except (Conflict, Invalid) as error:
        return await _check(visit, asked, error)
    raise web.HTTPSeeOther(f"{visit.desk.base}/c/{asked.to.conversation_id}#m-{asked.message}")
