"""Prevention of a patient, for a professional who may see their vaccinations: where they stand, and what one did.

    /patient/{space}/prevention

Promises: with no ground, or a profession that may not see notes of vaccination, nothing is shown; what one
says here is one's own entry, and the patient is told; of a minor one must say whether their representatives see it,
unless « connexion secrète » hides it. Does not: answer in the patient's place (later, not wished).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from server.dossier import depositing
from server.errors import Invalid, PliError, Refused
from server.prevention import situations, statuses
from webchat.forms import Form, read_fields
from webchat.prevention import drawn, groups, saying, stand
from webchat.record import SECTION, opened, whose
from webchat.security import told
from webchat.visit import Visit, route

if TYPE_CHECKING:
    from server.app import App
    from server.handles import DossierHandle

PAGE = "/patient/{space}/prevention"


def add_routes(app: App, site: web.Application) -> None:
    """For a professional at a dossier they may read."""
    route(app, site, "GET", PAGE, show)
    route(app, site, "POST", PAGE, say)


async def show(visit: Visit) -> web.Response:
    """Where this patient stands; who may see nothing of it is told so."""
    handle = await opened(visit)
    if not await visit.app.db.read(statuses.may_say, handle):
        return visit.page("record_prevention.html", SECTION, whose=await whose(visit, handle), groups={}, error="")
    return await _page(visit, handle, Form())


async def _page(visit: Visit, handle: DossierHandle, form: Form, error: PliError | None = None) -> web.Response:
    stood = await stand(visit, handle)
    who, entries = await whose(visit, handle), {one.kind: one for one in stood.gathered.situations}
    return visit.page(
        "record_prevention.html",
        SECTION,
        status=error.status if error else 200,
        whose=who,
        groups=groups(visit, stood, stood.traits.given.split()[0]),
        basis=stood.rules.book.version,
        minor=await visit.app.db.read(depositing.minor, visit.app, handle.space_id),
        me=visit.actor.account_id,
        kinds=[(kind, entries.get(kind.slug)) for kind in situations.kinds().values()],
        sources=stood.gathered.sources,
        english=visit.words.language == "en",
        kept=form,
        error=told(visit.words, error) if error else "",
        done=visit.request.query.get("done") == "said",
        at={"documents": f"{who.base}/documents", "results": ""},
        **drawn(visit.words, stood),
    )


async def say(visit: Visit) -> web.StreamResponse:
    """It is done, the patient is not concerned; or what one said oneself is taken back."""
    form = await read_fields(visit.request)
    handle = await opened(visit)
    if not await visit.app.db.read(statuses.may_say, handle):
        raise Refused
    try:
        place = await _situation(visit, handle, form) if form["kind"] else await _rule(visit, handle, form)
    except Refused:
        raise
    except PliError as error:
        return await _page(visit, handle, form, error)
    raise web.HTTPSeeOther(f"{visit.desk.base}/patient/{handle.space_id}/prevention?done=said#{place}")


async def _rule(visit: Visit, handle: DossierHandle, form: Form) -> str:
    """Of a recommendation; returns where the page is gone on with."""
    rule = (await stand(visit, handle)).of_rule(form["rule"]).rule
    if form["do"] == statuses.WITHDRAWN:
        await statuses.withdraw_as_professional(visit.app, handle, rule)
    else:
        secret = await _secret(visit, handle, form)
        await statuses.say_as_professional(visit.app, handle, rule, saying(form), secret=secret)
    return f"r-{rule.id}"


async def _situation(visit: Visit, handle: DossierHandle, form: Form) -> str:
    """Of what the patient lives with."""
    facts = situations.checked(form["kind"], form["do"], form["day"])
    secret = await _secret(visit, handle, form)
    await situations.say_as_professional(visit.app, handle, facts, form["do"], secret=secret)
    return "situations"


async def _secret(visit: Visit, handle: DossierHandle, form: Form) -> bool:
    """Raises `Invalid` when that had to be said of a minor, and was not (DMP EX_0.1-1100)."""
    if not await visit.app.db.read(depositing.minor, visit.app, handle.space_id):
        return False
    hushed = (await whose(visit, handle)).secret
    if not hushed and form["parents"] not in {"yes", "no"}:
        raise Invalid("prevention_secret_unsaid", "Dites si les représentants légaux de ce patient le verront.")
    return hushed or form["parents"] == "no"
