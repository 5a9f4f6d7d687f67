"""« Qui peut lire mon dossier » (/sharing): who may, whom else, what holds in an emergency, what ended. And both sides
of a request: the page where a professional asks, the one where a patient gives less than was asked.

The holder's pages are theirs and their legal representative's: a helper never sees them (`scopes.own_affairs`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from server import access, reading, step_up, writing_rules
from server.actions import acting, consent
from server.dossier import asking, choices, consents
from server.dossier.consents import STRONG, Candidate, Giving
from server.dossier.delays import DELAYS
from server.dossier.habilitation import ADMINISTRATOR, CARE_TEAM, EXPLICIT, TREATING
from server.dossier.things import LABELS, THINGS, lasting
from server.errors import Invalid, PliError, Refused, StepUp
from server.handles import ConversationHandle, DossierHandle
from server.views import Entry
from storage import exchanges
from storage.database import Tx
from storage.exchanges import Standing
from webchat import security
from webchat.forms import Form, read_fields
from webchat.thread import patient_of
from webchat.visit import Visit, nonce, route

if TYPE_CHECKING:
    from server.app import App

PAGE = "/sharing"
DONE = ("allowed", "withdrawn", "changed")
WHOLE = "all"  # what a form says for all that may be shared


def add_routes(app: App, site: web.Application) -> None:
    """The holder's side is for who settles their affairs, whatever else a delegate may: each page decides."""
    for method, path, page in (
        ("GET", "", show),
        ("POST", "/choices", choose),
        ("POST", "/withdraw", withdraw),
        ("GET", "/allow/{account}", allow_page),
        ("POST", "/allow/{account}", allow),
        ("GET", "/ask/{card}", answer_page),
        ("POST", "/ask/{card}", answer),
        ("GET", "/request/{thread}", request_page),
        ("POST", "/request/{thread}", request),
        ("GET", "/first/{record}", first_page),
        ("POST", "/first/{record}", first),
    ):
        route(app, site, method, PAGE + path, page)


def _manages(visit: Visit) -> None:
    if visit.box.owner_kind != "holder" or visit.box.ground not in {"self", "representative"}:
        raise Refused


async def _proven(visit: Visit) -> None:
    """A second factor was given a few minutes ago. Raises `StepUp`."""
    await step_up.require(visit.app, security.session_secret(visit.app, visit.request))


# ---- who may read ----------------------------------------------------------------------------------------------------


async def show(visit: Visit) -> web.Response:
    """Who may read, and every choice."""
    return await _overview(visit)


async def _overview(visit: Visit, error: str = "", status: int = 200) -> web.Response:
    _manages(visit)
    app, box = visit.app, visit.box
    given = await consents.listed(app, box)
    standings = await app.db.read(exchanges.standings, box.space_id)
    done = visit.request.query.get("done", "")
    return visit.page(
        "sharing.html",
        "documents",
        status=status,
        running=[one for one in given if one.running],
        over=[one for one in given if not one.running][:50],
        candidates=await consents.candidates(app, box),
        settled=await _settled(visit),
        blocked=[
            one for one in await writing_rules.known(app, box) if standings.get(one.member_id, Standing()).blocked
        ],
        labels=_labels(visit),
        hours=DELAYS.emergency_hours,
        done=done if done in DONE else "",
        error=error,
    )


async def _settled(visit: Visit) -> list[dict[str, Any]]:
    def pull(tx: Tx) -> list[dict[str, Any]]:
        return [
            {
                "name": one.name,
                "on": one.on,
                "since": reading.iso(one.since) if one.since else "",
                "by": consents.name_of(visit.app, tx, one.by),
            }
            for one in choices.stand(tx, visit.box.space_id)
        ]

    return await visit.app.db.read(pull)


def _labels(visit: Visit) -> dict[str, str]:
    """What the things are called in a list."""
    return {thing: names[visit.words.language == "en"] for thing, names in LABELS.items()}


def _times(visit: Visit, most: int = DELAYS.consent_days_most) -> list[tuple[int, str]]:
    """The times offered, up to so many days, which are offered too."""
    days = {days for days in DELAYS.consent_days_offered if days <= most}
    if most < DELAYS.consent_days_most:
        days.add(most)
    return [(one, lasting(one, visit.words.language)) for one in sorted(days)]


async def choose(visit: Visit) -> web.StreamResponse:
    """One choice changes; for one that opens wider, a second factor first."""
    _manages(visit)
    form = await read_fields(visit.request)
    on = form["state"] == choices.ON
    if choices.opens_wider(form["name"], on=on):
        await _proven(visit)
    await choices.change(visit.app, visit.box, form["name"], on=on)
    raise web.HTTPSeeOther(f"{visit.desk.base}{PAGE}?done=changed#choices")


async def withdraw(visit: Visit) -> web.StreamResponse:
    """A permission ends now."""
    _manages(visit)
    form = await read_fields(visit.request)
    try:
        await consents.withdraw(visit.app, visit.box, form["consent"])
    except Refused:
        pass  # it ended meanwhile: what was wanted is so
    raise web.HTTPSeeOther(f"{visit.desk.base}{PAGE}?done=withdrawn")


# ---- allowing somebody -----------------------------------------------------------------------------------------------


async def allow_page(visit: Visit) -> web.Response:
    """How, what and until when."""
    return await _allow_form(visit, Form())


async def _candidate(visit: Visit) -> Candidate:
    _manages(visit)
    wanted = visit.request.match_info["account"]
    for one in await consents.candidates(visit.app, visit.box):
        if one.account_id == wanted:
            return one
    raise Refused


async def _allow_form(visit: Visit, form: Form, error: str = "", status: int = 200) -> web.Response:
    one = await _candidate(visit)
    kinds = [EXPLICIT, CARE_TEAM]
    kinds += [TREATING] * one.doctor + [ADMINISTRATOR] * (not one.team)
    return visit.page(
        "sharing_allow.html",
        "documents",
        status=status,
        one=one,
        kinds=kinds,
        kind=form["kind"] or EXPLICIT,
        **_asking(visit, form, THINGS),
        error=error,
    )


def _asking(visit: Visit, form: Form, things: Any, most: int = DELAYS.consent_days_most) -> dict[str, Any]:
    times = _times(visit, most)
    return {
        "whole": WHOLE,
        "things": list(things),
        "labels": _labels(visit),
        "chosen": _ticked(form),
        "times": times,
        "days": form["days"] or str(times[min(1, len(times) - 1)][0]),
        "reason": form["reason"],
        "most_reason": consent.LONGEST_REASON,
        "nonce": nonce(),
    }


def _ticked(form: Form) -> list[str]:
    return [thing for thing in (WHOLE, *THINGS) if form[f"thing.{thing}"]]


def _things(form: Form) -> list[str]:
    """Those of a form, none for all of them. Raises `Invalid` when nothing is ticked."""
    ticked = _ticked(form)
    if not ticked:
        raise Invalid("nothing_chosen", "Choisissez ce qui peut être lu.")
    return [] if WHOLE in ticked else ticked


def _days(form: Form) -> int:
    return int(form["days"]) if form["days"].isdecimal() and len(form["days"]) < 6 else 0


async def allow(visit: Visit) -> web.StreamResponse:
    """From this instant; a strong permission asks for a second factor first."""
    one = await _candidate(visit)
    form = await read_fields(visit.request)
    if form["kind"] in STRONG:
        await _proven(visit)
    try:
        things = tuple(_things(form)) if form["kind"] == EXPLICIT else ()
        await consents.give(visit.app, visit.box, Giving(one.account_id, form["kind"], things, _days(form)))
    except StepUp:
        raise
    except PliError as error:
        return await _allow_form(visit, form, security.told(visit.words, error), error.status)
    raise web.HTTPSeeOther(f"{visit.desk.base}{PAGE}?done=allowed")


# ---- answering a request, with less than was asked -------------------------------------------------------------------


async def answer_page(visit: Visit) -> web.StreamResponse:
    """What of it, and for how long."""
    return await _answer_form(visit, Form())


async def _card(visit: Visit) -> tuple[Entry, dict[str, Any]]:
    """A request that waits for an answer, in this mailbox. Raises `Refused`."""
    _manages(visit)
    message = visit.request.match_info["card"]
    handle = await access.conversation_of_message(visit.app, visit.box, message)
    entry = await reading.message(visit.app, handle, message)
    card = entry.message.card
    if card is None or card.get("type") != consent.CARD:
        raise Refused
    return entry, card


async def _answer_form(visit: Visit, form: Form, error: str = "", status: int = 200) -> web.Response:
    entry, card = await _card(visit)
    back = f"{visit.desk.base}/c/{entry.conversation}#m-{entry.message.id}"
    if all(choice["action"] != "consent.allow" for choice in card["choices"]):
        raise web.HTTPSeeOther(back)
    asked = consent.asked_of(card)
    found = _asking(visit, form, asked.things or THINGS, asked.days)
    if not form.fields:
        found |= {"chosen": list(asked.things) or [WHOLE], "days": str(asked.days)}
    return visit.page(
        "sharing_answer.html", "messages", status=status, back=back, card=card, asked=asked, error=error, **found
    )


async def answer(visit: Visit) -> web.StreamResponse:
    """The card's own action, with what was chosen."""
    entry, card = await _card(visit)
    form = await read_fields(visit.request)
    asked = consent.asked_of(card)
    try:
        values = {"things": _things(form) or list(asked.things), "days": _days(form)}
        await acting.act(visit.app, visit.box, entry.message.id, "consent.allow", values, form["client_key"])
    except PliError as error:
        return await _answer_form(visit, form, security.told(visit.words, error), error.status)
    raise web.HTTPSeeOther(f"{visit.desk.base}/c/{entry.conversation}#m-{entry.message.id}")


# ---- a professional asks ---------------------------------------------------------------------------------------------


async def request_page(visit: Visit) -> web.Response:
    """What, for how long, and why: from a thread."""
    to = await _thread(visit)
    return await _request_form(visit, to.space_id, Form())


async def _thread(visit: Visit) -> ConversationHandle:
    if visit.box.owner_kind not in {"professional", "team"}:
        raise Refused
    return await access.conversation(visit.app, visit.box, visit.request.match_info["thread"])


async def _request_form(visit: Visit, space_id: str, form: Form, error: str = "", status: int = 200) -> web.Response:
    thread = visit.request.match_info.get("thread", "")
    return visit.page(
        "sharing_request.html",
        "messages",
        status=status,
        back=f"{visit.desk.base}/c/{thread}" if thread else "",
        patient=await patient_of(visit, space_id),
        error=error,
        **_asking(visit, form, THINGS),
    )


async def request(visit: Visit) -> web.StreamResponse:
    """The card goes into the thread."""
    to = await _thread(visit)
    form = await read_fields(visit.request)
    try:
        wish = consent.wish(_things(form), _days(form), form["reason"])
        await asking.ask(visit.app, visit.box, to, wish, _key(visit, form))
    except PliError as error:
        return await _request_form(visit, to.space_id, form, security.told(visit.words, error), error.status)
    raise web.HTTPSeeOther(f"{visit.desk.base}/c/{to.conversation_id}")


async def first_page(visit: Visit) -> web.Response:
    """As `request_page`, for a dossier that one found and may not read yet."""
    record = await _record(visit)
    return await _request_form(visit, record.space_id, Form())


async def _record(visit: Visit) -> DossierHandle:
    if visit.box.owner_kind not in {"professional", "team"}:
        raise Refused
    return await access.record_of(visit.app, visit.box, visit.request.match_info["record"])


async def first(visit: Visit) -> web.StreamResponse:
    """The card goes into the newest thread with this patient, or a new one."""
    record = await _record(visit)
    form = await read_fields(visit.request)
    try:
        wish = consent.wish(_things(form), _days(form), form["reason"])
        receipt = await asking.ask_first(visit.app, visit.box, record, wish, _key(visit, form))
    except PliError as error:
        return await _request_form(visit, record.space_id, form, security.told(visit.words, error), error.status)
    raise web.HTTPSeeOther(f"{visit.desk.base}/c/{receipt.conversation}")


def _key(visit: Visit, form: Form) -> str:
    return f"ask:{visit.actor.account_id}:{form['client_key'][:80]}" if form["client_key"] else ""
