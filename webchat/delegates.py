"""« Les personnes qui agissent » (/account/people): who acts for me, for whom I act, invitations and codes, what
happened.

In somebody else's space (`/for/{mailbox}/account/people`) a legal representative finds the same, for the child; a
helper finds what they were trusted with, and the way to stop. A code never stands in an address: it is typed in a form,
and shown once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from server import delegates, entourage, invitations, step_up
from server.delegates import HELPER, HELPERS_PER_PERSON, PEOPLE_PER_HELPER, REPRESENTATIVE, REPRESENTATIVES
from server.entourage import Acting, Overview
from server.errors import PliError, Refused, StepUp
from server.scopes import AREAS, WRITE
from webchat import security
from webchat.forms import Form, read_fields
from webchat.visit import Visit, route

if TYPE_CHECKING:
    from server.app import App

PAGE = "/account/people"
MONTHS = (1, 3, 6, 12)
DONE = ("invited", "withdrawn", "accepted", "refused", "changed", "ended", "resigned")


def add_routes(app: App, site: web.Application) -> None:
    """Each page decides itself who may: `needs` is empty, so that who has any delegation sees what it is."""
    for method, path, page in (
        ("GET", "", show),
        ("GET", "/invite", invite_page),
        ("POST", "/invite", invite),
        ("POST", "/withdraw", withdraw),
        ("GET", "/code", code_page),
        ("POST", "/code", ask),
        ("POST", "/accept", accept),
        ("POST", "/refuse", refuse),
        ("GET", "/change/{account}", change_page),
        ("POST", "/change/{account}", change),
        ("POST", "/end", end),
        ("POST", "/resign", resign),
        ("GET", "/proof/{account}", proof),
    ):
        route(app, site, method, PAGE + path, page, ())


async def _proven(visit: Visit) -> None:
    """A dangerous act: the second factor was given a few minutes ago. Raises `StepUp`."""
    await step_up.require(visit.app, security.session_secret(visit.app, visit.request))


def _manages(visit: Visit) -> None:
    if visit.box.ground not in {"self", REPRESENTATIVE} or visit.box.owner_kind != "holder":
        raise Refused


async def show(visit: Visit) -> web.Response:
    """Everybody, and what happened."""
    return await _overview(visit)


async def _overview(visit: Visit, error: str = "", status: int = 200) -> web.Response:
    seen = await entourage.overview(visit.app, visit.box)
    done = visit.request.query.get("done", "")
    helper = visit.box.ground == HELPER
    return visit.page(
        "people.html",
        "account",
        status=status,
        acting=[one for one in seen.acting if not helper or one.account_id == visit.actor.account_id],
        past=[] if helper else seen.past,
        expected=[] if helper else seen.expected,
        history=[] if helper else seen.history,
        minor=seen.minor,
        helper=helper,
        room=_room(visit, seen),
        own=visit.box.ground == "self",
        me=visit.actor.account_id,
        done=done if done in DONE else "",
        error=error,
        **_said(),
    )


def _said() -> dict[str, Any]:
    """What the pages say beforehand."""
    return {"areas": AREAS, "write": WRITE, "most_helpers": HELPERS_PER_PERSON, "most_helped": PEOPLE_PER_HELPER}


def _room(visit: Visit, seen: Overview) -> str:
    """Whom may be invited here now: helper, representative, '' nobody, or full."""
    kind = REPRESENTATIVE if seen.minor else HELPER
    if visit.box.ground != ("self" if kind == HELPER else REPRESENTATIVE):
        return ""
    there = [one.kind for one in seen.acting] + [one.kind for one in seen.expected]
    return kind if there.count(kind) < (HELPERS_PER_PERSON if kind == HELPER else REPRESENTATIVES) else "full"


async def invite_page(visit: Visit) -> web.Response:
    """Whom, for what, until when; who it is is proven before anything is written."""
    _manages(visit)
    await _proven(visit)
    return await _invite_form(visit, Form())


async def _invite_form(visit: Visit, form: Form, error: str = "", status: int = 200) -> web.Response:
    seen = await entourage.overview(visit.app, visit.box)
    kind = _room(visit, seen)
    if not kind:
        raise Refused
    months = _months(visit)
    return visit.page(
        "people_invite.html",
        "account",
        status=status,
        kind=kind,
        error=error,
        name=form["name"],
        chosen=_chosen(form) or frozenset({"messages"}),
        months=months,
        month=form["months"] or str(months[-1]),
        days=invitations.CODE_DAYS,
        **_said(),
    )


def _months(visit: Visit) -> list[int]:
    most = visit.app.settings.helper_months
    return sorted({months for months in MONTHS if months <= most} | {most})


def _chosen(form: Form) -> frozenset[str]:
    return frozenset(name for name in (*AREAS, WRITE) if form[f"scope.{name}"])


def _count(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 4 else 0


async def invite(visit: Visit) -> web.Response:
    """The code, shown once."""
    _manages(visit)
    form = await read_fields(visit.request)
    await _proven(visit)
    kind = REPRESENTATIVE if form["kind"] == REPRESENTATIVE else HELPER
    try:
        code = await invitations.invite(
            visit.app, visit.box, kind, form["name"], _chosen(form), _count(form["months"]), sworn=form["sworn"] == "1"
        )
    except StepUp:
        raise
    except PliError as error:
        return await _invite_form(visit, form, security.told(visit.words, error), error.status)
    name = " ".join(form["name"].split())
    return visit.page("people_code.html", "account", code=code, name=name, days=invitations.CODE_DAYS)


async def withdraw(visit: Visit) -> web.StreamResponse:
    """A code works no more."""
    form = await read_fields(visit.request)
    await _proven(visit)
    await invitations.withdraw(visit.app, visit.box, form["id"])
    raise web.HTTPSeeOther(f"{visit.desk.base}{PAGE}?done=withdrawn")


# ---- a code that one was given ----


async def code_page(visit: Visit) -> web.Response:
    """Where a code is typed: in one's own name, so in one's own space."""
    if visit.box.ground != "self" or visit.actor.kind != "holder":
        raise Refused
    await _proven(visit)
    return visit.page("people_ask.html", "account", asked=None, code="", error="", **_said())


async def ask(visit: Visit) -> web.Response:
    """Who asks, and what: before anything is accepted."""
    form = await read_fields(visit.request)
    return await _asked(visit, form["code"])


async def _asked(visit: Visit, code: str, error: str = "", status: int = 200) -> web.Response:
    if visit.box.ground != "self":
        raise Refused
    asked = None
    try:
        asked = await invitations.asked(visit.app, visit.actor, code)
    except PliError as said:
        error, status = error or security.told(visit.words, said), said.status
    return visit.page("people_ask.html", "account", status=status, asked=asked, code=code, error=error, **_said())


async def accept(visit: Visit) -> web.StreamResponse:
    """From now on one acts for them."""
    form = await read_fields(visit.request)
    if visit.box.ground != "self":
        raise Refused
    await _proven(visit)
    try:
        mailbox_id = await invitations.accept(visit.app, visit.actor, form["code"], sworn=form["sworn"] == "1")
    except PliError as error:
        return await _asked(visit, form["code"], security.told(visit.words, error), error.status)
    raise web.HTTPSeeOther(f"/for/{mailbox_id}{PAGE}?done=accepted")


async def refuse(visit: Visit) -> web.StreamResponse:
    """One will not."""
    form = await read_fields(visit.request)
    if visit.box.ground != "self":
        raise Refused
    await invitations.refuse(visit.app, visit.actor, form["code"])
    raise web.HTTPSeeOther(f"{PAGE}?done=refused")


# ---- what changes, and the end ----


async def _helper(visit: Visit) -> Acting:
    """The helper that the address names. Raises `Refused`."""
    seen = await entourage.overview(visit.app, visit.box)
    for one in seen.acting:
        if one.account_id == visit.request.match_info["account"] and one.kind == HELPER:
            return one
    raise Refused


async def change_page(visit: Visit) -> web.Response:
    """What a helper may from now on, and until when."""
    _manages(visit)
    await _proven(visit)
    one = await _helper(visit)
    return _change_form(visit, one, one.scopes)


def _change_form(visit: Visit, one: Acting, chosen: frozenset[str], error: str = "", status: int = 200) -> web.Response:
    months = _months(visit)
    return visit.page(
        "people_change.html",
        "account",
        status=status,
        one=one,
        chosen=chosen,
        months=months,
        month=str(months[-1]),
        error=error,
        **_said(),
    )


async def change(visit: Visit) -> web.StreamResponse:
    """It holds from this instant."""
    _manages(visit)
    form = await read_fields(visit.request)
    await _proven(visit)
    one = await _helper(visit)
    try:
        await delegates.change(visit.app, visit.box, one.account_id, _chosen(form), _count(form["months"]))
    except PliError as error:
        return _change_form(visit, one, _chosen(form), security.told(visit.words, error), error.status)
    raise web.HTTPSeeOther(f"{visit.desk.base}{PAGE}?done=changed")


async def end(visit: Visit) -> web.StreamResponse:
    """A helper's right ends now."""
    form = await read_fields(visit.request)
    await _proven(visit)
    await delegates.end(visit.app, visit.box, form["account"])
    raise web.HTTPSeeOther(f"{visit.desk.base}{PAGE}?done=ended")


async def resign(visit: Visit) -> web.StreamResponse:
    """A helper stops, and is at home again."""
    await _proven(visit)
    await delegates.resign(visit.app, visit.box)
    raise web.HTTPSeeOther(f"{PAGE}?done=resigned")


async def proof(visit: Visit) -> web.Response:
    """A page to print: who may act for whom, for what, until when."""
    account_id, seen = visit.request.match_info["account"], await entourage.overview(visit.app, visit.box)
    if visit.box.ground == HELPER and account_id != visit.actor.account_id:
        raise Refused
    for one in seen.acting:
        if one.account_id == account_id:
            return visit.page("people_proof.html", "account", one=one, **_said())
    raise Refused
