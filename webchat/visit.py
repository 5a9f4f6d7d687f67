"""Who looks, and at which mailbox: every page begins here, with a handle of `server.access` or with a refusal."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from aiohttp import web

from server import access, people, sessions
from server.drafts import Actor
from server.handles import MailboxHandle
from server.people import OwnSpace
from server.scopes import MESSAGES, WRITE
from webchat import present
from webchat.present import Desk, Whose
from webchat.security import language_of, session_secret
from webchat.words import Words, words

if TYPE_CHECKING:
    from server.app import App

HOLDER_SECTIONS = (
    ("messages", "/"), ("documents", "/documents"), ("health", "/health"), ("agenda", "/agenda"),
    ("services", "/services"),
)  # fmt: skip
# What one needs to see a section of a holder; the others have its name.
SCOPES = {"documents": "dossier", "health": "dossier"}
OPERATOR_SECTIONS = (("messages", "/"), ("campaigns", "/campaigns"))
OFFICE_SECTIONS = (
    ("messages", "/"), ("planning", "/planning"), ("patients", "/patients"), ("templates", "/templates"),
    ("hours", "/hours"),
)  # fmt: skip
TEAM_SECTIONS = (OFFICE_SECTIONS[0], ("team", "/team"), *OFFICE_SECTIONS[1:])


@dataclass(frozen=True, slots=True)
class Visit:
    """A signed-in person at a mailbox they may open."""

    app: App
    request: web.Request
    actor: Actor
    box: MailboxHandle
    desk: Desk

    @property
    def words(self) -> Words:
        return self.desk.words

    def page(self, template: str, section: str, *, status: int = 200, **values: Any) -> web.Response:
        """A page of this desk."""
        sections = {
            "holder": holder_sections(self.box.scopes), "team": TEAM_SECTIONS, "professional": OFFICE_SECTIONS,
            "operator": OPERATOR_SECTIONS,
        }.get(self.box.owner_kind, OFFICE_SECTIONS[:1])  # fmt: skip
        text = present.page(
            template,
            desk=self.desk,
            words=self.words,
            section=section,
            sections=sections,
            here=self.request.path,
            **values,
        )
        return web.Response(text=text, content_type="text/html", status=status)


Page = Callable[[Visit], Awaitable[web.StreamResponse]]


async def desk_of(app: App, actor: Actor, box: MailboxHandle, language: str) -> Desk:
    """The desk at which this actor opens this mailbox."""
    spaces = await people.spaces_of(app, actor)
    traits = await app.db.read(lambda tx: people.traits(app, tx, box.space_id))
    known = tuple(_whose(own) for own in spaces)
    mine = next((own for own in known if own.mailbox_id == box.mailbox_id), known[0])
    shown = replace(mine, mailbox_id=box.mailbox_id, sex=traits.sex if traits else "other")
    base = "" if box.ground == "self" else f"/for/{box.mailbox_id}"
    return Desk(words(language), base, actor.name, actor.kind, shown, known)


def holder_sections(scopes: frozenset[str]) -> tuple[tuple[str, str], ...]:
    """What of a holder's space one may look at."""
    return tuple((name, path) for name, path in HOLDER_SECTIONS if SCOPES.get(name, name) in scopes)


def _whose(own: OwnSpace) -> Whose:
    base = "" if own.kind == "self" else f"/for/{own.mailbox_id}"
    home = next((base + path for _, path in holder_sections(own.scopes)), f"{base}/account/people")
    return Whose(own.mailbox_id, own.name, own.birth_year, own.kind, own.sex, own.unread, home)


async def enter(app: App, request: web.Request, needs: Sequence[str] = (MESSAGES,), *, closed: bool = False) -> Visit:
    """The visit of this request, for what it `needs` of a delegation; `closed`: also of a space that is closed. Raises
    `Unauthorised`, `Refused`, `NotAllowed`, `SpaceClosed`.
    """
    actor = await sessions.actor_of_session(app, session_secret(app, request))
    box = await access.mailbox(app, actor, request.match_info.get("mailbox", ""), needs, closed=closed)
    return Visit(app, request, actor, box, await desk_of(app, actor, box, language_of(request, actor.language)))


def route(
    app: App,
    site: web.Application,
    method: str,
    path: str,
    page: Page,
    needs: Sequence[str] = (MESSAGES,),
    *,
    closed: bool = False,
) -> None:
    """Serve a page of one's own mailbox at `path`, and of a delegated one at `/for/{mailbox}path` for who has the
    scopes it `needs`; besides, to change something one may write. With no `needs` the page decides itself. `closed`: it
    is about the account, and works while the space is closed.

    « Mon compte » is one's own: nobody settles there how somebody else signs in or is told.
    """
    wanted = (*needs, WRITE) if needs and method != "GET" else tuple(needs)

    async def serve(request: web.Request) -> web.StreamResponse:
        return await page(await enter(app, request, wanted, closed=closed))

    async def lead_home(request: web.Request) -> web.StreamResponse:
        raise web.HTTPSeeOther("/" + request.path.split("/", 3)[3])

    mine = bool(needs) and path.startswith("/account")
    if mine and method == "GET":
        site.router.add_get("/for/{mailbox}" + path, lead_home)
    for prefix in ("",) if mine else ("", "/for/{mailbox}"):
        if method == "GET":
            site.router.add_get(prefix + path, serve)  # a GET brings its HEAD
        else:
            site.router.add_route(method, prefix + path, serve)


def nonce() -> str:
    """What makes the keys of a page's forms: pressing twice does a thing once, loading the page again allows it
    again.
    """
    return secrets.token_urlsafe(12)


def number(visit: Visit, name: str) -> int | None:
    """A whole number of the query, or None."""
    text = visit.request.query.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 18 else None
