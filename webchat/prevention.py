"""« Prévention »: what may be thought of now, later, what is done, and what one said of it.

    /prevention                  what is due, coming, put off, done, and what is not for this person
    /prevention/answer/{rule}    one recommendation: why, who says so, what was said of it, and what to answer
    /prevention/vaccines         the vaccines of a life, as a picture and as a table
    /prevention/situations       what one lives with that changes what is recommended

Information, never medical advice: each page says so. The three questions: `prevention_questions`; for a professional:
`prevention_record`. A form that was not right comes back with its sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from aiohttp import web

from server import access
from server.dossier import documents as shelf
from server.dossier import titles, vaccinations
from server.dossier.sources import Source
from server.errors import Invalid, PliError, Refused
from server.prevention import life_line, situations, statuses, summary
from server.prevention.engine import Standing
from server.prevention.situations import Entry, Kind
from server.prevention.statuses import Record, Saying
from server.prevention.summary import Stand
from server.scopes import WRITE
from webchat import charts, prevention_line
from webchat.forms import Form, read_fields
from webchat.health import at
from webchat.security import told
from webchat.visit import Visit, nonce, route
from webchat.words import Words

if TYPE_CHECKING:
    from server.app import App
    from server.handles import DossierHandle
    from storage.database import Tx

SECTION = "health"
PAGE = "/prevention"
MOST_PROOFS = 100
DONE = ("said", "withdrawn", "situation")
# Public sites: how they begin in the file of rules → as a patient knows them.
PUBLIC_SITES = {"ameli.fr": "ameli.fr", "service-public.fr": "service-public.fr", "legifrance": "legifrance.gouv.fr"}


@dataclass(frozen=True, slots=True)
class Item:
    """A standing as it is shown. `by`: who recommends it, in plain words, `sources`: all of them as the rules name
    them; `answer`: what was said, `answered`: by whom; `proofs`: who tells of it.
    """

    standing: Standing
    title: str
    text: str
    why: str
    by: str
    sources: tuple[str, ...]
    answer: Record | None
    answered: Source | None
    proofs: tuple[Source, ...]


def add_routes(app: App, site: web.Application) -> None:
    """For the holder, and a delegate with the scope dossier; to answer, one may write."""
    route(app, site, "GET", PAGE, show, ("dossier",))
    route(app, site, "GET", PAGE + "/answer/{rule}", show_rule, ("dossier",))
    route(app, site, "POST", PAGE + "/answer/{rule}", answer, ("dossier",))
    route(app, site, "GET", PAGE + "/vaccines", show_line, ("dossier",))
    route(app, site, "GET", PAGE + "/situations", show_situations, ("dossier",))
    route(app, site, "POST", PAGE + "/situations", say_situation, ("dossier",))


async def stand(visit: Visit, handle: DossierHandle) -> Stand:
    """Where the person of this handle stands."""
    return await visit.app.db.read(lambda tx: summary.stand(visit.app, tx, handle))


def item(visit: Visit, stood: Stand, one: Standing, name: str = "") -> Item:
    """A standing in the words of this visit. `name`: of who it is about, when that is somebody else."""
    words = visit.words
    title, text = one.rule.said(words.choice, name)
    sources = stood.gathered.sources
    answer = stood.gathered.answers.get(one.rule.id)
    if answer is not None and answer.state not in statuses.ANSWERS:
        answer = None
    where = [*(given.where for given in one.evidence), *([answer.facts.document] if answer else [])]
    told_by = [sources[proof] for proof in where if proof in sources]
    proofs = {(proof.document or proof.finding): proof for proof in told_by}  # a document says many things, once
    return Item(
        one,
        title,
        text,
        one.why[words.language == "en"],
        source(visit.words, one, stood),
        tuple(stood.rules.book.sources.get(code, code) for code in one.sources),
        answer,
        sources.get(answer.id) if answer else None,
        tuple(proof for where, proof in proofs.items() if answer is None or where != answer.id),
    )


def source(words: Words, one: Standing, stood: Stand) -> str:
    """Who recommends it, as a patient reads it: the schedule, the public sites that are named, else what was compiled
    and when.
    """
    if one.rule.kind == "vaccine":
        return words("prevention.source.vaccine")
    named = [stood.rules.book.sources.get(code, code) for code in one.sources]
    sites = [site for begins, site in PUBLIC_SITES.items() if any(text.startswith(begins) for text in named)]
    if sites:
        return words("prevention.source", source=", ".join(sites))
    try:
        month = date.fromisoformat(f"{stood.rules.book.version}-01")
    except ValueError:  # an operator's own rules
        return words("prevention.source.public")
    return words("prevention.source.compiled", month=words.month(month))


def called(visit: Visit) -> str:
    return visit.desk.space.first_name if visit.desk.acting else ""


async def show(visit: Visit) -> web.Response:
    """What may be thought of, the most useful first."""
    handle = await access.dossier(visit.app, visit.box)
    stood = await stand(visit, handle)
    done = visit.request.query.get("done", "")
    return visit.page(
        "prevention.html",
        SECTION,
        groups=groups(visit, stood, called(visit)),
        basis=stood.rules.book.version,
        done=done if done in DONE else "",
        may_say=visit.box.may(WRITE),
        at=at(visit),
    )


def groups(visit: Visit, stood: Stand, name: str = "") -> dict[str, list[Item]]:
    """now, coming, later, done, said (not concerned or not wished, as somebody said), others (by the rules alone)."""
    found: dict[str, list[Item]] = {group: [] for group in ("now", "coming", "later", "done", "said", "others")}
    for one in stood.standings:
        made = item(visit, stood, one, name)
        found[_group(made)].append(made)
    found["coming"].sort(key=lambda made: made.standing.since or date.max)
    found["done"].sort(key=lambda made: made.standing.since or date.min, reverse=True)
    return found


def _group(made: Item) -> str:
    state = made.standing.state
    if state in {summary.DUE, summary.LATE}:
        return "now"
    if state == summary.NOT_CONCERNED and (made.answer is None or made.answer.state != state):
        return "others"
    known = {summary.UPCOMING: "coming", summary.LATER: "later", summary.DONE: "done"}
    return known.get(state, "said")


# ---- one recommendation ----------------------------------------------------------------------------------------------


async def show_rule(visit: Visit) -> web.Response:
    """One recommendation."""
    return await _rule(visit, Form())


async def _rule(visit: Visit, form: Form, error: PliError | None = None) -> web.Response:
    handle = await access.dossier(visit.app, visit.box)
    rule = visit.request.match_info["rule"]

    def read(tx: Tx) -> tuple[Stand, list[tuple[str, str]]]:
        stood = summary.stand(visit.app, tx, handle)
        return stood, _papers(visit, tx, handle)

    stood, papers = await visit.app.db.read(read)
    return visit.page(
        "prevention_rule.html",
        SECTION,
        status=error.status if error else 200,
        item=item(visit, stood, stood.of_rule(rule), called(visit)),
        basis=stood.rules.book.version,
        papers=papers,
        months=statuses.MONTHS,
        kept=form,
        error=told(visit.words, error) if error else "",
        may_say=visit.box.may(WRITE),
        nonce=nonce(),
        at=at(visit),
    )


def _papers(visit: Visit, tx: Tx, handle: DossierHandle) -> list[tuple[str, str]]:
    """(id, title) of what may prove something, the newest filed first."""
    year = visit.desk.today.year
    current = [one for one in shelf.seen(tx, handle) if one.row.state == "current"][:MOST_PROOFS]
    return [(one.row.id, titles.of(one, visit.words.language, year).text) for one in current]


async def answer(visit: Visit) -> web.StreamResponse:
    """Somebody says that it is done, later, not for them, not wished; or takes that back."""
    form = await read_fields(visit.request)
    handle = await access.dossier(visit.app, visit.box)
    stood = await stand(visit, handle)
    rule = stood.of_rule(visit.request.match_info["rule"]).rule
    try:
        if form["do"] == statuses.WITHDRAWN:
            await statuses.withdraw(visit.app, visit.box, handle, rule, form["client_key"])
        else:
            await statuses.say(visit.app, visit.box, handle, rule, saying(form), form["client_key"])
    except Refused:
        raise
    except PliError as error:
        return await _rule(visit, form, error)
    done = "withdrawn" if form["do"] == statuses.WITHDRAWN else "said"
    raise web.HTTPSeeOther(f"{visit.desk.base}{PAGE}?done={done}#r-{rule.id}")


def saying(form: Form) -> Saying:
    """What a form says. Raises `Invalid`."""
    match form["do"]:
        case statuses.DONE:
            return Saying(statuses.DONE, form["on"], document=form["document"][:60])
        case statuses.LATER:
            return Saying(statuses.LATER, until=form["until"]) if form["until"] else statuses.later(form["months"])
        case statuses.NOT_CONCERNED | statuses.REFUSED as state:
            return Saying(state)
    raise Invalid


# ---- the vaccines of a life ------------------------------------------------------------------------------------------


async def show_line(visit: Visit) -> web.Response:
    """The picture, and the same as a table."""
    handle = await access.dossier(visit.app, visit.box)
    stood = await stand(visit, handle)
    return visit.page("prevention_vaccines.html", SECTION, basis=stood.rules.book.version, **drawn(visit.words, stood))


def drawn(words: Words, stood: Stand) -> dict[str, Any]:
    """`picture`, `legend`, `table`: markup; all empty when nothing is known and nothing is due."""
    names = {slug: vaccinations.said(slug, words.language) for slug in vaccinations.TABLE.diseases}
    person, today = stood.gathered.person, stood.today
    rows = life_line.of(stood.gathered.all_given(), stood.standings, stood.rules.by_id, names, today)
    if not rows:
        return {"picture": "", "legend": "", "table": ""}
    first, last = life_line.ends(person.birth, rows, today)
    head = [words("prevention.line.disease"), words("prevention.line.given"), words("prevention.line.next")]
    return {
        "picture": prevention_line.picture(rows, first, last, today, words, key="life"),
        "legend": prevention_line.legend(rows, words),
        "table": charts.table(words("prevention.line.table"), head, [_cells(words, row) for row in rows]),
    }


def _cells(words: Words, row: life_line.Row) -> Sequence[str]:
    done = [
        words("prevention.line.said_on", date=when) if dose.kind == life_line.SAID else when
        for dose in row.of(life_line.DONE, life_line.SAID)
        for when in [words.date(dose.at) if dose.at else words("vaccinations.undated")]
    ]
    if row.of(life_line.DUE):
        following = words("prevention.line.due")
    else:
        days = [dose.at for dose in row.of(life_line.EXPECTED) if dose.at]
        following = words("prevention.from", date=words.date(days[0])) if days else ""
    return row.name, ", ".join(done) or words("prevention.line.nothing"), following


# ---- situations ------------------------------------------------------------------------------------------------------


async def show_situations(visit: Visit) -> web.Response:
    """What was said, and what may be."""
    return await _situations(visit)


async def _situations(visit: Visit, error: PliError | None = None, wrong: str = "") -> web.Response:
    handle = await access.dossier(visit.app, visit.box)
    stood = await stand(visit, handle)
    person, entries = stood.gathered.person, {one.kind: one for one in stood.gathered.situations}
    first: list[tuple[Kind, Entry | None, Source | None]] = []
    others = first.copy()
    for kind in situations.kinds().values():
        entry = entries.get(kind.slug)
        if entry or kind.concerns(person.birth, person.sex, stood.today):
            said = (kind, entry, stood.gathered.sources.get(entry.id) if entry else None)
            (first if entry or kind.first or kind.slug == wrong else others).append(said)
    done = visit.request.query.get("done", "")
    return visit.page(
        "prevention_situations.html",
        SECTION,
        status=error.status if error else 200,
        first=first,
        others=others,
        english=visit.words.language == "en",
        error=told(visit.words, error) if error else "",
        wrong_kind=wrong,
        done=done if done in DONE else "",
        may_say=visit.box.may(WRITE),
        nonce=nonce(),
        at=at(visit),
    )


async def say_situation(visit: Visit) -> web.StreamResponse:
    """« Oui », « non », or taken back."""
    form = await read_fields(visit.request)
    handle = await access.dossier(visit.app, visit.box)
    try:
        facts = situations.checked(form["kind"], form["do"], form["day"])
        await situations.say(visit.app, visit.box, handle, facts, form["do"], form["client_key"])
    except Refused:
        raise
    except PliError as error:
        return await _situations(visit, error, form["kind"])
    raise web.HTTPSeeOther(f"{visit.desk.base}{PAGE}/situations?done=situation#s-{facts.kind}")
