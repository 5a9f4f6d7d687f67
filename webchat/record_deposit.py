"""A professional deposits a document in a patient's dossier, replaces or withdraws their own, says that one was told.

    /patient/{space}/deposit[?replaces=]   …/documents/{document}/withdraw, /told   …/secret

« Connexion secrète » (DMP EX_0.1-1100) is of this browser and this patient, until it is closed: every deposit is then
hidden from those who read for a minor; without it each deposit must say whether it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from server.attachments import clean_name
from server.dossier import depositing, visibility
from server.dossier import record as records
from server.dossier.habilitation import HIDDEN, SECRET, UNTOLD
from server.drafts import MAX_FILES_SIZE, FileFacts
from server.errors import Invalid, PliError
from server.formats import document_types
from server.handles import DossierHandle
from webchat.forms import Form, read_fields, read_form
from webchat.record import SECRET_COOKIE, SECTION, Whose, opened, whose
from webchat.security import told
from webchat.visit import Visit, route

if TYPE_CHECKING:
    from server.app import App

ROOT = "/patient/{space}"
FIELDS = ("title", "type", "date", "seen_by", "parents", "replaces")


def add_routes(app: App, site: web.Application) -> None:
    """The form, and what is done with one's own documents."""
    route(app, site, "GET", f"{ROOT}/deposit", show)
    route(app, site, "POST", f"{ROOT}/deposit", deposit)
    route(app, site, "POST", f"{ROOT}/secret", choose_secret)
    route(app, site, "POST", f"{ROOT}/documents/{{document}}/withdraw", withdraw)
    route(app, site, "POST", f"{ROOT}/documents/{{document}}/told", tell)


async def show(visit: Visit) -> web.Response:
    """The form; to replace one's own document when it is named."""
    handle = await opened(visit)
    return await _page(visit, handle, Form({"replaces": visit.request.query.get("replaces", "")[:64]}))


async def deposit(visit: Visit) -> web.StreamResponse:
    """It is in the dossier, or the same form says why not."""
    handle = await opened(visit)
    form = await read_form(visit.request)
    who = await whose(visit, handle)
    try:
        if form.problem is not None:
            raise form.problem
        if not form.files:
            raise Invalid("no_file", "Choisissez un fichier.")
        marks = await _marks(visit, handle, form, hushed=who.secret)
        name, kind, data = form.files[0]
        facts = FileFacts(
            clean_name(name), kind, len(data), form["title"][:300], form["type"][:40], created=form["date"][:10]
        )
        document = await depositing.deposit(visit.app, handle, facts, data, marks, form["replaces"])
    except PliError as error:
        return await _page(visit, handle, form, error)
    raise web.HTTPSeeOther(f"{who.base}?done=deposited#d-{document}")


async def _marks(visit: Visit, handle: DossierHandle, form: Form, *, hushed: bool) -> frozenset[str]:
    """Who shall see it. Raises `Invalid` when that had to be said of a minor, and was not."""
    chosen = {"hidden": HIDDEN, "untold": UNTOLD}.get(form["seen_by"])
    marks = {chosen} if chosen else set()
    if await visit.app.db.read(depositing.minor, visit.app, handle.space_id):
        if not hushed and form["parents"] not in {"yes", "no"}:
            raise Invalid("secret_unsaid", "Dites si les représentants légaux de ce patient verront ce document.")
        if hushed or form["parents"] == "no":
            marks.add(SECRET)
    return frozenset(marks)


async def withdraw(visit: Visit) -> web.StreamResponse:
    """One's own document counts no more."""
    handle = await opened(visit)
    await depositing.withdraw(visit.app, handle, visit.request.match_info["document"])
    raise web.HTTPSeeOther(f"{visit.desk.base}/patient/{handle.space_id}?done=withdrawn")


async def tell(visit: Visit) -> web.StreamResponse:
    """« Annoncé aujourd’hui »: its patient sees it from now on (CSP R.1111-53)."""
    handle = await opened(visit)
    await visibility.change(visit.app, handle, [visit.request.match_info["document"]], UNTOLD, on=False)
    raise web.HTTPSeeOther(f"{visit.desk.base}/patient/{handle.space_id}?done=told")


async def choose_secret(visit: Visit) -> web.StreamResponse:
    """« Connexion secrète » begins or ends."""
    handle = await opened(visit)
    place = f"{visit.desk.base}/patient/{handle.space_id}"
    response = web.HTTPSeeOther(place)
    if (await read_fields(visit.request))["begin"] == "1":
        response.set_cookie(
            SECRET_COOKIE, "1", path=place, secure=visit.app.settings.secure, httponly=True, samesite="Strict"
        )
    else:
        response.del_cookie(SECRET_COOKIE, path=place)
    raise response


async def _page(visit: Visit, handle: DossierHandle, form: Form, error: PliError | None = None) -> web.Response:
    replaces = form["replaces"]
    old = await records.one(visit.app, handle, replaces, visit.words.language) if replaces else None
    who: Whose = await whose(visit, handle)
    await visit.app.db.read(depositing.confirm, handle)
    english = visit.words.language == "en"
    types = sorted((document_types.type_label(code, "en" if english else "fr"), code) for code in depositing.TYPES)
    return visit.page(
        "record_deposit.html",
        SECTION,
        status=error.status if error else 200,
        whose=who,
        minor=await visit.app.db.read(depositing.minor, visit.app, handle.space_id),
        old=old,
        types=types,
        most=MAX_FILES_SIZE,
        today=visit.desk.today.isoformat(),
        kept={name: form[name][:300] for name in FIELDS},
        error=told(visit.words, error) if error else "",
    )
