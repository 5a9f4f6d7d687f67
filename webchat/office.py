"""What professionals and teams do on the web besides writing: the team's board, who takes a conversation, hours,
absences, texts. What a patient sees of it stands in the thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from aiohttp import web

from server import absence, handing, hours, reading, teams, templates
from server.access import TEAM
from server.errors import Invalid, PliError, Refused
from server.handles import ConversationHandle, MailboxHandle
from server.scopes import WRITE
from server.settings import PLACE
from storage import absences
from storage import teams as team_rows
from storage.database import Tx
from webchat import opening
from webchat.forms import Form, read_form
from webchat.security import told
from webchat.visit import Visit, nonce, route

if TYPE_CHECKING:
    from server.app import App

BOARD_STATES = ("waiting", "answered", "closed")


@dataclass(frozen=True, slots=True)
class Hours:
    """What a patient is told of somebody they write to, in words; '' where nothing is said."""

    name: str
    week: list[str]
    now: str
    answers: str
    away: str
    note: str


def add_routes(app: App, site: web.Application) -> None:
    """The board and its acts; hours, absences and texts of an office."""
    route(app, site, "GET", "/team", show_board)
    route(app, site, "POST", "/c/{conversation}/team", decide)
    route(app, site, "POST", "/c/{conversation}/person", ask_person, ("messages", "write"))
    route(app, site, "GET", "/hours", show_hours)
    route(app, site, "POST", "/hours", say_hours)
    route(app, site, "POST", "/absence", say_absence)
    route(app, site, "GET", "/templates", show_templates)
    route(app, site, "POST", "/templates", save_template)


# ---- the board -------------------------------------------------------------------------------------------------------


async def show_board(visit: Visit) -> web.Response:
    """Who waits and since when, who has it; then what is answered, and what is closed."""
    cases = await teams.board(visit.app, visit.box)
    wanted = visit.request.query.get("who", "")
    shown = [case for case in cases if _wanted(case, wanted, visit.actor.account_id)]
    groups = [(state, [case for case in shown if case.state == state]) for state in BOARD_STATES]
    waiting = [case for case in cases if case.state == "waiting"]
    counts = {who: sum(_wanted(case, who, visit.actor.account_id) for case in waiting) for who in ("", "mine", "free")}
    return visit.page(
        "board.html", "team", groups=groups, who=wanted, counts=counts, most=teams.BOARD, full=len(cases) >= teams.BOARD
    )


def _wanted(case: teams.Case, who: str, me: str) -> bool:
    return not who or (case.held_by == me if who == "mine" else not case.held_by)


async def decide(visit: Visit) -> web.StreamResponse:
    """Take, give, release, close or hand over a conversation of the team."""
    app, box, conversation = visit.app, visit.box, visit.request.match_info["conversation"]
    form = await read_form(visit.request)
    key = f"team:{visit.actor.account_id}:{form['client_key'][:200]}" if form["client_key"] else ""
    match form["do"]:
        case "take":
            await teams.take(app, box, conversation, form["held_by"])
        case "assign":
            await teams.assign(app, box, conversation, form["member"], form["held_by"])
        case "release":
            await teams.release(app, box, conversation)
        case "close":
            await teams.close(app, box, conversation, form["reason"], ends=form["ends"] == "1", retry_key=key)
        case "return":
            await handing.give_back(app, box, conversation, key)
        case "hand":
            await teams.hand_over(app, box, conversation, form["team"], stay=form["stay"] == "1", retry_key=key)
        case _:
            raise Invalid
    back = "/team" if form["back"] == "team" else f"/c/{conversation}"
    raise web.HTTPSeeOther(visit.desk.base + back)


async def ask_person(visit: Visit) -> web.StreamResponse:
    """The patient would rather be answered by somebody."""
    form, conversation = await read_form(visit.request), visit.request.match_info["conversation"]
    key = f"person:{visit.actor.account_id}:{form['client_key'][:200]}" if form["client_key"] else ""
    await handing.ask(visit.app, visit.box, conversation, retry_key=key)
    raise web.HTTPSeeOther(f"{visit.desk.base}/c/{conversation}")


# ---- in the thread ---------------------------------------------------------------------------------------------------


async def in_thread(visit: Visit, handle: ConversationHandle) -> dict[str, Any]:
    """What a thread shows of offices: who of the team has it; when those who read it do; the texts to begin from."""
    members = [contact.member_id for contact in await reading.people_in(visit.app, handle)]
    others = [member for member in members if member != handle.member]
    office = visit.box.owner_kind in {"professional", "team"}
    given = await handing.standing(visit.app, handle)
    mine = handle.member == handle.holder and visit.box.may(WRITE)
    return {
        "machine": mine and await handing.can_ask(visit.app, handle),
        "returns": given is not None and given.to_id == handle.member,
        "holding": await teams.holding(visit.app, visit.box, handle) if visit.box.ground == TEAM else None,
        "reasons": teams.REASONS,
        "hours": await _hours(visit, others),
        "templates": await templates.of_office(visit.app, visit.box) if office else [],
    }


def chosen(visit: Visit, values: dict[str, Any]) -> str:
    """The text that a link asked to begin from, for a browser without JavaScript; '' when none."""
    wanted = visit.request.query.get("template", "")
    return next((item.text for item in values["templates"] if item.id == wanted), "")


async def _hours(visit: Visit, members: list[str]) -> list[Hours]:
    words, moment = visit.words, visit.desk.now
    found = []
    for item in await hours.told(visit.app, members, moment):
        away = words("hours.away", date=words.moment(item.away_until)) if item.away_until else ""
        found.append(
            Hours(
                item.name,
                opening.week(words, item.week),
                opening.now(words, item, moment),
                opening.answers(words, item.answers_hours),
                away,
                item.away,
            )
        )
    return found


# ---- hours and absences ----------------------------------------------------------------------------------------------


async def show_hours(visit: Visit, *, error: str = "", status: int = 200, form: Form | None = None) -> web.Response:
    """The week as it is said, the absence in force, and how to change them."""
    account_id = _office(visit.box)
    known = await hours.of_account(visit.app, account_id)
    week = hours.week_of(known.week)
    typed = {
        day: form[f"day.{day}"] if form else ", ".join(f"{a:%H:%M}-{b:%H:%M}" for a, b in week.get(day, ()))
        for day in hours.DAYS
    }
    away = await visit.app.db.read(absences.in_force, account_id)
    return visit.page(
        "hours.html",
        "hours",
        status=status,
        error=error,
        typed=typed,
        chosen=known.answers_hours,
        choices=hours.ANSWERS,
        away=datetime.fromtimestamp(away.until_at / 1000, PLACE) if away else None,
        may=await _may_settle(visit, account_id),
        kept={name: form[name] if form else "" for name in ("from", "until", "text")},
        most_note=absence.MAX_NOTE,
    )


def _office(box: MailboxHandle) -> str:
    if box.owner_kind not in {"professional", "team"}:
        raise Refused
    return box.owner


async def _may_settle(visit: Visit, account_id: str) -> bool:
    def decide(tx: Tx) -> bool:
        return account_id == visit.actor.account_id or team_rows.role(tx, account_id, visit.actor.account_id) == (
            "manager"
        )

    return await visit.app.db.read(decide)


async def say_hours(visit: Visit) -> web.StreamResponse:
    """New hours, or none."""
    form = await read_form(visit.request)
    try:
        week = {day: hours.parse(form[f"day.{day}"]) for day in hours.DAYS}
        delay = int(form["answers"]) if form["answers"].isdecimal() else -1
        await hours.say(visit.app, visit.actor, _office(visit.box), week, delay)
    except PliError as error:
        return await show_hours(visit, error=told(visit.words, error), status=error.status, form=form)
    raise web.HTTPSeeOther(f"{visit.desk.base}/hours")


async def say_absence(visit: Visit) -> web.StreamResponse:
    """Away from a day to another, or back."""
    form = await read_form(visit.request)
    account_id = _office(visit.box)
    try:
        await visit.app.db.read(hours.may_settle, visit.actor, account_id)
        if form["do"] == "back":
            await absence.end(visit.app, account_id)
        else:
            start, end = _day(form["from"]), _day(form["until"]) + timedelta(days=1)
            await absence.declare(visit.app, account_id, start, end, form["text"])
    except PliError as error:
        return await show_hours(visit, error=told(visit.words, error), status=error.status, form=form)
    raise web.HTTPSeeOther(f"{visit.desk.base}/hours")


def _day(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=PLACE)
    except ValueError:
        raise Invalid("bad_dates", "Donnez le premier et le dernier jour de l’absence.") from None


# ---- texts -----------------------------------------------------------------------------------------------------------


async def show_templates(visit: Visit, *, error: str = "", status: int = 200, form: Form | None = None) -> web.Response:
    """The texts of this office, each with its form; and an empty one."""
    kept = {name: form[name] if form else "" for name in ("id", "title", "text")}
    found = await templates.of_office(visit.app, visit.box)
    return visit.page("templates.html", "templates", status=status, error=error, found=found, kept=kept, nonce=nonce())


async def save_template(visit: Visit) -> web.StreamResponse:
    """A text is added, changed or removed."""
    form = await read_form(visit.request)
    try:
        if form["do"] == "remove":
            await templates.remove(visit.app, visit.box, form["id"])
        else:
            await templates.save(visit.app, visit.box, form["title"], form["text"], form["id"])
    except PliError as error:
        return await show_templates(visit, error=told(visit.words, error), status=error.status, form=form)
    raise web.HTTPSeeOther(f"{visit.desk.base}/templates")
