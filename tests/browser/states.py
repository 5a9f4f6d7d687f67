"""Every page and every state of it, one table of over 400 lines: who looks, where, and what they do there first.

Addresses name what `tests.browser.everything` made. `tests/laws/test_states.py` fails when a page of
`tests/laws/matrix.py` is not here. `tests/browser/test_axe_pages.py` looks at each.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from playwright.async_api import Page, Route, expect

from storage.database import DatabaseDown
from storage.ids import now_ms
from tests.browser import asked, endings
from tests.browser.everything import Everything
from tests.laws.matrix import PAGES

Doing = Callable[[Page, Everything], Awaitable[object]]


@dataclass(frozen=True)
class State:
    """`who`: of the cast, '' for nobody. `open`: with every fold open; not where a menu is what one looks at."""

    who: str
    path: str
    do: Doing | None = None
    open: bool = True
    name: str = ""

    @property
    def told(self) -> str:
        return f"{self.who or 'nobody'} {self.path} {self.name}".strip()


# Nothing of these is shown as a page of ours.
NO_PAGES = {
    "/rows": "a piece of the list",
    "/c/{conversation}/entries": "a piece of a thread",
    "/c/{conversation}/m/{message}": "a piece of a thread",
    "/c/{conversation}/m/{message}/html": "somebody else's letter, in a frame of the thread",
    "/files/{space}/{attachment}": "the file itself",
    "/files/{space}/{attachment}/page": "a picture",
    "/files/{space}/{attachment}/thumbnail": "a picture",
    "/documents/{document}": "the file itself",
    "/documents/{document}/page": "a picture",
    "/documents/{document}/thumbnail": "a picture",
    "/journal/file": "a file",
    "/patient/{space}/documents/{document}": "the file itself",
    "/patient/{space}/documents/{document}/page": "a picture",
    "/patient/{space}/documents/{document}/thumbnail": "a picture",
    "/account/notices/offer": "a piece of the list",
    "/agenda/{appointment}/rendez-vous.ics": "a file",
    "/feeds/{secret}.ics": "a file",
    "/questionnaires/{form}/file": "a file",
    "/export/standing": "figures for the script of the page",
    "/export/{copy}/{volume}": "a file",
    "/sign-in/franceconnect": "leads elsewhere",
    "/sign-in/franceconnect/back": "looked at in test_providers, where a provider answers",
    "/sign-in/psc": "leads elsewhere",
    "/sign-in/psc/back": "looked at in test_providers, where a provider answers",
    "/sign-out/franceconnect": "leads elsewhere",
    "/sign-out/psc": "leads elsewhere",
    "/manifest.webmanifest": "no page",
    "/.well-known/autoconfig/mail/config-v1.1.xml": "for mail programs",
    "/mail/config-v1.1.xml": "for mail programs",
    "/{autodiscover}": "for mail programs",
    "/{discover}": "for mail programs",
    "/mail/pli.mobileconfig": "a file",
    "/sw.js": "no page",
    "/offline": "leads home; without a network, what the service worker shows: test_offline",
}
# Looked at in tests of their own, where what they need answers.
ELSEWHERE = {
    "/sign-in/step": "test_axe_door",
    "/sign-in/{link}": "test_axe_door",
    "/sign-in/lost": "test_axe_door",
    "/offline/copy": "`keep_offline` leads there",
}


# ---- what somebody does first ----------------------------------------------------------------------------------------


def press(name: str, role: str = "button") -> Doing:
    async def do(page: Page, _scene: Everything) -> None:
        await page.locator("main").get_by_role(role, name=re.compile(name)).first.click()  # type: ignore[arg-type]

    return do


def unfold(summary: str) -> Doing:
    async def do(page: Page, _scene: Everything) -> None:
        await page.locator(summary).first.click()

    return do


def submit(form: str, **fields: str) -> Doing:
    """Fill in a form and send it, whatever the browser itself thinks of what was typed; until a page answers."""

    async def do(page: Page, _scene: Everything) -> None:
        typed = (
            "(form, fields) => { for (const name in fields) form.elements[name].value = fields[name]; form.submit(); }"
        )
        async with page.expect_navigation():
            await page.locator(form).first.evaluate(typed, fields)

    return do


async def invite(page: Page, _scene: Everything) -> None:
    await page.fill("#name", "Ma fille")
    await page.locator("form.asking input[type=checkbox]").first.check()
    await press("Obtenir le code")(page, _scene)
    await page.wait_for_selector(".code")


async def be_asked(page: Page, scene: Everything) -> None:
    """Nadia asks Dominique to help her: what Dominique reads before she accepts."""
    other = await page.context.browser.new_context()  # type: ignore[union-attr]
    await other.add_cookies([{"name": "pli", "value": await scene.house.session("nadia"), "url": scene.house.http}])
    hers = await other.new_page()
    await hers.goto(f"{scene.house.http}/account/people/invite")
    await invite(hers, scene)
    code = await hers.locator(".code").inner_text()
    await other.close()
    await submit("form.asking", code=code)(page, scene)


async def weaken(page: Page, scene: Everything) -> None:
    """Her second factor was given long ago."""
    await scene.house.app.db.write(
        lambda tx: tx.run(
            "UPDATE credentials SET strong_at = :at WHERE account_id = :me",
            at=now_ms() - 86_400_000, me=scene.house.nadia.account_id,
        )
    )  # fmt: skip
    await page.goto(f"{scene.house.http}/step-up?back=/account/devices")


async def keep_offline(page: Page, scene: Everything) -> None:
    async with page.expect_navigation():
        await page.evaluate("document.querySelector('#offline button').click()")
    await page.goto(f"{scene.house.http}/offline/copy")


async def cross_origin(page: Page, _scene: Everything) -> None:
    async def lie(route: Route) -> None:
        headers = {**route.request.headers, "origin": "https://elsewhere.example", "sec-fetch-site": "cross-site"}
        await route.continue_(headers=headers)

    await page.route("**/display", lie)
    await submit("main form")(page, _scene)
    await page.unroute("**/display")


async def too_much(page: Page, _scene: Everything) -> None:
    script = """() => { const form = document.querySelector('main form'), text = document.createElement('textarea');
      text.name = 'much'; text.value = 'x'.repeat(3e6); form.append(text); form.submit(); }"""
    async with page.expect_navigation():
        await page.evaluate(script)


def broken(error: Exception) -> Doing:
    """The database, for one page, is gone; or we made a mistake."""

    async def do(page: Page, scene: Everything) -> None:
        database = scene.house.app.db

        async def fails(*_args: object, **_more: object) -> None:
            raise error

        database.read = fails  # type: ignore[method-assign, assignment]
        try:
            await page.goto(scene.house.http + "/documents")
        finally:
            del database.read

    return do


async def offline(page: Page, _scene: Everything) -> None:
    """What one writes without a network."""
    await page.wait_for_selector("[data-connected]")
    await page.context.set_offline(True)
    await page.fill("#text", "Un mot")
    await page.keyboard.press("Control+Enter")
    await expect(page.get_by_role("button", name="Réessayer")).to_be_visible()
    await page.context.set_offline(False)


# ---- the table -------------------------------------------------------------------------------------------------------

LIST = [
    State("dominique", "/"),
    State("dominique", "/", unfold(".row-menu > summary"), open=False, name="what can be done with a row"),
    State("dominique", "/", unfold(".menu > summary"), open=False, name="the menu"),
    State("dominique", "/", unfold(".spaces > summary"), open=False, name="the other spaces"),
    *(State("dominique", f"/?filter={name}") for name in ("unread", "asks", "papers", "archived", "professionals")),
    State("dominique", "/?filter=label&label={label}&done=archived&c={letter}", name="with what was just done"),
    State("dominique", "/search?q=operation"),
    State("dominique", "/search?q=introuvable"),
    State("dominique", "/labels"),
    State("dominique", "/c/{letter}/labels"),
]
THREADS = [
    *(State("dominique", f"/c/{{{name}}}") for name in (
        "letter", "long", "several", "ended", "blocked", "failed", "answered", "granted", "files", "taken", "handed",
    )),
    State("dominique", "/c/{several}?reply={mine}", name="answering one of several"),
    State("dominique", "/c/{several}", unfold(".composer .add > summary"), name="what can be added"),
    State("dominique", "/c/{several}", offline, name="not sent"),
    State("dominique", "/c/{several}/m/{mine}/correct"),
    State("dominique", "/c/{several}/m/{mine}/correct", submit("main form", text=""), name="nothing typed"),
]  # fmt: skip
READING = [
    State("dominique", "/files/{space}/{report}/view"),
    State("dominique", "/files/{space}/{report}/read"),
    *(State("dominique", f"/files/{{space}}/{{{name}}}/view") for name in ("pdf", "text", "image", "archive", "data")),
    State("dominique", "/files/{space}/{pdf}/view?page=2&zoom=3", name="larger"),
    State("dominique", "/documents"),
    State("dominique", "/documents?choose=1", name="to choose several"),
    State("dominique", "/documents?q=introuvable", name="nothing found"),
    State("dominique", "/documents/add"),
    State("dominique", "/documents/add", submit("main form", title="Sans fichier"), name="nothing chosen"),
    State("dominique", "/documents/{document}/manage"),
    State("dominique", "/documents/{document}/manage", press("Masquer aux professionnels"), name="hidden"),
    State("dominique", "/documents/{document}/view"),
    State("dominique", "/documents/{document}/read"),
    State("dominique", "/documents/{document}/readers"),
    State("dominique", "/journal"),
    State("dominique", "/journal?who=me", name="one's own acts"),
    State("dominique", "/agenda"),
    State("dominique", "/agenda?view=week", name="a week"),
    State("dominique", "/agenda?view=month", name="a month"),
    State("dominique", "/agenda/new"),
    State("dominique", "/agenda/new", submit(".agenda-form", date="2026-12-01"), name="nothing typed"),
    State("dominique", "/agenda/{planned}"),
    State("dominique", "/agenda/{noted}", name="noted alone"),
    State("dominique", "/agenda/{noted}/change"),
    State("dominique", "/agenda/feeds"),
    State("dominique", "/agenda/feeds", submit(".agenda-form", name="Mon ordinateur"), name="a new address"),
    State("dominique", "/c/{noting}", name="an appointment to note"),
    State("dominique", "/ask"),
    State("dominique", "/ask", submit(".ask"), name="nothing typed"),
    State("dominique", "/measures"),
    State("dominique", "/measures", submit(".measure-say", text="38,5"), name="not understood"),
    State("dominique", "/measures/{pressure}"),
    State("dominique", "/measures/{weight}", submit("#form form", value="720"), name="is it right"),
    State("dominique", "/c/{noting}", name="a measure to note"),
    State("dominique", "/health"),
    State("dominique", "/health/results"),
    State("dominique", "/health/results?by=document", name="by document"),
    State("dominique", "/health/results/{analyte}"),
    State("dominique", "/health/vaccinations?order=disease"),
    State("dominique", "/health/profile"),
    State("dominique", "/health/profile/{allergies}?edit={allergy}", name="to correct"),
    State("dominique", "/health/profile/{allergies}", submit(".profile-form", do="enter"), name="not right"),
    State("dominique", "/health/profile/{disabilities}", name="does not concern her"),
    State("dominique", "/health/profile/{directives}"),
    State("dominique", "/health/profile/{lifestyle}"),
    State("dominique", "/prevention"),
    State("dominique", "/prevention/answer/{rule}", unfold(".prevent-sources summary"), name="every source"),
    State("dominique", "/prevention/answer/{rule}", submit(".prevent-form:has(#on)", on="2999-01-01"), name="not yet"),
    State("dominique", "/prevention/reminders"),
    State("dominique", "/prevention/reminders", press("Mettre en pause"), name="paused"),
    State("dominique", "/prevention/vaccines"),
    State("dominique", "/prevention/situations"),
    State("dominique", "/prevention/situations", press("Oui : Grossesse"), name="a date is missing"),
    *(State("dominique", f"/prevention/questions?step={step}") for step in (1, 2, 3, 4)),
    State("dominique", "/services"),
    State("dominique", "/new"),
    State("dominique", "/c/{long}/new"),
    State("dominique", "/c/{long}/new", submit("#write", text="", subject="Question"), name="nothing typed"),
    State("dominique", "/drafts"),
    State("dominique", "/drafts/{draft}"),
    State("dominique", "/drafts/{draft}/attach"),
]
ACCOUNT = [
    State("dominique", "/account"),
    State("dominique", "/account/security"),
    State("dominique", "/account/devices"),
    State("dominique", "/account/notices"),
    State("dominique", "/notices/{notice}"),
    State("dominique", "/account/people"),
    State("dominique", "/account/people/code"),
    State("dominique", "/account/people/code", submit("form.asking", code="2222 3333"), name="a wrong code"),
    State("dominique", "/account/people/code", be_asked, name="what one is asked"),
    State("dominique", "/account/notices", keep_offline, name="the copy for when there is no network"),
    State("dominique", "/sharing"),
    State("dominique", "/sharing/allow/{reader}"),
    State("dominique", "/sharing/allow/{reader}", submit("form.asking"), name="nothing ticked"),
    State("dominique", "/sharing/ask/{request}"),
    State("dominique", "/c/{long}", name="somebody asks to read"),
]  # fmt: skip
OTHERS = [
    State("nadia", "/", name="nothing yet"),
    State("nadia", "/documents", name="nothing yet"),
    State("nadia", "/agenda", name="nothing yet"),
    State("nadia", "/health", name="nothing yet"),
    State("nadia", "/health/results", name="nothing yet"),
    State("nadia", "/health/vaccinations", name="nothing yet"),
    State("nadia", "/measures", name="nothing yet"),
    State("nadia", "/measures/{fever}", name="nothing yet"),
    State("nadia", "/services", name="nothing yet"),
    State("nadia", "/sharing", name="nothing yet"),
    State("nadia", "/drafts", name="nothing yet"),
    State("nadia", "/new", name="nobody to write to"),
    State("nadia", "/account/security", name="with an app"),
    State("nadia", "/account/security", press("Ajouter une application"), name="an app to add"),
    State("nadia", "/account/people/invite"),
    State("nadia", "/account/people/invite", submit("form.asking", name="Léa"), name="nothing chosen"),
    State("nadia", "/account/people/invite", invite, name="the code"),
    State("nadia", "/step-up", weaken),
    State("nadia", "/account", open=False),
    State("marcel", "/"),
    State("marcel", "/c/{asked}"),
    State("marcel", "/c/{reminder}"),
    State("marcel", "/documents"),
    State("marcel", "/account/people"),
    State("marcel", "/account/people/change/{helped_by}"),
    State("marcel", "/account/people/proof/{helped_by}"),
]
ACTING = [
    State("dominique", "{camille}/"),
    State("dominique", "{camille}/c/{child}"),
    State("dominique", "{camille}/documents"),
    State("dominique", "{camille}/documents/add"),
    State("dominique", "{camille}/agenda"),
    State("dominique", "{camille}/health"),
    State("dominique", "{camille}/health/profile"),
    State("dominique", "{camille}/measures"),
    State("dominique", "{camille}/prevention"),
    State("dominique", "{camille}/prevention/vaccines"),
    State("dominique", "{camille}/prevention/questions?step=2"),
    State("dominique", "{camille}/measures/{height}"),
    State("dominique", "{camille}/services"),
    State("dominique", "{camille}/new"),
    State("dominique", "{camille}/account"),
    State("dominique", "{camille}/account/people"),
    State("dominique", "{camille}/account/people/invite"),
    State("dominique", "{camille}/search?q=operation"),
    State("dominique", "{marcel}/", name="a helper who may only read"),
    State("dominique", "{marcel}/c/{helped}"),
    State("dominique", "{marcel}/account/people"),
    State("dominique", "{marcel}/documents", name="not hers to see"),
]
OFFICES = [
    State("morel", "/mail"),
    State("morel", "/account/mail"),
    State("morel", "/account/mail", submit(".mail-new", name="Thunderbird au cabinet"), name="a new password"),
    State("morel", "/account/mail", submit(".mail-new", name=""), name="without a name"),
    State("morel", "{anesthesia}/mail", name="of a team"),
    State("morel", "/"),
    State("morel", "/?filter=followed", unfold(".row-menu > summary"), open=False, name="to follow up"),
    State("morel", "/c/{letter}"),
    State("morel", "/c/{letter}", unfold(".thread-marks .row-menu > summary"), open=False, name="how it is kept"),
    State("morel", "/c/{several}"),
    State("morel", "/sharing/request/{letter}"),
    State("morel", "/sharing/request/{letter}", submit("form.asking", reason="x"), name="nothing ticked"),
    State("morel", "/sharing/first/{space}"),
    State("morel", "/planning", name="nothing yet"),
    State("morel", "/planning?view=week&day={in_nine}", name="a week"),
    State("morel", "/planning/new"),
    State("morel", "/planning/new", submit(".slot-form", title="Suivi", **{"date.1": "2020-01-01"}), name="not right"),
    State("morel", "/planning/conversation/{letter}"),
    State("morel", "/planning/{space}/{wished}", name="a wish to answer"),
    State("petit", "{admissions}/planning/{space}/{due_taken}", unfold("details.fold > summary"), name="to move"),
    State("dominique", "/c/{moments}", name="three moments"),
    State("dominique", "/c/{sessions}", name="ten sessions"),
    State("morel", "/hours"),
    State("morel", "/templates"),
    State("morel", "/new"),
    State("morel", "/drafts", name="of a mail program"),
    State("morel", "/drafts/{mail_draft}", name="of a mail program"),
    State("morel", "/files/{space}/{report}/view"),
    State("morel", "{anesthesia}/hours", name="not hers to settle"),
    State("petit", "/", name="nothing yet"),
    State("petit", "{admissions}/"),
    State("petit", "{admissions}/team"),
    State("petit", "{admissions}/team?who=mine"),
    State("petit", "{admissions}/c/{taken}"),
    State("petit", "{admissions}/c/{waits}"),
    State("petit", "{admissions}/c/{handed}"),
    State("petit", "{admissions}/hours"),
    State("petit", "{admissions}/ready"),
    State("petit", "{admissions}/ready?day=demain", name="no day"),
    State("petit", "{admissions}/hours", submit(".hours-form", **{"day.mon": "soir"}), name="no hours"),
    State("petit", "{admissions}/templates"),
    State("morel", "/sequences", name="none yet"),
    State("morel", "/sequences", submit("main form:has([name=name])", name=" "), name="no name"),
    State("petit", "{admissions}/sequences"),
    State("petit", "{admissions}/sequences/{sequence}"),
    State("petit", "{admissions}/sequences/{sequence}?day=demain", name="no day"),
    State("petit", "{admissions}/sequences/{sequence}/steps/{step}"),
    State(
        "petit", "{admissions}/sequences/{sequence}/steps/new", submit(".step-form", text="{nom}"), name="no such word"
    ),
    State("petit", "{admissions}/bound/{waits}"),
    State("petit", "{admissions}/bound/{handed}", name="no appointment"),
    State(
        "petit", "{admissions}/templates", submit("main form:has([name=title])", title="", text="y"), name="no title"
    ),
]
OPERATING = [
    State("operator", "/campaigns"),
    State("operator", "/campaigns/{campaign}"),
    State("operator", "/campaigns/{campaign}", submit("form.moves:has([name=sure])"), name="not sure"),
]
RECORDS = [
    State("leroy", "/patients"),
    State("leroy", "/patients", submit("main form", ins="150017505604274", birth_name="X", birth_date="1950-01-09"),
          name="nobody found"),
    State("leroy", "/patient/{marcels}"),
    State("leroy", "/patient/{marcels}?q=genou&all=1", name="a search"),
    State("leroy", "/patient/{marcels}?show=obsolete", name="what was replaced"),
    State("leroy", "/patient/{marcels}/documents/{untold}/view"),
    State("leroy", "/patient/{marcels}/documents/{untold}/read"),
    State("leroy", "/patient/{marcels}/prevention"),
    State("leroy", "/patient/{marcels}/deposit"),
    State("leroy", "/patient/{camilles}", name="nothing lets one read"),
    State("leroy", "/patient/{camilles}/deposit", submit("main form", title="Genou"), name="something lacks"),
    State("petit", "{admissions}/patient/{marcels}", name="no health profession"),
]  # fmt: skip
NOBODY = [
    State("", "/sign-in"),
    State("", "/sign-in?out", name="signed out"),
    State("", "/display"),
    State("", "/display?saved"),
    State("", "/offline/none"),
    State("", "/aide/messagerie"),
    *(State("", f"/aide/messagerie/{{{name}}}") for name in ("thunderbird", "mutt", "nouvel-outlook")),
    State("", "/nowhere", name="404"),
    State("", "/display", cross_origin, name="403"),
    State("", "/display", too_much, name="413"),
    State("dominique", "/", broken(DatabaseDown("gone")), name="503"),
    State("dominique", "/", broken(ValueError("a mistake")), name="500"),
]
ENDINGS = [State(who, path, name=name) for who, path, name in endings.PAGES]
FORMS = [State(who, path, name=name) for who, path, name in asked.PAGES]
GROUPS = {
    "list": LIST, "threads": THREADS, "reading": READING, "account": ACCOUNT, "others": OTHERS, "acting": ACTING,
    "offices": OFFICES, "operating": OPERATING, "records": RECORDS, "endings": ENDINGS, "nobody": NOBODY,
    "forms": FORMS,
}  # fmt: skip


def routes() -> set[str]:
    """The pages of the matrix that the table holds."""
    gets = [path for method, path in PAGES if method == "GET"]
    found = set()
    for state in (state for group in GROUPS.values() for state in group):
        path = re.sub(r"^\{(camille|marcel|admissions|anesthesia|pharmacy)\}", "", state.path).partition("?")[0]
        found |= {route for route in gets if _fits(path.split("/"), route.split("/"))}
    return found


def _fits(path: list[str], route: list[str]) -> bool:
    return len(path) == len(route) and all(
        one == other or (one.startswith("{") and other.startswith("{")) for one, other in zip(path, route, strict=True)
    )
