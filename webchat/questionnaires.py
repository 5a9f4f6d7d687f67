"""The forms an office keeps, on the web: written one question at a time, imported and taken out as FHIR JSON.

    /questionnaires               the office's, and the examples
    /questionnaires/{form}        one of them: its questions, in order; « ?question= » one of them, "" a new one
    /questionnaires/{form}/file   as a FHIR Questionnaire

Each change is a version (`server.forms.library`). An example is changed by keeping a copy of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from server.errors import Invalid, PliError, Refused
from server.forms import editing, fhir, library
from server.forms.library import Kept
from server.forms.questionnaires import QUESTIONS, Form, Item, every
from webchat import forms
from webchat.forms import read_form
from webchat.security import told
from webchat.visit import Visit, nonce, route

if TYPE_CHECKING:
    from server.app import App

PAGE = "/questionnaires"
MAX_FILE = 512 * 1024  # octets of a file that is imported


def add_routes(app: App, site: web.Application) -> None:
    """For offices."""
    route(app, site, "GET", PAGE, show_all)
    route(app, site, "POST", PAGE, begin)
    route(app, site, "GET", PAGE + "/{form}", show_one)
    route(app, site, "POST", PAGE + "/{form}", change)
    route(app, site, "GET", PAGE + "/{form}/file", take_out)


async def show_all(visit: Visit, *, error: str = "", status: int = 200, title: str = "") -> web.Response:
    """Those of the office, then the examples."""
    own = await library.of_office(visit.app, visit.box)
    return visit.page(
        "questionnaires.html",
        "templates",
        status=status,
        own=own,
        shipped=library.shipped(),
        error=error,
        title=title,
        nonce=nonce(),
    )


async def begin(visit: Visit) -> web.StreamResponse:
    """A new one by its title and first question, a copy of an example, or a file."""
    fields = await read_form(visit.request, MAX_FILE)
    try:
        kept = await library.save(visit.app, visit.box, _begun(fields))
    except (Invalid, PliError) as error:
        if isinstance(error, Refused):
            raise
        return await show_all(visit, error=told(visit.words, error), status=error.status, title=fields["title"])
    raise web.HTTPSeeOther(f"{visit.desk.base}{PAGE}/{kept.id}")


def _begun(fields: forms.Form) -> Form:
    if fields.problem is not None:
        raise fields.problem
    if fields["copy"]:
        example = library.shipped().get(fields["copy"])
        if example is None:
            raise Refused
        return msgspec.structs.replace(example, url="", publisher="")
    if fields.files:
        try:
            resource = msgspec.json.decode(fields.files[0][2])
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise Invalid("not_a_questionnaire", "Ce n’est pas un Questionnaire FHIR (JSON).") from None
        return fhir.read(resource)
    form = editing.empty(" ".join(fields["title"].split()))
    return editing.put(form, "", {"text": fields["first"], "type": fields["type"] or "string"})


async def show_one(visit: Visit) -> web.StreamResponse:
    """Its questions; the one of `?question` open."""
    kept = await library.one(visit.app, visit.box, visit.request.match_info["form"])
    wanted = visit.request.query.get("question")
    item = next((one for one in every(kept.form.items) if one.id == wanted), None) if wanted else None
    return _page(visit, kept, item, adding=wanted == "")


def _page(
    visit: Visit, kept: Kept, item: Item | None, *, adding: bool = False, error: PliError | None = None,
    typed: dict[str, str] | None = None,
) -> web.Response:  # fmt: skip
    numbers = {one.id: n for n, one in enumerate((o for o in every(kept.form.items) if o.type in QUESTIONS), 1)}
    return visit.page(
        "questionnaire.html",
        "templates",
        status=error.status if error else 200,
        kept=kept,
        form=kept.form,
        items=list(every(kept.form.items)),
        numbers=numbers,
        item=item,
        adding=adding,
        fields=typed or _fields(item),
        kinds=editing.KINDS,
        conditions=editing.conditions(kept.form, item.id if item else ""),
        mine=kept.version > 0,
        error=told(visit.words, error) if error else "",
        nonce=nonce(),
    )


def _fields(item: Item | None) -> dict[str, str]:
    """A question as the page's fields."""
    if item is None:
        return {"type": "boolean"}
    condition = item.when[0] if len(item.when) == 1 and item.when[0].operator == "=" else None
    lines = (f"{one.text} | {one.text_en}" if one.text_en else one.text for one in item.options)
    return {
        "type": item.type,
        "text": item.text,
        "text_en": item.text_en,
        "required": "1" if item.required else "",
        "repeats": "1" if item.repeats else "",
        "options": "\n".join(lines),
        "unit": item.unit,
        "when": f"{condition.question}={condition.answer}" if condition else "",
    }


async def change(visit: Visit) -> web.StreamResponse:
    """A question is written, moved or removed; the title; all of it is withdrawn."""
    fields, form_id = await read_form(visit.request), visit.request.match_info["form"]
    kept = await library.one(visit.app, visit.box, form_id)
    if not kept.version:
        raise Refused  # an example: one keeps a copy
    if fields["do"] == "withdraw":
        await library.withdraw(visit.app, visit.box, form_id)
        raise web.HTTPSeeOther(f"{visit.desk.base}{PAGE}")
    try:
        read = int(fields["version"]) if fields["version"].isdecimal() else 0
        await library.save(visit.app, visit.box, _made(kept.form, fields), form_id, read)
    except Refused:
        raise
    except PliError as error:
        item = next((one for one in every(kept.form.items) if one.id == fields["question"]), None)
        return _page(visit, kept, item, adding=not fields["question"], error=error, typed=fields.fields)
    raise web.HTTPSeeOther(f"{visit.desk.base}{PAGE}/{form_id}#q-{fields['question']}")


def _made(form: Form, fields: forms.Form) -> Form:
    match fields["do"]:
        case "title":
            said = {name: " ".join(fields[name].split()) for name in ("title", "title_en", "description")}
            return msgspec.structs.replace(form, **said)
        case "up" | "down":
            return editing.move(form, fields["question"], -1 if fields["do"] == "up" else 1)
        case "remove":
            return editing.remove(form, fields["question"])
        case _:
            return editing.put(form, fields["question"], fields.fields)


async def take_out(visit: Visit) -> web.StreamResponse:
    """The form as a FHIR Questionnaire, to be kept or given."""
    kept = await library.one(visit.app, visit.box, visit.request.match_info["form"])
    body = msgspec.json.format(msgspec.json.encode(fhir.write(kept.form, kept.id.replace("_", "."))), indent=2)
    headers = {"Content-Disposition": 'attachment; filename="Questionnaire.json"'}
    return web.Response(body=body, content_type="application/fhir+json", headers=headers)
